"""Sizes of WSQ and JPEG 2000 pictures, read before any decoder sees them."""

import re
import struct

from biomatch.images.decode import UnreadableError

__all__ = ["fragile_format", "fragile_size", "wsq_size"]

JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
JPEG2000_CODESTREAM = b"\xff\x4f\xff\x51"
WSQ_START = b"\xff\xa0"
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
WSQ_FRAME = 0xA2
WSQ_BLOCK = 0xA3


def fragile_format(data: bytes) -> str | None:
    r"""Name the format that must not be decoded by Pillow in this process, or None.

    Raises
    ------
    UnreadableError
        A format of phones that is not read at all.

    >>> fragile_format(b"\xff\xa0\xff\xa4"), fragile_format(b"BM")
    ('WSQ', None)
    """
    if data.startswith(WSQ_START):
        return "WSQ"
    if data.startswith((JP2_SIGNATURE, JPEG2000_CODESTREAM)) or data[4:8] == b"jP  ":
        return "JPEG2000"
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        raise UnreadableError(
            "is a HEIF or AVIF picture, which is not read; save it as JPEG or PNG"
        )
    if data.startswith(b"GIF8"):
        return "GIF"
    return "WEBP" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def fragile_size(data: bytes, kind: str) -> tuple[int, int, int] | None:
    """Width, height and components from the header, None where the decoder must say.

    Raises
    ------
    UnreadableError
        The header is damaged.
    """
    return _jpeg2000_size(data) if kind == "JPEG2000" else None


def wsq_size(data: bytes) -> tuple[int, int]:
    """Read width and height of the frame header (WSQ specification 3.1, annex A)."""
    offset = len(WSQ_START)
    while offset + 4 <= len(data) and data[offset] == 0xFF:
        marker = data[offset + 1]
        (length,) = struct.unpack_from(">H", data, offset + 2)
        if marker == WSQ_FRAME and offset + 10 <= len(data):
            height, width = struct.unpack_from(">HH", data, offset + 6)
            return width, height
        if marker == WSQ_BLOCK or length < 2:
            break
        offset += 2 + length
    raise UnreadableError("is damaged or truncated (WSQ without a frame header)")


def _jpeg2000_size(data: bytes) -> tuple[int, int, int]:
    """Read the SIZ segment of the first codestream (ISO/IEC 15444-1, A.5.1)."""
    found = re.search(rb"\xff\x4f\xff\x51", data)
    if not found or found.end() + 38 > len(data):
        raise UnreadableError("is damaged or truncated (JPEG 2000 without a codestream)")
    if data.find(b"\xff\xd9", found.end()) < 0:  # no packet holds a code above FF8F
        raise UnreadableError("is truncated (JPEG 2000 without its end marker)")
    right, bottom, left, top = struct.unpack_from(">IIII", data, found.end() + 4)
    (components,) = struct.unpack_from(">H", data, found.end() + 36)
    return max(right - left, 0), max(bottom - top, 0), components
