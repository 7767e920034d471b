"""Error rates of ISO/IEC 19795-1:2021: FMR, FNMR, EER, CMC, FPIR, FNIR, with intervals.

A comparison is a match when its score is **at or above** the threshold. All functions take
optional non-negative weights, so that a bootstrap over subjects needs no copies of scores.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ErrorCurve",
    "Interval",
    "bootstrap",
    "cllr",
    "cllr_min",
    "cmc",
    "eer",
    "error_curve",
    "fnir_at_fpir",
    "fnmr_at_fmr",
    "mate_ranks",
    "threshold_at_fpir",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ErrorCurve:
    """FMR and FNMR at every threshold that changes either, thresholds ascending.

    Attributes
    ----------
    threshold
        (n,) scores, ending with +inf (nothing matches).
    fmr
        (n,) false match rate at each threshold, falling from 1 to 0.
    fnmr
        (n,) false non-match rate, rising from 0 to 1.
    """

    threshold: Floats
    fmr: Floats
    fnmr: Floats


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its bootstrap interval."""

    value: float
    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def _scores(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values, np.float64).ravel()
    if not array.size:
        raise ValueError(f"no {name} scores: error rates need at least one")
    if np.isnan(array).any():
        raise ValueError(f"{np.isnan(array).sum()} of the {name} scores are NaN")
    return array


def _weights(weights: ArrayLike | None, size: int) -> Floats:
    if weights is None:
        return np.full(size, 1.0 / size)
    array = np.asarray(weights, np.float64).ravel()
    if array.size != size or (array < 0).any() or array.sum() <= 0:
        raise ValueError(f"weights must be {size} non-negative numbers, not all zero")
    share: Floats = array / array.sum()
    return share


def error_curve(
    mated: ArrayLike,
    nonmated: ArrayLike,
    *,
    mated_weights: ArrayLike | None = None,
    nonmated_weights: ArrayLike | None = None,
) -> ErrorCurve:
    """FMR and FNMR over all thresholds (ISO/IEC 19795-1:2021, 7.2 and 7.3).

    Raises
    ------
    ValueError
        An empty score set, NaN scores, or unusable weights.
    """
    genuine, impostor = _scores(mated, "mated"), _scores(nonmated, "non-mated")
    weight_g = _weights(mated_weights, genuine.size)
    weight_i = _weights(nonmated_weights, impostor.size)
    threshold = np.append(np.unique(np.concatenate([genuine, impostor])), np.inf)
    fnmr = _mass_below(genuine, weight_g, threshold)
    fmr = 1.0 - _mass_below(impostor, weight_i, threshold)
    return ErrorCurve(threshold, np.clip(fmr, 0, 1), np.clip(fnmr, 0, 1))


def _mass_below(scores: Floats, weights: Floats, threshold: Floats) -> Floats:
    order = np.argsort(scores, kind="stable")
    mass = np.concatenate([[0.0], np.cumsum(weights[order])])
    mass[-1] = 1.0
    below: Floats = mass[np.searchsorted(scores[order], threshold, side="left")]
    return below


def eer(
    mated: ArrayLike,
    nonmated: ArrayLike,
    *,
    mated_weights: ArrayLike | None = None,
    nonmated_weights: ArrayLike | None = None,
) -> float:
    """Equal error rate: middle of the interval where the FMR and FNMR steps cross.

    The definition of the fingerprint verification competitions (Maio et al., FVC2000, IEEE
    TPAMI 24(3), 2002, section 4.2): with finite score sets the steps seldom meet, so the
    narrowest [FMR, FNMR] gap around the crossing is halved.

    Returns
    -------
    float
        0 to 1.
    """
    curve = error_curve(
        mated, nonmated, mated_weights=mated_weights, nonmated_weights=nonmated_weights
    )
    right = int(np.argmax(curve.fnmr >= curve.fmr))
    left = int(np.flatnonzero(curve.fnmr <= curve.fmr)[-1])
    sums = curve.fmr[[left, right]] + curve.fnmr[[left, right]]
    return float(sums.min() / 2)


def fnmr_at_fmr(
    mated: ArrayLike,
    nonmated: ArrayLike,
    fmr: float,
    *,
    mated_weights: ArrayLike | None = None,
    nonmated_weights: ArrayLike | None = None,
) -> float:
    """FNMR at the lowest threshold whose FMR does not exceed `fmr` (0 gives ZeroFMR).

    Returns
    -------
    float
        0 to 1.
    """
    curve = error_curve(
        mated, nonmated, mated_weights=mated_weights, nonmated_weights=nonmated_weights
    )
    allowed = curve.fmr <= fmr + 1e-12
    return float(curve.fnmr[int(np.argmax(allowed))])


def mate_ranks(scores: ArrayLike, mates: ArrayLike) -> NDArray[np.int64]:
    """Rank of each probe's best-scoring mate; ties count against the mate.

    Parameters
    ----------
    scores
        (probes, references) comparison scores.
    mates
        (probes, references) boolean: same subject.

    Returns
    -------
    ndarray
        (probes,) ranks from 1; 0 for probes without a mate in the gallery.
    """
    table, same = np.asarray(scores, np.float64), np.asarray(mates, bool)
    best = np.where(same, table, -np.inf).max(axis=1)
    ahead = ((table >= best[:, None]) & ~same).sum(axis=1)
    return np.where(same.any(axis=1), ahead + 1, 0).astype(np.int64)


def cmc(ranks: ArrayLike, max_rank: int = 20) -> Floats:
    """Cumulative match characteristic: share of mated probes found up to each rank.

    Parameters
    ----------
    ranks
        Ranks from 1; 0 = the probe has no mate and is left out.

    Returns
    -------
    ndarray
        (max_rank,) identification rates at ranks 1 to `max_rank`.
    """
    found = np.asarray(ranks, np.int64)
    found = found[found > 0]
    if not found.size:
        raise ValueError("no probe has a mate in the gallery: there is nothing to rank")
    rates: Floats = (found[:, None] <= np.arange(1, max_rank + 1)).mean(axis=0)
    return rates


def threshold_at_fpir(
    nonmated_top: ArrayLike, fpir: float, *, weights: ArrayLike | None = None
) -> float:
    """Lowest threshold at which at most `fpir` of non-mated searches return a candidate.

    Parameters
    ----------
    nonmated_top
        Best score of each search that has no mate in the gallery (a probe whose mates are
        masked out counts as such a search).
    """
    top = _scores(nonmated_top, "non-mated search")
    share = _weights(weights, top.size)
    values = np.unique(top)
    # Lowest means just above the score that may no longer pass, not at the next one seen.
    threshold = np.append(values[:1], np.nextafter(values, np.inf))
    rate = 1.0 - _mass_below(top, share, threshold)
    return float(threshold[int(np.argmax(rate <= fpir + 1e-12))])


def fnir_at_fpir(
    mate_scores: ArrayLike,
    mate_rank: ArrayLike,
    nonmated_top: ArrayLike,
    fpir: float,
    *,
    max_rank: int = 1,
    mated_weights: ArrayLike | None = None,
    nonmated_weights: ArrayLike | None = None,
) -> float:
    """Open-set miss rate (ISO/IEC 19795-1:2021, 7.5): FNIR at an FPIR.

    A mated search misses when its mate ranks below `max_rank` or scores below the threshold
    that lets `fpir` of the non-mated searches through.

    Returns
    -------
    float
        0 to 1.
    """
    best, rank = _scores(mate_scores, "mated search"), np.asarray(mate_rank).ravel()
    threshold = threshold_at_fpir(nonmated_top, fpir, weights=nonmated_weights)
    missed = (best < threshold) | (rank > max_rank)
    return float(missed @ _weights(mated_weights, best.size))


def cllr(mated_log10_lr: ArrayLike, nonmated_log10_lr: ArrayLike) -> float:
    """Log-likelihood-ratio cost in bits (Brümmer & du Preez, CSL 20, 2006, eq. 12).

    0 is perfect, 1 is as good as always saying LR = 1.
    """
    mated = _scores(mated_log10_lr, "mated") * np.log(10)
    nonmated = _scores(nonmated_log10_lr, "non-mated") * np.log(10)
    cost = np.logaddexp(0, -mated).mean() + np.logaddexp(0, nonmated).mean()
    return float(cost / (2 * np.log(2)))


def cllr_min(mated: ArrayLike, nonmated: ArrayLike) -> float:
    """Cllr after the best monotone recalibration (pool adjacent violators): discrimination only."""
    from scipy.optimize import isotonic_regression

    genuine, impostor = _scores(mated, "mated"), _scores(nonmated, "non-mated")
    scores = np.concatenate([genuine, impostor])
    target = np.concatenate([np.ones(genuine.size), np.zeros(impostor.size)])
    weight = np.concatenate(
        [np.full(genuine.size, 0.5 / genuine.size), np.full(impostor.size, 0.5 / impostor.size)]
    )
    values, index = np.unique(scores, return_inverse=True)
    mass = np.bincount(index, weight, values.size)
    mean = np.bincount(index, weight * target, values.size) / mass
    posterior = isotonic_regression(mean, weights=mass).x[index]
    with np.errstate(divide="ignore"):
        log10_lr = np.log10(posterior) - np.log10(1 - posterior)
    limit = 300.0
    log10_lr = np.clip(log10_lr, -limit, limit)
    return cllr(log10_lr[: genuine.size], log10_lr[genuine.size :])


def bootstrap(
    statistic: Callable[[Floats], float],
    subjects: int,
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 1,
) -> Interval:
    """Percentile interval of a statistic under resampling of subjects with replacement.

    Comparisons that share a subject are not independent, so subjects are drawn, not scores
    (Poh & Bengio, "Performance generalization in biometric authentication using joint
    user-specific and sample bootstraps", IEEE TPAMI 29(3), 2007).

    Parameters
    ----------
    statistic
        Maps a (subjects,) vector of multiplicities to the figure; all ones gives its value.
        A mated pair's weight is its subject's multiplicity, a non-mated pair's the product of
        both. A draw on which the statistic raises ValueError (nothing left) is left out.
    subjects
        Number of subjects.
    """
    generator = np.random.default_rng(seed)
    value = statistic(np.ones(subjects))
    drawn: list[float] = []
    for _ in range(draws):
        counts = np.bincount(generator.integers(0, subjects, subjects), minlength=subjects)
        try:
            drawn.append(statistic(counts.astype(np.float64)))
        except ValueError:
            continue
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), level)
