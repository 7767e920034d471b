"""Searching one part of a gallery: the unit of work that every executor distributes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.search.filters import Scope
from biomatch.search.index import PartView

__all__ = ["Found", "Job", "nothing", "scan"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Job:
    """Templates to look for in parts of a gallery, picklable.

    Attributes
    ----------
    modality, model_id
        What the templates are; parts made by another model are not compared.
    templates
        The probes.
    scope
        What they may see.
    size
        Rows that stage 1 hands to stage 2.
    pool
        Subjects returned a probe and part.
    exhaustive
        Compare every allowed row.
    options
        The modality's comparison options.
    subjects
        When given (keys, one array a probe), all allowed rows of just these subjects are
        compared instead.
    widen
        Compare all references in the part of each subject found, not only those that stage 1
        offered.
    """

    modality: str
    model_id: str
    templates: tuple[Any, ...]
    scope: Scope
    size: int
    pool: int
    exhaustive: bool = False
    options: object | None = None
    subjects: tuple[Ints, ...] | None = None
    widen: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What one probe found in one part, by score descending.

    Attributes
    ----------
    keys, samples, subjects, positions, scores
        One entry a row, shape (m,).
    compared
        Rows that stage 2 saw.
    passed
        Rows that count and pass the filter.
    """

    keys: Ints
    samples: Ints
    subjects: Ints
    positions: NDArray[np.int16]
    scores: Floats
    compared: int
    passed: int

    def __len__(self) -> int:
        return len(self.keys)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as one block of bytes: five arrays would take ten times as long to pickle."""
        columns = (self.keys, self.samples, self.subjects, self.scores, self.positions)
        block = b"".join([column.tobytes() for column in columns])
        return _unpacked, (block, self.compared, self.passed)


def _unpacked(block: bytes, compared: int, passed: int) -> Found:
    count = len(block) // 34  # four columns of 8 bytes and one of 2
    keys, samples, subjects = np.frombuffer(block, np.int64, 3 * count).reshape(3, count)
    scores = np.frombuffer(block, np.float64, count, 24 * count)
    positions = np.frombuffer(block, np.int16, count, 32 * count)
    return Found(keys, samples, subjects, positions, scores, compared, passed)


def scan(view: PartView, job: Job) -> list[Found]:
    """Search one part for every template of the job."""
    allowed = _allowed(view, job.scope)
    passed = len(view.part) if allowed is None else int(np.count_nonzero(allowed))
    if passed == 0:
        return [nothing() for _ in job.templates]
    found = []
    for template, (rows, scores) in zip(job.templates, _compared(view, job, allowed), strict=True):
        best = _best(view, rows, scores, job.pool, passed)
        several = len(view.part.people) < len(view.part)
        if job.widen and several and best.compared < passed:
            best = _widened(view, template, rows, best, job, allowed)
        found.append(best)
    return found


def _widened(
    view: PartView,
    template: Any,
    rows: Ints,
    best: Found,
    job: Job,
    allowed: NDArray[np.bool_] | None,
) -> Found:
    """Compare the other references of the subjects found, which stage 1 did not offer."""
    theirs = view.part.columns.rows_of(np.unique(best.subjects))
    if allowed is not None:
        theirs = theirs[allowed[theirs]]
    if len(theirs) <= len(best):
        return best
    scores = view.part.gallery.compare(template, theirs, options=job.options)
    wider = _best(view, theirs, scores, len(theirs), best.passed)
    return replace(wider, compared=len(np.union1d(rows, theirs)))


def _allowed(view: PartView, scope: Scope) -> NDArray[np.bool_] | None:
    mask = view.part.mask(scope)
    if mask is None:
        return view.alive
    return mask if view.alive is None else mask & view.alive


def _compared(
    view: PartView, job: Job, allowed: NDArray[np.bool_] | None
) -> Iterator[tuple[Ints, Floats]]:
    """Rows and scores for each template, by both stages or by one that does the work of both."""
    gallery, options = view.part.gallery, job.options
    best = getattr(gallery, "best", None)
    if best is not None and job.subjects is None and not job.exhaustive:
        yield from best(job.templates, job.size, allowed=allowed, options=options)
        return
    for template, rows in zip(job.templates, _stage_one(view, job, allowed), strict=True):
        yield rows, gallery.compare(template, rows, options=options)


def _stage_one(view: PartView, job: Job, allowed: NDArray[np.bool_] | None) -> list[Ints]:
    if job.subjects is not None:
        each = [view.part.columns.rows_of(subjects) for subjects in job.subjects]
        return each if allowed is None else [rows[allowed[rows]] for rows in each]
    if job.exhaustive:
        everything = np.arange(len(view.part)) if allowed is None else np.flatnonzero(allowed)
        return [everything] * len(job.templates)
    return view.part.gallery.shortlist(
        job.templates, job.size, allowed=allowed, options=job.options
    )


def _best(view: PartView, rows: Ints, scores: Floats, pool: int, passed: int) -> Found:
    columns = view.part.columns
    compared = len(rows)
    possible = ~np.isneginf(scores) & ~np.isnan(scores)
    rows, scores = rows[possible], np.asarray(scores[possible], dtype=np.float64)
    order = np.lexsort((columns.keys[rows], -scores))
    rows, scores = rows[order], scores[order]
    subjects = np.asarray(columns.subjects[rows])
    if len(rows) > pool:
        kept = _of_first(subjects, scores, pool)
        rows, scores, subjects = rows[kept], scores[kept], subjects[kept]
    return Found(
        keys=np.asarray(columns.keys[rows]),
        samples=np.asarray(columns.samples[rows]),
        subjects=subjects,
        positions=np.asarray(columns.positions[rows]),
        scores=scores,
        compared=compared,
        passed=passed,
    )


def _of_first(subjects: Ints, scores: Floats, pool: int) -> NDArray[np.bool_] | slice:
    """Every row of the first `pool` subjects, and of whoever ties with the last of them.

    Rows come by score descending.
    """
    _, first = np.unique(subjects, return_index=True)
    if len(first) <= pool:
        return slice(None)
    if len(first) == len(subjects):
        return slice(int(np.searchsorted(-scores, -scores[pool - 1], side="right")))
    edge = scores[np.sort(first)[pool - 1]]
    return np.isin(subjects, subjects[first[scores[first] >= edge]])


def nothing() -> Found:
    """Return the findings of an empty part."""
    none = np.empty(0, dtype=np.int64)
    return Found(none, none, none, np.empty(0, np.int16), np.empty(0), 0, 0)
