"""Calibration: what a comparison score means, as false match rate and likelihood ratio.

The likelihood ratio comes from logistic regression with equal priors for mated and non-mated
comparisons (Brümmer and du Preez, "Application-independent evaluation of speaker detection",
Computer Speech and Language 20, 2006; Morrison, "Tutorial on logistic-regression calibration
and fusion", Australian Journal of Forensic Sciences 45, 2013). The false match rate is the
observed share of non-mated scores at or above a threshold. Neither says more than its data
can: a rate is never given below three over the number of comparisons (rule of three), a
likelihood ratio never beyond the numbers of comparisons on either side.
"""

import functools
import json
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import FormatError, OptionError

__all__ = ["FaceCalibration", "fit", "read", "shipped"]

Floats = NDArray[np.float64]
LEAST_PAIRS = 20


@dataclass(frozen=True, slots=True)
class FaceCalibration:
    """Meaning of the scores of one model set.

    Attributes
    ----------
    model_id
        The model set that the scores come from.
    slope, offset
        ``ln LR = slope * score + offset``.
    scores, fmr
        Table: share of non-mated comparisons with that score or more; falling.
    mated, nonmated
        Numbers of comparisons behind it.
    source
        Data and limits in one sentence.
    """

    model_id: str
    slope: float
    offset: float
    scores: tuple[float, ...]
    fmr: tuple[float, ...]
    mated: int
    nonmated: int
    source: str

    def log10_lr(self, scores: NDArray[Any]) -> Floats:
        """Return log10 likelihood ratios, held within what the numbers of comparisons carry."""
        raw = (self.slope * np.asarray(scores, np.float64) + self.offset) / np.log(10)
        limits = -np.log10(self.mated), np.log10(self.nonmated)
        return np.asarray(np.clip(raw, *limits), np.float64)

    def false_match_rate(self, scores: NDArray[Any]) -> Floats:
        """Return the false match rate of each score as threshold, log-linear between rows."""
        log = np.interp(np.asarray(scores, np.float64), self.scores, np.log10(self.fmr))
        return np.asarray(10.0**log, np.float64)

    def threshold(self, fmr: float) -> float:
        """Least score whose false match rate is at most `fmr`.

        Raises
        ------
        OptionError
            The rate is not between the table's least and 1.
        """
        if not self.fmr[-1] <= fmr <= 1:
            raise OptionError(
                f"a false match rate of {fmr:g} is outside of what the calibration data can tell "
                f"({self.fmr[-1]:.1e} to 1); choose another or calibrate with more pairs"
            )
        log = np.log10(self.fmr)[::-1]
        return float(np.interp(np.log10(fmr), log, self.scores[::-1]))

    def threshold_fpir(self, fpir: float, size: int) -> float:
        """Least score at which a search of `size` people gives a false candidate at rate `fpir`.

        Non-mated scores are taken as independent: ``fpir = 1 - (1 - fmr) ** size``.
        """
        if not 0 < fpir < 1 or size < 1:
            raise OptionError(f"fpir is {fpir:g} with {size} people; it must lie between 0 and 1")
        return self.threshold(-np.expm1(np.log1p(-fpir) / size))

    def write(self, path: Path | str) -> None:
        """Write as JSON."""
        Path(path).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def fit(
    mated: NDArray[Any], nonmated: NDArray[Any], *, model_id: str, source: str
) -> FaceCalibration:
    """Fit a calibration to scores of known pairs.

    Parameters
    ----------
    mated, nonmated
        Scores of pairs of one person, and of two; at least 20 each.
    model_id
        Of the templates that were compared.
    source
        Data and limits in one sentence, shown with every candidate list.

    Raises
    ------
    OptionError
        Too few pairs, or scores that do not separate the two kinds at all.
    """
    same, other = (np.sort(np.asarray(v, np.float64)) for v in (mated, nonmated))
    if min(len(same), len(other)) < LEAST_PAIRS:
        raise OptionError(
            f"calibration needs at least {LEAST_PAIRS} mated and non-mated pairs; there are "
            f"{len(same)} and {len(other)}"
        )
    slope, offset = logistic(same, other)
    if not slope > 0:
        raise OptionError("mated pairs do not score higher than non-mated ones; check the labels")
    scores, fmr = _table(other)
    return FaceCalibration(model_id, slope, offset, scores, fmr, len(same), len(other), source)


def logistic(mated: Floats, nonmated: Floats) -> tuple[float, float]:
    """Slope and offset of ``ln LR`` by Newton's method; both kinds weigh the same.

    A ridge of 1e-6 keeps the slope finite where the kinds separate completely.
    """
    x = np.concatenate([mated, nonmated])
    y = np.concatenate([np.ones(len(mated)), np.zeros(len(nonmated))])
    w = np.where(y == 1, 0.5 / len(mated), 0.5 / len(nonmated))
    middle, spread = x.mean(), x.std() + 1e-12
    design = np.stack([(x - middle) / spread, np.ones_like(x)], axis=1)
    beta = np.zeros(2)
    for _ in range(100):
        p = 1 / (1 + np.exp(-design @ beta))
        gradient = design.T @ (w * (y - p)) - 1e-6 * beta
        hessian = (design * (w * p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        beta += step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    return float(beta[0] / spread), float(beta[1] - beta[0] * middle / spread)


def _table(nonmated: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Forty rows a decade at most, down to the rule of three."""
    count = len(nonmated)
    least = min(3 / count, 0.5)
    rates = np.logspace(np.log10(least), -1e-6, max(8, int(-40 * np.log10(least))))
    rows = np.minimum(np.floor(count * (1 - rates)).astype(int), count - 1)
    scores, first = np.unique(nonmated[rows], return_index=True)
    return tuple(np.round(scores, 5).tolist()), tuple(float(f"{r:.4g}") for r in rates[first])


def read(path: Path | str) -> FaceCalibration:
    """Read what `FaceCalibration.write` wrote.

    Raises
    ------
    FormatError
        No such file, or it is no calibration.
    """
    try:
        return _of(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(f"{path}: is no face calibration ({error})") from error


def _of(entry: dict[str, Any]) -> FaceCalibration:
    values = dict(entry)
    for name in ("scores", "fmr"):
        values[name] = tuple(float(v) for v in values[name])
    return FaceCalibration(**values)


@functools.cache
def _all_shipped() -> dict[str, FaceCalibration]:
    text = resources.files("biomatch.face").joinpath("calibration.json").read_text("utf-8")
    return {entry["model_id"]: _of(entry) for entry in json.loads(text)}


def shipped(model_id: str) -> FaceCalibration | None:
    """Return the calibration that comes with biomatch, or None for a user's own model."""
    return _all_shipped().get(model_id)
