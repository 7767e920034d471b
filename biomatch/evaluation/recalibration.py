"""Fit what face scores mean on a user's own pairs."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from biomatch.errors import FormatError, SampleError
from biomatch.face import calibration
from biomatch.face.batch import extract_many
from biomatch.face.template import FaceTemplate

__all__ = ["calibrate_face"]


def calibrate_face(
    pairs: Path,
    folder: Path,
    *,
    out: Path,
    accuracy: str = "default",
    workers: int = 1,
) -> dict[str, Any]:
    """Fit a calibration to labelled pairs of photographs and write it.

    Parameters
    ----------
    pairs
        CSV with the columns path_a, path_b and same (0 or 1).
    folder
        What the paths are relative to.
    out
        File to write; name it in searches with ``options={"calibration": out}``.
    accuracy
        Model set.
    workers
        Extraction processes.

    Returns
    -------
    dict
        model_id, mated, nonmated, failures, slope, offset, and the file written.

    Raises
    ------
    FormatError
        The list of pairs is malformed.
    OptionError
        Too few pairs, or mated ones that do not score higher.
    """
    rows = _rows(pairs)
    names = list(dict.fromkeys(name for first, second, _ in rows for name in (first, second)))
    faces, failures = _faces([folder / name for name in names], accuracy, workers)
    scores: dict[bool, list[float]] = {True: [], False: []}
    for first, second, same in rows:
        one, other = faces.get(folder / first), faces.get(folder / second)
        if one is not None and other is not None:
            scores[same].append(float(one.embedding @ other.embedding))
    if not faces:
        raise FormatError(f"{pairs}: no face was found in any of its pictures")
    fitted = calibration.fit(
        np.array(scores[True]),
        np.array(scores[False]),
        model_id=next(iter(faces.values())).model_id,
        source=f"Fitted on {len(rows):,} pairs of {pairs.name}; holds for material like it.",
    )
    fitted.write(out)
    return {
        "model_id": fitted.model_id,
        "mated": fitted.mated,
        "nonmated": fitted.nonmated,
        "failures": failures,
        "slope": fitted.slope,
        "offset": fitted.offset,
        "calibration": str(out),
    }


def _rows(path: Path) -> list[tuple[str, str, bool]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path}: cannot be read as a CSV table ({error})") from error
    found = []
    for line, row in enumerate(rows, start=2):
        first, second, same = (row.get(name) or "" for name in ("path_a", "path_b", "same"))
        if not first or not second or same not in {"0", "1"}:
            raise FormatError(f"{path}, line {line}: needs path_a, path_b, and same as 0 or 1")
        found.append((first, second, same == "1"))
    return found


def _faces(files: list[Path], accuracy: str, workers: int) -> tuple[dict[Path, FaceTemplate], int]:
    faces: dict[Path, FaceTemplate] = {}
    failures = 0
    for path, outcome in extract_many(files, workers=workers, accuracy=accuracy, max_faces=1):
        if isinstance(outcome, SampleError):
            failures += 1
        else:
            faces[path] = outcome[0]
    return faces, failures
