"""Finding subjects that were enrolled twice: every record of a gallery against all others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, select

from biomatch.database import Store, Writer, schema
from biomatch.database.audit import canonical
from biomatch.database.store import now
from biomatch.errors import RecordError
from biomatch.search import registry
from biomatch.search.searcher import Query, Searcher
from biomatch.search.sources import Extracted
from biomatch.types import Sample

__all__ = ["Pair", "Progress", "dedup", "pairs"]

KIND = "dedup"


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
    """Search every record against the gallery, a block at a time; returns the job's id.

    Pairs and position are committed together, so a killed job goes on with the block it was
    in. A job with the same parameters that is not done is taken up again.
    """
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
    while True:
        with store.read() as connection:
            row = _row(connection, job)
            todo = _block(connection, modality, row, block, query)
        if not todo:
            break
        found = _compare(searcher, query, todo, log10_lr)
        with store.write() as writer:
            if _row(writer.connection, job).position == row.position:
                _write(writer, job, found)
                _move(writer, job, position=todo[-1].key)
        if on_progress is not None:
            on_progress(_progress(store, job, modality))
    with store.write() as writer:
        _move(writer, job, done=True)
    return f"j{job}"


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


def _block(
    connection: Connection, modality: str, job: Row[Any], size: int, query: Query
) -> list[Row[Any]]:
    t, s, p = schema.templates.c, schema.samples.c, schema.subjects.c
    found = (
        select(t.key, t.blob, t.modality, s.finger_position, p.id.label("subject"))
        .join(schema.samples, s.key == t.sample_key)
        .join(schema.subjects, p.key == t.subject_key)
        .where(t.modality == modality, t.key > job.position, t.key <= job.upto)
        .order_by(t.key)
        .limit(size)
    )
    wanted = query.scope.filters.galleries
    if wanted:
        listed = select(schema.members.c.subject_key).where(
            schema.members.c.gallery.in_(sorted(wanted))
        )
        found = found.where(s.gallery.in_(sorted(wanted)) | t.subject_key.in_(listed))
    elif query.scope.hidden:
        found = found.where(s.gallery.not_in(sorted(query.scope.hidden)))
    if query.scope.owner is not None:
        found = found.where(p.owner == query.scope.owner)
    return list(connection.execute(found))


def _compare(
    searcher: Searcher, query: Query, todo: Sequence[Row[Any]], log10_lr: float
) -> dict[tuple[str, str], Pair]:
    answers = searcher.search([[_probe(row)] for row in todo], query)
    found: dict[tuple[str, str], Pair] = {}
    for row, answer in zip(todo, answers, strict=True):
        for candidate in answer:
            if candidate.subject == row.subject or candidate.log10_lr < log10_lr:
                continue
            first, second = sorted((row.subject, candidate.subject))
            known = found.get((first, second))
            if known is None or candidate.log10_lr > known.log10_lr:
                found[first, second] = Pair(first, second, candidate.score, candidate.log10_lr)
    return found


def _probe(row: Row[Any]) -> Extracted:
    template = registry.get(row.modality).loads(bytes(row.blob))
    sample = Sample(
        row.modality, template=template, label=row.subject, finger_position=row.finger_position
    )
    return Extracted(row.modality, template, sample, "", 0, traced=False)


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


def _progress(store: Store, job: int, modality: str) -> Progress:
    count = sa.func.count()
    t = schema.templates.c
    with store.read() as connection:
        row = _row(connection, job)
        mine = select(count).where(t.modality == modality, t.key <= row.upto)
        total = connection.execute(mine.select_from(schema.templates)).scalar_one()
        searched = mine.where(t.key <= row.position).select_from(schema.templates)
        found = select(count).where(schema.pairs.c.job_key == job).select_from(schema.pairs)
        return Progress(
            f"j{job}",
            connection.execute(searched).scalar_one(),
            total,
            connection.execute(found).scalar_one(),
        )


def pairs(connection: Connection, job: str) -> Iterator[Pair]:
    """Yield a job's pairs, most alike first."""
    key = int(job[1:]) if job.startswith("j") and job[1:].isdecimal() else -1
    _row(connection, key)
    columns = schema.pairs.c
    query = select(schema.pairs).where(columns.job_key == key)
    for row in connection.execute(
        query.order_by(columns.log10_lr.desc(), columns.subject, columns.other)
    ).all():
        yield Pair(row.subject, row.other, row.score, row.log10_lr)
