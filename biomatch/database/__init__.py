"""The records: SQL tables, template blobs, audit trail; the single source of truth."""

from biomatch.database.audit import AuditReport
from biomatch.database.store import Store, Writer

__all__ = ["AuditReport", "Store", "Writer"]
