"""What a comparison means: features to log10 likelihood ratio, score to false match rate.

The score is itself a log10 likelihood ratio, from a class-balanced logistic regression on the
features of a comparison (Morrison, "Tutorial on logistic-regression calibration and fusion",
Australian Journal of Forensic Sciences 45(2), 2013). It orders candidates without limit; what
`calibrate` reports is capped at what the training data can support.

The weights live in ``calibration.json`` beside this module, with the data they come from.
"""

import functools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.types import Calibration

__all__ = ["ScoreModel", "calibrate", "fit", "logistic", "model"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """The fitted numbers of ``calibration.json``.

    Attributes
    ----------
    weights
        One a feature of `biomatch.fingerprint.scoring`, for log10 LR, shape (features,).
    bias
        Constant term.
    dismissed
        log10 LR of a pair that was dismissed before any movement was tried.
    tail_from, tail_fmr, tail_rate
        Above score `tail_from` the FMR is extrapolated: ``tail_fmr * exp(-tail_rate * (s -
        tail_from))``, down to ``10 ** -limit``: no data support a smaller claim.
    levels, fmr
        Score and empirical FMR below it, both (n,), scores ascending.
    limit
        Largest absolute log10 LR that the data support.
    source
        Data and limits in one sentence.
    """

    weights: Floats
    bias: float
    dismissed: float
    tail_from: float
    tail_fmr: float
    tail_rate: float
    levels: Floats
    fmr: Floats
    limit: float
    source: str

    @classmethod
    def parse(cls, values: dict[str, Any]) -> "ScoreModel":
        """Make a model of the JSON object."""
        return cls(
            weights=np.array(values["weights"], np.float64),
            bias=float(values["bias"]),
            dismissed=float(values["dismissed"]),
            tail_from=float(values["tail_from"]),
            tail_fmr=float(values["tail_fmr"]),
            tail_rate=float(values["tail_rate"]),
            levels=np.array(values["levels"], np.float64),
            fmr=np.array(values["fmr"], np.float64),
            limit=float(values["limit"]),
            source=str(values["source"]),
        )

    def false_match_rate(self, scores: Floats) -> Floats:
        """Estimated FMR at each score as threshold, never below one in the non-mates seen."""
        with np.errstate(divide="ignore"):
            body = np.exp(np.interp(scores, self.levels, np.log(self.fmr)))
        tail = self.tail_fmr * np.exp(-self.tail_rate * (scores - self.tail_from))
        rate: Floats = np.maximum(np.where(scores > self.tail_from, tail, body), 10.0**-self.limit)
        return rate


@functools.cache
def model() -> ScoreModel:
    """Read the shipped calibration."""
    text = resources.files("biomatch.fingerprint").joinpath("calibration.json").read_text("utf-8")
    return ScoreModel.parse(json.loads(text))


def calibrate(scores: Floats) -> Calibration:
    """Turn comparison scores into log10 LR and FMR.

    Parameters
    ----------
    scores
        What `biomatch.fingerprint.compare` returned, shape (n,).
    """
    fitted = model()
    values = np.asarray(scores, np.float64)
    log10_lr = np.clip(values, -fitted.limit, fitted.limit)
    return Calibration(log10_lr, fitted.false_match_rate(values), fitted.source)


def logistic(features: Floats, mated: NDArray[np.bool_], ridge: float) -> tuple[Floats, float]:
    """Fit a class-balanced ridge logistic regression whose output is a log10 LR.

    Parameters
    ----------
    features
        (n, features).
    mated
        (n,) True where both prints are of one finger.
    ridge
        Penalty on the squared weights of standardised features.

    Returns
    -------
    weights, bias
        ``features @ weights + bias`` is the log10 LR.
    """
    from scipy.optimize import minimize

    mean, deviation = features.mean(0), features.std(0) + 1e-9
    design = np.c_[(features - mean) / deviation, np.ones(len(features))]
    sign = np.where(mated, 1.0, -1.0)
    share = np.where(mated, 0.5 / mated.sum(), 0.5 / (~mated).sum())

    def loss(beta: Floats) -> tuple[float, Floats]:
        margin = sign * (design @ beta)
        slope = -share * sign * np.exp(-np.logaddexp(0, margin))
        penalty = np.append(beta[:-1], 0.0)
        value = share @ np.logaddexp(0, -margin) + ridge * penalty @ penalty
        return float(value), design.T @ slope + 2 * ridge * penalty

    beta = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    weights = beta[:-1] / deviation / math.log(10)
    bias = beta[-1] / math.log(10) - weights @ mean
    return weights, float(bias)


def fit(
    design: Floats, score: Callable[[ScoreModel], Floats], mated: NDArray[np.bool_],
    passed: NDArray[np.bool_], *, source: str, groups: NDArray[np.int64] | None = None,
    ridge: float = 1e-3,
) -> ScoreModel:  # fmt: skip
    """Fit weights on the pairs that were compared in full, then the FMR of the scores.

    Parameters
    ----------
    design
        (n, features) for the logistic regression.
    score
        Gives all n scores for a model.
    mated, passed
        (n,) same finger; compared in full.
    source
        What to say of the data.
    groups
        (n,) kind of each pair, such as the sensor of both prints; negative = of no kind. The
        FMR is the largest of all pairs' and of each kind's; None = that of all pairs.
    ridge
        See `logistic`.
    """
    weights, bias = logistic(design[passed], mated[passed], ridge)
    share = [((~passed) & which).sum() + 0.5 for which in (mated, ~mated)]
    dismissed = math.log10(share[0] / (mated.sum() + 1) / (share[1] / ((~mated).sum() + 1)))
    empty = np.array([-1.0]), np.array([1.0])
    bare = ScoreModel(weights, bias, dismissed, 0.0, 1.0, 1.0, *empty, 0.0, source)
    nonmates = score(bare)[~mated]
    kinds = np.full(len(nonmates), -1) if groups is None else groups[~mated]
    sets = [nonmates, *(nonmates[kinds == kind] for kind in np.unique(kinds[kinds >= 0]))]
    return _with_rates(bare, [np.sort(scores) for scores in sets])


BODY = 0.995
"""Quantile of the non-mate scores above which the FMR is an exponential tail (a generalised
Pareto distribution of shape 0) fitted to the excesses."""


def _with_rates(bare: ScoreModel, sets: list[Floats]) -> ScoreModel:
    """Fill in the FMR: at each level, and in the tail, the largest of several sets'.

    `sets` are ascending non-mate scores, those of all pairs first: they place the levels.
    """
    levels = np.quantile(sets[0], np.linspace(0, BODY, 40))
    rates = [1 - np.searchsorted(own, levels, side="left") / len(own) for own in sets]
    excesses = [own[own > levels[-1]] - levels[-1] for own in sets]
    rate = np.max(rates, axis=0)
    return replace(
        bare,
        tail_from=float(levels[-1]),
        tail_fmr=float(rate[-1]),
        tail_rate=float(1 / max(own.mean() for own in excesses if len(own))),
        levels=levels,
        fmr=rate,
        limit=math.log10(len(sets[0])),
    )
