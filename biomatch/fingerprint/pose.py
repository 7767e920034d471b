"""Pose: move one print onto the other, pair up their minutiae, follow the skin's distortion.

A hypothesis is a rigid movement fitted to pairs that support each other. It is refined by
pairing every minutia with its nearest fitting partner and fitting again. Pressed skin does not
move rigidly: a smooth displacement field (kernel regression over the paired minutiae, pulled
towards zero) then bends the movement, and each pair is judged by the field that the *other*
pairs make, so that no pair vouches for itself.
"""

import math

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint.kernels import native

__all__ = ["assign", "count_ring", "fit_pairs", "fit_seed", "lay_grid", "move", "warp"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]

DISTANCE = 14.0
"""Distance at which two minutiae no longer pair, in pixels, under a rigid movement."""
FIRST_DISTANCE = 18.0
"""The same for a movement that has not settled."""
BENT_DISTANCE = 12.0
"""The same once the movement follows the distortion."""
ANGLE = 0.6
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
CELL = 32.0
"""Side of a grid cell in pixels: no less than any search radius."""
SIDE = 32
"""The grid repeats after so many cells (a power of two)."""
OFFSET = 1024 * SIDE
"""Makes cell numbers positive wherever a movement puts a minutia."""
TAU = 2 * math.pi


@native
def wrap(angle: float) -> float:
    """Bring an angle difference into [-π, π)."""
    return angle - TAU * math.floor(angle / TAU + 0.5)


@native
def closeness(cost: float) -> np.float32:
    """Weight of a pair by its cost: 1 exactly on each other, 1/4 at the limit, nearly exp(-c/2)."""
    rest = np.float32(1) - np.float32(0.25) * cost
    return rest * rest


@native
def _solve(sums: F64, movement: F32) -> None:
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


@native
def _add(sums: F64, w: float, ax: float, ay: float, bx: float, by: float,
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


@native
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


@native
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
        _add(sums, float(closeness(cost[i])), a[0, i], a[1, i], b[0, j], b[1, j],
             math.cos(turn), math.sin(turn), PAIR_LEVER)  # fmt: skip
    if pairs >= 2:
        _solve(sums, movement)
    return pairs


@native
def move(a: F32, movement: F32, out: F32) -> None:
    """Move print a rigidly: rows x, y, angle of `out`."""
    c, s = movement[0], movement[1]
    turn = math.atan2(s, c)
    for i in range(a.shape[1]):
        out[0, i] = c * a[0, i] - s * a[1, i] + movement[2]
        out[1, i] = s * a[0, i] + c * a[1, i] + movement[3]
        out[2, i] = a[2, i] + turn


@native
def _line(value: float) -> int:
    """Grid line of a coordinate."""
    return int(value * np.float32(1 / CELL) + np.float32(OFFSET))


@native
def _bucket(column: int, row: int) -> int:
    return (column & (SIDE - 1)) * SIDE + (row & (SIDE - 1))


@native
def lay_grid(b: F32, heads: I16, chain: I16) -> None:
    """Sort minutiae into a wrapped grid of `SIDE`² buckets, so that neighbours are at hand.

    ``heads[bucket]`` is the first minutia of a bucket, ``chain[j]`` the one after j, -1 none.
    """
    heads[:] = -1
    for j in range(b.shape[1] - 1, -1, -1):
        bucket = _bucket(_line(b[0, j]), _line(b[1, j]))
        chain[j] = heads[bucket]
        heads[bucket] = j


@native
def assign(moved: F32, b: F32, heads: I16, chain: I16, distance: float, partner: I32, cost: F32,
           owner: I32) -> None:  # fmt: skip
    """Pair each minutia with its best partner, one to one.

    The cost of a pair is its squared distance over `distance`² plus its squared difference of
    directions over `ANGLE`²; a minutia that two others want goes to the closer. `distance` is
    at most `CELL`.
    """
    owner[:] = -1
    reach, limit = np.float32(distance), np.float32(distance * distance)
    scale, turn_scale = np.float32(1 / limit), np.float32(1 / (ANGLE * ANGLE))
    for i in range(moved.shape[1]):
        partner[i] = -1
        x, y, angle = moved[0, i], moved[1, i], moved[2, i]
        best, choice = np.float32(2.0), -1
        for column in range(_line(x - reach), _line(x + reach) + 1):
            for row in range(_line(y - reach), _line(y + reach) + 1):
                j = heads[_bucket(column, row)]
                while j >= 0:
                    dx, dy = b[0, j] - x, b[1, j] - y
                    square = dx * dx + dy * dy
                    if square < limit:
                        turn = np.float32(wrap(b[2, j] - angle))
                        price = square * scale + turn * turn * turn_scale
                        wanted = price < best and abs(turn) < ANGLE
                        if wanted and (owner[j] < 0 or price < cost[owner[j]]):
                            best, choice = price, j
                    j = chain[j]
        if choice >= 0:
            if owner[choice] >= 0:
                partner[owner[choice]] = -1
            owner[choice] = i
            partner[i], cost[i] = choice, best


@native
def count_ring(
    bent: F32, i: int, b: F32, heads: I16, chain: I16, inner: float, outer: float
) -> int:
    """Minutiae that fit minutia i in direction and lie `inner` to `outer` pixels from it."""
    x, y, angle = bent[0, i], bent[1, i], bent[2, i]
    least, most = np.float32(inner * inner), np.float32(outer * outer)
    found = 0
    reach = np.float32(outer)
    for column in range(_line(x - reach), _line(x + reach) + 1):
        for row in range(_line(y - reach), _line(y + reach) + 1):
            j = heads[_bucket(column, row)]
            while j >= 0:
                dx, dy = b[0, j] - x, b[1, j] - y
                square = dx * dx + dy * dy
                if least <= square < most and abs(wrap(b[2, j] - angle)) < ANGLE:
                    found += 1
                j = chain[j]
    return found


@native
def _lean(moved: F32, pair: F32, own: int, sums: F32) -> None:
    """Add one pair (x, y, x', y', cos, sin, weight) to every minutia's local fit but its own."""
    ax, ay, bx, by = pair[0], pair[1], pair[2], pair[3]
    weight = pair[6]
    turn_dot = np.float32(PAIR_LEVER * PAIR_LEVER) * pair[4]
    turn_cross = np.float32(PAIR_LEVER * PAIR_LEVER) * pair[5]
    scale = np.float32(1 / (REACH * REACH))
    total, px, py, qx, qy = sums[0], sums[1], sums[2], sums[3], sums[4]
    dot, cross, mx, my = sums[5], sums[6], moved[0], moved[1]
    for i in range(moved.shape[1]):
        x, y = mx[i], my[i]
        ux, uy, vx, vy = ax - x, ay - y, bx - x, by - y
        near = max(np.float32(0), np.float32(1) - (ux * ux + uy * uy) * scale)
        w = np.float32(0) if i == own else weight * near * near
        total[i] += w
        px[i] += w * ux
        py[i] += w * uy
        qx[i] += w * vx
        qy[i] += w * vy
        dot[i] += w * (ux * vx + uy * vy + turn_dot)
        cross[i] += w * (ux * vy - uy * vx + turn_cross)


@native
def warp(moved: F32, b: F32, partner: I32, cost: F32, sums: F32, out: F32) -> None:
    """Bend a rigidly moved print: each minutia follows the pairs around it.

    For each minutia a local rigid movement is fitted to the *other* pairs, near ones weighing
    more (biweight of `REACH`), and pulled towards no movement by `STIFFNESS` pairs. `sums` is
    scratch, float32, shape (7, n).
    """
    sums[:] = 0
    sums[0] = STIFFNESS
    sums[5] = STIFFNESS * PAIR_LEVER * PAIR_LEVER
    pair = np.empty(7, np.float32)
    for i in range(moved.shape[1]):
        j = partner[i]
        if j >= 0:
            turn = b[2, j] - moved[2, i]
            pair[0], pair[1], pair[2], pair[3] = moved[0, i], moved[1, i], b[0, j], b[1, j]
            pair[4], pair[5], pair[6] = math.cos(turn), math.sin(turn), closeness(cost[i])
            _lean(moved, pair, i, sums)
    for i in range(moved.shape[1]):
        share = np.float32(1) / sums[0, i]
        px, py, qx, qy = sums[1, i], sums[2, i], sums[3, i], sums[4, i]
        dot = sums[5, i] - (px * qx + py * qy) * share
        cross = sums[6, i] - (px * qy - py * qx) * share
        length = math.sqrt(dot * dot + cross * cross) + np.float32(1e-9)
        c, s = dot / length, cross / length
        out[0, i] = moved[0, i] + (qx - (c * px - s * py)) * share
        out[1, i] = moved[1, i] + (qy - (s * px + c * py)) * share
        out[2, i] = moved[2, i] + math.atan2(s, c)
