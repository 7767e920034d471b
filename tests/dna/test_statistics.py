import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch.dna.frequencies import Frequencies
from biomatch.dna.profile import DnaProfile
from biomatch.dna.statistics import (
    Formula,
    expected_adventitious,
    genotype_probability,
    least_favourable,
    log10_lr,
    rarity,
    rmp,
    sample_probability,
)
from biomatch.errors import OptionError, ProfileError

TABLE = Frequencies.from_dict({"TH01": {"6": 0.2, "7": 0.3, "9.3": 0.5}, "FGA": {"20": 1.0}})
THETAS = st.floats(0.0, 0.3)


def one(*alleles):
    return DnaProfile.from_alleles({"TH01": alleles})


@given(THETAS, st.sampled_from(list(Formula)))
def test_genotypes_of_a_closed_table(theta, formula):
    """Under Wright's formula the genotypes of a table sum to 1; the others differ as stated."""
    shares = list(TABLE.table["TH01"].values())
    total = sum(
        genotype_probability(p, None if i == j else q, theta, formula)
        for i, p in enumerate(shares)
        for j, q in enumerate(shares)
        if i <= j
    )
    if formula is Formula.WRIGHT or theta == 0.0:
        assert total == pytest.approx(1.0)
    else:
        assert total >= 1.0 - 1e-12


def test_nrc410_is_the_sampling_formula_given_the_profile_once():
    for theta in (0.0, 0.01, 0.05):
        seen = [("6", 0.2), ("7", 0.3)]
        given_once = 2 * sample_probability(seen * 2, theta) / sample_probability(seen, theta)
        assert genotype_probability(0.2, 0.3, theta, "nrc410") == pytest.approx(given_once)
        seen = [("6", 0.2)] * 2
        given_once = sample_probability(seen * 2, theta) / sample_probability(seen, theta)
        assert genotype_probability(0.2, None, theta, "nrc410") == pytest.approx(given_once)


@given(st.permutations([("6", 0.2), ("6", 0.2), ("7", 0.3), ("9.3", 0.5)]), THETAS)
def test_sampling_formula_ignores_the_order(alleles, theta):
    plain = [("6", 0.2), ("6", 0.2), ("7", 0.3), ("9.3", 0.5)]
    assert sample_probability(alleles, theta) == pytest.approx(sample_probability(plain, theta))


@pytest.mark.parametrize("formula", list(Formula))
@pytest.mark.parametrize("theta", [0.0, 0.02])
def test_one_known_allele_is_the_sum_over_the_other(formula, theta):
    """A wildcard stands for any second allele (exact for the unconditional formulas)."""
    value = rmp(one("6", "F"), TABLE, theta, formula)
    if formula is Formula.NRC410 and theta:
        once = [("6", 0.2)]
        neither = sum(
            sample_probability([*once, a, b], theta)
            for a in (("7", 0.3), ("9.3", 0.5))
            for b in (("7", 0.3), ("9.3", 0.5))
        ) / sample_probability(once, theta)
        assert value == pytest.approx(1.0 - neither)
        return
    total = sum(rmp(one("6", other), TABLE, theta, formula) for other in ("6", "7", "9.3"))
    assert value == pytest.approx(total)


def test_wildcards_never_make_a_profile_rarer():
    assert rmp(one("6", "F"), TABLE) > rmp(one("6", "7"), TABLE)
    assert rmp(one("*"), TABLE) == 1.0
    assert rmp(one("OL", "F"), TABLE) == 1.0


def test_inclusion_of_a_mixture():
    assert rmp(one("6", "7", "9.3"), TABLE) == pytest.approx(1.0)
    line = rarity(
        DnaProfile.from_alleles({"TH01": ("6", "7", "8")}), TABLE.with_minimum(0.1), 0.0
    ).loci[0]
    assert (line.kind, line.probability) == ("inclusion", pytest.approx(0.36))


def test_loci_are_multiplied_and_the_unused_are_named():
    profile = DnaProfile.from_alleles({"TH01": ("6", "7"), "FGA": ("20",), "SE33": ("14",)})
    result = rarity(profile, TABLE, theta=0.0)
    assert result.probability == pytest.approx(0.12)
    assert result.log10 == pytest.approx(math.log10(0.12))
    assert result.unused == ("SE33",)
    assert result.as_dict()["formula"] == "nrc41"
    assert result.as_dict()["minimum_frequency"].startswith("5/2N")


def test_unlisted_alleles_have_the_minimum():
    assert rmp(one("6", "11"), TABLE, 0.0) == pytest.approx(2 * 0.2 * 0.001)


def test_least_favourable_population():
    tables = [Frequencies.load("nist1036", name) for name in ("Cauc", "AA", "Asian")]
    profile = DnaProfile.from_alleles({"TH01": ("6", "9.3"), "FGA": ("20", "23")})
    worst = least_favourable(profile, tables)
    assert worst.probability == max(rmp(profile, table) for table in tables)
    assert rmp(profile, tables) == worst.probability
    with pytest.raises(OptionError, match="no frequency table"):
        rmp(profile, [])


def test_parameters_are_checked():
    with pytest.raises(OptionError, match="theta is 1"):
        rmp(one("6"), TABLE, theta=1.0)
    with pytest.raises(OptionError, match="unknown formula 'nrc'; known are nrc41"):
        rmp(one("6"), TABLE, formula="nrc")
    with pytest.raises(ProfileError, match="no locus in common"):
        rmp(DnaProfile.from_alleles({"SE33": ("14",)}), TABLE)


def test_adventitious_matches():
    assert expected_adventitious(1e-7, 10_000_000) == pytest.approx(1.0)


def test_log10_of_ratios():
    assert log10_lr({"A": 10.0, "B": 0.1}) == pytest.approx(0.0)
    assert log10_lr({"A": 10.0, "B": 0.0}) == -math.inf
    assert log10_lr({str(i): 1e-300 for i in range(4)}) == pytest.approx(-1200.0)
