"""What a file is, by its first bytes: names and suffixes lie."""

import re
from enum import StrEnum

__all__ = ["Kind", "sniff"]


class Kind(StrEnum):
    """Families of files that biomatch reads."""

    PICTURE = "picture"
    MINUTIAE_RECORD = "finger minutiae record"
    FACE_RECORD = "face image record"
    FINGER_RECORD = "finger image record"
    TRANSACTION = "ANSI/NIST-ITL transaction"
    JSON = "JSON"
    XML = "XML"
    WORKBOOK = "workbook"
    TEXT = "text"
    UNKNOWN = "unknown"


HEAD = 512
"""Bytes that `sniff` looks at."""

_MAGIC = (
    (b"FMR\0", Kind.MINUTIAE_RECORD),
    (b"FAC\0", Kind.FACE_RECORD),
    (b"FIR\0", Kind.FINGER_RECORD),
    (b"\x89PNG\r\n\x1a\n", Kind.PICTURE),
    (b"\xff\xd8\xff", Kind.PICTURE),
    (b"\xff\xa0\xff", Kind.PICTURE),
    (b"\xff\x4f\xff\x51", Kind.PICTURE),
    (b"\0\0\0\x0cjP  ", Kind.PICTURE),
    (b"II*\0", Kind.PICTURE),
    (b"MM\0*", Kind.PICTURE),
    (b"BM", Kind.PICTURE),
    (b"GIF8", Kind.PICTURE),
    (b"PK\x03\x04", Kind.WORKBOOK),
)
_TRANSACTION = re.compile(rb"\s*1\.0*1:")
_PNM = re.compile(rb"P[1-6][\s#]")


def sniff(head: bytes) -> Kind:
    """Tell the kind of a file from its first `HEAD` bytes.

    >>> sniff(b"1.001:205").value
    'ANSI/NIST-ITL transaction'
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if _PNM.match(head) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return Kind.PICTURE
    if _TRANSACTION.match(head):
        return Kind.TRANSACTION
    return _textual(head)


def _textual(head: bytes) -> Kind:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = head.decode("utf-16", errors="ignore").encode()
    else:
        text = head.removeprefix(b"\xef\xbb\xbf")
    if not text or b"\0" in text:
        return Kind.UNKNOWN
    first = text.lstrip()[:1]
    if first in (b"{", b"["):
        return Kind.JSON
    return Kind.XML if first == b"<" else Kind.TEXT
