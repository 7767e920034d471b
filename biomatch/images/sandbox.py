"""Child processes that decode what may crash, hang or swell: WSQ and JPEG 2000.

A child is started when first needed, kept for the next picture, and replaced after
`REQUESTS_A_CHILD` pictures or when it dies. Each request has a limit of processor time
(RLIMIT_CPU), of memory (RLIMIT_AS) and of waiting time. Safe to use from threads (each waiting
call has a child of its own) and after a fork (the new process starts its own children).
"""

import atexit
import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from biomatch.images.decode import frame, parse_head

__all__ = ["ChildDiedError", "request"]

REQUESTS_A_CHILD = 500
MOST_IDLE = 4
SECONDS_TO_START = 60.0
CHUNK = 1 << 16


class ChildDiedError(Exception):
    """The child crashed or was stopped at a limit; the message says which."""


class ChildCrashedError(ChildDiedError):
    """The child died of itself, not at a time limit."""


class _Child:
    """One running decoder."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("decode.py")
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.process = subprocess.Popen(  # noqa: S603 - our own file, no shell
            [sys.executable, "-P", "-W", "ignore", str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environment,
        )
        self.pipes = [pipe for pipe in (self.process.stdin, self.process.stdout) if pipe]
        self.inlet, self.outlet = (pipe.fileno() for pipe in self.pipes)
        os.set_blocking(self.inlet, False)
        os.set_blocking(self.outlet, False)
        self.answered = 0

    def ask(self, data: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        deadline = time.monotonic() + seconds
        self._send(memoryview(data), deadline)
        head = parse_head(
            self._receive(int.from_bytes(self._receive(4, deadline), "big"), deadline)
        )
        payload = self._receive(head["size"], deadline)
        self.answered += 1
        return head, payload

    def _send(self, data: memoryview, deadline: float) -> None:
        while data:
            self._wait([], [self.inlet], deadline)
            with contextlib.suppress(BlockingIOError):
                try:
                    data = data[os.write(self.inlet, data[:CHUNK]) :]
                except BrokenPipeError:
                    raise self._dead() from None

    def _receive(self, size: int, deadline: float) -> bytes:
        parts, left = [], size
        while left:
            self._wait([self.outlet], [], deadline)
            with contextlib.suppress(BlockingIOError):
                part = os.read(self.outlet, min(left, 1 << 20))
                if not part:
                    raise self._dead()
                parts.append(part)
                left -= len(part)
        return b"".join(parts)

    def _wait(self, readable: list[int], writable: list[int], deadline: float) -> None:
        poll = select.poll()
        for descriptor in readable:
            poll.register(descriptor, select.POLLIN)
        for descriptor in writable:
            poll.register(descriptor, select.POLLOUT)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise ChildDiedError("decoding took too long and was stopped")

    def _dead(self) -> ChildDiedError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        code = self.process.returncode
        if code is not None and -code in (24, 9):
            return ChildDiedError("decoding took too long and was stopped")
        return ChildCrashedError(f"the decoder crashed on it (status {code})")

    def close(self) -> None:
        """Stop the process and release its pipes."""
        if self.process.poll() is None:
            self.process.kill()
        for pipe in self.pipes:
            pipe.close()
        self.process.wait()

    def forget(self) -> None:
        """Let go without stopping: a forked copy of the parent does not own the process."""
        for pipe in self.pipes:
            pipe.close()
        self.process.returncode = 0


class _Pool:
    """Idle children of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.idle: list[_Child] = []

    def take(self) -> _Child:
        with self.lock:
            while self.idle:
                child = self.idle.pop()
                if child.process.poll() is None:
                    return child
                child.close()
        return _Child()

    def give_back(self, child: _Child) -> None:
        with self.lock:
            if child.answered < REQUESTS_A_CHILD and len(self.idle) < MOST_IDLE:
                self.idle.append(child)
                return
        child.close()

    def close(self) -> None:
        with self.lock:
            idle, self.idle = self.idle, []
        for child in idle:
            child.close()

    def after_fork(self) -> None:
        self.lock = threading.Lock()
        idle, self.idle = self.idle, []
        for child in idle:
            child.forget()


_POOL = _Pool()
atexit.register(_POOL.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_POOL.after_fork)


def request(
    head: dict[str, Any], payload: bytes, *, seconds: float, memory: int
) -> tuple[dict[str, Any], bytes]:
    """Have a child answer one request.

    Parameters
    ----------
    head, payload
        What `biomatch.images.decode` understands.
    seconds
        Processor time; the waiting time is bounded by a multiple of it.
    memory
        Bytes beyond what the child holds already.

    Raises
    ------
    ChildDiedError
        It crashed, or reached a limit. The parent goes on with a new child.
    """
    data = frame(head | {"seconds": seconds, "memory": memory}, payload)
    child = _POOL.take()
    used = child.answered > 0
    try:
        return _asked(child, data, seconds)
    except ChildCrashedError:
        if not used:
            raise
    # What earlier pictures left behind in that child must not condemn this one.
    return _asked(_Child(), data, seconds)


def _asked(child: _Child, data: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
    try:
        answer = child.ask(data, SECONDS_TO_START + 6 * seconds)
    except BaseException:
        child.close()
        raise
    _POOL.give_back(child)
    return answer
