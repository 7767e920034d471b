"""Reverse search: what is enrolled in a watched gallery is searched against the unsolved file.

How far the watch has come is kept in the database and moves on in the transaction that writes
the alerts, so a crash between an enrolment and its reverse search delays alerts, and loses
none.
"""

import dataclasses
import json
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, select

from biomatch.database import Store, Writer, schema
from biomatch.database.store import now
from biomatch.search import registry
from biomatch.search.filters import Filters, Scope
from biomatch.search.galleries import Gallery, all_galleries
from biomatch.search.records import key_of
from biomatch.search.searcher import Query, Searcher
from biomatch.search.sources import Extracted
from biomatch.types import Candidate, Sample

__all__ = ["Alert", "alerts", "disclosed", "tell", "watch"]

KIND = "watch"
BLOCK = 200
HOOK_SECONDS = 10
WAITING, STARTED = "waiting", "started"


@dataclass(frozen=True, slots=True)
class Alert:
    """A newly enrolled sample that may solve a case.

    Attributes
    ----------
    id
        ``a`` and a number.
    gallery
        The watched gallery.
    subject, sample
        Who was enrolled.
    unsolved
        Sample id of the unsolved probe that it resembles; its reference number where the probe's
        owner shares hit/no-hit only.
    case
        That probe's case; None where only the reference number is shown.
    score, log10_lr
        How much.
    hook_result
        What became of the gallery's hook: ``waiting``, ``started`` (and not heard of again, if
        it stays so), or how it ended; None = the gallery had none.
    """

    id: str
    at: str
    gallery: str
    modality: str
    subject: str
    sample: str
    unsolved: str
    case: str | None
    score: float
    log10_lr: float
    hook_result: str | None = None


def watch(store: Store, searcher: Searcher) -> list[Alert]:
    """Search what was enrolled in watched galleries since the last time; returns new alerts."""
    raised: list[Alert] = []
    while True:
        with store.read() as connection:
            galleries = {g.name: g for g in all_galleries(connection)}
            position = _position(connection)
            fresh = _fresh(connection, position, galleries)
        if not fresh:
            return raised
        found = _compare(searcher, fresh, galleries)
        with store.write() as writer:
            if _position(writer.connection) != position:
                continue  # another process did this block
            raised += _write(writer, found, galleries)
            _move(writer, position, fresh[-1].key)


def _position(connection: Connection) -> int:
    columns = schema.jobs.c
    query = select(columns.position).where(columns.kind == KIND)
    return int(connection.execute(query).scalar() or 0)


def _move(writer: Writer, position: int, upto: int) -> None:
    if position:
        columns = schema.jobs.c
        writer.connection.execute(
            sa.update(schema.jobs).where(columns.kind == KIND).values(position=upto)
        )
        return
    writer.insert(
        schema.jobs,
        [
            {
                "key": writer.draw(),
                "kind": KIND,
                "parameters": "{}",
                "position": upto,
                "upto": 0,
                "done": False,
                "created_at": now(),
            }
        ],
    )


def _fresh(connection: Connection, position: int, galleries: dict[str, Gallery]) -> list[Row[Any]]:
    watched = [g.name for g in galleries.values() if g.watched]
    t, s = schema.templates.c, schema.samples.c
    query = (
        select(t.key, t.seq, t.modality, t.blob, s.key.label("sample"), s.gallery, s.sha256)
        .add_columns(s.finger_position, schema.subjects.c.id.label("subject"))
        .join(schema.samples, s.key == t.sample_key)
        .join(schema.subjects, schema.subjects.c.key == t.subject_key)
        .where(s.gallery.in_(watched), t.key > position)
        .order_by(t.key)
        .limit(BLOCK)
    )
    return list(connection.execute(query)) if watched else []


def _compare(
    searcher: Searcher, fresh: Sequence[Row[Any]], galleries: dict[str, Gallery]
) -> list[tuple[Row[Any], Candidate]]:
    found: list[tuple[Row[Any], Candidate]] = []
    for name in dict.fromkeys(row.gallery for row in fresh):
        unsolved = _open_to(galleries[name], galleries.values())
        if not unsolved:
            continue
        rows = [row for row in fresh if row.gallery == name]
        query = Query(k=50, scope=Scope(filters=Filters(galleries=unsolved)), explain=0, whole=True)
        answers = searcher.search([[_probe(row)] for row in rows], query)
        lowest = galleries[name].alert_log10_lr
        for row, answer in zip(rows, answers, strict=True):
            found += [(row, c) for c in answer if c.log10_lr >= lowest and c.subject != row.subject]
    return found


def _open_to(watched: Gallery, galleries: Iterable[Gallery]) -> frozenset[str]:
    """Unsolved galleries whose owners let the watched gallery's owner search them."""
    return frozenset(
        g.name
        for g in galleries
        if g.unsolved and (watched.owner is None or g.shared_with(watched.owner))
    )


def _probe(row: Row[Any]) -> Extracted:
    template = registry.get(row.modality).loads(bytes(row.blob))
    sample = Sample(
        row.modality, template=template, label=row.subject, finger_position=row.finger_position
    )
    return Extracted(row.modality, template, sample, row.sha256, 0, traced=False)


def _write(
    writer: Writer, found: Sequence[tuple[Row[Any], Candidate]], galleries: dict[str, Gallery]
) -> list[Alert]:
    raised = []
    for row, candidate in found:
        columns = schema.samples.c
        case = writer.connection.execute(
            select(columns.case_id).where(columns.key == int(candidate.sample[1:]))
        ).scalar()
        key = writer.draw()
        alert = Alert(
            id=f"a{key}",
            at=now(),
            gallery=row.gallery,
            modality=row.modality,
            subject=row.subject,
            sample=f"s{row.sample}",
            unsolved=candidate.sample,
            case=case,
            score=candidate.score,
            log10_lr=candidate.log10_lr,
            hook_result=WAITING if galleries[row.gallery].hook else None,
        )
        facts = {n: v for n, v in asdict(alert).items() if n not in {"id", "case"}}
        writer.insert(schema.alerts, [{**facts, "key": key, "case_id": case}])
        writer.audit("alert", {"alert": alert.id, "unsolved": alert.unsolved}, case=case)
        raised.append(alert)
    return raised


def alerts(
    connection: Connection, case: str | None = None, *, result: str | None = None
) -> Iterator[Alert]:
    """Yield alerts (of a case, or whose hook has this result), oldest first."""
    query = select(schema.alerts).order_by(schema.alerts.c.key)
    if result is not None:
        query = query.where(schema.alerts.c.hook_result == result)
    if case is not None:
        query = query.where(schema.alerts.c.case_id == case)
    for row in connection.execute(query).all():
        facts = {n: v for n, v in row._asdict().items() if n not in {"key", "case_id"}}
        yield Alert(id=f"a{row.key}", case=row.case_id, **facts)


def disclosed(connection: Connection, found: Iterable[Alert], owner: str) -> list[Alert]:
    """Replace what `owner` may not see of others' unsolved probes by their reference numbers."""
    shown = {g.name for g in all_galleries(connection) if g.disclosed_to(owner)}
    return [_disclosed(connection, alert, owner, shown) for alert in found]


def _disclosed(connection: Connection, alert: Alert, owner: str, shown: set[str]) -> Alert:
    s, p = schema.samples.c, schema.subjects.c
    trace = connection.execute(
        select(s.gallery, p.owner, p.reference)
        .join(schema.subjects, p.key == s.subject_key)
        .where(s.key == key_of(alert.unsolved))
    ).first()
    if trace is not None and (trace.owner == owner or trace.gallery in shown):
        return alert
    reference = "" if trace is None else trace.reference
    return dataclasses.replace(alert, unsolved=reference, case=None)


def tell(
    store: Store, fresh: Sequence[Alert], callbacks: Sequence[Callable[[Alert], None]]
) -> None:
    """Call the callbacks with `fresh` alerts, and run the hooks of all that still wait.

    A process that was killed between an alert and its hook leaves it waiting for the next. Each
    hook is started once, by whichever process marks the alert first; one that fails is written
    down.
    """
    for alert in fresh:
        for callback in callbacks:
            callback(alert)
    with store.read() as connection:
        hooks = {g.name: g for g in all_galleries(connection) if g.hook}
        waiting = [
            (alert, _message(connection, alert, hooks[alert.gallery].owner))
            for alert in alerts(connection, result=WAITING)
            if alert.gallery in hooks
        ]
    for alert, message in waiting:
        if _marked(store, alert, WAITING, STARTED):
            result = _run_hook(str(hooks[alert.gallery].hook), message)
            _marked(store, alert, STARTED, result)


def _message(connection: Connection, alert: Alert, owner: str | None) -> str:
    (shown,) = [alert] if owner is None else disclosed(connection, [alert], owner)
    return json.dumps(asdict(shown))


def _marked(store: Store, alert: Alert, before: str, after: str) -> bool:
    """Write down what became of the hook; False when another process was first."""
    columns = schema.alerts.c
    mine = (columns.key == int(alert.id[1:])) & (columns.hook_result == before)
    with store.write() as writer:
        done = writer.connection.execute(
            sa.update(schema.alerts).where(mine).values(hook_result=after)
        )
        return done.rowcount == 1


def _run_hook(hook: str, message: str) -> str:
    """Post to an address, or run a command line with the message on its standard input."""
    try:
        if hook.startswith(("https://", "http://")):
            request = urllib.request.Request(  # noqa: S310 - the scheme was checked
                hook, message.encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=HOOK_SECONDS) as reply:  # noqa: S310
                return f"HTTP {reply.status}"
        done = subprocess.run(  # noqa: S603 - the operator's own command, no shell
            shlex.split(hook),
            input=message,
            text=True,
            timeout=HOOK_SECONDS,
            capture_output=True,
            check=False,
        )
        return f"exit {done.returncode}"
    except (OSError, ValueError, subprocess.TimeoutExpired, urllib.error.URLError) as error:
        return f"failed: {error}"
