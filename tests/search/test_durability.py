"""What was acknowledged survives: kill -9, a full disk, two writers at once."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import biomatch
from biomatch.errors import DatabaseError

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PROGRAM = HERE / "enrolling.py"


def code(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, 32, dtype=np.uint8)


@pytest.fixture
def start(plugin, opened, tmp_path):
    """Starts an enrolling process and returns it with the file it reports to."""
    site = next(p for p in sys.path if (Path(p) / "biomatch_iris.py").exists())

    def begin(first: int, count: int, batch: int) -> tuple[subprocess.Popen[bytes], Path]:
        output = tmp_path / f"out-{first}-{batch}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [
                    sys.executable, str(PROGRAM), site, opened.location(), str(opened.index()),
                    str(first), str(count), str(batch),
                ],
                stdout=file, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            )  # fmt: skip
        return process, output

    return begin


def until(output: Path, lines: int) -> None:
    deadline = time.monotonic() + 60
    while output.read_bytes().count(b"\n") < lines:
        assert time.monotonic() < deadline, "the enrolling process made no progress"
        time.sleep(0.01)


def acknowledged(output: Path) -> set[str]:
    text = output.read_text()
    whole = text[: text.rfind("\n") + 1]  # the last line may be torn by the kill
    return {line for line in whole.splitlines() if line.startswith("n")}


def assert_sound(db, names: set[str]) -> None:
    present = {subject.id for subject in db}
    assert names <= present
    assert all(len(subject.samples) == 1 for subject in db)
    some = sorted(names)[:: max(1, len(names) // 25)]
    for answer, name in zip(
        db.search_many([code(int(n[1:])) for n in some], modality="iris", k=1), some, strict=True
    ):
        assert answer[0].subject == name
        assert answer[0].score == 1.0
        assert answer.coverage.records_total == len(present)
    assert all(status.sound for status in db.index_verify())
    assert db.audit_verify().intact


def test_kill_during_enrolment_loses_nothing_acknowledged(opened, start, monkeypatch):
    monkeypatch.setattr("biomatch.search.index.SEAL_ROWS", 150)
    chance = random.Random(11)
    names: set[str] = set()
    for round_ in range(5):
        process, output = start(round_ * 10_000, 10_000, chance.choice([1, 7, 50]))
        until(output, chance.randrange(2, 120))
        time.sleep(chance.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        names |= acknowledged(output)
        with opened() as db:
            assert_sound(db, names)
    assert len(names) > 5


def test_two_processes_enrol_while_a_third_searches(opened, start):
    with opened() as db:
        db.enrol(code(10**6), modality="iris", subject=f"n{10**6}")
        one, out1 = start(0, 150, 5)
        two, out2 = start(1000, 150, 7)
        last = 0
        while one.poll() is None or two.poll() is None:
            found = db.search(code(0), modality="iris", k=1)
            assert found.complete
            assert found.coverage.records_total >= last
            last = found.coverage.records_total
        assert one.returncode == two.returncode == 0
        names = acknowledged(out1) | acknowledged(out2)
        assert len(names) == 300
        assert_sound(db, names | {f"n{10**6}"})


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits that Linux has")
def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path, plugin):
    """A limit on the file size stands in for a small disk: SQLite sees the same failure."""
    script = f"""
import resource, signal, sys
sys.path[:0] = {[p for p in sys.path if p]!r}
import numpy as np, biomatch
from biomatch.errors import DatabaseError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
db = biomatch.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
sys.path.insert(0, {str(HERE)!r})
from enrolling import code
try:
    for i in range(100_000):
        db.enrol(code(i), modality="iris", subject=f"n{{i}}")
        print(f"n{{i}}", flush=True)
except DatabaseError as error:
    print("error:", error, flush=True)
"""
    path = tmp_path / "small.db"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, cwd=ROOT,
        check=False, timeout=120,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("error: database"), done.stderr[-2000:]
    assert "nothing of this step was kept" in lines[-1]
    names = set(lines[:-1])
    assert len(names) > 20
    with biomatch.open(path) as db:
        assert_sound(db, names)
        db.enrol(code(10**6), modality="iris", subject="after")


class SmallDisk:
    """A file system of so many bytes, which can be made larger."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))

    def _mount(self, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("no right to mount a small file system: this test did NOT run")

    def grow(self, size: int) -> None:
        self._mount("-o", f"remount,size={size}", str(self.folder))


@pytest.fixture
def small_disk(tmp_path):
    """Makes small file systems and unmounts them in the end."""
    made = []

    def make(size: int) -> SmallDisk:
        folder = tmp_path / f"disk-{len(made)}"
        folder.mkdir()
        made.append(SmallDisk(folder, size))
        return made[-1]

    yield make
    for disk in made:
        subprocess.run(["umount", "--lazy", str(disk.folder)], check=True)


def enrolled_until_full(db, **facts) -> set[str]:
    """Enrol until the disk is full; the names of whom it took."""
    names: set[str] = set()

    def enrol_on() -> None:
        for i in range(100_000):
            db.enrol(code(i), modality="iris", subject=f"n{i}", **facts)
            names.add(f"n{i}")

    with pytest.raises(DatabaseError, match=r"full.*nothing of this step was kept"):
        enrol_on()
    return names


def test_a_full_disk_of_records_loses_nothing_and_goes_on_when_there_is_room(tmp_path, small_disk):
    disk = small_disk(2_000_000)
    with biomatch.open(disk.folder / "a.db", index=tmp_path / "index") as db:
        names = enrolled_until_full(db)
        assert len(names) > 20
        assert_readable(db, names)
        disk.grow(8_000_000)
        db.enrol(code(10**6), modality="iris", subject=f"n{10**6}")
        assert_sound(db, names | {f"n{10**6}"})
    with biomatch.open(disk.folder / "a.db", index=tmp_path / "index") as db:
        assert_sound(db, names | {f"n{10**6}"})


def assert_readable(db, names: set[str]) -> None:
    """What was acknowledged is there while the disk is still full."""
    assert {subject.id for subject in db} == names
    assert all(len(subject.samples) == 1 for subject in db)
    assert db.audit_verify().intact


def test_a_disk_too_small_for_a_picture_keeps_neither_picture_nor_record(tmp_path, small_disk):
    disk = small_disk(3_000_000)
    small, large = tmp_path / "small.iris", tmp_path / "large.iris"
    for path, blank in ((small, 10), (large, 5_000_000)):
        path.write_text(" " * blank + f'[{{"code": "{bytes(code(blank)).hex()}", "name": null}}]')
    with biomatch.open(disk.folder / "a.db", index=tmp_path / "index") as db:
        (first,) = db.enrol(small, subject="n10", attach=True)
        with pytest.raises(DatabaseError, match="nothing of this step was kept"):
            db.enrol(large, subject="n5000000", attach=True)
        assert_readable(db, {"n10"})
        assert db.attachment(first.sample) == ("small.iris", small.read_bytes())
        disk.grow(30_000_000)
        (second,) = db.enrol(large, subject="n5000000", attach=True)
        assert db.attachment(second.sample) == ("large.iris", large.read_bytes())
        assert_sound(db, {"n10", "n5000000"})


def test_a_full_disk_of_segments_delays_sealing_and_nothing_else(tmp_path, small_disk, monkeypatch):
    monkeypatch.setattr("biomatch.search.index.SEAL_ROWS", 100)
    disk = small_disk(60_000)
    names = {f"n{i}" for i in range(450)}
    with biomatch.open(tmp_path / "a.db", index=disk.folder / "index") as db:
        for start in range(0, 450, 30):
            items = ({"source": code(i), "subject": f"n{i}"} for i in range(start, start + 30))
            db.enrol_many(items, modality="iris")
            assert db.search(code(start), modality="iris", k=1)[0].subject == f"n{start}"
        assert_sound(db, names)
        assert "no record is lost" in "".join(db.index("iris").repairs)
        with pytest.raises(DatabaseError, match=r"(No space left|full disk).*no record is lost"):
            db.index_compact("iris")
        with pytest.raises(DatabaseError, match=r"(No space left|full disk).*no record is lost"):
            db.index_rebuild("iris")
        assert_sound(db, names)
    with biomatch.open(tmp_path / "a.db", index=disk.folder / "index") as db:
        assert_sound(db, names)
        listed = db.index("iris").status().segments
        assert len(list((disk.folder / "index" / "iris").glob("*segment*"))) == listed
        disk.grow(4_000_000)
        (status,) = db.index_compact("iris")
        assert status.delta == 0
        assert_sound(db, names)


def test_a_restored_backup_is_not_searched_through_a_newer_index(tmp_path):
    path, backup = tmp_path / "a.db", tmp_path / "backup.db"
    with biomatch.open(path) as db:
        for i in range(20):
            db.enrol(code(i), modality="iris", subject=f"n{i}")
    with biomatch.open(path) as db:
        shutil.copy(path, backup)
        for i in range(20, 40):
            db.enrol(code(i), modality="iris", subject=f"n{i}")
        db.index_compact("iris")
    for leftover in tmp_path.glob("a.db-*"):
        leftover.unlink()
    shutil.copy(backup, path)
    with biomatch.open(path) as db:
        for i in range(50, 90):  # a different future, with the same numbers
            db.enrol(code(i), modality="iris", subject=f"m{i}")
        found = db.search(code(30), modality="iris", k=100)
        assert found.coverage.records_total == 60
        assert not {c.subject for c in found} & {f"n{i}" for i in range(20, 40)}
        assert db.search(code(60), modality="iris")[0].subject == "m60"
        assert all(status.sound for status in db.index_verify())
        assert any("older state" in repair for repair in db.index("iris").repairs)


def test_what_is_no_database_is_refused(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("these are notes, not a database, however long they may be " * 20)
    with pytest.raises(DatabaseError, match=r"notes\.txt"):
        biomatch.open(file)
    with pytest.raises(DatabaseError, match="folder does not exist"):
        biomatch.open(tmp_path / "no" / "x.db")
    with pytest.raises(DatabaseError, match="no database at"):
        biomatch.open(tmp_path / "x.db", create=False)
    with pytest.raises(DatabaseError, match="neither a file nor"):
        biomatch.open("mysql://localhost/x")
