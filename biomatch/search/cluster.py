"""Searching on a Ray cluster: actors own segments, on one machine or many.

Ray is an optional extra (``biomatch[cluster]``). Anybody who can reach a Ray port can run code
there, so clusters are started and joined with token authentication on, and with dashboard and
usage statistics off. The token is read from ``RAY_AUTH_TOKEN``; without one a fresh token is
drawn, which confines the cluster to this process and its children.

Every node must see the index folder under the same path (a shared folder); the SQL database is
only needed where `biomatch.open` runs.
"""

import contextlib
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from biomatch.errors import OptionError
from biomatch.search.index import PartView
from biomatch.search.pool import ATTEMPTS, Request, answered, packed, requested, shares_of
from biomatch.search.scan import Found, Job, scan

__all__ = ["RayExecutor", "down", "status", "up"]

SECURE = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def _secured() -> dict[str, str]:
    """Environment of every Ray process that we start."""
    os.environ.update(SECURE)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    return dict(os.environ)


def _ray() -> ModuleType:
    """Import Ray with its settings in place.

    Raises
    ------
    OptionError
        It is not installed.
    """
    _secured()
    try:
        import ray
    except ImportError as error:
        raise OptionError("Ray is not installed; install biomatch[cluster]") from error
    module: ModuleType = ray
    return module


class _Shard:
    """A Ray actor: remembers the segments that it has mapped."""

    def __init__(self) -> None:
        self.segments: dict[str, Any] = {}
        self.alive: dict[str, Any] = {}

    def scan(self, request: Request) -> list[list[Found]]:
        """Search the segments of one request."""
        return answered(request, self.segments, self.alive)


class RayExecutor:
    """An executor of Ray actors, one segment or more each.

    Ray starts a dead actor again, elsewhere if its node is gone; its part of the search is
    then asked for again with everything that the new actor must know. If that fails, too, the
    caller's process searches the part itself.

    Parameters
    ----------
    count
        Actors.
    address
        Of an existing cluster; None starts one on this machine for this process.
    deadline
        Seconds after which a part that has not answered is given up and the search is marked
        incomplete; None waits.

    Raises
    ------
    OptionError
        Ray is not installed.
    """

    def __init__(
        self, count: int, *, address: str | None = None, deadline: float | None = None
    ) -> None:
        self._ray: Any = _ray()
        self._deadline = deadline
        self._lock = threading.Lock()
        self._number = 0
        self._owners: dict[str, int] = {}
        self._known: list[dict[str, object]] = [{} for _ in range(count)]
        here = {} if address else {"include_dashboard": False, "num_cpus": count}
        paths = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
        self._ray.init(
            address=address,
            log_to_driver=False,
            configure_logging=False,
            runtime_env={"env_vars": paths},
            **here,
        )
        shard = self._ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=0)(_Shard)
        self._actors = [shard.remote() for _ in range(count)]

    def run(self, parts: Sequence[PartView], job: Job) -> list[list[Found] | None]:
        """Search sealed segments on the actors and the delta here, meanwhile."""
        with self._lock:
            self._number += 1
            shares = shares_of(parts, self._owners, len(self._actors))
            blob = packed(job)
            pending = {self._ask(owner, share, blob): owner for owner, share in shares.items()}
            results: list[list[Found] | None] = [None] * len(parts)
            for i, view in enumerate(parts):
                if view.part.folder is None:
                    results[i] = scan(view, job)
            for owner, answer in self._gather(pending, shares, job, blob).items():
                for (i, _), found in zip(shares[owner], answer, strict=True):
                    results[i] = found
            return results

    def _ask(self, owner: int, share: Sequence[tuple[int, PartView]], job: bytes) -> Any:
        views = [view for _, view in share]
        request = requested(self._number, views, job, self._known[owner])
        return self._actors[owner].scan.remote(request)

    def _gather(
        self,
        pending: dict[Any, int],
        shares: dict[int, list[tuple[int, PartView]]],
        job: Job,
        blob: bytes,
    ) -> dict[int, list[list[Found]]]:
        answers: dict[int, list[list[Found]]] = {}
        deaths = dict.fromkeys(shares, 0)
        while pending:
            ready, _ = self._ray.wait(list(pending), num_returns=1, timeout=self._deadline)
            if not ready:
                break
            for reference in ready:
                owner = pending.pop(reference)
                try:
                    answers[owner] = self._ray.get(reference)
                except self._ray.exceptions.RayError:
                    deaths[owner] += 1
                    self._known[owner].clear()
                    if deaths[owner] < ATTEMPTS:
                        pending[self._ask(owner, shares[owner], blob)] = owner
                    else:
                        answers[owner] = [scan(view, job) for _, view in shares[owner]]
        for owner in pending.values():
            self._known[owner].clear()
        return answers

    def kill(self, owner: int) -> None:
        """Kill one actor's process, as a failing machine would: for drills."""
        self._ray.kill(self._actors[owner], no_restart=False)

    def close(self) -> None:
        """Leave the cluster, and stop it if this process started it."""
        with contextlib.suppress(Exception):
            self._ray.shutdown()


def up(*, address: str | None = None, port: int = 6379, cpus: int | None = None) -> str:
    """Start a head node on this machine, or join this machine to the cluster at `address`.

    Returns
    -------
    str
        What Ray says, with the address for others to join.
    """
    where = [f"--address={address}"] if address else ["--head", f"--port={port}"]
    more = [] if address else ["--include-dashboard=false"]
    count = [f"--num-cpus={cpus}"] if cpus else []
    return _command("start", *where, *more, *count)


def status(address: str | None = None) -> str:
    """Return Ray's own report on nodes and resources."""
    return _command("status", *([f"--address={address}"] if address else []))


def down() -> str:
    """Stop the Ray processes of this machine."""
    return _command("stop")


def _command(*words: str) -> str:
    _ray()
    done = subprocess.run(  # noqa: S603 - our own fixed words
        [sys.executable, "-m", "ray.scripts.scripts", *words],
        env=_secured(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OptionError(f"ray {words[0]}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout
