"""Grouping unlabelled faces into people, and finding label errors in a gallery.

Both rest on one graph: pairs of faces whose cosine reaches a threshold, found by exact matrix
products block by block, so that memory stays small.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import OptionError
from biomatch.face import calibration, embedding
from biomatch.face.gallery import mismatch
from biomatch.face.template import FaceTemplate

__all__ = ["Suspicion", "cluster", "least_score", "suspicions"]

BLOCK = 1024
CLUSTER_FMR = 1e-5
SUSPICION_FMR = 1e-6
STRANGER_SHARE = 0.5
"""Share of the threshold that a photograph must not reach with any other of its subject."""
Rows = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Two subjects of a gallery who may be one person, or a photograph under a wrong name.

    Attributes
    ----------
    kind
        ``"one person"``: all that is known of both fits one person; ``"wrong label"``: the
        photograph `row` fits the other subject and not its own; ``"stranger"``: it fits neither
        its own subject nor anybody else.
    subject, other
        Names as given; `other` is empty for a stranger.
    row, other_row
        Numbers of the two most alike photographs; -1 for a stranger.
    score
        Their cosine; for a stranger the best with its own subject.
    support
        Mean cosine of `row` with the other photographs of its own subject; NaN if it is alone.
    """

    kind: str
    subject: str
    other: str
    row: int
    other_row: int
    score: float
    support: float


def least_score(
    accuracy: str,
    fmr: float,
    threshold: float | None = None,
    own: Path | str | None = None,
) -> float:
    """Find the cosine from which two faces count as one person, before any face is extracted.

    Parameters
    ----------
    accuracy
        Model set.
    fmr
        False match rate.
    threshold
        Cosine that is used instead.
    own
        Calibration file of one's own; None = the shipped one.

    Raises
    ------
    OptionError
        No calibration for the model and no threshold, a rate that the calibration cannot tell,
        a threshold that is no cosine, or a calibration of another model.
    FormatError
        The calibration file cannot be read.
    """
    model_id = embedding.model_set(accuracy).model_id
    table = calibration.read(own) if own else calibration.shipped(model_id)
    if table and table.model_id != model_id:
        raise OptionError(f"{own}: was fitted for '{table.model_id}' and not for '{model_id}'")
    return _threshold(model_id, table, fmr, threshold)


def cluster(
    templates: Sequence[FaceTemplate], *, fmr: float = CLUSTER_FMR, threshold: float | None = None
) -> Rows:
    """Group faces into people by average linkage.

    Two groups are joined while the mean cosine between their faces reaches the threshold, the
    most alike first. Groups can only form inside connected parts of the threshold graph, so the
    linkage runs part by part.

    Parameters
    ----------
    templates
        Of one model set.
    fmr
        False match rate whose shipped threshold is used.
    threshold
        Cosine to use instead.

    Returns
    -------
    numpy.ndarray
        (n,) numbers of people from 0, largest group first.

    Raises
    ------
    TemplateMismatchError
        The templates come from different models.
    OptionError
        No calibration for the model, and no threshold given.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if not templates:
        return np.zeros(0, np.int64)
    model_id = templates[0].model_id
    least = _threshold(model_id, calibration.shipped(model_id), fmr, threshold)
    vectors = _vectors(templates)
    parts = _components(vectors, least)
    labels = np.zeros(len(vectors), np.int64)
    for part in np.unique(parts):
        rows = np.flatnonzero(parts == part)
        groups = np.ones(len(rows), np.int64)
        if len(rows) > 2:
            distance = 1 - (vectors[rows] @ vectors[rows].T)[np.triu_indices(len(rows), 1)]
            tree = linkage(np.clip(distance.astype(np.float64), 0, 2), "average")
            groups = fcluster(tree, 1 - least, "distance").astype(np.int64)
        labels[rows] = labels.max() + groups
    _, numbered, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return rank[numbered]


def suspicions(
    templates: Sequence[FaceTemplate],
    subjects: Sequence[str],
    *,
    fmr: float = SUSPICION_FMR,
    threshold: float | None = None,
) -> list[Suspicion]:
    """Find subjects who are probably one person, and photographs under a wrong name.

    Parameters
    ----------
    templates
        Of one model set.
    subjects
        Name of each template's subject.
    fmr, threshold
        As in `cluster`.

    Returns
    -------
    list of Suspicion
        One a pair of subjects, most alike first, then the strangers. Twins look like one
        person, and bad photographs like strangers: look before changing a record.

    Raises
    ------
    TemplateMismatchError, OptionError
        As in `cluster`; or another count of names than of templates.
    """
    if len(templates) != len(subjects):
        raise OptionError(f"{len(templates)} templates with {len(subjects)} subjects")
    if not templates:
        return []
    model_id = templates[0].model_id
    least = _threshold(model_id, calibration.shipped(model_id), fmr, threshold)
    vectors = _vectors(templates)
    names, numbers = np.unique(np.array(subjects), return_inverse=True)
    best: dict[tuple[int, int], tuple[float, int, int]] = {}
    for a, b, scores in _pairs(vectors, least):
        other = numbers[a] != numbers[b]
        for row, other_row, score in zip(a[other], b[other], scores[other], strict=True):
            low, high = sorted((int(numbers[row]), int(numbers[other_row])))
            if score > best.get((low, high), (-2.0, 0, 0))[0]:
                best[low, high] = (float(score), int(row), int(other_row))
    found = [_judged(vectors, numbers, names, least, entry) for entry in best.values()]
    named = {suspicion.row for suspicion in found}
    strangers = [s for s in _strangers(vectors, numbers, names, least) if s.row not in named]
    return sorted(found, key=lambda s: -s.score) + sorted(strangers, key=lambda s: s.support)


def _judged(
    vectors: Floats,
    numbers: NDArray[np.int64],
    names: NDArray[np.str_],
    least: float,
    entry: tuple[float, int, int],
) -> Suspicion:
    score, *rows = entry
    supports = []
    for row in rows:
        own = np.flatnonzero(numbers == numbers[row])
        own = own[own != row]
        supports.append(float((vectors[own] @ vectors[row]).mean()) if len(own) else np.nan)
    odd = int(np.nanargmin(supports)) if not np.isnan(supports).all() else 0
    wrong = supports[odd] < least / 2
    row, other = rows[odd], rows[1 - odd]
    return Suspicion(
        kind="wrong label" if wrong else "one person",
        subject=str(names[numbers[row]]),
        other=str(names[numbers[other]]),
        row=row,
        other_row=other,
        score=score,
        support=supports[odd],
    )


def _strangers(
    vectors: Floats, numbers: NDArray[np.int64], names: NDArray[np.str_], least: float
) -> Iterator[Suspicion]:
    """Photographs that fit none of their own subject's others.

    Of two photographs that do not fit each other, which is the stranger cannot be told: the
    second stands for both.
    """
    for number in np.flatnonzero(np.bincount(numbers) > 1):
        rows = np.flatnonzero(numbers == number)
        scores = vectors[rows] @ vectors[rows].T
        np.fill_diagonal(scores, -1.0)
        best = scores.max(axis=1)
        support = (scores.sum(axis=1) + 1) / (len(rows) - 1)
        unfit = np.flatnonzero(best < least * STRANGER_SHARE)
        for i in unfit[1:] if len(unfit) == len(rows) else unfit:
            subject, row = str(names[number]), int(rows[i])
            yield Suspicion("stranger", subject, "", row, -1, float(best[i]), float(support[i]))


def _threshold(
    model_id: str,
    table: calibration.FaceCalibration | None,
    fmr: float,
    threshold: float | None,
) -> float:
    if threshold is not None:
        if not -1 <= threshold <= 1:
            raise OptionError(f"threshold is {threshold}; a cosine lies between -1 and 1")
        return threshold
    if table is None:
        raise OptionError(
            f"no calibration for '{model_id}': give a threshold, or a calibration of your own "
            "(`biomatch calibrate face`)"
        )
    return table.threshold(fmr)


def _vectors(templates: Sequence[FaceTemplate]) -> Floats:
    for template in templates:
        if template.model_id != templates[0].model_id:
            raise mismatch(template.model_id, templates[0].model_id)
    return np.stack([template.embedding for template in templates])


def _pairs(vectors: Floats, least: float) -> Iterator[tuple[Rows, Rows, Floats]]:
    """Rows a < b with cosine `least` or more, a block of rows at a time."""
    for start in range(0, len(vectors), BLOCK):
        scores = vectors[start : start + BLOCK] @ vectors[start:].T
        a, b = np.nonzero(np.triu(scores >= least, 1))
        yield a + start, b + start, scores[a, b]


def _components(vectors: Floats, least: float) -> Rows:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    found = [(a, b) for a, b, _ in _pairs(vectors, least)]
    a, b = (np.concatenate(side) for side in zip(*found, strict=True))
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(vectors), len(vectors)))
    _, labels = connected_components(graph, directed=False)
    return np.asarray(labels, np.int64)
