"""Enrolling: templates, their subjects, samples and audit rows in one transaction."""

import datetime as dt
import json
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from biomatch.database import Writer, schema
from biomatch.database.store import now
from biomatch.errors import DuplicateError, OptionError
from biomatch.search import registry
from biomatch.search.filters import sex_of
from biomatch.search.records import Enrolled
from biomatch.search.sources import Extracted

__all__ = ["Entry", "Person", "enrol", "known", "refresh", "remove", "withdraw"]


@dataclass(frozen=True, slots=True)
class Person:
    """What is said of a subject at enrolment; None = nothing said.

    Attributes
    ----------
    owner
        Country or agency.
    sex
        ``M``, ``F`` or ``X`` (also ``male``, ``female``, ``other``).
    year_of_birth
        1850 to this year.
    category
        Free word, for example ``convicted``, ``missing``, ``staff``.
    expires_on
        Retention date, ISO 8601.
    metadata
        JSON-able.
    """

    owner: str | None = None
    sex: str | None = None
    year_of_birth: int | None = None
    category: str | None = None
    expires_on: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.sex is not None:
            object.__setattr__(self, "sex", sex_of(self.sex))
        if self.year_of_birth is not None:
            try:
                year = int(self.year_of_birth)
            except (TypeError, ValueError):
                year = 0
            if not 1850 <= year <= dt.datetime.now(dt.UTC).year:
                raise OptionError(f"year of birth {self.year_of_birth} is not between 1850 and now")
            object.__setattr__(self, "year_of_birth", year)
        if self.expires_on is not None:
            object.__setattr__(self, "expires_on", dated(self.expires_on, "retention date"))


def dated(value: str | dt.date, what: str) -> str:
    """Return a date in ISO 8601 form.

    Raises
    ------
    OptionError
        It is none.
    """
    try:
        return dt.date.fromisoformat(str(value)).isoformat()
    except (TypeError, ValueError) as error:
        raise OptionError(f"{what} '{value}' is not a date like 2030-12-31") from error


@dataclass(frozen=True, slots=True)
class Entry:
    """One template ready to be enrolled.

    Attributes
    ----------
    extracted
        Template and origin.
    subject
        Subject id; None = the template's own label, else a new number.
    person
        What is said of the subject.
    gallery
        Home gallery of the sample.
    case, captured_on
        Case the sample belongs to, and its date.
    attach
        Keep the source file in the database; an error for a source that is no file.
    once
        Do not enrol it when another process enrolled the same source meanwhile.
    """

    extracted: Extracted
    subject: str | None
    person: Person
    gallery: str
    case: str | None = None
    captured_on: str | None = None
    attach: bool = False
    once: bool = False

    def __post_init__(self) -> None:
        if self.captured_on is not None:
            object.__setattr__(self, "captured_on", dated(self.captured_on, "capture date"))
        if self.subject is not None:
            object.__setattr__(self, "subject", str(self.subject))


def known(
    connection: Connection,
    sha256: str,
    modality: str,
    subject: str | None,
    owner: str | None = None,
) -> list[Enrolled]:
    """Receipts of what was enrolled from the source with this digest, to an owner its own only.

    Raises
    ------
    DuplicateError
        It was enrolled as another than `subject`.
    """
    before = _receipts(connection, sha256, modality, owner)
    if subject is None or not before or any(r.subject == str(subject) for r in before):
        return before
    raise DuplicateError(
        f"this source was enrolled before, as subject '{before[0].subject}', not "
        f"'{subject}'; enrol it with duplicates='allow' if both are meant"
    )


def _receipts(
    connection: Connection, sha256: str, modality: str, owner: str | None
) -> list[Enrolled]:
    joined = schema.samples.join(
        schema.subjects, schema.subjects.c.key == schema.samples.c.subject_key
    )
    columns = schema.samples.c
    query = (
        select(columns.key, columns.finger_position, columns.quality, schema.subjects.c.id)
        .select_from(joined)
        .where(columns.sha256 == sha256, columns.modality == modality)
        .order_by(columns.key)
    )
    if owner is not None:
        query = query.where(schema.subjects.c.owner == owner)
    return [
        Enrolled(row.id, f"s{row.key}", modality, row.finger_position, row.quality, duplicate=True)
        for row in connection.execute(query)
    ]


def enrol(
    writer: Writer,
    entries: Sequence[Entry],
    *,
    actor: str | None = None,
    purpose: str | None = None,
    as_owner: str | None = None,
) -> list[Enrolled]:
    """Write all entries, or none.

    Raises
    ------
    DuplicateError
        A subject's owner, sex, year of birth or category differs from the record's, the record
        is not that of `as_owner`, who enrols, or the source was enrolled as another meanwhile.
    """
    before = _meanwhile(writer.connection, entries, as_owner)
    batch = _Batch(writer, as_owner)
    receipts = [before.get(i) or batch.add(entry) for i, entry in enumerate(entries)]
    batch.write()
    for entry, receipt in zip(entries, receipts, strict=True):
        if receipt.duplicate:
            continue
        writer.audit(
            "enrol",
            {
                "subject": receipt.subject,
                "sample": receipt.sample,
                "modality": receipt.modality,
                "finger_position": receipt.finger_position,
                "gallery": entry.gallery,
                "sha256": entry.extracted.sha256,
                "part": entry.extracted.part,
            },
            actor=actor,
            purpose=purpose,
            case=entry.case,
        )
    return receipts


def _meanwhile(
    connection: Connection, entries: Sequence[Entry], owner: str | None
) -> dict[int, Enrolled]:
    """Receipts of entries that were enrolled after they had been looked for, by their place."""
    digests = sorted({entry.extracted.sha256 for entry in entries if entry.once})
    present: set[str] = set()
    column = schema.samples.c.sha256
    for start in range(0, len(digests), 500):
        query = select(column).where(column.in_(digests[start : start + 500]))
        present.update(connection.execute(query).scalars())
    found = {}
    for place, entry in enumerate(entries):
        one = entry.extracted
        if not entry.once or one.sha256 not in present:
            continue
        if before := known(connection, one.sha256, one.modality, entry.subject, owner):
            found[place] = before[min(one.part, len(before) - 1)]
    return found


class _Batch:
    """Rows of one enrolment, gathered to be inserted table by table."""

    def __init__(self, writer: Writer, as_owner: str | None) -> None:
        self.writer = writer
        self.as_owner = as_owner
        self.at = now()
        self.pending: dict[str, dict[str, Any]] = {}
        self.samples: list[dict[str, Any]] = []
        self.templates: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []
        self.keys: dict[str, int] = {}
        self.galleries: set[str] = set()

    def add(self, entry: Entry) -> Enrolled:
        extracted = entry.extracted
        modality = registry.get(extracted.modality)
        quality = modality.quality(extracted.template)
        self._gallery(entry)
        subject_id, subject_key = self._subject(entry)
        key = self.writer.draw(2)
        sample = extracted.sample
        self.samples.append(
            {
                "key": key,
                "subject_key": subject_key,
                "modality": extracted.modality,
                "gallery": entry.gallery,
                "finger_position": extracted.finger_position,
                "impression": str(sample.impression),
                "quality": None if math.isnan(quality) else float(quality),
                "ppi": extracted.ppi,
                "source": str(sample.path) if sample.path else None,
                "label": extracted.label,
                "sha256": extracted.sha256,
                "part": extracted.part,
                "case_id": entry.case,
                "captured_on": entry.captured_on,
                "created_at": self.at,
            }
        )
        self.templates.append(
            {
                "key": key + 1,
                "seq": key + 1,
                "sample_key": key,
                "subject_key": subject_key,
                "modality": extracted.modality,
                "model_id": modality.model_id(extracted.template),
                "blob": modality.dumps(extracted.template),
            }
        )
        if entry.attach:
            if sample.path is None:
                raise OptionError(
                    f"{sample.name}: attach=True keeps a file in the database, and this source is "
                    "none: give its path instead of its content, or leave attach out"
                )
            self.images.append(
                {"sample_key": key, "name": sample.path.name, "content": sample.path.read_bytes()}
            )
        return Enrolled(
            subject_id,
            f"s{key}",
            extracted.modality,
            extracted.finger_position,
            None if math.isnan(quality) else float(quality),
        )

    def _gallery(self, entry: Entry) -> None:
        if entry.gallery in self.galleries:
            return
        self.galleries.add(entry.gallery)
        columns = schema.galleries.c
        query = select(columns.name).where(columns.name == entry.gallery)
        if self.writer.connection.execute(query).first() is None:
            self.writer.insert(
                schema.galleries, [new_gallery(entry.gallery, owner=entry.person.owner)]
            )

    def _subject(self, entry: Entry) -> tuple[str, int]:
        name = entry.subject or entry.extracted.label
        if name is None:
            name = f"subject-{self.writer.generation + 1}"
        if name in self.pending:
            _agree(name, self.pending[name], entry.person)
            return name, self.keys[name]
        if name in self.keys and entry.person == Person():
            return name, self.keys[name]
        row = self.writer.connection.execute(
            select(schema.subjects).where(schema.subjects.c.id == name)
        ).first()
        if row is not None:
            if self.as_owner not in {None, row.owner}:
                raise DuplicateError(
                    f"the id '{name}' is taken, and not {self.as_owner}'s; enrol under another id"
                )
            _reconcile(self.writer, row, entry.person)
            self.keys[name] = row.key
            return name, row.key
        key = self.writer.draw()
        self.keys[name] = key
        person = entry.person
        self.pending[name] = {
            "key": key,
            "id": name,
            "reference": secrets.token_hex(8),
            "owner": person.owner,
            "sex": person.sex,
            "year_of_birth": person.year_of_birth,
            "category": person.category,
            "expires_on": person.expires_on,
            "metadata": json.dumps(dict(person.metadata), default=str),
            "created_at": self.at,
        }
        return name, key

    def write(self) -> None:
        self.writer.insert(schema.subjects, list(self.pending.values()))
        self.writer.insert(schema.samples, self.samples)
        self.writer.insert(schema.templates, self.templates)
        self.writer.insert(schema.images, self.images)


def new_gallery(name: str, **values: Any) -> dict[str, Any]:
    """Row of a gallery with the defaults: private, not watched, identities shown when shared."""
    if not name or name != name.strip():
        raise OptionError(f"'{name}' is no gallery name")
    return {
        "name": name,
        "owner": None,
        "unsolved": False,
        "watched": False,
        "sharing": "nobody",
        "disclosure": "identity",
        "alert_log10_lr": 2.0,
        "hook": None,
        "created_at": now(),
        **values,
    }


def _reconcile(writer: Writer, row: Row[Any], person: Person) -> None:
    """Fill in what the record does not say yet; refuse what contradicts it."""
    before = row._asdict()
    after = dict(before)
    _agree(row.id, after, person)
    changes = {name: value for name, value in after.items() if value != before[name]}
    if changes:
        writer.connection.execute(
            update(schema.subjects).where(schema.subjects.c.key == row.key).values(**changes)
        )
        refresh(writer, [row.key])


def _agree(name: str, record: dict[str, Any], person: Person) -> None:
    """Add to a subject's record what `person` says and the record does not."""
    for field_name in ("owner", "sex", "year_of_birth", "category"):
        said, recorded = getattr(person, field_name), record[field_name]
        if said is None or said == recorded:
            continue
        if recorded is not None:
            raise DuplicateError(
                f"subject '{name}' has {field_name} '{recorded}', not '{said}'; change the "
                "record with update() or enrol under another id"
            )
        record[field_name] = said
    if person.metadata:
        merged = {**json.loads(record["metadata"]), **person.metadata}
        record["metadata"] = json.dumps(merged, default=str)
    if person.expires_on is not None:
        record["expires_on"] = person.expires_on


def refresh(writer: Writer, subject_keys: Iterable[int]) -> None:
    """Give the subjects' templates new sequence numbers, so that every index reads them anew."""
    columns = schema.templates.c
    for subject_key in subject_keys:
        found = writer.connection.execute(
            select(columns.key, columns.seq, columns.modality).where(
                columns.subject_key == subject_key
            )
        ).all()
        withdraw(writer, [(row.seq, row.modality) for row in found])
        for row in found:
            writer.connection.execute(
                update(schema.templates).where(columns.key == row.key).values(seq=writer.draw())
            )


def withdraw(writer: Writer, seqs: Sequence[tuple[int, str]]) -> None:
    """Record tombstones for sequence numbers that no longer count."""
    generation = writer.draw()
    writer.insert(
        schema.removals,
        [{"seq": seq, "generation": generation, "modality": modality} for seq, modality in seqs],
    )


def remove(writer: Writer, *, samples: Sequence[int]) -> None:
    """Delete samples with their templates and images."""
    for start in range(0, len(samples), 500):
        block = list(samples[start : start + 500])
        columns = schema.templates.c
        found = writer.connection.execute(
            select(columns.seq, columns.modality).where(columns.sample_key.in_(block))
        ).all()
        withdraw(writer, [(row.seq, row.modality) for row in found])
        for table, column in (
            (schema.templates, columns.sample_key),
            (schema.images, schema.images.c.sample_key),
            (schema.samples, schema.samples.c.key),
        ):
            writer.connection.execute(delete(table).where(column.in_(block)))
