"""`Database`: what `biomatch.open` returns."""

import dataclasses
import operator
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import select

from biomatch.database import AuditReport, Store, Writer, schema
from biomatch.errors import (
    BiomatchError,
    DuplicateError,
    IntegrityError,
    NoFeaturesError,
    OptionError,
    RecordError,
    SharingError,
)
from biomatch.search import registry
from biomatch.search.casework import (
    Case,
    Conclusion,
    Decision,
    SearchRecord,
    cases,
    close_case,
    decide,
    decisions,
    ensure_case,
    open_case,
    own_case,
    refer_to,
    searches,
    stored_answer,
)
from biomatch.search.comparison import Comparison, compare
from biomatch.search.dedup import Pair, Progress, dedup, pairs
from biomatch.search.enrolment import Entry, Person, dated, enrol, known, refresh, remove
from biomatch.search.executors import Executor, Inline, Threads
from biomatch.search.filters import Filters, Scope
from biomatch.search.galleries import (
    Gallery,
    all_galleries,
    check_homes,
    check_rights,
    enlist,
    put,
    redacted,
    visible,
)
from biomatch.search.index import Index, IndexStatus
from biomatch.search.limits import Limits
from biomatch.search.recall import IndexRecall, measure
from biomatch.search.records import (
    Enrolled,
    Rejected,
    SampleRecord,
    Subject,
    find_subject,
    key_of,
    subjects,
)
from biomatch.search.searcher import Query, Searcher
from biomatch.search.sources import Extracted, Source, extract, probe_of, to_sample
from biomatch.search.trail import record_searches
from biomatch.search.watch import Alert, alerts, disclosed, tell, watch
from biomatch.types import CandidateList, ImpressionType, Probe, Sample

__all__ = ["Database", "open"]

MOST_WORKERS = 1024
"""Threads or processes at most: a number mistyped must not bring a machine down."""

ACTORS = 4
"""Ray actors unless the caller says how many."""

COMMIT_EVERY = 200
"""Templates a transaction of `Database.enrol_many`."""


def open(  # noqa: A001 - the public name
    location: str | os.PathLike[str] = ":memory:",
    *,
    index: str | os.PathLike[str] | None = None,
    threads: int = 0,
    processes: int = 0,
    cluster: str | None = None,
    deadline: float | None = None,
    as_owner: str | None = None,
    create: bool = True,
) -> "Database":
    """Open a database, creating it when it does not exist.

    Parameters
    ----------
    location
        Path of a SQLite file, ``":memory:"``, or a ``postgresql://`` URL.
    index
        Folder of the derived index; default ``<file>.index`` beside a SQLite file, and
        ``~/.cache/biomatch/<database uuid>`` for PostgreSQL.
    threads
        Threads that search the segments of a gallery side by side; 0 = the calling thread.
    processes
        Processes that do so instead, this one included unless there is a deadline (see
        `biomatch.search.pool`); with `cluster`, Ray actors (default 4).
    cluster
        Address of a Ray cluster whose nodes search, or ``"local"`` to start one on this machine
        (see `biomatch.search.cluster`).
    deadline
        Seconds after which a part of the gallery that has not answered is given up; the
        answer then says that it is incomplete. None waits. Needs `processes` or `cluster`.
    as_owner
        Owner in whose name to work: sharing rules then apply. None = the operator, who sees
        everything.
    create
        False: a missing SQLite file is an error.

    Raises
    ------
    DatabaseError
        The database cannot be opened.
    OptionError
        A deadline without workers, too many workers, or the cluster cannot be reached.

    Examples
    --------
    >>> with open(":memory:") as db:
    ...     len(db)
    0
    """
    store = Store(location, create=create)
    try:
        root = Path(index) if index is not None else _index_folder(store)
        executor = _chosen(threads, processes, cluster, deadline)
        return Database(store, root, executor=executor, as_owner=as_owner)
    except BaseException:
        store.close()
        raise


def _chosen(threads: int, processes: int, cluster: str | None, deadline: float | None) -> Executor:
    for name, count in (("threads", threads), ("processes", processes)):
        if not 0 <= count <= MOST_WORKERS:
            raise OptionError(f"{name} is {count}; use 0 to {MOST_WORKERS}, best one a core")
    if cluster is not None:
        from biomatch.search.cluster import RayExecutor

        address = None if cluster == "local" else cluster
        return RayExecutor(processes or ACTORS, address=address, deadline=deadline)
    if processes > 0:
        from biomatch.search.pool import ProcessPool

        return ProcessPool(processes, deadline=deadline)
    if deadline is not None:
        raise OptionError("a deadline needs workers: say processes= or cluster= as well")
    return Threads(threads) if threads > 1 else Inline()


def _index_folder(store: Store) -> Path:
    if store.path is not None:
        return store.path.with_name(store.path.name + ".index")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "biomatch" / store.uuid()


class Database:
    """A database of subjects, searched 1:N. Thread-safe; several processes may share one.

    Everything that changes records is committed, with its audit row, before the method
    returns. Searches work on an immutable picture of the index and never wait for writers.
    """

    def __init__(
        self,
        store: Store,
        root: Path,
        *,
        executor: Executor | None = None,
        as_owner: str | None = None,
    ) -> None:
        self.store = store
        self.as_owner = as_owner
        self._root = root
        self._indexes: dict[str, Index] = {}
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[Alert], None]] = []
        self._executor = executor or Inline()
        self._searcher = Searcher(store, self.index, lambda: self._executor)

    # Life

    def close(self) -> None:
        """Close connections and workers."""
        self._executor.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def use(self, executor: Executor) -> None:
        """Search with another executor from now on; the old one is closed."""
        self._executor.close()
        self._executor = executor

    def index(self, modality: str) -> Index:
        """Return the index of one modality."""
        with self._lock:
            if modality not in self._indexes:
                self._indexes[modality] = Index(
                    self.store, registry.get(modality), self._root / modality
                )
            return self._indexes[modality]

    # Enrolment

    def enrol(
        self,
        source: Source,
        *,
        subject: str | None = None,
        modality: str | None = None,
        finger_position: int | None = None,
        impression: ImpressionType | str | None = None,
        owner: str | None = None,
        sex: str | None = None,
        year_of_birth: int | None = None,
        category: str | None = None,
        expires_on: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        gallery: str = "main",
        case: str | None = None,
        captured_on: str | None = None,
        ppi: float | None = None,
        options: Mapping[str, Any] | None = None,
        attach: bool = False,
        duplicates: str = "skip",
        purpose: str | None = None,
        actor: str | None = None,
    ) -> tuple[Enrolled, ...]:
        """Enrol one source: all its templates, in one transaction, or nothing.

        Parameters
        ----------
        source
            A path, a picture as an array, a `Sample`, a template, a template's bytes, or one
            template of a source (`Extracted`).
        subject
            Subject id. None = the name the template itself carries (a DNA table has one a
            row), else a new id.
        modality
            Registered name; needed where the source does not tell.
        finger_position, impression, ppi, captured_on
            Facts about the sample.
        owner, sex, year_of_birth, category, expires_on, metadata
            Facts about the subject. `owner` defaults to the owner the database was opened as.
        gallery
            Home gallery, made when there is none of that name.
        case
            Case that the sample belongs to.
        options
            Extraction options of the modality.
        attach
            Keep the source file in the database; an error for a source that is no file.
        duplicates
            ``"skip"``: a source enrolled before for the same subject is not enrolled again,
            and for another subject it is an error; ``"allow"``: it is enrolled again.
        purpose, actor
            For the audit trail.

        Raises
        ------
        SampleError
            The source cannot be made into a template.
        DuplicateError
            It was enrolled before under another subject, or contradicts the subject's record.
        DatabaseError
            It could not be committed.
        """
        person = Person(
            owner=self._as(owner, "enrolled for"),
            sex=sex,
            year_of_birth=year_of_birth,
            category=category,
            expires_on=expires_on,
            metadata=metadata or {},
        )
        one = source if isinstance(source, Extracted) else None
        sample = to_sample(
            one.sample if one else source,
            modality=modality,
            finger_position=finger_position,
            impression=impression,
            ppi=ppi,
            options=options,
        )
        once = _once(duplicates, sample)
        if once and (before := self._known(sample, subject)):
            return before
        entries = [
            Entry(extracted, subject, person, gallery, case, captured_on, attach, once)
            for extracted in ([one] if one else extract(sample))
        ]
        with self.store.write() as writer:
            self._check_places(writer, entries)
            receipts = enrol(writer, entries, actor=actor, purpose=purpose, as_owner=self.as_owner)
        return tuple(self._watched(receipts))

    def _check_places(self, writer: Writer, entries: Sequence[Entry]) -> None:
        """Refuse to put anything into other owners' galleries and cases."""
        check_homes(writer.connection, {entry.gallery for entry in entries}, self.as_owner)
        for case in {entry.case for entry in entries}:
            refer_to(writer, case, self.as_owner)

    def _watched(self, receipts: Sequence[Enrolled]) -> list[Enrolled]:
        """Run the reverse searches that are due and add their alerts to the receipts."""
        raised: dict[str, list[str]] = {}
        fresh = watch(self.store, self._searcher)
        with self.store.read() as connection:
            heard = self._shown(connection, fresh)
        tell(self.store, heard, self._callbacks)
        for alert in fresh:
            raised.setdefault(alert.sample, []).append(alert.id)
        return [
            dataclasses.replace(receipt, alerts=tuple(raised[receipt.sample]))
            if receipt.sample in raised
            else receipt
            for receipt in receipts
        ]

    def _known(self, sample: Sample, subject: str | None) -> tuple[Enrolled, ...]:
        digest = sample.sha256 or ""
        with self.store.read() as connection:
            return tuple(known(connection, digest, sample.modality, subject, self.as_owner))

    def enrol_many(
        self,
        items: Iterable[Source | Mapping[str, Any]],
        *,
        on_result: Callable[[Enrolled | Rejected], None] | None = None,
        commit_every: int = COMMIT_EVERY,
        purpose: str | None = None,
        actor: str | None = None,
        **common: Any,
    ) -> list[Enrolled | Rejected]:
        """Enrol many sources, a few hundred a transaction; bad ones are reported, not raised.

        Parameters
        ----------
        items
            Sources, or mappings with ``source`` and any argument of `enrol`.
        on_result
            Called for each template once it is committed, and for each rejected source.
        commit_every
            Templates a transaction.
        purpose, actor
            For the audit trail.
        common
            Arguments of `enrol` for all items.

        Returns
        -------
        list
            One receipt a template, or `Rejected`, in the order of the items.

        Raises
        ------
        IntegrityError
            Database or model is damaged; the items before it are committed.
        """
        bulk = _Bulk(lambda entries: self._commit(entries, actor, purpose), on_result)
        for item in items:
            arguments = {**common, **(item if isinstance(item, Mapping) else {"source": item})}
            _check_facts(arguments, "enrol_many")
            try:
                bulk.add(self._prepared(arguments, bulk.separate))
            except IntegrityError:
                bulk.commit()
                raise
            except BiomatchError as error:
                bulk.add(Rejected(str(arguments.get("source")), str(error), _kind(error)))
            if bulk.count >= commit_every:
                bulk.commit()
        bulk.commit()
        return bulk.results

    def _commit(
        self, entries: Sequence[Entry], actor: str | None, purpose: str | None
    ) -> list[Enrolled | Rejected]:
        """Commit a batch; if one entry contradicts the records, commit the others one by one."""
        if not entries:
            return []
        try:
            with self.store.write() as writer:
                self._check_places(writer, entries)
                receipts = enrol(
                    writer, entries, actor=actor, purpose=purpose, as_owner=self.as_owner
                )
            return list(self._watched(receipts))
        except (DuplicateError, OptionError, SharingError) as error:
            if len(entries) == 1:
                return [Rejected(entries[0].extracted.sample.name, str(error), _kind(error))]
        return [r for entry in entries for r in self._commit([entry], actor, purpose)]

    def _prepared(
        self, arguments: Mapping[str, Any], separate: Callable[[str], None] = lambda _digest: None
    ) -> list[Entry] | tuple[Enrolled, ...]:
        facts = {name: arguments.get(name) for name in _SAMPLE_FACTS}
        about = {name: arguments[name] for name in _PERSON_FACTS if arguments.get(name) is not None}
        person = Person(**{**about, "owner": self._as(about.get("owner"), "enrolled for")})
        sample = to_sample(arguments["source"], **facts)
        once = _once(arguments.get("duplicates", "skip"), sample)
        if once:
            separate(sample.sha256 or "")
            if before := self._known(sample, arguments.get("subject")):
                return before
        return [
            Entry(
                extracted,
                arguments.get("subject"),
                person,
                arguments.get("gallery") or "main",
                arguments.get("case"),
                arguments.get("captured_on"),
                bool(arguments.get("attach", False)),
                once,
            )
            for extracted in extract(sample)
        ]

    # Search

    def search(
        self,
        source: Source | Sequence[Source],
        *,
        modality: str | None = None,
        k: int = 20,
        filters: Filters | None = None,
        exhaustive: bool = False,
        shortlist: int | None = None,
        explain: int = 20,
        options: Mapping[str, Any] | None = None,
        fmr: float | None = None,
        fpir: float | None = None,
        finger_position: int | None = None,
        impression: ImpressionType | str | None = None,
        ppi: float | None = None,
        as_owner: str | None = None,
        purpose: str | None = None,
        case: str | None = None,
        actor: str | None = None,
    ) -> CandidateList:
        """Search one probe 1:N.

        Parameters
        ----------
        source
            As in `enrol`, or a `Probe`. A list is one person's several samples (fingers, face,
            profile), fused by calibrated log10 likelihood ratio.
        modality
            Registered name; needed where the source does not tell.
        k
            Candidates wanted.
        filters
            What the person is known to be.
        exhaustive
            Compare every record; no shortlist.
        shortlist
            Rows a segment that reach the exact comparison; None = the modality's choice.
        explain
            How many of the first candidates carry a `why`.
        options
            Comparison options of the modality.
        fmr, fpir
            List only candidates whose score has at most this false match rate, or this false
            positive identification rate in a gallery of this size (see `Limits`).
        finger_position, impression, ppi
            Facts about the probe.
        as_owner
            Owner in whose name to search; default: the one the database was opened as.
        purpose, case, actor
            For the audit trail.

        Returns
        -------
        CandidateList
            Candidates by score; ``complete`` is False when part of the gallery was not
            searched, and an absent candidate then proves nothing.

        Raises
        ------
        SampleError
            The probe cannot be used.
        OptionError
            Ambiguous modality, or an option out of range.
        SharingError
            The case is another owner's.
        """
        probe = self._extracted(
            source,
            modality=modality,
            finger_position=finger_position,
            impression=impression,
            ppi=ppi,
        )
        query = self._query(
            self._as(as_owner),
            filters,
            k=k,
            exhaustive=exhaustive,
            shortlist=shortlist,
            explain=explain,
            options=options or {},
            limits=Limits(fmr, fpir),
        )
        _check_findable(probe, query)
        return self._searched([probe], query, purpose, case, actor)[0]

    def search_many(
        self,
        sources: Iterable[Source | Sequence[Source]],
        *,
        modality: str | None = None,
        k: int = 20,
        filters: Filters | None = None,
        exhaustive: bool = False,
        shortlist: int | None = None,
        explain: int = 0,
        options: Mapping[str, Any] | None = None,
        fmr: float | None = None,
        fpir: float | None = None,
        as_owner: str | None = None,
        purpose: str | None = None,
        case: str | None = None,
        actor: str | None = None,
        block: int = 256,
    ) -> Iterator[CandidateList | Rejected]:
        """Search many probes; yields one answer each, in order, bad ones as `Rejected`.

        Probes are extracted, scanned and recorded `block` at a time; other arguments are those
        of `search`. A table that holds several profiles gives one answer a profile.

        Raises
        ------
        IntegrityError
            Database, index or model is damaged: no other probe could be searched either.
        """
        query = self._query(
            self._as(as_owner),
            filters,
            k=k,
            exhaustive=exhaustive,
            shortlist=shortlist,
            explain=explain,
            options=options or {},
            limits=Limits(fmr, fpir),
        )
        waiting: list[list[Extracted] | Rejected] = []
        for source in sources:
            try:
                found = self._extracted(source, modality=modality)
                single = isinstance(source, list | tuple | Probe)
                probes = [found] if single else [[one] for one in found]
            except IntegrityError:
                raise
            except BiomatchError as error:
                waiting.append(Rejected(str(source), str(error), _kind(error)))
                probes = []
            for probe in probes:
                try:
                    _check_findable(probe, query)
                    waiting.append(probe)
                except NoFeaturesError as error:
                    waiting.append(Rejected(str(source), str(error), _kind(error)))
            if len(waiting) >= block:
                yield from self._block(waiting, query, purpose, case, actor)
                waiting = []
        yield from self._block(waiting, query, purpose, case, actor)

    def _block(
        self,
        waiting: Sequence[list[Extracted] | Rejected],
        query: Query,
        purpose: str | None,
        case: str | None,
        actor: str | None,
    ) -> Iterator[CandidateList | Rejected]:
        probes = [probe for probe in waiting if isinstance(probe, list)]
        answers = iter(self._searched(probes, query, purpose, case, actor) if probes else ())
        for probe in waiting:
            yield probe if isinstance(probe, Rejected) else next(answers)

    def _extracted(self, source: Source | Sequence[Source], **facts: Any) -> list[Extracted]:
        if isinstance(source, list | tuple):
            found = [one for part in source for one in self._extracted(part, **facts)]
            if not found:
                raise OptionError("an empty list cannot be searched")
            return found
        if isinstance(source, Probe):
            return probe_of(source)
        return extract(to_sample(source, **facts))

    def _as(self, owner: str | None, what: str = "searched as") -> str | None:
        """Whose search or record it is: an owner may not act in another owner's name."""
        if self.as_owner is not None and owner not in {None, self.as_owner}:
            raise SharingError(f"opened as {self.as_owner}, so not to be {what} {owner}")
        return owner or self.as_owner

    def _query(
        self, owner: str | None, filters: Filters | None, *, k: int, **settings: Any
    ) -> Query:
        try:
            enough = operator.index(k) >= 1
        except TypeError:
            enough = False
        if not enough:
            raise OptionError(f"k is {k!r}; ask for at least 1 candidate")
        with self.store.read() as connection:
            known = all_galleries(connection)
        scope = Scope(
            filters=filters or Filters(),
            owner=owner,
            shared=frozenset(g.name for g in known if owner is not None and g.shared_with(owner)),
            hidden=frozenset(g.name for g in known if g.unsolved),
        )
        disclosed = frozenset(g.name for g in known if g.disclosed_to(owner))
        return Query(
            k=k,
            scope=scope,
            **settings,
            disclosed=disclosed if owner is not None else None,
        )

    def _searched(
        self,
        probes: Sequence[list[Extracted]],
        query: Query,
        purpose: str | None,
        case: str | None,
        actor: str | None,
    ) -> list[CandidateList]:
        owner, shown = query.scope.owner, query.disclosed
        answers = self._searcher.search(probes, query)
        if owner is not None and shown is not None:
            with self.store.read() as connection:
                answers = [redacted(connection, answer, owner, shown) for answer in answers]
        with self.store.write() as writer:
            refer_to(writer, case, owner)
            ids = record_searches(
                writer, probes, answers, query, actor=actor, purpose=purpose, case=case
            )
        return [dataclasses.replace(a, search_id=i) for a, i in zip(answers, ids, strict=True)]

    # Records

    def subjects(
        self, *, filters: Filters | None = None, expired_on: str | None = None
    ) -> Iterator[Subject]:
        """Yield the subjects in the order of enrolment, those of the owner when opened as one.

        Parameters
        ----------
        filters
            Only who is known to pass them; `strict` makes no difference here.
        expired_on
            Only whose retention date is before this day (ISO 8601): to be reviewed or deleted.
        """
        conditions = [self._mine(), *_conditions(filters or Filters())]
        if expired_on is not None:
            conditions.append(schema.subjects.c.expires_on < dated(expired_on, "retention date"))
        query = select(schema.subjects.c.key).where(*conditions).order_by(schema.subjects.c.key)
        with self.store.read() as connection:
            keys = list(connection.execute(query).scalars())
        for start in range(0, len(keys), 500):
            with self.store.read() as connection:
                yield from list(subjects(connection, keys[start : start + 500]))

    def __iter__(self) -> Iterator[Subject]:
        return self.subjects()

    def __len__(self) -> int:
        query = select(sa.func.count()).select_from(schema.subjects).where(self._mine())
        with self.store.read() as connection:
            return int(connection.execute(query).scalar_one())

    def __contains__(self, subject: str) -> bool:
        query = select(schema.subjects.c.key).where(schema.subjects.c.id == subject, self._mine())
        with self.store.read() as connection:
            return connection.execute(query).first() is not None

    def _who(self) -> str:
        return "no" if self.as_owner is None else f"{self.as_owner} has no"

    def _mine(self) -> sa.ColumnElement[bool]:
        if self.as_owner is None:
            return sa.true()
        return schema.subjects.c.owner == self.as_owner

    def get(self, subject: str) -> Subject:
        """Return one subject with its samples.

        Raises
        ------
        RecordError
            No such subject, or not the owner's when opened as one.
        """
        with self.store.read() as connection:
            row = self._own(connection, subject)
            return next(subjects(connection, [row.key]))

    def _own(self, connection: sa.Connection, subject: str) -> sa.Row[Any]:
        """Row of a subject; another owner's is not told from one that is not there."""
        if self.as_owner is None:
            return find_subject(connection, subject)
        mine = (schema.subjects.c.id == subject) & self._mine()
        row = connection.execute(select(schema.subjects).where(mine)).first()
        if row is None:
            raise RecordError(f"{self.as_owner} has no subject '{subject}' in the database")
        return row

    def sample(self, sample: str) -> tuple[Subject, SampleRecord]:
        """Return one sample and its subject.

        Raises
        ------
        RecordError
            No such sample, or not the owner's when opened as one.
        """
        key = key_of(sample)
        with self.store.read() as connection:
            found = connection.execute(
                select(schema.subjects.c.key)
                .join(schema.samples, schema.samples.c.subject_key == schema.subjects.c.key)
                .where(schema.samples.c.key == key, self._mine())
            ).scalar()
            if found is None:
                raise RecordError(f"{self._who()} sample '{sample}' in the database")
            person = next(subjects(connection, [found]))
        return person, next(record for record in person.samples if record.id == sample)

    def template(self, sample: str) -> Any:
        """Return the template of one sample."""
        _, record = self.sample(sample)
        columns = schema.templates.c
        with self.store.read() as connection:
            blob = connection.execute(
                select(columns.blob).where(columns.sample_key == key_of(sample))
            ).scalar_one()
        return registry.get(record.modality).loads(bytes(blob))

    def attachment(self, sample: str) -> tuple[str, bytes] | None:
        """Return name and content of the source file kept with a sample, None if it was not."""
        self.sample(sample)
        columns = schema.images.c
        with self.store.read() as connection:
            row = connection.execute(
                select(columns.name, columns.content).where(columns.sample_key == key_of(sample))
            ).first()
        return None if row is None else (row.name, bytes(row.content))

    def update(
        self,
        subject: str,
        *,
        purpose: str | None = None,
        actor: str | None = None,
        **changes: Any,
    ) -> Subject:
        """Change what is recorded of a subject: any of the facts about subjects in `enrol`.

        Raises
        ------
        RecordError
            No such subject.
        OptionError
            A value is out of its range.
        """
        values = {k: v for k, v in changes.items() if k != "metadata"}
        unknown = set(changes) - _PERSON_FACTS
        if unknown:
            raise OptionError(f"a subject has no {', '.join(sorted(unknown))}")
        if "owner" in changes:
            values["owner"] = self._as(changes["owner"], "given to")
        person = Person(**values)
        values = {name: getattr(person, name) for name in values}
        if "metadata" in changes:
            import json

            values["metadata"] = json.dumps(dict(changes["metadata"]), default=str)
        with self.store.write() as writer:
            row = self._own(writer.connection, subject)
            if values:
                mine = schema.subjects.c.key == row.key
                writer.connection.execute(sa.update(schema.subjects).where(mine).values(**values))
                refresh(writer, [row.key])
            writer.audit(
                "update", {"subject": subject, "changes": values}, actor=actor, purpose=purpose
            )
        return self.get(subject)

    def delete(
        self,
        *ids: str,
        purpose: str | None = None,
        case: str | None = None,
        actor: str | None = None,
    ) -> int:
        """Delete subjects, with all they have, or single samples (``s42``); all or nothing.

        Returns
        -------
        int
            Samples deleted. The audit trail keeps their digests.

        Raises
        ------
        RecordError
            One of them does not exist, or is not the owner's when opened as one.
        """
        with self.store.write() as writer:
            people, samples = self._named(writer.connection, ids)
            columns = schema.samples.c
            doomed = list(samples)
            digests = []
            for keys, column in ((people, columns.subject_key), (samples, columns.key)):
                for start in range(0, len(keys), 500):
                    found = writer.connection.execute(
                        select(columns.key, columns.sha256).where(
                            column.in_(keys[start : start + 500])
                        )
                    ).all()
                    digests += [row.sha256 for row in found]
                    doomed += [row.key for row in found if column is columns.subject_key]
            remove(writer, samples=sorted(set(doomed)))
            for start in range(0, len(people), 500):
                block = people[start : start + 500]
                for table, owner in (
                    (schema.members, schema.members.c.subject_key),
                    (schema.subjects, schema.subjects.c.key),
                ):
                    writer.connection.execute(sa.delete(table).where(owner.in_(block)))
            writer.audit(
                "delete",
                {"ids": list(ids), "samples": len(set(doomed)), "sha256": digests},
                actor=actor,
                purpose=purpose,
                case=case,
            )
        return len(set(doomed))

    def _named(self, connection: sa.Connection, ids: Sequence[str]) -> tuple[list[int], list[int]]:
        """Keys of the subjects and of the samples that `ids` name; subjects' ids win."""
        people: dict[str, sa.Row[Any]] = {}
        for start in range(0, len(ids), 500):
            query = select(schema.subjects).where(
                schema.subjects.c.id.in_(list(ids[start : start + 500])), self._mine()
            )
            people.update({row.id: row for row in connection.execute(query)})
        samples = []
        for name in ids:
            if name in people:
                continue
            try:
                key = key_of(name)
            except RecordError as error:
                raise RecordError(f"{self._who()} subject '{name}' in the database") from error
            owner = connection.execute(
                select(schema.subjects.c.key)
                .join(schema.samples, schema.samples.c.subject_key == schema.subjects.c.key)
                .where(schema.samples.c.key == key, self._mine())
            ).first()
            if owner is None:
                raise RecordError(f"{self._who()} subject or sample '{name}' in the database")
            samples.append(key)
        return [row.key for row in people.values()], samples

    # Galleries, watch-lists, alerts

    def galleries(self) -> list[Gallery]:
        """Return the galleries by name; as an owner, those it owns or may search."""
        with self.store.read() as connection:
            known = all_galleries(connection)
        owner = self.as_owner
        if owner is None:
            return known
        return [visible(g, owner) for g in known if g.owner is None or g.shared_with(owner)]

    def gallery(
        self,
        name: str,
        *,
        listed: Iterable[str] | None = None,
        actor: str | None = None,
        **settings: Any,
    ) -> Gallery:
        """Make a gallery, or change settings of one: see `Gallery` for their meaning.

        Raises
        ------
        OptionError
            Unknown setting or value.
        SharingError
            It belongs to another owner, or is to.
        """
        if self.as_owner is not None:
            settings["owner"] = self._as(settings.get("owner"), "given to")
        if listed is not None:
            listed = sorted({listed} if isinstance(listed, str) else set(listed))
        with self.store.write() as writer:
            check_rights(all_galleries(writer.connection), name, self.as_owner)
            put(writer, name, listed, settings)
            details = {"gallery": name, **settings}
            if listed is not None:
                details["listed"] = listed
            writer.audit("gallery", details, actor=actor)
        return next(g for g in self.galleries() if g.name == name)

    def enlist(
        self, gallery: str, *subjects: str, actor: str | None = None, purpose: str | None = None
    ) -> None:
        """Put subjects on a watch-list: they are found when that gallery is searched.

        Raises
        ------
        RecordError
            No such gallery or subject.
        """
        self._enlist(gallery, subjects, actor=actor, purpose=purpose, on=True)

    def delist(
        self, gallery: str, *subjects: str, actor: str | None = None, purpose: str | None = None
    ) -> None:
        """Take subjects off a watch-list; their records stay.

        Raises
        ------
        RecordError
            No such gallery or subject.
        """
        self._enlist(gallery, subjects, actor=actor, purpose=purpose, on=False)

    def _enlist(
        self,
        gallery: str,
        subjects: Sequence[str],
        *,
        actor: str | None,
        purpose: str | None,
        on: bool,
    ) -> None:
        with self.store.write() as writer:
            check_rights(all_galleries(writer.connection), gallery, self.as_owner)
            for subject in subjects:
                self._own(writer.connection, subject)
            enlist(writer, gallery, subjects, on=on)
            writer.audit(
                "enlist" if on else "delist",
                {"gallery": gallery, "subjects": list(subjects)},
                actor=actor,
                purpose=purpose,
            )

    def on_alert(self, callback: Callable[[Alert], None]) -> None:
        """Call `callback` with every alert that an enrolment of this process raises."""
        self._callbacks.append(callback)

    def alerts(self, *, case: str | None = None) -> list[Alert]:
        """Return the alerts of reverse searches, oldest first."""
        with self.store.read() as connection:
            found = self._shown(connection, list(alerts(connection, case)))
        return [alert for alert in found if case in {None, alert.case}]

    def _shown(self, connection: sa.Connection, found: Sequence[Alert]) -> list[Alert]:
        """Alerts of the owner's galleries, and of them what it may see, when opened as one."""
        if self.as_owner is None or not found:
            return list(found)
        mine = {g.name for g in all_galleries(connection) if g.owner == self.as_owner}
        return disclosed(connection, [a for a in found if a.gallery in mine], self.as_owner)

    # Casework

    def file_unsolved(
        self, source: Source, *, case: str, gallery: str = "unsolved", **facts: Any
    ) -> tuple[Enrolled, ...]:
        """Keep a probe that was not identified: later enrolments are searched against it.

        Parameters
        ----------
        source
            As in `enrol`; each donor in it gets a name made of the case's.
        case
            The case it belongs to, made when there is none of that id.
        gallery
            Gallery of unsolved probes, made when there is none of that name.
        facts
            Further arguments of `enrol`.
        """
        actor, purpose = facts.pop("actor", None), facts.pop("purpose", None)
        _check_facts(facts, "file_unsolved")
        stated = {"subject": case, **facts, "source": source, "case": case, "gallery": gallery}
        entries = self._prepared(stated)
        if isinstance(entries, tuple):
            return entries
        with self.store.write() as writer:
            self._case(writer, case)
            known = {g.name: g for g in all_galleries(writer.connection)}
            if gallery not in known:
                put(writer, gallery, None, {"unsolved": True, "owner": self.as_owner})
            elif not known[gallery].unsolved:
                raise OptionError(f"gallery '{gallery}' is not one of unsolved probes")
            check_homes(writer.connection, {gallery}, self.as_owner)
            writer.audit("file_unsolved", {"gallery": gallery}, actor=actor, case=case)
            if "subject" not in facts:
                entries = [
                    dataclasses.replace(entry, subject=f"{case}/{writer.draw()}")
                    for entry in entries
                ]
            receipts = enrol(writer, entries, actor=actor, purpose=purpose, as_owner=self.as_owner)
        return tuple(self._watched(receipts))

    def open_case(
        self,
        case: str,
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        actor: str | None = None,
    ) -> Case:
        """Make a case, or say what one is about that was only referred to.

        Raises
        ------
        DuplicateError
            There is one of that id.
        """
        with self.store.write() as writer:
            open_case(writer, case, title, self.as_owner, dict(metadata or {}))
            writer.audit("open_case", {"title": title}, actor=actor, case=case)
        return self.case(case)

    def close_case(self, case: str, *, status: str = "closed", actor: str | None = None) -> Case:
        """Close a case, or open it again with ``status="open"``."""
        self.case(case)
        with self.store.write() as writer:
            close_case(writer, case, status=status)
            writer.audit("case_status", {"status": status}, actor=actor, case=case)
        return self.case(case)

    def _case(self, writer: Writer, case: str) -> None:
        """Make sure that the case is there and not another owner's."""
        ensure_case(writer, case, self.as_owner)
        own_case(writer.connection, case, self.as_owner)

    def case(self, case: str) -> Case:
        """Return one case with its searches, unsolved samples and decisions.

        Raises
        ------
        RecordError
            No such case.
        SharingError
            It belongs to another owner.
        """
        with self.store.read() as connection:
            return own_case(connection, case, self.as_owner)

    def cases(self) -> list[Case]:
        """Return all cases in the order they were made."""
        with self.store.read() as connection:
            return list(cases(connection, self.as_owner))

    def decide(
        self,
        case: str,
        subject: str,
        conclusion: Conclusion | str,
        *,
        examiner: str,
        search: str | None = None,
        reason: str | None = None,
    ) -> Decision:
        """Write down an examiner's conclusion on a candidate.

        The second examiner's conclusion on the same candidate verifies the first one's.

        Parameters
        ----------
        case
            Its id, made when there is none.
        subject
            The candidate's subject.
        conclusion
            ``identification``, ``inconclusive`` or ``exclusion``.
        examiner
            Who concludes.
        search
            The search that gave the candidate.
        reason
            Free text.

        Raises
        ------
        OptionError
            Unknown conclusion.
        DuplicateError
            The same examiner concluded on it before.
        RecordError
            The search had no such candidate.
        SharingError
            Case or search are another owner's.
        """
        if conclusion not in set(Conclusion):
            raise OptionError(f"conclusion is '{conclusion}'; use {', '.join(Conclusion)}")
        if search is not None:
            self._own_search(search)
        with self.store.write() as writer:
            self._case(writer, case)
            decision = decide(
                writer,
                case,
                subject,
                Conclusion(conclusion),
                examiner=examiner,
                search=search,
                reason=reason,
            )
            writer.audit(
                "decide",
                {
                    "decision": decision.id,
                    "subject": subject,
                    "conclusion": str(decision.conclusion),
                    "search": search,
                    "verifies": decision.verifies,
                },
                actor=examiner,
                case=case,
            )
        return decision

    def decisions(self, case: str | None = None) -> list[Decision]:
        """Return the decisions (of one case) in the order they were made."""
        with self.store.read() as connection:
            found = list(decisions(connection, case))
            mine = {c.id for c in cases(connection, self.as_owner)}
        return [d for d in found if self.as_owner is None or d.case in mine]

    def searches(self, *, case: str | None = None) -> list[SearchRecord]:
        """Return the searches run so far (for one case), oldest first."""
        with self.store.read() as connection:
            return list(searches(connection, case, self.as_owner))

    def answer(self, search: str) -> CandidateList:
        """Return a past search's candidate list as it was given then, without explanations.

        Raises
        ------
        RecordError
            No such search.
        """
        self._own_search(search)
        with self.store.read() as connection:
            return stored_answer(connection, search)

    def _own_search(self, search: str) -> None:
        if self.as_owner is not None and search not in {one.id for one in self.searches()}:
            raise SharingError(f"search '{search}' is not one of {self.as_owner}'s")

    # Comparison and dedup

    def verify(
        self,
        probe: Source,
        reference: Source,
        *,
        modality: str | None = None,
        options: Mapping[str, Any] | None = None,
        purpose: str | None = None,
        case: str | None = None,
        actor: str | None = None,
    ) -> Comparison:
        """Compare two sources 1:1. The id of an enrolled sample (``s42``) is a source, too.

        Where a source holds several templates the best pair counts.

        Raises
        ------
        SampleError
            A source cannot be used.
        TemplateMismatchError
            The templates were made by different models.
        """
        left = self._one(probe, modality)
        right = self._one(reference, modality)
        result = compare(left, right, options or {})
        with self.store.write() as writer:
            writer.audit(
                "verify",
                {
                    "probe": left[0].sha256,
                    "reference": right[0].sha256,
                    "modality": result.modality,
                    "score": result.score,
                },
                actor=actor,
                purpose=purpose,
                case=case,
            )
        return result

    def _one(self, source: Source, modality: str | None) -> list[Extracted]:
        if isinstance(source, str) and not Path(source).exists() and _is_sample_id(source):
            person, record = self.sample(source)
            template = self.template(source)
            sample = Sample(
                record.modality,
                template=template,
                label=person.id,
                finger_position=record.finger_position,
            )
            return [Extracted(record.modality, template, sample, record.sha256, 0, traced=True)]
        return self._extracted(source, modality=modality)

    def dedup(
        self,
        modality: str,
        *,
        filters: Filters | None = None,
        log10_lr: float = 4.0,
        exhaustive: bool = False,
        block: int = 256,
        on_progress: Callable[[Progress], None] | None = None,
        purpose: str | None = None,
        actor: str | None = None,
    ) -> list[Pair]:
        """Find subjects enrolled twice; a killed run goes on where it was when called again.

        Opened as an owner, the database compares the owner's records with each other and with
        those that others share with their identity.

        Parameters
        ----------
        modality
            Registered name.
        filters
            Records to look at; both subjects of a pair pass them.
        log10_lr
            Lowest log10 likelihood ratio of a pair.
        exhaustive
            Compare every pair; no shortlist.
        block
            Templates searched between two commits.
        on_progress
            Called after every block.

        Returns
        -------
        list of Pair
            Most alike first.

        Raises
        ------
        OptionError
            `log10_lr` is not a number, or `block` less than 1.
        TemplateMismatchError
            The templates come from several models; `biomatch re-enrol` renews them.
        """
        query = self._query(
            self.as_owner, filters, k=20, exhaustive=exhaustive, explain=0, options={}, whole=True
        )
        if query.disclosed is not None:
            # Pairs name subjects, so what is shared as hit or no hit takes no part.
            scope = dataclasses.replace(query.scope, shared=query.disclosed)
            query = dataclasses.replace(query, scope=scope)

        def begun(writer: Writer, job: str) -> None:
            details = {"job": job, "modality": modality}
            writer.audit("dedup", details, actor=actor, purpose=purpose)

        job = dedup(
            self.store,
            self._searcher,
            query,
            registry.get(modality).name,
            log10_lr=log10_lr,
            block=block,
            on_progress=on_progress,
            audit=begun,
        )
        with self.store.read() as connection:
            return list(pairs(connection, job))

    # Index and audit

    def index_status(self, modality: str | None = None) -> list[IndexStatus]:
        """Describe the index of one modality, or of all that have records."""
        return [self.index(name).status() for name in self._enrolled(modality)]

    def index_verify(self, modality: str | None = None) -> list[IndexStatus]:
        """Read every file of the index, compare digests, and compare its rows with SQL's."""
        return [self.index(name).status(check=True) for name in self._enrolled(modality)]

    def index_rebuild(
        self, modality: str | None = None, *, segments: int | None = None
    ) -> list[IndexStatus]:
        """Throw the index away and make it again from SQL.

        Parameters
        ----------
        modality
            Registered name; None = all that have records.
        segments
            Segments to make of each, for as many workers; None = by size.

        Raises
        ------
        OptionError
            Less than one segment.
        """
        if segments is not None and segments < 1:
            raise OptionError(f"segments is {segments}; make at least 1")
        for name in self._enrolled(modality):
            self.index(name).rebuild(segments=segments)
        return self.index_status(modality)

    def index_compact(self, modality: str | None = None) -> list[IndexStatus]:
        """Write the delta as segments, merge small ones, and drop removed rows."""
        for name in self._enrolled(modality):
            self.index(name).compact()
        return self.index_status(modality)

    def index_recall(self, modality: str | None = None, *, probes: int = 100) -> list[IndexRecall]:
        """Measure on the gallery itself what the shortlist loses against `exhaustive` search.

        Parameters
        ----------
        modality
            Registered name; None = all that have records.
        probes
            Enrolled templates to search with.
        """
        normal = self._query(self.as_owner, None, k=20, explain=0, options={}, whole=True)
        full = dataclasses.replace(normal, exhaustive=True)
        return [
            measure(self.store, self._searcher, name, probes, normal, full)
            for name in self._enrolled(modality)
        ]

    def _enrolled(self, modality: str | None) -> list[str]:
        if modality is not None:
            return [registry.get(modality).name]
        with self.store.read() as connection:
            query = select(schema.templates.c.modality).distinct()
            return sorted(connection.execute(query).scalars())

    def audit_head(self) -> str:
        """Return the hash of the last audit row: kept elsewhere, it binds the whole trail."""
        return self.audit_verify().head

    def audit_verify(self) -> AuditReport:
        """Follow the audit chain and name the first broken row, if any."""
        return self.store.check_audit()


class _Bulk:
    """Prepared items of `enrol_many` that wait for their commit, in order."""

    def __init__(
        self,
        write: Callable[[Sequence[Entry]], list[Enrolled | Rejected]],
        on_result: Callable[[Enrolled | Rejected], None] | None,
    ) -> None:
        self.results: list[Enrolled | Rejected] = []
        self.digests: set[str] = set()
        self.count = 0
        self._write = write
        self._on_result = on_result
        self._waiting: list[list[Entry] | tuple[Enrolled, ...] | Rejected] = []

    def add(self, prepared: list[Entry] | tuple[Enrolled, ...] | Rejected) -> None:
        self._waiting.append(prepared)
        if isinstance(prepared, list):
            self.count += len(prepared)
            self.digests.update(entry.extracted.sha256 for entry in prepared)

    def separate(self, digest: str) -> None:
        """Commit what waits if the source with this digest is part of it."""
        if digest in self.digests:
            self.commit()

    def commit(self) -> None:
        entries = [e for found in self._waiting if isinstance(found, list) for e in found]
        receipts = iter(self._write(entries))
        for found in self._waiting:
            if isinstance(found, Rejected):
                self._done(found)
            elif isinstance(found, list):
                for _ in found:
                    self._done(next(receipts))
            else:
                for receipt in found:
                    self._done(receipt)
        self._waiting.clear()
        self.digests.clear()
        self.count = 0

    def _done(self, result: Enrolled | Rejected) -> None:
        self.results.append(result)
        if self._on_result is not None:
            self._on_result(result)


def _check_findable(probe: Sequence[Extracted], query: Query) -> None:
    """Refuse a search that can find nobody: its empty list would be taken for an exclusion."""
    modality = registry.get(probe[0].modality)
    obstacle = getattr(modality, "obstacle", None)
    if obstacle is None:
        return
    options = modality.options(query.options)
    told = [obstacle(one.template, options) for one in probe]
    if all(told):
        raise NoFeaturesError(f"{probe[0].label or probe[0].sample.name}: {told[0]}")


_SAMPLE_FACTS = {"modality", "finger_position", "impression", "ppi", "options"}
_PERSON_FACTS = {"owner", "sex", "year_of_birth", "category", "expires_on", "metadata"}
_ENTRY_FACTS = {"source", "subject", "gallery", "case", "captured_on", "attach", "duplicates"}


def _check_facts(arguments: Iterable[str], method: str) -> None:
    unknown = set(arguments) - _SAMPLE_FACTS - _PERSON_FACTS - _ENTRY_FACTS
    if unknown:
        raise OptionError(f"{method} knows no argument {', '.join(sorted(unknown))}")


def _once(duplicates: str, sample: Sample) -> bool:
    """Whether a source that is enrolled already is left alone; none without a digest is known."""
    if duplicates not in {"skip", "allow"}:
        raise OptionError(f"duplicates is '{duplicates}'; use skip or allow")
    return duplicates == "skip" and sample.sha256 is not None


def _is_sample_id(text: str) -> bool:
    return text.startswith("s") and text[1:].isdecimal()


def _kind(error: BiomatchError) -> str:
    return type(error).__name__


def _conditions(filters: Filters) -> Iterator[sa.ColumnElement[bool]]:
    """Yield what a subject must be, in SQL, to be known to pass the filters."""
    columns, samples = schema.subjects.c, schema.samples.c
    for column, values in (
        (columns.owner, filters.owners),
        (columns.sex, filters.sexes),
        (columns.category, filters.categories),
    ):
        if values:
            yield column.in_(sorted(values))
    if filters.born_from is not None:
        yield columns.year_of_birth >= filters.born_from
    if filters.born_to is not None:
        yield columns.year_of_birth <= filters.born_to
    if filters.galleries:
        yield columns.key.in_(_in_galleries(filters.galleries))
    having = select(samples.subject_key)
    if filters.finger_positions:
        positions = samples.finger_position.in_(sorted(filters.finger_positions))
        yield columns.key.in_(having.where(positions))
    if filters.min_quality is not None:
        yield columns.key.in_(having.where(samples.quality >= filters.min_quality))


def _in_galleries(names: frozenset[str]) -> sa.CompoundSelect[Any]:
    wanted = sorted(names)
    return sa.union(
        select(schema.samples.c.subject_key).where(schema.samples.c.gallery.in_(wanted)),
        select(schema.members.c.subject_key).where(schema.members.c.gallery.in_(wanted)),
    )
