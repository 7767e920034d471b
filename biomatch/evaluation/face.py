"""Runs the face pipeline over a data set of pairs and of open-set searches.

Terms follow ISO/IEC 19795-1:2021. A photograph without a usable face counts against the system:
its mated search is a miss, its pair does not match.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import FormatError, OptionError, SampleError
from biomatch.evaluation import metrics
from biomatch.face import calibration, embedding
from biomatch.face.batch import extract_many
from biomatch.face.comparison import gallery_vectors
from biomatch.face.template import FaceTemplate
from biomatch.formats.manifest import HEAD, separator

__all__ = ["Pairs", "evaluate", "extracted", "read_pairs", "read_rows", "scored"]

FPIRS = (0.01, 0.001)
FARS = (0.01, 0.001)
FOLDS = 10
NO_MATCH = -1.0
GROUP_FMR = 1e-3
SAME = {"1": "1", "true": "1", "yes": "1", "0": "0", "false": "0", "no": "0"}
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Scores of labelled pairs, and the people in them by number."""

    scores: Floats
    same: NDArray[np.bool_]
    people: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Searches:
    """Outcome of open-set searches, and whose they were by number."""

    ranks: NDArray[np.int64]
    mate_scores: Floats
    mated_people: NDArray[np.int64]
    top_scores: Floats
    nonmated_people: NDArray[np.int64]


def evaluate(
    folder: Path | str,
    *,
    gallery: Path | str | None = None,
    probes: Path | str | None = None,
    nonmated: Path | str | None = None,
    pairs: Path | str | None = None,
    accuracy: str = "default",
    workers: int = 1,
    device: str = "cpu",
    draws: int = 500,
) -> dict[str, Any]:
    """Measure the face pipeline on a folder of photographs.

    Parameters
    ----------
    folder
        Data set; photographs are named relative to ``folder/lfw`` or `folder`.
    gallery, probes, nonmated
        CSV files with columns path and subject: references, searches by people who are
        enrolled, searches by people who are not. Names without a folder are looked up in
        `folder` too.
    pairs
        CSV file with columns path_a, path_b and same (0 or 1), both kinds of pairs; a column
        group adds FMR and FNMR a group, with intervals, at the shipped threshold of FMR 1e-3
        (pairs whose group is empty are left out there). Groups come from the file: nothing
        here guesses sex, age or origin.
    accuracy
        Model set.
    workers
        Extraction processes.
    device
        Execution provider of ONNX Runtime.
    draws
        Bootstrap draws over people for the intervals; 0 = none.

    Returns
    -------
    dict
        JSON-able. ``pair_accuracy`` (threshold of each tenth chosen on the other nine),
        ``eer`` and ``tar_at_far`` from the pairs; ``rank1``, ``rank10`` and ``fnir_at_fpir`` from
        the searches; ``failures``, the number of photographs without a usable face;
        ``failed``, their paths and reasons; ``groups``, where the pairs name them;
        ``intervals`` at 95 %. Rates are fractions.

    Raises
    ------
    FormatError
        A CSV file cannot be read, lacks a column or a value, or holds one kind of pairs only.
    OptionError
        Neither `pairs` nor both `gallery` and `probes` are given.
    """
    if pairs is None and (gallery is None or probes is None):
        raise OptionError("nothing to evaluate: give pairs, or a gallery and probes")
    root = Path(folder)
    tables = {
        name: read_rows(root, path, ("path", "subject"))
        for name, path in (("gallery", gallery), ("probes", probes), ("nonmated", nonmated))
        if path is not None
    }
    pair_rows = read_pairs(root, pairs) if pairs is not None else []
    named = [row["path"] for rows in tables.values() for row in rows]
    named += [row[key] for row in pair_rows for key in ("path_a", "path_b")]
    faces, failed = extracted(root, named, accuracy=accuracy, workers=workers, device=device)
    result: dict[str, Any] = {
        "accuracy": accuracy,
        "images": len(set(named)),
        "failures": len(failed),
        "failed": failed,
    }
    intervals: dict[str, Any] = {}
    if not pair_rows and not {"gallery", "probes"} <= set(tables):
        raise OptionError("nothing to measure: give pairs, or a gallery and probes")
    if pair_rows:
        pairs_scored = scored(pair_rows, faces)
        _add_pairs(result, intervals, pairs_scored, draws)
        named_groups = [(row.get("group") or "").strip() for row in pair_rows]
        if any(named_groups):
            result["groups"] = _by_group(pairs_scored, named_groups, accuracy)
    if "gallery" in tables and "probes" in tables:
        found = _searched(tables, faces)
        _add_searches(result, intervals, found, draws)
    return {**result, "intervals": intervals}


def _by_group(pairs: Pairs, groups: Sequence[str], accuracy: str) -> dict[str, Any]:
    """FMR and FNMR of each group at one threshold for all."""
    table = calibration.shipped(embedding.model_set(accuracy).model_id)
    threshold = table.threshold(GROUP_FMR) if table else best_threshold(pairs.scores, pairs.same)
    names = np.array(groups)
    found: dict[str, Any] = {"threshold": threshold}
    for name in sorted(set(groups) - {""}):
        inside = names == name
        same, other = (pairs.scores[inside & kind] for kind in (pairs.same, ~pairs.same))
        found[name] = {
            "fnmr": _rate(int((same < threshold).sum()), len(same)),
            "fmr": _rate(int((other >= threshold).sum()), len(other)),
        }
    return found


def _rate(errors: int, count: int) -> dict[str, Any]:
    """Share with its 95 % score interval (E. B. Wilson, JASA 22, 1927)."""
    if not count:
        return {"errors": 0, "comparisons": 0, "rate": None, "interval": None}
    z, p = 1.959964, errors / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * np.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    interval = [max(0.0, float(middle - reach)), min(1.0, float(middle + reach))]
    return {"errors": errors, "comparisons": count, "rate": p, "interval": interval}


def read_rows(folder: Path, path: Path | str, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV file, looked up in `folder` too, and check its columns.

    Raises
    ------
    FormatError
        It cannot be read, is empty, or a column or a value in one of its lines is missing.
    """
    file = Path(path)
    if not file.exists() and (folder / file).exists():
        file = folder / file
    try:
        with file.open(newline="", encoding="utf-8-sig") as handle:
            between = separator(handle.readline(HEAD))
            handle.seek(0)
            rows = list(csv.DictReader(handle, delimiter=between))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"{path}: cannot be read as CSV ({reason})") from error
    for line, row in enumerate(rows or [{}], 2):
        missing = [name for name in columns if not (row.get(name) or "").strip()]
        if missing:
            raise FormatError(f"{path}, line {line}: column '{missing[0]}' is missing or empty")
    return rows


def read_pairs(folder: Path, path: Path | str) -> list[dict[str, str]]:
    """Read a CSV file of labelled pairs; the values of same become "0" and "1".

    Raises
    ------
    FormatError
        As `read_rows`; or same is not 0, 1, false, true, no or yes; or one kind is not there.
    """
    rows = read_rows(folder, path, ("path_a", "path_b", "same"))
    for line, row in enumerate(rows, 2):
        if row["same"].strip().lower() not in SAME:
            raise FormatError(f"{path}, line {line}: same {row['same']!r} must be 0 or 1")
        row["same"] = SAME[row["same"].strip().lower()]
    for value, kind in (("1", "mated"), ("0", "non-mated")):
        if not any(row["same"] == value for row in rows):
            raise FormatError(f"{path}: holds no {kind} pair; error rates need both kinds")
    return rows


def extracted(
    root: Path, named: Sequence[str], **options: Any
) -> tuple[dict[str, FaceTemplate], list[dict[str, str]]]:
    """Template of the most prominent face by name, and what failed."""
    names = list(dict.fromkeys(named))
    base = root / "lfw"
    files = [base / name if (base / name).exists() else root / name for name in names]
    faces: dict[str, FaceTemplate] = {}
    failed: list[dict[str, str]] = []
    outcomes = extract_many(files, max_faces=1, **options)
    for name, (_, outcome) in zip(names, outcomes, strict=True):
        if isinstance(outcome, SampleError):
            failed.append({"path": name, "reason": str(outcome)})
        else:
            faces[name] = outcome[0]
    return faces, failed


def scored(rows: Sequence[Mapping[str, str]], faces: Mapping[str, FaceTemplate]) -> Pairs:
    """Compare the pairs that `read_pairs` returned."""
    scores = [
        float(faces[row["path_a"]].embedding @ faces[row["path_b"]].embedding)
        if row["path_a"] in faces and row["path_b"] in faces
        else NO_MATCH
        for row in rows
    ]
    same = np.array([row["same"] == "1" for row in rows])
    paths = np.array([[row["path_a"], row["path_b"]] for row in rows], np.str_).reshape(-1, 2)
    return Pairs(np.array(scores), same, _people(paths, same))


def _people(paths: NDArray[np.str_], same: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give each person in (n, 2) pictures of pairs a number.

    Mated pictures show one person, and so do those of one folder unless a non-mated pair lies in
    a folder: then folders do not stand for people.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(paths):
        return np.zeros((0, 2), np.int64)
    names, pictures = np.unique(paths, return_inverse=True)
    pictures = pictures.reshape(-1, 2)
    folders = _numbers([str(Path(name).parent) for name in names])
    a, b = pictures[same].T
    if not (np.ptp(folders[pictures[~same]], axis=1) == 0).any():
        first = np.unique(folders, return_index=True)[1]
        a, b = np.concatenate([a, np.arange(len(names))]), np.concatenate([b, first[folders]])
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(names), len(names)))
    people = connected_components(links, directed=False)[1]
    return np.asarray(people[pictures], np.int64)


def _numbers(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def _searched(
    tables: Mapping[str, list[dict[str, str]]], faces: Mapping[str, FaceTemplate]
) -> Searches:
    enrolled: dict[str, list[FaceTemplate]] = {}
    for row in tables["gallery"]:
        enrolled.setdefault(row["subject"], [])
        if row["path"] in faces:
            enrolled[row["subject"]].append(faces[row["path"]])
    subjects = [name for name, templates in enrolled.items() if templates]
    scorer = gallery_vectors([enrolled[name] for name in subjects])
    mated, nonmated = tables["probes"], tables.get("nonmated", [])
    column = {name: i for i, name in enumerate(subjects)}
    ranks, mates = [], []
    for row in mated:
        known = row["path"] in faces and row["subject"] in column
        scores = scorer(faces[row["path"]]) if known else np.full(1, NO_MATCH)
        mate = scores[column[row["subject"]]] if known else NO_MATCH
        ranks.append(int((scores >= mate).sum()) if known else len(subjects) + 1)
        mates.append(float(mate))
    tops = [
        float(scorer(faces[row["path"]]).max()) if row["path"] in faces else NO_MATCH
        for row in nonmated
    ]
    return Searches(
        np.array(ranks),
        np.array(mates),
        _numbers([row["subject"] for row in mated]),
        np.array(tops),
        _numbers([row["subject"] for row in nonmated]),
    )


def _add_pairs(result: dict[str, Any], intervals: dict[str, Any], pairs: Pairs, draws: int) -> None:
    mated, nonmated = pairs.scores[pairs.same], pairs.scores[~pairs.same]
    if not len(mated) or not len(nonmated):
        raise OptionError(
            "error rates need pairs of one person and pairs of two; there are "
            f"{len(mated)} and {len(nonmated)}"
        )
    correct = correct_by_fold(pairs.scores, pairs.same)
    result["pairs"] = {"mated": len(mated), "nonmated": len(nonmated)}
    result["pair_accuracy"] = float(correct.mean())
    result["eer"] = metrics.eer(mated, nonmated)
    result["tar_at_far"] = {
        f"{far:g}": 1.0 - metrics.fnmr_at_fmr(mated, nonmated, far) for far in FARS
    }
    if not draws:
        return

    def weight(counts: Floats) -> Floats:
        a, b = counts[pairs.people[:, 0]], counts[pairs.people[:, 1]]
        return np.where(pairs.same, a, a * b)

    def accuracy(counts: Floats) -> float:
        share = weight(counts)
        return _mean(correct, share)

    def equal(counts: Floats) -> float:
        w = weight(counts)
        return metrics.eer(
            mated, nonmated, mated_weights=w[pairs.same], nonmated_weights=w[~pairs.same]
        )

    people = int(pairs.people.max()) + 1
    intervals["pair_accuracy"] = _interval(accuracy, people, draws)
    intervals["eer"] = _interval(equal, people, draws)


def correct_by_fold(scores: Floats, same: NDArray[np.bool_], folds: int = FOLDS) -> Floats:
    """Whether each pair is decided rightly by the best threshold of the other folds.

    Folds are contiguous, as in the LFW protocol: a file in order of names keeps people
    together.
    """
    correct = np.zeros(len(scores))
    for held in np.array_split(np.arange(len(scores)), min(folds, len(scores))):
        rest = np.setdiff1d(np.arange(len(scores)), held)
        threshold = best_threshold(scores[rest], same[rest])
        correct[held] = (scores[held] >= threshold) == same[held]
    return correct


def best_threshold(scores: Floats, same: NDArray[np.bool_]) -> float:
    """Threshold with the fewest wrong decisions, in the middle of its gap."""
    if not len(scores):
        return 0.0
    order = np.argsort(scores, kind="stable")
    values, mated = scores[order], same[order]
    below = np.concatenate([[0], np.cumsum(mated)])  # mated pairs that would be rejected
    above = np.concatenate([np.cumsum((~mated)[::-1])[::-1], [0]])
    cut = int(np.argmin(below + above))
    low = values[cut - 1] if cut else values[0] - 1.0
    high = values[cut] if cut < len(values) else values[-1] + 1.0
    return float((low + high) / 2)


def _add_searches(
    result: dict[str, Any], intervals: dict[str, Any], found: Searches, draws: int
) -> None:
    result["searches"] = {"mated": len(found.ranks), "nonmated": len(found.top_scores)}
    for rank in (1, 10):
        result[f"rank{rank}"] = float((found.ranks <= rank).mean())
    if len(found.top_scores):
        result["fnir_at_fpir"] = {
            f"{fpir:g}": metrics.fnir_at_fpir(
                found.mate_scores, found.ranks, found.top_scores, fpir
            )
            for fpir in FPIRS
        }
    if not draws:
        return
    mated = int(found.mated_people.max()) + 1
    people = mated + (int(found.nonmated_people.max()) + 1 if len(found.nonmated_people) else 0)

    def first(counts: Floats) -> float:
        return _mean(found.ranks == 1, counts[found.mated_people])

    def missed(counts: Floats) -> float:
        return metrics.fnir_at_fpir(
            found.mate_scores,
            found.ranks,
            found.top_scores,
            FPIRS[0],
            mated_weights=counts[found.mated_people],
            nonmated_weights=counts[mated + found.nonmated_people],
        )

    intervals["rank1"] = _interval(first, people, draws)
    if len(found.top_scores):
        intervals["fnir_at_fpir"] = {f"{FPIRS[0]:g}": _interval(missed, people, draws)}


def _mean(values: NDArray[Any], weights: Floats) -> float:
    """Weighted mean; a draw without any of these people (tiny sets) tells no more than the set."""
    return float(weights @ values / weights.sum()) if weights.any() else float(values.mean())


def _interval(statistic: Any, people: int, draws: int) -> list[float]:
    interval = metrics.bootstrap(statistic, people, draws=draws)
    return [interval.low, interval.high]
