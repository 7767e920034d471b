"""Compare prints: cylinders, relaxation, pose, evidence. Native, one probe against many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint.calibration import ScoreModel, model
from biomatch.fingerprint.cylinders import SECTIONS, edges_of, inside
from biomatch.fingerprint.kernels import native
from biomatch.fingerprint.packing import PackedPrints, kept_rows, pack, unpack_into
from biomatch.fingerprint.pose import (
    BENT_DISTANCE,
    DISTANCE,
    FIRST_DISTANCE,
    SIDE,
    assign,
    closeness,
    count_ring,
    fit_pairs,
    fit_seed,
    lay_grid,
    move,
    warp,
)
from biomatch.fingerprint.relaxation import compatibility, relax, relaxed_score
from biomatch.fingerprint.similarity import similarities, strongest_pairs, turn_over
from biomatch.fingerprint.template import FingerprintTemplate

__all__ = ["Match", "compare", "match", "score_rows"]

F32 = NDArray[np.float32]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U16 = NDArray[np.uint16]
U64 = NDArray[np.uint64]

MAX_TURN = math.pi / 2
"""Rotation up to which prints are compared, in radians; fingers are seldom turned further."""
MAX_PAIRS = 60
"""Pairs of minutiae that enter relaxation."""
HYPOTHESES = 3
"""Movements that are tried."""
ROUNDS = 2
"""Rounds of pairing and fitting a movement."""
BENDS = 4
"""Rounds of pairing and bending."""
SAME_MOVEMENT = 0.5
"""A seed that fits an earlier one this well would give the same movement."""
RELAXED_FLOOR = 0.016
"""Relaxed score below which no movement is tried."""
MARGIN = 8.0
"""A minutia this far outside the other print's hull still lies in the overlap, in pixels."""
RING = 30.0
"""Outer radius of the ring about a minutia in which chance fits are counted, in pixels."""
EXACT_DISTANCE = 6.0
"""Pairs this close count as exact, less the further apart, in pixels."""
N_FEATURES = 11
RELAXED, OVERLAP_A, OVERLAP_B, UNPAIRED, CHANCE, PAIRS, WEIGHT, EXACT, ALIKE, TURN, SURPRISE = (
    range(N_FEATURES)
)
"""Columns of the features, in this order: mean relaxed value; minutiae of each print in the
overlap; quality left unpaired there; pairs expected by chance; pairs; pairs weighted by
closeness; exact pairs weighted by both qualities; sum of the pairs' cylinder similarities;
rotation; log likelihood ratio of so many pairs against chance (Poisson)."""


class Print(NamedTuple):
    """One print as the kernels see it; `planes` are its `bits` turned over."""

    plain: F32
    bits: U64
    planes: U64
    cells: U64
    edges: F32
    heads: I16
    chain: I16


class Work(NamedTuple):
    """Scratch arrays of one comparison."""

    matrix: F32
    first: I32
    second: I32
    value: F32
    cos: F32
    sin: F32
    support: F32
    relaxed: F32
    movement: F32
    moved: F32
    bent: F32
    sums: F32
    partner: I32
    cost: F32
    owner: I32
    best_movement: F32


@native
def unpack(packed: Any, row: int) -> Print:
    """Take one print out of the arrays of `PackedPrints`."""
    offsets, points, bits, cells, outline_offsets, outline = packed
    start, end = offsets[row], offsets[row + 1]
    plain = np.empty((5, end - start), np.float32)
    unpack_into(points[start:end], plain)
    corners = outline[outline_offsets[row] : outline_offsets[row + 1]]
    edges = edges_of(plain[0], plain[1], corners[::-1].astype(np.int64))
    heads, chain = np.empty(SIDE * SIDE, np.int16), np.empty(end - start, np.int16)
    lay_grid(plain, heads, chain)
    planes = np.empty((SECTIONS, end - start), np.uint64)
    turn_over(bits[start:end], planes)
    return Print(plain, bits[start:end], planes, cells[start:end], edges, heads, chain)


@native
def workspace(size_a: int, size_b: int) -> Work:
    """Scratch for prints of up to so many minutiae."""
    return Work(
        np.empty((size_a, size_b), np.float32),
        np.empty(MAX_PAIRS, np.int32),
        np.empty(MAX_PAIRS, np.int32),
        np.empty(MAX_PAIRS, np.float32),
        np.empty(MAX_PAIRS, np.float32),
        np.empty(MAX_PAIRS, np.float32),
        np.empty((MAX_PAIRS, MAX_PAIRS), np.float32),
        np.empty(MAX_PAIRS, np.float32),
        np.empty(4, np.float32),
        np.empty((3, size_a), np.float32),
        np.empty((3, size_a), np.float32),
        np.empty((7, size_a), np.float32),
        np.empty(size_a, np.int32),
        np.empty(size_a, np.float32),
        np.empty(size_b, np.int32),
        np.empty(4, np.float32),
    )


@native
def consolidate(a: Print, b: Print, max_turn: float, work: Work) -> int:
    """Find the pairs that support each other; return how many were considered."""
    rows, columns = a.plain.shape[1], b.plain.shape[1]
    similarities(a.plain[2], a.bits, a.cells, b.plain[2], b.planes, b.cells, max_turn, work.matrix)
    most = min(2 * max(rows, columns), MAX_PAIRS)
    count = strongest_pairs(work.matrix, rows, columns, most, work.first, work.second, work.value)
    for p in range(count):
        turn = b.plain[2, work.second[p]] - a.plain[2, work.first[p]]
        work.cos[p], work.sin[p] = math.cos(turn), math.sin(turn)
    compatibility(
        a.plain, b.plain, work.first, work.second, count, work.cos, work.sin, work.support
    )
    relax(work.support, work.value, count, work.relaxed)
    return count


@native
def settle(a: Print, b: Print, work: Work) -> float:
    """Pair and fit until the rigid movement settles; return the weighted number of pairs."""
    rows = a.plain.shape[1]
    moved, partner, cost = work.moved[:, :rows], work.partner[:rows], work.cost[:rows]
    owner = work.owner[: b.plain.shape[1]]
    reach = FIRST_DISTANCE
    for _ in range(ROUNDS):
        move(a.plain, work.movement, moved)
        assign(moved, b.plain, b.heads, b.chain, reach, partner, cost, owner)
        if fit_pairs(a.plain, b.plain, partner, cost, work.movement) < 2:
            return 0.0
        reach = DISTANCE
    total = np.float32(0)
    for i in range(rows):
        if partner[i] >= 0:
            total += closeness(cost[i])
    return float(total)


@native
def bend(a: Print, b: Print, work: Work) -> None:
    """Pair and bend `BENDS` times from the rigid movement."""
    rows = a.plain.shape[1]
    moved, bent = work.moved[:, :rows], work.bent[:, :rows]
    partner, cost = work.partner[:rows], work.cost[:rows]
    owner = work.owner[: b.plain.shape[1]]
    move(a.plain, work.movement, moved)
    assign(moved, b.plain, b.heads, b.chain, DISTANCE, partner, cost, owner)
    for _ in range(BENDS):
        warp(moved, b.plain, partner, cost, work.sums[:, :rows], bent)
        assign(bent, b.plain, b.heads, b.chain, BENT_DISTANCE, partner, cost, owner)


@native
def measure_overlap(a: Print, b: Print, work: Work, f: F32) -> None:
    """Count the minutiae of each print that lie in the other, and the quality left unpaired."""
    for i in range(a.plain.shape[1]):
        if work.partner[i] >= 0:
            f[OVERLAP_A] += 1
        elif inside(work.bent[0, i], work.bent[1, i], b.edges, MARGIN):
            f[OVERLAP_A] += 1
            f[UNPAIRED] += a.plain[3, i]
    c, s = work.movement[0], work.movement[1]
    for j in range(b.plain.shape[1]):
        dx, dy = b.plain[0, j] - work.movement[2], b.plain[1, j] - work.movement[3]
        if work.owner[j] >= 0:
            f[OVERLAP_B] += 1
        elif inside(c * dx + s * dy, c * dy - s * dx, a.edges, MARGIN):
            f[OVERLAP_B] += 1
            f[UNPAIRED] += b.plain[3, j]


@native
def count_chance(a: Print, b: Print, work: Work) -> float:
    """Pairs to expect by chance: fitting minutiae in a ring about each place, by area."""
    around = 0
    for i in range(a.plain.shape[1]):
        if work.partner[i] >= 0 or inside(work.bent[0, i], work.bent[1, i], b.edges, MARGIN):
            around += count_ring(work.bent, i, b.plain, b.heads, b.chain, BENT_DISTANCE, RING)
    return around * BENT_DISTANCE**2 / (RING**2 - BENT_DISTANCE**2)


@native
def describe(a: Print, b: Print, work: Work, f: F32) -> None:
    """Features of the pairing that `bend` left in `work`."""
    f[OVERLAP_A:] = 0
    measure_overlap(a, b, work, f)
    f[CHANCE] = count_chance(a, b, work)
    for i in range(a.plain.shape[1]):
        j = work.partner[i]
        if j < 0:
            continue
        dx, dy = b.plain[0, j] - work.bent[0, i], b.plain[1, j] - work.bent[1, i]
        exact = np.float32(1) - (dx * dx + dy * dy) / np.float32(EXACT_DISTANCE**2)
        f[PAIRS] += 1
        f[WEIGHT] += closeness(work.cost[i])
        f[EXACT] += max(np.float32(0), exact) * a.plain[3, i] * b.plain[3, j]
        f[ALIKE] += work.matrix[i, j]
    f[TURN] = abs(math.atan2(work.movement[1], work.movement[0]))
    surprise = math.log((f[WEIGHT] + 0.5) / (f[CHANCE] + 0.5))
    f[SURPRISE] = f[WEIGHT] * surprise


@native
def hypothesise(a: Print, b: Print, count: int, work: Work) -> float:
    """Try the movements of the best pairs; leave the best one in `work.movement`.

    Returns the weighted number of minutiae that it pairs, 0 when there is none.
    """
    left = work.value[:count]
    left[:] = work.relaxed[:count]
    best = 0.0
    for _ in range(HYPOTHESES):
        seed = int(np.argmax(left))
        if left[seed] <= 0:
            break
        for p in range(count):
            if p == seed or work.support[seed, p] > SAME_MOVEMENT:
                left[p] = 0
        fit_seed(
            a.plain, b.plain, work.first, work.second, work.cos, work.sin, count,
            work.relaxed, work.support[seed], seed, work.movement,
        )  # fmt: skip
        found = settle(a, b, work)
        if found > best:
            best = found
            work.best_movement[:] = work.movement
    work.movement[:] = work.best_movement
    return best


@native
def compare_pair(a: Print, b: Print, max_turn: float, work: Work, f: F32) -> None:
    """Features of one comparison; the pairing stays in `work`."""
    f[:] = 0
    work.partner[:] = -1
    count = consolidate(a, b, max_turn, work)
    if count < 2:
        return
    f[RELAXED] = relaxed_score(work.relaxed, count)
    if f[RELAXED] >= RELAXED_FLOOR and hypothesise(a, b, count, work) > 0:
        bend(a, b, work)
        describe(a, b, work, f)


@native
def compare_rows(probe: Any, probe_row: int, packed: Any, rows: I64, max_turn: float,
                 out: F32) -> None:  # fmt: skip
    """Compare one probe with many rows; features into `out` (rows, N_FEATURES)."""
    a = unpack(probe, probe_row)
    largest = 0
    for row in rows:
        largest = max(largest, packed[0][row + 1] - packed[0][row])
    work = workspace(a.plain.shape[1], largest)
    for n in range(len(rows)):
        compare_pair(a, unpack(packed, rows[n]), max_turn, work, out[n])


@native
def pair_up(probe: Any, reference: Any, max_turn: float) -> tuple[F32, I32, F32, F32]:
    """Features, partners, costs and movement of one comparison."""
    a, b = unpack(probe, 0), unpack(reference, 0)
    work = workspace(a.plain.shape[1], b.plain.shape[1])
    features = np.zeros(N_FEATURES, np.float32)
    compare_pair(a, b, max_turn, work, features)
    return features, work.partner, work.cost, work.movement


def design(features: F32) -> NDArray[np.float64]:
    """Bring the kernels' features to the form that the calibration weighs, shape (n, 7)."""
    f = features.astype(np.float64)
    columns = [f[:, k] for k in (SURPRISE, WEIGHT, UNPAIRED, ALIKE, EXACT, TURN)]
    return np.stack([np.log(0.02 + f[:, RELAXED]), *columns], axis=1)


def score(features: F32, fitted: ScoreModel) -> NDArray[np.float64]:
    """log10 likelihood ratios of comparisons, not capped, from the kernels' features.

    Pairs that no movement was tried for share the likelihood ratio of that event, ordered
    among themselves by their relaxed score.
    """
    evidence = design(features) @ fitted.weights + fitted.bias
    nearness = (0.02 + features[:, RELAXED].astype(np.float64)) / (0.02 + RELAXED_FLOOR)
    dismissed = fitted.dismissed + np.log10(np.minimum(nearness, 1.0))
    return np.where(features[:, PAIRS] > 0, evidence, dismissed)


def score_rows(
    probe: PackedPrints,
    packed: PackedPrints,
    rows: I64,
    *,
    probe_row: int = 0,
    max_turn: float = MAX_TURN,
) -> NDArray[np.float64]:
    """Scores of one print of `probe` against `rows` of `packed`, in one native call.

    Returns
    -------
    ndarray
        float64, shape (len(rows),): log10 likelihood ratios, not capped.
    """
    features = np.zeros((len(rows), N_FEATURES), np.float32)
    wanted = np.asarray(rows, np.int64)
    compare_rows(probe.arrays, probe_row, packed.arrays, wanted, max_turn, features)
    return score(features, model())


@dataclass(frozen=True, slots=True)
class Match:
    """Why two prints match: the paired minutiae and the movement that pairs them.

    Attributes
    ----------
    score
        Comparison score (log10 likelihood ratio, not capped).
    pairs
        int64, shape (m, 2): rows of the probe's and of the reference's minutiae.
    weights
        float64, shape (m,): 1 = exactly on each other, towards 0 = barely paired.
    rotation
        Radians counter-clockwise that turn the probe onto the reference.
    translation
        (dx, dy) in pixels with y down, applied after the rotation about the origin.
    overlap
        Minutiae of the probe and of the reference that lie in both prints.
    """

    score: float
    pairs: NDArray[np.int64]
    weights: NDArray[np.float64]
    rotation: float
    translation: tuple[float, float]
    overlap: tuple[int, int]


def compare(
    probe: FingerprintTemplate, references: Sequence[FingerprintTemplate]
) -> NDArray[np.float64]:
    """Compare one print with many.

    Parameters
    ----------
    probe, references
        Templates of any extractor.

    Returns
    -------
    ndarray
        float64, shape (len(references),): scores, log10 of an estimated likelihood ratio
        (same finger : different fingers). Higher = more alike; symmetric up to rounding.
        `biomatch.fingerprint.calibrate` gives the false match rate of a score.

    Examples
    --------
    >>> from biomatch.fingerprint import FingerprintTemplate, Minutiae, compare
    >>> import numpy as np
    >>> dice = np.random.default_rng(1)
    >>> def print_of(x, y, angle):
    ...     n = len(x)
    ...     return FingerprintTemplate(Minutiae(x, y, angle, [0] * n, [1] * n), 400, 400)
    >>> x, y, angle = dice.uniform(50, 350, (3, 40))
    >>> other = print_of(*dice.uniform(50, 350, (3, 40)))
    >>> same, different = compare(print_of(x, y, angle), [print_of(x + 9, y - 5, angle), other])
    >>> bool(same > different)
    True
    """
    return score_rows(pack([probe]), pack(references), np.arange(len(references), dtype=np.int64))


def match(
    probe: FingerprintTemplate, reference: FingerprintTemplate, *, max_turn: float = MAX_TURN
) -> Match:
    """Compare two prints and say which minutiae correspond.

    Examples
    --------
    >>> from biomatch.fingerprint import FingerprintTemplate, Minutiae, match
    >>> import numpy as np
    >>> x, y, angle = np.random.default_rng(1).uniform(50, 350, (3, 40))
    >>> ones = np.ones(40)
    >>> a = FingerprintTemplate(Minutiae(x, y, angle, 0 * ones, ones), 400, 400)
    >>> found = match(a, a)
    >>> len(found.pairs), round(found.rotation, 3)
    (40, 0.0)
    """
    a, b = pack([probe]), pack([reference])
    features, partner, cost, movement = pair_up(a.arrays, b.arrays, max_turn)
    paired = np.flatnonzero(partner >= 0)
    kept_a, kept_b = kept_rows(probe), kept_rows(reference)
    return Match(
        score=float(score(features[None], model())[0]),
        pairs=np.stack([kept_a[paired], kept_b[partner[paired]]], axis=1).astype(np.int64),
        weights=(1 - 0.25 * cost[paired].astype(np.float64)) ** 2,
        rotation=math.atan2(float(movement[1]), float(movement[0])) if len(paired) else 0.0,
        translation=(float(movement[2]), -float(movement[3])) if len(paired) else (0.0, 0.0),
        overlap=(int(features[OVERLAP_A]), int(features[OVERLAP_B])),
    )
