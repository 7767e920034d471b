"""Overhead of the executors, and killed workers, on a small gallery in four segments.

    OMP_NUM_THREADS=1 python benchmarks/executors.py [ray]

A tiny gallery makes the scan itself cheap, so that what is left is the fan-out: pickling, pipes,
waiting. 1,000 random probes must give the same lists, ties included, whatever the executor.
"""

import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import biomatch  # noqa: E402
from benchmarks.faces import MODALITY, face  # noqa: E402
from biomatch.search.executors import Executor, Inline  # noqa: E402
from biomatch.search.filters import Scope  # noqa: E402
from biomatch.search.pool import ProcessPool  # noqa: E402
from biomatch.search.scan import Job  # noqa: E402

RECORDS = 2000
PROBES = 1000


def job(vector: np.ndarray) -> Job:
    template = face(vector)
    return Job("face", MODALITY.model_id(template), (template,), Scope(), 100, 64)


def fan_out(executor: Executor, parts, jobs: list[Job]) -> tuple[float, float]:
    """Wall milliseconds of one call, smallest and median."""
    for one in jobs[:50]:
        executor.run(parts, one)
    costs = []
    for one in jobs:
        start = time.perf_counter()
        executor.run(parts, one)
        costs.append((time.perf_counter() - start) * 1000)
    return min(costs), statistics.median(costs)


def same(executor: Executor, parts, jobs: list[Job], expected, kill=None) -> int:
    """Jobs whose findings equal inline's."""
    equal = 0
    for number, (one, wanted) in enumerate(zip(jobs, expected, strict=True)):
        if kill is not None:
            kill(number)
        found = executor.run(parts, one)
        equal += all(
            f is not None
            and np.array_equal(f[0].keys, w[0].keys)
            and np.array_equal(f[0].scores, w[0].scores)
            for f, w in zip(found, wanted, strict=True)
        )
    return equal


def main(with_ray: bool) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((RECORDS, 128)).astype(np.float32)
    vectors[::9] = vectors[0]  # ties
    jobs = [job(v) for v in rng.standard_normal((PROBES, 128)).astype(np.float32)]
    jobs[::10] = [job(vectors[0]) for _ in jobs[::10]]
    with tempfile.TemporaryDirectory() as folder, biomatch.open(Path(folder) / "x.db") as db:
        items = ({"source": face(v), "subject": f"p{i}"} for i, v in enumerate(vectors))
        db.enrol_many(items, modality="face", commit_every=2000)
        db.index_rebuild("face", segments=4)
        parts = db.index("face").view().parts
        inline = Inline()
        expected = [inline.run(parts, one) for one in jobs]
        print("inline: min {:.3f} ms, p50 {:.3f} ms".format(*fan_out(inline, parts, jobs)))
        pool = ProcessPool(4)
        print("pool of 4: min {:.3f} ms, p50 {:.3f} ms".format(*fan_out(pool, parts, jobs)))
        print(f"pool of 4: {same(pool, parts, jobs, expected)} of {PROBES} lists as inline's")
        chance = random.Random(1)
        moments = set(chance.sample(range(200), 20))

        def kill(number: int) -> None:
            if number in moments:
                os.kill(chance.choice(pool.pids), signal.SIGKILL)

        equal = same(pool, parts, jobs[:200], expected[:200], kill)
        print(f"pool of 4, 20 workers killed: {equal} of 200 lists complete and as inline's")
        pool.close()
        if with_ray:
            from biomatch.search.cluster import RayExecutor

            ray = RayExecutor(4)
            print(
                "ray, 4 actors: min {:.3f} ms, p50 {:.3f} ms".format(
                    *fan_out(ray, parts, jobs[:200])
                )
            )
            print(f"ray, 4 actors: {same(ray, parts, jobs, expected)} of {PROBES} as inline's")
            equal = same(
                ray,
                parts,
                jobs[:200],
                expected[:200],
                lambda n: n % 10 == 5 and ray.kill(n // 10 % 4),
            )
            print(f"ray, 20 actors killed: {equal} of 200 lists complete and as inline's")
            ray.close()


if __name__ == "__main__":
    main("ray" in sys.argv[1:])
