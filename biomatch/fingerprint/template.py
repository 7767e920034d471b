"""The fingerprint template and its compact binary form.

Layout, little-endian, version 1::

    magic      4s   b"BMFP"
    version    B    1
    flags      B    1 resolution was stated, 2 mask follows, 4 region of interest follows
    position   B    ANSI/NIST-ITL friction ridge position code
    impression B    index into the impression types
    width      H    pixels at 500 ppi
    height     H
    ppi        H    of the source, in tenths
    quality    B    0-100, 255 unknown
    extractor  B n + UTF-8
    model_id   B n + UTF-8
    minutiae   H count, then columns: x H (1/8 px), y H (1/8 px),
               angle and type H (14 bits of a turn, 2 bits type), quality H (1/65535)
    mask       packed bits, one a 16 x 16 px block, rows of ceil(width / 16)
    roi        B vertices, then (x H, y H) in 1/8 px
    crc        I    CRC-32 of all bytes before it

Values are brought to this grid when a template is made, so a stored template is equal to the
fresh one and scores the same.
"""

import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import FormatError
from biomatch.fingerprint.minutiae import TAU, Minutiae
from biomatch.types import FingerPosition, ImpressionType

__all__ = ["BLOCK", "MAX_SIDE", "FingerprintTemplate"]

MAGIC = b"BMFP"
VERSION = 1
HEADER = struct.Struct("<4sBBBBHHHB")
BLOCK = 16
"""Side of a mask block in pixels."""
MAX_SIDE = 8191
"""Largest width and height in pixels at 500 ppi."""
UNIT = 8
TURN = 1 << 14
QUALITY_STEPS = 65535
UNKNOWN_QUALITY = 255
STATED, MASKED, OUTLINED = 1, 2, 4
IMPRESSIONS = (
    ImpressionType.UNKNOWN,
    ImpressionType.PLAIN,
    ImpressionType.ROLLED,
    ImpressionType.LATENT,
    ImpressionType.PALM,
)


@dataclass(frozen=True, slots=True, eq=False)
class FingerprintTemplate:
    """What is kept of one friction ridge impression.

    Attributes
    ----------
    minutiae
        Positions in pixels at 500 ppi, rounded to the stored grid.
    width, height
        Size of the image in pixels at 500 ppi, 1 to `MAX_SIDE`.
    ppi
        Resolution of the source image.
    ppi_stated
        False when nobody stated the resolution and 500 was assumed.
    finger_position
        ANSI/NIST-ITL position code, 0 = unknown.
    impression
        Kind of impression.
    extractor
        ``"leader"``, ``"classical"``, ``"examiner"`` or ``"import:<format>"``.
    model_id
        Identifies weights and version of the extractor.
    quality
        0 (worst) to 100, whole numbers; NaN when there was no image to judge.
    mask
        Foreground by block, bool, shape (ceil(height / 16), ceil(width / 16)), or None:
        then the minutiae's convex hull stands for it.
    roi
        Examiner's region of interest: polygon (x, y), float32, shape (3..255, 2), or None.

    Raises
    ------
    FormatError
        A field is outside its range.
    """

    minutiae: Minutiae
    width: int
    height: int
    ppi: float = 500.0
    ppi_stated: bool = True
    finger_position: int = 0
    impression: ImpressionType = ImpressionType.UNKNOWN
    extractor: str = "leader"
    model_id: str = ""
    quality: float = math.nan
    mask: NDArray[np.bool_] | None = None
    roi: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        _check(self)
        settle = object.__setattr__
        settle(self, "minutiae", _snap(self.minutiae))
        settle(self, "ppi", round(self.ppi * 10) / 10)
        settle(self, "quality", self.quality if math.isnan(self.quality) else round(self.quality))
        settle(self, "finger_position", int(self.finger_position))
        settle(self, "impression", ImpressionType(self.impression))
        if self.mask is not None:
            settle(self, "mask", _frozen(np.array(self.mask, np.bool_)))
        if self.roi is not None:
            roi = np.clip(np.rint(np.asarray(self.roi, np.float64) * UNIT), 0, 65535) / UNIT
            settle(self, "roi", _frozen(roi.astype(np.float32)))

    def __len__(self) -> int:
        return len(self.minutiae)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FingerprintTemplate):
            return NotImplemented
        return self.dumps() == other.dumps()

    def __hash__(self) -> int:
        return hash(self.dumps())

    def dumps(self) -> bytes:
        """Write the binary form described in the module's docstring."""
        flags = (
            STATED * self.ppi_stated
            | MASKED * (self.mask is not None)
            | OUTLINED * (self.roi is not None)
        )
        quality = UNKNOWN_QUALITY if math.isnan(self.quality) else int(self.quality)
        parts = [
            HEADER.pack(
                MAGIC,
                VERSION,
                flags,
                self.finger_position,
                IMPRESSIONS.index(self.impression),
                self.width,
                self.height,
                round(self.ppi * 10),
                quality,
            ),
            _text(self.extractor),
            _text(self.model_id),
            struct.pack("<H", len(self.minutiae)),
            _grid(self.minutiae).tobytes(),
        ]
        if self.mask is not None:
            parts.append(np.packbits(self.mask).tobytes())
        if self.roi is not None:
            parts.append(bytes([len(self.roi)]))
            parts.append(np.rint(self.roi * UNIT).astype("<u2").tobytes())
        body = b"".join(parts)
        return body + struct.pack("<I", zlib.crc32(body))

    @classmethod
    def loads(cls, blob: bytes) -> "FingerprintTemplate":
        """Read what `dumps` wrote.

        Raises
        ------
        FormatError
            Not a template, of a later version, truncated, or damaged.
        """
        blob = bytes(blob)
        if blob[:4] != MAGIC:
            raise FormatError("fingerprint template: does not begin with 'BMFP'")
        if len(blob) < HEADER.size + 8:
            raise FormatError(f"fingerprint template: truncated at {len(blob)} bytes")
        if blob[4] != VERSION:
            raise FormatError(
                f"fingerprint template: version {blob[4]} is unknown, this software reads "
                f"{VERSION}; update it or enrol again"
            )
        body, (crc,) = blob[:-4], struct.unpack("<I", blob[-4:])
        if zlib.crc32(body) != crc:
            raise FormatError("fingerprint template: checksum differs, the data are damaged")
        return _parse(_Cursor(body))


def _parse(cursor: "_Cursor") -> FingerprintTemplate:
    _, _, flags, position, impression, width, height, ppi, quality = HEADER.unpack(
        cursor.take(HEADER.size)
    )
    if impression >= len(IMPRESSIONS):
        raise FormatError(f"fingerprint template: unknown impression code {impression}")
    extractor, model_id = cursor.text(), cursor.text()
    count = int.from_bytes(cursor.take(2), "little")
    grid = np.frombuffer(cursor.take(8 * count), "<u2").reshape(4, count)
    mask: NDArray[np.bool_] | None = None
    roi: NDArray[Any] | None = None
    if flags & MASKED:
        rows, columns = -(-height // BLOCK), -(-width // BLOCK)
        packed = np.frombuffer(cursor.take(-(-rows * columns // 8)), np.uint8)
        mask = np.unpackbits(packed, count=rows * columns).reshape(rows, columns).astype(np.bool_)
    if flags & OUTLINED:
        vertices = cursor.take(1)[0]
        roi = np.frombuffer(cursor.take(4 * vertices), "<u2").reshape(-1, 2) / np.float32(UNIT)
    cursor.end()
    return FingerprintTemplate(
        minutiae=_minutiae(grid),
        width=width,
        height=height,
        ppi=ppi / 10,
        ppi_stated=bool(flags & STATED),
        finger_position=position,
        impression=IMPRESSIONS[impression],
        extractor=extractor,
        model_id=model_id,
        quality=math.nan if quality == UNKNOWN_QUALITY else quality,
        mask=mask,
        roi=roi,
    )


class _Cursor:
    """Reads a byte string from front to back, refusing to run past its end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def take(self, size: int) -> bytes:
        chunk = self.data[self.offset : self.offset + size]
        if len(chunk) < size:
            raise FormatError(f"fingerprint template: truncated at byte {len(self.data)}")
        self.offset += size
        return chunk

    def text(self) -> str:
        size = self.take(1)[0]
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise FormatError("fingerprint template: a name is not UTF-8") from error

    def end(self) -> None:
        if self.offset != len(self.data):
            left = len(self.data) - self.offset
            raise FormatError(f"fingerprint template: {left} bytes too many")


def _text(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data)]) + data


def _grid(minutiae: Minutiae) -> NDArray[np.uint16]:
    """Columns of the stored grid, shape (4, n)."""
    turn = np.rint(minutiae.angle.astype(np.float64) * (TURN / TAU)).astype(np.int64) % TURN
    columns = (
        np.clip(np.rint(minutiae.x * UNIT), 0, 65535),
        np.clip(np.rint(minutiae.y * UNIT), 0, 65535),
        turn << 2 | minutiae.type,
        np.rint(minutiae.quality.astype(np.float64) * QUALITY_STEPS),
    )
    return np.stack(columns).astype("<u2")


def _minutiae(grid: NDArray[np.uint16]) -> Minutiae:
    kind = grid[2] & 3
    if (kind > 2).any():
        raise FormatError("fingerprint template: minutia type 3 is unknown")
    return Minutiae(
        grid[0] / np.float32(UNIT),
        grid[1] / np.float32(UNIT),
        (grid[2] >> 2) * (TAU / TURN),
        kind,
        grid[3] / np.float64(QUALITY_STEPS),
    )


def _snap(minutiae: Minutiae) -> Minutiae:
    return _minutiae(_grid(minutiae))


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def _check(template: FingerprintTemplate) -> None:
    for name in ("width", "height"):
        side = getattr(template, name)
        if not 1 <= side <= MAX_SIDE:
            raise FormatError(f"fingerprint template: {name} {side} is outside 1 to {MAX_SIDE}")
    if not 0 < template.ppi < 6553:
        raise FormatError(f"fingerprint template: ppi {template.ppi:g} is outside 0 to 6553")
    if template.finger_position not in set(FingerPosition):
        raise FormatError(
            f"fingerprint template: finger position {template.finger_position} is not an "
            "ANSI/NIST-ITL code"
        )
    if not (math.isnan(template.quality) or 0 <= template.quality <= 100):
        raise FormatError(f"fingerprint template: quality {template.quality} is outside 0 to 100")
    if len(template.minutiae) > 65535:
        raise FormatError("fingerprint template: more than 65,535 minutiae")
    for name in ("extractor", "model_id"):
        if len(getattr(template, name).encode()) > 255:
            raise FormatError(f"fingerprint template: {name} is longer than 255 bytes")
    _check_areas(template)


def _check_areas(template: FingerprintTemplate) -> None:
    if template.mask is not None:
        shape = (-(-template.height // BLOCK), -(-template.width // BLOCK))
        if np.shape(template.mask) != shape:
            raise FormatError(
                f"fingerprint template: mask is {np.shape(template.mask)}, {shape} is needed for "
                f"{template.width} x {template.height} pixels"
            )
    if template.roi is not None:
        shape = np.shape(template.roi)
        if len(shape) != 2 or shape[1] != 2 or not 3 <= shape[0] <= 255:
            raise FormatError(
                f"fingerprint template: roi is {shape}, 3 to 255 vertices (x, y) are needed"
            )
        if not np.isfinite(template.roi).all():
            raise FormatError("fingerprint template: roi holds a value that is not finite")
