"""Fitting the meaning of face scores to a user's own pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biomatch.evaluation import metrics
from biomatch.evaluation.face import Floats, Pairs, extracted, read_pairs, scored
from biomatch.face import calibration, embedding

__all__ = ["Calibrated", "calibrate", "calibrate_face"]

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration fitted to a user's own pairs, and how well it holds.

    Attributes
    ----------
    calibration
        Give it to a search as option ``calibration`` after `FaceCalibration.write`.
    cllr
        Log-likelihood-ratio cost in bits, each pair judged by a fit to pairs of other people;
        below about 0.1 is good, 1 says nothing.
    cllr_min
        The part of it that no calibration can mend.
    held_out
        Share of the pairs for which the pairs of other people were enough for such a fit; the
        rest is judged by the fit to all pairs, which flatters.
    failed
        Photographs that could not be used: path and reason.
    """

    calibration: calibration.FaceCalibration
    cllr: float
    cllr_min: float
    held_out: float
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
        The CSV file cannot be read, lacks a column or a value, or holds one kind of pairs only.
    OptionError
        Fewer than 20 usable mated or non-mated pairs.
    """
    root = Path(folder)
    rows = read_pairs(root, pairs)
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
    judged, share = _held_out(found, table)
    ratios = judged[found.same], judged[~found.same]
    return Calibrated(table, metrics.cllr(*ratios), metrics.cllr_min(*ratios), share, tuple(failed))


def _held_out(pairs: Pairs, whole: calibration.FaceCalibration) -> tuple[Floats, float]:
    """log10 LR of each pair, fitted on pairs without its people, and the share so judged.

    The people are dealt into five folds; a pair is judged by what was fitted on the pairs that
    touch neither of its folds. Where these are too few, the fit to all pairs stands in.
    """
    folds = np.sort(pairs.people % FOLDS, axis=1)
    ratios, judged = whole.log10_lr(pairs.scores), np.zeros(len(folds), np.bool_)
    for both in np.unique(folds, axis=0):
        rest = ~np.isin(folds, both).any(axis=1)
        same, other = (pairs.scores[rest & kind] for kind in (pairs.same, ~pairs.same))
        if min(len(same), len(other)) >= calibration.LEAST_PAIRS:
            held = (folds == both).all(axis=1)
            table = calibration.fit(same, other, model_id=whole.model_id, source=whole.source)
            ratios[held], judged[held] = table.log10_lr(pairs.scores[held]), True
    return ratios, float(judged.mean())


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
        "held_out": fitted.held_out,
        "least_fmr": table.fmr[-1],
        "failures": len(fitted.failed),
        "failed": [dict(failure) for failure in fitted.failed],
    }
