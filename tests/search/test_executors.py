"""Threads and worker processes give what the calling thread gives."""

import gc
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import biomatch
from biomatch.search import pool as module
from biomatch.search.executors import Inline, Threads
from biomatch.search.pool import ProcessPool

COUNT = 400


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Four segments, a delta, tombstones, many equal scores; and what inline answers."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (COUNT, 32), dtype=np.uint8)
    codes[::7] = codes[0]  # ties
    path = tmp_path_factory.mktemp("pool") / "w.db"
    with biomatch.open(path) as db:
        items = ({"source": c, "subject": f"p{i:03}"} for i, c in enumerate(codes[:360]))
        db.enrol_many(items, modality="iris", duplicates="allow")
        (status,) = db.index_rebuild("iris", segments=4)
        assert status.segments == 4
        items = ({"source": c, "subject": f"q{i:03}"} for i, c in enumerate(codes[360:]))
        db.enrol_many(items, modality="iris", duplicates="allow")
        db.delete("p007", "p100", "p200")
    probes = list(rng.integers(0, 3, (40, 32), dtype=np.uint8)) + list(codes[:40:3])
    with biomatch.open(path) as db:
        yield path, probes, lists(db, probes)


def lists(db, probes):
    return [_plain(db.search(probe, modality="iris", k=10)) for probe in probes]


def _plain(answer):
    assert answer.complete
    return [(c.rank, c.subject, c.sample, c.score, c.log10_lr) for c in answer]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_threads_and_processes_agree_with_inline(world, count):
    path, probes, expected = world
    for executor in (Inline(), Threads(count), ProcessPool(count)):
        with biomatch.open(path) as db:
            db.use(executor)
            assert lists(db, probes) == expected
            batch = db.search_many(probes, modality="iris", k=10, explain=20)
            assert [_plain(answer) for answer in batch] == expected


def test_killed_workers_are_replaced_and_nothing_is_lost(world):
    path, probes, expected = world
    pool = ProcessPool(4)
    with biomatch.open(path) as db:
        db.use(pool)
        for i, probe in enumerate(probes[:20]):
            os.kill(pool.pids[i % 3], signal.SIGKILL)
            assert _plain(db.search(probe, modality="iris", k=10)) == expected[i]


def test_ctrl_c_is_left_to_the_parent(world):
    path, probes, expected = world
    pool = ProcessPool(3)
    with biomatch.open(path) as db:
        db.use(pool)
        assert _plain(db.search(probes[0], modality="iris", k=10)) == expected[0]
        before = pool.pids
        for pid in before:
            os.kill(pid, signal.SIGINT)
        assert _plain(db.search(probes[1], modality="iris", k=10)) == expected[1]
        assert pool.pids == before


def test_a_late_worker_makes_the_answer_incomplete_and_is_waited_for_no_longer(world):
    path, probes, expected = world
    pool = ProcessPool(4)
    with biomatch.open(path) as db:
        db.use(pool)
        assert _plain(db.search(probes[0], modality="iris", k=10)) == expected[0]
        pool._deadline = 3.0  # from now on: starting up may take longer on a busy machine
        late = pool.pids[1]
        os.kill(late, signal.SIGSTOP)
        try:
            found = db.search(probes[1], modality="iris", k=10)
        finally:
            os.kill(late, signal.SIGCONT)
        assert not found.complete
        assert found.coverage.shards_searched == found.coverage.shards_total - 1
        assert found.coverage.records_searched < found.coverage.records_total == COUNT - 3
        assert "did not answer" in found.coverage.missing[0]
        stored = db.searches()[-1]
        assert not stored.complete
        assert _plain(db.search(probes[2], modality="iris", k=10)) == expected[2]


def seen_inline(path, probe):
    """Parts and job of one search."""

    class Noted(Inline):
        def run(self, parts, job):
            self.seen = parts, job
            return super().run(parts, job)

    with biomatch.open(path) as db:
        noted = Noted()
        db.use(noted)
        db.search(probe, modality="iris", k=10)
        return noted.seen


def test_a_frozen_worker_cannot_hold_up_a_large_request_beyond_the_deadline(world):
    """More than fits into its pipe: it is killed at the deadline, and another takes its place."""
    path, probes, _ = world
    parts, job = seen_inline(path, probes[0])
    large = replace(
        job, templates=tuple(replace(job.templates[0], name="x" * 60 + str(i)) for i in range(8000))
    )
    pool = ProcessPool(2, deadline=60.0)
    try:
        wanted = pool.run(parts, job)
        pool._deadline = 2.0
        frozen = pool.pids[1]
        os.kill(frozen, signal.SIGSTOP)
        assert None in pool.run(parts, large)
        assert pool.pids[1] != frozen
        pool._deadline = 60.0
        again = pool.run(parts, job)
        assert [f[0].keys.tolist() for f in again] == [f[0].keys.tolist() for f in wanted]
    finally:
        pool.close()


@pytest.fixture
def large(world):
    """Segments, and a job whose answer is more than a pipe holds."""
    path, probes, _ = world
    parts, job = seen_inline(path, probes[0])
    return parts, replace(job, templates=job.templates * 400)


def same(found, wanted):
    return all(
        np.array_equal(f.keys, w.keys) and np.array_equal(f.scores, w.scores)
        for part, other in zip(found, wanted, strict=True)
        for f, w in zip(part, other, strict=True)
    )


@pytest.mark.parametrize("when", ["before the request", "in the answer"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_frozen_worker_is_replaced_and_nothing_is_lost(large, monkeypatch, count, when):
    parts, job = large
    monkeypatch.setattr(module, "TICK", 0.1)
    pool = ProcessPool(count)
    try:
        assert same(pool.run(parts, job), Inline().run(parts, job))
        before = pool.pids
        frozen = []

        def freeze():
            if not frozen:
                frozen.append(before[0])
                os.kill(before[0], signal.SIGSTOP)

        if when == "in the answer":
            read = module._received

            def half_read(pipe, number):
                if not frozen:
                    assert pipe.poll(60)
                    freeze()
                return read(pipe, number)

            monkeypatch.setattr(module, "_received", half_read)
        else:
            freeze()
        assert same(pool.run(parts, job), Inline().run(parts, job))
        assert frozen == [before[0]]
        assert pool.pids[0] != before[0]
        assert pool.pids[1:] == before[1:]
        assert same(pool.run(parts, job), Inline().run(parts, job))
    finally:
        pool.close()


def test_a_worker_frozen_in_its_answer_cannot_hold_up_a_search_beyond_the_deadline(
    large, monkeypatch
):
    parts, job = large
    monkeypatch.setattr(module, "TICK", 0.1)
    monkeypatch.setattr(module, "PATIENCE", 10**9)
    pool = ProcessPool(2, deadline=60.0)
    try:
        pool.run(parts, job)
        pool._deadline = 2.0
        frozen = pool.pids[0]
        read = module._received

        def half_read(pipe, number):
            if pipe is pool._workers[0].pipe and pool.pids[0] == frozen:
                os.kill(frozen, signal.SIGSTOP)
            return read(pipe, number)

        monkeypatch.setattr(module, "_received", half_read)
        assert None in pool.run(parts, job)
        assert pool.pids[0] != frozen
        pool._deadline = 60.0
        assert same(pool.run(parts, job), Inline().run(parts, job))
    finally:
        pool.close()


def test_a_worker_that_works_is_waited_for(large, monkeypatch):
    """Many times longer than one that does nothing would be."""
    parts, job = large
    monkeypatch.setattr(module, "TICK", 0.05)
    pool = ProcessPool(1)
    try:
        pool.run(parts, job)
        before = pool.pids
        longer = replace(job, templates=job.templates * 30, exhaustive=True)
        watched = []
        look = ProcessPool.look
        monkeypatch.setattr(
            ProcessPool, "look", lambda self, seen: watched.append(look(self, seen)) or watched[-1]
        )
        assert all(part is not None for part in pool.run(parts, longer))
        assert pool.pids == before
        working = [seen for seen in watched if seen is not None]
        assert len(working) > module.PATIENCE
        assert len({seen.done for seen in working}) > 2
    finally:
        pool.close()


def test_a_pool_that_nobody_closed_leaves_no_thread():
    def watchers():
        return sum(thread.name == "biomatch-pool" for thread in threading.enumerate())

    before = watchers()
    pool = ProcessPool(1)
    assert watchers() == before + 1
    pids = pool.pids
    del pool
    gc.collect()
    end = time.monotonic() + 30
    while watchers() > before or any(Path(f"/proc/{pid}/fd").exists() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_workers_follow_what_another_process_rebuilt(world):
    path, probes, expected = world
    with biomatch.open(path) as db, biomatch.open(path) as other:
        pool = ProcessPool(3)
        db.use(pool)
        assert _plain(db.search(probes[0], modality="iris", k=10)) == expected[0]
        other.index_rebuild("iris", segments=4)
        for pid in pool.pids:
            os.kill(pid, signal.SIGKILL)
        for number in (1, 2):
            assert _plain(db.search(probes[number], modality="iris", k=10)) == expected[number]
        view = db.index("iris").view()
        assert all(part.part.folder.exists() for part in view.parts if part.part.folder)


def test_segments_replaced_during_a_search_are_searched_here(large):
    """The worker that has not mapped them cannot do so any more."""
    parts, job = large
    gone = [
        replace(p, part=replace(p.part, folder=p.part.folder and p.part.folder.with_name(f"{i}")))
        for i, p in enumerate(parts)
    ]
    pool = ProcessPool(3)
    try:
        assert same(pool.run(gone, job), Inline().run(parts, job))
    finally:
        pool.close()


def test_changes_reach_the_workers(world, tmp_path):
    path, _, _ = world
    with biomatch.open(path, processes=2) as db:
        code = np.full(32, 255, dtype=np.uint8)
        assert db.search(code, modality="iris")[0].score < 1
        db.enrol(code, modality="iris", subject="new", duplicates="allow")
        assert db.search(code, modality="iris")[0].subject == "new"
        db.index_compact("iris")
        assert db.search(code, modality="iris")[0].subject == "new"
        db.delete("new")
        found = db.search(code, modality="iris")
        assert found[0].subject != "new"
        assert found.coverage.records_total == COUNT - 3


class Once(Inline):
    """Does not answer for the first part when asked again about the subjects found."""

    def run(self, parts, job):
        answers = super().run(parts, job)
        return [None, *answers[1:]] if job.subjects is not None else answers


class Never(Inline):
    """Does not answer for the first part."""

    def run(self, parts, job):
        return [None, *super().run(parts, job)[1:]]


@pytest.fixture
def spanning(tmp_path, codes):
    """Two segments, and a third part with a second reference of somebody in the first."""
    more = np.random.default_rng(3).integers(0, 256, (2000, 32), dtype=np.uint8)
    with biomatch.open(tmp_path / "s.db") as db:
        items = ({"source": c, "subject": f"p{i}"} for i, c in enumerate((*codes, *more)))
        db.enrol_many(items, modality="iris")
        db.index_rebuild("iris", segments=2)
        db.enrol(~codes[1], modality="iris", subject="p0")
        yield db


def test_a_part_that_answers_only_the_scan_loses_nobody_and_is_told(spanning, codes):
    expected = spanning.search(codes[0], modality="iris", k=3)
    assert expected.complete
    spanning.use(Once())
    found = spanning.search(codes[0], modality="iris", k=3)
    assert [c.subject for c in found] == [c.subject for c in expected]
    assert found[0].subject == "p0"
    assert not found.complete
    assert found.coverage.shards_searched == found.coverage.shards_total - 1
    assert len(found.coverage.missing) == 1


def test_alerts_and_pairs_do_not_wait_for_a_part_in_vain(spanning, codes):
    spanning.enrol(codes[0], modality="iris", subject="twin", duplicates="allow")
    spanning.gallery("marks", unsolved=True)
    spanning.gallery("watched", watched=True)
    spanning.file_unsolved(codes[2], case="7", gallery="marks", modality="iris", duplicates="allow")
    spanning.index("iris").rebuild(segments=1)
    spanning.use(Never())
    assert {(p.subject, p.other) for p in spanning.dedup("iris", log10_lr=30)} == {("p0", "twin")}
    assert spanning.index_recall("iris", probes=5)[0].same_first == 1.0
    spanning.enrol(codes[2], modality="iris", subject="new", gallery="watched", duplicates="allow")
    assert [a.case for a in spanning.alerts()] == ["7"]
