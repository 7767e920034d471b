"""ANSI/NIST-ITL transactions, traditional encoding: read, shown, decoded, written."""

from biomatch.formats.ansi_nist.records import (
    BinaryRecord,
    Field,
    Record,
    TaggedRecord,
    Transaction,
    read,
    tagged,
)

__all__ = ["BinaryRecord", "Field", "Record", "TaggedRecord", "Transaction", "read", "tagged"]
