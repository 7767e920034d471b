"""Fitting the meaning of face scores to a user's own pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biomatch.evaluation import metrics
from biomatch.evaluation.face import FOLDS, Floats, Pairs, extracted, read_rows, scored
from biomatch.face import calibration, embedding

__all__ = ["Calibrated", "calibrate", "calibrate_face"]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration fitted to a user's own pairs, and how well it holds.

    Attributes
    ----------
    calibration
        Give it to a search as option ``calibration`` after `FaceCalibration.write`.
    cllr
        Log-likelihood-ratio cost in bits on tenths of the pairs that were not fitted; below
        about 0.1 is good, 1 says nothing.
    cllr_min
        The part of it that no calibration can mend.
    failed
        Photographs that could not be used: path and reason.
    """

    calibration: calibration.FaceCalibration
    cllr: float
    cllr_min: float
    failed: tuple[Mapping[str, str], ...]


def calibrate(
    folder: Path | str,
    pairs: Path | str,
    *,
    accuracy: str = "default",
    workers: int = 1,
    device: str = "cpu",
) -> Calibrated:
    """Fit the meaning of scores to a user's own pairs.

    Parameters
    ----------
    folder, pairs, accuracy, workers, device
        As for `evaluate`.

    Raises
    ------
    FormatError
        The CSV file cannot be read or lacks a column.
    OptionError
        Fewer than 20 usable mated or non-mated pairs.
    """
    root = Path(folder)
    rows = read_rows(root, pairs, ("path_a", "path_b", "same"))
    named = [row[key] for row in rows for key in ("path_a", "path_b")]
    faces, failed = extracted(root, named, accuracy=accuracy, workers=workers, device=device)
    found = scored([r for r in rows if r["path_a"] in faces and r["path_b"] in faces], faces)
    model_id = embedding.model_set(accuracy).model_id
    mated, nonmated = found.scores[found.same], found.scores[~found.same]
    source = (
        f"fitted on {len(mated):,} mated and {len(nonmated):,} non-mated pairs of "
        f"{Path(pairs).name}"
    )
    table = calibration.fit(mated, nonmated, model_id=model_id, source=source)
    held_out = _held_out(found, table)
    ratios = held_out[found.same], held_out[~found.same]
    return Calibrated(table, metrics.cllr(*ratios), metrics.cllr_min(*ratios), tuple(failed))


def _held_out(pairs: Pairs, whole: calibration.FaceCalibration) -> Floats:
    """log10 LR of each tenth of the pairs, fitted on the people of the others only."""
    ratios = whole.log10_lr(pairs.scores)
    for held in np.array_split(np.arange(len(pairs.scores)), FOLDS):
        own = np.isin(pairs.people, np.unique(pairs.people[held])).any(axis=1)
        same, other = (pairs.scores[~own & kind] for kind in (pairs.same, ~pairs.same))
        if min(len(same), len(other)) >= calibration.LEAST_PAIRS:
            table = calibration.fit(same, other, model_id=whole.model_id, source=whole.source)
            ratios[held] = table.log10_lr(pairs.scores[held])
    return ratios


def calibrate_face(
    pairs: Path,
    folder: Path,
    *,
    accuracy: str = "default",
    out: Path,
    workers: int = 1,
    device: str = "cpu",
) -> dict[str, Any]:
    """Run `calibrate`, write the calibration to `out`, and say how good it is, JSON-able."""
    fitted = calibrate(folder, pairs, accuracy=accuracy, workers=workers, device=device)
    table = fitted.calibration
    table.write(out)
    return {
        "file": str(out),
        "model_id": table.model_id,
        "mated": table.mated,
        "nonmated": table.nonmated,
        "ln_lr": f"{table.slope:.3f} score {table.offset:+.3f}",
        "cllr": fitted.cllr,
        "cllr_min": fitted.cllr_min,
        "least_fmr": table.fmr[-1],
        "failures": len(fitted.failed),
        "failed": [dict(failure) for failure in fitted.failed],
    }
