"""The adventitious hit rate is the share of random persons that the plain rule reports."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomatch.dna import DnaProfile, Frequencies
from biomatch.dna.adventitious import adventitious_probability
from biomatch.dna.matching import compare
from biomatch.dna.rules import rule_set

TABLE = Frequencies.from_dict(
    {
        "TH01": {"6": 0.2, "7": 0.3, "9.3": 0.5},
        "vWA": {"14": 0.1, "15": 0.25, "16": 0.65},
        "D3S1358": {"14": 0.4, "14.3": 0.1, "15": 0.5},
    }
)
ALLELES = {locus: [*TABLE.alleles(locus), "F"] for locus in TABLE.loci}


def persons() -> list[tuple[float, DnaProfile]]:
    """All genotypes of the three loci with their Hardy-Weinberg probabilities."""
    tables = []
    for locus in TABLE.loci:
        pairs = itertools.combinations_with_replacement(TABLE.alleles(locus), 2)
        p = {allele: TABLE.frequency(locus, allele) for allele in TABLE.alleles(locus)}
        tables.append([(locus, (a, b), p[a] * p[b] * (1 if a == b else 2)) for a, b in pairs])
    everyone = []
    for genotypes in itertools.product(*tables):
        weight = 1.0
        for _, _, share in genotypes:
            weight *= share
        profile = DnaProfile.from_alleles({locus: pair for locus, pair, _ in genotypes})
        everyone.append((weight, profile))
    return everyone


EVERYONE = persons()


@settings(deadline=None, max_examples=40)
@given(
    st.fixed_dictionaries(
        {
            locus: st.lists(st.sampled_from(tokens), min_size=1, max_size=3)
            for locus, tokens in ALLELES.items()
        }
    ),
    st.sampled_from(("high", "moderate", "low")),
    st.integers(0, 2),
)
def test_sum_over_all_persons(table: dict[str, list[str]], rule: str, mismatches: int) -> None:
    rules = rule_set(rule).with_limits(min_loci=3, max_mismatches=mismatches)
    probe = DnaProfile.from_alleles(table)
    reported = sum(weight for weight, person in EVERYONE if compare(probe, person, rules).is_hit)
    chance = adventitious_probability(probe, [TABLE], rules, theta=0.0)
    assert chance == pytest.approx(reported, abs=1e-12)


def test_theta_makes_strangers_more_alike() -> None:
    probe = DnaProfile.from_alleles({"TH01": ("6",), "vWA": ("14",)})
    rules = rule_set("high").with_limits(min_loci=2)
    plain = adventitious_probability(probe, [TABLE], rules, theta=0.0)
    assert plain == pytest.approx(0.2**2 * 0.1**2)
    assert adventitious_probability(probe, [TABLE], rules, theta=0.03) > plain
