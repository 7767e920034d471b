"""Galleries: who owns them, with whom they are shared, which are watched or unsolved."""

import dataclasses
import math
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, select

from biomatch.database import Writer, schema
from biomatch.errors import OptionError, RecordError, SharingError
from biomatch.search.enrolment import new_gallery, refresh
from biomatch.search.records import find_subject, key_of
from biomatch.types import Candidate, CandidateList

__all__ = [
    "Gallery",
    "all_galleries",
    "check_homes",
    "check_rights",
    "enlist",
    "put",
    "redacted",
    "visible",
]

SHARING = ("nobody", "listed", "all")
DISCLOSURE = ("hit", "identity")


@dataclass(frozen=True, slots=True)
class Gallery:
    """A named set of records.

    Attributes
    ----------
    name, owner
        Identity.
    unsolved
        Holds probes of unsolved cases; searched only by reverse searches and by name.
    watched
        What is enrolled here is searched at once against the unsolved galleries.
    sharing
        Who may search it beside its owner: ``nobody``, ``listed`` owners, or ``all``.
    listed
        Those owners.
    disclosure
        What others get to see: ``hit`` (a reference number only) or ``identity``.
    alert_log10_lr
        Lowest log10 likelihood ratio that raises an alert.
    hook
        What to tell of an alert: a command line or an ``https://`` address; None = nothing.
    """

    name: str
    owner: str | None
    unsolved: bool
    watched: bool
    sharing: str
    disclosure: str
    alert_log10_lr: float
    hook: str | None
    listed: tuple[str, ...] = ()

    def shared_with(self, owner: str | None) -> bool:
        """Whether `owner` may search the gallery's records, whoever owns those."""
        if self.sharing == "all" or (self.owner is not None and self.owner == owner):
            return True
        return self.sharing == "listed" and owner in self.listed

    def disclosed_to(self, owner: str | None) -> bool:
        """Whether `owner` sees identities, not only reference numbers."""
        own = self.owner is not None and self.owner == owner
        return self.shared_with(owner) and (own or self.disclosure == "identity")


def all_galleries(connection: Connection) -> list[Gallery]:
    """All galleries by name."""
    names = [field.name for field in dataclasses.fields(Gallery) if field.name != "listed"]
    query = select(*(schema.galleries.c[name] for name in names))
    found = connection.execute(query.order_by(schema.galleries.c.name)).all()
    listed: dict[str, list[str]] = {}
    if any(row.sharing == "listed" for row in found):
        for row in connection.execute(select(schema.listed).order_by(schema.listed.c.owner)):
            listed.setdefault(row.gallery, []).append(row.owner)
    return [Gallery(**row._asdict(), listed=tuple(listed.get(row.name, ()))) for row in found]


def put(writer: Writer, name: str, listed: Iterable[str] | None, values: dict[str, Any]) -> None:
    """Make a gallery, or change the given settings of an existing one.

    Raises
    ------
    OptionError
        Unknown setting or value.
    """
    allowed = {field.name for field in dataclasses.fields(Gallery)} - {"name", "listed"}
    if unknown := set(values) - allowed:
        raise OptionError(f"a gallery has no setting {', '.join(sorted(unknown))}")
    for setting, words in (("sharing", SHARING), ("disclosure", DISCLOSURE)):
        if setting in values and values[setting] not in words:
            raise OptionError(f"{setting} is '{values[setting]}'; use {', '.join(words)}")
    if not math.isfinite(values.get("alert_log10_lr", 0.0)):
        raise OptionError(f"the lowest log10 LR of an alert is {values['alert_log10_lr']}")
    if values.get("hook"):
        _check_hook(values["hook"])
    table = schema.galleries
    known = writer.connection.execute(select(table.c.name).where(table.c.name == name)).first()
    if known is None:
        writer.insert(table, [new_gallery(name, **values)])
    elif values:
        writer.connection.execute(sa.update(table).where(table.c.name == name).values(**values))
    if listed is not None:
        writer.connection.execute(sa.delete(schema.listed).where(schema.listed.c.gallery == name))
        writer.insert(
            schema.listed, [{"gallery": name, "owner": owner} for owner in sorted(set(listed))]
        )


def _check_hook(hook: str) -> None:
    """Refuse a command line that could not even be split into words when an alert comes."""
    if hook.startswith(("https://", "http://")):
        return
    try:
        words = shlex.split(hook)
    except ValueError as error:
        raise OptionError(f"hook '{hook}' is no command line: {error}") from error
    if not words:
        raise OptionError("the hook is blank; leave it out, or name a command or an address")


def enlist(writer: Writer, gallery: str, subjects: Sequence[str], *, on: bool) -> None:
    """Put subjects on a watch-list, or take them off.

    Raises
    ------
    RecordError
        No such gallery or subject.
    """
    table = schema.galleries
    query = select(table.c.name).where(table.c.name == gallery)
    if writer.connection.execute(query).first() is None:
        raise RecordError(f"no gallery '{gallery}'; make it first")
    for subject in subjects:
        key = find_subject(writer.connection, subject).key
        columns = schema.members.c
        writer.connection.execute(
            sa.delete(schema.members).where(columns.gallery == gallery, columns.subject_key == key)
        )
        if on:
            writer.insert(schema.members, [{"gallery": gallery, "subject_key": key}])
        refresh(writer, [key])


def redacted(
    connection: Connection, answer: CandidateList, owner: str, disclosed: frozenset[str]
) -> CandidateList:
    """Replace identities that `owner` may not see by reference numbers."""
    if all(candidate.owner == owner for candidate in answer):
        return answer
    shown = [_shown(connection, candidate, owner, disclosed) for candidate in answer]
    left = [candidate for candidate in shown if candidate is not None]
    ranked = [dataclasses.replace(one, rank=rank) for rank, one in enumerate(left, start=1)]
    return dataclasses.replace(answer, candidates=tuple(ranked))


def _shown(
    connection: Connection, candidate: Candidate, owner: str, disclosed: frozenset[str]
) -> Candidate | None:
    """Return what `owner` may see of a candidate; None when the record was deleted meanwhile."""
    if candidate.owner == owner:
        return candidate
    table = schema.subjects
    person = connection.execute(select(table).where(table.c.id == candidate.subject)).first()
    if person is None:
        return None
    homes = connection.execute(
        select(schema.samples.c.gallery).where(schema.samples.c.key == key_of(candidate.sample))
    ).scalars()
    lists = connection.execute(
        select(schema.members.c.gallery).where(schema.members.c.subject_key == person.key)
    ).scalars()
    if disclosed.intersection([*homes, *lists]):
        return candidate
    return dataclasses.replace(candidate, subject=person.reference, sample="", why={})


def check_rights(galleries: Iterable[Gallery], name: str, owner: str | None) -> None:
    """Refuse to change somebody else's gallery.

    Raises
    ------
    SharingError
        It belongs to another owner.
    """
    for gallery in galleries:
        if gallery.name == name and owner is not None and gallery.owner != owner:
            raise SharingError(
                f"gallery '{name}' belongs to {gallery.owner or 'the operator'}, not to {owner}"
            )


def check_homes(connection: Connection, names: Iterable[str], owner: str | None) -> None:
    """Refuse to enrol into other owners' galleries; what has no owner is open to all.

    Raises
    ------
    SharingError
        One of them belongs to another owner.
    """
    if owner is None:
        return
    wanted = set(names)
    for gallery in all_galleries(connection):
        if gallery.name in wanted and gallery.owner not in {None, owner}:
            raise SharingError(
                f"gallery '{gallery.name}' belongs to another owner; enrol into one of {owner}'s"
            )


def visible(gallery: Gallery, owner: str) -> Gallery:
    """Leave out of another owner's gallery what is no business of `owner`'s."""
    if gallery.owner == owner:
        return gallery
    return dataclasses.replace(gallery, hook=None, listed=())
