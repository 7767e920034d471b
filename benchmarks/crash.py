"""Kill an enrolling process at random moments and check that nothing acknowledged is lost.

    python benchmarks/crash.py sqlite [rounds]
    python benchmarks/crash.py postgresql://user@host:port [rounds]

Each round starts a process that enrols 10,000 face templates, prints every receipt, and
searches now and then, so that segments are sealed and compacted while it enrols (both limits
are set low for that). It is killed with SIGKILL: most rounds after a random number of receipts
and a random pause, some aimed at the time before the first commit, at sealing, or at
compaction. A process that had finished before the kill does not count; the round is repeated.

Then the database is opened anew and checked: every acknowledged record of every round on this
database is there, none is half there, no transaction is half there, the audit trail has one row
for each, the round's records are found at rank 1 (the last 100 acknowledged and 200 at random),
the index agrees with SQL file by file and row by row, the audit chain is intact. Every fifth
round begins with a new database; the four after it go on with what the kills left behind.
"""

import collections
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sqlalchemy as sa

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import biomatch  # noqa: E402
from benchmarks.faces import face  # noqa: E402
from biomatch.database import schema  # noqa: E402
from biomatch.search import Enrolled, index  # noqa: E402

RECORDS = 10_000
SEARCH_EVERY = 200
SEAL_ROWS, MANY_SEGMENTS = 400, 4
AIMS = ("anywhere",) * 6 + ("start", "seal", "seal", "compact")
GROUP = 5


def template(name: str):
    return face(np.random.default_rng(int(name[1:])).standard_normal(128))


# The process that is killed


def marked(name: str, word: str) -> None:
    """Let a method of the index say when it begins and ends."""
    method = getattr(index.Index, name)

    def call(self, *arguments):
        print(f"+{word}", flush=True)
        result = method(self, *arguments)
        print(f"-{word}", flush=True)
        return result

    setattr(index.Index, name, call)


def enrol(location: str, folder: str, start: int, batch: int) -> None:
    index.SEAL_ROWS, index.MANY_SEGMENTS = SEAL_ROWS, MANY_SEGMENTS
    marked("_seal_delta", "seal")
    marked("_merge", "compact")
    with biomatch.open(location, index=folder) as db:
        print("ready", flush=True)
        done = 0

        def receipt(result) -> None:
            nonlocal done
            print(result.subject if isinstance(result, Enrolled) else result, flush=True)
            done += 1
            if done % max(SEARCH_EVERY, batch) == 0:
                db.search(template(f"n{start}"), modality="face", k=1, explain=0)

        names = (f"n{start + i}" for i in range(RECORDS))
        items = ({"source": template(name), "subject": name} for name in names)
        db.enrol_many(items, modality="face", commit_every=batch, on_result=receipt)
    print("done", flush=True)


# The process that kills


@dataclass
class Output:
    """What the process has printed so far."""

    path: Path
    names: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    begun: collections.Counter[str] = field(default_factory=collections.Counter)
    ready: bool = False
    done: bool = False
    _at: int = 0

    def read(self) -> "Output":
        """Take in what is new."""
        with self.path.open("rb") as file:
            file.seek(self._at)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]  # the kill may tear the last line
        self._at += len(whole)
        for line in whole.decode().splitlines():
            if line.startswith("n"):
                self.names.append(line)
            elif line.startswith("+"):
                self.running.append(line[1:])
                self.begun[line[1:]] += 1
            elif line.startswith("-"):
                self.running.remove(line[1:])
            self.ready |= line == "ready"
            self.done |= line == "done"
        return self

    def place(self) -> str:
        """Where in the run the process was."""
        if self.running:
            return {"seal": "in sealing", "compact": "in compaction"}[self.running[-1]]
        if not self.names:
            return "before the first receipt"
        third = 3 * len(self.names) // RECORDS
        return ("first third", "second third", "last third", "last third")[third]


def moment(aim: str, chance: random.Random) -> Iterator[tuple[str, int]]:
    """Yield what must have happened before the kill."""
    yield "ready", 0
    if aim == "anywhere":
        yield "names", chance.randrange(RECORDS)
    elif aim != "start":
        yield aim, chance.randrange(1, 6 if aim == "compact" else 20)


def killed(
    location: str, folder: Path, start: int, batch: int, aim: str, chance: random.Random
) -> Output:
    """Return what a process printed before it was killed."""
    with tempfile.TemporaryDirectory() as temporary:
        output = Output(Path(temporary) / "output")
        with output.path.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, __file__, "enrol", location, str(folder), str(start), str(batch)],
                stdout=file,
            )
        for what, count in moment(aim, chance):
            while process.poll() is None and not reached(output.read(), what, count):
                time.sleep(0.002)
        time.sleep(chance.random() * (0.02 if aim == "anywhere" else 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode in {0, -signal.SIGKILL}, process.returncode
        return output.read()


def reached(output: Output, what: str, count: int) -> bool:
    if what == "ready":
        return output.ready
    return (len(output.names) if what == "names" else output.begun[what]) >= count


def check(location: str, folder: Path, names: set[str], fresh: list[str], batches: dict) -> int:
    """Count the records in the database; AssertionError when anything is lost."""
    chance = random.Random(len(names))
    with biomatch.open(location, index=folder) as db:
        present = {subject.id for subject in db if len(subject.samples) == 1}
        assert len(present) == len(db), "a half-enrolled record"
        assert names <= present, f"lost: {sorted(names - present)[:5]}"
        with db.store.read() as connection:
            for table in (schema.samples, schema.templates):
                assert counted(connection, table) == len(present), f"a half record in {table}"
            enrolled = schema.audit.c.action == "enrol"
            assert counted(connection, schema.audit, enrolled) == len(present), "audit rows"
        rounds = collections.Counter(int(name[1:]) // RECORDS for name in present)
        for number, count in rounds.items():
            assert count % batches[number] == 0, "half a transaction"
        some = dict.fromkeys(fresh[-100:] + chance.sample(fresh, min(200, len(fresh))))
        answers = db.search_many((template(n) for n in some), modality="face", k=1)
        for name, answer in zip(some, answers, strict=True):
            assert answer.complete
            assert answer[0].subject == name, f"{name} was not found"
        for status in db.index_verify():
            assert status.sound, status.problems
        assert db.audit_verify().intact
        return len(present)


def counted(connection: sa.Connection, table: sa.Table, *where) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(*where)
    return connection.execute(query).scalar_one()


def databases(backend: str, folder: Path) -> Iterator[str]:
    """Yield the places of new, empty databases."""
    while True:
        name = f"crash{uuid.uuid4().hex[:12]}"
        if backend == "sqlite":
            yield str(folder / f"{name}.db")
            continue
        server = sa.create_engine(f"postgresql+psycopg:{backend.split(':', 1)[1]}/postgres")
        with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        server.dispose()
        yield f"{backend}/{name}"


def main(backend: str, rounds: int) -> None:
    chance = random.Random(2026)
    places: collections.Counter[str] = collections.Counter()
    total = late = 0
    with tempfile.TemporaryDirectory() as temporary:
        fresh_database = databases(backend, Path(temporary))
        for number in range(rounds):
            if number % GROUP == 0:
                location, folder = next(fresh_database), Path(temporary) / f"index-{number}"
                names: set[str] = set()
                batches: dict[int, int] = {}
            output = Output(Path(), done=True)
            while output.done:
                key = len(batches)
                batches[key] = batch = chance.choice([1, 5, 25, 100, 500])
                aim = AIMS[number % len(AIMS)]
                output = killed(location, folder, key * RECORDS, batch, aim, chance)
                names.update(output.names)
                late += output.done
            present = check(location, folder, names, output.names, batches)
            places[output.place()] += 1
            total += len(output.names)
            print(
                f"kill {number + 1}: {output.place()}, {batch} a commit, {len(output.names)} "
                f"acknowledged; {len(names)} in all, {present} present, nothing lost",
                flush=True,
            )
    print(f"{backend.partition(':')[0]}: {rounds} kills, {total} acknowledged, none lost")
    print(f"finished before the kill and not counted: {late}")
    for place, count in sorted(places.items()):
        print(f"  {place:26} {count}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if sys.argv[1] == "enrol":
        enrol(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main(sys.argv[1].rstrip("/"), int(sys.argv[2]) if len(sys.argv) > 2 else 50)
