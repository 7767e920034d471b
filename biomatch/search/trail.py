"""Writing down what was searched and found."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from biomatch.database import Writer, schema
from biomatch.database.audit import canonical
from biomatch.database.store import now
from biomatch.search.searcher import Query
from biomatch.search.sources import Extracted
from biomatch.types import CandidateList

__all__ = ["record_searches"]


def record_searches(
    writer: Writer,
    probes: Sequence[Sequence[Extracted]],
    answers: Sequence[CandidateList],
    query: Query,
    *,
    actor: str | None,
    purpose: str | None,
    case: str | None,
) -> list[str]:
    """Keep each search with its candidate list and audit row; returns the searches' ids."""
    at = now()
    ids = []
    searches: list[dict[str, Any]] = []
    candidates: list[dict[str, Any]] = []
    for probe, answer in zip(probes, answers, strict=True):
        key = writer.draw()
        ids.append(f"q{key}")
        digest = probe[0].sha256 if probe else None
        searches.append(
            {
                "key": key,
                "at": at,
                "actor": actor,
                "purpose": purpose,
                "case_id": case,
                "as_owner": query.scope.owner,
                "modality": answer.modality,
                "probe": answer.probe,
                "probe_sha256": digest,
                "parameters": canonical(
                    {
                        "k": query.k,
                        "filters": query.scope.filters.described(),
                        "exhaustive": query.exhaustive,
                        "shortlist": query.shortlist,
                        "options": dict(query.options),
                    }
                ),
                "generation": answer.generation,
                "coverage": canonical(asdict(answer.coverage)),
                "complete": answer.complete,
                "calibration": answer.calibration,
                "versions": canonical(dict(answer.versions)),
            }
        )
        candidates.extend(
            {
                "search_key": key,
                "rank": c.rank,
                "subject": c.subject,
                "sample": c.sample,
                "owner": c.owner,
                "finger_position": c.finger_position,
                "score": c.score,
                "log10_lr": c.log10_lr,
                "fmr": c.fmr,
                "expected_false": c.expected_false,
                "parts": canonical(dict(c.parts)),
            }
            for c in answer
        )
        writer.audit(
            "search",
            {
                "search": ids[-1],
                "probe": answer.probe,
                "sha256": digest,
                "modality": answer.modality,
                "as_owner": query.scope.owner,
                "candidates": len(answer),
                "coverage": str(answer.coverage),
            },
            actor=actor,
            purpose=purpose,
            case=case,
        )
    writer.insert(schema.searches, searches)
    writer.insert(schema.candidates, candidates)
    return ids
