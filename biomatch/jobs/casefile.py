"""A case on paper: its searches, candidate lists and conclusions, for disclosure or transfer."""

from typing import TYPE_CHECKING, Any

from biomatch.report.plain import plain

if TYPE_CHECKING:
    from biomatch.search import Database

__all__ = ["NOTICE", "export_case"]

NOTICE = "Candidates, not identifications, unless a conclusion below says so."


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
