"""Cases, their searches, and what examiners concluded. A candidate is not an identification."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, select

from biomatch.database import Writer, schema
from biomatch.database.audit import canonical
from biomatch.database.store import now
from biomatch.errors import DuplicateError, OptionError, RecordError, SharingError
from biomatch.search.records import numbered
from biomatch.types import Candidate, CandidateList, Coverage

__all__ = [
    "Case",
    "Conclusion",
    "Decision",
    "SearchRecord",
    "cases",
    "decide",
    "decisions",
    "open_case",
    "own_case",
    "refer_to",
    "searches",
    "stored_answer",
]


class Conclusion(StrEnum):
    """What an examiner may conclude of a comparison (ACE-V; SWGFAST/OSAC wording)."""

    IDENTIFICATION = "identification"
    INCONCLUSIVE = "inconclusive"
    EXCLUSION = "exclusion"


@dataclass(frozen=True, slots=True)
class Decision:
    """One examiner's conclusion.

    Attributes
    ----------
    id
        ``d`` and a number.
    case, subject, search
        What was compared: the case, the candidate's subject, and the search that gave it.
    conclusion, examiner, reason, at
        The conclusion itself.
    verifies
        Id of the first examiner's decision, when this is a second examiner's.
    """

    id: str
    case: str
    subject: str
    search: str | None
    conclusion: Conclusion
    examiner: str
    reason: str | None
    at: str
    verifies: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A case: a name that searches, unsolved samples and decisions refer to.

    Attributes
    ----------
    id, title, status, owner, created_at
        The record; status is ``open`` or ``closed``.
    metadata
        Whatever the caller stored.
    decisions
        In the order they were made.
    searches
        Ids of the searches run for it.
    unsolved
        Ids of its unsolved samples.
    """

    id: str
    title: str | None
    status: str
    owner: str | None
    created_at: str
    metadata: dict[str, Any]
    decisions: tuple[Decision, ...] = ()
    searches: tuple[str, ...] = ()
    unsolved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """A search that was run, as the database remembers it."""

    id: str
    at: str
    actor: str | None
    purpose: str | None
    case: str | None
    as_owner: str | None
    modality: str
    probe: str
    probe_sha256: str | None
    complete: bool
    parameters: dict[str, Any]


def open_case(
    writer: Writer, case: str, title: str | None, owner: str | None, metadata: dict[str, Any]
) -> None:
    """Make a case, or say what one is about that was only referred to.

    Raises
    ------
    DuplicateError
        There is one of that id.
    """
    row = _case_row(writer.connection, case)
    if row is None:
        _insert_case(writer, case, title, owner, metadata)
        return
    told = row.title is not None or row.metadata != canonical({})
    if told or row.owner != owner or not (title or metadata):
        raise DuplicateError(f"case '{case}' exists already")
    writer.connection.execute(
        sa.update(schema.cases)
        .where(schema.cases.c.id == case)
        .values(title=title, metadata=canonical(metadata))
    )


def _insert_case(
    writer: Writer, case: str, title: str | None, owner: str | None, metadata: dict[str, Any]
) -> None:
    if not case.strip():
        raise OptionError("a case needs a name")
    writer.insert(
        schema.cases,
        [
            {
                "id": case,
                "title": title,
                "status": "open",
                "owner": owner,
                "metadata": canonical(metadata),
                "created_at": now(),
            }
        ],
    )


def ensure_case(writer: Writer, case: str, owner: str | None) -> None:
    """Make the case unless it is there."""
    if _case_row(writer.connection, case) is None:
        _insert_case(writer, case, None, owner, {})


def refer_to(writer: Writer, case: str | None, owner: str | None) -> None:
    """Make the case of a sample or search unless it is there; without an owner it is open to all.

    Raises
    ------
    SharingError
        It belongs to another owner.
    """
    if case is None or not case.strip():
        return
    row = _case_row(writer.connection, case)
    if row is None:
        _insert_case(writer, case, None, owner, {})
    elif None not in {owner, row.owner}:
        _check_owner(row, owner)


def own_case(connection: Connection, case: str, owner: str | None) -> Case:
    """Return a case, to an owner its own only.

    Raises
    ------
    RecordError
        No such case.
    SharingError
        It belongs to another owner, or to none.
    """
    row = _case_row(connection, case)
    if row is None:
        raise RecordError(f"no case '{case}' in the database")
    if owner is not None:
        _check_owner(row, owner)
    return _case(connection, row)


def _check_owner(row: Row[Any], owner: str | None) -> None:
    if row.owner != owner:
        raise SharingError(f"case '{row.id}' belongs to another owner than {owner}")


def close_case(writer: Writer, case: str, *, status: str) -> None:
    """Set a case's status.

    Raises
    ------
    RecordError
        No such case.
    OptionError
        The status is neither open nor closed.
    """
    if status not in {"open", "closed"}:
        raise OptionError(f"a case is open or closed, not '{status}'")
    if _case_row(writer.connection, case) is None:
        raise RecordError(f"no case '{case}'")
    writer.connection.execute(
        sa.update(schema.cases).where(schema.cases.c.id == case).values(status=status)
    )


def _case_row(connection: Connection, case: str) -> Row[Any] | None:
    return connection.execute(select(schema.cases).where(schema.cases.c.id == case)).first()


def cases(connection: Connection, owner: str | None) -> Iterator[Case]:
    """Yield the cases (of one owner) in the order they were made."""
    query = select(schema.cases).order_by(schema.cases.c.created_at, schema.cases.c.id)
    if owner is not None:
        query = query.where(schema.cases.c.owner == owner)
    for row in connection.execute(query).all():
        yield _case(connection, row)


def _case(connection: Connection, row: Row[Any]) -> Case:
    found = connection.execute(
        select(schema.searches.c.key)
        .where(schema.searches.c.case_id == row.id)
        .order_by(schema.searches.c.key)
    ).scalars()
    samples = connection.execute(
        select(schema.samples.c.key)
        .join(schema.galleries, schema.galleries.c.name == schema.samples.c.gallery)
        .where(schema.samples.c.case_id == row.id, schema.galleries.c.unsolved)
        .order_by(schema.samples.c.key)
    ).scalars()
    return Case(
        id=row.id,
        title=row.title,
        status=row.status,
        owner=row.owner,
        created_at=row.created_at,
        metadata=json.loads(row.metadata),
        decisions=tuple(decisions(connection, row.id)),
        searches=tuple(f"q{key}" for key in found),
        unsolved=tuple(f"s{key}" for key in samples),
    )


def decisions(connection: Connection, case: str | None = None) -> Iterator[Decision]:
    """Yield decisions (of one case) in the order they were made."""
    query = select(schema.decisions).order_by(schema.decisions.c.key)
    if case is not None:
        query = query.where(schema.decisions.c.case_id == case)
    for row in connection.execute(query).all():
        yield _decision(row)


def _decision(row: Row[Any]) -> Decision:
    return Decision(
        id=f"d{row.key}",
        case=row.case_id,
        subject=row.subject,
        search=None if row.search_key is None else f"q{row.search_key}",
        conclusion=Conclusion(row.conclusion),
        examiner=row.examiner,
        reason=row.reason,
        at=row.at,
        verifies=None if row.verifies is None else f"d{row.verifies}",
    )


def decide(
    writer: Writer,
    case: str,
    subject: str,
    conclusion: Conclusion,
    *,
    examiner: str,
    search: str | None,
    reason: str | None,
) -> Decision:
    """Write down a conclusion; a second examiner's verifies the first one's.

    Raises
    ------
    DuplicateError
        This examiner concluded on this subject and case before.
    RecordError
        The search does not exist or had no such candidate.
    """
    if not examiner.strip():
        raise OptionError("a decision needs the examiner's name")
    key = _checked_search(writer.connection, search, subject)
    earlier = [d for d in decisions(writer.connection, case) if d.subject == subject]
    if any(_same_person(d.examiner, examiner) for d in earlier):
        raise DuplicateError(
            f"{examiner} concluded on '{subject}' in case '{case}' before; "
            "a second conclusion needs another examiner"
        )
    first = next((d for d in earlier if d.verifies is None), None)
    row = {
        "key": writer.draw(),
        "at": now(),
        "case_id": case,
        "search_key": key,
        "subject": subject,
        "conclusion": str(conclusion),
        "examiner": examiner,
        "reason": reason,
        "verifies": int(first.id[1:]) if first else None,
    }
    writer.insert(schema.decisions, [row])
    found = writer.connection.execute(
        select(schema.decisions).where(schema.decisions.c.key == row["key"])
    ).one()
    return _decision(found)


def _same_person(one: str, other: str) -> bool:
    """Whether names differ in nothing but capitals and spaces: nobody verifies himself."""
    return one.casefold().split() == other.casefold().split()


def search_key(search: str) -> int:
    """Return the key behind a search id.

    Raises
    ------
    RecordError
        It is not one.
    """
    return numbered(search, "q", "search")


def _checked_search(connection: Connection, search: str | None, subject: str) -> int | None:
    if search is None:
        return None
    key = search_key(search)
    columns = schema.candidates.c
    found = connection.execute(
        select(columns.rank).where(columns.search_key == key, columns.subject == subject)
    ).first()
    if found is None:
        raise RecordError(f"search '{search}' has no candidate '{subject}'")
    return key


def searches(connection: Connection, case: str | None, owner: str | None) -> Iterator[SearchRecord]:
    """Yield past searches, oldest first."""
    query = select(schema.searches).order_by(schema.searches.c.key)
    if case is not None:
        query = query.where(schema.searches.c.case_id == case)
    if owner is not None:
        query = query.where(schema.searches.c.as_owner == owner)
    for row in connection.execute(query).all():
        yield SearchRecord(
            id=f"q{row.key}",
            at=row.at,
            actor=row.actor,
            purpose=row.purpose,
            case=row.case_id,
            as_owner=row.as_owner,
            modality=row.modality,
            probe=row.probe,
            probe_sha256=row.probe_sha256,
            complete=row.complete,
            parameters=json.loads(row.parameters),
        )


def stored_answer(connection: Connection, search: str) -> CandidateList:
    """Return a past search's candidate list as it was given then, without explanations.

    The last candidate's margin is NaN: the person after it was not kept.

    Raises
    ------
    RecordError
        No such search.
    """
    key = search_key(search)
    row = connection.execute(select(schema.searches).where(schema.searches.c.key == key)).first()
    if row is None:
        raise RecordError(f"no search '{search}' in the database")
    columns = schema.candidates.c
    found = connection.execute(
        select(schema.candidates).where(columns.search_key == key).order_by(columns.rank)
    )
    return CandidateList(
        candidates=_with_margins([_candidate(one) for one in found]),
        probe=row.probe,
        modality=row.modality,
        coverage=_coverage(row.coverage),
        generation=row.generation,
        versions=json.loads(row.versions),
        calibration=row.calibration,
        search_id=search,
    )


def _with_margins(candidates: list[Candidate]) -> tuple[Candidate, ...]:
    scores = [one.score for one in candidates] + [float("nan")]
    return tuple(
        replace(one, margin=scores[place] - scores[place + 1])
        for place, one in enumerate(candidates)
    )


def _candidate(row: Row[Any]) -> Candidate:
    nan = float("nan")
    return Candidate(
        rank=row.rank,
        subject=row.subject,
        sample=row.sample,
        score=row.score,
        log10_lr=nan if row.log10_lr is None else row.log10_lr,
        fmr=nan if row.fmr is None else row.fmr,
        expected_false=nan if row.expected_false is None else row.expected_false,
        owner=row.owner,
        finger_position=row.finger_position,
        parts=json.loads(row.parts),
    )


def _coverage(text: str) -> Coverage:
    facts = json.loads(text)
    return Coverage(**{**facts, "missing": tuple(facts["missing"])})
