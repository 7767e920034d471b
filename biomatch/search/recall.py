"""What the shortlist loses: normal searches beside exhaustive ones on the gallery itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from biomatch.database import Store, schema
from biomatch.search import registry
from biomatch.search.searcher import Query, Searcher
from biomatch.search.sources import Extracted
from biomatch.types import CandidateList, Sample

__all__ = ["IndexRecall", "measure"]

DEPTH = 10


@dataclass(frozen=True, slots=True)
class IndexRecall:
    """How a modality's shortlist compares with comparing every record.

    Attributes
    ----------
    modality
        Registered name.
    probes
        Enrolled templates that were searched, spread evenly over the records.
    same_first
        Share of probes whose best candidate (other than the probe's own subject) is the same.
    recall
        Share of the exhaustive searches' first ten such candidates that the normal ones list;
        1 when there are none to be found.
    penetration
        Mean share of the gallery that the normal searches compared exactly.
    """

    modality: str
    probes: int
    same_first: float
    recall: float
    penetration: float


def measure(
    store: Store, searcher: Searcher, modality: str, probes: int, normal: Query, full: Query
) -> IndexRecall:
    """Search enrolled templates twice, once with the shortlist and once without."""
    chosen = _spread(store, modality, probes)
    if not chosen:
        return IndexRecall(modality, 0, 1.0, 1.0, 1.0)
    questions = [[one] for one in chosen]
    fast = searcher.search(questions, normal)
    exact = searcher.search(questions, full)
    names = [str(one.sample.label) for one in chosen]
    first = [
        _others(f, n)[:1] == _others(e, n)[:1] for f, e, n in zip(fast, exact, names, strict=True)
    ]
    kept = [
        (len(set(_others(e, n)) & set(_others(f, n))), len(_others(e, n)))
        for f, e, n in zip(fast, exact, names, strict=True)
    ]
    wanted = sum(count for _, count in kept)
    return IndexRecall(
        modality=modality,
        probes=len(chosen),
        same_first=sum(first) / len(first),
        recall=sum(hit for hit, _ in kept) / wanted if wanted else 1.0,
        penetration=sum(f.penetration for f in fast) / len(fast),
    )


def _others(answer: CandidateList, own: str) -> Sequence[str]:
    return [c.subject for c in answer if c.subject != own][:DEPTH]


def _spread(store: Store, modality: str, count: int) -> list[Extracted]:
    t, s, p = schema.templates.c, schema.samples.c, schema.subjects.c
    with store.read() as connection:
        keys = list(connection.execute(select(t.key).where(t.modality == modality)).scalars())
        step = max(1, len(keys) // max(1, count))
        query = (
            select(t.blob, p.id, s.finger_position)
            .join(schema.samples, s.key == t.sample_key)
            .join(schema.subjects, p.key == t.subject_key)
            .where(t.key.in_(sorted(keys)[::step][:count]))
            .order_by(t.key)
        )
        found = connection.execute(query).all()
    reader = registry.get(modality)
    extracted = []
    for row in found:
        template = reader.loads(bytes(row.blob))
        sample = Sample(
            modality, template=template, label=row.id, finger_position=row.finger_position
        )
        extracted.append(Extracted(modality, template, sample, "", 0, traced=False))
    return extracted
