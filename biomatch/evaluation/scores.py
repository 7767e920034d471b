"""Score files: comparisons with their subjects, read from CSV and summed up side by side.

A score file has one comparison a row and the columns ``probe`` and ``reference`` (subject
identifiers) and ``score`` (higher = more alike). A comparison is mated when both subjects are
the same; a column ``mated`` (0 or 1) says otherwise where it is given.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import FormatError
from biomatch.evaluation import metrics
from biomatch.formats.manifest import HEAD, separator

__all__ = ["ScoreSet", "read", "summary"]

FMRS = (1e-2, 1e-3, 1e-4)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreSet:
    """Scores of one system on one data set.

    Attributes
    ----------
    name
        Legend entry.
    score
        (n,) comparison scores, higher = more alike.
    mated
        (n,) True where both samples come from the same subject.
    probe, reference
        (n,) subject numbers, 0 to `subjects` - 1, or None when the file names no subjects.
    subjects
        Number of different subjects.
    """

    name: str
    score: NDArray[np.float64]
    mated: NDArray[np.bool_]
    probe: NDArray[np.int64] | None = None
    reference: NDArray[np.int64] | None = None
    subjects: int = 0

    def __post_init__(self) -> None:
        if not self.mated.any() or self.mated.all():
            raise FormatError(
                f"score file {self.name}: needs mated and non-mated comparisons, "
                f"has {int(self.mated.sum())} and {int((~self.mated).sum())}"
            )

    @property
    def genuine(self) -> NDArray[np.float64]:
        """Scores of the mated comparisons."""
        chosen: NDArray[np.float64] = self.score[self.mated]
        return chosen

    @property
    def impostor(self) -> NDArray[np.float64]:
        """Scores of the non-mated comparisons."""
        chosen: NDArray[np.float64] = self.score[~self.mated]
        return chosen


def read(path: Path) -> ScoreSet:
    """Read one score file.

    Raises
    ------
    FormatError
        A column is missing, a value is no number, or only one kind of comparison is there.
    """
    rows = _rows(path)
    scores = np.array([_number(path, line, row["score"]) for line, row in rows])
    named = all(row.get("probe") and row.get("reference") for _, row in rows)
    if not named:
        mated = np.array([_flag(path, line, row.get("mated")) for line, row in rows])
        return ScoreSet(path.stem, scores, mated)
    pairs = np.array([[row["probe"], row["reference"]] for _, row in rows])
    names, codes = np.unique(pairs.ravel(), return_inverse=True)
    codes = codes.reshape(-1, 2).astype(np.int64)
    if rows[0][1].get("mated"):
        mated = np.array([_flag(path, line, row.get("mated")) for line, row in rows])
    else:
        mated = codes[:, 0] == codes[:, 1]
    return ScoreSet(path.stem, scores, mated, codes[:, 0], codes[:, 1], len(names))


def _rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            between = separator(file.readline(HEAD))
            file.seek(0)
            table = csv.DictReader(file, delimiter=between)
            columns = set(table.fieldnames or ())
            rows = list(enumerate(table, start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"score file {path}: cannot be read ({reason})") from error
    if "score" not in columns or not ({"probe", "reference"} <= columns or "mated" in columns):
        shown = " ".join(", ".join(sorted(columns)).split())[:200]
        raise FormatError(
            f"score file {path}: needs the columns score and either probe and reference or "
            f"mated; it has: {shown or 'none'}"
        )
    if not rows:
        raise FormatError(f"score file {path}: has no comparisons")
    return rows


def _number(path: Path, line: int, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise FormatError(f"score file {path}, line {line}: score {text or ''!r} is not a number")
    return value


def _flag(path: Path, line: int, text: str | None) -> bool:
    if text not in {"0", "1"}:
        raise FormatError(f"score file {path}, line {line}: mated {text or ''!r} must be 0 or 1")
    return text == "1"


def summary(scores: ScoreSet, *, draws: int = 500) -> dict[str, Any]:
    """EER and FNMR at fixed FMRs, with bootstrap intervals over subjects where they are named.

    Returns
    -------
    dict
        JSON-able: name, mated, nonmated, eer, eer_interval, fnmr_at_fmr, and subjects.
    """
    genuine, impostor = scores.genuine, scores.impostor
    found: dict[str, Any] = {
        "name": scores.name,
        "mated": int(genuine.size),
        "nonmated": int(impostor.size),
        "subjects": scores.subjects or None,
        "eer": metrics.eer(genuine, impostor),
        "eer_interval": None,
        "fnmr_at_fmr": {f"{f:g}": metrics.fnmr_at_fmr(genuine, impostor, f) for f in FMRS},
    }
    if scores.probe is not None and draws:
        interval = _eer_interval(scores, draws)
        found["eer_interval"] = [interval.low, interval.high]
    return found


def _eer_interval(scores: ScoreSet, draws: int) -> metrics.Interval:
    probe, reference, mated = scores.probe, scores.reference, scores.mated

    def rate(counts: NDArray[np.float64]) -> float:
        weight = np.where(mated, counts[probe], counts[probe] * counts[reference])
        return metrics.eer(
            scores.genuine,
            scores.impostor,
            mated_weights=weight[mated],
            nonmated_weights=weight[~mated],
        )

    return metrics.bootstrap(rate, scores.subjects, draws=draws)
