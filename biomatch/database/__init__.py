"""The records: SQL tables, template blobs, audit trail; the single source of truth."""
