"""The mixture model against plain enumeration of the unknown contributors' genotypes."""

import json
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomatch.dna.frequencies import Frequencies
from biomatch.dna.kinship import ibd_coefficients
from biomatch.dna.mixture import (
    Convention,
    MixtureModel,
    estimate_dropout,
    mixture,
    mixture_lr,
    mixture_table,
    rank_contributors,
)
from biomatch.dna.profile import DnaProfile
from biomatch.dna.statistics import sample_probability
from biomatch.errors import OptionError, ProfileError

SHARES = {"6": 0.2, "7": 0.3, "8": 0.1, "9.3": 0.4}
TABLE = Frequencies.from_dict({"TH01": SHARES})
ALLELES = list(SHARES)
GENOTYPE = st.tuples(st.sampled_from(ALLELES), st.sampled_from(ALLELES))
REPLICATE = st.sets(st.sampled_from(ALLELES), max_size=4)


def stain(*replicates):
    return DnaProfile.from_alleles({}, replicates=[{"TH01": tuple(r)} for r in replicates])


def one(genotype, name="person"):
    return DnaProfile.from_alleles({"TH01": genotype}, name=name)


def seen_given(replicates, contributors, dropin):
    """P(all replicates | contributors as (genotype, drop-out)), allele by allele."""
    chance = 1.0
    for seen in replicates:
        unexplained = 0
        for allele in ALLELES:
            missing, carried = 1.0, False
            for genotype, dropout in contributors:
                copies = genotype.count(allele)
                missing *= dropout**copies
                carried = carried or copies > 0
            if carried:
                chance *= 1.0 - missing if allele in seen else missing
            elif allele in seen:
                chance *= dropin * SHARES[allele]
                unexplained += 1
        chance *= 1.0 if unexplained else 1.0 - dropin
    return chance


def by_enumeration(replicates, known, typed, unknowns, model):
    """Sum over ordered alleles of every unknown contributor."""
    base = [(a, SHARES[a]) for genotype in typed for a in genotype]
    start = sample_probability(base, model.theta)
    total = 0.0
    for genes in product(ALLELES, repeat=2 * unknowns):
        drawn = base + [(a, SHARES[a]) for a in genes]
        weight = sample_probability(drawn, model.theta) / start
        people = [(genes[2 * i : 2 * i + 2], model.dropout) for i in range(unknowns)]
        total += weight * seen_given(replicates, known + people, model.dropin)
    return total


MODELS = st.builds(
    MixtureModel,
    contributors=st.sampled_from([1, 2, 3]),
    dropout=st.sampled_from([0.0, 0.1, 0.4]),
    candidate_dropout=st.sampled_from([None, 0.2]),
    dropin=st.sampled_from([0.0, 0.05]),
    theta=st.sampled_from([0.0, 0.03]),
)


@given(st.lists(REPLICATE, min_size=1, max_size=2), GENOTYPE, st.booleans(), MODELS)
@settings(max_examples=60, deadline=None)
def test_equals_enumeration(replicates, suspect, with_victim, model):
    victim = ("6", "9.3")
    if with_victim and model.contributors == 1:
        return
    known = [(victim, model.dropout)] if with_victim else []
    typed = [suspect, *(genotype for genotype, _ in known)]
    own = model.dropout if model.candidate_dropout is None else model.candidate_dropout
    above = by_enumeration(
        replicates, [(suspect, own), *known], typed, model.contributors - 1 - len(known), model
    )
    below = by_enumeration(replicates, known, typed, model.contributors - len(known), model)
    result = mixture(
        stain(*replicates),
        one(suspect),
        TABLE,
        known=[one(victim)] if with_victim else [],
        model=model,
    )
    expected = above / below if below else (math.inf if above else 0.0)
    assert result.lr == pytest.approx(expected, rel=1e-9)


@given(REPLICATE, GENOTYPE, st.sampled_from(["parent-child", "full-sib", "half-sib"]))
@settings(max_examples=20, deadline=None)
def test_a_relative_under_hd_is_the_mixture_of_ibd_states(seen, suspect, relation):
    """With theta 0, k0 of the relative's genotypes are a stranger's, k2 the suspect's own."""
    model = MixtureModel(contributors=1, dropout=0.1, relation=ibd_coefficients(relation))
    result = mixture(stain(seen), one(suspect), TABLE, model=model)
    k0, k1, k2 = ibd_coefficients(relation)
    above = seen_given([seen], [(suspect, 0.1)], 0.05)
    stranger = by_enumeration([seen], [], [], 1, model)
    one_shared = sum(
        0.5 * SHARES[other] * seen_given([seen], [((own, other), 0.1)], 0.05)
        for own in suspect
        for other in ALLELES
    )
    below = k0 * stranger + k1 * one_shared + k2 * above
    assert result.lr == pytest.approx(above / below)


@given(st.lists(REPLICATE, min_size=1, max_size=2), MODELS, st.sampled_from(list(Convention)))
@settings(max_examples=15, deadline=None)
def test_scan_table_is_the_plain_computation(replicates, model, convention):
    from dataclasses import replace

    model = replace(model, convention=convention)
    evidence = stain(*replicates)
    alleles = [*ALLELES, "11"]
    table = mixture_table(evidence, "TH01", alleles, frequencies=TABLE, model=model)
    for i, a in enumerate(alleles):
        for j, b in enumerate(alleles):
            expected = mixture(evidence, one((a, b)), TABLE, model=model).lr
            assert table[i, j] == pytest.approx(expected, rel=1e-12)


def test_scan_table_says_nothing_without_the_locus():
    table = mixture_table(stain({"6"}), "FGA", ("20", "21"), frequencies=TABLE)
    assert np.array_equal(table, np.ones((2, 2)))


def test_more_drop_out_explains_a_missing_allele_better():
    low = mixture_lr(stain({"6"}), one(("6", "7")), TABLE, contributors=1, dropout=0.01)
    high = mixture_lr(stain({"6"}), one(("6", "7")), TABLE, contributors=1, dropout=0.4)
    assert low < 1.0 < high


def test_four_contributors():
    evidence = stain({"6", "7", "8", "9.3"})
    lr = mixture_lr(evidence, one(("6", "7")), TABLE, contributors=4, dropout=0.1, theta=0.01)
    assert 0.5 < lr < 5.0


def test_estimate_finds_the_drop_out_that_made_the_stain():
    nist = Frequencies.load("nist1036", "Cauc")
    rng = np.random.default_rng(5)
    for truth in (0.05, 0.4):
        replicates = [{}, {}, {}]
        for locus, shares in nist.table.items():
            weights = np.array(list(shares.values()))
            genes = rng.choice(list(shares), 4, p=weights / weights.sum())
            for table in replicates:
                kept = [a for a in genes if rng.random() >= truth]
                table[locus] = tuple(sorted(set(kept)))
        evidence = DnaProfile.from_alleles({}, replicates=replicates)
        assert estimate_dropout(evidence, nist) == pytest.approx(truth, abs=0.1)


def test_estimate_is_stated():
    result = mixture(
        stain({"6"}), one(("6", "7")), TABLE, model=MixtureModel(contributors=1), estimate=True
    )
    assert result.estimated
    assert 0.01 <= result.model.dropout <= 0.99
    told = json.loads(json.dumps(result.as_dict()))
    assert told["dropout_estimated"] is True
    assert told["convention"] == "lrmix"


def test_ranking_takes_the_least_favourable_population():
    tables = [TABLE, Frequencies.from_dict({"TH01": {"6": 0.5, "7": 0.5}}, name="other")]
    people = [one(("8", "8"), "no"), one(("6", "7"), "yes"), DnaProfile.from_alleles({}, name="-")]
    model = MixtureModel(contributors=1, dropout=0.1)
    ranked = rank_contributors(stain({"6", "7"}), people, tables, model=model)
    assert [person.name for person, _ in ranked] == ["yes", "no"]
    assert ranked[0][1].lr == min(
        mixture(stain({"6", "7"}), people[1], table, model=model).lr for table in tables
    )
    lr = mixture_lr(stain({"6", "7"}), people[1], tables, contributors=1, dropout=0.1)
    assert lr == ranked[0][1].lr
    with pytest.raises(OptionError, match="no frequency table"):
        rank_contributors(stain({"6"}), people, [])
    with pytest.raises(OptionError, match="no frequency table"):
        mixture_lr(stain({"6"}), people[0], [])


def test_candidates_that_are_not_typed_leave_the_locus_out():
    evidence = DnaProfile.from_alleles({"TH01": ("6", "7"), "FGA": ("20",), "AMEL": ("X",)})
    table = Frequencies.from_dict({"TH01": SHARES, "FGA": {"20": 0.5, "21": 0.5}})
    result = mixture(evidence, one(("6", "7")), table)
    assert (tuple(result.loci), result.unused) == (("TH01",), ("FGA",))
    with pytest.raises(ProfileError, match="no locus in common"):
        mixture(evidence, one(("6", "F")), table)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"contributors": 5}, "contributors is 5"),
        ({"dropout": 1.0}, "dropout is 1"),
        ({"dropin": -0.1}, "dropin is -0"),
        ({"theta": 1.0}, "theta is 1"),
        ({"convention": "other"}, "unknown mixture convention 'other'"),
        ({"relation": "friend"}, "unknown relation 'friend'"),
    ],
)
def test_parameters_are_checked(values, message):
    with pytest.raises(OptionError, match=message):
        mixture_lr(stain({"6"}), one(("6", "7")), TABLE, **{"dropout": 0.1, **values})


def test_too_many_known_contributors():
    with pytest.raises(OptionError, match="1 known contributors and the candidate"):
        mixture_lr(
            stain({"6"}), one(("6", "7")), TABLE, contributors=1, known=[one(("6",))], dropout=0.1
        )


def test_off_ladder_alleles_are_rare():
    evidence = DnaProfile.from_alleles({"TH01": ("6", "OL")})
    lr = mixture_lr(evidence, one(("6", "11")), TABLE, contributors=2, dropout=0.1)
    assert math.isfinite(lr)
    assert lr > 0.0
