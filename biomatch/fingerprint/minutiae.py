"""Minutiae: the ridge endings and bifurcations of one print, as parallel arrays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biomatch.errors import FormatError

__all__ = ["MinutiaType", "Minutiae", "angle_difference", "wrap_angle"]

TAU = 2 * math.pi


class MinutiaType(IntEnum):
    """What a ridge does at a minutia."""

    ENDING = 0
    BIFURCATION = 1
    UNKNOWN = 2


def wrap_angle(angle: ArrayLike) -> NDArray[np.float32]:
    """Bring angles in radians into [0, 2π)."""
    wrapped = np.mod(np.asarray(angle, np.float64), TAU).astype(np.float32)
    return np.where(wrapped >= np.float32(TAU), np.float32(0), wrapped)


def angle_difference(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Signed difference ``a - b`` of directions in radians, in [-π, π)."""
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    return np.mod(difference + math.pi, TAU) - math.pi


@dataclass(frozen=True, slots=True, eq=False)
class Minutiae:
    """Minutiae of one print, best quality first.

    Any array-like is accepted; it is checked, copied, sorted (quality descending, stable)
    and made read-only.

    Attributes
    ----------
    x, y
        Position in pixels at 500 ppi, origin top left, y down; float32, shape (n,).
    angle
        Direction in radians, [0, 2π), counter-clockwise from the x axis with y up, as in
        ISO/IEC 19794-2:2005: from an ending back along its ridge, from a bifurcation into
        the valley between the two branches that enclose the sharpest angle.
    type
        `MinutiaType` values, uint8.
    quality
        Confidence that it is a true minutia, 0 to 1, float32.

    Raises
    ------
    FormatError
        Arrays of different lengths or more than one dimension, values that are not finite,
        a quality outside 0 to 1, or an unknown type.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    angle: NDArray[Any]
    type: NDArray[Any]
    quality: NDArray[Any]

    def __post_init__(self) -> None:
        columns: dict[str, NDArray[Any]] = {
            "x": np.array(self.x, np.float32),
            "y": np.array(self.y, np.float32),
            "angle": np.array(self.angle, np.float64),
            "type": np.array(self.type, np.int64),
            "quality": np.array(self.quality, np.float32),
        }
        _check(columns)
        columns["angle"] = wrap_angle(columns["angle"])
        columns["type"] = columns["type"].astype(np.uint8)
        order = np.argsort(-columns["quality"], kind="stable")
        for name, column in columns.items():
            ordered = column[order]
            ordered.setflags(write=False)
            object.__setattr__(self, name, ordered)

    def __len__(self) -> int:
        return len(self.x)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Minutiae):
            return NotImplemented
        return all(
            np.array_equal(mine, theirs)
            for mine, theirs in zip(self.columns(), other.columns(), strict=True)
        )

    def __hash__(self) -> int:
        return hash(tuple(column.tobytes() for column in self.columns()))

    @classmethod
    def empty(cls) -> "Minutiae":
        """No minutiae at all."""
        return cls.from_rows(np.zeros((0, 5), np.float32))

    @classmethod
    def from_rows(cls, rows: ArrayLike) -> "Minutiae":
        """Make minutiae of rows (x, y, angle, type, quality), shape (n, 5)."""
        table = np.asarray(rows, np.float64).reshape(-1, 5)
        return cls(table[:, 0], table[:, 1], table[:, 2], np.rint(table[:, 3]), table[:, 4])

    def columns(self) -> Sequence[NDArray[Any]]:
        """Return the five arrays in the order x, y, angle, type, quality."""
        return (self.x, self.y, self.angle, self.type, self.quality)

    def rows(self) -> NDArray[np.float32]:
        """One row (x, y, angle, type, quality) a minutia, float32, shape (n, 5)."""
        return np.stack([np.asarray(c, np.float32) for c in self.columns()], axis=1)

    def take(self, which: NDArray[Any]) -> "Minutiae":
        """Keep the minutiae of a boolean mask or of row numbers."""
        return Minutiae(*(column[which] for column in self.columns()))

    def best(self, count: int) -> "Minutiae":
        """Keep the `count` minutiae of highest quality."""
        return self.take(np.arange(min(count, len(self))))

    def above(self, quality: float) -> "Minutiae":
        """Keep minutiae of at least this quality."""
        return self.take(self.quality >= quality)

    def moved(self, dx: float, dy: float, scale: float = 1.0) -> "Minutiae":
        """Scale about the origin, then shift by (dx, dy) pixels."""
        return Minutiae(
            self.x * np.float32(scale) + np.float32(dx),
            self.y * np.float32(scale) + np.float32(dy),
            self.angle,
            self.type,
            self.quality,
        )


def _check(columns: dict[str, NDArray[Any]]) -> None:
    shapes = {name: column.shape for name, column in columns.items()}
    if len(set(shapes.values())) != 1 or len(shapes["x"]) != 1:
        raise FormatError(f"minutiae: columns must be one-dimensional and equally long: {shapes}")
    for name, column in columns.items():
        if not np.isfinite(column).all():
            raise FormatError(f"minutiae: {name} holds a value that is not finite")
    quality, kind = columns["quality"], columns["type"]
    if len(quality) and not (quality.min() >= 0 and quality.max() <= 1):
        worst = quality[np.argmax(np.abs(quality - 0.5))]
        raise FormatError(f"minutiae: quality {worst:g} is outside 0 to 1")
    if len(kind) and not (kind.min() >= 0 and kind.max() <= MinutiaType.UNKNOWN):
        worst = kind[np.argmax(np.abs(kind))]
        raise FormatError(f"minutiae: type {worst} is not 0 (ending), 1 (bifurcation), 2 (unknown)")
