"""Pedigree likelihoods against plain enumeration of all genotypes, and against closed forms."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomatch.dna.frequencies import Frequencies
from biomatch.dna.kinship import kinship_lr
from biomatch.dna.mutation import MutationModel
from biomatch.dna.pedigree import Pedigree, Person
from biomatch.dna.profile import DnaProfile
from biomatch.dna.relationship import (
    RELATION_PEDIGREES,
    compare_pedigrees,
    pedigree_likelihood,
    pedigree_lr,
    relation_lr,
)
from biomatch.dna.statistics import sample_probability
from biomatch.errors import OptionError, ProfileError

SHARES = {"8": 0.2, "9": 0.5, "9.3": 0.3}
TABLE = Frequencies.from_dict({"TH01": SHARES})
TRIO = Pedigree.of(Person("c", "f", "m"))
FAMILIES = {
    "trio": TRIO,
    "sibs": Pedigree.of(Person("c", "f", "m"), Person("d", "f", "m")),
    "half sibs": Pedigree.of(Person("c", "f", "m"), Person("d", "f", "n")),
    "grandparent": Pedigree.of(Person("f", "g", "h"), Person("c", "f", "m")),
    "inbred": Pedigree.of(Person("d", "f", "m"), Person("c", "f", "d")),
}
MODELS = {
    "none": MutationModel(),
    "equal": MutationModel("equal", 0.05, rate_female=0.02),
    "proportional": MutationModel("proportional", 0.05),
    "stepwise": MutationModel("stepwise", 0.05, rate2=0.01, step_ratio=0.2),
}


def one(*alleles):
    return DnaProfile.from_alleles({"TH01": alleles})


def by_enumeration(pedigree, profiles, theta, model, null):
    """Sum over all ordered genotypes of all members."""
    alleles = [*SHARES] + (["null"] if null else [])
    shares = {a: p * (1 - null) for a, p in SHARES.items()} | {"null": null}
    matrices = model.matrices(tuple(SHARES), np.array(list(SHARES.values())))

    def passed(parent, child, sex):
        if "null" in (parent, child):
            return float(parent == child)
        order = list(SHARES)
        return float(matrices[sex][order.index(parent), order.index(child)])

    def shown(genotype):
        return {a for a in genotype if a != "null"}

    total = 0.0
    pairs = list(product(alleles, alleles))
    for choice in product(pairs, repeat=len(pedigree.members)):
        genotypes = dict(zip((p.name for p in pedigree.members), choice, strict=True))
        if any(shown(genotypes[n]) != set(p.loci["TH01"]) for n, p in profiles.items()):
            continue
        founders = [p.name for p in pedigree.members if p.father is None]
        genes = [(a, shares[a]) for name in founders for a in genotypes[name]]
        chance = sample_probability(genes, theta)
        for person in pedigree.members:
            if person.father is not None:
                for side, parent in enumerate((person.father, person.mother)):
                    a, b = genotypes[parent]
                    child = genotypes[person.name][side]
                    chance *= 0.5 * (passed(a, child, side) + passed(b, child, side))
        total += chance
    return total


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("model", MODELS)
@given(st.data())
@settings(max_examples=4, deadline=None)
def test_equals_enumeration(family, model, data):
    pedigree = FAMILIES[family]
    if len(pedigree.members) > 4:
        theta, null = data.draw(st.sampled_from([(0.0, 0.0), (0.05, 0.0)]))
    else:
        theta = data.draw(st.sampled_from([0.0, 0.03]))
        null = data.draw(st.sampled_from([0.0, 0.04])) if len(pedigree.members) < 4 else 0.0
    typed = data.draw(st.sets(st.sampled_from(sorted(pedigree.names)), min_size=1))
    pairs = st.tuples(st.sampled_from(list(SHARES)), st.sampled_from(list(SHARES)))
    profiles = {name: one(*data.draw(pairs)) for name in sorted(typed)}
    expected = by_enumeration(pedigree, profiles, theta, MODELS[model], null)
    found = pedigree_likelihood(
        pedigree, profiles, TABLE, theta=theta, mutation=MODELS[model], null=null
    )["TH01"]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-18)


RELATED = {
    **RELATION_PEDIGREES,
    "double-first-cousin": Pedigree.of(
        Person("u", "f", "m"),
        Person("p", "f", "m"),
        Person("v", "g", "n"),
        Person("q", "g", "n"),
        Person("a", "u", "v"),
        Person("b", "p", "q"),
    ),
}


@pytest.mark.parametrize("relation", RELATED)
@pytest.mark.parametrize("theta", [0.0, 0.02])
def test_equals_the_pairwise_formula(relation, theta):
    nist = Frequencies.load("nist1036", "Cauc")
    for a, b in [(("6", "7"), ("6", "9.3")), (("6", "6"), ("6", "6")), (("6", "7"), ("8", "9"))]:
        typed = {"a": one(*a), "b": one(*b)}
        found = pedigree_lr(RELATED[relation], Pedigree.of(), typed, nist, theta=theta)
        assert found == pytest.approx(kinship_lr(one(*a), one(*b), relation, nist, theta))


@given(st.sampled_from(["equal", "proportional", "stepwise"]), st.floats(0, 0.2))
@settings(max_examples=20, deadline=None)
def test_genotypes_sum_to_one(kind, rate):
    """Over all genotypes of an untyped child's child the likelihood is that of the rest."""
    pedigree = Pedigree.of(Person("d", "f", "m"), Person("c", "d", "n"))
    model = MutationModel(kind, rate)
    known = {"f": one("8", "9")}
    base = pedigree_likelihood(pedigree, known, TABLE, mutation=model, theta=0.01)["TH01"]
    alleles = list(SHARES)
    total = sum(
        pedigree_likelihood(pedigree, {**known, "c": one(a, b)}, TABLE, mutation=model, theta=0.01)[
            "TH01"
        ]
        for i, a in enumerate(alleles)
        for b in alleles[i:]
    )
    assert total == pytest.approx(base)


def test_a_drop_out_wildcard_is_the_sum_over_the_other_allele():
    typed = {"f": one("8", "F"), "c": one("8", "9")}
    total = sum(
        pedigree_likelihood(TRIO, {"f": one("8", other), "c": one("8", "9")}, TABLE)["TH01"]
        for other in SHARES
    )
    assert pedigree_likelihood(TRIO, typed, TABLE)["TH01"] == pytest.approx(total)


def test_unlisted_alleles_have_the_minimum():
    father, child = one("11", "8"), one("11", "9")
    found = pedigree_lr(
        Pedigree.of(Person("c", "f", "m")), Pedigree.of(), {"f": father, "c": child}, TABLE
    )
    assert found == pytest.approx(kinship_lr(father, child, "parent-child", TABLE))


def test_an_exclusion_needs_mutation():
    typed = {"f": one("8", "8"), "m": one("9", "9"), "c": one("9", "9.3")}
    unrelated = Pedigree.of(Person("c", "x", "m"))
    assert pedigree_lr(TRIO, unrelated, typed, TABLE) == 0.0
    mutated = compare_pedigrees(
        TRIO, unrelated, typed, TABLE, mutation=MutationModel("stepwise", 0.002, rate2=1e-5)
    )
    assert 0.0 < mutated.lr < 1e-3
    assert mutated.as_dict()["mutation"] == "stepwise"


def test_a_relation_with_mutation():
    model = MutationModel("stepwise", 0.01, rate_female=0.0)
    father, child = one("8", "8"), one("9", "9.3")
    assert relation_lr(father, child, "parent-child", TABLE).lr == 0.0
    mutated = relation_lr(father, child, "parent-child", TABLE, mutation=model)
    assert 0.0 < mutated.lr < 0.1
    assert mutated.loci["TH01"] == pytest.approx(0.01 / (2 * SHARES["9"]))
    with pytest.raises(OptionError, match="no pedigree for the relation 'identical'"):
        relation_lr(father, child, "identical", TABLE)


def test_least_favourable_population():
    typed = {"f": one("8", "9"), "c": one("8", "8")}
    other = Frequencies.from_dict({"TH01": {"8": 0.6, "9": 0.4}}, name="other")
    single = [pedigree_lr(TRIO, Pedigree.of(), typed, table) for table in (TABLE, other)]
    assert pedigree_lr(TRIO, Pedigree.of(), typed, [TABLE, other]) == min(single)
    with pytest.raises(OptionError, match="no frequency table"):
        pedigree_lr(TRIO, TRIO, typed, [])


def test_errors():
    typed = {"f": one("8", "9")}
    with pytest.raises(OptionError, match="null allele frequency is 1"):
        pedigree_likelihood(TRIO, typed, TABLE, null=1.0)
    with pytest.raises(ProfileError, match="no locus in common"):
        pedigree_lr(TRIO, TRIO, {"f": DnaProfile.from_alleles({"FGA": ("20",)})}, TABLE)
    big = Frequencies.load("nist1036", "Cauc")
    sibs = {n: DnaProfile.from_alleles({"SE33": ("17", "28.2")}) for n in ("c", "d")}
    with pytest.raises(OptionError, match="integration nodes"):
        pedigree_lr(
            FAMILIES["sibs"], TRIO, sibs, big, theta=0.01, mutation=MutationModel("stepwise", 0.01)
        )


def test_too_many_loops_are_refused_not_computed():
    """Four fathers with four mothers, a grandchild by each pair, and every allele of SE33."""
    pairs = [(i, j) for i in range(4) for j in range(4)]
    pedigree = Pedigree.of(
        *(Person(f"{parent}{i}") for parent in "fm" for i in range(4)),
        *(Person(f"c{i}{j}", f"f{i}", f"m{j}") for i, j in pairs),
        *(Person(f"g{i}{j}", f"c{i}{j}", f"wife {i}{j}") for i, j in pairs),
    )
    typed = {f"g{i}{j}": DnaProfile.from_alleles({"SE33": ("17", "28.2")}) for i, j in pairs}
    big = Frequencies.load("nist1036", "Cauc")
    with pytest.raises(OptionError, match="too many loops"):
        pedigree_likelihood(pedigree, typed, big, mutation=MutationModel("stepwise", 0.01))


def test_null_alleles_can_be_given_by_locus():
    typed = {"f": one("8"), "c": one("9")}
    assert pedigree_lr(TRIO, Pedigree.of(), typed, TABLE) == 0.0
    assert pedigree_lr(TRIO, Pedigree.of(), typed, TABLE, null={"TH01": 0.01}) > 0.0
    assert pedigree_lr(TRIO, Pedigree.of(), typed, TABLE, null={"FGA": 0.01}) == 0.0
