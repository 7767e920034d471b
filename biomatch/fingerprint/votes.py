"""Votes: how many of a probe's cylinders find their like in a print, moved alike.

Each cylinder of the probe votes for its most similar cylinder of the print, with the cube of
the similarity. The votes' rotations are gathered in a histogram; those about its peaks are
turned back, and the largest sum of votes with about the same shift is the print's rating.
A mate's votes fall together, chance spreads them. This costs a few microseconds a print: it
chooses what the exact comparison looks at.
"""

import math

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint.cylinders import SECTIONS
from biomatch.fingerprint.kernels import native
from biomatch.fingerprint.packing import ANGLE_STEPS, PIXEL_STEPS
from biomatch.fingerprint.similarity import liken, turn_over

__all__ = ["FEW", "ROWS", "TURNS", "rated", "scan"]

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
U16 = NDArray[np.uint16]
U64 = NDArray[np.uint64]

TURNS = 24
"""Bins of the rotation histogram: 15 degrees each."""
NEIGHBOUR = 0.6
"""Weight of the two bins beside the peak."""
PEAKS = 2
"""Rotations that are tried: few votes of a true one do not always make the highest peak."""
ROWS = 9
"""Rows of the array of votes, see `rated`."""
SHIFT = 36.0
"""Votes whose shifts differ by less support each other, in pixels: half a bin of rotation at
a lever of 150 px, and some distortion."""
FEW = 8
"""Prints with fewer usable cylinders are rated as if they had so many."""


@native
def _likest(alike: F32, points: U16, direction: int, limit: int) -> tuple[int, np.float32]:
    """Most similar of a print's cylinders within the rotation limit: its row (-1 = none)."""
    best, choice = np.float32(0), -1
    for j in range(len(alike)):
        if alike[j] > best:
            turn = (int(points[j, 2] >> 2) - direction) & (ANGLE_STEPS - 1)
            if min(turn, ANGLE_STEPS - turn) <= limit:
                best, choice = alike[j], j
    return choice, best


@native
def _fill(turns: F32, weights: F32, count: int, histogram: F32) -> None:
    """Fill the rotation histogram, each vote shared between two bins."""
    histogram[:] = 0
    for v in range(count):
        left = int(turns[v])
        share = turns[v] - left
        histogram[left] += weights[v] * (1 - share)
        histogram[left + 1 if left + 1 < TURNS else 0] += weights[v] * share


@native
def _peak(histogram: F32) -> int:
    """Bin that is highest with its neighbours."""
    best, place = np.float32(-1), 0
    for k in range(TURNS):
        following = histogram[k + 1 if k + 1 < TURNS else 0]
        height = histogram[k] + np.float32(NEIGHBOUR) * (histogram[k - 1] + following)
        if height > best:
            best, place = height, k
    return place


@native
def _gathered(votes: F32, count: int, peak: int) -> np.float32:
    """Largest sum of votes near the peak's rotation that agree in shift (rows as in `rated`)."""
    angle = peak * (2 * math.pi / TURNS)
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    kept = 0
    for v in range(count):
        offset = abs(votes[0, v] - peak)
        if min(offset, TURNS - offset) > 1.5:
            continue
        x, y = votes[2, v], votes[3, v]
        votes[6, kept] = votes[1, v]
        votes[7, kept] = votes[4, v] - (cos * x + sin * y)
        votes[8, kept] = votes[5, v] - (cos * y - sin * x)
        kept += 1
    best = np.float32(0)
    scale = np.float32(1 / (SHIFT * SHIFT))
    for v in range(kept):
        total = np.float32(0)
        for u in range(kept):
            dx, dy = votes[7, u] - votes[7, v], votes[8, u] - votes[8, v]
            near = np.float32(1) - (dx * dx + dy * dy) * scale
            total += votes[6, u] * max(np.float32(0), near)
        best = max(best, total)
    return best


@native
def rated(votes: F32, count: int, histogram: F32) -> np.float32:
    """Largest sum of votes that agree in shift, about any of the highest rotations.

    `votes` (9, n) has rows turn, weight, probe x, y, print x, y; the last three are scratch.
    """
    _fill(votes[0], votes[1], count, histogram)
    best = np.float32(0)
    for _ in range(PEAKS):
        peak = _peak(histogram)
        if histogram[peak] <= 0:
            break
        best = max(best, _gathered(votes, count, peak))
        histogram[peak - 1] = 0
        histogram[peak] = 0
        histogram[peak + 1 if peak + 1 < TURNS else 0] = 0
    return best


@native
def scan(points: U16, bits: U64, cells: U64, offsets: I64, gallery_points: U16,
         gallery_bits: U64, gallery_cells: U64, rows: I64, max_turn: float,
         out: F32) -> None:  # fmt: skip
    """Rating of each of `rows` by one probe's votes into `out`."""
    histogram = np.zeros(TURNS, np.float32)
    votes = np.empty((ROWS, len(cells)), np.float32)
    limit = int(max_turn / (2 * math.pi) * ANGLE_STEPS)
    unit = np.float32(1 / PIXEL_STEPS)
    widest = 0
    for row in rows:
        widest = max(widest, offsets[row + 1] - offsets[row])
    planes, similarity = np.empty((SECTIONS, widest), np.uint64), np.empty(widest, np.float32)
    for n in range(len(rows)):
        start, end = offsets[rows[n]], offsets[rows[n] + 1]
        listed, listed_points = gallery_cells[start:end], gallery_points[start:end]
        alike = similarity[: end - start]
        turn_over(gallery_bits[start:end], planes)
        usable = 0
        for j in range(len(listed)):
            usable += listed[j] != 0
        count = 0
        for i in range(len(cells)):
            direction = int(points[i, 2] >> 2)
            liken(bits[i], cells[i], planes, listed, 0, alike)
            j, highest = _likest(alike, listed_points, direction, limit)
            if j >= 0:
                turn = (int(listed_points[j, 2] >> 2) - direction) & (ANGLE_STEPS - 1)
                votes[0, count] = turn * np.float32(TURNS / ANGLE_STEPS)
                votes[1, count] = highest * highest * highest
                votes[2, count], votes[3, count] = points[i, 0] * unit, points[i, 1] * unit
                votes[4, count] = listed_points[j, 0] * unit
                votes[5, count] = listed_points[j, 1] * unit
                count += 1
        out[n] = rated(votes, count, histogram) / math.sqrt(max(usable, FEW))
