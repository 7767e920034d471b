"""Comparison: the cosine of two templates, and of one probe with several of one person."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from biomatch.face.gallery import mismatch
from biomatch.face.template import FaceTemplate
from biomatch.types import FloatArray

__all__ = ["compare", "fuse", "gallery_vectors", "mean_vector"]


def compare(probe: FaceTemplate, references: Sequence[FaceTemplate]) -> FloatArray:
    """Compare one face with others.

    Parameters
    ----------
    probe
        From `extract`.
    references
        Templates of the same model set.

    Returns
    -------
    numpy.ndarray
        Cosines, shape (n,), -1 to 1. What a score means is told by
        ``biomatch.face.calibration.shipped(probe.model_id)``: never take it as a percentage.

    Raises
    ------
    TemplateMismatchError
        A reference was made by another model or aligner.
    """
    for reference in references:
        if reference.model_id != probe.model_id:
            raise mismatch(probe.model_id, reference.model_id)
    if not references:
        return np.zeros(0)
    vectors = np.stack([reference.embedding for reference in references])
    return (vectors @ probe.embedding).astype(np.float64)


def fuse(probe: FaceTemplate, references: Sequence[FaceTemplate], scores: FloatArray) -> float:
    """Score one probe against several references of one person.

    The references' vectors are averaged with their quality as weight; the mean smooths out
    what is particular to one picture. The answer is the cosine with that mean, or the best single
    cosine where that is higher (a picture much like the probe).
    """
    if len(references) < 2:
        return float(np.max(scores, initial=-np.inf))
    return max(float(mean_vector(references) @ probe.embedding), float(np.max(scores)))


def mean_vector(references: Sequence[FaceTemplate]) -> NDArray[np.float32]:
    """Return the unit mean of one person's vectors, weighted with quality (at least 1 of 100)."""
    weights = [max(1.0, float(np.nan_to_num(r.quality.value, nan=50.0))) for r in references]
    total = np.array(weights) @ np.stack([reference.embedding for reference in references])
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32)


def gallery_vectors(
    people: Sequence[Sequence[FaceTemplate]],
) -> Callable[[FaceTemplate], FloatArray]:
    """Return a function that scores a probe against each person as `fuse` does, at once."""
    rows = [t.embedding for templates in people for t in templates]
    owner = [i for i, templates in enumerate(people) for _ in templates]
    several = [i for i, templates in enumerate(people) if len(templates) > 1]
    rows += [mean_vector(people[i]) for i in several]
    matrix, columns = np.stack(rows), np.array([*owner, *several])

    def score(probe: FaceTemplate) -> FloatArray:
        best = np.full(len(people), -np.inf)
        np.maximum.at(best, columns, matrix @ probe.embedding)
        return best

    return score
