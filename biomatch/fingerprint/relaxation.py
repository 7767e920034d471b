"""Global relaxation: pairs of minutiae support each other when they fit one movement.

After the LSS-R consolidation of Cappelli, Ferrara and Maltoni (TPAMI 2010, section III-C),
with the angular tests written as dot products and compact kernels in place of sigmoids, so
that the loops run as vector instructions.
"""

import math

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint.kernels import native

__all__ = ["compatibility", "relax", "relaxed_score"]

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

DISTANCE = 7.0
"""Difference of the two distances at which support ends, in pixels."""
STRETCH = 0.05
"""Share of the distance added to it: skin stretches."""
TURN = math.radians(25.0)
"""Difference of the two rotations at which support ends."""
BEARING = math.radians(25.0)
"""Difference of the two bearings at which support ends."""
JITTER = 4.0
"""Position noise in pixels, which turns the bearing of near neighbours."""
ROUNDS = 5
"""Rounds of relaxation (paper, table II: n_rel)."""
KEEP = 0.5
"""Weight of a pair's own value in a round (paper, table II: w_R)."""
CROWD = 30
"""Support is a mean over at most this many pairs, or chance pairs would dilute it."""
SCORE_PAIRS = 10
"""Pairs that the relaxed score rests on (paper, section III-C: n_P between 4 and 12)."""


@native
def compatibility(
    a: F32, b: F32, first: I32, second: I32, count: int, cos: F32, sin: F32, out: F32
) -> None:
    """How well each pair q fits the movement that pair p implies, 0 to 1, into `out` (p, q).

    A pair does not support itself; two pairs that share a minutia support each other only when
    the other minutiae are closer than `DISTANCE`.

    `a` and `b` have rows x, y (up), angle; `cos` and `sin` are of each pair's rotation.
    """
    ax, ay = np.empty(count, np.float32), np.empty(count, np.float32)
    bx, by = np.empty(count, np.float32), np.empty(count, np.float32)
    for p in range(count):
        ax[p], ay[p] = a[0, first[p]], a[1, first[p]]
        bx[p], by[p] = b[0, second[p]], b[1, second[p]]
    one = np.float32(1)
    turn = np.float32(1 / (1 - math.cos(TURN)))
    bearing = np.float32(1 - math.cos(BEARING))
    cosines, sines = cos[:count], sin[:count]
    for p in range(count):
        c, s, line = cos[p], sin[p], out[p, :count]
        for q in range(count):
            dx, dy, ex, ey = ax[q] - ax[p], ay[q] - ay[p], bx[q] - bx[p], by[q] - by[p]
            length_a = dx * dx + dy * dy
            length_b = ex * ex + ey * ey
            product = math.sqrt(length_a * length_b) + np.float32(1e-6)
            gap = length_a + length_b - 2 * product
            reach = np.float32(DISTANCE) + np.float32(STRETCH) * math.sqrt(length_a)
            near = max(np.float32(0), one - gap / (reach * reach))
            turned = max(np.float32(0), one - (one - c * cosines[q] - s * sines[q]) * turn)
            along = ((c * dx - s * dy) * ex + (s * dx + c * dy) * ey) / product
            slack = bearing + np.float32(JITTER * JITTER / 2) / product
            aligned = max(np.float32(0), one - (one - along) / slack)
            line[q] = near * turned * aligned
        out[p, p] = 0


@native
def relax(matrix: F32, value: F32, count: int, out: F32) -> None:
    """Let pairs support each other for `ROUNDS` rounds, from `value` into `out`."""
    crowd = np.float32((1 - KEEP) / max(min(count, CROWD) - 1, 1))
    fresh = np.empty(count, np.float32)
    out[:count] = value[:count]
    for _ in range(ROUNDS):
        for p in range(count):
            support = np.float32(0)
            for q in range(count):
                support += matrix[p, q] * out[q]
            fresh[p] = np.float32(KEEP) * out[p] + crowd * support
        out[:count] = fresh


@native
def relaxed_score(relaxed: F32, count: int) -> float:
    """Mean of the `SCORE_PAIRS` best relaxed values, 0 to about 1; missing pairs count 0."""
    best = np.zeros(SCORE_PAIRS, np.float32)
    for p in range(count):
        value = relaxed[p]
        if value <= best[SCORE_PAIRS - 1]:
            continue
        place = SCORE_PAIRS - 1
        while place > 0 and best[place - 1] < value:
            best[place] = best[place - 1]
            place -= 1
        best[place] = value
    return float(best.sum() / SCORE_PAIRS)
