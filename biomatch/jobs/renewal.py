"""Make templates anew after a change of model, from the files that were kept."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biomatch.errors import BiomatchError, IntegrityError, UnreadableSampleError
from biomatch.jobs.items import held
from biomatch.jobs.outcome import Failure, Outcome
from biomatch.search import registry
from biomatch.search.sources import Extracted, extract
from biomatch.types import FingerPosition, ImpressionType, Sample

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
    parts: dict[str, set[int]] = {}
    for _, sample in listed:
        parts.setdefault(sample.sha256, set()).add(sample.part)
    for subject, sample in listed:
        if sample.model_id == current:
            outcome.skipped += 1
        elif dry_run:
            outcome.done += 1
        else:
            count, audit = len(parts[sample.sha256]), (purpose, actor)
            _settle(outcome, _renew(db, subject, sample, count, options or {}, audit))
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
    count: int,
    options: Mapping[str, Any],
    audit: tuple[str | None, str | None],
) -> "int | Failure":
    purpose, actor = audit
    try:
        with _file(db, old) as (path, kept):
            sample = _sample(path, old)
            stated = replace(
                sample,
                ppi=old.ppi or sample.ppi,
                sha256=old.sha256,
                finger_position=FingerPosition(old.finger_position),
                impression=ImpressionType(old.impression),
                options={**sample.options, **options},
            )
            made = db.enrol(
                _same(extract(stated), old, count),
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


def _sample(path: Path, old: "SampleRecord") -> Sample:
    """Find the sample again in its file, which may hold several."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for sample in held(path, old.modality):
        if (sample.sha256 or digest) == old.sha256:
            return sample
    raise UnreadableSampleError(
        f"sample {old.id}: {path} is not the file that was enrolled (its sha256 differs)"
    )


def _same(found: Sequence[Extracted], old: "SampleRecord", count: int) -> Extracted:
    """Find the template again among those of its source, which may be of several people.

    By its name, else by its place if there are as many as the `count` that were enrolled.
    """
    named = [one for one in found if old.label is not None and one.label == old.label]
    if len(named) == 1:
        return named[0]
    if len(found) == count and old.part < count:
        return found[old.part]
    raise UnreadableSampleError(
        f"sample {old.id}: {count} templates of its file are enrolled, and it gives {len(found)} "
        f"now, so that it is not known which is whose; delete {old.id} and enrol the file again"
    )


@contextmanager
def _file(db: "Database", old: "SampleRecord") -> "Iterator[tuple[Path, bool]]":
    """Give the sample's file: the kept copy, else the enrolled one."""
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
    yield path, False
