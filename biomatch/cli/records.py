"""``biomatch list``, ``show`` and ``delete``: the records."""

from typing import TYPE_CHECKING, Any

import click

from biomatch.cli.options import (
    audit_options,
    database_option,
    examples,
    filter_options,
    filters_of,
    open_database,
)
from biomatch.cli.output import emit, emit_record, output_options

if TYPE_CHECKING:
    from biomatch.search import Subject

__all__ = ["delete", "list_subjects", "show"]

SUBJECT_COLUMNS = ["id", "owner", "sex", "year_of_birth", "category", "samples", "modalities"]
SAMPLE_COLUMNS = [
    "id", "modality", "finger_position", "impression", "quality", "ppi", "gallery", "source",
    "created_at",
]  # fmt: skip


def _subject_row(subject: "Subject") -> dict[str, Any]:
    return {
        "id": subject.id,
        "owner": subject.owner,
        "sex": subject.sex,
        "year_of_birth": subject.year_of_birth,
        "category": subject.category,
        "samples": len(subject.samples),
        "modalities": sorted({sample.modality for sample in subject.samples}),
    }


@click.command(
    "list",
    epilog=examples(
        "biomatch list --db case.db",
        "biomatch list --owners XA --sex F --format csv --db case.db",
    ),
)
@database_option
@filter_options
@click.option("--expired", is_flag=True, help="Only whose retention date is past.")
@click.option("--limit", type=click.IntRange(1), default=1000, help="Subjects shown at most.")
@output_options
def list_subjects(*, db: str | None, expired: bool, limit: int, format_: str, **given: Any) -> None:
    """List the enrolled subjects."""
    import datetime as dt
    from itertools import islice

    with open_database(db) as database:
        rows = [
            _subject_row(subject)
            for subject in islice(
                database.subjects(
                    filters=filters_of(given),
                    expired_on=dt.date.today().isoformat() if expired else None,
                ),
                limit,
            )
        ]
        note = f"{len(rows):,} of {len(database):,} subjects"
    emit(rows, format_, columns=SUBJECT_COLUMNS, note=note)


@click.command(
    epilog=examples(
        "biomatch show 1001 --db case.db", "biomatch show 1001 --format json --db case.db"
    )
)
@click.argument("subject")
@database_option
@output_options
def show(*, subject: str, db: str | None, format_: str) -> None:
    """Show one subject and its samples."""
    from biomatch.report.plain import plain

    with open_database(db) as database:
        found = database.get(subject)
    if format_ == "table":
        emit_record({**_subject_row(found), "metadata": found.metadata or None}, format_)
        emit([plain(sample) for sample in found.samples], format_, columns=SAMPLE_COLUMNS)
    elif format_ == "csv":
        emit([plain(sample) for sample in found.samples], format_)
    else:
        emit_record(plain(found), format_)


@click.command(
    epilog=examples(
        "biomatch delete 1001 --purpose 'retention ended' --db case.db",
        "biomatch delete s42 s43 --yes --db case.db",
    )
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@database_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@audit_options
@output_options
def delete(*, ids: tuple[str, ...], db: str | None, yes: bool, format_: str, **given: Any) -> None:
    """Delete subjects with all they have, or single samples (s42).

    All or nothing; the audit trail keeps the digests of what was deleted.
    """
    if not yes:
        click.confirm(f"Delete {', '.join(ids)} for good?", abort=True, err=True)
    with open_database(db, as_owner=given["as_owner"]) as database:
        count = database.delete(
            *ids, purpose=given["purpose"], case=given["case_id"], actor=given["actor"]
        )
    emit_record({"deleted_samples": count}, format_)
