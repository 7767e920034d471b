"""Finding subjects that were enrolled twice: every record of a gallery against all others."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select

from biomatch.database import Store, Writer, schema
from biomatch.database.audit import canonical
from biomatch.database.store import now
from biomatch.errors import OptionError, RecordError, TemplateMismatchError
from biomatch.search import registry
from biomatch.search.filters import Scope
from biomatch.search.index import View
from biomatch.search.records import numbered
from biomatch.search.searcher import Query, Searcher
from biomatch.search.sources import Extracted
from biomatch.types import Sample

__all__ = ["Pair", "Progress", "dedup", "pairs"]

KIND = "dedup"
READ = 500


@dataclass(frozen=True, slots=True)
class Pair:
    """Two subjects that look like one person."""

    subject: str
    other: str
    score: float
    log10_lr: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a dedup job has come.

    Attributes
    ----------
    job
        ``j`` and a number, to look at its pairs later.
    done, total
        Templates searched, and to be searched.
    pairs
        Pairs found so far.
    """

    job: str
    done: int
    total: int
    pairs: int


def dedup(
    store: Store,
    searcher: Searcher,
    query: Query,
    modality: str,
    *,
    log10_lr: float,
    block: int,
    on_progress: Callable[[Progress], None] | None,
    audit: Callable[[Writer, str], None],
) -> str:
    """Search every record in the query's scope against that scope; returns the job's id.

    As an owner, the owner's records are searched, and what others share with it is found.
    Pairs and position are committed together, a block at a time, so a killed job goes on with
    the block it was in. A job with the same parameters that is not done is taken up again.

    Raises
    ------
    OptionError
        `log10_lr` is not a number, or `block` less than 1.
    TemplateMismatchError
        The templates come from several models: pairs across them would be missed in silence.
    """
    if math.isnan(log10_lr):
        raise OptionError("the lowest log10 LR of a pair is not a number")
    if block < 1:
        raise OptionError(f"block is {block}; search at least 1 template at a time")
    view = searcher.index(modality).view()
    made_by = sorted({part.part.model_id for part in view.parts if part.count})
    if len(made_by) > 1:
        raise TemplateMismatchError(
            f"the {modality} templates come from different models ({', '.join(made_by)}), which "
            "cannot be compared; make them with one first (`biomatch re-enrol`)"
        )
    parameters = canonical(
        {
            "modality": modality,
            "log10_lr": log10_lr,
            "filters": query.scope.filters.described(),
            "owner": query.scope.owner,
            "exhaustive": query.exhaustive,
        }
    )
    job = _job(store, parameters, audit)
    keys: NDArray[np.int64] | None = None
    while True:
        with store.read() as connection:
            row = _row(connection, job)
        if keys is None:
            mine = dataclasses.replace(query.scope, shared=frozenset())
            keys = _visible(searcher.index(modality).view(), mine, row.upto)
        done = int(np.searchsorted(keys, row.position, side="right"))
        todo = keys[done : done + block].tolist()
        if not todo:
            break
        found = _compare(searcher, query, _probes(store, modality, todo), log10_lr)
        with store.write() as writer:
            if _row(writer.connection, job).position == row.position:
                _write(writer, job, found)
                _move(writer, job, position=todo[-1])
        if on_progress is not None:
            count = _count(store, job)
            on_progress(Progress(f"j{job}", done + len(todo), len(keys), count))
    with store.write() as writer:
        _move(writer, job, done=True)
    return f"j{job}"


def _visible(view: View, scope: Scope, upto: int) -> NDArray[np.int64]:
    """Keys of the templates that the scope lets pass, ascending."""
    found = [np.empty(0, dtype=np.int64)]
    for part in view.parts:
        mask = scope.mask(part.part.columns)
        keys = np.asarray(part.part.columns.keys)
        for passing in (mask, part.alive):
            if passing is not None:
                mask = passing if mask is None else mask & passing
        found.append(keys if mask is None else keys[mask])
    keys = np.sort(np.concatenate(found))
    return keys[keys <= upto]


def _job(store: Store, parameters: str, audit: Callable[[Writer, str], None]) -> int:
    columns = schema.jobs.c
    with store.write() as writer:
        open_job = writer.connection.execute(
            select(columns.key).where(
                columns.kind == KIND, columns.parameters == parameters, ~columns.done
            )
        ).scalar()
        if open_job is not None:
            return int(open_job)
        key = writer.draw()
        writer.insert(
            schema.jobs,
            [
                {
                    "key": key,
                    "kind": KIND,
                    "parameters": parameters,
                    "position": 0,
                    "upto": writer.generation,
                    "done": False,
                    "created_at": now(),
                }
            ],
        )
        audit(writer, f"j{key}")
        return key


def _row(connection: Connection, job: int) -> Row[Any]:
    query = select(schema.jobs).where(schema.jobs.c.key == job, schema.jobs.c.kind == KIND)
    row = connection.execute(query).first()
    if row is None:
        raise RecordError(f"no dedup job 'j{job}'")
    return row


def _move(writer: Writer, job: int, **values: Any) -> None:
    writer.connection.execute(
        sa.update(schema.jobs).where(schema.jobs.c.key == job).values(**values)
    )


def _probes(store: Store, modality: str, keys: Sequence[int]) -> list[tuple[int, Extracted]]:
    """Read the templates with these keys, those still there: subject keys and templates."""
    t, s, p = schema.templates.c, schema.samples.c, schema.subjects.c
    query = (
        select(t.subject_key, t.blob, s.finger_position, p.id.label("subject"))
        .join(schema.samples, s.key == t.sample_key)
        .join(schema.subjects, p.key == t.subject_key)
    )
    rows: list[Row[Any]] = []
    with store.read() as connection:
        for start in range(0, len(keys), READ):
            some = query.where(t.key.in_(keys[start : start + READ])).order_by(t.key)
            rows.extend(list(connection.execute(some)))
    reader = registry.get(modality)
    found = []
    for row in rows:
        template = reader.loads(bytes(row.blob))
        sample = Sample(
            modality, template=template, label=row.subject, finger_position=row.finger_position
        )
        found.append((row.subject_key, Extracted(modality, template, sample, "", 0, traced=False)))
    return found


def _compare(
    searcher: Searcher, query: Query, todo: Sequence[tuple[int, Extracted]], log10_lr: float
) -> dict[tuple[str, str], Pair]:
    found: dict[tuple[str, str], Pair] = {}
    owners, probes = [key for key, _ in todo], [probe for _, probe in todo]
    answers = searcher.resembling(probes, owners, query, log10_lr)
    for probe, others in zip(probes, answers, strict=True):
        own = str(probe.sample.label)
        for subject, hit in others.items():
            first, second = sorted((own, subject))
            known = found.get((first, second))
            if known is None or hit.log10_lr > known.log10_lr:
                found[first, second] = Pair(first, second, hit.score, hit.log10_lr)
    return found


def _write(writer: Writer, job: int, found: dict[tuple[str, str], Pair]) -> None:
    columns = schema.pairs.c
    for (subject, other), pair in sorted(found.items()):
        values = {"score": pair.score, "log10_lr": pair.log10_lr}
        same = (columns.job_key == job) & (columns.subject == subject) & (columns.other == other)
        known = writer.connection.execute(select(columns.log10_lr).where(same)).scalar()
        if known is None:
            writer.insert(
                schema.pairs, [{"job_key": job, "subject": subject, "other": other, **values}]
            )
        elif pair.log10_lr > known:
            writer.connection.execute(sa.update(schema.pairs).where(same).values(**values))


def _count(store: Store, job: int) -> int:
    query = select(sa.func.count()).select_from(schema.pairs).where(schema.pairs.c.job_key == job)
    with store.read() as connection:
        return int(connection.execute(query).scalar_one())


def pairs(connection: Connection, job: str) -> Iterator[Pair]:
    """Yield a job's pairs, most alike first."""
    key = numbered(job, "j", "dedup job")
    _row(connection, key)
    columns = schema.pairs.c
    query = select(schema.pairs).where(columns.job_key == key)
    for row in connection.execute(
        query.order_by(columns.log10_lr.desc(), columns.subject, columns.other)
    ).all():
        yield Pair(row.subject, row.other, row.score, row.log10_lr)
