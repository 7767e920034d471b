"""DNA behind the engine's interface."""

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biomatch.dna import DnaProfile, Frequencies
from biomatch.dna.identity import ERROR_RATE, in_common
from biomatch.dna.modality import MODALITY
from biomatch.dna.statistics import least_favourable
from biomatch.errors import NoFeaturesError, OptionError, UnreadableSampleError
from biomatch.types import Sample

LOCI = ("TH01", "vWA", "FGA", "D3S1358", "D8S1179", "D18S51", "D21S11", "D13S317", "CSF1PO")


def people(n: int, seed: int = 1) -> list[DnaProfile]:
    rng = np.random.default_rng(seed)
    table = Frequencies.load("nist1036", "Cauc")
    return [
        DnaProfile.from_alleles(
            {locus: [str(a) for a in rng.choice(table.alleles(locus), 2)] for locus in LOCI},
            name=f"P{number}",
        )
        for number in range(n)
    ]


def build(profiles: list[DnaProfile]) -> Any:
    return MODALITY.build([MODALITY.dumps(profile) for profile in profiles])


def test_a_person_is_found_with_one_over_the_random_match_probability() -> None:
    everyone = people(50)
    gallery = build(everyone)
    options = MODALITY.options({"theta": 0.03, "formula": "nrc410"})
    (rows,) = gallery.shortlist([everyone[17]], 10, options=options)
    assert rows.tolist() == [17]
    (score,) = gallery.compare(everyone[17], rows, options=options)
    rarity = least_favourable(everyone[17], options.tables, 0.03, "nrc410")
    assert score == pytest.approx(-rarity.log10, rel=1e-12)
    calibration = MODALITY.calibrate(np.array([score]), options=options)
    assert calibration.log10_lr.tolist() == [score]
    assert math.isnan(calibration.fmr[0])
    assert "theta 0.03" in calibration.source


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "rule codis-moderate-2017 (at least 8 loci compared, at most 0 mismatched)"),
        ({"max_mismatches": 1, "min_loci": 6}, "at least 6 loci compared, at most 1 mismatched "),
        ({"max_mismatches": 1}, "mismatched with LR 0.001 each)"),
        ({"relation": "parent-child"}, "LR 0.002 for a locus that excludes"),
        ({"relation": "full-sib"}, "relation full-sib against unrelated, theta 0.01, least"),
        ({"contributors": 2}, "a stain of 2 against unrelated, theta 0.01, drop-out 0.1, drop-in"),
        ({"minimum": 0.01}, "(minimum allele frequency 0.01 for all alleles)"),
    ],
)
def test_a_score_says_what_it_rests_on(values: dict[str, Any], said: str) -> None:
    assert said in MODALITY.options(values).sentence


def test_rows_that_do_not_match_score_minus_infinity() -> None:
    everyone = people(5)
    scores = build(everyone).compare(everyone[2], np.arange(5))
    assert np.isfinite(scores).tolist() == [False, False, True, False, False]


def test_rows_may_come_in_any_order_and_twice() -> None:
    everyone = people(6)
    gallery = build(everyone)
    scores = gallery.compare(everyone[4], np.array([5, 4, 0, 4]))
    assert scores[1] == scores[3] > 0
    assert np.isinf(scores[[0, 2]]).all()


def test_a_mismatch_costs_and_is_explained() -> None:
    person = people(1)[0]
    changed = dict(person.loci)
    changed["TH01"] = ("4", "12")
    other = DnaProfile.from_alleles(changed, name="other")
    gallery = build([person, other])
    options = MODALITY.options({"max_mismatches": 1})
    (rows,) = gallery.shortlist([person], 10, options=options)
    assert rows.tolist() == [0, 1]
    scores = gallery.compare(person, rows, options=options)
    assert scores[0] > scores[1]
    told = MODALITY.explain(person, other, options=options)
    json.dumps(told)
    lines = {line["locus"]: line["result"] for line in told["comparison"]["loci"]}
    assert lines["TH01"] == "mismatch"
    assert told["comparison"]["hit"] == "near"
    assert 0 < told["random_match_probability"] < 1e-6
    kept = DnaProfile.from_alleles({k: v for k, v in person.loci.items() if k != "TH01"})
    without = build([kept]).compare(kept, np.array([0]))
    assert scores[1] == pytest.approx(without[0] + math.log10(ERROR_RATE))


@pytest.mark.parametrize(
    ("probe", "reference", "common"),
    [
        (("12", "13"), ("12", "13"), ("12", "13")),
        (("12",), ("12", "13"), ("12", "*")),
        (("12", "13"), ("12",), ("12", "*")),
        (("12",), ("12",), ("12",)),
        (("12", "F"), ("12", "14"), ("12", "*")),
        (("12", "F"), ("12", "F"), ("12", "*")),
        (("F",), ("12", "14"), ("*",)),
        (("12", "13"), ("12", "13", "14"), ("12", "13")),
        (("9", "10", "11"), ("9", "11"), ("9", "10", "11")),
    ],
)
def test_what_two_genotypes_have_in_common(probe: Any, reference: Any, common: Any) -> None:
    assert in_common(probe, reference) == common


def test_relatives_through_the_same_door() -> None:
    mother, *others = people(30, seed=4)
    rng = np.random.default_rng(2)
    child = DnaProfile.from_alleles(
        {
            locus: (rng.choice(mother.loci[locus]), rng.choice(others[0].loci[locus]))
            for locus in LOCI
        }
    )
    gallery = build([mother, *others])
    for relation in ("parent-child", "full-sib"):
        options = MODALITY.options({"relation": relation})
        (rows,) = gallery.shortlist([child], 100, options=options)
        assert set(rows[:2].tolist()) == {0, 1}
        scores = gallery.compare(child, rows, options=options)
        assert (np.diff(scores) <= 0).all()
        told = MODALITY.explain(child, mother, options=options)
        assert told["kinship"]["log10_lr"] == pytest.approx(scores[rows.tolist().index(0)])
        json.dumps(told)


def test_contributors_through_the_same_door(tmp_path: Path) -> None:
    first, second, *others = people(30, seed=8)
    stain = DnaProfile.from_alleles(
        {locus: {*first.loci[locus], *second.loci[locus]} for locus in LOCI}, name="stain"
    )
    gallery = build([first, second, *others])
    options = MODALITY.options({"contributors": 2, "dropout": 0.05, "population": "Cauc"})
    (rows,) = gallery.shortlist([stain], 100, options=options)
    assert set(rows[:2].tolist()) == {0, 1}
    scores = gallery.compare(stain, rows, options=options)
    told = MODALITY.explain(stain, first, options=options)
    assert told["mixture"]["log10_lr"] == pytest.approx(scores[rows.tolist().index(0)])
    victim = tmp_path / "victim.csv"
    victim.write_text(
        "SampleName,Marker,Allele1,Allele2\n"
        + "".join(f"V,{k},{v[0]},{v[-1]}\n" for k, v in second.loci.items())
    )
    known = MODALITY.options({"contributors": 2, "known": str(victim), "population": "Cauc"})
    (rows,) = gallery.shortlist([stain], 100, options=known)
    assert rows[0] == 0
    assert gallery.compare(stain, rows[:1], options=known)[0] > scores[0]


def test_what_is_made_for_a_probe_is_made_once_and_does_not_travel() -> None:
    everyone = people(5)
    options = MODALITY.options({"relation": "full-sib", "population": "Cauc"})
    made: list[int] = []
    for probe in (*everyone, *everyone):
        assert (
            options.prepared.of("name", probe, lambda p=probe: made.append(1) or p.name)
            == probe.name
        )
    assert len(made) == len(everyone)
    twin = MODALITY.loads(MODALITY.dumps(everyone[0]))
    assert (
        options.prepared.of("name", twin, lambda: "twin") == "twin"
    )  # only the very same object counts
    again = pickle.loads(pickle.dumps(options))
    assert again.prepared.of("name", everyone[0], lambda: "anew") == "anew"


def test_options_are_checked_and_travel() -> None:
    options = MODALITY.options({"rules": "pruem", "population": "Cauc,Asian", "minimum": 0.01})
    again = pickle.loads(pickle.dumps(options))
    assert again.rules == options.rules
    assert [t.population for t in again.tables] == ["Cauc", "Asian"]
    locus = "TH01", ("6", "9.3"), ("6", "9.3")
    told = [score(*locus) for score in options.scores]
    assert 0 < told[0] != told[1] > 0
    assert [score(*locus) for score in pickle.loads(pickle.dumps(options)).scores] == told
    for bad in (
        {"colour": 1},
        {"stringency": "extreme"},
        {"theta": 2},
        {"formula": "x"},
        {"frequencies": "nowhere.csv"},
        {"population": "Mars"},
        {"relation": "neighbour"},
        {"max_mismatches": -1},
        {"min_loci": "many"},
        {"dropout": 0.1},
        {"contributors": 9},
        {"contributors": 2, "relation": "full-sib"},
        {"contributors": 2, "convention": "x"},
    ):
        with pytest.raises(OptionError):
            MODALITY.options(bad)


def test_samples_are_read_or_refused(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("SampleName,Marker,Allele1,Allele2\nA,TH01,6,9.3\nB,TH01,7,7\n")
    profiles = MODALITY.extract(Sample("dna", path=table))
    assert [MODALITY.label(profile) for profile in profiles] == ["A", "B"]
    assert MODALITY.extract(Sample("dna", template=profiles[0])) == profiles[:1]
    blob = MODALITY.dumps(profiles[0])
    assert MODALITY.loads(blob) == profiles[0]
    table.write_text("SampleName,Allele1,Allele2\nA,6,9.3\n")
    with pytest.raises(UnreadableSampleError, match="no marker column"):
        MODALITY.extract(Sample("dna", path=table))
    table.write_text("SampleName,Marker,Allele1,Allele2\nA,AMEL,X,Y\n")
    with pytest.raises(NoFeaturesError, match="no autosomal locus"):
        MODALITY.extract(Sample("dna", path=table))
    with pytest.raises(UnreadableSampleError):
        MODALITY.extract(Sample("dna"))


def test_saved_galleries_answer_the_same(tmp_path: Path) -> None:
    everyone = people(20)
    gallery = build(everyone)
    gallery.save(tmp_path)
    again = MODALITY.load(tmp_path)
    assert len(again) == 20
    for probe in everyone[:3]:
        before, after = gallery.shortlist([probe], 5)[0], again.shortlist([probe], 5)[0]
        assert before.tolist() == after.tolist()


def test_allowed_rows_bound_every_kind_of_search() -> None:
    person = people(1)[0]
    gallery = build([person] * 4)
    allowed = np.array([False, True, False, True])
    for values in ({}, {"relation": "full-sib"}, {"relation": "parent-child"}, {"contributors": 1}):
        options = MODALITY.options(values)
        (rows,) = gallery.shortlist([person], 10, allowed=allowed, options=options)
        assert sorted(rows.tolist()) == [1, 3]
