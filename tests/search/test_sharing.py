"""Owners see what the sharing rules allow, and nothing else."""

import json
import sys

import numpy as np
import pytest

import biomatch
from biomatch.errors import DuplicateError, OptionError, RecordError, SharingError

OWNERS = ("FR", "DE", "IT")


@pytest.fixture
def shared(opened, codes):
    """Each owner has ten people in a gallery of its own; the same trace resembles all."""
    with opened() as db:
        for owner in OWNERS:
            db.gallery(f"{owner}-prints", owner=owner)
        for i in range(30):
            owner = OWNERS[i % 3]
            db.enrol(codes[i], modality="iris", subject=f"{owner}-{i}", owner=owner,
                     gallery=f"{owner}-prints")  # fmt: skip
        yield db


def seen(db, codes, owner):
    return {c.subject for c in db.search(codes[0], modality="iris", k=30, as_owner=owner)}


def test_nobody_sees_anything_until_it_is_shared(shared, codes):
    assert seen(shared, codes, "FR") == {f"FR-{i}" for i in range(0, 30, 3)}
    assert len(seen(shared, codes, None)) == 30
    found = shared.search(codes[0], modality="iris", as_owner="FR")
    assert found.coverage.records_total == 10


def test_listed_owners_and_all(shared, codes):
    shared.gallery("DE-prints", sharing="listed", listed=["FR"])
    shared.gallery("IT-prints", sharing="all")
    assert len(seen(shared, codes, "FR")) == 30
    assert seen(shared, codes, "DE") == {s for s in seen(shared, codes, None) if s[:2] != "FR"}
    assert len(seen(shared, codes, "IT")) == 10
    assert shared.gallery("DE-prints", listed="FR").listed == ("FR",)
    assert len(seen(shared, codes, "FR")) == 30
    shared.gallery("DE-prints", listed=[])
    assert len(seen(shared, codes, "FR")) == 20


def test_hit_no_hit_shows_a_reference_number_only(shared, codes):
    shared.gallery("DE-prints", sharing="all", disclosure="hit")
    found = shared.search(codes[1], modality="iris", k=20, as_owner="FR", explain=20)
    best = found[0]
    person = shared.get("DE-1")
    assert best.subject == person.reference
    assert best.sample == ""
    assert best.why == {}
    assert best.owner == "DE"
    assert best.score == 1.0
    foreign = [c for c in found if c.owner == "DE"]
    assert len(foreign) == 10
    assert not any("DE-" in c.subject for c in foreign)
    assert all(c.subject.startswith("FR-") and c.sample for c in found if c.owner == "FR")
    stored = shared.answer(found.search_id)
    assert [c.subject for c in stored] == [c.subject for c in found]
    own = shared.search(codes[1], modality="iris", as_owner="DE")
    assert own[0].subject == "DE-1"


def test_records_of_others_cannot_be_read_or_changed(opened, tmp_path, codes):
    with opened("x") as db:
        db.gallery("de", owner="DE")
        db.enrol(codes[0], modality="iris", subject="d", owner="DE", gallery="de")
        sample = db.get("d").samples[0].id
    with opened("x", as_owner="FR") as db:
        for forbidden in (
            lambda: db.gallery("de", sharing="all"),
            lambda: db.enlist("de", "d"),
            lambda: db.gallery("new", owner="DE"),
        ):
            with pytest.raises(SharingError):
                forbidden()
        db.gallery("fr")
        for forbidden in (  # and a record that is not there is answered in the same words
            lambda subject, _: db.get(subject),
            lambda subject, _: db.delete(subject),
            lambda _, sample: db.delete(sample),
            lambda _, sample: db.template(sample),
            lambda _, sample: db.attachment(sample),
            lambda subject, _: db.update(subject, sex="F"),
            lambda subject, _: db.enlist("fr", subject),
            lambda _, sample: db.verify(codes[0], sample, modality="iris"),
        ):
            said = []
            for names in (("d", sample), ("nobody", "s987654")):
                with pytest.raises(RecordError) as caught:
                    forbidden(*names)
                said.append(str(caught.value))
                for name in names:
                    said[-1] = said[-1].replace(f"'{name}'", "*")
            assert said[0] == said[1]
            assert "DE" not in said[0]
        assert list(db) == []
        (mine,) = db.enrol(codes[1], modality="iris", subject="f")
        assert db.get(mine.subject).owner == "FR"
    with opened("x") as db:
        assert len(db) == 2


@pytest.mark.parametrize("owner", [None, "DE"])
def test_enrolling_under_anothers_id_takes_nothing_over(opened, codes, owner):
    with opened("x") as db:
        db.enrol(codes[0], modality="iris", subject="d", owner=owner)
        before = db.get("d")
    with opened("x", as_owner="FR") as db:
        with pytest.raises(DuplicateError, match="the id 'd' is taken, and not FR's"):
            db.enrol(codes[1], modality="iris", subject="d", sex="F")
        (told,) = db.enrol_many([{"source": codes[2], "subject": "d"}], modality="iris")
        assert told.kind == "DuplicateError"
        assert len(db) == 0
    with opened("x") as db:
        assert db.get("d") == before


def test_a_decision_cannot_ask_what_anothers_search_found(opened, codes):
    with opened("x") as db:
        db.enrol(codes[0], modality="iris", subject="d", owner="DE")
        found = db.search(codes[0], modality="iris", as_owner="DE")
        assert found[0].subject == "d"
    with opened("x", as_owner="FR") as db:
        for name in ("d", "nobody"):
            with pytest.raises(SharingError, match="not one of FR's"):
                db.decide("k", name, "exclusion", examiner="x", search=found.search_id)
        assert db.cases() == []


def test_a_record_deleted_during_a_search_of_its_gallery_is_left_out(shared, codes, monkeypatch):
    shared.gallery("DE-prints", sharing="all", disclosure="hit")
    search = shared._searcher.search

    def meanwhile(*arguments):
        answers = search(*arguments)
        shared.delete("DE-1", "FR-0")
        return answers

    monkeypatch.setattr(shared._searcher, "search", meanwhile)
    found = shared.search(codes[1], modality="iris", k=30, as_owner="FR")
    assert [c.rank for c in found] == list(range(1, 20))
    assert all(c.score < 1 for c in found)  # DE-1 was the best


def test_watch_lists(shared, codes):
    shared.gallery("wanted")
    shared.enlist("wanted", "FR-0", "DE-1")
    filters = biomatch.search.Filters(galleries={"wanted"})
    found = shared.search(codes[5], modality="iris", filters=filters)
    assert {c.subject for c in found} == {"FR-0", "DE-1"}
    shared.delist("wanted", "FR-0")
    found = shared.search(codes[5], modality="iris", filters=filters)
    assert {c.subject for c in found} == {"DE-1"}
    assert shared.get("DE-1").galleries == ("wanted",)
    assert np.isclose(shared.search(codes[0], modality="iris")[0].score, 1)


def test_settings_are_checked(shared):
    with pytest.raises(OptionError, match="sharing is 'some'"):
        shared.gallery("x", sharing="some")
    with pytest.raises(OptionError, match="no setting colour"):
        shared.gallery("x", colour="red")
    for threshold in (float("nan"), float("inf")):
        with pytest.raises(OptionError, match="lowest log10 LR"):
            shared.gallery("x", alert_log10_lr=threshold)
    for hook, words in (("mail 'x", "No closing quotation"), ("  ", "blank")):
        with pytest.raises(OptionError, match=words):
            shared.gallery("x", hook=hook)
    assert "x" not in {gallery.name for gallery in shared.galleries()}
    assert shared.gallery("x", hook="https://example.org/it's").hook == "https://example.org/it's"


def test_an_owner_cannot_act_as_another(opened, codes, flipped):
    with opened() as db:
        db.gallery("fr", owner="FR", watched=True)
        db.gallery("de-unsolved", owner="DE", unsolved=True)
        db.file_unsolved(flipped(codes[0], 9), modality="iris", case="K", gallery="de-unsolved",
                         owner="DE")  # fmt: skip
        found = db.search(codes[0], modality="iris", as_owner="DE")
        db.decide("K", "x", "exclusion", examiner="ana")
    with opened(as_owner="FR") as db:
        with pytest.raises(SharingError, match="opened as FR"):
            db.search(codes[0], modality="iris", as_owner="DE")
        with pytest.raises(SharingError, match="not one of FR's"):
            db.answer(found.search_id)
        assert db.decisions() == db.cases() == db.searches() == []
        (mine,) = db.enrol(codes[0], modality="iris", subject="f", gallery="fr")
        assert mine.alerts == ()  # DE does not share its unsolved traces
    with opened() as db:
        db.gallery("de-unsolved", sharing="listed", listed=["FR"])
    with opened(as_owner="FR") as db:
        (mine,) = db.enrol(flipped(codes[0], 3), modality="iris", subject="g", gallery="fr")
        assert len(mine.alerts) == 1
        assert [a.id for a in db.alerts()] == list(mine.alerts)
    with opened(as_owner="IT") as db:
        assert db.alerts() == []


def test_an_owner_learns_nothing_of_others_by_enrolling_or_asking(opened, codes):
    with opened() as db:
        db.gallery("fr", owner="FR", watched=True, hook="true", sharing="listed", listed=["DE"])
        db.gallery("it", owner="IT")
        db.enrol(codes[0], modality="iris", subject="f", owner="FR", gallery="fr")
        db.open_case("K")
    with opened(as_owner="DE") as db:
        (mine,) = db.enrol(codes[0], modality="iris", subject="d")  # the same source as FR's
        assert mine.subject == "d"
        assert not mine.duplicate
        assert len(db) == 1
        assert "f" not in db
        assert {g.name: (g.hook, g.listed) for g in db.galleries()} == {
            "fr": (None, ()),
            "main": (None, ()),
        }
        for forbidden in (
            lambda: db.enrol(codes[1], modality="iris", subject="x", owner="FR"),
            lambda: db.enrol(codes[1], modality="iris", subject="x", gallery="fr"),
            lambda: db.update("d", owner="FR"),
            lambda: db.decide("K", "d", "exclusion", examiner="eva"),
            lambda: db.close_case("K"),
            lambda: db.file_unsolved(codes[2], modality="iris", case="K"),
        ):
            with pytest.raises(SharingError):
                forbidden()
        kinds = [r.kind for r in db.enrol_many([codes[4]], modality="iris", gallery="it")]
        kinds += [r.kind for r in db.enrol_many([codes[4]], modality="iris", owner="IT")]
        assert kinds == ["SharingError", "SharingError"]
        assert len(db) == 1


def test_nothing_is_put_into_anothers_case(opened, codes):
    with opened() as db:
        db.open_case("open to all")
    with opened(as_owner="DE") as db:
        db.open_case("K")
    with opened(as_owner="FR") as db:
        db.enrol(codes[0], modality="iris", subject="f", case="mine")
        for forbidden in (
            lambda: db.enrol(codes[1], modality="iris", case="K"),
            lambda: db.search(codes[0], modality="iris", case="K"),
            lambda: list(db.search_many([codes[0]], modality="iris", case="K")),
        ):
            with pytest.raises(SharingError, match="case 'K' belongs to another owner"):
                forbidden()
        (told,) = db.enrol_many([codes[1]], modality="iris", case="K")
        assert told.kind == "SharingError"
        assert db.search(codes[0], modality="iris", case="open to all")[0].subject == "f"
        assert db.update("f", owner=None).owner == "FR"
    with opened(as_owner="DE") as db:
        assert db.case("K").searches == db.case("K").unsolved == ()


@pytest.mark.parametrize("disclosure", ["hit", "identity"])
def test_an_alert_shows_of_anothers_trace_what_is_shared(
    opened, tmp_path, codes, flipped, disclosure
):
    told = tmp_path / "told.json"
    hook = f"{sys.executable} -c \"import sys; open('{told}', 'w').write(sys.stdin.read())\""
    heard = []
    with opened() as db:
        db.gallery("fr", owner="FR", watched=True, hook=hook)
        db.gallery("de", owner="DE", unsolved=True, sharing="all", disclosure=disclosure)
    with opened(as_owner="DE") as db:
        (trace,) = db.file_unsolved(flipped(codes[0], 9), modality="iris", case="K", gallery="de")
        reference = db.get(trace.subject).reference
    with opened(as_owner="FR") as db:
        db.on_alert(heard.append)
        db.enrol(codes[0], modality="iris", subject="f", gallery="fr")
        (alert,) = db.alerts()
        expected = (reference, None) if disclosure == "hit" else (trace.sample, "K")
        assert (alert.unsolved, alert.case) == expected
        assert (heard[0].unsolved, heard[0].case) == expected
        message = json.loads(told.read_text())
        assert (message["unsolved"], message["case"]) == expected
        assert len(db.alerts(case="K")) == (disclosure == "identity")
    with opened() as db:
        assert db.alerts(case="K")[0].unsolved == trace.sample
        assert db.sample(trace.sample)[0].reference == reference
