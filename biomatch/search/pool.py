"""A pool of worker processes that each own some segments, memory-mapped.

The calling process does one share itself instead of only waiting, unless there is a deadline,
which nobody could hold it to: one process less to wake up. Workers are started by a fork
server, hold one thread each, and share the segments' pages with one another through the
operating system. A worker that dies is started again and its part of the search is done again,
so the answer is complete and identical; the parent does it itself if that fails, too. One that
hangs is killed, which comes to the same. Programs that use the pool need the usual
``if __name__ == "__main__":`` guard of `multiprocessing`.
"""

import contextlib
import multiprocessing
import pickle
import signal
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import DamagedIndexError
from biomatch.search import registry
from biomatch.search.index import PartView
from biomatch.search.scan import Found, Job, scan
from biomatch.search.segments import Part, open_segment

__all__ = [
    "Answer",
    "ProcessPool",
    "Request",
    "answered",
    "packed",
    "replaced",
    "requested",
    "shares_of",
]

ATTEMPTS = 3
"""Times that a worker is asked before the parent searches its segments itself."""

BUFFERED = 65_536
"""Bytes that surely fit into a pipe whose reader does not read."""

TICK = 1.0
"""Seconds between two looks at the worker that is waited for."""

PATIENCE = 20
"""Looks at which a worker that is waited for may have done nothing before it is killed."""

LONG_PATIENCE = 600
"""The same where the system does not tell what a process has done."""

Answer = list[list[Found]]


class Request(NamedTuple):
    """One search, as a worker receives it.

    Attributes
    ----------
    number
        Echoed in the answer.
    folders
        Segments to search, in order.
    removed
        For segments whose tombstones the worker does not know: rows that no longer count, as
        packed bits, or None when all count.
    job
        The pickled `Job`: pickled once, however many workers get it.
    """

    number: int
    folders: tuple[str, ...]
    removed: dict[str, bytes | None]
    job: bytes


def packed(job: Job) -> bytes:
    """Pickle a job for `Request`."""
    return pickle.dumps(job, protocol=5)


def requested(
    number: int, views: Sequence[PartView], job: bytes, known: dict[str, object]
) -> Request:
    """Make the request for one worker, with the tombstones that it does not know yet."""
    removed: dict[str, bytes | None] = {}
    folders = tuple([str(view.part.folder) for view in views])
    for name, view in zip(folders, views, strict=True):
        if name not in known or known[name] is not view.alive:
            removed[name] = None if view.alive is None else np.packbits(view.alive).tobytes()
            known[name] = view.alive
    return Request(number, folders, removed, job)


def shares_of(
    parts: Sequence[PartView], owners: dict[str, int], count: int
) -> dict[int, list[tuple[int, PartView]]]:
    """Divide the sealed parts among `count` workers; a segment stays with its worker.

    `owners` remembers who has which segment; new ones go to whoever holds the fewest rows.
    """
    sealed = [(i, view) for i, view in enumerate(parts) if view.part.folder is not None]
    load = [0] * count
    for _, view in sealed:
        if view.part.name in owners:
            load[owners[view.part.name]] += len(view.part)
    for _, view in sorted(sealed, key=lambda entry: -len(entry[1].part)):
        if view.part.name not in owners:
            owners[view.part.name] = load.index(min(load))
            load[owners[view.part.name]] += len(view.part)
    shares: dict[int, list[tuple[int, PartView]]] = {}
    for i, view in sealed:
        shares.setdefault(owners[view.part.name], []).append((i, view))
    return shares


def replaced(share: Sequence[tuple[int, PartView]]) -> bool:
    """Whether another process wrote other segments in place of these, which we still have mapped.

    A worker that had not mapped them before cannot do so any more.
    """
    return any(view.part.folder and not view.part.folder.exists() for _, view in share)


@dataclass(slots=True)
class _Worker:
    """The parent's side of one worker process.

    Attributes
    ----------
    known
        Tombstones that it knows, by folder.
    unread
        Bytes sent since it last answered.
    """

    process: BaseProcess
    pipe: Connection
    known: dict[str, object] = field(default_factory=dict)
    unread: int = 0


class ProcessPool:
    """An executor of worker processes, one segment or more each.

    Parameters
    ----------
    count
        Processes that search: this one and `count` - 1 workers; with a deadline, or when
        `count` is 1, so many workers.
    deadline
        Seconds after which a part that has not answered is given up and the search is marked
        incomplete; None waits for as long as the worker lives.

    Attributes
    ----------
    busy
        Seconds from request to answer in each worker that took part in the last search.
    """

    def __init__(self, count: int, *, deadline: float | None = None) -> None:
        self.busy: dict[int, float] = {}
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["biomatch.search.pool"])
        self._deadline = deadline
        self._lock = threading.Lock()
        self._number = 0
        self._owners: dict[str, int] = {}
        self._own = deadline is None and count > 1
        self._awaited: int | None = None
        self._end: float | None = None
        self._closed = threading.Event()
        self._workers = [self._start() for _ in range(count - self._own)]
        threading.Thread(
            target=_watch, args=(weakref.ref(self), self._closed), name="biomatch-pool", daemon=True
        ).start()

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.process.pid or 0 for worker in self._workers]

    def run(self, parts: Sequence[PartView], job: Job) -> list[list[Found] | None]:
        """Search sealed segments in the workers; one share and the delta here, meanwhile."""
        with self._lock:
            shares = shares_of(parts, self._owners, len(self._workers) + self._own)
            ours = shares.pop(len(self._workers), [])
            self._number += 1
            number = self._number
            end = None if self._deadline is None else time.monotonic() + self._deadline
            self._end = end
            blob = packed(job) if shares else b""
            for owner, share in shares.items():
                self._send(owner, share, blob, number, end)
            results: list[list[Found] | None] = [None] * len(parts)
            for i, view in ours:
                results[i] = scan(view, job)
            for i, view in enumerate(parts):
                if view.part.folder is None:
                    results[i] = scan(view, job)
            for owner, answer in self._gather(shares, job, blob, number, end).items():
                for (i, _), found in zip(shares[owner], answer, strict=True):
                    results[i] = found
            return results

    def _send(
        self,
        owner: int,
        share: Sequence[tuple[int, PartView]],
        job: bytes,
        number: int,
        end: float | None,
    ) -> None:
        worker = self._workers[owner]
        request = requested(number, [view for _, view in share], job, worker.known)
        message = pickle.dumps(tuple(request), protocol=5)
        worker.unread += len(message)
        # If it died, `_gather` sees the closed pipe and starts another.
        self._awaited = owner
        with contextlib.suppress(OSError), _not_beyond(end, worker):
            worker.pipe.send_bytes(message)
        self._awaited = None

    def _gather(
        self,
        shares: dict[int, list[tuple[int, PartView]]],
        job: Job,
        blob: bytes,
        number: int,
        end: float | None,
    ) -> dict[int, Answer]:
        self.busy = {}
        answers = {
            owner: self._answer(owner, share, job, blob, number, end)
            for owner, share in shares.items()
        }
        return {owner: answer for owner, answer in answers.items() if answer is not None}

    def _answer(
        self,
        owner: int,
        share: Sequence[tuple[int, PartView]],
        job: Job,
        blob: bytes,
        number: int,
        end: float | None,
    ) -> Answer | None:
        """Wait for one worker; None when it is late. One that died is replaced and asked again."""
        deaths = 0
        while deaths < ATTEMPTS:
            pipe = self._workers[owner].pipe
            try:
                if end is not None and not pipe.poll(max(0.0, end - time.monotonic())):
                    return None
                self._awaited = owner
                answer, self.busy[owner] = _received(pipe, number)
            except DamagedIndexError:
                if not replaced(share):
                    raise
                return [scan(view, job) for _, view in share]
            except (EOFError, OSError):
                deaths += 1
                self._revive(owner)
                if end is not None and time.monotonic() >= end:
                    return None
                self._send(owner, share, blob, number, end)
                continue
            finally:
                self._awaited = None
            if answer is not None:
                self._workers[owner].unread = 0
                return answer
        return [scan(view, job) for _, view in share]

    def _revive(self, owner: int) -> None:
        self._workers[owner].pipe.close()
        self._workers[owner].process.join(timeout=1)
        self._workers[owner] = self._start()

    def look(self, before: "_Look | None") -> "_Look | None":
        """Look at the worker that a search waits for, and kill it when it hangs.

        Parameters
        ----------
        before
            What the look before found.

        Returns
        -------
        _Look or None
            What this one found; None when no worker is waited for.
        """
        owner, number, end = self._awaited, self._number, self._end
        if owner is None:
            return None
        process = self._workers[owner].process
        done = _done_by(process.pid or 0)
        same = before is not None and before[:3] == (process.pid, number, done)
        idle = before.idle + 1 if before is not None and same else 0
        patience = LONG_PATIENCE if done is None else PATIENCE
        late = end is not None and time.monotonic() > end + TICK
        if late or idle >= patience:
            # Whoever waits for it sees the closed pipe.
            process.kill()
        return _Look(process.pid or 0, number, done, idle)

    def close(self) -> None:
        """Stop the workers."""
        self._closed.set()
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(timeout=5)
            if worker.process.is_alive():
                worker.process.kill()


class _Look(NamedTuple):
    """What was seen of a worker that is waited for.

    Attributes
    ----------
    pid, number
        Its process, and the search.
    done
        Processor time that it has used, in the system's units; None = not known.
    idle
        Looks since this last grew.
    """

    pid: int
    number: int
    done: int | None
    idle: int


def _watch(pool: "weakref.ref[ProcessPool]", closed: threading.Event) -> None:
    """Look after the workers of a pool from time to time, for as long as there is the pool."""
    found: _Look | None = None
    while not closed.wait(TICK):
        here = pool()
        if here is None:
            return
        found = here.look(found)
        del here


def _done_by(pid: int) -> int | None:
    """Processor time that a process has used so far, in ticks; None where Linux does not tell."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = facts.rpartition(")")[2].split()  # proc(5); the name before it may hold blanks
    return int(fields[11]) + int(fields[12])


@contextlib.contextmanager
def _not_beyond(end: float | None, worker: _Worker) -> Iterator[None]:
    """Kill the worker if it still has not read at `end` what may be too much for the pipe."""
    if end is None or worker.unread <= BUFFERED:
        yield
        return
    watch = threading.Timer(max(0.0, end - time.monotonic()), worker.process.kill)
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _received(pipe: Connection, number: int) -> tuple[Answer | None, float]:
    """Read one answer and the seconds it took; None: an earlier search gave up waiting for it.

    Only our own workers write into the pipe, which no other process can open.
    """
    found_number, answer, failure, seconds = pickle.loads(pipe.recv_bytes())  # noqa: S301
    if found_number != number:
        return None, seconds
    if failure is not None:
        raise failure
    return answer, seconds


def _serve(pipe: Connection) -> None:
    """Answer requests until the parent closes the pipe."""
    # Ctrl-C reaches all processes of a terminal; the parent decides what becomes of the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    segments: dict[str, Part] = {}
    alive: dict[str, NDArray[np.bool_] | None] = {}
    while True:
        try:
            request = Request(*pickle.loads(pipe.recv_bytes()))  # noqa: S301 - from our parent
        except (EOFError, OSError):
            return
        start = time.perf_counter()
        answer: Answer | None = None
        failure: Exception | None = None
        try:
            answer = answered(request, segments, alive)
        except Exception as error:  # noqa: BLE001 - it is raised in the parent
            failure = error
        message = (request.number, answer, failure, time.perf_counter() - start)
        try:
            pipe.send_bytes(pickle.dumps(message, protocol=5))
        except OSError:
            return


def answered(
    request: Request, segments: dict[str, Part], alive: dict[str, NDArray[np.bool_] | None]
) -> Answer:
    """Do a worker's share; `segments` and `alive` are what it remembers between requests."""
    job: Job = pickle.loads(request.job)  # noqa: S301 - from our parent
    for name, bits in request.removed.items():
        if name not in segments:
            # The parent compared the digests when it opened the segment.
            modality = registry.get(job.modality)
            segments[name] = open_segment(modality, Path(name), check=False)
        count = len(segments[name])
        alive[name] = (
            None
            if bits is None
            else np.unpackbits(np.frombuffer(bits, np.uint8), count=count).astype(np.bool_)
        )
    for name in set(segments) - set(request.folders):
        if not Path(name).exists():
            del segments[name], alive[name]
    return [scan(PartView(segments[name], alive[name]), job) for name in request.folders]
