import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch.dna.frequencies import Frequencies
from biomatch.dna.kinship import (
    RELATIONS,
    conditional_genotype,
    familial_search,
    ibd_coefficients,
    kinship,
    kinship_lr,
    kinship_table,
    least_favourable_kinship,
    relation_name,
    y_check,
)
from biomatch.dna.profile import DnaProfile
from biomatch.errors import OptionError, ProfileError

SHARES = {"6": 0.2, "7": 0.3, "8": 0.1, "9.3": 0.4}
TABLE = Frequencies.from_dict({"TH01": SHARES})
GENOTYPES = [(a, b) for i, a in enumerate(SHARES) for b in list(SHARES)[i:]]
GENOTYPE = st.sampled_from(GENOTYPES)
RELATION = st.sampled_from(list(RELATIONS))
THETA = st.sampled_from([0.0, 0.01, 0.1])


def one(genotype):
    return DnaProfile.from_alleles({"TH01": genotype})


@given(GENOTYPE, GENOTYPE, RELATION, THETA)
def test_symmetric(a, b, relation, theta):
    there = kinship_lr(one(a), one(b), relation, TABLE, theta)
    assert there == pytest.approx(kinship_lr(one(b), one(a), relation, TABLE, theta))


@given(GENOTYPE, RELATION, THETA)
def test_genotypes_of_a_relative_sum_to_one(known, relation, theta):
    seen = {allele: float(known.count(allele)) for allele in known}
    total = sum(
        conditional_genotype(
            genotype,
            known,
            shares=SHARES,
            seen=seen,
            theta=theta,
            coefficients=RELATIONS[relation],
        )
        for genotype in GENOTYPES
    )
    assert total == pytest.approx(1.0)


@given(GENOTYPE, RELATION, THETA)
def test_scan_table_is_the_plain_formula(known, relation, theta):
    alleles = [*SHARES, "11"]
    table = kinship_table(
        one(known).loci["TH01"], relation, "TH01", alleles, frequencies=TABLE, theta=theta
    )
    for i, a in enumerate(alleles):
        for j, b in enumerate(alleles):
            expected = kinship_lr(one(known), one((a, b)), relation, TABLE, theta)
            assert table[i, j] == pytest.approx(expected, rel=1e-12)


def test_scan_table_says_nothing_without_a_usable_locus():
    for tokens, locus in ((("6", "F"), "TH01"), (("6", "7", "8"), "TH01"), (("14",), "SE33")):
        table = kinship_table(tokens, "full-sib", locus, ["6", "7"], frequencies=TABLE)
        assert np.array_equal(table, np.ones((2, 2)))


def test_exclusion_and_unused_loci_are_named():
    a = DnaProfile.from_alleles({"TH01": ("6", "7"), "FGA": ("20",), "SE33": ("14", "F")})
    b = DnaProfile.from_alleles({"TH01": ("8",), "FGA": ("20",), "SE33": ("14",)})
    table = Frequencies.from_dict({**TABLE.table, "SE33": {"14": 1.0}})
    result = kinship(a, b, "parent-child", table)
    assert result.lr == 0.0
    assert result.log10 == -math.inf
    assert result.excluding == ("TH01",)
    assert set(result.unused) == {"FGA", "SE33"}
    assert json.loads(json.dumps(result.as_dict()))["log10_lr"] is None


def test_names_and_coefficients():
    assert ibd_coefficients("Uncle") == RELATIONS["avuncular"]
    assert ibd_coefficients((0.25, 0.5, 0.25)) == RELATIONS["full-sib"]
    with pytest.raises(OptionError, match="unknown relation 'friend'"):
        ibd_coefficients("friend")
    with pytest.raises(OptionError, match="not three shares"):
        ibd_coefficients((0.5, 0.6, 0.0))


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("siblings", "full-sib"),
        ("Full_Siblings", "full-sib"),
        ("half sibs", "half-sib"),
        ("parent/child", "parent-child"),
        ("Mother", "parent-child"),
        ("1st cousins", "first-cousin"),
        ("MZ twins", "identical"),
        ("great-uncle", "great-avuncular"),
        ("FS", "full-sib"),
    ],
)
def test_relations_go_by_many_names(spelling, name):
    assert relation_name(spelling) == name
    assert all(relation_name(known) == known for known in RELATIONS)


def test_a_name_is_no_table():
    a = DnaProfile.from_alleles({"TH01": ("6", "9.3")})
    with pytest.raises(OptionError, match=r"'nist1036' is no frequency table"):
        kinship_lr(a, a, "full-sib", "nist1036")


def test_least_favourable_population():
    tables = [Frequencies.load("nist1036", name) for name in ("Cauc", "AA")]
    a = DnaProfile.from_alleles({"TH01": ("6", "9.3"), "FGA": ("20", "23")})
    worst = least_favourable_kinship(a, a, "full-sib", tables)
    assert worst.lr == min(kinship_lr(a, a, "full-sib", table) for table in tables)
    assert kinship_lr(a, a, "full-sib", tables) == worst.lr
    with pytest.raises(OptionError, match="no frequency table"):
        kinship_lr(a, a)
    with pytest.raises(ProfileError, match="no locus in common"):
        kinship_lr(a, DnaProfile.from_alleles({"SE33": ("14",)}), "full-sib", tables)


def test_y_check():
    a = DnaProfile.from_alleles({"DYS391": ("10",), "DYS385": ("11", "14"), "DYS19": ("14",)})
    b = DnaProfile.from_alleles({"DYS391": ("11",), "DYS385": ("11", "14"), "FGA": ("20",)})
    assert y_check(a, a).consistent
    result = y_check(a, b)
    assert (result.compared, result.mismatched, result.loci) == (2, 1, ("DYS391",))
    assert result.consistent
    assert not y_check(a, b, max_mismatches=0).consistent
    assert y_check(b, DnaProfile.from_alleles({"FGA": ("20",)})).consistent is None


def test_familial_search_ranks_the_relative_first():
    loci = ("TH01", "FGA", "D18S51", "D21S11")
    tables = [Frequencies.load("nist1036", name) for name in ("Cauc", "Hisp")]
    probe = DnaProfile.from_alleles(
        {"TH01": ("6", "9.3"), "FGA": ("20", "23"), "D18S51": ("14", "16"), "D21S11": ("29", "30")}
    )
    child = DnaProfile.from_alleles(
        {"TH01": ("6", "7"), "FGA": ("23", "24"), "D18S51": ("14", "15"), "D21S11": ("28", "29")},
        name="child",
    )
    stranger = DnaProfile.from_alleles(dict.fromkeys(loci, ("8", "11")), name="stranger")
    other = DnaProfile.from_alleles({"SE33": ("14",)}, name="nothing in common")
    found = familial_search(probe, [stranger, child, other], "parent-child", tables)
    assert [candidate.profile.name for candidate in found] == ["child"]
    assert found[0].kinship.lr == min(
        kinship_lr(probe, child, "parent-child", table, 0.01) for table in tables
    )
