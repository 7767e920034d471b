"""``biomatch audit``: the hash-chained trail of every action."""

import click

from biomatch.cli.options import database_option, examples, open_database
from biomatch.cli.output import emit_record, output_options
from biomatch.errors import DatabaseError

__all__ = ["audit"]


@click.group(epilog=examples("biomatch audit verify --db case.db"))
def audit() -> None:
    """Check the audit trail."""


@audit.command(epilog=examples("biomatch audit verify --db case.db"))
@database_option
@output_options
def verify(*, db: str | None, format_: str) -> None:
    """Follow the chain from its first row and name the first broken one.

    Ends with exit code 3 when a row was changed, removed, added or moved.
    Keep the printed head somewhere else: it binds all rows before it.
    """
    with open_database(db) as database:
        found = database.audit_verify()
    emit_record(
        {
            "rows": found.rows,
            "intact": found.intact,
            "head": found.head,
            "broken": found.broken,
            "cause": found.cause,
        },
        format_,
    )
    if not found.intact:
        raise DatabaseError(f"the audit trail is broken at row {found.broken}: {found.cause}")
