"""Unsolved traces, reverse search, decisions, 1:1, dedup."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import biomatch
from biomatch import jobs
from biomatch.cli.app import cli
from biomatch.errors import (
    DuplicateError,
    NoFeaturesError,
    OptionError,
    RecordError,
    TemplateMismatchError,
)
from biomatch.search import Filters
from biomatch.types import Sample


def test_an_unsolved_trace_is_found_when_its_donor_is_enrolled(opened, tmp_path, codes, flipped):
    told = tmp_path / "told.json"
    hook = f"{sys.executable} -c \"import sys; open('{told}', 'w').write(sys.stdin.read())\""
    heard = []
    with opened() as db:
        db.on_alert(heard.append)
        db.gallery("prints", watched=True, hook=hook)
        (trace,) = db.file_unsolved(flipped(codes[3], 15), modality="iris", case="K-1")
        db.file_unsolved(codes[40], modality="iris", case="K-2")
        assert len(db.search(codes[3], modality="iris")) == 0  # not among the known
        assert not db.enrol(codes[9], modality="iris", subject="nobody")[0].alerts
        assert not db.enrol(codes[4], modality="iris", subject="other", gallery="prints")[0].alerts
        (receipt,) = db.enrol(codes[3], modality="iris", subject="donor", gallery="prints")
        (alert,) = db.alerts()
        assert receipt.alerts == (alert.id,)
        assert heard[0].id == alert.id
        assert (alert.subject, alert.unsolved, alert.case) == ("donor", trace.sample, "K-1")
        assert alert.log10_lr > 2
        assert alert.hook_result == "exit 0"
        assert json.loads(told.read_text())["subject"] == "donor"
        assert db.alerts(case="K-2") == []
        latent = db.search(codes[3], modality="iris", filters=Filters(galleries={"unsolved"}))
        assert latent[0].sample == trace.sample  # latent against latent
        assert db.case("K-1").unsolved == (trace.sample,)
        assert db.audit_verify().intact


def test_alerts_interrupted_by_a_crash_are_made_up_for(opened, codes, flipped, monkeypatch):
    with opened() as db:
        db.gallery("prints", watched=True)
        db.file_unsolved(flipped(codes[3], 9), modality="iris", case="K-1")
        with monkeypatch.context() as patch:
            patch.setattr("biomatch.search.database.watch", lambda *_: [])
            db.enrol(codes[3], modality="iris", subject="donor", gallery="prints")
        assert db.alerts() == []
        db.enrol(codes[8], modality="iris", subject="later", gallery="prints")
        assert [a.subject for a in db.alerts()] == ["donor"]


def test_a_hook_interrupted_by_a_crash_is_made_up_for_once(
    opened, tmp_path, codes, flipped, monkeypatch
):
    told = tmp_path / "told"
    hook = f"{sys.executable} -c \"open('{told}', 'a').write('x')\""
    with opened() as db:
        db.gallery("prints", watched=True, hook=hook)
        db.file_unsolved(flipped(codes[3], 9), modality="iris", case="K-1")
        with monkeypatch.context() as patch:
            patch.setattr("biomatch.search.database.tell", lambda *_: None)
            db.enrol(codes[3], modality="iris", subject="donor", gallery="prints")
        assert [a.hook_result for a in db.alerts()] == ["waiting"]
        for i in (8, 9):
            db.enrol(codes[i], modality="iris", subject=f"later-{i}", gallery="prints")
        assert [a.hook_result for a in db.alerts()] == ["exit 0"]
        assert told.read_text() == "x"


def test_a_record_changed_before_its_reverse_search_hides_nobody(
    opened, codes, flipped, monkeypatch
):
    """An update gives a record a new sequence number; the watch must not skip those between."""
    monkeypatch.setattr("biomatch.search.watch.BLOCK", 1)
    with opened() as db:
        db.gallery("prints", watched=True)
        db.file_unsolved(flipped(codes[3], 9), modality="iris", case="K-1")
        with monkeypatch.context() as patch:
            patch.setattr("biomatch.search.database.watch", lambda *_: [])
            db.enrol(codes[8], modality="iris", subject="first", gallery="prints")
            db.enrol(codes[3], modality="iris", subject="donor", gallery="prints")
            db.update("first", sex="F")
        db.enrol(codes[9], modality="iris", subject="later", gallery="prints")
        assert [a.subject for a in db.alerts()] == ["donor"]


def test_a_case_is_there_once_something_refers_to_it(opened, codes):
    with opened() as db:
        db.enrol(codes[0], modality="iris", subject="a", case="E")
        found = db.search(codes[0], modality="iris", case="S")
        db.search(codes[0], modality="iris", case=" ")
        assert {case.id: case.searches for case in db.cases()} == {"E": (), "S": (found.search_id,)}
        assert db.open_case("S", title="burglary").searches == (found.search_id,)
        for title in ("theft", None):
            with pytest.raises(DuplicateError, match="'S' exists already"):
                db.open_case("S", title=title)


def test_two_examiners_decide(opened, codes):
    with opened() as db:
        db.enrol(codes[0], modality="iris", subject="a")
        found = db.search(codes[0], modality="iris", case="K-7", actor="ana", purpose="burglary")
        first = db.decide("K-7", "a", "identification", examiner="ana", search=found.search_id)
        assert first.verifies is None
        for same in ("ana", " Ana"):
            with pytest.raises(DuplicateError, match=f"{same} concluded"):
                db.decide("K-7", "a", "exclusion", examiner=same)
        second = db.decide("K-7", "a", "inconclusive", examiner="ben", reason="smudged")
        assert second.verifies == first.id
        with pytest.raises(OptionError, match="use identification, inconclusive, exclusion"):
            db.decide("K-7", "a", "maybe", examiner="cem")
        with pytest.raises(RecordError, match="no candidate 'b'"):
            db.decide("K-7", "b", "exclusion", examiner="cem", search=found.search_id)
        case = db.case("K-7")
        assert case.decisions == (first, second)
        assert case.searches == (found.search_id,)
        assert db.searches(case="K-7")[0].purpose == "burglary"
        stored = db.answer(found.search_id)
        assert [c.subject for c in stored] == ["a"]
        assert stored.coverage == found.coverage
        assert db.close_case("K-7").status == "closed"
        assert [c.id for c in db.cases()] == ["K-7"]
        with pytest.raises(RecordError, match="no case 'K-8'"):
            db.case("K-8")
        with pytest.raises(DuplicateError):
            db.open_case("K-7")


def test_verify(opened, codes, flipped, monkeypatch):
    with opened() as db:
        (receipt,) = db.enrol(codes[0], modality="iris", subject="a")
        result = db.verify(flipped(codes[0], 30), receipt.sample, modality="iris")
        assert result.score == pytest.approx(1 - 30 / 256)
        assert result.log10_lr > 10
        assert result.why == {"different_bits": 30}
        other = db.verify(codes[1], codes[0], modality="iris")
        assert other.score < 0.7
        modality = sys.modules["biomatch_iris"].Iris
        models = iter(["iris-1", "iris-2"])
        monkeypatch.setattr(modality, "model_id", lambda *_: next(models))
        with pytest.raises(TemplateMismatchError, match="iris-1, iris-2"):
            db.verify(codes[1], codes[0], modality="iris")


def test_records_of_another_model_are_not_compared_and_said_so(opened, codes, monkeypatch):
    with opened() as db:
        db.enrol(codes[0], modality="iris", subject="old")
        modality = sys.modules["biomatch_iris"].Iris
        monkeypatch.setattr(modality, "model", "iris-2")
        db.enrol(codes[1], modality="iris", subject="new")
        found = db.search(codes[0], modality="iris")
        assert {c.subject for c in found} == {"new"}
        assert not found.complete
        assert "1 records made by iris-1, not iris-2: re-enrol them" in found.coverage.missing[0]


def test_a_plug_ins_own_files_are_read_from_the_shell(tmp_path, codes):
    table, path = tmp_path / "table.iris", tmp_path / "x.db"
    table.write_text(
        json.dumps([{"code": bytes(c).hex(), "name": f"n{i}"} for i, c in enumerate(codes[:3])])
    )
    for command in ("enrol", "search", "verify"):
        sources = [table, table] if command == "verify" else [table]
        told = CliRunner().invoke(
            cli, ["-q", command, *map(str, sources), "-m", "iris", "--db", str(path)]
        )
        assert told.exit_code == 0, told.output
    with biomatch.open(path) as db:
        assert len(db) == len(db.searches()) == 3


@pytest.mark.parametrize("named", [True, False])
def test_made_anew_each_of_a_table_gets_its_own_template(
    opened, tmp_path, codes, monkeypatch, named
):
    table = tmp_path / "table.iris"
    entries = [{"code": bytes(c).hex(), "name": f"n{i}" if named else None}
               for i, c in enumerate(codes[:3])]  # fmt: skip
    table.write_text(json.dumps(entries))
    with opened() as db:
        before = [receipt.subject for receipt in db.enrol(table)]
        monkeypatch.setattr(sys.modules["biomatch_iris"].Iris, "model", "iris-2")
        outcome = jobs.re_enrol(db, "iris")
        assert (outcome.done, outcome.templates, outcome.failures) == (3, 3, [])
        for i, subject in enumerate(before):
            (sample,) = db.get(subject).samples
            assert (sample.model_id, sample.part) == ("iris-2", i)
            assert db.template(sample.id).code == bytes(codes[i])
        monkeypatch.setattr(sys.modules["biomatch_iris"].Iris, "model", "iris-3")
        db.delete(before[0])
        outcome = jobs.re_enrol(db, "iris")
        if named:
            assert outcome.done == 2
        else:
            assert len(outcome.failures) == 2
            assert "not known which is whose" in outcome.failures[0].error


def test_each_trace_of_a_table_has_a_donor_of_its_own(opened, tmp_path, codes, flipped):
    table = tmp_path / "traces.iris"
    table.write_text(json.dumps([{"code": bytes(flipped(c, 9)).hex()} for c in codes[:3]]))
    with opened() as db:
        filed = db.file_unsolved(table, case="K-1")
        assert len({receipt.subject for receipt in filed}) == 3
        assert all(receipt.subject.startswith("K-1/") for receipt in filed)
        assert db.case("K-1").unsolved == tuple(receipt.sample for receipt in filed)


def test_a_trace_that_cannot_be_filed_leaves_nothing(opened, tmp_path, codes):
    bad = tmp_path / "bad.iris"
    bad.write_text("{")
    with opened() as db:
        db.gallery("prints")
        before = db.audit_verify().rows
        for source, gallery in ((bad, "unsolved"), (codes[0], "prints")):
            with pytest.raises((NoFeaturesError, OptionError)):
                db.file_unsolved(source, modality="iris", case="K-1", gallery=gallery)
        with pytest.raises(OptionError, match="needs a name"):
            db.file_unsolved(codes[0], modality="iris", case=" ")
        with pytest.raises(OptionError, match="knows no argument colour"):
            db.file_unsolved(codes[0], modality="iris", case="K-1", colour="red")
        assert db.cases() == []
        assert len(db) == 0
        assert db.audit_verify().rows == before


def test_several_samples_of_one_person_are_fused(opened, codes, flipped):
    with opened() as db:
        for i in range(20):
            for finger in (2, 3):
                sample = Sample("iris", image=codes[i * 2 + finger - 2], finger_position=finger)
                db.enrol(sample, subject=f"p{i}")
        db.enrol(Sample("iris", image=flipped(codes[8], 5), finger_position=2), subject="half")
        probe = [
            Sample("iris", image=flipped(codes[8], 60), finger_position=2),
            Sample("iris", image=flipped(codes[9], 60), finger_position=3),
        ]
        found = db.search(probe, k=5)
        assert found[0].subject == "p4"
        assert set(found[0].parts) == {"iris:2", "iris:3"}
        assert found[0].log10_lr == pytest.approx(sum(found[0].parts.values()))
        assert set(found[0].why) == {"iris:2", "iris:3"}
        half = next(c for c in db.search(probe, k=25) if c.subject == "half")
        assert set(half.parts) == {"iris:2"}


def test_views_of_one_impression_are_not_independent(opened, codes, flipped):
    """An examiner's minutiae and the picture they are from: two samples, one finger."""
    with opened() as db:
        for code, finger in ((codes[0], 2), (codes[1], 3)):
            db.enrol(Sample("iris", image=code, finger_position=finger), subject="p")

        def mark(number, capture):
            view = flipped(codes[number], 40 + number)
            return Sample("iris", image=view, sha256="f", capture=capture)

        apart = db.search([mark(0, "IDC 1"), mark(1, "IDC 2")])[0]
        assert set(apart.parts) == {"iris:2", "iris:3"}
        together = db.search([mark(0, "IDC 1"), mark(1, "IDC 1")])[0]
        assert set(together.parts) == {"iris:2"}
        assert together.log10_lr == db.search(mark(0, "IDC 1"))[0].log10_lr


@pytest.mark.parametrize(
    ("one", "other", "counted"), [(1, 11, 1), (2, 13, 1), (2, 3, 2), (0, 2, 1)]
)
def test_positions_that_can_be_the_same_finger_count_once(
    opened, codes, flipped, one, other, counted
):
    with opened() as db:
        for code, position in ((codes[0], one), (codes[1], other)):
            db.enrol(Sample("iris", image=code, finger_position=position), subject="p")
        probe = [
            Sample("iris", image=flipped(codes[0], 50), finger_position=one),
            Sample("iris", image=flipped(codes[1], 50), finger_position=other),
        ]
        found = db.search(probe)[0]
        assert len(found.parts) == counted
        assert found.log10_lr == pytest.approx(sum(found.parts.values()))


def test_one_candidate_a_subject_with_its_best_sample(opened, codes, flipped):
    with opened() as db:
        for seed, bits in enumerate((40, 10, 25)):
            db.enrol(flipped(codes[0], bits, seed), modality="iris", subject="a")
        db.enrol(codes[1], modality="iris", subject="b")
        found = db.search(codes[0], modality="iris")
        assert [c.subject for c in found] == ["a", "b"]
        assert found[0].sample == db.get("a").samples[1].id
        assert found[0].score == pytest.approx(1 - 10 / 256)


def test_equal_scores_are_listed_by_name(opened, codes):
    with opened() as db:
        for name in ("c", "a", "d", "b"):
            db.enrol(codes[0], modality="iris", subject=name, duplicates="allow")
        assert [c.subject for c in db.search(codes[0], modality="iris", k=2)] == ["a", "b"]


def planted(db, rng, count, twins):
    codes = rng.integers(0, 256, (count, 32), dtype=np.uint8)
    for i in range(twins):
        codes[count - 1 - i] = codes[i]
        codes[count - 1 - i][0] ^= 7
    db.enrol_many(
        ({"source": code, "subject": f"p{i:05}"} for i, code in enumerate(codes)),
        modality="iris",
    )
    return {(f"p{i:05}", f"p{count - 1 - i:05}") for i in range(twins)}


def test_dedup_finds_the_planted_pairs_and_goes_on_after_a_stop(opened, codes):
    rng = np.random.default_rng(1)
    steps = []

    class KilledError(Exception):
        pass

    def stop(progress):
        steps.append(progress)
        if len(steps) == 3:
            raise KilledError

    with opened() as db:
        expected = planted(db, rng, 600, 12)
        with pytest.raises(KilledError):
            db.dedup("iris", log10_lr=10, block=100, on_progress=stop)
        found = db.dedup("iris", log10_lr=10, block=100, on_progress=steps.append)
        assert [s.done for s in steps] == [100, 200, 300, 400, 500, 600]
        assert len({s.job for s in steps}) == 1
        assert {(p.subject, p.other) for p in found} == expected
        assert found == sorted(found, key=lambda p: (-p.log10_lr, p.subject))


def twins(db, code, flipped, *names, **facts):
    """Enrol the same eye under several names."""
    for bits, name in enumerate(names):
        db.enrol(flipped(code, bits), modality="iris", subject=name, duplicates="allow", **facts)


def paired(db, **settings):
    return {(p.subject, p.other) for p in db.dedup("iris", log10_lr=10, **settings)}


def test_dedup_keeps_to_the_filters_on_both_sides(opened, codes, flipped):
    with opened() as db:
        twins(db, codes[0], flipped, "a", "b", gallery="prints", sex="F")
        twins(db, codes[0], flipped, "c", gallery="other", sex="F")
        twins(db, codes[0], flipped, "d", gallery="prints", sex="M")
        db.file_unsolved(flipped(codes[0], 9), modality="iris", case="K")
        everyone = {("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")}
        assert paired(db) == everyone
        assert paired(db, filters=Filters(galleries={"prints"})) == {
            ("a", "b"),
            ("a", "d"),
            ("b", "d"),
        }
        assert paired(db, filters=Filters(galleries={"prints"}, sexes={"F"})) == {("a", "b")}


@pytest.mark.parametrize(
    ("setting", "words"),
    [({"log10_lr": float("nan")}, "not a number"), ({"block": 0}, "block is 0")],
)
def test_a_dedup_that_would_find_nobody_is_refused(opened, setting, words):
    with opened() as db, pytest.raises(OptionError, match=words):
        db.dedup("iris", **setting)


def test_dedup_misses_no_pair_across_models_in_silence(opened, codes, monkeypatch):
    with opened() as db:
        db.enrol(codes[0], modality="iris", subject="old")
        monkeypatch.setattr(sys.modules["biomatch_iris"].Iris, "model", "iris-2")
        db.enrol(codes[0], modality="iris", subject="new", duplicates="allow")
        with pytest.raises(TemplateMismatchError, match=r"\(iris-1, iris-2\).*re-enrol"):
            db.dedup("iris", log10_lr=10)
        db.delete("old")
        assert db.dedup("iris", log10_lr=10) == []


def test_dedup_finds_all_of_many_copies(opened, codes):
    with opened() as db:
        for i in range(90):  # more than one search's candidates
            db.enrol(codes[0], modality="iris", subject=f"p{i:02}", duplicates="allow")
        assert len(paired(db)) == 90 * 89 // 2


def test_dedup_as_an_owner_names_nobody_whose_identity_is_not_shared(opened, codes, flipped):
    with opened() as db:
        for owner in ("FR", "DE", "IT"):
            db.gallery(owner.lower(), owner=owner)
        twins(db, codes[0], flipped, "f1", "f2", owner="FR", gallery="fr")
        twins(db, codes[0], flipped, "d1", "d2", owner="DE", gallery="de")
        twins(db, codes[0], flipped, "i1", owner="IT", gallery="it")
        db.gallery("de", sharing="all", disclosure="hit")
        db.gallery("it", sharing="listed", listed=["FR"], disclosure="identity")
    with opened(as_owner="FR") as db:
        assert paired(db) == {("f1", "f2"), ("f1", "i1"), ("f2", "i1")}
    with opened(as_owner="DE") as db:
        assert paired(db) == {("d1", "d2")}


def test_fusion_adds_all_parts_of_everybody_listed(opened, codes):
    """Also of those who are far down one part's own ranks, whatever `k` is."""
    rng = np.random.default_rng(5)
    first, second = rng.integers(0, 256, (2, 300, 32), dtype=np.uint8)
    with opened() as db:
        for position, fingers in ((2, first), (7, second)):
            db.enrol_many(
                [
                    {
                        "source": Sample("iris", image=c, finger_position=position),
                        "subject": f"n{i}",
                    }
                    for i, c in enumerate(fingers)
                ]
            )
        probe = [
            Sample("iris", image=first[5], finger_position=2),
            Sample("iris", image=codes[0], finger_position=7),
        ]
        everybody = {c.subject: c.score for c in db.search(probe, k=300)}
        for exhaustive in (False, True):
            few = db.search(probe, k=10, exhaustive=exhaustive)
            assert {c.subject: c.score for c in few} == {
                c.subject: everybody[c.subject] for c in few
            }
            assert [c.subject for c in few] == list(everybody)[:10]
