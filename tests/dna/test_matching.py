from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomatch.dna.alleles import WILDCARDS, sort_alleles, tenths
from biomatch.dna.loci import LOCUS_SETS
from biomatch.dna.matching import (
    HitClass,
    LocusResult,
    compare,
    compare_locus,
    compatible,
    locus_matches,
    pruem_values,
)
from biomatch.dna.profile import DnaProfile
from biomatch.dna.rules import Stringency, rule_set

ALPHABET = ("8", "9", "9.3", "10", "11", "12", "13", "14")
EXACT = st.sampled_from(ALPHABET[1:5])
TOKEN = st.one_of(EXACT, EXACT, EXACT, st.sampled_from(["F", "R", "*", "OL", "<10", ">11"]))
TOKENS = st.lists(TOKEN, min_size=1, max_size=3).map(sort_alleles)
EXACTS = st.lists(EXACT, min_size=1, max_size=3).map(sort_alleles)


def completions(tokens):
    """All sets of alleles that some tokens may stand for."""

    def values(token):
        if token in WILDCARDS:
            return ALPHABET
        if token[0] == "<":
            return [a for a in ALPHABET if tenths(a) < tenths(token)]
        if token[0] == ">":
            return [a for a in ALPHABET if tenths(a) > tenths(token)]
        return [token]

    return [set(choice) for choice in product(*(values(token) for token in tokens))]


def by_definition(probe, reference, stringency):
    for left, right in product(completions(probe), completions(reference)):
        if stringency is Stringency.HIGH and left == right:
            return True
        if stringency is Stringency.MODERATE and (left <= right or right <= left):
            return True
        if stringency is Stringency.LOW and left & right:
            return True
    return False


@given(TOKENS, TOKENS, st.sampled_from([Stringency.HIGH, Stringency.MODERATE, Stringency.LOW]))
@settings(max_examples=400, deadline=None)
def test_wildcards_match_when_some_completion_does(probe, reference, stringency):
    assert locus_matches(probe, reference, stringency) == by_definition(
        probe, reference, stringency
    )


@given(TOKENS, TOKENS, st.sampled_from(list(Stringency)))
def test_comparison_is_symmetric(probe, reference, stringency):
    there = compare_locus("FGA", probe, reference, stringency)
    back = compare_locus("FGA", reference, probe, stringency)
    assert (there.result, there.matches, there.deviations) == (
        back.result,
        back.matches,
        back.deviations,
    )


@given(TOKENS, TOKENS)
def test_stringencies_are_nested(probe, reference):
    high, moderate, low = (
        locus_matches(probe, reference, s)
        for s in (Stringency.HIGH, Stringency.MODERATE, Stringency.LOW)
    )
    assert high <= moderate <= low


@given(TOKENS)
def test_everything_matches_itself(tokens):
    assert locus_matches(tokens, tokens, Stringency.HIGH)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("9", "9", True),
        ("9", "10", False),
        ("F", "10", True),
        ("<9", "8.3", True),
        ("<9", "9", False),
        (">9", "9.1", True),
        ("<9", ">9", False),
        ("<10", ">8", True),
        ("X", "Y", False),
        ("X", "*", True),
    ],
)
def test_compatible(first, second, expected):
    assert compatible(first, second) is expected
    assert compatible(second, first) is expected


@pytest.mark.parametrize(
    ("probe", "reference", "stringency", "result"),
    [
        (("13",), ("13",), "high", "match"),
        (("13",), ("13", "14"), "high", "mismatch"),
        (("13",), ("13", "14"), "moderate", "homo/hetero"),
        (("13", "15"), ("13", "14"), "moderate", "mismatch"),
        (("13", "15"), ("13", "14"), "low", "shared allele"),
        (("13", "F"), ("13", "14"), "high", "wildcard"),
        (("13", "F"), ("13",), "moderate", "homo/hetero"),
        (("13", "F"), ("15",), "moderate", "wildcard"),
        (("13", "F"), ("15", "16"), "moderate", "mismatch"),
        ((), ("13",), "moderate", "missing in probe"),
        (("13",), (), "moderate", "missing in reference"),
        (("29", "30", "31"), ("29", "30", "31"), "high", "match"),
        (("29", "30", "31"), ("29", "31"), "moderate", "homo/hetero"),
    ],
)
def test_locus_results(probe, reference, stringency, result):
    assert compare_locus("FGA", probe, reference, Stringency(stringency)).result == result


def test_fbi_partial_match_example(shared):
    import json

    text = (shared / "dna" / "vectors" / "published_examples.json").read_text()
    example = next(e for e in json.loads(text) if e["id"] == "FBI-partial-match-example")
    for line, expected in zip(example["inputs"], example["expected"], strict=True):
        sides = tuple(line["forensic"].split(",")), tuple(line["offender"].split(","))
        assert locus_matches(*sides, Stringency.MODERATE)
        assert locus_matches(*sides, Stringency.HIGH) == (expected == "high")


def profile(shift=0, loci=LOCUS_SETS["codis20"], **changes):
    alleles = {name: (str(12 + shift), str(14 + shift)) for name in loci}
    return DnaProfile.from_alleles(alleles | changes)


def test_hit_classes():
    probe = profile()
    assert compare(probe, profile()).hit is HitClass.IDENTITY_HIGH
    assert compare(probe, profile(FGA=("12",))).hit is HitClass.IDENTITY_MODERATE
    assert compare(probe, profile(FGA=("12",)), "high").hit is HitClass.NONE
    assert compare(probe, profile(FGA=("12", "20"))).hit is HitClass.NONE
    near = rule_set("moderate").with_limits(max_mismatches=1)
    assert compare(probe, profile(FGA=("12", "20")), near).hit is HitClass.NEAR
    assert compare(probe, profile(FGA=("12", "20")), "low").hit is HitClass.LOW


def test_missing_loci_count_neither_way():
    few = LOCUS_SETS["codis20"][:10]
    result = compare(profile(loci=few, AMEL=("X",)), profile(AMEL=("Y",)))
    assert (result.compared, result.matched, result.missing_probe) == (10, 10, 10)
    assert result.missing_reference == 0
    assert compare(profile(loci=few[:7]), profile()).hit is HitClass.NONE


def test_required_alleles_must_be_the_references():
    stain = DnaProfile.from_alleles(
        dict.fromkeys(LOCUS_SETS["codis20"], ("12", "13", "14", "15")),
        required={"FGA": ("15",)},
    )
    assert compare(stain, profile(FGA=("12", "15"))).is_hit
    assert not compare(stain, profile(FGA=("12", "14"))).is_hit


@pytest.mark.parametrize(
    ("change", "hit", "quality"),
    [
        ({}, "identity-high", 1),
        ({"FGA": ("12", "F")}, "near", 2),
        ({"FGA": ("12", "*"), "TH01": ("OL", "14")}, "near", 2),
        ({"FGA": ("12", "14.1")}, "near", 3),
        ({"FGA": ("12", "15")}, "near", 4),
        ({"FGA": ("12",)}, "near", 4),
        ({"FGA": ("12", "15"), "TH01": ("12", "F")}, "near", 4),
        ({"FGA": ("11", "15")}, "none", None),
        ({"FGA": ("12", "15"), "TH01": ("12", "14.1")}, "none", None),
    ],
)
def test_pruem_quality(change, hit, quality):
    result = compare(profile(), profile(**change), "pruem-2008")
    assert (result.hit.value, result.quality) == (hit, quality)


def test_pruem_needs_six_full_loci():
    six = LOCUS_SETS["ess7"][:6]
    assert compare(profile(loci=six), profile(), "pruem-2008").quality == 1
    wild = profile(loci=six, **{six[0]: ("12", "*")})
    assert compare(wild, profile(), "pruem-2008").hit is HitClass.NONE
    assert compare(profile(loci=six[:5]), profile(), "pruem-2008").hit is HitClass.NONE


def test_pruem_takes_no_mixtures():
    mixed = profile(FGA=("12", "14", "15"), TH01=("6", "7", "8"))
    assert compare(mixed, mixed, "pruem-2008").hit is HitClass.NONE


@pytest.mark.parametrize(
    ("tokens", "values"),
    [
        (("12",), ("12", "12")),
        (("12", "13"), ("12", "13")),
        (("12", "F"), ("12", "*")),
        (("OL",), ("*", "*")),
        (("<9", "12"), ("12", "*")),
        (("12", "99"), ("12", "*")),
        (("9", "10", "11"), ("9", "*")),
    ],
)
def test_pruem_message_values(tokens, values):
    assert pruem_values(tokens) == values


def test_interpol_needs_six_loci():
    assert compare(profile(loci=LOCUS_SETS["ess7"][:6]), profile(), "interpol-six").is_hit
    assert not compare(profile(loci=LOCUS_SETS["ess7"][:5]), profile(), "interpol-six").is_hit


def test_explanation_is_json_able():
    import json

    told = compare(profile(), profile(FGA=("12",))).as_dict()
    assert json.loads(json.dumps(told)) == told
    line = next(entry for entry in told["loci"] if entry["locus"] == "FGA")
    assert line == {
        "locus": "FGA",
        "probe": ["12", "14"],
        "reference": ["12"],
        "result": LocusResult.HOMO_HETERO.value,
    }
