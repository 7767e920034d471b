"""Open-loop load: many client processes search one gallery while records are enrolled.

    OMP_NUM_THREADS=1 python benchmarks/load.py DATABASE [--rates 20,50,100] [--seconds 60]
                                                [--clients 50] [--enrol 50]

DATABASE is one that ``scale.py build face 1000000 FOLDER`` made. Every client is a process of
its own that opened the database with `biomatch.open`, as a user's would. Searches arrive by a
Poisson process, at moments drawn beforehand and spread over the clients, whether earlier ones are
done or not; a search's latency counts from the moment it should have started, so that waiting
behind a slow one is part of it. Another process enrols single records, each committed on its own,
at moments drawn likewise. Every search is recorded and audited. What was enrolled is deleted at
the end.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import biomatch  # noqa: E402
from benchmarks.faces import face  # noqa: E402
from benchmarks.vector_index import identities  # noqa: E402

K = 20
AHEAD = 2.0
"""Seconds between handing out the schedule and its beginning."""


@dataclass(frozen=True, slots=True)
class Done:
    """One request: seconds from its due moment to its end, what went wrong, and its result."""

    latency: float
    end: float
    error: str = ""
    right: bool = False


def searcher(path: str, probes: np.ndarray) -> Callable[[int], bool]:
    """Open the database; the call searches probe i and says whether its mate came first."""
    database = biomatch.open(path)
    database.search(face(probes[0]), modality="face", k=K, explain=0)

    def search(i: int) -> bool:
        answer = database.search(face(probes[i]), modality="face", k=K, explain=0)
        if not answer.complete:
            raise RuntimeError(f"incomplete: {answer.coverage.missing}")
        return bool(answer[0].subject == f"p{i}")

    return search


def enroller(path: str, probes: np.ndarray) -> Callable[[int], bool]:
    """Open the database; the call enrols one new person."""
    database = biomatch.open(path)
    rng = np.random.default_rng(os.getpid())

    def enrol(i: int) -> bool:
        vector = rng.standard_normal(probes.shape[1])
        database.enrol(face(vector), modality="face", subject=f"load-{os.getpid()}-{i}")
        return True

    return enrol


def serve(
    make: Callable[[str, np.ndarray], Callable[[int], bool]],
    path: str,
    probes: np.ndarray,
    pipe: Connection,
) -> None:
    """Do the requests of one schedule after the other, each no earlier than it is due."""
    call = make(path, probes)
    pipe.send(private())
    while (schedule := pipe.recv()) is not None:
        done = []
        for due, number in schedule:
            if (left := due - time.monotonic()) > 0:
                time.sleep(left)
            error, right = "", False
            try:
                right = call(number)
            except Exception as problem:  # noqa: BLE001 - counted and shown
                error = f"{type(problem).__name__}: {problem}"
            end = time.monotonic()
            done.append(Done(end - due, end, error, right))
        pipe.send((done, time.process_time()))


def private() -> float:
    """Megabytes that this process shares with no other."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000


def arrivals(rng: np.random.Generator, rate: float, seconds: float, origin: float) -> np.ndarray:
    """Moments of a Poisson process."""
    gaps = rng.exponential(1 / rate, int(rate * seconds * 1.5) + 50)
    moments = np.cumsum(gaps)
    return origin + moments[moments < seconds]


class Crowd:
    """The client processes and the one that enrols, each at the other end of a pipe."""

    def __init__(self, path: str, probes: np.ndarray, clients: int) -> None:
        context = multiprocessing.get_context("fork")  # shares the imported libraries
        self.pipes: list[Connection] = []
        self.processes = []
        for make in [searcher] * clients + [enroller]:
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(make, path, probes, theirs), daemon=True)
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)
            if len(self.pipes) % 2 == 0:  # two at a time: opening reads the whole index
                self.private = [pipe.recv() for pipe in self.pipes[-2:]]
        if len(self.pipes) % 2:
            self.pipes[-1].recv()
        self.cpu = 0.0
        self.enrolled = 0

    def run(
        self, rng: np.random.Generator, rate: float, enrol: float, seconds: float
    ) -> tuple[list[Done], list[Done]]:
        """Hand out one schedule and wait for its end: searches and enrolments done."""
        origin = time.monotonic() + AHEAD
        moments = arrivals(rng, rate, seconds, origin)
        owners = rng.integers(0, len(self.pipes) - 1, len(moments))
        numbers = rng.integers(0, 1000, len(moments))
        for client, pipe in enumerate(self.pipes[:-1]):
            mine = owners == client
            pipe.send(list(zip(moments[mine].tolist(), numbers[mine].tolist(), strict=True)))
        news = arrivals(rng, enrol, seconds, origin) if enrol else np.empty(0)
        self.pipes[-1].send([(m, self.enrolled + i) for i, m in enumerate(news.tolist())])
        self.enrolled += len(news)
        answers = [pipe.recv() for pipe in self.pipes]
        spent = sum(cpu for _, cpu in answers)
        self.cpu, used = spent, spent - self.cpu
        self.used = used
        searches = [one for done, _ in answers[:-1] for one in done]
        self.span = max(one.end for one in searches) - origin
        return searches, answers[-1][0]

    def close(self) -> None:
        """Let the processes end."""
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join(10)


def line(what: str, done: list[Done], span: float) -> str:
    """Count, throughput, percentiles in ms and errors of some requests."""
    if not done:
        return f"{what:10} none"
    good = np.array([one.latency for one in done if not one.error]) * 1000
    p50, p95, p99 = np.percentile(good, [50, 95, 99])
    errors = [one.error for one in done if one.error]
    text = (
        f"{what:10} {len(done):6} in {span:5.1f} s = {len(good) / span:6.1f}/s   p50 {p50:7.1f}  "
        f"p95 {p95:7.1f}  p99 {p99:7.1f}  worst {good.max():7.1f} ms   errors {len(errors)}"
    )
    return text + (f" ({errors[0][:100]})" if errors else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database", type=Path)
    parser.add_argument("--rates", default="20,50,100")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--enrol", type=float, default=50.0)
    chosen = parser.parse_args()
    probes = identities(100_000, 128)[1]
    crowd = Crowd(str(chosen.database), probes, chosen.clients)
    print(f"{chosen.clients} clients, {np.mean(crowd.private):.0f} MB private each")
    rng = np.random.default_rng(7)
    for rate in [float(text) for text in chosen.rates.split(",")]:
        searches, enrolled = crowd.run(rng, rate, chosen.enrol, chosen.seconds)
        print(f"\n{rate:g} searches/s offered; {crowd.used:.1f} CPU-s used")
        print(line("searches", searches, max(crowd.span, chosen.seconds)))
        print(line("enrolments", enrolled, chosen.seconds))
        print(f"{'mates':10} first in {np.mean([one.right for one in searches]):.3f}", flush=True)
    crowd.close()
    new = [f"load-{crowd.processes[-1].pid}-{i}" for i in range(crowd.enrolled)]
    with biomatch.open(chosen.database) as database:
        for start in range(0, len(new), 5000):
            database.delete(*new[start : start + 5000])


if __name__ == "__main__":
    main()
