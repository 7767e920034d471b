"""Finger minutiae records: what ISO/IEC 19794-2 and INCITS 378 have in common.

All six editions (ISO 2005 and 2011; INCITS 2004, 2007, 2009 and 2009/AM1) hold the same things:
finger views, six-byte minutiae, and tagged extended data areas (ridge counts, cores and deltas,
zonal quality, vendors' own). They differ in headers, in the unit of angles (ISO 360/256 degrees,
INCITS 2 degrees) and in how cores say that they have an angle. Values are kept as they stand in
the record, so that reading and writing is byte-exact; `biomatch.formats.templates` turns them
into pixels at 500 ppi and radians.

Sources: ISO/IEC 19794-2:2005 clauses 7 and 8, ISO/IEC 19794-2:2011 clause 8, ISO/IEC
19794-1:2011 clause 12, ANSI INCITS 378-2004 clause 6, 378-2009 and its Amendment 1.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from biomatch.errors import FormatError
from biomatch.formats.bits import Cursor

__all__ = [
    "AREA_CORES",
    "AREA_RIDGE_COUNTS",
    "AREA_ZONES",
    "IMPRESSIONS",
    "POSITIONS",
    "Area",
    "CaptureDate",
    "Certificate",
    "Core",
    "CoresDeltas",
    "CountMethod",
    "Delta",
    "Geometry",
    "MinutiaType",
    "MinutiaeRecord",
    "Quality",
    "RecordMinutia",
    "RidgeCount",
    "RidgeCounts",
    "Standard",
    "View",
    "Zones",
]

AREA_RIDGE_COUNTS = 1
AREA_CORES = 2
AREA_ZONES = 3


class Standard(StrEnum):
    """Edition that a record follows."""

    ISO_2005 = "ISO/IEC 19794-2:2005"
    ISO_2011 = "ISO/IEC 19794-2:2011"
    ANSI_2004 = "ANSI INCITS 378-2004"
    ANSI_2007 = "ANSI INCITS 378-2007"
    ANSI_2009 = "ANSI INCITS 378-2009"
    ANSI_2009_AM1 = "ANSI INCITS 378-2009/AM1"

    @property
    def is_iso(self) -> bool:
        """True for the ISO/IEC editions."""
        return self in (Standard.ISO_2005, Standard.ISO_2011)

    @property
    def degrees_per_unit(self) -> float:
        """Degrees of one unit of angle: 360/256 in ISO, 2 in INCITS."""
        return 360 / 256 if self.is_iso else 2.0


class MinutiaType(IntEnum):
    """Two-bit minutia type; INCITS 378-2009 calls type 0 "either"."""

    OTHER = 0
    ENDING = 1
    BIFURCATION = 2


class CountMethod(IntEnum):
    """How neighbours were chosen for ridge counting."""

    CUSTOM = 0
    QUADRANTS = 1
    OCTANTS = 2


POSITIONS = {
    0: "UNKNOWN",
    1: "RIGHT_THUMB",
    2: "RIGHT_INDEX",
    3: "RIGHT_MIDDLE",
    4: "RIGHT_RING",
    5: "RIGHT_LITTLE",
    6: "LEFT_THUMB",
    7: "LEFT_INDEX",
    8: "LEFT_MIDDLE",
    9: "LEFT_RING",
    10: "LEFT_LITTLE",
    13: "RIGHT_INDEX_TO_LITTLE",
    14: "LEFT_INDEX_TO_LITTLE",
    15: "BOTH_THUMBS",
    40: "RIGHT_INDEX_MIDDLE",
    41: "RIGHT_MIDDLE_RING",
    42: "RIGHT_RING_LITTLE",
    43: "LEFT_INDEX_MIDDLE",
    44: "LEFT_MIDDLE_RING",
    45: "LEFT_RING_LITTLE",
    46: "BOTH_INDEXES",
    47: "RIGHT_INDEX_TO_RING",
    48: "RIGHT_MIDDLE_TO_LITTLE",
    49: "LEFT_INDEX_TO_RING",
    50: "LEFT_MIDDLE_TO_LITTLE",
}
"""Finger position codes (ISO/IEC 19794-2:2011 table 4; the same codes as ANSI/NIST-ITL)."""

_INCITS_2009_IMPRESSIONS = {
    0: "LIVE_PLAIN",
    1: "LIVE_ROLLED",
    2: "NONLIVE_PLAIN",
    3: "NONLIVE_ROLLED",
    8: "LIVE_SWIPE",
    10: "LIVE_PALM",
    11: "NONLIVE_PALM",
    20: "LIVE_OPTICAL_CONTACT_PLAIN",
    21: "LIVE_OPTICAL_CONTACT_ROLLED",
    22: "LIVE_NONOPTICAL_CONTACT_PLAIN",
    23: "LIVE_NONOPTICAL_CONTACT_ROLLED",
    24: "LIVE_OPTICAL_CONTACTLESS_PLAIN",
    25: "LIVE_OPTICAL_CONTACTLESS_ROLLED",
    26: "LIVE_NONOPTICAL_CONTACTLESS_PLAIN",
    27: "LIVE_NONOPTICAL_CONTACTLESS_ROLLED",
    28: "OTHER",
    29: "UNKNOWN",
}
IMPRESSIONS: dict[Standard, dict[int, str]] = {
    Standard.ISO_2005: {
        0: "LIVE_PLAIN",
        1: "LIVE_ROLLED",
        2: "NONLIVE_PLAIN",
        3: "NONLIVE_ROLLED",
        8: "SWIPE",
    },
    Standard.ANSI_2004: {
        0: "LIVE_PLAIN",
        1: "LIVE_ROLLED",
        2: "NONLIVE_PLAIN",
        3: "NONLIVE_ROLLED",
        8: "SWIPE",
        9: "LIVE_CONTACTLESS",
    },
    Standard.ANSI_2007: _INCITS_2009_IMPRESSIONS,
    Standard.ANSI_2009: _INCITS_2009_IMPRESSIONS,
    Standard.ANSI_2009_AM1: _INCITS_2009_IMPRESSIONS,
    Standard.ISO_2011: {
        0: "LIVE_PLAIN",
        1: "LIVE_ROLLED",
        2: "NONLIVE_PLAIN",
        3: "NONLIVE_ROLLED",
        4: "LATENT_IMPRESSION",
        5: "LATENT_TRACING",
        6: "LATENT_PHOTO",
        7: "LATENT_LIFT",
        8: "SWIPE",
        9: "VERTICAL_ROLL",
        24: "LIVE_CONTACTLESS",
        28: "OTHER",
        29: "UNKNOWN",
    },
}
"""Impression type codes by edition."""


@dataclass(frozen=True, slots=True)
class RecordMinutia:
    """One minutia in the record's own units.

    Attributes
    ----------
    type
        0 other, 1 ridge ending, 2 bifurcation (3 is not assigned but kept).
    x, y
        Pixels of the recorded image from its upper left corner, 0 to 16383.
    angle
        Counter-clockwise from the positive x axis, in the edition's unit
        (`Standard.degrees_per_unit`).
    quality
        1 to 100; 0 = not reported (INCITS 2004, ISO 2005), 254 and 255 = not reported or
        failed (later editions); None = the record has no quality field (ISO 2011, 5 bytes).
    reserved
        The two bits above y, kept for byte-exact writing.
    """

    type: int
    x: int
    y: int
    angle: int
    quality: int | None = None
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class Geometry:
    """Size of the image in pixels and its resolution in pixels per centimetre."""

    width: int
    height: int
    x_ppcm: int = 197
    y_ppcm: int = 197


@dataclass(frozen=True, slots=True)
class Quality:
    """A quality value 0-100 (254, 255 = not computed or failed) and what computed it.

    `vendor` and `algorithm` are the CEN/IBIA registered numbers, 0 in editions without them.
    """

    value: int
    vendor: int = 0
    algorithm: int = 0


@dataclass(frozen=True, slots=True)
class Certificate:
    """Certification of the capture device (ISO 2011)."""

    authority: int
    scheme: int


@dataclass(frozen=True, slots=True)
class CaptureDate:
    """Universal time of capture (ISO 2011); all bits set = not given."""

    year: int = 0xFFFF
    month: int = 0xFF
    day: int = 0xFF
    hour: int = 0xFF
    minute: int = 0xFF
    second: int = 0xFF
    millisecond: int = 0xFFFF


@dataclass(frozen=True, slots=True)
class Area:
    """One extended data area as it stands in the record.

    Attributes
    ----------
    type
        1 ridge counts, 2 cores and deltas, 3 zonal quality, 0x0100 and above vendors' own;
        None = bytes of the block that do not form an area.
    data
        Content without type and length.
    length
        The length field when it is not the size of the whole area, else None: some writers
        count the content only, others too much.
    """

    type: int | None
    data: bytes
    length: int | None = None


@dataclass(frozen=True, slots=True)
class RidgeCount:
    """Ridges between two minutiae, named by their index in the view."""

    start: int
    end: int
    count: int


@dataclass(frozen=True, slots=True)
class RidgeCounts:
    """Ridge count area (type 1)."""

    method: int
    counts: tuple[RidgeCount, ...]

    @classmethod
    def unpack(cls, data: bytes, name: str = "<record>") -> "RidgeCounts":
        """Read the area; every triple is start, end, count; an odd rest is left out."""
        if not data:
            raise FormatError(f"{name}: ridge count data at offset 0: is empty")
        triples = (data[i : i + 3] for i in range(1, len(data) - 2, 3))
        return cls(data[0], tuple(RidgeCount(*triple) for triple in triples))

    def pack(self) -> Area:
        """Make the area."""
        body = b"".join(bytes((c.start, c.end, c.count)) for c in self.counts)
        return Area(AREA_RIDGE_COUNTS, bytes((self.method,)) + body)


@dataclass(frozen=True, slots=True)
class Core:
    """A core; `angle` in the edition's unit, None = not recorded."""

    x: int
    y: int
    angle: int | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """A delta; its three `angles` in the edition's unit, None = not recorded."""

    x: int
    y: int
    angles: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class CoresDeltas:
    """Core and delta area (type 2)."""

    cores: tuple[Core, ...] = ()
    deltas: tuple[Delta, ...] = ()

    @classmethod
    def unpack(cls, data: bytes, standard: Standard, name: str = "<record>") -> "CoresDeltas":
        """Read the area.

        ISO: each point says in the upper two bits of x whether angles follow. INCITS: the
        upper two bits of the number of points say it for all of them.
        """
        cursor = Cursor(data, f"{name}: core and delta data")
        cores, deltas = [], []
        head = cursor.u8("number of cores")
        for _ in range(head & 0x0F):
            x, y, angles = _point(cursor, head, standard, 1)
            cores.append(Core(x, y, angles[0] if angles else None))
        head = cursor.u8("number of deltas")
        for _ in range(head & 0x0F):
            x, y, angles = _point(cursor, head, standard, 3)
            deltas.append(Delta(x, y, (angles[0], angles[1], angles[2]) if angles else None))
        if cursor.left:
            raise cursor.fail("core and delta data", f"{cursor.left} bytes too many")
        return cls(tuple(cores), tuple(deltas))

    def pack(self, standard: Standard) -> Area:
        """Make the area in the way of `standard`.

        Raises
        ------
        FormatError
            INCITS, and only some points have angles.
        """
        cores = [(c.x, c.y, () if c.angle is None else (c.angle,)) for c in self.cores]
        deltas = [(d.x, d.y, d.angles or ()) for d in self.deltas]
        return Area(AREA_CORES, _points(cores, standard) + _points(deltas, standard))


def _point(
    cursor: Cursor, head: int, standard: Standard, angles: int
) -> tuple[int, int, tuple[int, ...]]:
    x, y = cursor.unpack("HH", "position")
    marked = x >> 14 == 1 if standard.is_iso else head >> 6 == 1
    return x & 0x3FFF, y & 0x3FFF, cursor.unpack(f"{angles}B", "angles") if marked else ()


def _points(points: Sequence[tuple[int, int, tuple[int, ...]]], standard: Standard) -> bytes:
    marked = [bool(angles) for _, _, angles in points]
    if not standard.is_iso and any(marked) and not all(marked):
        raise FormatError(f"{standard.value}: either all cores (deltas) have angles or none has")
    head = len(points) | (0x40 if not standard.is_iso and any(marked) else 0)
    body = b"".join(
        struct.pack(">HH", x | (0x4000 if standard.is_iso and angles else 0), y) + bytes(angles)
        for x, y, angles in points
    )
    return bytes((head,)) + body


@dataclass(frozen=True, slots=True)
class Zones:
    """Zonal quality area (type 3, ISO only): a grid of cell qualities, row by row.

    Attributes
    ----------
    cell_width, cell_height
        Pixels.
    depth
        Bits a cell, 1 to 8.
    values
        ceil(image height / cell height) rows of ceil(image width / cell width) values.
    vendor, algorithm
        What computed them (2011 only).
    """

    cell_width: int
    cell_height: int
    depth: int
    values: tuple[int, ...]
    vendor: int = 0
    algorithm: int = 0

    @classmethod
    def unpack(
        cls, data: bytes, standard: Standard, image: Geometry, name: str = "<record>"
    ) -> "Zones":
        """Read the area; the number of cells follows from the image size."""
        cursor = Cursor(data, f"{name}: zonal quality data")
        vendor, algorithm = (0, 0)
        if standard is Standard.ISO_2011:
            vendor, algorithm = cursor.unpack("HH", "quality algorithm")
        width, height, depth = cursor.unpack("BBB", "cell size")
        if not (width and height and 1 <= depth <= 8):
            raise cursor.fail("cell size", f"{width} x {height} px of {depth} bits is impossible")
        cells = -(-image.width // width) * -(-image.height // height)
        length = (cells * depth + 7) // 8
        bits = int.from_bytes(cursor.raw(length, "cell values"), "big")
        if cursor.left:
            raise cursor.fail("cell values", f"{cursor.left} bytes too many")
        text = f"{bits:0{length * 8}b}" if length else ""
        values = (int(text[i : i + depth], 2) for i in range(0, cells * depth, depth))
        return cls(width, height, depth, tuple(values), vendor, algorithm)

    def pack(self, standard: Standard) -> Area:
        """Make the area in the way of `standard`."""
        text = "".join(f"{value:0{self.depth}b}" for value in self.values)
        text += "0" * (-len(text) % 8)
        head = bytes((self.cell_width, self.cell_height, self.depth))
        if standard is Standard.ISO_2011:
            head = struct.pack(">HH", self.vendor, self.algorithm) + head
        body = int(text, 2).to_bytes(len(text) // 8, "big") if text else b""
        return Area(AREA_ZONES, head + body)


@dataclass(frozen=True, slots=True)
class View:
    """One finger view (ISO 2011: representation).

    Attributes
    ----------
    position
        Finger position code, see `POSITIONS`.
    number
        View number, from 0 for the first view of this finger.
    impression
        Impression type code, see `IMPRESSIONS`.
    qualities
        One quality (2004 to 2009), or any number (2011).
    image
        Size and resolution; one for all views in INCITS 2004 and ISO 2005.
    minutiae
        At most 255.
    areas
        Extended data in file order; `MinutiaeRecord.ridge_counts` and so on decode it.
    areas_length
        Length field of the extended data when it is wrong (-1 = left out), else None.
    date, device_technology, device_vendor, device, certificates, ridge_ending
        ISO 2011 only. `ridge_ending`: 0 = minutia at the valley skeleton's bifurcation,
        1 = at the ridge skeleton's end point.
    has_quality
        False = minutiae of five bytes without quality (ISO 2011).
    trailing
        Bytes of the representation behind its extended data (ISO 2011).
    stated_length
        Length field of the representation when it is wrong (ISO 2011), else None.
    """

    position: int
    number: int
    impression: int
    qualities: tuple[Quality, ...]
    image: Geometry
    minutiae: tuple[RecordMinutia, ...]
    areas: tuple[Area, ...] = ()
    areas_length: int | None = None
    date: CaptureDate = field(default_factory=CaptureDate)
    device_technology: int = 0
    device_vendor: int = 0
    device: int = 0
    certificates: tuple[Certificate, ...] = ()
    ridge_ending: int = 0
    has_quality: bool = True
    trailing: bytes = b""
    stated_length: int | None = None

    @property
    def quality(self) -> int | None:
        """First quality value, or None when there is none."""
        return self.qualities[0].value if self.qualities else None

    def area(self, kind: int) -> bytes | None:
        """Content of the first area of that type, or None."""
        return next((area.data for area in self.areas if area.type == kind), None)


@dataclass(frozen=True, slots=True)
class MinutiaeRecord:
    """A whole record.

    Attributes
    ----------
    standard
        Edition.
    views
        Finger views in file order.
    product_owner, product_type
        CBEFF product identifier (INCITS only).
    certified
        The capture device's compliance bits: 4 (2004 to 2007) or 8 (2009, AM1) bits; 0 = none.
    device
        Capture device identifier (2004 to 2009; ISO 2011 has it in each view).
    image
        Size and resolution for all views (2004 and 2005).
    has_certificates
        ISO 2011: each view carries a certification block, if only an empty one.
    version
        The four version bytes as found.
    stated_length
        Total length field when it is wrong, else None.
    long_length
        INCITS 2004: the length is in the six-byte form although it would fit in two.
    reserved
        The reserved header byte.
    trailing
        Bytes behind the last view (padding of real files).
    """

    standard: Standard
    views: tuple[View, ...]
    product_owner: int = 0
    product_type: int = 0
    certified: int = 0
    device: int = 0
    image: Geometry | None = None
    has_certificates: bool = False
    version: bytes = b""
    stated_length: int | None = None
    long_length: bool = False
    reserved: int = 0
    trailing: bytes = b""

    def ridge_counts(self, view: View) -> RidgeCounts | None:
        """Decode the ridge counts of a view; None when absent or malformed."""
        data = view.area(AREA_RIDGE_COUNTS)
        try:
            return None if data is None else RidgeCounts.unpack(data)
        except FormatError:
            return None

    def cores_deltas(self, view: View) -> CoresDeltas | None:
        """Decode the cores and deltas of a view; None when absent or malformed."""
        data = view.area(AREA_CORES)
        try:
            return None if data is None else CoresDeltas.unpack(data, self.standard)
        except FormatError:
            return None

    def zones(self, view: View) -> Zones | None:
        """Decode the zonal quality of a view; None when absent, malformed or not ISO."""
        data = view.area(AREA_ZONES) if self.standard.is_iso else None
        try:
            return None if data is None else Zones.unpack(data, self.standard, view.image)
        except FormatError:
            return None


def read_minutiae(cursor: Cursor, count: int, size: int = 6) -> tuple[RecordMinutia, ...]:
    """Read `count` minutiae of `size` bytes (5 = without quality)."""
    data = cursor.raw(count * size, f"{count} minutiae")
    layout = ">HHBB" if size == 6 else ">HHB"
    return tuple(
        RecordMinutia(
            item[0] >> 14,
            item[0] & 0x3FFF,
            item[1] & 0x3FFF,
            item[2],
            item[3] if size == 6 else None,
            item[1] >> 14,
        )
        for item in struct.iter_unpack(layout, data)
    )


def write_minutiae(minutiae: tuple[RecordMinutia, ...], size: int = 6) -> bytes:
    """Write minutiae of `size` bytes."""
    parts = []
    for m in minutiae:
        head = struct.pack(">HHB", m.type << 14 | m.x, m.reserved << 14 | m.y, m.angle)
        parts.append(head + (bytes((m.quality or 0,)) if size == 6 else b""))
    return b"".join(parts)


def read_areas(cursor: Cursor, *, whole: bool) -> tuple[tuple[Area, ...], int | None]:
    """Read the extended data block: its length, then tagged areas.

    Parameters
    ----------
    cursor
        Stands before the block's length.
    whole
        The record's total length is the size of the file: nothing was cut off, so that a
        block that ends too early has a wrong length, or none.

    Returns
    -------
    The areas, and the block's length field when it is wrong (-1 = it is left out), else None.
    """
    if whole and not cursor.left:
        return (), -1
    length = cursor.u16("extended data block length")
    held = min(length, cursor.left) if whole else length
    block = cursor.raw(held, "extended data")
    areas = _split(block, 0) or _split(block, 4) or _salvage(block)
    return areas, None if held == length else length


def _split(block: bytes, header: int) -> tuple[Area, ...]:
    """Cut a block whose areas fill it exactly; `header` = bytes that their lengths leave out."""
    areas, offset = [], 0
    while offset + 4 <= len(block):
        kind, length = struct.unpack_from(">HH", block, offset)
        end = offset + length + header
        if length + header < 4 or end > len(block):
            return ()
        areas.append(Area(kind, block[offset + 4 : end], length if header else None))
        offset = end
    return tuple(areas) if offset == len(block) else ()


def _salvage(block: bytes) -> tuple[Area, ...]:
    """Cut a block as far as it makes sense; the last area may claim more than there is."""
    areas, offset = [], 0
    while offset + 4 <= len(block):
        kind, length = struct.unpack_from(">HH", block, offset)
        if length < 4:
            break
        data = block[offset + 4 : offset + length]
        areas.append(Area(kind, data, None if len(data) + 4 == length else length))
        offset += length
    rest = block[offset:]
    return (*areas, *([Area(None, rest)] if rest else []))


def write_areas(view: "View") -> bytes:
    """Write the extended data block of a view with its length."""
    if view.areas_length == -1:
        return b""
    block = b"".join(map(_write_area, view.areas))
    length = len(block) if view.areas_length is None else view.areas_length
    return struct.pack(">H", length) + block


def _write_area(area: Area) -> bytes:
    if area.type is None:
        return area.data
    length = len(area.data) + 4 if area.length is None else area.length
    return struct.pack(">HH", area.type, length) + area.data


def doubts(record: MinutiaeRecord) -> int:
    """Count what would be odd if `record` were of its standard: zero for a sound record.

    Records of different standards share their first eight bytes; the reading with fewer
    doubts is the right one.
    """
    impressions = IMPRESSIONS[record.standard]
    odd = (record.stated_length is not None) + bool(record.trailing.strip(b"\0"))
    odd += bool(record.reserved)
    for view in record.views:
        image = view.image
        odd += view.position not in POSITIONS
        odd += view.impression not in impressions
        odd += sum(not _is_quality(q.value) for q in view.qualities)
        odd += not (image.width and image.height and image.x_ppcm and image.y_ppcm)
        odd += sum(area.type is None for area in view.areas) + bool(view.areas_length)
        odd += bool(view.stated_length)
        odd += sum(
            m.type == 3
            or bool(m.reserved)
            or m.x >= max(image.width, 1)
            or m.y >= max(image.height, 1)
            or (m.quality is not None and not _is_quality(m.quality))
            or (not record.standard.is_iso and m.angle >= 180)
            for m in view.minutiae
        )
    return odd


def _is_quality(value: int) -> bool:
    return value <= 100 or value >= 254
