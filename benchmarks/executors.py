"""Executors on four segments: the same lists as inline, what fan-out costs, killed workers.

    OMP_NUM_THREADS=1 python benchmarks/executors.py [ray] [probes]

1,000 random probes of each modality must give the same findings, ties included, whatever the
executor. Fan-out is measured twice on a small gallery of faces. The *empty call* carries a whole
search there and back, but a filter lets no record pass, so that what is left is pickling, pipes
and waiting. The *overhead* of a real call is its wall time less that of the work itself, spread
evenly over the machine's cores (the parts' times inline, summed, over the cores; at least the
slowest part). Then workers are killed in a stream of searches; with ``ray``, four actors live on
two raylets, each with its own process tree, and raylets are killed as well.
"""

import dataclasses
import itertools
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import biomatch  # noqa: E402
from benchmarks.faces import face  # noqa: E402
from biomatch.search import Rejected, registry  # noqa: E402
from biomatch.search.executors import Executor, Inline  # noqa: E402
from biomatch.search.filters import Filters, Scope  # noqa: E402
from biomatch.search.pool import ProcessPool  # noqa: E402
from biomatch.search.scan import Job, scan  # noqa: E402

WORKERS = 4
KILLS = 20
STREAM = 200
CORES = len(os.sched_getaffinity(0))


def faces(count: int, rng: np.random.Generator) -> list[Any]:
    """Faces of which every ninth is the same."""
    vectors = rng.standard_normal((count, 128)).astype(np.float32)
    vectors[::9] = vectors[0]
    return [face(vector) for vector in vectors]


def prints(count: int, rng: np.random.Generator) -> list[Any]:
    """Fingerprints drawn as in `distractors.py`, every ninth the same."""
    from benchmarks.distractors import TAU, generate
    from biomatch.fingerprint.minutiae import Minutiae
    from biomatch.fingerprint.packing import ANGLE_STEPS, PIXEL_STEPS
    from biomatch.fingerprint.template import FingerprintTemplate

    offsets, points = generate(count, int(rng.integers(1 << 30)))
    made = []
    for a, b in itertools.pairwise(offsets.tolist()):
        x, y, turn, quality = points[a:b].T.astype(np.float64)
        angle = (turn.astype(np.int64) >> 2) * (TAU / ANGLE_STEPS)
        kind = turn.astype(np.int64) & 3
        minutiae = Minutiae(x / PIXEL_STEPS, y / PIXEL_STEPS, angle, kind, quality / 65535)
        made.append(FingerprintTemplate(minutiae, 500, 560))
    made[::9] = [made[0]] * len(made[::9])
    return made


def profiles(count: int, rng: np.random.Generator) -> list[Any]:
    """DNA profiles of NIST's population, every ninth the same."""
    from benchmarks.dna_profiles import database, profiles_of

    _, columns = database(count, int(rng.integers(1 << 30)))
    made = profiles_of(columns, range(count))
    made[::9] = [made[0]] * len(made[::9])
    return made


GALLERIES: dict[str, tuple[Callable[[int, np.random.Generator], list[Any]], int]] = {
    "face": (faces, 2000),
    "fingerprint": (prints, 120),
    "dna": (profiles, 2000),
}


def job(name: str, template: Any) -> Job:
    """Make a search as the engine would send it."""
    modality = registry.get(name)
    options = registry.options_for(modality, {}, template)
    return Job(name, modality.model_id(template), (template,), Scope(), 100, 64, options=options)


def opened(name: str, folder: Path, rng: np.random.Generator) -> tuple[Any, list[Any]]:
    """Open a database with a gallery in four segments, and the templates in it."""
    make, count = GALLERIES[name]
    templates = make(count, rng)
    db = biomatch.open(folder / f"{name}.db")
    items = ({"source": t, "subject": f"p{i}"} for i, t in enumerate(templates))
    for receipt in db.enrol_many(items, modality=name, commit_every=2000, duplicates="allow"):
        if isinstance(receipt, Rejected):
            raise SystemExit(receipt.error)
    db.index_rebuild(name, segments=WORKERS)
    return db, templates


def wall(executor: Executor, parts: Sequence[Any], jobs: Sequence[Job]) -> list[float]:
    """Wall milliseconds of each call, after fifty that do not count."""
    for one in jobs[:50]:
        executor.run(parts, one)
    costs = []
    for one in jobs:
        start = time.perf_counter()
        executor.run(parts, one)
        costs.append((time.perf_counter() - start) * 1000)
    return costs


def fan_out(name: str, executor: Executor, parts: Sequence[Any], jobs: Sequence[Job]) -> None:
    """Print what calls cost, empty ones and real ones."""
    nobody = Scope(filters=Filters(galleries=frozenset({"nowhere"})))
    empty = wall(executor, parts, [dataclasses.replace(one, scope=nobody) for one in jobs])
    real = wall(executor, parts, jobs)
    alone = [statistics.median(wall(_Part(part), (), jobs[:200])) for part in parts]
    work = max(*alone, sum(alone) / CORES)
    print(
        f"{name}: empty call p50 {statistics.median(empty):.2f} ms (min {min(empty):.2f}); "
        f"real call p50 {statistics.median(real):.2f} ms, work {work:.2f}, "
        f"overhead {statistics.median(real) - work:.2f} ms"
    )


class _Part:
    """An executor of one part, for its time alone."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def run(self, parts: Sequence[Any], job: Job) -> Any:
        del parts
        return scan(self.part, job)


def same(
    executor: Executor,
    parts: Sequence[Any],
    jobs: Sequence[Job],
    expected: Sequence[Any],
    disturb: Callable[[int], object] | None = None,
) -> str:
    """How many findings equal inline's, to the bit; complete or not, wrong."""
    equal = incomplete = 0
    for number, (one, wanted) in enumerate(zip(jobs, expected, strict=True)):
        if disturb is not None:
            disturb(number)
        found = executor.run(parts, one)
        incomplete += any(part is None for part in found)
        equal += all(
            f is not None
            and np.array_equal(f[0].keys, w[0].keys)
            and np.array_equal(f[0].scores, w[0].scores)
            for f, w in zip(found, wanted, strict=True)
        )
    wrong = len(jobs) - equal - incomplete
    return f"{equal} of {len(jobs)} as inline's, {incomplete} incomplete, {wrong} wrong"


class TwoRaylets:
    """Two nodes of one cluster on this machine; the second can be killed and replaced."""

    def __init__(self) -> None:
        from biomatch.search import node

        node.secure()
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
        )
        self.nodes = [self._node()]

    def _node(self) -> Any:
        return self.cluster.add_node(num_cpus=2)

    def lose(self) -> None:
        """Kill the second raylet as a power cut would, and start another."""
        self.cluster.remove_node(self.nodes.pop(0), allow_graceful=False)
        self.nodes.append(self._node())


def with_ray(galleries: dict[str, tuple[Any, list[Job], list[Any]]]) -> None:
    """Run the drills on four actors of two raylets."""
    from biomatch.search.cluster import RayExecutor

    raylets = TwoRaylets()
    ray = RayExecutor(WORKERS, address=raylets.cluster.address)
    ray.settle()
    print(f"ray: {WORKERS} actors on {len(set(ray.homes))} raylets")
    for name, (parts, jobs, expected) in galleries.items():
        print(f"ray, {name}: {same(ray, parts, jobs, expected)}")
    parts, jobs, expected = galleries["face"]
    fan_out("ray", ray, parts, jobs[:300])

    def kill_actor(number: int) -> None:
        if number % (STREAM // KILLS) == 5:
            ray.settle()
            ray.kill(number // 10 % WORKERS)

    lists = same(ray, parts, jobs[:STREAM], expected[:STREAM], kill_actor)
    print(f"ray, {KILLS} actors killed: {lists}")
    longest = 0.0

    def lose_raylet(number: int) -> None:
        nonlocal longest
        if number in {50, 100, 150}:
            ray.settle()
            print(f"  actors on {len(set(ray.homes))} raylets; one is killed", flush=True)
            raylets.lose()
            deadline = time.monotonic() + 6
            while time.monotonic() < deadline:  # searches go on while Ray notices
                start = time.monotonic()
                found = ray.run(parts, jobs[number])
                longest = max(longest, time.monotonic() - start)
                if any(f is None or not np.array_equal(f[0].keys, w[0].keys)
                       for f, w in zip(found, expected[number], strict=True)):  # fmt: skip
                    print("  a wrong or incomplete answer")

    lists = same(ray, parts, jobs[:STREAM], expected[:STREAM], lose_raylet)
    print(f"ray, 3 raylets killed: {lists}; longest search {longest:.1f} s")
    ray.close()
    raylets.cluster.shutdown()


def main(use_ray: bool, probes: int) -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        pool = ProcessPool(WORKERS)
        galleries = {}
        for name, (make, count) in GALLERIES.items():
            db, templates = opened(name, Path(folder), rng)
            asked = make(probes, rng)
            asked[::10] = [templates[0]] * len(asked[::10])
            asked[5::10] = [templates[int(i)] for i in rng.integers(0, count, len(asked[5::10]))]
            parts = db.index(name).view().parts
            jobs = [job(name, template) for template in asked]
            expected = [Inline().run(parts, one) for one in jobs]
            hits = sum(len(part[0]) > 0 for found in expected for part in found)
            galleries[name] = (parts, jobs, expected)
            print(f"pool, {name}: {same(pool, parts, jobs, expected)} ({hits} lists not empty)")
        parts, jobs, expected = galleries["face"]
        fan_out("inline", Inline(), parts, jobs)
        for count in (2, WORKERS):
            workers = ProcessPool(count)
            fan_out(f"pool of {count}", workers, parts, jobs)
            workers.close()
        chance = random.Random(1)
        moments = set(chance.sample(range(STREAM), KILLS))

        def kill(number: int) -> None:
            if number in moments:
                os.kill(chance.choice(pool.pids), signal.SIGKILL)

        lists = same(pool, parts, jobs[:STREAM], expected[:STREAM], kill)
        print(f"pool, {KILLS} workers killed: {lists}", flush=True)
        pool.close()
        if use_ray:
            with_ray(galleries)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main("ray" in sys.argv[1:], numbers[0] if numbers else 1000)
