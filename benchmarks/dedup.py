"""Planted duplicates in a gallery, the search for them killed and taken up again.

    OMP_NUM_THREADS=1 python benchmarks/dedup.py [face|fingerprint|dna] [records] [kills]

One record in a hundred is a second sample of an earlier one under another name:

face         another vector (cosine about 0.9)
fingerprint  a synthetic print with a quarter of its minutiae lost, the others moved by about
             two pixels and three degrees, the whole shifted and turned
dna          the same profile with one locus failed, where at least eight are left

The gallery is deduplicated twice, on copies of one database: once in peace, once by processes
that are killed with SIGKILL after a random number of blocks. Both lists of pairs must be equal,
scores included.
"""

import itertools
import json
import random
import shutil
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
from benchmarks import distractors, dna_profiles  # noqa: E402
from benchmarks.galleries import faces, fill, print_of, profiles  # noqa: E402

LOG10_LR = {"face": 3.0, "fingerprint": 3.0, "dna": 6.0}
LOST = 0.25
"""Share of a print's minutiae that its second impression lacks."""


def face_gallery(count: int, copies: int):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((count, 128)).astype(np.float32)
    vectors[-copies:] = vectors[:copies] + 0.45 * rng.standard_normal((copies, 128))
    return faces(vectors)


def fingerprint_gallery(count: int, copies: int):
    rng = np.random.default_rng(0)
    offsets, points = distractors.generate(count - copies, 5)
    several = [points[a:b] for a, b in itertools.pairwise(offsets)]
    for some in several:
        yield print_of(some)
    for some in several[:copies]:
        yield print_of(again(some, rng))


def again(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make a second impression of a print, on the packed grid."""
    kept = points[np.sort(rng.permutation(len(points))[int(LOST * len(points)) :])]
    x, y = kept[:, 0] - 2560.0, kept[:, 1] - 2560.0
    turn = rng.normal(0, 0.15)
    moved = kept.copy()
    moved[:, 0] = np.cos(turn) * x - np.sin(turn) * y + 2560 + rng.normal(0, 16, len(kept))
    moved[:, 1] = np.sin(turn) * x + np.cos(turn) * y + 2560 + rng.normal(0, 16, len(kept))
    # y points down on the grid, so turning by +turn there takes turn off the angle.
    angle = (kept[:, 2] >> 2) / 16384 * 2 * np.pi - turn + rng.normal(0, 0.05, len(kept))
    steps = np.rint(angle / (2 * np.pi) * 16384).astype(np.int64) % 16384
    moved[:, 2] = steps << 2 | (kept[:, 2] & 3)
    return moved


def dna_gallery(count: int, copies: int):
    _, columns = dna_profiles.database(count - copies)
    yield from profiles(columns)
    codes = columns.codes[:, :copies].copy()
    for row in range(copies):
        typed = np.flatnonzero(codes[:, row])
        if len(typed) > 8:  # a search compares at least eight loci
            codes[typed[row % 8], row] = 0
    yield from profiles(dna_profiles.Columns(columns.book, codes))


MAKERS = {"face": face_gallery, "fingerprint": fingerprint_gallery, "dna": dna_gallery}


def run(path: str, modality: str) -> None:
    """Deduplicate; print the progress, then the pairs."""
    start = time.process_time()
    with biomatch.open(path) as db:
        found = db.dedup(
            modality, log10_lr=LOG10_LR[modality], on_progress=lambda p: print(p.done, flush=True)
        )
    pairs = [(p.subject, p.other, p.score, p.log10_lr) for p in found]
    print(json.dumps({"cpu": time.process_time() - start, "pairs": pairs}), flush=True)


def started(path: Path, modality: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, "run", str(path), modality], stdout=subprocess.PIPE, text=True
    )


def finished(path: Path, modality: str) -> dict:
    output, _ = started(path, modality).communicate()
    return json.loads(output.splitlines()[-1])


def disturbed(path: Path, modality: str, count: int, kills: int) -> list[str]:
    """Kill `kills` processes at random places of the job; return how far it was each time."""
    chance = random.Random(7)
    places = []
    for target in sorted(chance.randrange(count) for _ in range(kills)):
        process = started(path, modality)
        while (line := process.stdout.readline()) and line[0].isdigit() and int(line) < target:
            pass
        time.sleep(chance.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        places.append(line.strip()[:12])
    return places


def main(modality: str, count: int, kills: int) -> None:
    copies = count // 100
    expected = {tuple(sorted((f"p{i}", f"p{count - copies + i}"))) for i in range(copies)}
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "one.db", Path(folder) / "two.db"
        with biomatch.open(one) as db:
            fill(db, MAKERS[modality](count, copies), modality)
            db.index_rebuild(modality)
        shutil.copy(one, two)
        shutil.copytree(f"{one}.index", f"{two}.index")
        peace = finished(one, modality)
        places = disturbed(two, modality, count, kills)
        war = finished(two, modality)
    found = {(a, b) for a, b, _, _ in peace["pairs"]}
    assert war["pairs"] == peace["pairs"], "the killed job found something else"
    print(
        f"{modality}, {count} records: {len(found & expected)} of {len(expected)} planted pairs "
        f"found, {len(found - expected)} others, {peace['cpu']:.0f} CPU-s; killed {kills} times "
        f"(at {', '.join(places)}): the same list, scores included"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(sys.argv[2], sys.argv[3])
    else:
        name = sys.argv[1] if sys.argv[1:] else "face"
        amount = int(float(sys.argv[2])) if sys.argv[2:] else 100_000
        main(name, amount, int((sys.argv[3:] or [5])[0]))
