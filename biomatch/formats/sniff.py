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
    ARCHIVE = "ZIP archive or workbook"
    TEXT = "text"
    UNKNOWN = "unknown"


HEAD = 512
"""Bytes that `sniff` looks at."""

MOST_HIGH_BYTES = 0.3
"""Share of bytes beyond ASCII that a text in a single-byte code page may have."""

_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
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
    (b"PK\x03\x04", Kind.ARCHIVE),
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
    if not text.strip() or _CONTROLS.search(text) or not _is_text(text):
        return Kind.UNKNOWN
    first = text.lstrip()[:1]
    if first in (b"{", b"["):
        return Kind.JSON
    return Kind.XML if first == b"<" else Kind.TEXT


def _is_text(text: bytes) -> bool:
    """UTF-8, perhaps cut within a character, or a code page with few letters beyond ASCII."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        high = sum(byte > 0x7F for byte in text)
        return error.start >= len(text) - 3 or high <= MOST_HIGH_BYTES * len(text)
    return True
