"""Searching on a Ray cluster: actors own segments, on one machine or many.

Ray is an optional extra (``biomatch[cluster]``). Clusters are started and joined with token
authentication on, and with dashboard and usage statistics off (see `biomatch.search.node`); one
that this process starts for itself is confined to it and its children if there is no token.

Every node must see the index folder under the same path (a shared folder); the SQL database is
only needed where `biomatch.open` runs.
"""

import contextlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from biomatch.errors import DamagedIndexError, OptionError
from biomatch.search.index import PartView
from biomatch.search.node import check_address, ray_module
from biomatch.search.pool import Answer, Request, answered, packed, replaced, requested, shares_of
from biomatch.search.scan import Found, Job, scan

__all__ = ["RayExecutor", "moves"]

NODES_SECONDS = 5.0
"""Seconds between two looks at which nodes there are."""

Share = Sequence[tuple[int, PartView]]
"""Parts for one actor, each with its place in the view."""


class _Shard:
    """A Ray actor: remembers the segments that it has mapped."""

    def __init__(self) -> None:
        self.segments: dict[str, Any] = {}
        self.alive: dict[str, Any] = {}

    def ready(self) -> bool:
        """Say that the actor runs."""
        return True

    def scan(self, request: bytes) -> bytes:
        """Search the segments of one request; pickled here, which costs less than Ray's way."""
        asked = Request(*pickle.loads(request))  # noqa: S301 - from the owner of the actor
        return pickle.dumps(answered(asked, self.segments, self.alive), protocol=5)


@dataclass(slots=True)
class _Seat:
    """The caller's side of one actor.

    Attributes
    ----------
    actor
        Ray's handle.
    node
        Where it was placed.
    known
        Tombstones that it has been told.
    returning
        Set while the actor is away: resolves when it is back.
    """

    actor: Any
    node: str
    known: dict[str, object] = field(default_factory=dict)
    returning: Any = None


class RayExecutor:
    """An executor of Ray actors, one segment or more each, spread over the nodes.

    When an actor dies, its part of the search is done in the caller's process, at once, and so
    are its parts of further searches until Ray has started it again, elsewhere if its node is
    gone. When nodes come or go, actors move so that every node has its share.

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
        Ray is not installed, there is no cluster at `address`, or its token is another.
    """

    def __init__(
        self, count: int, *, address: str | None = None, deadline: float | None = None
    ) -> None:
        if address is not None:
            check_address(address)
        self._ray: Any = ray_module(joining=address is not None)
        self._deadline = deadline
        self._lock = threading.Lock()
        self._number = 0
        self._owners: dict[str, int] = {}
        here = {} if address else {"include_dashboard": False, "num_cpus": count}
        paths = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
        try:
            self._ray.init(
                address=address or "local",  # never one that happens to run here
                log_to_driver=False,
                configure_logging=False,
                runtime_env={"env_vars": paths},
                **here,
            )
        except (OSError, ValueError, RuntimeError, self._ray.exceptions.RayError) as error:
            where = f"no Ray cluster at {address}" if address else "Ray does not start"
            raise OptionError(f"{where}: {error}") from error
        self._nodes = self._living()
        self._looked = time.monotonic()
        homes = sorted(self._nodes)
        self._seats = [self._seat(homes[i % len(homes)]) for i in range(count)]

    @property
    def homes(self) -> list[str]:
        """Node on which each actor was placed."""
        return [seat.node for seat in self._seats]

    def run(self, parts: Sequence[PartView], job: Job) -> list[list[Found] | None]:
        """Search sealed segments on the actors and the delta here, meanwhile."""
        with self._lock:
            self._rebalance()
            self._number += 1
            shares = shares_of(parts, self._owners, len(self._seats))
            blob = packed(job)
            present = {owner: share for owner, share in shares.items() if self._back(owner)}
            pending = {self._ask(owner, share, blob): owner for owner, share in present.items()}
            results: list[list[Found] | None] = [None] * len(parts)
            for i, view in enumerate(parts):
                if view.part.folder is None:
                    results[i] = scan(view, job)
            answers = {o: _here(share, job) for o, share in shares.items() if o not in present}
            answers |= self._gather(pending, shares, job)
            for owner, answer in answers.items():
                for (i, _), found in zip(shares[owner], answer, strict=True):
                    results[i] = found
            return results

    def _ask(self, owner: int, share: Share, job: bytes) -> Any:
        seat = self._seats[owner]
        request = requested(self._number, [view for _, view in share], job, seat.known)
        return seat.actor.scan.remote(pickle.dumps(tuple(request), protocol=5))

    def _gather(
        self, pending: dict[Any, int], shares: Mapping[int, Share], job: Job
    ) -> dict[int, Answer]:
        answers: dict[int, Answer] = {}
        end = None if self._deadline is None else time.monotonic() + self._deadline
        left = None
        while pending:
            if end is not None:
                left = max(0.0, end - time.monotonic())
            # Waiting for all is cheapest; a dead actor's reference counts as ready at once.
            ready, _ = self._ray.wait(list(pending), num_returns=len(pending), timeout=left)
            for reference in ready:
                owner = pending.pop(reference)
                try:
                    answers[owner] = pickle.loads(self._ray.get(reference))  # noqa: S301
                except self._ray.exceptions.RayActorError:
                    self._left(owner)
                    answers[owner] = _here(shares[owner], job)
                except DamagedIndexError:
                    if not replaced(shares[owner]):
                        raise
                    answers[owner] = _here(shares[owner], job)
            if end is not None and time.monotonic() >= end:
                break
        for owner in pending.values():
            self._seats[owner].known.clear()
        return answers

    def _left(self, owner: int) -> None:
        """Note that an actor died, and ask Ray to say when it is back."""
        seat = self._seats[owner]
        seat.known.clear()
        seat.returning = seat.actor.ready.remote()

    def _back(self, owner: int) -> bool:
        """Whether an actor can be asked now; one that will not come back is replaced."""
        seat = self._seats[owner]
        if seat.returning is None:
            return True
        ready, _ = self._ray.wait([seat.returning], timeout=0)
        if not ready:
            return False
        try:
            self._ray.get(seat.returning)
        except self._ray.exceptions.ActorUnavailableError:
            self._left(owner)
            return False
        except self._ray.exceptions.RayActorError:
            self._seats[owner] = self._seat(seat.node)
            return False
        seat.returning = None
        return True

    # Where the actors live

    def _living(self) -> set[str]:
        return {str(node["NodeID"]) for node in self._ray.nodes() if node["Alive"]}

    def _seat(self, node: str) -> _Seat:
        """Start an actor, on `node` if that can be."""
        where = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=True)
        # No CPU is reserved: the actors of a lost node must find room on those that are left.
        shard = self._ray.remote(
            num_cpus=0, max_restarts=-1, max_task_retries=0, scheduling_strategy=where
        )(_Shard)
        seat = _Seat(shard.remote(), node)
        seat.returning = seat.actor.ready.remote()
        return seat

    def _rebalance(self) -> None:
        """Look from time to time which nodes there are, and share the actors out among them."""
        if time.monotonic() - self._looked < NODES_SECONDS:
            return
        self._looked = time.monotonic()
        nodes = self._living()
        if nodes == self._nodes or not nodes:
            return
        self._nodes = nodes
        for owner, node in moves(self.homes, sorted(nodes)).items():
            old = self._seats[owner]
            self._seats[owner] = self._seat(node)
            self._ray.kill(old.actor, no_restart=True)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until every actor can be asked; False when some still cannot after `timeout` s."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with self._lock:
                if all(self._back(owner) for owner in range(len(self._seats))):
                    return True
            time.sleep(0.05)
        return False

    def kill(self, owner: int) -> None:
        """Kill one actor's process, as a failing machine would: for drills."""
        self._ray.kill(self._seats[owner].actor, no_restart=False)

    def close(self) -> None:
        """Leave the cluster, and stop it if this process started it."""
        for seat in self._seats:
            with contextlib.suppress(Exception):
                self._ray.kill(seat.actor)
        with contextlib.suppress(Exception):
            self._ray.shutdown()


def _here(share: Share, job: Job) -> Answer:
    """Do a share in the calling process."""
    return [scan(view, job) for _, view in share]


def moves(homes: Sequence[str], nodes: Sequence[str]) -> dict[int, str]:
    """Fewest moves after which no node has two actors more than another.

    Parameters
    ----------
    homes
        Node of each actor; may be one that is gone.
    nodes
        Nodes that there are.

    Returns
    -------
    dict
        Actor -> node to move to.
    """
    guests: dict[str, list[int]] = {node: [] for node in nodes}
    homeless = []
    for actor, node in enumerate(homes):
        guests[node].append(actor) if node in guests else homeless.append(actor)
    moved: dict[int, str] = {}
    while homeless or _spread(guests) > 1:
        fullest = max(nodes, key=lambda node: len(guests[node]))
        emptiest = min(nodes, key=lambda node: len(guests[node]))
        actor = homeless.pop() if homeless else guests[fullest].pop()
        guests[emptiest].append(actor)
        moved[actor] = emptiest
    return moved


def _spread(guests: Mapping[str, Sequence[int]]) -> int:
    sizes = [len(actors) for actors in guests.values()]
    return max(sizes) - min(sizes)
