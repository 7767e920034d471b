"""Planted duplicates in a gallery of face templates, the search killed and taken up again.

    OMP_NUM_THREADS=1 python benchmarks/dedup.py [records] [kills]

One record in a hundred is a second sample of an earlier one (cosine about 0.9).
"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import biomatch  # noqa: E402
from benchmarks.scale import fill  # noqa: E402

LOG10_LR = 3.0


def planted(count: int) -> tuple[np.ndarray, set[tuple[str, str]]]:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((count, 128)).astype(np.float32)
    copies = count // 100
    vectors[-copies:] = vectors[:copies] + 0.45 * rng.standard_normal((copies, 128))
    pairs = {tuple(sorted((f"p{i}", f"p{count - copies + i}"))) for i in range(copies)}
    return vectors, pairs


def run(path: str) -> None:
    with biomatch.open(path) as db:
        db.dedup(
            "face", log10_lr=LOG10_LR, block=100, on_progress=lambda p: print(p.done, flush=True)
        )


def main(count: int, kills: int) -> None:
    vectors, expected = planted(count)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "d.db")
        with biomatch.open(path) as db:
            fill(db, vectors)
            db.index_rebuild("face")
        for _ in range(kills):
            process = subprocess.Popen(
                [sys.executable, __file__, "run", path], stdout=subprocess.PIPE, text=True
            )
            print("at", process.stdout.readline().strip(), "of", count)
            time.sleep(0.3)
            process.send_signal(signal.SIGKILL)
            process.wait()
        start = time.process_time()
        with biomatch.open(path) as db:
            found = db.dedup("face", log10_lr=LOG10_LR, block=100)
        cost = time.process_time() - start
        names = {(p.subject, p.other) for p in found}
        print(
            f"{count} records, killed {kills} times: {len(names & expected)} of "
            f"{len(expected)} planted pairs found, {len(names - expected)} others, "
            f"{cost:.1f} CPU s for the last run"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(sys.argv[2])
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 100_000, int((sys.argv[2:] or [3])[0]))
