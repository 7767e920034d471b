"""Synthetic fingerprint templates that fill galleries of 10^4 to 10^6 prints.

Each print is drawn from a model of a finger, not from noise:

1. a pattern class with the frequencies of C. Wilson, G. Candela, C. Watson, "Neural network
   fingerprint classification", J. Artificial Neural Networks 1(2), 1994 (left loop 33.8 %,
   right loop 31.7 %, whorl 27.9 %, arch 3.7 %, tented arch 2.9 %);
2. a ridge flow of that class: the zero-pole model of B. Sherlock and D. Monro, "A model for
   interpreting fingerprint topology", Pattern Recognition 26(7), 1993 (each core turns the
   flow by +1/2, each delta by -1/2), cores and deltas jittered; for arches the sine arch of
   R. Cappelli's SFinGe (Handbook of Fingerprint Recognition, chapter 6); on top a smooth random
   bend, so that no two prints of a class share a flow;
3. a foreground ellipse, shifted and turned as fingers are put on a sensor;
4. minutiae by dart throwing with a soft minimum distance, along the flow with a little noise,
   the sense (towards or against the flow) drawn from a smooth random field, because endings of
   converging ridges point the same way.

Counts, foreground sizes, nearest-neighbour distances, agreement of neighbouring directions,
qualities and the share of bifurcations follow what LEADER finds in 320 real prints of four FVC
sets. They are nevertheless easier to tell apart than real prints: the 99.9th percentile of the
weighted count of paired minutiae of non-mates was 10.7 for real against synthetic and 14.2 for
real against real, so search figures on galleries filled with them flatter.
"""

import math
import sys
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

TAU = 2 * math.pi
CLASSES = np.cumsum([0.338, 0.317, 0.279, 0.037, 0.029])
LEFT_LOOP, RIGHT_LOOP, WHORL, ARCH, TENTED = range(5)
WAVES = 6
"""Waves in a smooth random field."""
BEND = 0.08
"""Standard deviation of the random bend of the flow, radians."""
ANGLE_NOISE = 0.11
"""Standard deviation of a minutia's direction about the flow, radians."""
SENSE = 1.0
"""How strongly neighbouring minutiae share a sense; 0 = not at all."""
SPACING = 17.0
"""Distance in pixels within which a second minutia becomes rare."""
COMMON_SENSE = 0.7
"""Part of the sense that prints of a class share: ridges converge at the same places."""
COUNT_MEAN, COUNT_DEVIATION = 41.6, 12.4
BIFURCATIONS = 0.385
QUALITIES = np.array([0.20, 0.27, 0.37, 0.59, 0.76, 0.86, 0.91, 0.93, 0.945, 0.955, 0.97])
"""Deciles of LEADER's quality on real prints."""


def _class_waves() -> NDArray[np.float64]:
    """Draw the shared part of the sense field of each class, shape (classes, WAVES, 3)."""
    dice = np.random.default_rng(1994)
    bearing = dice.uniform(0, TAU, (len(CLASSES), WAVES))
    pace = TAU / dice.uniform(150, 400, bearing.shape)
    phase = dice.uniform(0, TAU, bearing.shape)
    return np.stack([pace * np.cos(bearing), pace * np.sin(bearing), phase], axis=-1)


CLASS_WAVES = _class_waves()


@numba.njit(cache=True, nogil=True)
def _field(x, y, waves):
    """Smooth random field of about unit variance: a sum of plane waves."""
    total = 0.0
    for w in range(waves.shape[0]):
        total += math.cos(waves[w, 0] * x + waves[w, 1] * y + waves[w, 2])
    return total * math.sqrt(2.0 / waves.shape[0])


@numba.njit(cache=True, nogil=True)
def _draw_waves(shortest, longest, waves):
    for w in range(waves.shape[0]):
        length = np.random.uniform(shortest, longest)
        bearing = np.random.uniform(0, TAU)
        waves[w, 0] = TAU / length * math.cos(bearing)
        waves[w, 1] = TAU / length * math.sin(bearing)
        waves[w, 2] = np.random.uniform(0, TAU)


@numba.njit(cache=True, nogil=True)
def _singularities(kind, cores, deltas):
    """Place cores and deltas (pixels, y up, pattern centre at 0); return their numbers."""
    jx, jy = np.random.normal(0, 8), np.random.normal(0, 8)
    if kind == WHORL:
        gap = abs(np.random.normal(25, 15)) + 6
        tilt = np.random.normal(0, 0.4)
        cores[0, 0], cores[0, 1] = jx - gap / 2 * math.sin(tilt), jy + gap / 2 * math.cos(tilt)
        cores[1, 0], cores[1, 1] = jx + gap / 2 * math.sin(tilt), jy - gap / 2 * math.cos(tilt)
        deltas[0, 0], deltas[0, 1] = np.random.normal(-105, 18), np.random.normal(-110, 22)
        deltas[1, 0], deltas[1, 1] = np.random.normal(105, 18), np.random.normal(-110, 22)
        return 2, 2
    side = 1.0 if kind == LEFT_LOOP else -1.0
    cores[0, 0], cores[0, 1] = jx, jy
    if kind == TENTED:
        deltas[0, 0], deltas[0, 1] = jx + np.random.normal(0, 6), jy - 60 + np.random.normal(0, 20)
    else:
        deltas[0, 0] = jx + side * np.random.normal(80, 20)
        deltas[0, 1] = jy + np.random.normal(-100, 22)
    return 1, 1


@numba.njit(cache=True, nogil=True)
def _flow(x, y, kind, cores, n_cores, deltas, n_deltas, arch):
    """Ridge orientation at a point, radians counter-clockwise."""
    if kind == ARCH:
        lift = max(0.0, 2.2 - 2.6 * (0.5 + y / 380))
        return math.atan(lift * arch * math.cos(math.pi * (0.5 + x / 260)))
    angle = 0.0
    for k in range(n_cores):
        angle += math.atan2(y - cores[k, 1], x - cores[k, 0]) - math.pi / 2
    for k in range(n_deltas):
        angle -= math.atan2(y - deltas[k, 1], x - deltas[k, 0]) - math.pi / 2
    return angle / 2


@numba.njit(cache=True, nogil=True)
def _throw(rx, ry, ox, oy, wanted, places):
    """Throw darts into an ellipse, seldom closer than `SPACING`; return how many stuck."""
    stuck = 0
    for _ in range(60 * wanted):
        if stuck == wanted:
            break
        u, v = np.random.uniform(-1, 1), np.random.uniform(-1, 1)
        if u * u + v * v > 1:
            continue
        x, y = ox + rx * u, oy + ry * v
        nearest = 1e9
        for k in range(stuck):
            dx, dy = places[k, 0] - x, places[k, 1] - y
            nearest = min(nearest, dx * dx + dy * dy)
        if nearest < 36 or np.random.random() < math.exp(-nearest / (SPACING * SPACING)):
            continue
        places[stuck, 0], places[stuck, 1] = x, y
        stuck += 1
    return stuck


@numba.njit(cache=True, nogil=True)
def _print(points):
    """Draw one print onto the packed grid; return its number of minutiae."""
    draw = np.random.random()
    kind = 0
    while kind < 4 and draw > CLASSES[kind]:
        kind += 1
    cores, deltas = np.zeros((2, 2)), np.zeros((2, 2))
    n_cores, n_deltas = _singularities(kind, cores, deltas)
    bend, sense = np.zeros((WAVES, 3)), np.zeros((WAVES, 3))
    _draw_waves(180.0, 500.0, bend)
    _draw_waves(150.0, 400.0, sense)
    arch = np.random.uniform(0.7, 1.3)
    wanted = int(min(max(np.random.normal(COUNT_MEAN, COUNT_DEVIATION), 12), points.shape[0]))
    scale = math.sqrt(wanted / COUNT_MEAN) ** 0.6
    rx, ry = scale * np.random.normal(112, 14), scale * np.random.normal(170, 24)
    places = np.zeros((points.shape[0], 2))
    shift_x, shift_y = np.random.normal(0, 22), np.random.normal(-15, 38)
    stuck = _throw(rx, ry, shift_x, shift_y, wanted, places)
    turn = np.random.normal(0, 0.12)
    c, s = math.cos(turn), math.sin(turn)
    for i in range(stuck):
        x, y = places[i, 0], places[i, 1]
        angle = _flow(x, y, kind, cores, n_cores, deltas, n_deltas, arch)
        angle += BEND * _field(x, y, bend) + np.random.normal(0, ANGLE_NOISE) + turn
        shared = COMMON_SENSE * _field(x, y, CLASS_WAVES[kind])
        own = math.sqrt(1 - COMMON_SENSE**2) * _field(x, y, sense)
        if np.random.random() > 0.5 * (1 + math.tanh(SENSE * (shared + own))):
            angle += math.pi
        level = np.random.random() * (len(QUALITIES) - 1)
        low = int(level)
        quality = QUALITIES[low] + (level - low) * (QUALITIES[low + 1] - QUALITIES[low])
        step = round(angle / TAU * 16384) % 16384
        points[i, 0] = int(min(max((320 + c * x - s * y) * 8, 0), 65535))
        points[i, 1] = int(min(max((320 - s * x - c * y) * 8, 0), 65535))
        points[i, 2] = step << 2 | (1 if np.random.random() < BIFURCATIONS else 0)
        points[i, 3] = int(quality * 65535)
    return stuck


@numba.njit(cache=True, nogil=True)
def _prints(count, seed, points, sizes):
    np.random.seed(seed)
    used = 0
    for p in range(count):
        size = _print(points[used : used + 150])
        order = np.argsort(-points[used : used + size, 3].astype(np.int64), kind="mergesort")
        points[used : used + size] = points[used : used + size][order]
        sizes[p] = size
        used += size
    return used


def generate(count: int, seed: int = 1) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Draw prints on the packed grid of `biomatch.fingerprint.packing`.

    Returns
    -------
    offsets, points
        What `biomatch.fingerprint.packing.pack_points` takes.
    """
    points = np.zeros((count * 60 + 300, 4), np.uint16)
    sizes = np.zeros(count, np.int64)
    used = _prints(count, seed, points, sizes)
    return np.concatenate([[0], np.cumsum(sizes)]), points[:used]
