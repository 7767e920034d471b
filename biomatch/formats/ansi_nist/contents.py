"""What the records of a transaction show: pictures, their size, position and resolution.

Sources: ANSI/NIST-ITL 1-2011 Update 2013, tables 7 (impression types), 8 (positions), 15
(compression) and clauses 7.7.8 (resolution), 8.x.6 to 8.x.11; 1-2007 for Types 3 to 8.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch import images
from biomatch.errors import FormatError, UnreadableSampleError
from biomatch.formats import fmr, templates
from biomatch.formats.ansi_nist import dna
from biomatch.formats.ansi_nist.minutiae import template as minutiae_template
from biomatch.formats.ansi_nist.records import BinaryRecord, Record, TaggedRecord, Transaction
from biomatch.formats.templates import impression_type, nominal_ppi
from biomatch.types import FingerPosition, ImpressionType, Sample

__all__ = ["PictureRecord", "describe", "known_position", "samples", "subject"]

CM_PER_INCH = 2.54
MM_PER_INCH = 25.4
FRICTION_TYPES = frozenset({3, 4, 5, 6, 13, 14, 15})
PICTURE_TYPES = FRICTION_TYPES | {8, 10, 16, 17, 19}
BINARY_COMPRESSION = {
    0: "NONE",
    1: "WSQ20",
    2: "JPEGB",
    3: "JPEGL",
    4: "JP2",
    5: "JP2L",
    6: "PNG",
}
PALM_IMPRESSIONS = range(10, 16)
SLAP_POSITIONS = frozenset({13, 14, 15, *range(40, 51)})
ENTIRE_JOINT = 19
HALF_RESOLUTION_PPI = 250.0
FULL_RESOLUTION_PPI = 500.0
_MAGIC = (
    b"\xff\xa0",
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"\0\0\0\x0cjP",
    b"\xff\x4f\xff\x51",
    b"II*\0",
    b"MM\0*",
)


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """A record that holds a picture.

    Attributes
    ----------
    type, idc
        Of the record.
    width, height
        Pixels as the record states them.
    ppi
        Pixels per inch, None when the record does not say.
    position
        ANSI/NIST-ITL position code, 0 = unknown or not friction ridge skin.
    impression
        Impression type code, None outside friction ridge records.
    compression
        Algorithm as the record states it (``NONE``, ``WSQ20``, ``JPEGB`` ...).
    depth
        Bits a pixel.
    subject
        Image type of Type-10 (``FACE``, ``TATTOO`` ...), else "".
    segments
        Finger segments (position, left, right, top, bottom) of a slap, pixels.
    data
        The encoded picture.
    """

    type: int
    idc: int | None
    width: int
    height: int
    ppi: float | None
    position: int
    impression: int | None
    compression: str
    depth: int
    subject: str
    segments: tuple[tuple[int, int, int, int, int], ...]
    data: bytes

    @property
    def name(self) -> str:
        """What messages call the record."""
        return f"Type-{self.type} record with IDC {self.idc}"

    @property
    def kind(self) -> ImpressionType:
        """Kind of friction ridge impression."""
        if self.type == 13:
            return ImpressionType.LATENT
        if self.type == 15 or self.impression in PALM_IMPRESSIONS:
            return ImpressionType.PALM
        return (
            ImpressionType.UNKNOWN if self.impression is None else impression_type(self.impression)
        )

    def pixels(self, name: str = "<transaction>") -> NDArray[Any]:
        """Decode the picture: (H, W) or (H, W, 3), uint8 or uint16.

        Raises
        ------
        UnreadableSampleError
            Damaged, or of an algorithm without a decoder (lossless JPEG, vectors).
        """
        where = f"{name}: {self.name}"
        if not self.data:
            raise UnreadableSampleError(f"{where}: holds no image data")
        if self.data.startswith(_MAGIC) and not self._is_raw:
            return images.read(self.data, name=where).pixels
        if self.type in (5, 6, 8):
            return _two_level(self, where)
        if self.compression == "NONE":
            return _raw(self, where)
        raise UnreadableSampleError(
            f"{where}: {len(self.data)} bytes of compression '{self.compression}' cannot be decoded"
        )

    @property
    def _is_raw(self) -> bool:
        return self.compression == "NONE" and len(self.data) == self.width * self.height * (
            (self.depth + 7) // 8
        )


def _raw(record: PictureRecord, where: str) -> NDArray[Any]:
    """Pixels without compression: row by row, most significant byte first."""
    area = record.width * record.height
    if not 0 < area <= images.MAX_PIXELS:
        raise UnreadableSampleError(
            f"{where}: {record.width} x {record.height} pixels are none or exceed the limit of "
            f"{images.MAX_PIXELS:,}"
        )
    size = 3 if record.depth == 24 else 2 if 8 < record.depth <= 16 else 1
    if record.type == 10 and len(record.data) < 3 * area:
        size = 1
    if len(record.data) < area * size:
        raise UnreadableSampleError(
            f"{where}: {len(record.data)} bytes for {record.width} x {record.height} pixels of "
            f"{8 * size} bits: the image is truncated"
        )
    shape = (record.height, record.width)
    if size == 3:
        return np.frombuffer(record.data, np.uint8, 3 * area).reshape(*shape, 3)
    if size == 2:
        deep = np.frombuffer(record.data, ">u2", area).astype(np.uint16).reshape(shape)
        return deep << (16 - record.depth)
    return np.frombuffer(record.data, np.uint8, area).reshape(shape)


def _two_level(record: PictureRecord, where: str) -> NDArray[np.uint8]:
    """Two-level picture, 1 = black: packed bits, or ITU-T T.6 in a TIFF envelope."""
    width, height = record.width, record.height
    if not 0 < width * height <= images.MAX_PIXELS:
        raise UnreadableSampleError(
            f"{where}: {width} x {height} pixels are none or exceed the limit of "
            f"{images.MAX_PIXELS:,}"
        )
    if record.compression == "NONE":
        row = (width + 7) // 8
        tight = (width * height + 7) // 8
        data = np.frombuffer(record.data, np.uint8)
        if len(data) >= row * height:
            bits = np.unpackbits(data[: row * height].reshape(height, row), axis=1)[:, :width]
        elif len(data) >= tight:
            bits = np.unpackbits(data)[: width * height].reshape(height, width)
        else:
            raise UnreadableSampleError(
                f"{where}: {len(data)} bytes for {width} x {height} bits: the image is truncated"
            )
        return np.where(bits > 0, 0, 255).astype(np.uint8)
    if record.compression == "VECTOR":
        raise UnreadableSampleError(f"{where}: is a signature of vectors, not a picture")
    return images.to_grey(images.read(_in_tiff(record), name=where).pixels)


def _in_tiff(record: PictureRecord) -> bytes:
    """Wrap T.6 (ANSI/EIA-538) data in a TIFF 6.0 file, which decoders understand."""
    entries = [
        (256, 4, record.width),
        (257, 4, record.height),
        (258, 3, 1),
        (259, 3, 4),
        (262, 3, 0),
        (273, 4, 8 + 2 + 9 * 12 + 4),
        (277, 3, 1),
        (278, 4, record.height),
        (279, 4, len(record.data)),
    ]
    packed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + bytes(4) + record.data


def describe(record: Record, transaction: Transaction) -> PictureRecord | None:
    """Return what a record says of its picture, or None when it holds none."""
    if record.type not in PICTURE_TYPES:
        return None
    if isinstance(record, BinaryRecord):
        return _describe_binary(record, transaction)
    if not record.data and record.field(11) is None:
        return None
    friction = record.type in FRICTION_TYPES or record.type == 19
    return PictureRecord(
        type=record.type,
        idc=record.idc,
        width=record.number(6) or 0,
        height=record.number(7) or 0,
        ppi=_tagged_ppi(record),
        position=_tagged_position(record) if friction else 0,
        impression=record.number(3) if friction else None,
        compression=record.text(11).strip().upper() or "NONE",
        depth=_depth(record),
        subject=record.text(3).strip().upper() if record.type == 10 else "",
        segments=tuple(_segments(record)) if record.type in (14, 15) else (),
        data=record.data,
    )


def _tagged_position(record: TaggedRecord) -> int:
    """Position code; of an entire joint image or a tip (19), the finger named in field 14."""
    code = record.number(13) or 0
    return record.number(14) or code if code == ENTIRE_JOINT else code


def _depth(record: TaggedRecord) -> int:
    if record.type == 10:
        return 8 if record.text(12).strip().upper() in ("GRAY", "GREY") else 24
    return record.number(12) or 8


def _segments(record: TaggedRecord) -> Iterator[tuple[int, int, int, int, int]]:
    for items in record.items(21):
        digits = [item.strip() for item in items[:5]]
        numbers = [int(item) for item in digits if re.fullmatch("[0-9]{1,9}", item)]
        if len(numbers) == 5:
            position, left, right, top, bottom = numbers
            yield position, left, right, top, bottom


def _tagged_ppi(record: TaggedRecord) -> float | None:
    """Resolution of fields 008 and 009, else of the scan (016 or, for irises, 022)."""
    scan = 22 if record.type == 17 else 16
    value = record.number(9) or record.number(scan) or 0
    unit = record.number(8)
    if not 0 < value < 100_000 or unit not in (1, 2):
        return None
    return float(value) if unit == 1 else nominal_ppi(value)


def _describe_binary(record: BinaryRecord, transaction: Transaction) -> PictureRecord:
    width, height = record.size
    two_level = record.type in (5, 6)
    signature = record.type == 8
    if signature:
        compression = {0: "NONE", 1: "T6", 2: "VECTOR"}.get(record.compression, "?")
    elif two_level:
        compression = "NONE" if record.compression == 0 else "T6"
    else:
        compression = BINARY_COMPRESSION.get(record.compression, str(record.compression))
    return PictureRecord(
        type=record.type,
        idc=record.idc,
        width=width,
        height=height,
        ppi=None if signature else _binary_ppi(record, transaction),
        position=0 if signature or not record.positions else record.positions[0],
        impression=None if signature else record.impression,
        compression=compression,
        depth=1 if signature or two_level else 8,
        subject="",
        segments=(),
        data=record.data,
    )


def _binary_ppi(record: BinaryRecord, transaction: Transaction) -> float:
    """Resolution of Types 3 to 6: native (field 1.011), or the nominal one of the type."""
    nominal = HALF_RESOLUTION_PPI if record.type in (3, 5) else FULL_RESOLUTION_PPI
    if not record.native_resolution or record.type in (3, 5):
        return nominal
    found = re.match(r"\s*(\d{1,3}(?:\.\d{1,4})?)", transaction.header.text(11))
    ppi = float(found[1]) * MM_PER_INCH if found else 0.0
    whole = 50.0 * round(ppi / 50)
    if not 100 <= ppi <= 10_000:
        return nominal
    return whole if abs(ppi - whole) < 0.5 else ppi


def known_position(code: int) -> int:
    """Position code as the templates know it: what is no code of the standard becomes 0."""
    return code if code in set(FingerPosition) else 0


def subject(transaction: Transaction, path: Path) -> str:
    """Name the person or mark that a transaction is about, one name for all its samples.

    INTERPOL's criminal reference number (2.010) in domain INT-I, else the transaction control
    number (1.009), else the file's name.
    """
    header = transaction.header
    domain = header.text(13)
    names = [header.text(9)]
    if domain.startswith("INT-I"):
        records = (r for r in transaction.of_type(2) if isinstance(r, TaggedRecord))
        names = [*(record.text(10) for record in records), *names]
    return next((name.strip() for name in names if name.strip()), path.stem)


def samples(
    transaction: Transaction, path: Path, sha256: str, modality: str | None = None
) -> list[Sample]:
    """Make samples of all fingers, palms, faces, minutiae and DNA profiles, in file order.

    They share one label: see `subject`. A DNA profile that cannot be read (Type-18 records may
    name loci by numbers of a list that is not ours) is left out where others are there and the
    caller did not ask for `modality` dna.

    A slap with finger segments (field 14.021) gives one sample a segment. Faces are Type-10
    records of image type FACE.

    Raises
    ------
    UnreadableSampleError
        An image cannot be decoded; the message names the record.
    FormatError
        Minutiae or a DNA profile are malformed.
    """
    found: list[Sample] = []
    refused: FormatError | None = None
    label = subject(transaction, path)
    for record in transaction.records:
        shown = describe(record, transaction)
        if shown is not None and shown.data:
            found += _picture_samples(shown, path, label, sha256)
        elif record.type == 9 and isinstance(record, TaggedRecord):
            found += _minutiae_samples(record, transaction, path, label, sha256)
        elif isinstance(record, TaggedRecord) and record.data.startswith(fmr.MAGIC):
            found += _embedded_samples(record, path, label, sha256)
        elif record.type == 18 and isinstance(record, TaggedRecord):
            try:
                found += _dna_samples(record, path, label, sha256)
            except FormatError as error:
                refused = error
    if refused and (modality == "dna" or not found):
        raise refused
    return found


def _dna_samples(record: TaggedRecord, path: Path, label: str, sha256: str) -> Iterator[Sample]:
    try:
        made = dna.profile(record, label)
    except FormatError as error:
        raise FormatError(f"{path}: Type-18 record with IDC {record.idc}: {error}") from error
    if made is not None:
        yield Sample("dna", path=path, template=made, label=made.name, sha256=sha256)


def _picture_samples(shown: PictureRecord, path: Path, label: str, sha256: str) -> Iterator[Sample]:
    if shown.type == 10 and shown.subject == "FACE":
        yield Sample("face", path=path, image=shown.pixels(str(path)), label=label, sha256=sha256)
    if shown.type not in FRICTION_TYPES:
        return
    pixels = shown.pixels(str(path))
    for position, part in _parts(shown, pixels):
        yield Sample(
            "fingerprint",
            path=path,
            image=part,
            label=label,
            ppi=shown.ppi,
            finger_position=known_position(position),
            impression=shown.kind,
            sha256=sha256,
            capture=f"IDC {shown.idc}",
        )


def _parts(shown: PictureRecord, pixels: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    height, width = pixels.shape[:2]
    parts = [
        (position, pixels[top : bottom + 1, left : right + 1])
        for position, left, right, top, bottom in shown.segments
        if 0 <= left < right <= width and 0 <= top < bottom <= height
    ]
    if shown.position in SLAP_POSITIONS and parts:
        yield from parts
    else:
        yield shown.position, pixels


def _minutiae_samples(
    record: TaggedRecord, transaction: Transaction, path: Path, label: str, sha256: str
) -> Iterator[Sample]:
    image = next(
        (
            shown
            for other in transaction.records
            if other.type in FRICTION_TYPES and other.idc == record.idc
            if (shown := describe(other, transaction)) is not None
        ),
        None,
    )
    size = (image.width, image.height, image.ppi or FULL_RESOLUTION_PPI) if image else None
    where = f"{path}: Type-9 record with IDC {record.idc}"
    made = minutiae_template(record, size, where)
    if made is not None:
        yield Sample(
            "fingerprint",
            path=path,
            template=made,
            label=label,
            ppi=made.ppi,
            finger_position=made.finger_position,
            impression=made.impression,
            sha256=sha256,
            capture=f"IDC {record.idc}",
        )


def _embedded_samples(
    record: TaggedRecord, path: Path, label: str, sha256: str
) -> Iterator[Sample]:
    """Finger minutiae record inside a Type-99 record."""
    name = f"{path}: Type-{record.type} record with IDC {record.idc}"
    for made in templates.to_templates(fmr.read(record.data, name)):
        yield Sample(
            "fingerprint",
            path=path,
            template=made,
            label=label,
            ppi=made.ppi,
            finger_position=made.finger_position,
            impression=made.impression,
            sha256=sha256,
        )
