"""A case on paper: its searches, candidate lists and conclusions, for disclosure or transfer."""

from typing import TYPE_CHECKING, Any

from biomatch.errors import OptionError, RecordError
from biomatch.report.plain import plain

if TYPE_CHECKING:
    from biomatch.search import Database
    from biomatch.search.casework import Decision

__all__ = ["NOTICE", "conclude", "export_case"]

NOTICE = "Candidates, not identifications, unless a conclusion below says so."


def conclude(
    db: "Database",
    case: str,
    subject: str,
    conclusion: str,
    *,
    examiner: str,
    search: str | None = None,
    reason: str | None = None,
) -> "Decision":
    """Write down a conclusion, unless it is about nobody: see `Database.decide`.

    Raises
    ------
    OptionError
        The case has no name.
    RecordError
        The subject is neither enrolled nor a candidate of one of the case's searches; a
        misspelt name must not become a conclusion.
    """
    if not case.strip():
        raise OptionError("a conclusion needs the case's name")
    if subject not in db and not _listed(db, case, subject):
        raise RecordError(
            f"no subject '{subject}' in the database, and no search of case '{case}' listed one"
        )
    return db.decide(case, subject, conclusion, examiner=examiner, search=search, reason=reason)


def _listed(db: "Database", case: str, subject: str) -> bool:
    return any(
        line.subject == subject
        for search in db.searches(case=case)
        for line in db.answer(search.id).candidates
    )


def export_case(db: "Database", case: str, *, actor: str | None = None) -> dict[str, Any]:
    """Gather a case as JSON-able data, and leave an audit row that it was exported.

    Raises
    ------
    RecordError
        No such case.
    SharingError
        It belongs to another owner.
    """
    found = db.case(case)
    searches = []
    for record in db.searches(case=case):
        answer = db.answer(record.id)
        searches.append({**plain(record), "candidates": plain(answer.candidates)})
    with db.store.write() as writer:
        writer.audit("export", {"case": case, "searches": len(searches)}, actor=actor, case=case)
    return {"notice": NOTICE, **plain(found), "searches": searches}
