"""Votes: how many of a probe's cylinders find their like in a print, turned alike.

Each cylinder of the probe votes for its most similar cylinder of the print, with the cube of
the similarity, into a histogram of rotations. A mate's votes fall together, chance spreads
them. This sees no positions and costs a few microseconds a print: it chooses what the exact
comparison looks at.
"""

import math

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint.cylinders import SECTIONS
from biomatch.fingerprint.kernels import native
from biomatch.fingerprint.similarity import ROOTS, count_ones

__all__ = ["TURNS", "peak", "scan"]

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
U16 = NDArray[np.uint16]
U64 = NDArray[np.uint64]

TURNS = 24
"""Bins of the rotation histogram: 15 degrees each."""
NEIGHBOUR = 0.6
"""Weight of the two bins beside the peak."""
ANGLE_STEPS = 1 << 14
FEW = 8
"""Prints with fewer usable cylinders are rated as if they had so many."""


@native
def peak(histogram: F32) -> float:
    """Highest bin of a circular histogram with its neighbours."""
    best = np.float32(0)
    for k in range(TURNS):
        sides = histogram[k - 1] + histogram[(k + 1) % TURNS]
        best = max(best, histogram[k] + np.float32(NEIGHBOUR) * sides)
    return float(best)


@native
def _cast(turn: int, weight: float, histogram: F32) -> None:
    """Share one vote between the two nearest bins; `turn` in 1/16384 of a full turn."""
    place = (turn % ANGLE_STEPS) * (TURNS / ANGLE_STEPS)
    left = int(place)
    share = place - left
    histogram[left] += weight * (1 - share)
    histogram[(left + 1) % TURNS] += weight * share


@native
def scan(points: U16, bits: U64, cells: U64, offsets: I64, gallery_points: U16,
         gallery_bits: U64, gallery_cells: U64, rows: I64, max_turn: float,
         out: F32) -> None:  # fmt: skip
    """Votes of one probe for each of `rows` into `out`."""
    histogram = np.zeros(TURNS, np.float32)
    limit = int(max_turn / (2 * math.pi) * ANGLE_STEPS)
    for n in range(len(rows)):
        start, end = offsets[rows[n]], offsets[rows[n] + 1]
        histogram[:] = 0
        usable = 0
        for j in range(start, end):
            usable += gallery_cells[j] != 0
        for i in range(len(cells)):
            if cells[i] == 0:
                continue
            best, choice = np.float32(0), -1
            for j in range(start, end):
                common = cells[i] & gallery_cells[j]
                turn = ((gallery_points[j, 2] >> 2) - (points[i, 2] >> 2)) % ANGLE_STEPS
                if common == 0 or min(turn, ANGLE_STEPS - turn) > limit:
                    continue
                ones_a, ones_b, differing = np.uint64(0), np.uint64(0), np.uint64(0)
                for section in range(SECTIONS):
                    a, b = bits[i, section] & common, gallery_bits[j, section] & common
                    ones_a += count_ones(a)
                    ones_b += count_ones(b)
                    differing += count_ones(a ^ b)
                length = ROOTS[ones_a] + ROOTS[ones_b]
                if length > 0:
                    similarity = 1 - ROOTS[differing] / length
                    if similarity > best:
                        best, choice = similarity, j
            if choice >= 0:
                turn = (gallery_points[choice, 2] >> 2) - (points[i, 2] >> 2)
                _cast(turn, best * best * best, histogram)
        out[n] = peak(histogram) / math.sqrt(max(usable, FEW))
