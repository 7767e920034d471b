"""Pose: move one print onto the other, pair up their minutiae, follow the skin's distortion.

A hypothesis is a rigid movement fitted to pairs that support each other. It is refined by
pairing every minutia with its nearest fitting partner and fitting again. Pressed skin does not
move rigidly: a smooth displacement field (kernel regression over the paired minutiae, pulled
towards zero) then bends the movement, and each pair is judged by the field that the *other*
pairs make, so that no pair vouches for itself.
"""

import math

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["assign", "fit_pairs", "fit_seed", "move", "warp"]

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

DISTANCE = 14.0
"""Distance at which two minutiae no longer pair, in pixels, under a rigid movement."""
FIRST_DISTANCE = 18.0
"""The same for a movement that has not settled."""
BENT_DISTANCE = 12.0
"""The same once the movement follows the distortion."""
ANGLE = 0.45
"""Difference of directions at which two minutiae no longer pair, in radians."""
SEED_LEVER = 20.0
"""Lever arm in pixels that makes a direction weigh as much as a position in a seed's fit."""
PAIR_LEVER = 14.0
"""The same in a fit to paired minutiae."""
REACH = 93.0
"""Pairs up to this far away guide a minutia, in pixels: biweight kernel, as wide as a Gaussian
of 35 px, some four ridges; a narrower one sees too few pairs, a wider one bends too little."""
STIFFNESS = 0.3
"""Weight of the pull towards no displacement and no local rotation, in pairs."""
TAU = 2 * math.pi


@numba.njit(cache=True, nogil=True, fastmath=True)
def wrap(angle: float) -> float:
    """Bring an angle difference into [-π, π)."""
    return angle - TAU * math.floor(angle / TAU + 0.5)


@numba.njit(cache=True, nogil=True, fastmath=True)
def closeness(cost: float) -> float:
    """Weight of a pair by its cost: 1 exactly on each other, 1/4 at the limit, nearly exp(-c/2)."""
    rest = np.float32(1) - np.float32(0.25) * cost
    return rest * rest


@numba.njit(cache=True, nogil=True, fastmath=True)
def _solve(sums: F32, movement: F32) -> None:
    """Weighted Procrustes from sums w, wax, way, wbx, wby, Σ dot, Σ cross, lever cos, lever sin."""
    w = sums[0]
    ax, ay, bx, by = sums[1] / w, sums[2] / w, sums[3] / w, sums[4] / w
    dot = sums[5] - w * (ax * bx + ay * by) + sums[7]
    cross = sums[6] - w * (ax * by - ay * bx) + sums[8]
    length = math.sqrt(dot * dot + cross * cross) + 1e-9
    cos, sin = dot / length, cross / length
    movement[0], movement[1] = cos, sin
    movement[2] = bx - (cos * ax - sin * ay)
    movement[3] = by - (sin * ax + cos * ay)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _add(sums: F32, w: float, ax: float, ay: float, bx: float, by: float,
         cos: float, sin: float, lever: float) -> None:  # fmt: skip
    sums[0] += w
    sums[1] += w * ax
    sums[2] += w * ay
    sums[3] += w * bx
    sums[4] += w * by
    sums[5] += w * (ax * bx + ay * by)
    sums[6] += w * (ax * by - ay * bx)
    sums[7] += w * lever * lever * cos
    sums[8] += w * lever * lever * sin


@numba.njit(cache=True, nogil=True, fastmath=True)
def fit_seed(a: F32, b: F32, first: I32, second: I32, cos: F32, sin: F32, count: int,
             relaxed: F32, support: F32, seed: int, movement: F32) -> None:  # fmt: skip
    """Fit the movement of a seed pair and of the pairs that support it.

    `support` is the seed's row of the compatibility matrix; `movement` receives cos, sin and
    the shift that bring a onto b.
    """
    sums = np.zeros(9, np.float64)
    x0, y0 = a[0, first[seed]], a[1, first[seed]]
    x1, y1 = b[0, second[seed]], b[1, second[seed]]
    for p in range(count):
        weight = relaxed[p] * (1.0 if p == seed else support[p])
        if weight > 0:
            i, j = first[p], second[p]
            _add(sums, weight, a[0, i] - x0, a[1, i] - y0, b[0, j] - x1, b[1, j] - y1,
                 cos[p], sin[p], SEED_LEVER)  # fmt: skip
    _solve(sums, movement)
    movement[2] += x1 - (movement[0] * x0 - movement[1] * y0)
    movement[3] += y1 - (movement[1] * x0 + movement[0] * y0)


@numba.njit(cache=True, nogil=True, fastmath=True)
def fit_pairs(a: F32, b: F32, partner: I32, cost: F32, movement: F32) -> int:
    """Fit the movement to paired minutiae, close pairs weighing more; return their number."""
    sums = np.zeros(9, np.float64)
    pairs = 0
    for i in range(len(partner)):
        j = partner[i]
        if j < 0:
            continue
        pairs += 1
        turn = b[2, j] - a[2, i]
        _add(sums, closeness(cost[i]), a[0, i], a[1, i], b[0, j], b[1, j],
             math.cos(turn), math.sin(turn), PAIR_LEVER)  # fmt: skip
    if pairs >= 2:
        _solve(sums, movement)
    return pairs


@numba.njit(cache=True, nogil=True, fastmath=True)
def move(a: F32, movement: F32, out: F32) -> None:
    """Move print a rigidly: rows x, y, angle of `out`."""
    c, s = movement[0], movement[1]
    turn = math.atan2(s, c)
    for i in range(a.shape[1]):
        out[0, i] = c * a[0, i] - s * a[1, i] + movement[2]
        out[1, i] = s * a[0, i] + c * a[1, i] + movement[3]
        out[2, i] = a[2, i] + turn


@numba.njit(cache=True, nogil=True, fastmath=True)
def assign(moved: F32, b: F32, distance: float, partner: I32, cost: F32, owner: I32) -> int:
    """Pair each minutia with its best partner, one to one; return the number of pairs.

    The cost of a pair is its squared distance over `distance`² plus its squared difference of
    directions over `ANGLE`²; a minutia that two others want goes to the closer.
    """
    owner[:] = -1
    limit = np.float32(distance * distance)
    scale, turn_scale = np.float32(1 / limit), np.float32(1 / (ANGLE * ANGLE))
    pairs = 0
    for i in range(moved.shape[1]):
        partner[i] = -1
        x, y, angle = moved[0, i], moved[1, i], moved[2, i]
        best, choice = np.float32(2.0), -1
        for j in range(b.shape[1]):
            dx, dy = b[0, j] - x, b[1, j] - y
            square = dx * dx + dy * dy
            if square < limit:
                turn = wrap(b[2, j] - angle)
                if abs(turn) < ANGLE:
                    price = square * scale + turn * turn * turn_scale
                    if price < best and (owner[j] < 0 or price < cost[owner[j]]):
                        best, choice = price, j
        if choice >= 0:
            if owner[choice] >= 0:
                partner[owner[choice]] = -1
                pairs -= 1
            owner[choice] = i
            partner[i], cost[i] = choice, best
            pairs += 1
    return pairs


@numba.njit(cache=True, nogil=True, fastmath=True)
def warp(moved: F32, b: F32, partner: I32, cost: F32, out: F32) -> None:
    """Bend a rigidly moved print: each minutia follows the pairs around it.

    For each minutia a local rigid movement is fitted to the *other* pairs, near ones weighing
    more (biweight of `REACH`), and pulled towards no movement by `STIFFNESS` pairs.
    """
    count = moved.shape[1]
    ax, ay = np.empty(count, np.float32), np.empty(count, np.float32)
    bx, by = np.empty(count, np.float32), np.empty(count, np.float32)
    ca, sa = np.empty(count, np.float32), np.empty(count, np.float32)
    weight = np.empty(count, np.float32)
    pairs = 0
    for i in range(count):
        j = partner[i]
        if j >= 0:
            ax[pairs], ay[pairs] = moved[0, i], moved[1, i]
            bx[pairs], by[pairs] = b[0, j], b[1, j]
            turn = b[2, j] - moved[2, i]
            ca[pairs], sa[pairs] = math.cos(turn), math.sin(turn)
            weight[pairs] = closeness(cost[i])
            pairs += 1
    scale = np.float32(1 / (REACH * REACH))
    lever = np.float32(PAIR_LEVER * PAIR_LEVER)
    zero, one = np.float32(0), np.float32(1)
    for i in range(count):
        x, y = moved[0, i], moved[1, i]
        total, px, py, qx, qy = np.float32(STIFFNESS), zero, zero, zero, zero
        dot, cross = np.float32(STIFFNESS * lever), zero
        for p in range(pairs):
            ux, uy = ax[p] - x, ay[p] - y
            vx, vy = bx[p] - x, by[p] - y
            square = ux * ux + uy * uy
            near = max(zero, one - square * scale)
            w = weight[p] * near * near if square > zero else zero
            total += w
            px += w * ux
            py += w * uy
            qx += w * vx
            qy += w * vy
            dot += w * (ux * vx + uy * vy + lever * ca[p])
            cross += w * (ux * vy - uy * vx + lever * sa[p])
        dot -= (px * qx + py * qy) / total
        cross -= (px * qy - py * qx) / total
        length = math.sqrt(dot * dot + cross * cross) + np.float32(1e-9)
        c, s = dot / length, cross / length
        out[0, i] = x + (qx - (c * px - s * py)) / total
        out[1, i] = y + (qy - (s * px + c * py)) / total
        out[2, i] = moved[2, i] + math.atan2(s, c)
