"""FaceTemplate: one face's features, and their binary form.

Layout of version 1, little-endian::

    4 bytes   magic "BMFT"
    1 byte    version
    4 bytes   CRC-32 (zlib) of all that follows
    2 + n     model set, UTF-8 with its length in front
    2 + n     model id, UTF-8 with its length in front
    2 bytes   face index
    4 + 4     width and height of the picture
    4 bytes   turn: degrees by which the picture was turned when the face was found, float32
    15 * 4    box, landmarks and detection score, float32
    1 + 4 n   raw norms, float32
    1 + 4 n   quality: value and measures in the order of `Quality.NAMES`, float32
    2 + 4 n   embedding, float32
"""

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import FormatError
from biomatch.face.assessment import Quality

__all__ = ["FaceTemplate", "dumps", "essentials", "loads"]

MAGIC = b"BMFT"
VERSION = 1
HEAD = struct.Struct("<4sBI")
GEOMETRY = struct.calcsize("<HIIf15f")
"""Bytes from the face's index to its detection score."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FaceTemplate:
    """One face of a picture.

    Attributes
    ----------
    embedding
        Unit vector, (d,) float32; the cosine of two is their comparison score.
    norms
        Length of each network's raw output: an indicator of quality, unbounded.
    box
        x, y, width, height in pixels of the upright picture, (4,).
    landmarks
        Eye on the picture's left, eye on its right, tip of the nose, corners of the mouth,
        (5, 2) pixels.
    score
        Detection score, 0 to 1.
    turn
        Degrees by which the picture was turned, anticlockwise, when the face was found, above -180
        and up to 180.
    face_index
        0 = the picture's most prominent face.
    picture_size
        Width and height of the picture in pixels.
    quality
        Quality 0 to 100 with its measures and reasons.
    model_set
        ``"default"``, ``"high"``, or the name of a user's model.
    model_id
        Identifies networks and aligner; templates with different ids are never compared.
    """

    embedding: Floats = field(repr=False)
    norms: tuple[float, ...]
    box: Floats
    landmarks: Floats
    score: float
    turn: float
    face_index: int
    picture_size: tuple[int, int]
    quality: Quality
    model_set: str
    model_id: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FaceTemplate) and dumps(self) == dumps(other)

    def __hash__(self) -> int:
        return hash((self.model_id, self.embedding.tobytes()))


def dumps(template: FaceTemplate) -> bytes:
    """Write the binary form of version 1."""
    geometry = np.concatenate([template.box, template.landmarks.ravel(), [template.score]])
    body = b"".join(
        (
            _text(template.model_set),
            _text(template.model_id),
            struct.pack("<HIIf", template.face_index, *template.picture_size, template.turn),
            geometry.astype("<f4").tobytes(),
            _floats("<B", template.norms),
            _floats("<B", template.quality.values()),
            _floats("<H", template.embedding),
        )
    )
    return HEAD.pack(MAGIC, VERSION, zlib.crc32(body)) + body


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<H", len(data)) + data


def _floats(count: str, values: Any) -> bytes:
    data = np.asarray(values, "<f4")
    return struct.pack(count, data.size) + data.tobytes()


def loads(blob: bytes) -> FaceTemplate:
    """Read what `dumps` wrote.

    Raises
    ------
    FormatError
        Wrong magic, unknown version, checksum or length: the sentence says which.
    """
    try:
        return _Reader(_body(blob)).template()
    except (struct.error, ValueError, IndexError) as error:
        raise FormatError(f"face template: the record is malformed ({error})") from error


def essentials(blob: bytes) -> tuple[str, Floats]:
    """Read only the model id and the embedding: a quarter of the time that `loads` takes.

    Raises
    ------
    FormatError
        As `loads`.
    """
    try:
        return _Reader(_body(blob)).essentials()
    except (struct.error, ValueError, IndexError) as error:
        raise FormatError(f"face template: the record is malformed ({error})") from error


def _body(blob: bytes) -> bytes:
    """Check the head of a record and return what follows."""
    if len(blob) < HEAD.size:
        raise FormatError(f"face template: {len(blob)} bytes are too few for a header")
    magic, version, crc = HEAD.unpack_from(blob)
    body = bytes(blob[HEAD.size :])
    if magic != MAGIC:
        raise FormatError(f"face template: starts with {magic!r} and not with {MAGIC!r}")
    if version != VERSION:
        raise FormatError(f"face template: version {version} is unknown; this release reads 1")
    if zlib.crc32(body) != crc:
        raise FormatError("face template: the checksum is wrong, the record is damaged")
    return body


class _Reader:
    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def template(self) -> FaceTemplate:
        model_set, model_id = self.text(), self.text()
        index, width, height, turn = self.numbers("<HIIf")
        geometry = self.array(15)
        norms = tuple(float(v) for v in self.array(*self.numbers("<B")))
        quality = Quality.of(self.array(*self.numbers("<B")))
        embedding = self.array(*self.numbers("<H"))
        if self.at != len(self.body):
            raise ValueError(f"{len(self.body) - self.at} bytes too many")
        return FaceTemplate(
            embedding=embedding,
            norms=norms,
            box=geometry[:4],
            landmarks=geometry[4:14].reshape(5, 2),
            score=float(geometry[14]),
            turn=turn,
            face_index=index,
            picture_size=(width, height),
            quality=quality,
            model_set=model_set,
            model_id=model_id,
        )

    def essentials(self) -> tuple[str, Floats]:
        self.text()
        model_id = self.text()
        self.at += GEOMETRY
        for _ in range(2):  # norms and quality
            self.at += 1 + 4 * self.body[self.at]
        (count,) = struct.unpack_from("<H", self.body, self.at)
        if self.at + 2 + 4 * count != len(self.body):
            raise ValueError(f"its length does not fit {count} dimensions")
        return model_id, np.frombuffer(self.body, "<f4", count, self.at + 2)

    def numbers(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self.body, self.at)
        self.at += struct.calcsize(layout)
        return values

    def text(self) -> str:
        (length,) = self.numbers("<H")
        data = self.body[self.at : self.at + length]
        if len(data) != length:
            raise ValueError("a text ends early")
        self.at += length
        return data.decode()

    def array(self, count: int) -> Floats:
        values = np.frombuffer(self.body, "<f4", count, self.at).astype(np.float32)
        self.at += 4 * count
        return values
