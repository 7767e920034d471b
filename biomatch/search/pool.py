"""A pool of worker processes that each own some segments, memory-mapped.

Workers are started by a fork server, hold one thread each, and share the segments' pages with
one another through the operating system. A worker that dies is started again and its part of
the search is done again, so the answer is complete and identical; the parent does it itself if
that fails, too. Programs that use the pool need the usual ``if __name__ == "__main__":`` guard
of `multiprocessing`.
"""

import contextlib
import multiprocessing
import pickle
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.search import registry
from biomatch.search.index import PartView
from biomatch.search.scan import Found, Job, scan
from biomatch.search.segments import Part, open_segment

__all__ = ["ProcessPool", "Request", "answered", "requested", "shares_of"]

ATTEMPTS = 3
"""Times that a worker is asked before the parent searches its segments itself."""

Answer = list[list[Found]]


@dataclass(frozen=True, slots=True)
class Request:
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
        What to search for.
    """

    number: int
    folders: tuple[str, ...]
    removed: dict[str, bytes | None]
    job: Job


def requested(
    number: int, views: Sequence[PartView], job: Job, known: dict[str, object]
) -> Request:
    """Make the request for one worker, with the tombstones that it does not know yet."""
    removed: dict[str, bytes | None] = {}
    for view in views:
        name = str(view.part.folder)
        if name not in known or known[name] is not view.alive:
            removed[name] = None if view.alive is None else np.packbits(view.alive).tobytes()
            known[name] = view.alive
    return Request(number, tuple(str(view.part.folder) for view in views), removed, job)


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


@dataclass(slots=True)
class _Worker:
    """The parent's side of one worker process."""

    process: BaseProcess
    pipe: Connection
    known: dict[str, object] = field(default_factory=dict)


class ProcessPool:
    """An executor of worker processes, one segment or more each.

    Parameters
    ----------
    count
        Workers.
    deadline
        Seconds after which a part that has not answered is given up and the search is marked
        incomplete; None waits for as long as the worker lives.
    """

    def __init__(self, count: int, *, deadline: float | None = None) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["biomatch.search.pool"])
        self._deadline = deadline
        self._lock = threading.Lock()
        self._number = 0
        self._owners: dict[str, int] = {}
        self._workers = [self._start() for _ in range(count)]

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
        """Search sealed segments in the workers and the delta here, meanwhile."""
        with self._lock:
            shares = shares_of(parts, self._owners, len(self._workers))
            self._number += 1
            number = self._number
            for owner, share in shares.items():
                self._send(owner, share, job, number)
            results: list[list[Found] | None] = [None] * len(parts)
            for i, view in enumerate(parts):
                if view.part.folder is None:
                    results[i] = scan(view, job)
            for owner, answer in self._gather(shares, job, number).items():
                for (i, _), found in zip(shares[owner], answer, strict=True):
                    results[i] = found
            return results

    def _send(
        self, owner: int, share: Sequence[tuple[int, PartView]], job: Job, number: int
    ) -> None:
        worker = self._workers[owner]
        request = requested(number, [view for _, view in share], job, worker.known)
        message = pickle.dumps(request, protocol=5)
        # If it died, `_gather` sees the closed pipe and starts another.
        with contextlib.suppress(OSError):
            worker.pipe.send_bytes(message)

    def _gather(
        self, shares: dict[int, list[tuple[int, PartView]]], job: Job, number: int
    ) -> dict[int, Answer]:
        answers: dict[int, Answer] = {}
        deaths = dict.fromkeys(shares, 0)
        waiting = set(shares)
        end = None if self._deadline is None else time.monotonic() + self._deadline
        while waiting:
            left = None if end is None else max(0.0, end - time.monotonic())
            ready = wait([self._workers[owner].pipe for owner in waiting], left)
            if not ready:
                break
            for owner in [one for one in waiting if self._workers[one].pipe in ready]:
                try:
                    answer = _received(self._workers[owner].pipe, number)
                except (EOFError, OSError):
                    deaths[owner] += 1
                    self._revive(owner)
                    if deaths[owner] < ATTEMPTS:
                        self._send(owner, shares[owner], job, number)
                        continue
                    answer = [scan(view, job) for _, view in shares[owner]]
                if answer is not None:
                    answers[owner] = answer
                    waiting.discard(owner)
        return answers

    def _revive(self, owner: int) -> None:
        self._workers[owner].pipe.close()
        self._workers[owner].process.join(timeout=1)
        self._workers[owner] = self._start()

    def close(self) -> None:
        """Stop the workers."""
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(timeout=5)
            if worker.process.is_alive():
                worker.process.kill()


def _received(pipe: Connection, number: int) -> Answer | None:
    """Read one answer; None for one that an earlier search gave up waiting for.

    Only our own workers write into the pipe, which no other process can open.
    """
    found_number, answer, failure = pickle.loads(pipe.recv_bytes())  # noqa: S301
    if found_number != number:
        return None
    if failure is not None:
        raise failure
    found: Answer = answer
    return found


def _serve(pipe: Connection) -> None:
    """Answer requests until the parent closes the pipe."""
    segments: dict[str, Part] = {}
    alive: dict[str, NDArray[np.bool_] | None] = {}
    while True:
        try:
            request: Request = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from our parent
        except (EOFError, OSError):
            return
        try:
            answer = answered(request, segments, alive)
            message: tuple[int, Any, Exception | None] = (request.number, answer, None)
        except Exception as error:  # noqa: BLE001 - it is raised in the parent
            message = (request.number, None, error)
        try:
            pipe.send_bytes(pickle.dumps(message, protocol=5))
        except OSError:
            return


def answered(
    request: Request, segments: dict[str, Part], alive: dict[str, NDArray[np.bool_] | None]
) -> Answer:
    """Do a worker's share; `segments` and `alive` are what it remembers between requests."""
    for name, bits in request.removed.items():
        if name not in segments:
            # The parent compared the digests when it opened the segment.
            modality = registry.get(request.job.modality)
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
    return [scan(PartView(segments[name], alive[name]), request.job) for name in request.folders]
