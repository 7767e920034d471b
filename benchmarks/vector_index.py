"""The vector index at 1 million rows: CPU time, mates lost, memory, bandwidth.

    OMP_NUM_THREADS=1 python benchmarks/vector_index.py [rows] [dimension]

Identities are drawn from 40 populations with a power-law spectrum; every identity has one
gallery sample and the first 1,000 have a probe as well. CPU time is the process's own, one
thread. Synthetic identities say how an index loses mates, not how well faces are told apart.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from biomatch.indexes import CodeIndex, VectorIndex  # noqa: E402

PROBES = 1000


def identities(rows: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Gallery (rows, dimension) and the probes of its first rows, unit vectors."""
    rng = np.random.default_rng(0)
    spectrum = np.arange(1, dimension + 1) ** -0.35
    populations = rng.standard_normal((40, dimension)).astype(np.float32) * spectrum * 0.6
    gallery = np.empty((rows, dimension), dtype=np.float32)
    probes = np.empty((PROBES, dimension), dtype=np.float32)
    for start in range(0, rows, 100_000):
        count = min(100_000, rows - start)
        person = rng.standard_normal((count, dimension)).astype(np.float32) * spectrum
        person += populations[rng.integers(0, 40, count)]
        noise = rng.standard_normal((count, dimension)).astype(np.float32) * spectrum
        gallery[start : start + count] = person + 0.35 * noise
        if start == 0:
            again = rng.standard_normal((PROBES, dimension)).astype(np.float32) * spectrum
            probes[:] = person[:PROBES] + 0.35 * 3.2 * again
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    return gallery, probes


def milliseconds(call, repeat: int) -> float:
    """CPU milliseconds of one call, the best of three runs of `repeat`."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for i in range(repeat):
            call(i)
        best = min(best, (time.process_time() - start) / repeat * 1000)
    return best


def resident() -> float:
    """Resident set of this process in MB, shared file pages included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def opened(folder: str) -> None:
    """Print what a fresh process sees: opening time, then 1,000 searches, resident memory."""
    probes = np.load(Path(folder) / "probes.npy")
    before = resident()
    start = time.process_time()
    index = VectorIndex.open(Path(folder))
    index.search(probes[:1], 20)
    opening = time.process_time() - start
    cost = milliseconds(lambda i: index.search(probes[i : i + 1], 20), PROBES)
    found, peak = [], 0.0
    for i in range(PROBES):
        found.append(index.search(probes[i : i + 1], 20)[1])
        peak = max(peak, resident())
    rows = np.vstack(found)
    result = {
        "open_s": opening,
        "search_ms": cost,
        "hit1": float((rows[:, 0] == np.arange(PROBES)).mean()),
        "rss_peak_mb": peak,
        "rss_before_mb": before,
    }
    print(json.dumps(result))


def bandwidth(gallery: np.ndarray) -> float:
    """GB/s of one thread reading the gallery: a sum over its bytes as 64-bit integers."""
    words = gallery.view(np.int64).ravel()
    cost = milliseconds(lambda _: np.bitwise_or.reduce(words), 3)
    return gallery.nbytes / cost / 1e6


def main(rows: int, dimension: int) -> None:
    gallery, probes = identities(rows, dimension)
    out: dict[str, object] = {"rows": rows, "dimension": dimension}
    out["bandwidth_gb_s"] = bandwidth(gallery)
    start = time.process_time()
    index = VectorIndex.build(gallery)
    out["build_s"] = time.process_time() - start
    flat_ms = milliseconds(lambda i: index.search(probes[i : i + 1], 20, exact=True), 20)
    out["exact_ms"] = flat_ms
    out["exact_gb_s"] = gallery.nbytes / flat_ms / 1e6
    exact = index.search(probes, 20, exact=True)[1]
    fast = index.search(probes, 20)[1]
    mates = np.arange(PROBES)
    out["hit1_exact"] = float((exact[:, 0] == mates).mean())
    out["hit1_fast_batch"] = float((fast[:, 0] == mates).mean())
    out["recall10"] = float(
        np.mean([len(set(a[:10]) & set(b[:10])) / 10 for a, b in zip(exact, fast, strict=True)])
    )
    start = time.process_time()
    index.search(probes, 20)
    out["batch_ms"] = (time.process_time() - start) / PROBES * 1000
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder))
        np.save(Path(folder) / "probes.npy", probes)
        done = subprocess.run(
            [sys.executable, __file__, "open", folder], capture_output=True, text=True, check=True
        )
        out.update({f"fresh_{k}": v for k, v in json.loads(done.stdout).items()})
    planes = np.random.default_rng(1).standard_normal((dimension, 256)).astype(np.float32)
    codes = np.packbits(gallery @ planes > 0, axis=1)
    questions = np.packbits(probes @ planes > 0, axis=1)
    binary = CodeIndex.build(codes)
    out["binary256_ms"] = milliseconds(lambda i: binary.search(questions[i : i + 1], 20), 100)
    for name, value in out.items():
        print(f"{name:20} {value:.4g}" if isinstance(value, float) else f"{name:20} {value}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["open"]:
        opened(sys.argv[2])
    else:
        numbers = [int(a) for a in sys.argv[1:]]
        main(*(numbers + [1_000_000, 128][len(numbers) :]))
