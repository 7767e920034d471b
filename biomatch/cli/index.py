"""``biomatch index``: the derived indexes. SQL is the truth; an index can always be made anew."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from biomatch.cli.options import database_option, examples, open_database
from biomatch.cli.output import emit, output_options
from biomatch.errors import DamagedIndexError

if TYPE_CHECKING:
    from biomatch.search.index import IndexStatus

__all__ = ["index"]

MODALITY = click.option("-m", "--modality", metavar="NAME", help="Only this modality.")
COLUMNS = [
    "modality", "generation", "records", "indexed", "segments", "delta", "removed", "bytes",
    "problems",
]  # fmt: skip


@click.group(
    epilog=examples(
        "biomatch index status --db case.db",
        "biomatch index verify --db case.db",
        "biomatch index recall --modality face --probes 200 --db case.db",
    )
)
def index() -> None:
    """Inspect, check, rebuild and compact the search indexes."""


def _show(statuses: "Sequence[IndexStatus]", format_: str) -> None:
    from biomatch.report.plain import plain

    advice = "\n".join(sentence for status in statuses for sentence in status.advice)
    columns = COLUMNS if format_ == "table" else [*COLUMNS, "advice"]
    emit([plain(status) for status in statuses], format_, columns=columns, note=advice)


@index.command(epilog=examples("biomatch index status --db case.db"))
@database_option
@MODALITY
@output_options
def status(*, db: str | None, modality: str | None, format_: str) -> None:
    """Show what the indexes hold and whether they are up to date."""
    with open_database(db) as database:
        _show(database.index_status(modality), format_)


@index.command(epilog=examples("biomatch index verify --db case.db"))
@database_option
@MODALITY
@output_options
def verify(*, db: str | None, modality: str | None, format_: str) -> None:
    """Read every file of the indexes and compare them with the records.

    Ends with exit code 3 when something does not fit; "biomatch index
    rebuild" cures it.
    """
    with open_database(db) as database:
        statuses = database.index_verify(modality)
    _show(statuses, format_)
    problems = [problem for found in statuses for problem in found.problems]
    if problems:
        raise DamagedIndexError(f"{problems[0]}; 'biomatch index rebuild' makes it anew")


@index.command(epilog=examples("biomatch index rebuild --modality face --db case.db"))
@database_option
@MODALITY
@output_options
def rebuild(*, db: str | None, modality: str | None, format_: str) -> None:
    """Throw the indexes away and make them anew from the records."""
    with open_database(db) as database:
        _show(database.index_rebuild(modality), format_)


@index.command(epilog=examples("biomatch index compact --db case.db"))
@database_option
@MODALITY
@output_options
def compact(*, db: str | None, modality: str | None, format_: str) -> None:
    """Merge small segments and drop removed rows.

    Templates that were deleted, or replaced by an update, are gone from the
    files of the index then.
    """
    with open_database(db) as database:
        _show(database.index_compact(modality), format_)


@index.command(epilog=examples("biomatch index recall --modality face --probes 200 --db case.db"))
@database_option
@MODALITY
@click.option("--probes", type=click.IntRange(1), default=100, help="Records used as probes.")
@output_options
def recall(*, db: str | None, modality: str | None, probes: int, format_: str) -> None:
    """Measure what the shortlist loses against comparing everything.

    Enrolled samples serve as probes; the share whose exhaustive answer the
    shortlist finds as well is reported.
    """
    from biomatch.report.plain import plain

    with open_database(db) as database:
        measured = database.index_recall(modality, probes=probes)
    emit([plain(one) for one in measured], format_)
