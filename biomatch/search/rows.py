"""Reading enrolled templates out of SQL, in the shape the index packs them."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select

from biomatch.database import schema
from biomatch.search.columns import Record

__all__ = ["blobs", "count", "records", "removed", "sequences", "watermarks"]

BLOCK = 2000


def records(connection: Connection, modality: str, after: int, upto: int) -> Iterator[Record]:
    """Yield the templates whose sequence number is in (after, upto], in that order."""
    extra = _memberships(connection, modality, after, upto)
    rows = connection.execution_options(yield_per=BLOCK).execute(
        _joined()
        .where(
            schema.templates.c.modality == modality,
            schema.templates.c.seq > after,
            schema.templates.c.seq <= upto,
        )
        .order_by(schema.templates.c.seq)
    )
    for row in rows:
        galleries = (row.gallery, *extra.get(row.subject_key, ()))
        yield Record(
            seq=row.seq,
            key=row.key,
            sample=row.sample_key,
            subject=row.subject_key,
            position=row.finger_position,
            quality=row.quality,
            owner=row.owner,
            sex=row.sex,
            year_of_birth=row.year_of_birth,
            category=row.category,
            galleries=galleries,
            model_id=row.model_id,
            blob=bytes(row.blob),
        )


def _joined() -> Select[Any]:
    t, s, p = schema.templates.c, schema.samples.c, schema.subjects.c
    return select(
        t.seq,
        t.key,
        t.sample_key,
        t.subject_key,
        s.finger_position,
        s.quality,
        s.gallery,
        p.owner,
        p.sex,
        p.year_of_birth,
        p.category,
        t.model_id,
        t.blob,
    ).select_from(
        schema.templates.join(schema.samples, s.key == t.sample_key).join(
            schema.subjects, p.key == t.subject_key
        )
    )


def _memberships(
    connection: Connection, modality: str, after: int, upto: int
) -> dict[int, tuple[str, ...]]:
    """Watch-lists of the subjects of `records`, by subject key."""
    found: dict[int, tuple[str, ...]] = {}
    columns, t = schema.members.c, schema.templates.c
    concerned = select(t.subject_key).where(t.modality == modality, t.seq > after, t.seq <= upto)
    query = select(columns.subject_key, columns.gallery).order_by(columns.gallery)
    # From the very beginning all are concerned, and a list of them would only cost time.
    for key, gallery in connection.execute(
        query.where(columns.subject_key.in_(concerned)) if after else query
    ):
        found[key] = (*found.get(key, ()), gallery)
    return found


def removed(connection: Connection, modality: str, after: int, upto: int) -> list[int]:
    """Sequence numbers that were withdrawn by generations (after, upto]."""
    columns = schema.removals.c
    return list(
        connection.execute(
            select(columns.seq).where(
                columns.modality == modality,
                columns.generation > after,
                columns.generation <= upto,
            )
        ).scalars()
    )


def watermarks(connection: Connection, modality: str) -> tuple[int, tuple[int, int]]:
    """Return the database's generation, and a modality's last sequence number and removal.

    When the latter two are what they were, no template of the modality has changed.
    """
    newest = (
        select(func.max(schema.templates.c.seq))
        .where(schema.templates.c.modality == modality)
        .scalar_subquery()
    )
    removal = (
        select(func.max(schema.removals.c.generation))
        .where(schema.removals.c.modality == modality)
        .scalar_subquery()
    )
    row = connection.execute(select(schema.state.c.generation, newest, removal)).one()
    return int(row[0]), (int(row[1] or 0), int(row[2] or 0))


def sequences(connection: Connection, modality: str, upto: int) -> list[int]:
    """All live sequence numbers up to `upto`, ascending."""
    columns = schema.templates.c
    return list(
        connection.execute(
            select(columns.seq)
            .where(columns.modality == modality, columns.seq <= upto)
            .order_by(columns.seq)
        ).scalars()
    )


def count(connection: Connection, modality: str, upto: int, *, after: int = 0) -> int:
    """Count the live templates whose sequence number is in (after, upto]."""
    columns = schema.templates.c
    query = select(func.count()).where(
        columns.modality == modality, columns.seq > after, columns.seq <= upto
    )
    return int(connection.execute(query.select_from(schema.templates)).scalar_one())


def blobs(connection: Connection, keys: Sequence[int]) -> dict[int, bytes]:
    """Template blobs by template key."""
    columns = schema.templates.c
    found: dict[int, bytes] = {}
    for start in range(0, len(keys), BLOCK):
        block = list(keys[start : start + BLOCK])
        query = select(columns.key, columns.blob).where(columns.key.in_(block))
        found.update({row.key: bytes(row.blob) for row in connection.execute(query)})
    return found
