"""Large pictures (rolled prints, slaps, palms) in tiles: bounded memory, no minutia twice.

A tile is a core, cores cover the picture without overlap, and a window, the core with a margin
around it that the extractor sees as well. Each tile reports the minutiae of its core and of a
rim around it, for the same minutia may come out a pixel apart in two windows, on either side of
the seam; what two tiles report of one place is then made one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint.minutiae import angle_difference

__all__ = ["NEAR", "RIM", "TURNED", "Tile", "cut", "merge"]

RIM = 4
"""Pixels around its core in which a tile reports minutiae, too."""
NEAR, TURNED = 6.0, 0.6
"""Pixels and radians within which the minutiae of two tiles are one: under a ridge period."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile.

    Attributes
    ----------
    core, window
        Rows and columns of the picture.
    """

    core: tuple[slice, slice]
    window: tuple[slice, slice]

    def own(self, rows: Floats) -> Floats:
        """Move rows (x, y, …) from the window into the picture, keep those in core and rim."""
        moved = rows.copy()
        moved[:, 0] += self.window[1].start
        moved[:, 1] += self.window[0].start
        y, x = self.core
        kept = (moved[:, 0] >= x.start - RIM) & (moved[:, 0] < x.stop + RIM)
        kept &= (moved[:, 1] >= y.start - RIM) & (moved[:, 1] < y.stop + RIM)
        return np.asarray(moved[kept], np.float64)


def cut(shape: tuple[int, ...], core: int, margin: int, step: int) -> list[Tile]:
    """Cut a picture into tiles of about equal size; one that fits a window stays whole.

    Parameters
    ----------
    shape
        Height and width of the picture.
    core
        Largest side of a core in pixels, rounded up to a multiple of `step`.
    margin
        Pixels around a core that its window holds.
    step
        Tiles begin at multiples of this.
    """
    largest = -(-core // step) * step
    if max(shape) <= largest + 2 * margin:
        whole = slice(0, shape[0]), slice(0, shape[1])
        return [Tile(whole, whole)]
    rows, columns = (_cores(side, largest, step) for side in shape[:2])
    return [
        Tile((y, x), (_window(y, margin, shape[0]), _window(x, margin, shape[1])))
        for y in rows
        for x in columns
    ]


def _cores(length: int, largest: int, step: int) -> list[slice]:
    count = math.ceil(length / largest)
    side = math.ceil(length / count / step) * step
    return [slice(start, min(start + side, length)) for start in range(0, length, side)]


def _window(core: slice, margin: int, length: int) -> slice:
    return slice(max(core.start - margin, 0), min(core.stop + margin, length))


def merge(parts: Sequence[Floats]) -> Floats:
    """Put the minutiae of all tiles together, those seen by several tiles once.

    Two minutiae are one when they come from different tiles, are `NEAR` and no more than
    `TURNED` apart; nearest first, and a tile has at most one part in each. The one of best
    quality stands for all.

    Parameters
    ----------
    parts
        Rows (x, y, angle, type, quality) in pixels of the picture, shape (n, 5), one array a
        tile.
    """
    rows = np.concatenate([np.zeros((0, 5)), *parts])
    if len(parts) < 2 or len(rows) < 2:
        return rows
    tile = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    groups = [[number] for number in range(len(rows))]
    for first, second in _close_pairs(rows, tile):
        a, b = groups[first], groups[second]
        if not {int(tile[i]) for i in a} & {int(tile[i]) for i in b}:
            a += b
            for member in b:
                groups[member] = a
    best = {max(group, key=lambda i: (rows[i, 4], -i)) for group in groups}
    return np.asarray(rows[sorted(best)], np.float64)


def _close_pairs(rows: Floats, tile: NDArray[np.intp]) -> NDArray[np.intp]:
    """Pairs of minutiae of different tiles that may be one, nearest first, shape (m, 2)."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(rows[:, :2]).query_pairs(NEAR, output_type="ndarray")
    first, second = pairs.T
    alike = np.abs(angle_difference(rows[first, 2], rows[second, 2])) <= TURNED
    pairs = pairs[alike & (tile[first] != tile[second])]
    apart = np.hypot(*(rows[pairs[:, 0], :2] - rows[pairs[:, 1], :2]).T)
    return np.asarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0], apart))], np.intp)
