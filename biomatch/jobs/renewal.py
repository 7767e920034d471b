"""Make templates anew after a change of model, from the files that were kept."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biomatch.errors import BiomatchError, IntegrityError, UnreadableSampleError
from biomatch.jobs.outcome import Failure, Outcome
from biomatch.search import registry
from biomatch.types import ImpressionType, Sample

if TYPE_CHECKING:
    from biomatch.search import Database, SampleRecord

__all__ = ["re_enrol"]


def re_enrol(
    db: "Database",
    modality: str,
    *,
    options: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    advance: Callable[[int], None] = lambda _count: None,
    purpose: str | None = None,
    actor: str | None = None,
) -> Outcome:
    """Replace templates of other models by templates of the current one.

    Each sample is enrolled anew before the old one is deleted, so that a killed run loses
    nothing; sample identifiers change.

    Parameters
    ----------
    db
        The database.
    modality
        Registered name.
    options
        Extraction options, such as ``{"accuracy": "high"}``: then every sample is made anew.
    dry_run
        Only count.
    advance
        Called with the number of samples finished since the last call.
    purpose, actor
        For the audit trail.

    Returns
    -------
    Outcome
        `done` samples made anew, `skipped` that fit already, and failures.
    """
    current = None if options else registry.get(modality).model_id()
    outcome = Outcome()
    listed = [
        (subject.id, sample)
        for subject in db.subjects()
        for sample in subject.samples
        if sample.modality == modality
    ]
    for subject, sample in listed:
        if sample.model_id == current:
            outcome.skipped += 1
        elif dry_run:
            outcome.done += 1
        else:
            audit = (purpose, actor)
            _settle(outcome, _renew(db, subject, sample, options or {}, audit))
        advance(1)
    return outcome


def _settle(outcome: Outcome, result: "int | Failure") -> None:
    if isinstance(result, Failure):
        outcome.failures.append(result)
    else:
        outcome.done += 1
        outcome.templates += result


def _renew(
    db: "Database",
    subject: str,
    old: "SampleRecord",
    options: Mapping[str, Any],
    audit: tuple[str | None, str | None],
) -> "int | Failure":
    purpose, actor = audit
    try:
        with _file(db, old) as (path, kept):
            made = db.enrol(
                Sample(
                    old.modality,
                    path=path,
                    ppi=old.ppi,
                    finger_position=old.finger_position,
                    impression=ImpressionType(old.impression),
                    options=options,
                ),
                subject=subject,
                gallery=old.gallery,
                case=old.case,
                captured_on=old.captured_on,
                attach=kept,
                duplicates="allow",
                purpose=purpose,
                actor=actor,
            )
        db.delete(old.id, purpose=purpose, actor=actor)
    except IntegrityError:
        raise
    except BiomatchError as error:
        return Failure(f"{subject}/{old.id}", str(error), type(error).__name__)
    return len(made)


@contextmanager
def _file(db: "Database", old: "SampleRecord") -> "Iterator[tuple[Path, bool]]":
    """Give the sample's file: the kept copy, else the enrolled one if it is still the same."""
    kept = db.attachment(old.id)
    if kept is not None:
        with tempfile.TemporaryDirectory(prefix="biomatch-") as folder:
            path = Path(folder) / Path(kept[0]).name
            path.write_bytes(kept[1])
            yield path, True
        return
    path = Path(old.source or "")
    if not old.source or not path.is_file():
        raise UnreadableSampleError(
            f"sample {old.id}: its file {old.source or ''} is not there any more and was not "
            "kept in the database; enrol it again"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != old.sha256:
        raise UnreadableSampleError(
            f"sample {old.id}: {path} is not the file that was enrolled (its sha256 differs)"
        )
    yield path, False
