"""ISO/IEC 19794-4 and INCITS 381 finger image records, read and written.

Version "010" is ISO/IEC 19794-4:2005 (32-byte header) or INCITS 381-2004 (36 bytes, with a
CBEFF product identifier); version "020" is ISO/IEC 19794-4:2011. Sources: ISO/IEC 19794-4:2005
clause 7, ISO/IEC 19794-4:2011 clause 8 (checked against its Annex C example), ANSI INCITS
381-2004 clause 7.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch import images
from biomatch.errors import FormatError, OptionError, UnreadableSampleError
from biomatch.formats.bits import Cursor
from biomatch.formats.templates import nominal_ppi

__all__ = ["EDITIONS", "MAGIC", "FingerImage", "FingerImageRecord", "read", "write"]

MAGIC = b"FIR\0"
ISO_2005, ISO_2011, INCITS_2004 = EDITIONS = (
    "ISO/IEC 19794-4:2005",
    "ISO/IEC 19794-4:2011",
    "ANSI INCITS 381-2004",
)
MOST_IMAGES = 255
SCALE_PPI = 1
NO_QUALITY = 254
COMPRESSIONS = {
    0: "NONE",
    1: "PACKED",
    2: "WSQ",
    3: "JPEG",
    4: "JPEG2000",
    5: "PNG",
}


@dataclass(frozen=True, slots=True)
class FingerImage:
    """One picture of a record.

    Attributes
    ----------
    position
        Finger position code (as in ANSI/NIST-ITL), 0 = unknown.
    impression
        Impression type code.
    quality
        0 to 100; 254 and 255 = not computed or failed; None = not given.
    width, height
        Pixels.
    ppi
        Pixels per inch, None when the record does not say.
    depth
        Bits a pixel.
    compression
        0 none, 1 packed, 2 WSQ, 3 JPEG, 4 JPEG 2000, 5 PNG (2011: 5 = JPEG 2000 lossless).
    data
        The encoded picture.
    """

    position: int
    impression: int
    quality: int | None
    width: int
    height: int
    ppi: float | None
    depth: int
    compression: int
    data: bytes

    def pixels(self, name: str = "<record>") -> NDArray[Any]:
        """Decode the picture: (H, W), uint8 or uint16.

        Raises
        ------
        UnreadableSampleError
            Damaged or truncated.
        """
        where = f"{name}: finger image"
        if self.compression in (0, 1):
            return self._raw(where)
        return images.read(self.data, name=where).pixels

    def _raw(self, where: str) -> NDArray[Any]:
        area = self.width * self.height
        if not 0 < area <= images.MAX_PIXELS or not 1 <= self.depth <= 16:
            raise UnreadableSampleError(
                f"{where}: {self.width} x {self.height} pixels of {self.depth} bits cannot be "
                "decoded"
            )
        packed = self.compression == 1 and self.depth not in (8, 16)
        need = (area * self.depth + 7) // 8 if packed else area * ((self.depth + 7) // 8)
        if len(self.data) < need:
            raise UnreadableSampleError(f"{where}: has {len(self.data)} bytes of {need}: truncated")
        shape = (self.height, self.width)
        if packed:
            return _unpack(self.data[:need], area, self.depth).reshape(shape)
        if self.depth > 8:
            return np.frombuffer(self.data, ">u2", area).astype(np.uint16).reshape(shape)
        return np.frombuffer(self.data, np.uint8, area).reshape(shape)


def _unpack(data: bytes, count: int, depth: int) -> NDArray[Any]:
    """Unpack pixels of `depth` bits, stretched to the full range of 8 or 16 bits."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))[: count * depth].reshape(count, depth)
    weights = 1 << np.arange(depth - 1, -1, -1)
    values = bits @ weights
    top = 255 if depth <= 8 else 65535
    dtype = np.uint8 if depth <= 8 else np.uint16
    return np.rint(values * (top / ((1 << depth) - 1))).astype(dtype)


@dataclass(frozen=True, slots=True)
class FingerImageRecord:
    """A whole record; `standard` names the edition."""

    standard: str
    images: tuple[FingerImage, ...]


def read(data: bytes, name: str = "<record>") -> FingerImageRecord:
    """Read a finger image record.

    Raises
    ------
    FormatError
        Not a finger image record of a known edition, or truncated.
    """
    cursor = Cursor(data, name)
    if cursor.raw(4, "format identifier") != MAGIC:
        raise cursor.fail("format identifier", f"is {data[:4]!r}, not {MAGIC!r}", 0)
    version = cursor.raw(4, "version")
    if version == b"020\0":
        return FingerImageRecord(ISO_2011, _read_2011(cursor))
    if version != b"010\0":
        raise cursor.fail("version", f"is {version!r}; known are '010' and '020'", 4)
    errors = []
    for standard, product in ((ISO_2005, False), (INCITS_2004, True)):
        try:
            return FingerImageRecord(standard, _read_2005(Cursor(data, name, 8), product=product))
        except FormatError as error:
            errors.append(error)
    raise errors[0]


def _ppi(units: int, value: int) -> float | None:
    if not value or units not in (1, 2):
        return None
    return float(value) if units == 1 else nominal_ppi(value)


def _read_2005(cursor: Cursor, *, product: bool) -> tuple[FingerImage, ...]:
    start = cursor.offset
    cursor.raw(6, "record length")
    if product:
        cursor.raw(4, "CBEFF product identifier")
    _, level, count, units, _, _, x, _, depth, compression, _ = cursor.unpack(
        "HHBBHHHHBBH", "record header"
    )
    if units not in (1, 2) or compression not in COMPRESSIONS or not 1 <= depth <= 16:
        raise cursor.fail(
            "record header",
            f"level {level}, scale units {units}, {depth} bits and compression {compression} "
            "do not belong to this edition",
            start,
        )
    return tuple(
        _finger_2005(cursor, _ppi(units, x), depth, compression) for _ in range(max(count, 1))
    )


def _finger_2005(cursor: Cursor, ppi: float | None, depth: int, compression: int) -> FingerImage:
    start = cursor.offset
    length, position, _, _, quality, impression, width, height, _ = cursor.unpack(
        "IBBBBBHHB", "finger image header"
    )
    if length <= 14:
        raise cursor.fail("finger data block length", f"{length} leaves no image", start)
    data = cursor.raw(length - 14, "finger image")
    return FingerImage(position, impression, quality, width, height, ppi, depth, compression, data)


def _read_2011(cursor: Cursor) -> tuple[FingerImage, ...]:
    cursor.u32("record length")
    count, certified, _ = cursor.unpack("HBB", "general header")
    if not count:
        raise cursor.fail("number of representations", "is 0")
    return tuple(_finger_2011(cursor, certified=bool(certified)) for _ in range(count))


def _finger_2011(cursor: Cursor, *, certified: bool) -> FingerImage:
    start = cursor.offset
    length = cursor.u32("representation length")
    cursor.raw(9, "capture date")
    qualities = cursor.unpack("BHHB", "capture device")[3]
    blocks = [cursor.unpack("BHH", "quality block") for _ in range(qualities)]
    if certified:
        for _ in range(cursor.u8("number of certifications")):
            cursor.raw(3, "certification")
    position, _, units, _, _, x, _, depth, compression, impression, width, height, size = (
        cursor.unpack("BBBHHHHBBBHHI", "representation header")
    )
    data = cursor.raw(size, "finger image")
    behind = start + length - cursor.offset
    if 0 < behind <= cursor.left:
        cursor.raw(behind, "representation")
    return FingerImage(
        position,
        impression,
        blocks[0][0] if blocks else None,
        width,
        height,
        _ppi(units, x),
        depth,
        compression,
        data,
    )


def write(record: FingerImageRecord) -> bytes:
    """Write a finger image record of the edition that `record.standard` names.

    Raises
    ------
    OptionError
        Unknown edition, no or too many pictures, a value out of the format's range, or pictures
        of different ppi, depth or compression where the edition states them once for all.
    """
    found = record.images
    if record.standard not in EDITIONS:
        raise OptionError(f"edition '{record.standard}' is none of {', '.join(EDITIONS)}")
    if not 0 < len(found) <= MOST_IMAGES:
        raise OptionError(f"{len(found)} pictures; a finger image record holds 1 to {MOST_IMAGES}")
    try:
        if record.standard == ISO_2011:
            return _write_2011(found)
        return _write_2005(found, product=record.standard == INCITS_2004)
    except struct.error as error:
        raise OptionError(f"a value does not fit {record.standard} ({error})") from error


def _level(ppi: int) -> int:
    """Image acquisition setting level of a resolution (ISO/IEC 19794-4:2005, table 1)."""
    return next((level for least, level in ((990, 41), (490, 31), (245, 20)) if ppi >= least), 10)


def _write_2005(found: tuple[FingerImage, ...], *, product: bool) -> bytes:
    common = {(image.ppi, image.depth, image.compression) for image in found}
    if len(common) > 1:
        raise OptionError("this edition states one ppi, depth and compression for all pictures")
    ((stated, depth, compression),) = common
    ppi = round(stated or 0)
    body = b"".join(
        struct.pack(
            ">IBBBBBHHB",
            14 + len(image.data),
            image.position,
            1,
            1,
            NO_QUALITY if image.quality is None else image.quality,
            image.impression,
            image.width,
            image.height,
            0,
        )
        + image.data
        for image in found
    )
    header = struct.pack(
        ">HHBBHHHHBBH",
        0,
        _level(ppi),
        len(found),
        SCALE_PPI,
        *(ppi,) * 4,
        depth,
        compression,
        0,
    )
    owner = bytes(4) if product else b""
    length = len(MAGIC) + 4 + 6 + len(owner) + len(header) + len(body)
    return b"".join((MAGIC, b"010\0", length.to_bytes(6, "big"), owner, header, body))


def _write_2011(found: tuple[FingerImage, ...]) -> bytes:
    body = b"".join(_representation(image, number) for number, image in enumerate(found))
    positions = len({image.position for image in found})
    length = len(MAGIC) + 4 + 4 + 4 + len(body)
    return MAGIC + b"020\0" + struct.pack(">IHBB", length, len(found), 0, positions) + body


def _representation(image: FingerImage, number: int) -> bytes:
    ppi = round(image.ppi or 0)
    quality = b"" if image.quality is None else struct.pack(">BHH", image.quality, 0, 0)
    content = b"".join(
        (
            b"\xff" * 9,  # capture date not stated
            struct.pack(">BHHB", 0, 0, 0, len(quality) // 5),
            quality,
            struct.pack(
                ">BBBHHHHBBBHHI",
                image.position,
                number,
                SCALE_PPI,
                *(ppi,) * 4,
                image.depth,
                image.compression,
                image.impression,
                image.width,
                image.height,
                len(image.data),
            ),
            image.data,
        )
    )
    return struct.pack(">I", 4 + len(content)) + content
