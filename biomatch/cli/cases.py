"""``biomatch decide`` and ``biomatch case``: what examiners concluded."""

from pathlib import Path
from typing import Any

import click

from biomatch.cli.options import (
    audit_options,
    database_option,
    default_sample,
    examples,
    open_database,
    sample_options,
)
from biomatch.cli.output import emit, emit_record, output_options, say

__all__ = ["case", "decide"]

DECISION_COLUMNS = ["id", "subject", "search", "conclusion", "examiner", "verifies", "at", "reason"]


@click.command(
    epilog=examples(
        "biomatch decide 2026-17 1001 identification --examiner m.weber --search q843 --db case.db",
        "biomatch decide 2026-17 1001 identification --examiner j.ito --db case.db",
    )
)
@click.argument("case_id", metavar="CASE")
@click.argument("candidate")
@click.argument("conclusion", type=click.Choice(["identification", "inconclusive", "exclusion"]))
@database_option
@click.option("--examiner", required=True, help="Who concludes.")
@click.option("--search", "search_id", help="The search that gave the candidate (q...).")
@click.option("--reason", help="Why, in words.")
@output_options
def decide(
    *,
    case_id: str,
    candidate: str,
    conclusion: str,
    db: str | None,
    format_: str,
    examiner: str,
    search_id: str | None,
    reason: str | None,
) -> None:
    """Record an examiner's conclusion on a CANDIDATE (a subject).

    The second examiner's conclusion on the same candidate verifies the
    first one's. Reports of the case show both. The candidate is enrolled, or
    was listed by a search of the case.
    """
    from biomatch.jobs import conclude
    from biomatch.report.plain import plain

    with open_database(db) as database:
        made = conclude(
            database,
            case_id,
            candidate,
            conclusion,
            examiner=examiner,
            search=search_id,
            reason=reason,
        )
    emit_record(plain(made), format_)


@click.group(
    epilog=examples(
        "biomatch case list --db case.db",
        "biomatch case show 2026-17 --db case.db",
        "biomatch case export 2026-17 --out 2026-17.json --db case.db",
    )
)
def case() -> None:
    """Open, list, show, close and export cases."""


@case.command("list", epilog=examples("biomatch case list --db case.db"))
@database_option
@output_options
def list_cases(*, db: str | None, format_: str) -> None:
    """List all cases and how far they are."""
    with open_database(db) as database:
        rows = [
            {
                "id": found.id,
                "title": found.title,
                "status": found.status,
                "owner": found.owner,
                "searches": len(found.searches),
                "unsolved": len(found.unsolved),
                "decisions": len(found.decisions),
                "created_at": found.created_at,
            }
            for found in database.cases()
        ]
    emit(rows, format_)


@case.command(epilog=examples("biomatch case show 2026-17 --db case.db"))
@click.argument("case_id", metavar="CASE")
@database_option
@output_options
def show(*, case_id: str, db: str | None, format_: str) -> None:
    """Show a case with its searches, unsolved samples and conclusions."""
    from biomatch.report.plain import plain

    with open_database(db) as database:
        found = database.case(case_id)
        searches = database.searches(case=case_id)
    if format_ != "table":
        emit_record({**plain(found), "searches": plain(searches)}, format_)
        return
    emit_record(
        {
            "case": found.id,
            "title": found.title,
            "status": found.status,
            "owner": found.owner,
            "unsolved": list(found.unsolved),
        },
        format_,
    )
    emit(
        [plain(search) for search in searches],
        format_,
        columns=["id", "at", "probe", "modality", "actor", "purpose", "complete"],
        title="Searches",
    )
    emit(
        [plain(decision) for decision in found.decisions],
        format_,
        columns=DECISION_COLUMNS,
        title="Conclusions",
    )


@case.command("open", epilog=examples("biomatch case open 2026-17 --title 'Burglary' --db case.db"))
@click.argument("case_id", metavar="CASE")
@database_option
@click.option("--title", help="What it is about.")
@click.option("--actor", envvar="BIOMATCH_ACTOR", help="Who acts.")
@output_options
def open_case(
    *, case_id: str, db: str | None, title: str | None, actor: str | None, format_: str
) -> None:
    """Open a case that searches and conclusions refer to."""
    from biomatch.report.plain import plain

    with open_database(db, create=True) as database:
        emit_record(plain(database.open_case(case_id, title=title, actor=actor)), format_)


@case.command(epilog=examples("biomatch case close 2026-17 --db case.db"))
@click.argument("case_id", metavar="CASE")
@database_option
@click.option("--reopen", is_flag=True, help="Open it again instead.")
@click.option("--actor", envvar="BIOMATCH_ACTOR", help="Who acts.")
@output_options
def close(*, case_id: str, db: str | None, reopen: bool, actor: str | None, format_: str) -> None:
    """Close a case, or open it again."""
    from biomatch.report.plain import plain

    with open_database(db) as database:
        status = "open" if reopen else "closed"
        emit_record(plain(database.close_case(case_id, status=status, actor=actor)), format_)


@case.command(epilog=examples("biomatch case file 2026-17 mark.png -m fingerprint --db case.db"))
@click.argument("name", metavar="CASE")
@click.argument("probe", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@database_option
@click.option(
    "--gallery", default="unsolved", show_default=True, help="Gallery of unsolved probes."
)
@sample_options
@audit_options
@output_options
def file(
    *, name: str, probe: Path, db: str | None, gallery: str, format_: str, **given: Any
) -> None:
    """Keep an unidentified probe: later enrolments are searched against it."""
    from biomatch.formats.manifest import Item
    from biomatch.jobs.items import samples
    from biomatch.report.plain import plain

    stated = default_sample(given)
    with open_database(db, create=True, as_owner=given["as_owner"]) as database:
        receipts = [
            receipt
            for sample in samples(Item(_at(stated, probe)))
            for receipt in database.file_unsolved(
                sample, case=name, gallery=gallery, actor=given["actor"], purpose=given["purpose"]
            )
        ]
    emit([plain(receipt) for receipt in receipts], format_)


def _at(sample: Any, path: Path) -> Any:
    from dataclasses import replace

    return replace(sample, path=path)


@case.command(epilog=examples("biomatch case export 2026-17 --out 2026-17.json --db case.db"))
@click.argument("case_id", metavar="CASE")
@database_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@click.option("--actor", envvar="BIOMATCH_ACTOR", help="Who acts.")
def export(*, case_id: str, db: str | None, out: Path | None, actor: str | None) -> None:
    """Write a case with all candidate lists and conclusions as JSON."""
    import json

    from biomatch.jobs import export_case

    with open_database(db) as database:
        content = export_case(database, case_id, actor=actor)
    text = json.dumps(content, indent=2, ensure_ascii=False)
    if out is None:
        click.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
        say(f"wrote {out}")
