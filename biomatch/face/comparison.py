"""Comparison: the cosine of two templates, and of one probe with several of one person."""

from collections.abc import Sequence

import numpy as np

from biomatch.face.gallery import mismatch
from biomatch.face.template import FaceTemplate
from biomatch.types import FloatArray

__all__ = ["compare", "fuse"]


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
    weights = np.array([max(1.0, np.nan_to_num(r.quality.value, nan=50.0)) for r in references])
    mean = weights @ np.stack([reference.embedding for reference in references])
    cosine = float(mean @ probe.embedding / max(float(np.linalg.norm(mean)), 1e-9))
    return max(cosine, float(np.max(scores)))
