"""Segments: whatever happens to them, a search gives what SQL holds."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

import biomatch
import biomatch.search.registry
from biomatch.database import schema
from biomatch.errors import DatabaseError, OptionError
from biomatch.search import index as module
from biomatch.search.records import key_of

COUNT = 120


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A database with three segments and a delta, its codes, and the answers to ten probes."""
    monkeypatch.setattr(module, "SEAL_ROWS", 40)
    codes = np.random.default_rng(0).integers(0, 256, (COUNT, 32), dtype=np.uint8)
    path = tmp_path / "w.db"
    with biomatch.open(path) as db:
        for i, code in enumerate(codes):
            db.enrol(code, modality="iris", subject=f"p{i:03}")
            db.index("iris").view()
        db.delete("p005", "p050")
        status = db.index_status("iris")[0]
        assert status.segments >= 2
        yield path, codes, answers(db, codes)


def answers(db, codes):
    return [
        [(c.subject, c.score) for c in db.search(code, modality="iris", k=7)]
        for code in codes[::12]
    ]


def segment_files(path: Path) -> list[Path]:
    folder = path.with_name("w.db.index") / "iris"
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "lock")


def test_reopened_and_rebuilt_answers_are_the_same(world):
    path, codes, expected = world
    with biomatch.open(path) as db:
        assert answers(db, codes) == expected
        assert db.index("iris").repairs == []
        (status,) = db.index_compact("iris")
        assert (status.segments, status.delta, status.removed) == (1, 0, 0)
        assert answers(db, codes) == expected
        (status,) = db.index_rebuild("iris")
        assert answers(db, codes) == expected
        with pytest.raises(OptionError, match="segments is 0"):
            db.index_rebuild("iris", segments=0)
        assert status.sound
        assert status.records == status.indexed == COUNT - 2


def test_any_damaged_file_is_found_and_made_again(world):
    path, codes, expected = world
    count = len(segment_files(path))
    for number in range(0, count, 3):
        files = segment_files(path)
        file = files[number % len(files)]
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0x10  # one bit, which FAISS would accept
        file.write_bytes(bytes(data))
        with biomatch.open(path) as db:
            assert answers(db, codes) == expected, file
            assert db.index_verify("iris")[0].sound


@pytest.mark.parametrize("damage", ["missing", "torn", "all", "catalog", "extra"])
def test_missing_and_torn_files(world, damage):
    path, codes, expected = world
    folder = path.with_name("w.db.index") / "iris"
    segment = next(folder.glob("segment-*"))
    match damage:
        case "missing":
            (segment / "gallery" / "codes.npy").unlink()
        case "torn":
            file = segment / "column-keys.npy"
            file.write_bytes(file.read_bytes()[:-40])
        case "all":
            shutil.rmtree(folder.parent)
        case "catalog":
            (folder / "catalog.json").write_text("{")
        case "extra":
            (segment / "gallery" / "pq4fs.faiss").write_bytes(b"not listed")
    with biomatch.open(path) as db:
        assert answers(db, codes) == expected
        assert db.index_verify("iris")[0].sound
        assert not list(folder.glob(".segment-*"))
    with biomatch.open(path) as db:
        assert answers(db, codes) == expected
        assert db.index("iris").repairs == []


def test_verify_names_a_segment_damaged_while_open(world):
    path, codes, _ = world
    with biomatch.open(path) as db:
        answers(db, codes)
        file = next(f for f in segment_files(path) if f.name == "column-seqs.npy")
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(bytes(data))
        (status,) = db.index_verify("iris")
        assert not status.sound
        assert "column-seqs.npy is not what was written" in " ".join(status.problems)


def test_compacting_leaves_nothing_of_a_deleted_template_on_the_disk(tmp_path):
    codes = np.random.default_rng(3).integers(0, 256, (200, 32), dtype=np.uint8)
    path = tmp_path / "w.db"

    def on_disk(code: np.ndarray) -> bool:
        files = [p for p in tmp_path.rglob("*") if p.is_file()]
        return any(code.tobytes() in file.read_bytes() for file in files)

    with biomatch.open(path) as db:
        items = [{"source": code, "subject": f"p{i:03}"} for i, code in enumerate(codes)]
        db.enrol_many(items, modality="iris")
        db.index_compact("iris")
        assert on_disk(codes[7])
        db.delete("p007")
        (status,) = db.index_compact("iris")
        assert (status.records, status.removed) == (199, 0)
        assert status.sound
        assert db.search(codes[7], modality="iris")[0].subject != "p007"
    assert not on_disk(codes[7])
    assert on_disk(codes[8])


def test_segments_of_earlier_software_are_pointed_out(world, monkeypatch):
    path, codes, expected = world
    gallery = biomatch.search.registry.get("iris").build([]).__class__
    with biomatch.open(path) as db:
        assert db.index_status("iris")[0].advice == ()
        monkeypatch.setattr(gallery, "dated", "the sketches", raising=False)
        (status,) = db.index_status("iris")
        assert status.sound
        (advice,) = status.advice
        assert f"{status.segments} of {status.segments} iris segments" in advice
        assert f"({status.indexed - status.delta} records) lack the sketches" in advice
        assert "`biomatch index rebuild -m iris`" in advice
        assert answers(db, codes) == expected


def test_a_template_damaged_in_sql_is_named(world):
    path, codes, expected = world
    with biomatch.open(path) as db:
        sample = db.get("p007").samples[0].id
        with db.store.write() as writer:
            damage = sa.update(schema.templates).where(
                schema.templates.c.sample_key == key_of(sample)
            )
            writer.connection.execute(damage.values(blob=b"{"))
        words = rf"iris template of sample {sample} is damaged .*delete {sample} and enrol"
        with pytest.raises(DatabaseError, match=words):
            db.index_rebuild("iris")
        assert answers(db, codes) == expected  # from what was packed before
        db.delete(sample)
        db.enrol(codes[7], modality="iris", subject="p007")
        db.index_rebuild("iris")
        assert db.index_verify("iris")[0].sound
        assert answers(db, codes) == expected


def test_another_databases_index_is_not_used(world, tmp_path):
    path, codes, _ = world
    other = tmp_path / "other.db"
    with biomatch.open(other) as db:
        db.enrol(codes[0], modality="iris", subject="only")
    shutil.copytree(path.with_name("w.db.index"), tmp_path / "other.db.index")
    with biomatch.open(other) as db:
        assert [c.subject for c in db.search(codes[3], modality="iris")] == ["only"]
        assert any("another database" in r for r in db.index("iris").repairs)


def test_one_process_adopts_what_another_sealed(world):
    path, codes, _ = world
    with biomatch.open(path) as one, biomatch.open(path) as two:
        two.search(codes[0], modality="iris")
        rng = np.random.default_rng(9)
        new = rng.integers(0, 256, (100, 32), dtype=np.uint8)
        for i, code in enumerate(new):
            one.enrol(code, modality="iris", subject=f"q{i}")
        one.index_compact("iris")
        for i in (0, 50, 99):
            assert two.search(new[i], modality="iris")[0].subject == f"q{i}"
        two.delete("q50")
        two.index_compact("iris")
        assert one.search(new[50], modality="iris")[0].subject != "q50"
        one.index_compact("iris")
        assert answers(one, codes) == answers(two, codes)
        assert one.index_verify("iris")[0].sound
        assert two.index_verify("iris")[0].sound


def test_a_view_follows_what_another_process_rebuilt_if_that_is_sound(world):
    path, codes, expected = world
    with biomatch.open(path) as one, biomatch.open(path) as two:
        assert answers(one, codes) == expected
        for damaged in (True, False):
            before = one.index("iris").view()
            two.index_rebuild("iris", segments=3)
            if damaged:
                file = next(f for f in segment_files(path) if f.name == "column-seqs.npy")
                file.write_bytes(file.read_bytes()[:-1])
            assert answers(one, codes) == expected
            assert answers(one, codes) == expected
            after = one.index("iris").view()
            kept = [part.part.name for part in before.parts]
            assert ([part.part.name for part in after.parts] == kept) is damaged
        assert len(one.index("iris").repairs) == 1
        assert one.index_verify("iris")[0].sound
        two.delete("p007")
        assert "p007" not in {c.subject for c in one.search(codes[7], modality="iris")}


def test_incremental_equals_rebuilt(world):
    path, codes, _ = world
    rng = np.random.default_rng(4)
    with biomatch.open(path) as db:
        for step in range(6):
            batch = rng.integers(0, 256, (15, 32), dtype=np.uint8)
            db.enrol_many(
                ({"source": c, "subject": f"r{step}-{i}"} for i, c in enumerate(batch)),
                modality="iris",
            )
            db.delete(*(f"r{step}-{i}" for i in range(0, 15, 4)), f"p{step + 60:03}")
            before = answers(db, codes)
            db.index("iris").view()
        assert answers(db, codes) == before
        db.index_rebuild("iris")
        assert answers(db, codes) == before


def test_threads_search_while_one_enrols(world):
    path, codes, _ = world
    faults: list[BaseException] = []
    stop = threading.Event()
    with biomatch.open(path, threads=2) as db:

        def search(number: int) -> None:
            try:
                while not stop.is_set():
                    found = db.search(codes[number], modality="iris", k=3)
                    assert found.complete
                    assert found[0].subject == f"p{number:03}"
            except BaseException as error:  # noqa: BLE001 - reported by the main thread
                faults.append(error)

        threads = [threading.Thread(target=search, args=(n,)) for n in (1, 30, 90)]
        for thread in threads:
            thread.start()
        rng = np.random.default_rng(5)
        for i in range(80):
            code = rng.integers(0, 256, 32, dtype=np.uint8)
            db.enrol(code, modality="iris", subject=f"t{i}")
        stop.set()
        for thread in threads:
            thread.join()
        assert faults == []
        assert db.index_verify("iris")[0].sound


def test_recall_is_measured_on_the_gallery(world, monkeypatch):
    path, _, _ = world
    with biomatch.open(path) as db:
        (full,) = db.index_recall("iris", probes=20)
        assert (full.probes, full.same_first, full.recall) == (20, 1.0, 1.0)
        assert full.penetration == 1.0
        gallery = type(db.index("iris").view().parts[0].part.gallery)

        def worst(self, probes, size, *, allowed=None, options=None):
            return [np.arange(len(self))[:3] for _ in probes]

        monkeypatch.setattr(gallery, "shortlist", worst)
        (bad,) = db.index_recall("iris", probes=20)
        assert bad.recall < 0.5
        assert bad.penetration < 0.5


def test_nobody_to_be_found_is_nobody_lost(tmp_path):
    with biomatch.open(tmp_path / "x.db") as db:
        db.enrol(np.zeros(32, np.uint8), modality="iris", subject="only")
        (told,) = db.index_recall("iris")
        assert (told.probes, told.same_first, told.recall) == (1, 1.0, 1.0)


@pytest.mark.parametrize("seal", [20, 1000])
@pytest.mark.parametrize("damaged", [False, True])
def test_who_is_changed_while_the_index_is_opened_is_found(
    opened, codes, flipped, monkeypatch, seal, damaged
):
    monkeypatch.setattr(module, "SEAL_ROWS", seal)
    load = module.Index._load

    def slow(index):
        load(index)
        other.update("p5", sex="F")
        other.delete("p6")

    with opened("x") as other:
        other.enrol_many(
            [{"source": code, "subject": f"p{i}"} for i, code in enumerate(codes)], modality="iris"
        )
        if damaged:
            other.index_rebuild("iris")
            next(other.index("iris").root.rglob("*.npy")).write_bytes(b"")
        with opened("x") as db:
            monkeypatch.setattr(module.Index, "_load", slow)
            for number in (5, 6):
                found = db.search(flipped(codes[number], 9), modality="iris", k=3)
                assert found.coverage.records_searched == len(codes) - 1
                assert (found[0].subject == "p5") == (number == 5)
                assert "p6" not in {candidate.subject for candidate in found}
                monkeypatch.setattr(module.Index, "_load", load)
            assert db.index_verify("iris")[0].sound


def test_verify_is_not_misled_by_changes_meanwhile(opened, codes, monkeypatch):
    check = module.Index._problems

    def slow(index, view):
        monkeypatch.setattr(module.Index, "_problems", check)
        other.update("p5", sex="F")
        other.delete("p6")
        other.index_rebuild("iris")
        return check(index, view)

    with opened("x") as db, opened("x") as other:
        db.enrol_many(
            [{"source": code, "subject": f"p{i}"} for i, code in enumerate(codes)], modality="iris"
        )
        db.index_rebuild("iris")
        monkeypatch.setattr(module.Index, "_problems", slow)
        (status,) = db.index_verify("iris")
        assert status.problems == ()
        assert status.records == status.indexed == len(codes)
