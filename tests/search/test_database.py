"""Enrol, search, get, delete: the daily round, with a plugged-in modality."""

import datetime
import json
import os
from pathlib import Path

import numpy as np
import pytest

import biomatch
from biomatch.errors import (
    DuplicateError,
    ModelError,
    OptionError,
    RecordError,
    UnreadableSampleError,
)
from biomatch.search import Enrolled, Filters, Rejected, registry, searcher
from biomatch.search import database as module


def write(path: Path, code: np.ndarray, name: str | None = None) -> Path:
    path.write_text(json.dumps([{"code": bytes(code).hex(), "name": name}]))
    return path


def test_enrol_search_get_delete(opened, tmp_path, codes, flipped):
    with opened("case") as db:
        for i, code in enumerate(codes):
            (receipt,) = db.enrol(write(tmp_path / f"{i}.iris", code), subject=f"p{i}", owner="FR")
            assert receipt == Enrolled(f"p{i}", receipt.sample, "iris")
        found = db.search(flipped(codes[5], 20), modality="iris", k=3, actor="ana", purpose="test")
        assert found.complete
        assert [c.rank for c in found] == [1, 2, 3]
        best = found[0]
        assert (best.subject, best.owner) == ("p5", "FR")
        assert best.score == pytest.approx(1 - 20 / 256)
        assert best.why == {"different_bits": 20}
        assert best.expected_false == pytest.approx(best.fmr * 60)
        assert found.coverage.records_searched == 60
        assert db.get("p5").samples[0].id == best.sample
        assert db.template(best.sample).code == bytes(codes[5])
        assert db.delete("p5", actor="ana") == 1
        assert "p5" not in db
        again = db.search(codes[5], modality="iris")
        assert again[0].subject != "p5"
        assert again.coverage.records_total == 59
        with pytest.raises(RecordError, match="no subject 'p5'"):
            db.get("p5")
        assert db.audit_verify().intact
    with opened("case") as db:
        assert len(db) == 59
        assert [s.id for s in db][:6] == ["p0", "p1", "p2", "p3", "p4", "p6"]
        assert db.search(codes[7], modality="iris")[0].subject == "p7"
        assert all(status.sound for status in db.index_verify())


def test_a_table_gives_one_subject_a_row(opened, tmp_path, codes):
    table = tmp_path / "many.iris"
    table.write_text(
        json.dumps([{"code": bytes(c).hex(), "name": f"n{i}"} for i, c in enumerate(codes)])
    )
    with opened() as db:
        receipts = db.enrol(table)
        assert [r.subject for r in receipts] == [f"n{i}" for i in range(60)]
        again = db.enrol(table)
        assert [r.sample for r in again] == [r.sample for r in receipts]
        assert all(r.duplicate for r in again)
        answers = list(db.search_many([table]))
        assert [a[0].subject for a in answers] == [f"n{i}" for i in range(60)]


def test_what_another_process_enrols_meanwhile_is_not_enrolled_again(
    opened, tmp_path, codes, monkeypatch
):
    extract = module.extract

    def overtaken(sample):
        monkeypatch.setattr(module, "extract", extract)
        other.enrol(sample.path, subject="a")
        return extract(sample)

    with opened("x") as db, opened("x") as other:
        files = [write(tmp_path / f"{i}.iris", codes[i]) for i in range(3)]
        monkeypatch.setattr(module, "extract", overtaken)
        (late,) = db.enrol(files[0], subject="a")
        monkeypatch.setattr(module, "extract", overtaken)
        (too_late,) = db.enrol_many([files[1]], subject="a")
        monkeypatch.setattr(module, "extract", overtaken)
        with pytest.raises(DuplicateError, match="as subject 'a', not 'b'"):
            db.enrol(files[2], subject="b")
        samples = db.get("a").samples
        assert [s.id for s in samples][:2] == [late.sample, too_late.sample]
        assert len(samples) == 3
        assert late.duplicate
        assert too_late.duplicate
        assert "b" not in db


def test_a_reference_deleted_during_a_search_counts_no_more(opened, codes, flipped, monkeypatch):
    scan = searcher.Searcher._scan

    def overtaken(self, *arguments):
        scan(self, *arguments)
        db.delete(best.sample, "q")

    with opened() as db:
        db.enrol_many(list(codes), modality="iris")
        for name in ("p", "q"):
            (best,) = db.enrol(codes[0], modality="iris", subject=name, duplicates="allow")
            db.enrol(flipped(codes[0], 5), modality="iris", subject=name, duplicates="allow")
        (best,) = db.enrol(flipped(codes[0], 3), modality="iris", subject="p")
        left = db.get("p").samples[0].id
        monkeypatch.setattr(searcher.Searcher, "_scan", overtaken)
        found = db.search(codes[0], modality="iris", k=3)
        assert ("p", left) in {(c.subject, c.sample) for c in found}
        assert "q" not in {c.subject for c in found}


def test_the_same_source_twice(opened, tmp_path, codes):
    file = write(tmp_path / "a.iris", codes[0])
    with opened() as db:
        (first,) = db.enrol(file, subject="a")
        (second,) = db.enrol(file, subject="a")
        assert second.duplicate
        assert second.sample == first.sample
        with pytest.raises(DuplicateError, match="as subject 'a', not 'b'"):
            db.enrol(file, subject="b")
        (third,) = db.enrol(file, subject="b", duplicates="allow")
        assert not third.duplicate
        assert len(db) == 2


def test_enrol_many_reports_bad_items_and_goes_on(opened, tmp_path, codes):
    (tmp_path / "bad.iris").write_text("no code")
    items = [
        {"source": write(tmp_path / "a.iris", codes[0]), "subject": "a"},
        tmp_path / "bad.iris",
        {"source": tmp_path / "missing.iris"},
        {"source": write(tmp_path / "b.iris", codes[1]), "subject": "b", "sex": "F"},
        {"source": write(tmp_path / "c.iris", codes[2]), "subject": "a", "sex": "male"},
        {"source": write(tmp_path / "d.iris", codes[3]), "subject": "b", "sex": "male"},
        {"source": tmp_path / "a.iris", "subject": "a"},
    ]
    seen = []
    with opened() as db:
        results = db.enrol_many(items, on_result=seen.append)
        assert seen == results
        assert [type(r) for r in results] == [
            Enrolled,
            Rejected,
            Rejected,
            Enrolled,
            Enrolled,
            Rejected,
            Enrolled,
        ]
        assert "bad.iris: no iris code" in results[1].error
        assert results[2].kind == "UnreadableSampleError"
        assert "has sex 'F', not 'M'" in results[5].error
        assert results[6].duplicate or results[6].sample
        assert db.get("a").sex == "M"
        assert len(db) == 2


def test_a_damaged_model_is_no_bad_item(opened, monkeypatch, tmp_path, codes):
    iris = type(registry.get("iris"))
    extract = iris.extract

    def damaged(self, sample):
        if sample.path is not None:
            raise ModelError("model 'iris-1' is damaged")
        return extract(self, sample)

    monkeypatch.setattr(iris, "extract", damaged)
    with opened() as db:
        seen = []
        items = [codes[0], write(tmp_path / "a.iris", codes[1]), codes[2]]
        with pytest.raises(ModelError, match="damaged"):
            db.enrol_many(items, modality="iris", on_result=seen.append)
        assert len(seen) == len(db) == 1
        with pytest.raises(ModelError, match="damaged"):
            list(db.search_many(items, modality="iris"))


def test_what_is_ambiguous_is_asked(opened, tmp_path, codes):
    with opened() as db:
        with pytest.raises(OptionError, match="modality="):
            db.enrol(codes[0])
        with pytest.raises(OptionError, match="no modality 'ear'"):
            db.search(codes[0], modality="ear")
        for k in (0, "5", 2.5):
            with pytest.raises(OptionError, match=f"k is {k!r}; ask"):
                db.search(codes[0], modality="iris", k=k)
        with pytest.raises(OptionError, match="iris has no option"):
            db.search(codes[0], modality="iris", options={"colour": 1})
        assert len(db.search(codes[0], modality="iris")) == 0


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"impression": "x"}, "impression is 'x'; use one of plain"),
        ({"ppi": "x"}, "ppi is 'x'"),
        ({"ppi": float("nan")}, "ppi is nan"),
        ({"finger_position": 999}, "finger position is 999"),
        ({"finger_position": "x"}, "finger position is 'x'"),
        ({"year_of_birth": "x"}, "year of birth x is not"),
        ({"captured_on": "yesterday"}, "capture date 'yesterday' is not a date"),
        ({"expires_on": 5}, "retention date '5' is not a date"),
    ],
)
def test_a_fact_that_is_none_rejects_its_item_only(opened, codes, facts, says):
    with opened() as db:
        with pytest.raises(OptionError, match=says):
            db.enrol(codes[0], modality="iris", **facts)
        items = [{"source": codes[0], **facts}, {"source": codes[1]}]
        bad, good = db.enrol_many(items, modality="iris")
        assert says in bad.error
        assert isinstance(good, Enrolled)
        assert len(db) == 1


def test_subjects_may_be_named_by_numbers(opened, tmp_path, codes):
    with opened() as db:
        source = write(tmp_path / "a.iris", codes[0])
        assert db.enrol(source, subject=12)[0].subject == "12"
        assert db.enrol(source, subject=12)[0].duplicate


def test_a_pipe_is_no_sample(opened, tmp_path):
    pipe = tmp_path / "pipe.iris"
    os.mkfifo(pipe)
    with opened() as db, pytest.raises(UnreadableSampleError, match="a pipe or a device"):
        db.enrol(pipe)


@pytest.mark.parametrize("workers", [{"processes": 10**6}, {"processes": -1}, {"threads": 10**6}])
def test_a_mistyped_number_of_workers_starts_none(workers):
    with pytest.raises(OptionError, match="use 0 to 1024"):
        biomatch.open(":memory:", **workers)


@pytest.mark.parametrize("number", ["9" * 30, "-1", "\u0663", "", "1e3", "999999999"])
def test_numbers_that_no_record_has_are_said_to_be_unknown(opened, codes, number):
    with opened() as db:
        db.enrol(codes[0], modality="iris", subject="a")
        for ask in (
            lambda: db.sample(f"s{number}"),
            lambda: db.delete(f"s{number}"),
            lambda: db.answer(f"q{number}"),
            lambda: db.decide("c", "a", "exclusion", examiner="x", search=f"q{number}"),
        ):
            with pytest.raises(RecordError, match=r"no (subject|sample|search)|has no candidate"):
                ask()
        assert "a" in db
        assert db.cases() == []


def test_filters_and_updates(opened, codes):
    with opened() as db:
        for i, code in enumerate(codes):
            db.enrol(
                code,
                modality="iris",
                subject=f"p{i:02}",
                owner="FR" if i % 2 else "DE",
                year_of_birth=1950 + i if i != 3 else None,
                gallery="odd" if i % 2 else "main",
            )
        probe = codes[4]
        only = db.search(probe, modality="iris", k=60, filters=Filters(owners={"FR"}))
        assert {c.owner for c in only} == {"FR"}
        assert only.coverage.records_total == 30
        born = db.search(
            probe, modality="iris", k=60, filters=Filters(born_from=1955, born_to=1960)
        )
        assert {c.subject for c in born} == {"p03", "p05", "p06", "p07", "p08", "p09", "p10"}
        assert db.update("p50") == db.get("p50")
        assert db.update("p50", expires_on=datetime.date(2031, 1, 2)).expires_on == "2031-01-02"
        db.update("p50", year_of_birth=1956)
        born = db.search(
            probe, modality="iris", k=60, filters=Filters(born_from=1955, born_to=1960)
        )
        assert "p50" in {c.subject for c in born}
        assert (
            len(db.search(probe, modality="iris", k=60, filters=Filters(galleries={"odd"}))) == 30
        )
        assert next(s.id for s in db.subjects(filters=Filters(galleries={"odd"}))) == "p01"


def test_retention_dates_and_sample_facts_choose_the_listed(opened, codes):
    with opened() as db:
        for i, (until, finger) in enumerate([("2020-01-01", 2), ("2030-06-01", 2), (None, 7)]):
            db.enrol(codes[i], modality="iris", subject=f"p{i}", expires_on=until,
                     finger_position=finger)  # fmt: skip
        assert [s.id for s in db.subjects(expired_on="2020-01-01")] == []
        assert [s.id for s in db.subjects(expired_on="2020-01-02")] == ["p0"]
        assert [s.id for s in db.subjects(expired_on="2040-01-01")] == ["p0", "p1"]
        fingers = Filters(finger_positions={2})
        assert [s.id for s in db.subjects(filters=fingers)] == ["p0", "p1"]
        with pytest.raises(OptionError, match="'soon' is not a date"):
            next(db.subjects(expired_on="soon"))
        with pytest.raises(OptionError, match="retention date 'soon'"):
            db.enrol(codes[9], modality="iris", expires_on="soon")


def test_a_source_that_is_no_file_cannot_be_attached(opened, tmp_path, codes):
    with opened() as db:
        with pytest.raises(OptionError, match="attach=True keeps a file"):
            db.enrol(codes[0], modality="iris", subject="p0", attach=True)
        assert "p0" not in db
        items = [
            {"source": write(tmp_path / "1.iris", codes[1]), "subject": "p1", "attach": True},
            {"source": codes[2], "subject": "p2", "modality": "iris", "attach": True},
        ]
        first, second = db.enrol_many(items)
        assert isinstance(first, Enrolled)
        assert isinstance(second, Rejected)
        assert "give its path" in second.error
