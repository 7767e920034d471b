"""The audit trail: every row carries the SHA-256 of itself and of the row before.

Changing, removing or re-ordering a row breaks the chain at that row; removing the last rows
disagrees with the head kept in `state`. Somebody who can rewrite the whole database can also
rewrite the whole chain: print or export the head (`Database.audit_head`) to bind it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from biomatch.database import schema

__all__ = ["GENESIS", "AuditReport", "canonical", "chain", "check"]

GENESIS = "0" * 64
"""What the first row's `previous` says."""

FIELDS = ("seq", "generation", "at", "action", "actor", "purpose", "case_id", "details")


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Outcome of a check of the whole chain.

    Attributes
    ----------
    rows
        Rows read.
    head
        Hash of the last good row.
    broken
        Number of the first broken row, None when the chain is intact.
    cause
        What is wrong with it, in one sentence.
    """

    rows: int
    head: str
    broken: int | None = None
    cause: str = ""

    @property
    def intact(self) -> bool:
        """True when no row was changed, removed, added or re-ordered."""
        return self.broken is None


def canonical(value: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces: the same text for the same content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def chain(previous: str, row: Mapping[str, Any]) -> str:
    """Hash of a row that follows the row with hash `previous`."""
    content = canonical({name: row[name] for name in FIELDS})
    return hashlib.sha256(f"{previous}{content}".encode()).hexdigest()


def check(connection: Connection) -> AuditReport:
    """Read the chain from its first row to its head."""
    rows = connection.execution_options(yield_per=1000).execute(
        select(schema.audit).order_by(schema.audit.c.seq)
    )
    report = _follow(row._asdict() for row in rows)
    head = connection.execute(select(schema.state.c.audit_head)).scalar_one()
    if report.intact and head != report.head:
        return _beside_the_head(connection, report, head)
    return report


def _beside_the_head(connection: Connection, report: AuditReport, head: str) -> AuditReport:
    last = connection.execute(
        select(schema.audit.c.seq).where(schema.audit.c.hash == head)
    ).scalar()
    if head == GENESIS:
        last = 0
    if last is None:
        cause = "the last rows are missing: the chain ends before the head recorded in 'state'"
        return AuditReport(report.rows, report.head, report.rows + 1, cause)
    cause = f"row {last + 1} was added: the chain goes on after the head recorded in 'state'"
    return AuditReport(report.rows, head, last + 1, cause)


def _follow(rows: Iterable[Mapping[str, Any]]) -> AuditReport:
    head, count = GENESIS, 0
    for count, row in enumerate(rows, start=1):
        cause = _fault(head, count, row)
        if cause:
            return AuditReport(count, head, count, cause)
        head = row["hash"]
    return AuditReport(count, head)


def _fault(head: str, number: int, row: Mapping[str, Any]) -> str:
    if row["seq"] != number:
        return f"row {number} is missing: the next one found is row {row['seq']}"
    if row["previous"] != head:
        return f"row {number} does not follow the row before it"
    if chain(head, row) != row["hash"]:
        return f"row {number} was changed: its content does not give its hash"
    return ""
