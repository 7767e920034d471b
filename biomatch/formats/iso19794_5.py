"""ISO/IEC 19794-5 face image records, 2005 and 2011, read and written.

A record holds pictures in JPEG or JPEG 2000 with what is known of the face: sex, eye and hair
colour, pose, feature points. Sources: ISO/IEC 19794-5:2005 clause 5; ISO/IEC 19794-5:2011
clause 5 on the general header of 19794-1:2011.
"""

import struct
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from biomatch import images
from biomatch.errors import OptionError
from biomatch.formats.bits import Cursor

__all__ = ["MAGIC", "FaceImage", "FaceRecord", "FeaturePoint", "read", "write"]

MAGIC = b"FAC\0"
SEXES = {0: "unspecified", 1: "male", 2: "female", 0xFF: "unknown"}
IMAGE_TYPES = {
    0: "basic",
    1: "full frontal",
    2: "token frontal",
    3: "other",
}
COLOUR_RGB, COLOUR_GREY = 1, 3
"""Colour space codes: 24-bit RGB, 8-bit grey (ISO/IEC 19794-5:2005, 5.7.5)."""

_PICTURE_STARTS = (b"\xff\xd8\xff", b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51", b"\x89PNG")


@dataclass(frozen=True, slots=True)
class FeaturePoint:
    """A feature point: `type` 1 = MPEG-4 (`code` = two four-bit numbers), position in pixels."""

    type: int
    code: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class FaceImage:
    """One picture of a record.

    Attributes
    ----------
    sex, eye_colour, hair_colour, features, expression
        Codes of the standard, 0 = unspecified.
    pose, pose_uncertainty
        Yaw, pitch, roll and their uncertainties, in the standard's units of two degrees.
    points
        Feature points.
    image_type
        0 basic, 1 full frontal, 2 token frontal, 3 other.
    coding
        0 JPEG, 1 JPEG 2000.
    width, height
        Pixels as stated.
    colour_space, source, device, quality
        Codes of the standard; `quality` is 0 where no quality is given.
    data
        The encoded picture.
    """

    sex: int
    eye_colour: int
    hair_colour: int
    features: int
    expression: int
    pose: tuple[int, ...]
    pose_uncertainty: tuple[int, ...]
    points: tuple[FeaturePoint, ...]
    image_type: int
    coding: int
    width: int
    height: int
    colour_space: int
    source: int
    device: int
    quality: int
    data: bytes

    def pixels(self, name: str = "<record>") -> NDArray[Any]:
        """Decode the picture.

        Raises
        ------
        UnreadableSampleError
            Damaged.
        """
        return images.read(self.data, name=f"{name}: face image").pixels


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """A whole record; `version` is ``"010"`` (2005) or ``"030"`` (2011)."""

    version: str
    images: tuple[FaceImage, ...]


def read(data: bytes, name: str = "<record>") -> FaceRecord:
    """Read a face image record.

    Raises
    ------
    FormatError
        Not a face image record of 2005 or 2011, or truncated.
    """
    cursor = Cursor(data, name)
    if cursor.raw(4, "format identifier") != MAGIC:
        raise cursor.fail("format identifier", f"is {data[:4]!r}, not {MAGIC!r}", 0)
    version = cursor.raw(4, "version")
    reader = {b"010\0": _read_2005, b"030\0": _read_2011}.get(version)
    if reader is None:
        raise cursor.fail("version", f"is {version!r}; known are '010' and '030'", 4)
    cursor.u32("record length")
    faces = reader(cursor)
    if not faces:
        raise cursor.fail("number of facial images", "is 0", 12)
    return FaceRecord(version[:3].decode("ascii"), faces)


def _points(cursor: Cursor, count: int) -> tuple[FeaturePoint, ...]:
    return tuple(FeaturePoint(*cursor.unpack("BBHHH", "feature point")[:4]) for _ in range(count))


def _read_2005(cursor: Cursor) -> tuple[FaceImage, ...]:
    count = cursor.u16("number of facial images")
    return tuple(_face_2005(cursor) for _ in range(count))


def _face_2005(cursor: Cursor) -> FaceImage:
    start = cursor.offset
    length, points, sex, eyes, hair = cursor.unpack("IHBBB", "facial information")
    features = int.from_bytes(cursor.raw(3, "feature mask"), "big")
    expression, *angles = cursor.unpack("H6B", "expression and pose")
    marked = _points(cursor, points)
    kind, coding, width, height, colours, source, device, quality = cursor.unpack(
        "BBHHBBHH", "image information"
    )
    size = start + length - cursor.offset
    if size < 1:
        raise cursor.fail("facial record data length", f"{length} leaves no image", start)
    return FaceImage(
        sex,
        eyes,
        hair,
        features,
        expression,
        tuple(angles[:3]),
        tuple(angles[3:]),
        marked,
        kind,
        coding,
        width,
        height,
        colours,
        source,
        device,
        quality,
        cursor.raw(size, "face image"),
    )


def _read_2011(cursor: Cursor) -> tuple[FaceImage, ...]:
    count, _, _ = cursor.unpack("HBH", "general header")
    return tuple(_face_2011(cursor) for _ in range(count))


def _face_2011(cursor: Cursor) -> FaceImage:
    start = cursor.offset
    length = cursor.u32("representation length")
    end = start + length
    if length < 51 or end > len(cursor.data):
        raise cursor.fail("representation length", f"is {length}: truncated or damaged", start)
    cursor.raw(9, "capture date")
    _, _, device, qualities = cursor.unpack("BHHB", "capture device")
    blocks = [cursor.unpack("BHH", "quality block") for _ in range(qualities)]
    points, sex, eyes, hair, _ = cursor.unpack("HBBBB", "facial information")
    features = int.from_bytes(cursor.raw(3, "feature mask"), "big")
    expression, *angles = cursor.unpack("H6B", "expression and pose")
    marked = _points(cursor, points)
    kind, coding, width, height, _, _, _, colours = cursor.unpack("BBHHBHBB", "image information")
    data = _data_2011(cursor, end)
    return FaceImage(
        sex,
        eyes,
        hair,
        features,
        expression,
        tuple(angles[:3]),
        tuple(angles[3:]),
        marked,
        kind,
        coding,
        width,
        height,
        colours,
        0,
        device,
        blocks[0][0] if blocks else 0,
        data,
    )


def _data_2011(cursor: Cursor, end: int) -> bytes:
    size = cursor.u32("image data length")
    if not 0 < size <= end - cursor.offset:
        raise cursor.fail(
            "image data length", f"{size}, but {end - cursor.offset} bytes are left: truncated"
        )
    data = cursor.raw(size, "face image")
    if not data.startswith(_PICTURE_STARTS):
        raise cursor.fail("face image", "is neither JPEG, JPEG 2000 nor PNG", cursor.offset - size)
    cursor.offset = end
    return data


def write(record: FaceRecord) -> bytes:
    """Write a face image record, version ``"010"`` (2005) or ``"030"`` (2011).

    Raises
    ------
    OptionError
        Unknown version, no or too many pictures, or a value out of the format's range.
    """
    writer = {"010": _write_2005, "030": _write_2011}.get(record.version)
    if writer is None:
        raise OptionError(f"version '{record.version}' of a face record is none of 010, 030")
    if not 0 < len(record.images) <= 0xFFFF:
        raise OptionError(f"{len(record.images)} pictures; a face record holds 1 to 65,535")
    try:
        return writer(record.images)
    except struct.error as error:
        raise OptionError(f"a value does not fit a face image record ({error})") from error


def _write_2005(faces: tuple[FaceImage, ...]) -> bytes:
    body = b"".join(_block_2005(face) for face in faces)
    return MAGIC + b"010\0" + struct.pack(">IH", 14 + len(body), len(faces)) + body


def _facts(face: FaceImage) -> bytes:
    """Feature mask, expression, pose and feature points: alike in both editions."""
    return b"".join(
        (
            face.features.to_bytes(3, "big"),
            struct.pack(">H3B3B", face.expression, *face.pose, *face.pose_uncertainty),
            *(struct.pack(">BBHHH", p.type, p.code, p.x, p.y, 0) for p in face.points),
        )
    )


def _block_2005(face: FaceImage) -> bytes:
    content = b"".join(
        (
            struct.pack(">HBBB", len(face.points), face.sex, face.eye_colour, face.hair_colour),
            _facts(face),
            struct.pack(
                ">BBHHBBHH",
                face.image_type,
                face.coding,
                face.width,
                face.height,
                face.colour_space,
                face.source,
                face.device,
                face.quality,
            ),
            face.data,
        )
    )
    return struct.pack(">I", 4 + len(content)) + content


def _write_2011(faces: tuple[FaceImage, ...]) -> bytes:
    body = b"".join(_representation(face) for face in faces)
    return MAGIC + b"030\0" + struct.pack(">IHBH", 17 + len(body), len(faces), 0, 0) + body


def _representation(face: FaceImage) -> bytes:
    quality = struct.pack(">BHH", face.quality, 0, 0) if face.quality else b""
    content = b"".join(
        (
            b"\xff" * 9,  # capture date not stated
            struct.pack(">BHHB", 0, 0, face.device, len(quality) // 5),
            quality,
            struct.pack(">HBBBB", len(face.points), face.sex, face.eye_colour, face.hair_colour, 0),
            _facts(face),
            struct.pack(
                ">BBHHBHBB",
                face.image_type,
                face.coding,
                face.width,
                face.height,
                0,
                0,
                0,
                face.colour_space,
            ),
            struct.pack(">I", len(face.data)),
            face.data,
        )
    )
    return struct.pack(">I", 4 + len(content)) + content
