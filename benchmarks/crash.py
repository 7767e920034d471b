"""Kill an enrolling process at random moments and check that nothing acknowledged is lost.

    python benchmarks/crash.py sqlite [rounds]
    python benchmarks/crash.py postgresql://user@host/database [rounds]

Each round starts a process that enrols 10,000 face templates and prints every receipt, kills
it with SIGKILL at a random moment, opens the database anew and checks: every acknowledged
record of every round is there, none is half there, each of the round's records is found at
rank 1 (at most 200 of them, at random), the index agrees with SQL file by file and row by row,
the audit chain is intact.
"""

import random
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
from benchmarks.faces import face  # noqa: E402
from biomatch.search import Enrolled  # noqa: E402

RECORDS = 10_000


def template(name: str):
    return face(np.random.default_rng(int(name[1:])).standard_normal(128))


def enrol(location: str, index: str, start: int, batch: int) -> None:
    with biomatch.open(location, index=index) as db:
        print("ready", flush=True)
        names = [f"n{start + i}" for i in range(RECORDS)]
        db.enrol_many(
            ({"source": template(name), "subject": name} for name in names),
            modality="face",
            commit_every=batch,
            on_result=lambda r: print(r.subject if isinstance(r, Enrolled) else r, flush=True),
        )


def killed(location: str, index: Path, start: int, chance: random.Random) -> list[str]:
    """Names acknowledged by a process that was killed."""
    batch = chance.choice([1, 10, 100, 1000])
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, __file__, "enrol", location, str(index), str(start), str(batch)],
            stdout=output,
        )
        while (
            process.poll() is None
            and b"ready" not in Path(f"/proc/self/fd/{output.fileno()}").read_bytes()
        ):
            time.sleep(0.02)
        time.sleep(chance.random() * 10.0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        text = Path(f"/proc/self/fd/{output.fileno()}").read_text()
    whole = text[: text.rfind("\n") + 1]
    return [line for line in whole.splitlines() if line.startswith("n")]


def check(location: str, index: Path, names: set[str], fresh: list[str]) -> int:
    """Count the records in the database; AssertionError when anything is lost."""
    chance = random.Random(len(names))
    with biomatch.open(location, index=index) as db:
        present = {subject.id for subject in db if len(subject.samples) == 1}
        assert len(present) == len(db), "a half-enrolled record"
        assert names <= present, f"lost: {sorted(names - present)[:5]}"
        some = chance.sample(fresh, min(200, len(fresh)))
        for name, answer in zip(
            some, db.search_many((template(n) for n in some), modality="face", k=1), strict=True
        ):
            assert answer.complete
            assert answer[0].subject == name, f"{name} was not found"
        for status in db.index_verify():
            assert status.sound, status.problems
        assert db.audit_verify().intact
        return len(present)


def main(backend: str, rounds: int) -> None:
    chance = random.Random(2026)
    with tempfile.TemporaryDirectory() as folder:
        location = str(Path(folder) / "crash.db") if backend == "sqlite" else backend
        index = Path(folder) / "index"
        names: set[str] = set()
        for number in range(rounds):
            fresh = killed(location, index, number * RECORDS, chance)
            names.update(fresh)
            present = check(location, index, names, fresh)
            print(
                f"round {number + 1}: {len(fresh)} acknowledged, {len(names)} in all, "
                f"{present} present, all found, index and audit chain intact",
                flush=True,
            )
    print(f"{backend.partition(':')[0]}: {rounds} kills, {len(names)} acknowledged, none lost")


if __name__ == "__main__":
    if sys.argv[1] == "enrol":
        enrol(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50)
