"""Measure on the gallery itself what the shortlist loses against comparing everything."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from biomatch.errors import RecordError
from biomatch.types import CandidateList, Probe

if TYPE_CHECKING:
    from biomatch.search import Database

__all__ = ["Recall", "index_recall"]

DEPTH = 10


@dataclass(frozen=True, slots=True)
class Recall:
    """How often the shortlist gives the answer of the exhaustive search.

    Attributes
    ----------
    modality
        Registered name.
    probes
        Enrolled samples that served as probes; the probe's own subject never counts.
    best_found
        Share of probes whose best other subject the shortlist finds as well.
    ten_found
        Share of the ten best other subjects that the shortlist finds as well.
    penetration
        Mean share of the gallery that was compared exactly.
    """

    modality: str
    probes: int
    best_found: float
    ten_found: float
    penetration: float


def index_recall(
    db: "Database",
    modality: str,
    *,
    probes: int = 100,
    seed: int = 1,
    advance: Callable[[int], None] = lambda _count: None,
) -> Recall:
    """Search enrolled samples with and without the shortlist and compare the answers.

    Parameters
    ----------
    db
        The database; the searches are audited with the purpose "index recall".
    modality
        Registered name.
    probes
        Samples drawn at random.
    seed
        Of the draw.
    advance
        Called with the number of probes finished since the last call.

    Raises
    ------
    RecordError
        Fewer than two subjects have such samples.
    """
    listed = [
        (subject.id, sample.id)
        for subject in db.subjects()
        for sample in subject.samples
        if sample.modality == modality
    ]
    if len({subject for subject, _ in listed}) < 2:
        raise RecordError(f"fewer than two subjects have {modality} samples: nothing to measure")
    order = np.random.default_rng(seed).permutation(len(listed))
    drawn = [listed[row] for row in order[:probes]]
    best = shared = wanted = 0
    penetration = 0.0
    for subject, sample in drawn:
        probe = Probe(modality, (db.template(sample),), label=sample)
        quick, whole = (
            db.search(probe, k=DEPTH + 1, exhaustive=exhaustive, explain=0, purpose="index recall")
            for exhaustive in (False, True)
        )
        found, truth = _others(quick, subject), _others(whole, subject)
        best += not truth or truth[0] in found
        shared += len(set(truth) & set(found))
        wanted += len(truth)
        penetration += quick.penetration
        advance(1)
    count = len(drawn)
    return Recall(modality, count, best / count, shared / max(wanted, 1), penetration / count)


def _others(answer: CandidateList, subject: str) -> list[str]:
    return [candidate.subject for candidate in answer if candidate.subject != subject][:DEPTH]
