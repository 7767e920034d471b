"""``biomatch search``, ``verify`` and ``dedup``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from biomatch.cli.options import (
    Number,
    audit_options,
    database_option,
    default_sample,
    examples,
    filter_options,
    filters_of,
    key_values,
    open_database,
    sample_options,
)
from biomatch.cli.output import emit, emit_record, output_options, say
from biomatch.cli.progress import progress
from biomatch.errors import IncompleteSearchError

if TYPE_CHECKING:
    from biomatch.errors import FormatError
    from biomatch.types import CandidateList

__all__ = ["dedup", "print_answers", "search", "verify"]

RATE = Number(0, 1, min_open=True, max_open=True)


@click.command(
    epilog=examples(
        "biomatch search mark.png -m fingerprint --impression latent --db case.db",
        "biomatch search photo.jpg -m face --top 10 --out reports/ --db case.db",
        "biomatch search photo.jpg -m face --fpir 0.01 --db case.db",
        "biomatch search stain.csv -m dna --set stringency=moderate --db case.db",
        "biomatch search right.png left.png --together -m fingerprint --db case.db",
        "biomatch search probes/ -m face --out results/ --resume --db case.db",
        "biomatch search photo.jpg -m face --processes 4 --partial 2 --db nation.db",
    )
)
@click.argument(
    "sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PROBE..."
)
@database_option
@click.option("--top", type=click.IntRange(1), default=20, help="Candidates wanted.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for reports (HTML, JSON), an index page and errors.csv.",
)
@click.option("--details", type=click.IntRange(0), default=5, help="Candidates with pictures.")
@click.option("--overlays", is_flag=True, help="Also write the comparisons as PNG.")
@click.option("--redact", is_flag=True, help="Reports without pictures.")
@click.option("--together", is_flag=True, help="All probes are one person: fuse them.")
@click.option("--fmr", type=RATE, help="List only candidates with at most this false match rate.")
@click.option(
    "--fpir",
    type=RATE,
    help="List only candidates that so few searches without a mate would list.",
)
@click.option("--exact", is_flag=True, help="Compare every record, without a shortlist.")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="Comparison option.")
@sample_options
@filter_options
@click.option("--workers", type=click.IntRange(1), default=1, help="Probes side by side.")
@click.option(
    "--processes", type=click.IntRange(0), default=0, help="Processes that share the gallery."
)
@click.option(
    "--cluster", metavar="HOST:PORT", help='Ray cluster that searches; "local" starts one.'
)
@click.option(
    "--partial",
    type=Number(0, min_open=True),
    metavar="SECONDS",
    help="Do not wait longer for a part of the gallery (exit code 4 then).",
)
@click.option("--resume", is_flag=True, help="Skip probes with a complete result in --out.")
@click.option("--dry-run", is_flag=True, help="Only list the probes.")
@audit_options
@output_options
def search(
    *,
    sources: tuple[Path, ...],
    db: str | None,
    out: Path | None,
    together: bool,
    dry_run: bool,
    format_: str,
    **given: Any,
) -> None:
    """Search one or many probes, 1:N.

    A PROBE is a file, a folder or a manifest. Without --out the candidate
    lists are printed; with it, each probe gets a report. No candidate is not
    an error; an incomplete search ends with exit code 4.
    """
    from biomatch.jobs.items import gather

    if given["resume"] and out is None:
        raise click.UsageError("--resume needs --out, where earlier results are")
    query = {
        "k": given["top"],
        "filters": filters_of(given),
        "exhaustive": given["exact"],
        "options": key_values(given["settings"], "--set"),
        "fmr": given["fmr"],
        "fpir": given["fpir"],
    }
    items = gather(sources, default_sample(given))
    if dry_run:
        _list_probes(items, format_)
    audit = {"purpose": given["purpose"], "case": given["case_id"], "actor": given["actor"]}
    workers = {
        "processes": given["processes"],
        "cluster": given["cluster"],
        "deadline": given["partial"],
    }
    with open_database(db, as_owner=given["as_owner"], **workers) as database:
        if together:
            _together(database, items, query | audit, out=out, given=given, format_=format_)
        elif out is not None:
            _batch(database, items, query, out=out, given=given, format_=format_)
        else:
            _print_all(database, items, query | audit, format_)


def _list_probes(items: list[Any], format_: str) -> None:
    from biomatch.jobs.items import foreseen

    emit([{"probe": item.sample.name} for item in items], format_)
    problems = [problem for item in items if (problem := foreseen(item))]
    for problem in problems[:20]:
        say(f"Error: {problem}")
    say(f"{len(items):,} probes, {len(problems):,} cannot be used; nothing was searched")
    click.get_current_context().exit(1 if problems else 0)


def _print_all(database: Any, items: list[Any], query: dict[str, Any], format_: str) -> None:
    from biomatch.errors import BiomatchError, IntegrityError
    from biomatch.jobs.items import samples
    from biomatch.jobs.outcome import Failure, Outcome
    from biomatch.search import Rejected

    outcome = Outcome()
    answers: list[CandidateList] = []

    def fail(item: Any, error: BiomatchError | Rejected) -> None:
        outcome.failures.append(Failure.of(item, error))
        say(f"Error: {outcome.failures[-1].error}")

    for item in items:
        try:
            for sample in samples(item):
                for answer in database.search_many([sample], **query):
                    if isinstance(answer, Rejected):
                        fail(item, answer)
                    else:
                        answers.append(answer)
        except IntegrityError:
            raise
        except BiomatchError as error:
            fail(item, error)
    outcome.done = len(answers)
    print_answers(answers, format_)
    _require_complete(answers)
    click.get_current_context().exit(outcome.exit_code)


def _require_complete(answers: "list[CandidateList]") -> None:
    partial = [answer for answer in answers if not answer.complete]
    if partial:
        reasons = "".join(f"; {reason}" for reason in partial[0].coverage.missing)
        raise IncompleteSearchError(
            f"{partial[0].probe}: only {partial[0].coverage} were searched{reasons}; "
            "an absent candidate proves nothing"
        )


COLUMNS = [
    "rank", "subject", "sample", "score", "margin", "log10_lr", "support", "fmr",
    "expected_by_chance",
    "owner", "finger",
]  # fmt: skip
CSV_COLUMNS = ["probe", *COLUMNS]


def print_answers(answers: "list[CandidateList]", format_: str) -> None:
    """Print candidate lists in one of the output formats."""
    from biomatch.report import words
    from biomatch.report.plain import plain
    from biomatch.report.sheet import probe_name

    if format_ in {"json", "jsonl"}:
        emit([plain(answer) for answer in answers], format_)
        return
    if format_ == "csv":
        emit([row for answer in answers for row in _rows(answer)], format_, columns=CSV_COLUMNS)
        return
    for answer in answers:
        rows = _rows(answer)
        note = (
            f"searched: {words.covered(answer.coverage)}; compared in detail: "
            f"{words.detail(answer.penetration)}"
        )
        shown = [column for column in COLUMNS if any(row[column] for row in rows)]
        title = f"{probe_name(answer)} ({answer.modality}): candidates, not identifications"
        if rows:
            emit(rows, format_, columns=shown, title=title, note=note)
        else:
            click.echo(f"{probe_name(answer)} ({answer.modality}): no candidate; {note}")


def _rows(answer: "CandidateList") -> list[dict[str, Any]]:
    from biomatch.report import words

    return [
        {
            "probe": answer.probe,
            "rank": line.rank,
            "subject": line.subject,
            "sample": line.sample,
            "score": line.score,
            "margin": line.margin,
            "log10_lr": line.log10_lr,
            "support": words.support(line.log10_lr),
            "fmr": line.fmr,
            "expected_by_chance": line.expected_false,
            "owner": line.owner,
            "finger": words.finger(line.finger_position),
        }
        for line in answer
    ]


def _together(
    database: Any,
    items: list[Any],
    query: dict[str, Any],
    *,
    out: Path | None,
    given: dict[str, Any],
    format_: str,
) -> None:
    from biomatch.jobs.items import samples
    from biomatch.jobs.searching import report

    probes = [sample for item in items for sample in samples(item)]
    answer = database.search(probes, **query)
    if out is not None:
        made = report(database, answer, probes[0], _reporting(out, given), "together")
        say(f"report: {out / made['file']}")
    print_answers([answer], format_)
    _require_complete([answer])


def _reporting(out: Path, given: dict[str, Any]) -> Any:
    from biomatch.jobs.searching import Reporting

    return Reporting(
        folder=out,
        details=given["details"],
        redact=given["redact"],
        overlays=given["overlays"],
        resume=given["resume"],
        audit={"purpose": given["purpose"], "case": given["case_id"], "actor": given["actor"]},
    )


def _batch(
    database: Any,
    items: list[Any],
    query: dict[str, Any],
    *,
    out: Path,
    given: dict[str, Any],
    format_: str,
) -> None:
    from biomatch import jobs

    with progress("searching", len(items)) as advance:
        outcome = jobs.search(
            database,
            items,
            _reporting(out, given),
            workers=given["workers"],
            advance=advance,
            **query,
        )
    for failure in outcome.failures[:20]:
        say(f"Error: {failure.error}")
    emit_record(
        {
            "probes": outcome.items,
            "searched": outcome.done,
            "candidate_lists": outcome.templates,
            "already_there": outcome.skipped,
            "failed": len(outcome.failures),
            "incomplete": outcome.incomplete,
            "index": str(out / "index.html"),
        },
        format_,
    )
    click.get_current_context().exit(outcome.exit_code)


@click.command(
    epilog=examples(
        "biomatch verify a.jpg b.jpg -m face",
        "biomatch verify a.jpg b.jpg -m face --option accuracy=high --fmr 1e-4",
        "biomatch verify mark.png s42 -m fingerprint --db case.db",
        "biomatch verify a.png b.png -m fingerprint --ppi 569",
        "biomatch verify pairs.csv -m face --format csv > scores.csv",
    )
)
@click.argument("sources", nargs=-1, required=True, metavar="A B | PAIRS.csv")
@database_option
@click.option("-m", "--modality", metavar="NAME", help="What the files are.")
@click.option(
    "--option",
    "extraction",
    metavar="NAME=VALUE",
    multiple=True,
    help="Extraction option, such as accuracy=high.",
)
@click.option(
    "--ppi",
    type=Number(100, 5000),
    help="True resolution of pictures; overrules what their files state.",
)
@click.option("--fmr", type=RATE, help="Also say whether a pair reaches this false match rate.")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="Comparison option.")
@audit_options
@output_options
def verify(
    *,
    sources: tuple[str, ...],
    db: str | None,
    modality: str | None,
    extraction: tuple[str, ...],
    ppi: float | None,
    fmr: float | None,
    settings: tuple[str, ...],
    format_: str,
    **given: Any,
) -> None:
    """Compare 1:1: two files, an enrolled sample (s42), or a list of pairs.

    PAIRS.csv has the columns path_a and path_b. A database is only needed
    for enrolled samples and for the audit trail.
    """
    import biomatch
    from biomatch import jobs

    pairs = _pairs(sources)
    named = db or (click.get_current_context().find_root().obj or {}).get("db")
    as_owner = given["as_owner"]
    opened = open_database(named, as_owner=as_owner) if named else biomatch.open(":memory:")
    with opened as database, progress("comparing", len(pairs)) as advance:
        rows = list(
            jobs.verify(
                database,
                pairs,
                modality=modality,
                extraction=key_values(extraction, "--option"),
                ppi=ppi,
                fmr=fmr,
                advance=advance,
                options=key_values(settings, "--set"),
                purpose=given["purpose"],
                case=given["case_id"],
                actor=given["actor"],
            )
        )
    for row in rows:
        if row["error"]:
            say(f"Error: {row['error']}")
    columns = ["path_a", "path_b", "score", "log10_lr", "support", "fmr"]
    columns += ["reached"] if fmr else []
    emit(rows, format_, columns=columns + ["error"] * any(row["error"] for row in rows))
    click.get_current_context().exit(1 if any(row["error"] for row in rows) else 0)


def _pairs(sources: tuple[str, ...]) -> "list[tuple[Path | str, Path | str] | FormatError]":
    from biomatch.formats.manifest import read_pairs

    if len(sources) == 1:
        return list(read_pairs(Path(sources[0])))
    if len(sources) != 2:
        raise click.UsageError("give two samples, or one CSV file of pairs")
    return [(_path_or_id(sources[0]), _path_or_id(sources[1]))]


def _path_or_id(text: str) -> Path | str:
    is_id = text[:1] == "s" and text[1:].isdecimal() and not Path(text).exists()
    return text if is_id else Path(text)


@click.command(
    epilog=examples(
        "biomatch dedup --modality face --db case.db",
        "biomatch dedup -m fingerprint --log10-lr 6 --format csv --db case.db",
    )
)
@database_option
@click.option("-m", "--modality", required=True, metavar="NAME", help="What to compare.")
@click.option(
    "--log10-lr", type=Number(-1000, 1000), default=4.0, help="Lowest log10 LR of a pair."
)
@click.option("--exact", is_flag=True, help="Compare every pair, without a shortlist.")
@filter_options
@audit_options
@output_options
def dedup(
    *,
    db: str | None,
    modality: str,
    log10_lr: float,
    exact: bool,
    format_: str,
    **given: Any,
) -> None:
    """Find people who were enrolled twice under different names.

    A killed run goes on where it was when it is started again.
    """
    from biomatch.report.plain import plain

    with open_database(db, as_owner=given["as_owner"]) as database:
        total = sum(status.records for status in database.index_status(modality))
        with progress("comparing", total) as advance:
            done = 0

            def on_progress(state: Any) -> None:
                nonlocal done
                advance(state.done - done)
                done = state.done

            pairs = database.dedup(
                modality,
                filters=filters_of(given),
                log10_lr=log10_lr,
                exhaustive=exact,
                on_progress=on_progress,
                purpose=given["purpose"],
                actor=given["actor"],
            )
    emit([plain(pair) for pair in pairs], format_)
