"""The index of one modality: segments on disk, a delta in memory, tombstones over both.

Everything here is derived from SQL and can be thrown away. A search works on a `View`, an
immutable picture of the index at one generation of the database, so readers never wait for
a writer and a writer never disturbs a search.
"""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from biomatch.database import Store, schema
from biomatch.errors import DamagedIndexError, DatabaseError
from biomatch.search import rows
from biomatch.search.catalog import Catalog, locked, read_catalog, write_catalog
from biomatch.search.columns import Record
from biomatch.search.segments import (
    MANIFEST,
    Anchor,
    Part,
    build_part,
    open_segment,
    seal,
    sha256_of,
)
from biomatch.types import Modality

__all__ = ["Index", "IndexStatus", "PartView", "View"]

SEAL_ROWS = 20_000
"""Rows of the delta from which it is written as a segment."""

SEAL_BYTES = 64 << 20
"""Bytes of templates in the delta from which it is written as a segment."""

SEGMENT_ROWS = 500_000
"""Most rows of a segment that a rebuild or compaction writes."""

SEGMENT_BYTES = 512 << 20
"""Most bytes of templates in such a segment."""

MANY_SEGMENTS = 12
"""Segments of one model from which sealing also compacts the small ones."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PartView:
    """A part and which of its rows still count.

    Attributes
    ----------
    part
        The packed references.
    alive
        Shape (len(part),), False = removed since; None = all count.
    removals
        How many of the index's tombstones `alive` knows: a cache key.
    """

    part: Part
    alive: Mask | None = None

    @property
    def count(self) -> int:
        """Rows that count."""
        return len(self.part) if self.alive is None else int(np.count_nonzero(self.alive))


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The index as it was at one generation of the database.

    Attributes
    ----------
    generation
        Last key of the database then.
    parts
        What to search.
    spanning
        Keys of subjects with rows in more than one part, sorted.
    """

    generation: int
    parts: tuple[PartView, ...] = ()
    spanning: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def count(self) -> int:
        """Rows that count."""
        return sum(view.count for view in self.parts)


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """What `biomatch index status` and `verify` show for one modality.

    Attributes
    ----------
    modality
        Registered name.
    generation
        Generation of the database that the index has caught up with.
    records
        Live templates in SQL.
    indexed
        Live rows of the index.
    segments
        Sealed segments in use.
    delta
        Rows not sealed yet.
    removed
        Rows of segments that no longer count.
    bytes
        Size of the segments on disk.
    problems
        What is wrong, one sentence each; empty = sound.
    advice
        What would make searches faster, one sentence each that names the command.
    """

    modality: str
    generation: int
    records: int
    indexed: int
    segments: int
    delta: int
    removed: int
    bytes: int
    problems: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """True when index and records agree and every file is what was written."""
        return not self.problems


class Index:
    """The index of one modality over one database.

    Parameters
    ----------
    store
        The records.
    modality
        The pipeline.
    root
        Folder of the segments.
    """

    def __init__(self, store: Store, modality: Modality[Any], root: Path) -> None:
        self.store = store
        self.modality = modality
        self.root = root
        self.repairs: list[str] = []
        self._lock = threading.RLock()
        self._sealed: list[PartView] = []
        self._delta: list[PartView] = []
        self._catalog = Catalog()
        self._view = View(generation=-1)
        self._marks: tuple[int, int] = (-1, -1)
        self._stamp = -1  # when the folder was last seen to hold all that we have mapped
        self._patience = 0  # rows of the delta before sealing is tried again after a failure
        self._spanned: tuple[tuple[Part, ...], NDArray[np.int64]] = ((), np.empty(0, np.int64))

    def view(self) -> View:
        """Return the index as of the database's present generation, catching up if need be."""
        with self.store.read() as connection:
            generation, marks = rows.watermarks(connection, self.modality.name)
        view = self._view
        if view.generation >= generation and not self._left_behind(view):
            return view
        with self._lock:
            if self._left_behind(self._view):
                self._follow()
            if self._view.generation < generation:
                if self._view.generation >= 0 and marks == self._marks:
                    # Other records changed, or only searches were written down.
                    self._view = replace(self._view, generation=generation)
                else:
                    self._catch_up()
            return self._view

    def _left_behind(self, view: View) -> bool:
        """Whether another process wrote other segments in place of some that we have mapped."""
        try:
            stamp = self.root.stat().st_mtime_ns
        except OSError:
            return False
        if stamp == self._stamp:
            return False
        folders = [part.part.folder for part in view.parts]
        if any(folder is not None and not folder.exists() for folder in folders):
            return True
        self._stamp = stamp
        return False

    def _follow(self) -> None:
        """Map what another process wrote, unless it still writes; what we have does until then."""
        with locked(self.root, wait=False) as mine:
            if not mine or not read_catalog(self.root).segments:
                return
            try:
                self._adopt()
            except DamagedIndexError as error:
                self.repairs.append(str(error))
                self._stamp = self.root.stat().st_mtime_ns  # not again before it changes

    def _catch_up(self) -> None:
        """Take up what was committed since.

        The generation is read together with the rows: a row that is changed between the two would
        be found under neither its old sequence number nor its new one.
        """
        if self._view.generation < 0:
            self._load()
        after = self._view.generation
        with self.store.read() as connection:
            upto = _generation(connection)
            waiting = rows.count(connection, self.modality.name, upto, after=after)
        if waiting >= SEAL_ROWS and self._tried(lambda: self._seal_backlog(after)):
            return
        with self.store.read() as connection:
            generation, marks = self._buried(connection, after)
            self._append(rows.records(connection, self.modality.name, after, generation))
        self._publish(generation)
        self._marks = marks
        count = sum(len(view.part) for view in self._delta)
        patient = count < self._patience
        if (
            not patient
            and self._delta_is_large()
            and not self._tried(lambda: self.flush(wait=False))
        ):
            self._patience = 2 * count

    def _tried(self, sealing: Callable[[], bool]) -> bool:
        """Seal if the disk lets us; a search goes on from memory if it does not."""
        try:
            return sealing()
        except DatabaseError as error:
            self.repairs.append(str(error))
            return False

    def _publish(self, generation: int) -> None:
        sealed = tuple(view.part for view in self._sealed)
        if sealed != self._spanned[0]:
            self._spanned = (sealed, _repeated([part.people for part in sealed]))
        spanning = _spanning(self._spanned[1], sealed, [view.part for view in self._delta])
        self._view = View(generation, (*self._sealed, *self._delta), spanning)

    def _buried(self, connection: Connection, after: int) -> tuple[int, tuple[int, int]]:
        """Take away what was removed since `after`; returns `rows.watermarks` of that moment."""
        generation, marks = rows.watermarks(connection, self.modality.name)
        gone = rows.removed(connection, self.modality.name, after, generation)
        if gone:
            self._bury(np.array(gone, dtype=np.int64))
        return generation, marks

    def _bury(self, seqs: NDArray[np.int64]) -> None:
        self._sealed = [_without(view, seqs) for view in self._sealed]
        self._delta = [_without(view, seqs) for view in self._delta]

    def _append(self, new: Iterable[Record]) -> None:
        """Add rows to the delta; chunks double in size, so each row is packed O(log n) times."""
        by_model = attrgetter("model_id")
        for model_id, group in groupby(sorted(new, key=by_model), key=by_model):
            records = list(group)
            others = [view for view in self._delta if view.part.model_id != model_id]
            chunks = [view for view in self._delta if view.part.model_id == model_id]
            while chunks and len(chunks[-1].part) <= 2 * len(records):
                records = [*_living(chunks.pop()), *records]
            records.sort(key=attrgetter("seq"))
            chunks.append(PartView(build_part(self.modality, model_id, records)))
            self._delta = [*others, *chunks]

    def _delta_is_large(self) -> bool:
        count = sum(len(view.part) for view in self._delta)
        size = sum(view.part.weight for view in self._delta)
        return count >= SEAL_ROWS or size >= SEAL_BYTES

    # Segments on disk

    def _load(self) -> None:
        """Open the segments; what is damaged or of another time line is built again from SQL."""
        self._sealed, self._delta, self._catalog = [], [], Catalog()
        with locked(self.root, wait=True):
            catalog = read_catalog(self.root)
            with self.store.read() as connection:
                good = self._good_segments(connection, catalog)
                upto = catalog.generation if good else 0
                gone = _all_removed(connection, self.modality.name, upto)
                self._sealed = [_without(PartView(part), gone) for part in good]
                lost = self._lost(connection, upto)
            self._catalog = Catalog(upto, {p.name: catalog.segments[p.name] for p in good})
            if lost is not None or len(good) != len(catalog.segments):
                with self._writing(repairing=True):
                    self._repair(lost, upto)
        self._view = View(upto, tuple(self._sealed))

    def _good_segments(self, connection: Connection, catalog: Catalog) -> list[Part]:
        good = []
        for name, digest in catalog.segments.items():
            try:
                if sha256_of(self.root / name / MANIFEST) != digest:
                    raise DamagedIndexError(f"segment {name}: its manifest was changed")
                part = open_segment(self.modality, self.root / name)
                _check_anchor(connection, part)
                good.append(part)
            except (DamagedIndexError, OSError) as error:
                self.repairs.append(str(error))
        return good

    def _lost(self, connection: Connection, upto: int) -> NDArray[np.int64] | None:
        """Live sequence numbers up to `upto` that no good segment holds; None = none."""
        held = sum(view.count for view in self._sealed)
        if held == rows.count(connection, self.modality.name, upto):
            return None
        live = np.array(rows.sequences(connection, self.modality.name, upto), dtype=np.int64)
        self._sealed = [_only(view, live) for view in self._sealed]
        kept = [_living_seqs(view) for view in self._sealed]
        present = np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)
        return np.setdiff1d(live, present)

    def _repair(self, lost: NDArray[np.int64] | None, upto: int) -> None:
        names = [view.part.name for view in self._sealed]
        if lost is not None and len(lost):
            self.repairs.append(f"{len(lost):,} {self.modality.name} rows were packed again")
            wanted = set(lost.tolist())
            with self.store.read() as connection:
                anchor = _anchor(connection, upto)
                found = rows.records(connection, self.modality.name, int(lost[0]) - 1, upto)
                fresh = self._seal_all((r for r in found if r.seq in wanted), anchor)
            self._sealed += [PartView(open_segment(self.modality, self.root / n)) for n in fresh]
            names += fresh
        self._catalog = write_catalog(self.root, upto, names)
        _sweep(self.root, names)

    @contextmanager
    def _writing(self, *, repairing: bool = False) -> Iterator[None]:
        """Make a failed write a clear error, and give back the space that it took."""
        try:
            yield
        except OSError as error:
            _sweep(self.root, list(read_catalog(self.root).segments))
            cause = error.strerror or f"not all could be written, as on a full disk ({error})"
            raise DatabaseError(
                f"index folder {self.root}: {cause}; no record is lost "
                + (
                    "but what is damaged must be written anew before a search: make room, then "
                    "search again"
                    if repairing
                    else "and searches go on: make room, then run `biomatch index compact`"
                )
            ) from error

    def _seal_backlog(self, after: int) -> bool:
        """Write all templates that came after `after` as segments, without holding them all.

        False when another process holds the folder or is ahead.
        """
        with locked(self.root, wait=False) as mine, self._writing():
            if not mine or read_catalog(self.root) != self._catalog:
                return False
            if any(view.count for view in self._delta):
                self._seal_delta()
            with self.store.read() as connection:
                generation, marks = self._buried(connection, after)
                anchor = _anchor(connection, generation)
                found = rows.records(connection, self.modality.name, after, generation)
                fresh = self._seal_all(found, anchor)
            self._list([*self._sealed, *self._opened(fresh)], generation)
            self._publish(generation)
            self._marks = marks
            return True

    def _opened(self, names: Sequence[str]) -> list[PartView]:
        """Open segments just written; they are listed only if that succeeds."""
        return [
            PartView(open_segment(self.modality, self.root / name, check=False)) for name in names
        ]

    def _list(self, sealed: Sequence[PartView], generation: int) -> None:
        """From now on the index is made of these segments, and of nothing in memory."""
        names = [view.part.name for view in sealed]
        self._catalog = write_catalog(self.root, generation, names)
        self._sealed, self._delta, self._patience = list(sealed), [], 0

    def _seal_all(
        self, records: Iterable[Record], anchor: Anchor, most: int = SEGMENT_ROWS
    ) -> list[str]:
        """Write records as segments, grouped by model, none over the size limits."""
        names: list[str] = []
        waiting: dict[str, list[Record]] = {}
        sizes: dict[str, int] = {}

        def write(model_id: str) -> None:
            part = build_part(self.modality, model_id, waiting.pop(model_id))
            del sizes[model_id]
            names.append(seal(part, self.root, anchor))

        for record in records:
            waiting.setdefault(record.model_id, []).append(record)
            sizes[record.model_id] = sizes.get(record.model_id, 0) + len(record.blob)
            full = len(waiting[record.model_id]) >= most
            if full or sizes[record.model_id] >= SEGMENT_BYTES:
                write(record.model_id)
        for model_id in list(waiting):
            write(model_id)
        return names

    def flush(self, *, wait: bool = True) -> bool:
        """Write the delta as segments; False when another process holds the folder.

        A process that finds the folder ahead of its own delta adopts what the other wrote.
        """
        with self._lock, locked(self.root, wait=wait) as mine, self._writing():
            if not mine:
                return False
            if read_catalog(self.root) != self._catalog:
                self._adopt()
            if any(view.count for view in self._delta):
                self._seal_delta()
            return True

    def _adopt(self) -> None:
        """Open the segments that another process wrote in place of the same rows of our delta."""
        catalog = read_catalog(self.root)
        known = {view.part.name: view.part for view in self._sealed}
        parts = [
            known.get(name) or open_segment(self.modality, self.root / name)
            for name in catalog.segments
        ]
        with self.store.read() as connection:
            generation = _generation(connection)
            gone = _all_removed(connection, self.modality.name, generation)
            new = list(rows.records(connection, self.modality.name, catalog.generation, generation))
        self._sealed = [_without(PartView(part), gone) for part in parts]
        self._delta = []
        self._catalog = catalog
        self._append(new)
        self._publish(generation)

    def _seal_delta(self) -> None:
        generation = self._view.generation
        records = [record for view in self._delta for record in _living(view)]
        with self.store.read() as connection:
            anchor = _anchor(connection, generation)
        fresh = self._seal_all(sorted(records, key=attrgetter("seq")), anchor)
        self._list([*self._sealed, *self._opened(fresh)], generation)
        self._publish(generation)
        if len(self._sealed) > MANY_SEGMENTS:
            self._merge(_small(self._sealed))

    def compact(self) -> None:
        """Merge small segments, and write those anew that still hold removed rows."""
        self.view()
        with self._lock, locked(self.root, wait=True), self._writing():
            if read_catalog(self.root) != self._catalog:
                self._adopt()
            if any(view.count for view in self._delta):
                self._seal_delta()
            self._merge(_worn(self._sealed))

    def _merge(self, chosen: Sequence[PartView]) -> None:
        """Write the living rows of `chosen` anew and forget the old folders."""
        if not chosen:
            return
        generation = self._catalog.generation
        seqs = np.concatenate([_living_seqs(view) for view in chosen])
        wanted = set(seqs.tolist())
        kept = [view for view in self._sealed if view not in chosen]
        fresh: list[str] = []
        with self.store.read() as connection:
            anchor = _anchor(connection, generation)
            if wanted:
                found = rows.records(
                    connection, self.modality.name, int(seqs.min()) - 1, int(seqs.max())
                )
                fresh = self._seal_all((r for r in found if r.seq in wanted), anchor)
            parts = self._opened(fresh)
            # Rows removed while we packed are in the tombstones, not in what SQL gave us.
            gone = _all_removed(connection, self.modality.name, self._view.generation)
        names = [*(view.part.name for view in kept), *fresh]
        self._catalog = write_catalog(self.root, generation, names)
        self._sealed = [*kept, *(_without(view, gone) for view in parts)]
        self._publish(self._view.generation)
        _sweep(self.root, names)

    def rebuild(self, *, segments: int | None = None) -> None:
        """Throw all segments away and pack every template again, into so many segments."""
        with (
            self._lock,
            locked(self.root, wait=True),
            self._writing(),
            self.store.read() as connection,
        ):
            generation = _generation(connection)
            anchor = _anchor(connection, generation)
            found = rows.records(connection, self.modality.name, 0, generation)
            total = rows.count(connection, self.modality.name, generation)
            most = SEGMENT_ROWS if segments is None else max(1, -(-total // segments))
            names = self._seal_all(found, anchor, most)
            self._list(self._opened(names), generation)
            _sweep(self.root, names)
            self._publish(generation)
        self.view()

    # What `biomatch index` shows

    def status(self, *, check: bool = False) -> IndexStatus:
        """Describe the index; with `check`, read every file and compare with SQL row by row."""
        view = self.view()
        problems = self._problems(view) if check else []
        with self.store.read() as connection:
            records = rows.count(connection, self.modality.name, view.generation)
            records += len(self._withdrawn(connection, view))
        if records != view.count:
            problems.append(f"SQL has {records:,} templates, the index {view.count:,}")
        sealed = [part for part in view.parts if part.part.folder is not None]
        return IndexStatus(
            modality=self.modality.name,
            generation=view.generation,
            records=records,
            indexed=view.count,
            segments=len(sealed),
            delta=sum(part.count for part in view.parts if part.part.folder is None),
            removed=sum(len(part.part) - part.count for part in sealed),
            bytes=sum(_size(part.part.folder) for part in sealed),
            problems=tuple(problems),
            advice=tuple(self._advice(sealed)),
        )

    def _advice(self, sealed: Sequence[PartView]) -> Iterator[str]:
        """Name what segments of earlier software lack."""
        dated: dict[str, list[PartView]] = {}
        for view in sealed:
            dated.setdefault(getattr(view.part.gallery, "dated", ""), []).append(view)
        for lacking, views in dated.items():
            if lacking:
                yield (
                    f"{len(views)} of {len(sealed)} {self.modality.name} segments "
                    f"({sum(view.count for view in views):,} records) lack {lacking}, so searches "
                    "are right but slower than they could be; "
                    f"`biomatch index rebuild -m {self.modality.name}` adds it"
                )

    def _problems(self, view: View) -> list[str]:
        problems = []
        for part in view.parts:
            if part.part.folder is None:
                continue
            try:
                open_segment(self.modality, part.part.folder)
            except DamagedIndexError as error:
                listed = read_catalog(self.root).segments
                if not listed or part.part.name in listed:  # else another process replaced it
                    problems.append(str(error))
        with self.store.read() as connection:
            live = rows.sequences(connection, self.modality.name, view.generation)
            live += self._withdrawn(connection, view)
        held = np.sort(
            np.concatenate([_living_seqs(v) for v in view.parts] or [np.empty(0, dtype=np.int64)])
        )
        if not np.array_equal(np.sort(np.array(live, dtype=np.int64)), held):
            problems.append("the index does not hold exactly the templates that SQL holds")
        return problems

    def _withdrawn(self, connection: Connection, view: View) -> list[int]:
        """Rows of the view that were removed or changed while we looked at it."""
        gone = rows.removed(
            connection, self.modality.name, view.generation, _generation(connection)
        )
        return [seq for seq in gone if seq <= view.generation]


def _repeated(people: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Values that are in more than one of the sorted arrays."""
    if len(people) < 2:
        return np.empty(0, dtype=np.int64)
    together = np.sort(np.concatenate(people), kind="stable")
    return np.unique(together[1:][together[1:] == together[:-1]])


def _spanning(
    known: NDArray[np.int64], sealed: Sequence[Part], delta: Sequence[Part]
) -> NDArray[np.int64]:
    """Subjects in more than one part, when `known` are those among the sealed ones."""
    if not delta:
        return known
    fresh = [part.people for part in delta]
    everyone = np.unique(np.concatenate(fresh))
    old = [everyone[_within(everyone, part.people)] for part in sealed]
    return np.unique(np.concatenate([known, _repeated(fresh), *old]))


def _within(values: NDArray[np.int64], ordered: NDArray[np.int64]) -> Mask:
    if not len(ordered):
        return np.zeros(len(values), dtype=np.bool_)
    at = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: Mask = ordered[at] == values
    return found


def _without(view: PartView, seqs: NDArray[np.int64]) -> PartView:
    hit = np.isin(view.part.columns.seqs, seqs)
    if not hit.any():
        return view
    return PartView(view.part, ~hit if view.alive is None else view.alive & ~hit)


def _only(view: PartView, seqs: NDArray[np.int64]) -> PartView:
    hit = np.isin(view.part.columns.seqs, seqs)
    return view if hit.all() else PartView(view.part, hit)


def _living(view: PartView) -> list[Record]:
    if view.alive is None:
        return list(view.part.records)
    return [r for r, alive in zip(view.part.records, view.alive, strict=True) if alive]


def _living_seqs(view: PartView) -> NDArray[np.int64]:
    seqs = np.asarray(view.part.columns.seqs)
    return seqs if view.alive is None else seqs[view.alive]


def _small(sealed: Sequence[PartView]) -> list[PartView]:
    return [view for view in sealed if len(view.part) < SEGMENT_ROWS // 4]


def _worn(sealed: Sequence[PartView]) -> list[PartView]:
    """Segments to write anew: small ones if there are several, and all with removed rows.

    Not only the much-deleted ones: what was deleted, perhaps by law, is gone from the files then.
    """
    small = _small(sealed)
    chosen = set(small) if len(small) > 1 else set()
    chosen |= {view for view in sealed if view.count < len(view.part)}
    return [view for view in sealed if view in chosen]


def _generation(connection: Connection) -> int:
    return int(connection.execute(select(schema.state.c.generation)).scalar_one())


def _anchor(connection: Connection, generation: int) -> Anchor:
    uuid = str(connection.execute(select(schema.state.c.uuid)).scalar_one())
    row = connection.execute(
        select(schema.audit.c.seq, schema.audit.c.hash)
        .where(schema.audit.c.generation <= generation)
        .order_by(schema.audit.c.seq.desc())
        .limit(1)
    ).first()
    return Anchor(uuid, generation, row.seq if row else 0, row.hash if row else "")


def _check_anchor(connection: Connection, part: Part) -> None:
    anchor = part.anchor
    if anchor is None:
        return
    if anchor.database != str(connection.execute(select(schema.state.c.uuid)).scalar_one()):
        raise DamagedIndexError(f"segment {part.name}: it belongs to another database")
    found = connection.execute(
        select(schema.audit.c.hash).where(schema.audit.c.seq == anchor.audit_seq)
    ).scalar()
    if anchor.generation > _generation(connection) or (found or "") != anchor.audit_hash:
        raise DamagedIndexError(f"segment {part.name}: the database was put back to an older state")


def _all_removed(connection: Connection, modality: str, upto: int) -> NDArray[np.int64]:
    return np.array(rows.removed(connection, modality, 0, upto), dtype=np.int64)


def _sweep(root: Path, names: Sequence[str]) -> None:
    """Delete folders that the catalog does not list; readers keep what they have mapped."""
    for folder in root.iterdir():
        if folder.is_dir() and folder.name not in names:
            shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path | None) -> int:
    if folder is None:
        return 0
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
