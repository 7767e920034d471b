"""Cost of the whole engine on a face gallery: enrol, build, open, search, change, rebuild.

    OMP_NUM_THREADS=1 python benchmarks/scale.py [records] [folder]

Templates carry 128-d vectors drawn from identities as in `vector_index.py`. Everything runs
through `biomatch.open`, with audit rows and recorded searches. CPU time is the process's own.
The folder is kept when it is given, and used again when it holds the database.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import biomatch  # noqa: E402
from benchmarks.faces import MODALITY, MODEL_ID, face  # noqa: E402
from benchmarks.vector_index import identities, resident  # noqa: E402
from biomatch.database import schema  # noqa: E402

LOAD = 212.0  # searches a second: INTERPOL's 5e9 in nine months
RECORDS = 128e6


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall seconds of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


def enrol(db: biomatch.Database, vectors: np.ndarray, prefix: str) -> None:
    items = ({"source": face(v), "subject": f"{prefix}{i}"} for i, v in enumerate(vectors))
    rejected = [
        r
        for r in db.enrol_many(items, modality="face", commit_every=5000)
        if not hasattr(r, "sample")
    ]
    assert not rejected, rejected[:1]


def searched(db: biomatch.Database, probes: np.ndarray) -> list[str]:
    return [db.search(face(p), modality="face", explain=0)[0].subject for p in probes]


def fill(db: biomatch.Database, gallery: np.ndarray) -> None:
    """Write records in bulk, with one audit row a block: only to have something to measure."""
    at = "2026-01-01T00:00:00.000Z"
    for start in range(0, len(gallery), 20_000):
        block = gallery[start : start + 20_000]
        with db.store.write() as writer:
            first = writer.draw(3 * len(block))
            people, samples, templates = [], [], []
            for i, vector in enumerate(block):
                key = first + 3 * i
                name = f"p{start + i}"
                people.append(
                    {"key": key, "id": name, "reference": name, "metadata": "{}", "created_at": at}
                )
                samples.append(
                    {"key": key + 1, "subject_key": key, "modality": "face", "gallery": "main",
                     "finger_position": 0, "impression": "unknown", "quality": 50.0,
                     "sha256": name, "part": 0, "created_at": at}
                )  # fmt: skip
                templates.append(
                    {"key": key + 2, "seq": key + 2, "sample_key": key + 1, "subject_key": key,
                     "modality": "face", "model_id": MODEL_ID,
                     "blob": MODALITY.dumps(face(vector))}
                )  # fmt: skip
            writer.insert(schema.subjects, people)
            writer.insert(schema.samples, samples)
            writer.insert(schema.templates, templates)
            writer.audit("fill", {"records": len(block)})


def grown(path: Path, gallery: np.ndarray, out: dict[str, float]) -> None:
    """Fill a database that does not exist yet."""
    with biomatch.open(path) as db:
        cpu, wall = timed(lambda: enrol(db, gallery[:5000], "p"))
        out["enrol_cpu_ms"] = cpu / 5000 * 1000
        out["enrol_per_wall_s"] = 5000 / wall
        db.delete(*(f"p{i}" for i in range(5000)))
        fill(db, gallery)
        out["build_cpu_s"] = timed(lambda: db.index_rebuild("face"))[0]


def opened(path: str, probe_file: str) -> None:
    """Print what a fresh process pays: opening, searching one by one and in a batch, memory."""
    probes = np.load(probe_file)
    out = {}
    db = biomatch.open(path)
    cpu, wall = timed(lambda: db.index("face").view())
    out["open_cpu_s"], out["open_wall_s"] = cpu, wall
    searched(db, probes[:20])
    cpu, wall = timed(lambda: searched(db, probes[:200]))
    out["search_cpu_ms"], out["search_wall_ms"] = cpu / 200 * 1000, wall / 200 * 1000
    batch = [face(p) for p in probes]
    cpu, _ = timed(lambda: list(db.search_many(batch, modality="face")))
    out["batch_cpu_ms"] = cpu / len(batch) * 1000
    names = [a[0].subject for a in db.search_many(batch, modality="face")]
    out["rank1"] = float(np.mean([n == f"p{i}" for i, n in enumerate(names)]))
    some = batch[:100]
    exact = [a[0].subject for a in db.search_many(some, modality="face", exhaustive=True)]
    out["rank1_exact_of_100"] = float(np.mean([n == f"p{i}" for i, n in enumerate(exact)]))
    out["rank1_fast_of_100"] = float(np.mean([n == f"p{i}" for i, n in enumerate(names[:100])]))
    out["rss_mb"] = resident()
    print(json.dumps(out))


def changed(path: Path, out: dict[str, float], count: int) -> None:
    """Add and delete 1 %, then compare with a rebuild, in cost and in results."""
    rng = np.random.default_rng(9)
    new = rng.standard_normal((count // 100, 128)).astype(np.float32)
    probes = [face(v) for v in new[:50]]
    with biomatch.open(path) as db:
        index = db.index("face")
        index.view()
        tag = f"x{time.time_ns()}-"
        out["add_1pct_records_cpu_s"] = timed(lambda: enrol(db, new, tag))[0]
        out["add_1pct_index_cpu_s"] = timed(index.view)[0] + timed(index.flush)[0]
        doomed = [f"{tag}{i}" for i in range(len(new) // 2, len(new))]
        out["delete_half_pct_records_cpu_s"] = timed(lambda: db.delete(*doomed))[0]
        out["delete_half_pct_index_cpu_s"] = timed(index.view)[0]

        def lists() -> list[list[tuple[str, float]]]:
            answers = db.search_many(probes, modality="face", k=10)
            return [[(c.subject, c.score) for c in a] for a in answers]

        before = lists()
        out["rebuild_cpu_s"] = timed(lambda: db.index_rebuild("face"))[0]
        after = lists()
        same = [a == b for a, b in zip(before, after, strict=True)]
        first = [a[0] == b[0] for a, b in zip(before, after, strict=True)]
        out["same_lists"], out["same_rank1"] = float(np.mean(same)), float(np.mean(first))
        db.delete(*(f"{tag}{i}" for i in range(len(new) // 2)))


def main(count: int, folder: Path) -> None:
    gallery, probes = identities(count, 128)
    out: dict[str, float] = {"records": count}
    path = folder / f"faces-{count}.db"
    if not path.exists():
        grown(path, gallery, out)
    np.save(folder / "probes.npy", probes)
    done = subprocess.run(
        [sys.executable, __file__, "open", str(path), str(folder / "probes.npy")],
        capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    out.update(json.loads(done.stdout))
    changed(path, out, count)
    out["sql_bytes_a_record"] = path.stat().st_size / count
    segments = sum(p.stat().st_size for p in Path(f"{path}.index").rglob("*") if p.is_file())
    out["index_bytes_a_record"] = segments / count
    # A scan's cost grows with the records; the fixed part of a search does not.
    per_million = out["batch_cpu_ms"] / 1000 * 1e6 / count
    out["cores_for_interpol"] = per_million * RECORDS / 1e6 * LOAD
    out["memory_for_interpol_gb"] = RECORDS * 32 / 1e9
    for name, value in out.items():
        print(f"{name:32} {value:.4g}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["open"]:
        opened(sys.argv[2], sys.argv[3])
    else:
        amount = int(float(sys.argv[1])) if len(sys.argv) > 1 else 100_000
        with tempfile.TemporaryDirectory() as temporary:
            main(amount, Path(sys.argv[2]) if len(sys.argv) > 2 else Path(temporary))
