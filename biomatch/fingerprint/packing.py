"""Prints packed for comparison: flat arrays that kernels walk and files can be mapped to."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint import cylinders
from biomatch.fingerprint.kernels import native
from biomatch.fingerprint.minutiae import TAU, Minutiae
from biomatch.fingerprint.template import FingerprintTemplate

__all__ = ["MAX_MINUTIAE", "PackedPrints", "kept_rows", "pack", "pack_points", "unpack_into"]

MAX_MINUTIAE = 150
"""Minutiae of a print that are compared, best quality first; a rolled finger has about 100."""
SAME_PLACE, SAME_DIRECTION = 4.0, 0.5
"""Pixels and radians within which two marks are one minutia: under half a ridge period."""
PIXEL_STEPS = 8
ANGLE_STEPS = 1 << 14


@dataclass(frozen=True, slots=True)
class PackedPrints:
    """Many prints, one behind the other: 64 bytes a minutia.

    Attributes
    ----------
    offsets
        int64, shape (prints + 1,): print r has the rows ``offsets[r]`` to ``offsets[r + 1]``.
    points
        uint16, shape (rows, 4): x and y in 1/8 px with y down, angle in 1/16384 of a turn
        times 4 plus type, quality in 1/65535.
    bits, cells
        The cylinders (see `biomatch.fingerprint.cylinders.Cylinders`).
    outline_offsets, outline
        Convex hulls: int64 (prints + 1,) and uint16 row numbers within the print.
    """

    offsets: NDArray[np.int64]
    points: NDArray[np.uint16]
    bits: NDArray[np.uint64]
    cells: NDArray[np.uint64]
    outline_offsets: NDArray[np.int64]
    outline: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The arrays in field order, as the kernels take them."""
        return tuple(getattr(self, field.name) for field in fields(self))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays)

    def save(self, folder: Path) -> None:
        """Write one .npy file an array."""
        for field in fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name))

    @classmethod
    def load(cls, folder: Path) -> "PackedPrints":
        """Map what `save` wrote."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))


def kept_rows(template: FingerprintTemplate) -> NDArray[np.int64]:
    """Rows of a template's minutiae that are compared: the best `MAX_MINUTIAE`, each once.

    A minutia that was marked twice, as happens in mark-ups and in foreign records, would count
    twice as evidence; of two marks of one place and direction the better stays.
    """
    minutiae = template.minutiae
    x, y, angle, *_ = (np.asarray(column, np.float32) for column in minutiae.columns())
    return _distinct(x, y, angle, MAX_MINUTIAE)


@native
def _distinct(
    x: NDArray[np.float32], y: NDArray[np.float32], angle: NDArray[np.float32], most: int
) -> NDArray[np.int64]:
    """Rows that repeat no row before them, at most so many, in order."""
    kept = np.empty(min(len(x), most), np.int64)
    count = 0
    for i in range(len(x)):
        if count == most:
            break
        repeated = False
        for j in kept[:count]:
            dx, dy = x[i] - x[j], y[i] - y[j]
            turn = abs(angle[i] - angle[j])
            turn = min(turn, np.float32(TAU) - turn)
            if dx * dx + dy * dy < SAME_PLACE * SAME_PLACE and turn < SAME_DIRECTION:
                repeated = True
                break
        if not repeated:
            kept[count] = i
            count += 1
    return kept[:count]


def pack(templates: Iterable[FingerprintTemplate]) -> PackedPrints:
    """Pack prints and make their cylinders."""
    kept = [template.minutiae.take(kept_rows(template)) for template in templates]
    offsets = _offsets(len(minutiae) for minutiae in kept)
    points = np.zeros((int(offsets[-1]), 4), np.uint16)
    for minutiae, start, end in zip(kept, offsets, offsets[1:], strict=False):
        points[start:end] = _grid(minutiae)
    return pack_points(offsets, points)


def pack_points(offsets: NDArray[np.int64], points: NDArray[np.uint16]) -> PackedPrints:
    """Pack prints whose points are on the grid already, making cylinders and hulls."""
    rows = len(points)
    bits = np.zeros((rows, cylinders.SECTIONS), np.uint64)
    cells = np.zeros(rows, np.uint64)
    outline = np.zeros(rows, np.uint16)
    sizes = np.zeros(len(offsets) - 1, np.int64)
    used = _encode_all(offsets, points, bits, cells, sizes, outline)
    return PackedPrints(offsets, points, bits, cells, _offsets(sizes), outline[:used].copy())


def _offsets(sizes: Iterable[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.fromiter(sizes, np.int64))]).astype(np.int64)


def _grid(minutiae: Minutiae) -> NDArray[np.uint16]:
    turn = np.rint(minutiae.angle.astype(np.float64) * (ANGLE_STEPS / TAU)).astype(np.int64)
    columns = (
        np.clip(np.rint(minutiae.x * PIXEL_STEPS), 0, 65535),
        np.clip(np.rint(minutiae.y * PIXEL_STEPS), 0, 65535),
        (turn % ANGLE_STEPS) << 2 | minutiae.type,
        np.rint(minutiae.quality.astype(np.float64) * 65535),
    )
    return np.stack(columns, axis=1).astype(np.uint16)


@native
def unpack_into(points: NDArray[np.uint16], out: NDArray[np.float32]) -> None:
    """Write x, y (up), angle, quality, type of packed points to the rows of `out` (5, n)."""
    for i in range(points.shape[0]):
        out[0, i] = points[i, 0] * np.float32(1 / PIXEL_STEPS)
        out[1, i] = points[i, 1] * np.float32(-1 / PIXEL_STEPS)
        out[2, i] = (points[i, 2] >> 2) * np.float32(TAU / ANGLE_STEPS)
        out[3, i] = points[i, 3] * np.float32(1 / 65535)
        out[4, i] = points[i, 2] & 3


@native
def _encode_all(
    offsets: NDArray[np.int64],
    points: NDArray[np.uint16],
    bits: NDArray[np.uint64],
    cells: NDArray[np.uint64],
    sizes: NDArray[np.int64],
    outline: NDArray[np.uint16],
) -> int:
    used = 0
    for r in range(len(offsets) - 1):
        start, end = offsets[r], offsets[r + 1]
        if end == start:
            continue
        plain = np.empty((5, end - start), np.float32)
        unpack_into(points[start:end], plain)
        y = -plain[1]
        corners = cylinders.hull_rows(plain[0], y)
        for corner in corners:
            outline[used] = corner
            used += 1
        sizes[r] = len(corners)
        if end - start > cylinders.MIN_NEIGHBOURS:
            cylinders.encode_into(plain[0], y, plain[2], corners, bits[start:end], cells[start:end])
    return used
