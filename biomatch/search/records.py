"""The records as callers see them: subjects and their samples."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from biomatch.database import schema
from biomatch.errors import RecordError

__all__ = [
    "Enrolled",
    "Rejected",
    "SampleRecord",
    "Subject",
    "find_subject",
    "key_of",
    "numbered",
    "subjects",
]

BLOCK = 500

DIGITS = 18
"""Most digits of a key: keys are 64-bit numbers."""


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """One enrolled sample.

    Attributes
    ----------
    id
        ``s`` and a number that is never used again.
    modality, finger_position, impression, quality, ppi
        What was enrolled.
    gallery
        Its home gallery.
    source, label, sha256, part
        File name, the name in the file, digest of the file, and which template of it.
    model_id
        What made the template.
    case, captured_on, created_at
        Case it belongs to, dates in ISO 8601.
    """

    id: str
    modality: str
    finger_position: int
    impression: str
    quality: float | None
    ppi: float | None
    gallery: str
    source: str | None
    label: str | None
    sha256: str
    part: int
    model_id: str
    case: str | None
    captured_on: str | None
    created_at: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One person, or one unknown donor of a trace.

    Attributes
    ----------
    id
        The caller's identifier.
    reference
        Random number shown instead of the id when only hit/no-hit is shared.
    owner
        Country or agency whose record it is.
    sex, year_of_birth, category
        What filters look at; None = unknown.
    galleries
        Watch-lists that the subject is on, beside its samples' home galleries.
    expires_on
        Retention date, ISO 8601.
    metadata
        Whatever the caller stored, JSON-able.
    samples
        Enrolled samples in the order of enrolment.
    """

    id: str
    reference: str
    owner: str | None
    sex: str | None
    year_of_birth: int | None
    category: str | None
    galleries: tuple[str, ...]
    expires_on: str | None
    created_at: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    samples: tuple[SampleRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Receipt of one committed template.

    Attributes
    ----------
    subject, sample
        Identifiers.
    modality, finger_position, quality
        What was enrolled.
    duplicate
        True: the same source was enrolled before; nothing was written and the identifiers are
        those of then.
    alerts
        Unsolved probes that this template may solve (see `Database.alerts`).
    """

    subject: str
    sample: str
    modality: str
    finger_position: int = 0
    quality: float | None = None
    duplicate: bool = False
    alerts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A source that could not be enrolled or searched, and why."""

    source: str
    error: str
    kind: str


def key_of(sample_id: str) -> int:
    """Return the key behind a sample identifier.

    Raises
    ------
    RecordError
        It is not one.
    """
    return numbered(sample_id, "s", "sample")


def numbered(name: str, letter: str, what: str) -> int:
    """Return the key behind an identifier made of a letter and a number.

    Raises
    ------
    RecordError
        It is not one, or has more digits than any key.
    """
    number = name.removeprefix(letter)
    if number == name or not (number.isascii() and number.isdecimal()) or len(number) > DIGITS:
        raise RecordError(f"'{name}' is no {what} id; they look like {letter}42")
    return int(number)


def find_subject(connection: Connection, subject_id: str) -> Row[Any]:
    """Return the row of one subject.

    Raises
    ------
    RecordError
        No such subject.
    """
    row = connection.execute(
        select(schema.subjects).where(schema.subjects.c.id == subject_id)
    ).first()
    if row is None:
        raise RecordError(f"no subject '{subject_id}' in the database")
    return row


def subjects(connection: Connection, keys: Sequence[int]) -> Iterator[Subject]:
    """Yield the subjects with the given keys, in that order."""
    for start in range(0, len(keys), BLOCK):
        block = list(keys[start : start + BLOCK])
        samples = _samples(connection, block)
        lists = _watch_lists(connection, block)
        query = select(schema.subjects).where(schema.subjects.c.key.in_(block))
        found = {row.key: row for row in connection.execute(query)}
        for key in block:
            if key in found:
                yield _subject(found[key], lists.get(key, ()), tuple(samples.get(key, ())))


def _subject(row: Row[Any], lists: Sequence[str], samples: tuple[SampleRecord, ...]) -> Subject:
    return Subject(
        id=row.id,
        reference=row.reference,
        owner=row.owner,
        sex=row.sex,
        year_of_birth=row.year_of_birth,
        category=row.category,
        galleries=tuple(lists),
        expires_on=row.expires_on,
        created_at=row.created_at,
        metadata=json.loads(row.metadata),
        samples=samples,
    )


def _watch_lists(connection: Connection, keys: Sequence[int]) -> dict[int, list[str]]:
    columns = schema.members.c
    found: dict[int, list[str]] = {}
    query = select(columns.subject_key, columns.gallery).where(columns.subject_key.in_(keys))
    for key, gallery in connection.execute(query.order_by(columns.gallery)):
        found.setdefault(key, []).append(gallery)
    return found


def _samples(connection: Connection, keys: Sequence[int]) -> dict[int, list[SampleRecord]]:
    joined = schema.samples.join(
        schema.templates, schema.templates.c.sample_key == schema.samples.c.key
    )
    query = (
        select(schema.samples, schema.templates.c.model_id)
        .select_from(joined)
        .where(schema.samples.c.subject_key.in_(keys))
        .order_by(schema.samples.c.key)
    )
    found: dict[int, list[SampleRecord]] = {}
    for row in connection.execute(query):
        found.setdefault(row.subject_key, []).append(
            SampleRecord(
                id=f"s{row.key}",
                modality=row.modality,
                finger_position=row.finger_position,
                impression=row.impression,
                quality=row.quality,
                ppi=row.ppi,
                gallery=row.gallery,
                source=row.source,
                label=row.label,
                sha256=row.sha256,
                part=row.part,
                model_id=row.model_id,
                case=row.case_id,
                captured_on=row.captured_on,
                created_at=row.created_at,
            )
        )
    return found
