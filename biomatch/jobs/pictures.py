"""What reports add to a candidate list from the database: pictures, decisions, models."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from biomatch import images, models
from biomatch.errors import RecordError, SharingError, UnreadableSampleError
from biomatch.report.sheet import Decision
from biomatch.types import Candidate

if TYPE_CHECKING:
    from biomatch.search import Database

__all__ = ["decisions_of", "models_of", "picture_source"]


def picture_source(
    db: "Database", *, redact: bool = False
) -> Callable[[Candidate], NDArray[Any] | None]:
    """Return what finds a candidate's picture: the one kept in the database, else its file."""

    def picture(candidate: Candidate) -> NDArray[Any] | None:
        if redact:
            return None
        try:
            kept = db.attachment(candidate.sample)
            _, record = db.sample(candidate.sample)
        except (RecordError, SharingError):
            return None
        source = kept[1] if kept else Path(record.source) if record.source else None
        if source is None:
            return None
        try:
            return images.read(source).pixels
        except UnreadableSampleError:
            return None

    return picture


def models_of(modality: str) -> list[dict[str, str]]:
    """Name, licence and sha256 of the models registered for a modality."""
    return [
        {"name": model.name, "licence": model.licence, "sha256": model.sha256}
        for model in models.registry().values()
        if str(model.contract.get("task", "")).startswith(modality)
    ]


def decisions_of(db: "Database", case: str) -> list[Decision]:
    """Conclusions recorded for a case, the second examiner's beside the first's."""
    if not case:
        return []
    recorded = db.decisions(case)
    checks = {decision.verifies: decision for decision in recorded if decision.verifies}
    return [
        Decision(
            subject=first.subject,
            conclusion=str(first.conclusion),
            examiner=first.examiner,
            second_examiner=checks[first.id].examiner if first.id in checks else None,
            second_conclusion=str(checks[first.id].conclusion) if first.id in checks else None,
            decided=first.at[:10],
            reason=first.reason or "",
        )
        for first in recorded
        if not first.verifies
    ]
