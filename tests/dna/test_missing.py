import numpy as np
import pytest

from biomatch.dna.frequencies import Frequencies
from biomatch.dna.loci import LOCUS_SETS
from biomatch.dna.missing import (
    Family,
    missing_person,
    pedigree_table,
    rank_families,
    rank_remains,
)
from biomatch.dna.mutation import MutationModel
from biomatch.dna.pedigree import Pedigree, Person
from biomatch.dna.profile import DnaProfile
from biomatch.errors import OptionError

NIST = Frequencies.load("nist1036", "Cauc")
PEDIGREE = Pedigree.of(Person("MP", "FA", "MO"), Person("S", "FA", "MO"))
ALLELES = ("6", "7", "8", "9", "9.3", "10", "11")


def drawn(rng, locus):
    shares = NIST.table[locus]
    weights = np.array(list(shares.values()))
    return tuple(rng.choice(list(shares), 2, p=weights / weights.sum()))


def founder(rng):
    return {locus: drawn(rng, locus) for locus in LOCUS_SETS["codis13"]}


def child(rng, father, mother):
    return {locus: (rng.choice(father[locus]), rng.choice(mother[locus])) for locus in father}


def simulated(seed):
    """Family with typed mother and sib, and its missing member's profile."""
    rng = np.random.default_rng(seed)
    father, mother = founder(rng), founder(rng)
    sib, person = child(rng, father, mother), child(rng, father, mother)
    profiles = {
        "MO": DnaProfile.from_alleles(mother, name="MO"),
        "S": DnaProfile.from_alleles(sib, name="S"),
    }
    family = Family(f"family {seed}", PEDIGREE, "MP", profiles)
    return family, DnaProfile.from_alleles(person, name=f"remains {seed}")


CASES = [simulated(seed) for seed in range(4)]


def test_each_family_finds_its_remains_and_each_remains_its_family():
    families = [family for family, _ in CASES]
    remains = [person for _, person in CASES]
    tables = [NIST, Frequencies.load("nist1036", "Hisp")]
    for family, person in CASES:
        best = rank_remains(family, remains, tables, theta=0.01)[0]
        assert best.candidate == person.name
        assert best.result.lr == min(
            missing_person(family, person, table, theta=0.01).lr for table in tables
        )
        assert rank_families(person, families, NIST)[0].family == family.name


def test_threshold_and_remains_without_common_loci():
    family, person = CASES[0]
    empty = DnaProfile.from_alleles({"SE33": ("14",)}, name="nothing in common")
    ranked = rank_remains(family, [empty, person], NIST, min_lr=1.0)
    assert [match.candidate for match in ranked] == [person.name]
    with pytest.raises(OptionError, match="no frequency table"):
        rank_remains(family, [person], [])


@pytest.mark.parametrize(
    ("theta", "mutation"),
    [
        (0.0, None),
        (0.02, None),
        (0.0, MutationModel("equal", 0.002, rate_female=0.001)),
        (0.0, MutationModel("stepwise", 0.002, rate2=1e-5)),
    ],
)
def test_scan_table_is_the_plain_computation(theta, mutation):
    family = Family(
        "inbred",
        Pedigree.of(Person("S", "FA", "MO"), Person("MP", "FA", "S")),
        "MP",
        {"MO": DnaProfile.from_alleles({"TH01": ("6", "9.3")})},
    )
    table = pedigree_table(
        family, "TH01", ALLELES, frequencies=NIST, theta=theta, mutation=mutation
    )
    for i, a in enumerate(ALLELES):
        for j, b in enumerate(ALLELES):
            person = DnaProfile.from_alleles({"TH01": (a, b)})
            expected = missing_person(family, person, NIST, theta=theta, mutation=mutation).lr
            assert table[i, j] == pytest.approx(expected, rel=1e-9)


def test_scan_table_says_nothing_without_typed_relatives():
    family = Family("untyped", PEDIGREE, "MP", {})
    assert np.array_equal(
        pedigree_table(family, "TH01", ("6", "7"), frequencies=NIST), np.ones((2, 2))
    )


@pytest.mark.parametrize(
    ("missing", "typed", "message"),
    [
        ("nobody", {}, "'nobody' is not in the pedigree"),
        ("MP", {"X": None}, "'X' is not in the pedigree"),
        ("MP", {"MP": None}, "the missing 'MP' is typed"),
    ],
)
def test_family_is_checked(missing, typed, message):
    with pytest.raises(OptionError, match=message):
        Family("case", PEDIGREE, missing, typed)
