"""``biomatch enrol`` and ``biomatch re-enrol``."""

from pathlib import Path
from typing import Any

import click

from biomatch.cli.options import (
    audit_options,
    database_option,
    default_sample,
    examples,
    key_values,
    open_database,
    sample_options,
)
from biomatch.cli.output import emit_record, output_options, say
from biomatch.cli.progress import progress

__all__ = ["enrol", "re_enrol"]


@click.command(
    epilog=examples(
        "biomatch enrol anna.jpg --subject 1001 -m face --db case.db",
        "biomatch enrol prints/ -m fingerprint --subject-from prefix --db case.db",
        "biomatch enrol profiles.csv -m dna --db case.db",
        "biomatch enrol manifest.csv --workers 2 --errors errors.csv --db case.db",
        "biomatch enrol prints/ -m fingerprint --dry-run",
    )
)
@click.argument(
    "sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SOURCE..."
)
@database_option
@click.option("--subject", help="Subject of a single file (default: what the file says).")
@click.option(
    "--subject-from",
    type=click.Choice(["folder", "name", "prefix"]),
    help="How files in a folder name their subject.",
)
@sample_options
@click.option("--owner", "record_owner", help="Owner of the record: country or agency.")
@click.option("--category", help="Category, such as convicted or missing.")
@click.option("--gallery", help="Gallery to enrol into (default: main).")
@click.option("--sex", type=click.Choice(["F", "M", "X"]), help="Sex of the subject.")
@click.option("--year-of-birth", type=click.IntRange(1850, 2200), help="Year of birth.")
@click.option("--expires-on", metavar="YYYY-MM-DD", help="Retention date.")
@click.option(
    "--duplicates",
    type=click.Choice(["skip", "allow"]),
    default="skip",
    help="What to do with a file that is enrolled already (default: skip).",
)
@click.option("--attach", is_flag=True, help="Keep the files in the database, for reports.")
@click.option("--workers", type=click.IntRange(1), default=1, help="Items read side by side.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on after a killed run. Always safe: what is enrolled already is skipped.",
)
@click.option("--dry-run", is_flag=True, help="Only list what would be enrolled.")
@click.option(
    "--errors", type=click.Path(path_type=Path), help="Write failed items to this CSV file."
)
@audit_options
@output_options
def enrol(
    *,
    sources: tuple[Path, ...],
    db: str | None,
    subject: str | None,
    subject_from: str | None,
    workers: int,
    dry_run: bool,
    errors: Path | None,
    format_: str,
    **given: Any,
) -> None:
    """Enrol files, folders or manifests.

    A SOURCE is a picture, a minutiae record, a table of DNA profiles, a folder
    of them, or a manifest (.csv with a column "path", or .jsonl) that maps
    files to subjects. A bad item is reported and the rest goes on.
    """
    from biomatch import jobs
    from biomatch.formats.manifest import SubjectFrom
    from biomatch.jobs import write_errors
    from biomatch.jobs.items import gather

    items = gather(
        sources,
        default_sample(given),
        subject=subject,
        subject_from=SubjectFrom(subject_from) if subject_from else None,
    )
    if dry_run:
        _list_items(items, format_)
    if errors:
        write_errors(errors, [])  # now, since a place that cannot be written is known hours later
    with (
        open_database(db, create=True, as_owner=given["as_owner"]) as database,
        progress("enrolling", len(items)) as advance,
    ):
        outcome = jobs.enrol(database, items, workers=workers, advance=advance, **_record(given))
    _tell(outcome, errors, format_)


def _record(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `Database.enrol` that were given."""
    names = ("category", "gallery", "sex", "year_of_birth", "expires_on", "purpose", "actor")
    record = {name: given[name] for name in names if given[name]}
    if given["record_owner"]:
        record["owner"] = given["record_owner"]
    if given["case_id"]:
        record["case"] = given["case_id"]
    return record | {"attach": given["attach"], "duplicates": given["duplicates"]}


def _list_items(items: list[Any], format_: str) -> None:
    from biomatch.cli.output import emit
    from biomatch.jobs.items import foreseen

    rows = [
        {
            "path": str(item.sample.path),
            "subject": item.subject,
            "modality": item.sample.modality,
            "finger": item.sample.finger_position,
            **item.record,
        }
        for item in items
    ]
    emit(rows, format_, columns=["path", "subject", "modality", "finger"])
    problems = [problem for item in items if (problem := foreseen(item))]
    for problem in problems[:MOST_ERRORS]:
        say(f"Error: {problem}")
    say(f"{len(rows):,} items, {len(problems):,} cannot be used; nothing was enrolled")
    click.get_current_context().exit(1 if problems else 0)


def _tell(outcome: Any, errors: Path | None, format_: str) -> None:
    from biomatch.jobs import write_errors

    if errors:
        write_errors(errors, outcome.failures)
    for failure in outcome.failures[:MOST_ERRORS]:
        say(f"Error: {failure.error}")
    if len(outcome.failures) > MOST_ERRORS:
        say(f"... and {len(outcome.failures) - MOST_ERRORS:,} more; --errors FILE lists them all")
    if outcome.alerts:
        say(f"{outcome.alerts:,} alerts: somebody may solve a case; see 'biomatch gallery alerts'")
    emit_record(
        {
            "items": outcome.items,
            "enrolled": outcome.done,
            "templates": outcome.templates,
            "already_there": outcome.skipped,
            "failed": len(outcome.failures),
        },
        format_,
    )
    click.get_current_context().exit(outcome.exit_code)


MOST_ERRORS = 20
"""Failures shown on stderr; the error report has all."""


@click.command(
    "re-enrol",
    epilog=examples(
        "biomatch re-enrol --modality face --db case.db",
        "biomatch re-enrol --modality fingerprint --dry-run --db case.db",
    ),
)
@database_option
@click.option("-m", "--modality", required=True, metavar="NAME", help="What to make anew.")
@click.option(
    "--option",
    "extraction",
    metavar="NAME=VALUE",
    multiple=True,
    help="Extraction option, such as accuracy=high.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would be made anew.")
@audit_options
@output_options
def re_enrol(
    *,
    db: str | None,
    modality: str,
    extraction: tuple[str, ...],
    dry_run: bool,
    format_: str,
    **given: Any,
) -> None:
    """Make templates anew with the current models, from the kept files.

    Templates of different models are never compared; after a change of model
    the old ones are made anew from the file kept in the database (enrol with
    --attach) or from the file that was enrolled, if it is still the same.
    """
    from biomatch import jobs

    with open_database(db, as_owner=given["as_owner"]) as database:
        outcome = jobs.re_enrol(
            database,
            modality,
            options=key_values(extraction, "--option"),
            dry_run=dry_run,
            purpose=given["purpose"],
            actor=given["actor"],
        )
    _tell(outcome, None, format_)
