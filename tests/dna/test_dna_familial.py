"""Scans of every row give the plain formulas' figures and the plain search's order."""

import numpy as np
import pytest
from dna_strategies import databases, plain, profiles
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biomatch.dna import DnaProfile, Frequencies
from biomatch.dna.familial import (
    ScanTables,
    contributors,
    kinship_ratios,
    kinship_tables,
    parent_child_rows,
    relatives,
)
from biomatch.dna.gallery import DnaGallery
from biomatch.dna.kinship import familial_search, least_favourable_kinship
from biomatch.dna.mixture import MixtureModel, mixture

TABLES = (Frequencies.load("nist1036", "Cauc"), Frequencies.load("nist1036", "Asian"))
RELATIONS = ("parent-child", "full-sib", "half-sib", "first-cousin")
SETTINGS = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def gallery(references: list[DnaProfile]) -> DnaGallery:
    return DnaGallery.build([profile.dumps() for profile in references])


@SETTINGS
@given(databases, profiles(plain), st.sampled_from(RELATIONS), st.sampled_from((0.0, 0.01, 0.03)))
def test_log10_lr_of_every_row(
    references: list[DnaProfile], probe: DnaProfile, relation: str, theta: float
) -> None:
    """Rows with a wildcard or more than two alleles at a locus leave that locus out."""
    built = gallery(references)
    scores = kinship_tables(built.columns, probe, relation, TABLES, theta).scores(
        np.arange(len(references))
    )
    for profile, score in zip(references, scores, strict=True):
        try:
            index = least_favourable_kinship(probe, profile, relation, TABLES, theta)
        except ValueError:  # no usable locus in common
            assert score == 0.0
            continue
        if np.isfinite(index.log10):
            assert score == pytest.approx(index.log10, rel=1e-9, abs=1e-9)
        else:  # an excluding locus counts as a mutation in a scan
            assert np.isfinite(score)


@SETTINGS
@given(databases, profiles(plain))
def test_ranking_is_that_of_the_plain_search(
    references: list[DnaProfile], probe: DnaProfile
) -> None:
    built = gallery(references)
    rows, scores = relatives(built, probe, "full-sib", TABLES, min_log10_lr=0.0, min_loci=1)
    truth = [
        item
        for item in familial_search(probe, references, "full-sib", TABLES, theta=0.01, min_lr=1.0)
        if set(item.profile.autosomal) & set(probe.autosomal)
    ]
    expected = np.array([item.kinship.log10 for item in truth])
    usable = [score for score in scores if score > 1e-12]
    assert usable == pytest.approx([value for value in expected if value > 1e-12])
    assert (np.diff(scores) <= 0).all()
    assert len(set(rows.tolist())) == len(rows)


def test_keeping_few_keeps_the_best() -> None:
    rng = np.random.default_rng(3)
    alleles = [str(n) for n in range(10, 20)]
    references = [
        DnaProfile.from_alleles(
            {locus: rng.choice(alleles, 2) for locus in ("FGA", "D18S51", "SE33", "D12S391")}
        )
        for _ in range(3000)
    ]
    built = gallery(references)
    probe = references[7]
    every, all_scores = relatives(built, probe, "full-sib", TABLES, keep=3000, min_loci=1)
    few, scores = relatives(built, probe, "full-sib", TABLES, keep=5, min_loci=1)
    assert few.tolist() == every[:5].tolist()
    assert scores.tolist() == all_scores[:5].tolist()
    assert few[0] == 7
    allowed = np.ones(3000, np.bool_)
    allowed[7] = False
    assert 7 not in relatives(built, probe, "full-sib", TABLES, min_loci=1, allowed=allowed)[0]
    built.remove(np.array([7]))
    assert 7 not in relatives(built, probe, "full-sib", TABLES, min_loci=1)[0]


def test_rows_with_too_few_loci_take_no_place() -> None:
    """Many short profiles that resemble the probe do not crowd out the long one that counts."""
    probe = DnaProfile.from_alleles(
        {"TH01": ("5", "10"), "vWA": ("11", "21"), "FGA": ("20", "22"), "D3S1358": ("15", "16")}
    )
    short = DnaProfile.from_alleles({"TH01": ("5", "10"), "vWA": ("11", "21")})
    sib = DnaProfile.from_alleles(
        {"TH01": ("7", "10"), "vWA": ("17", "21"), "FGA": ("20", "22"), "D3S1358": ("15", "17")}
    )
    built = gallery([*[short] * 500, sib])
    rows, _ = relatives(built, probe, "full-sib", TABLES, keep=1, min_loci=4)
    assert rows.tolist() == [500]
    assert relatives(built, probe, "full-sib", TABLES, keep=1, min_loci=2)[0].tolist() == [0]


@SETTINGS
@given(databases, databases, profiles(plain), st.sampled_from(RELATIONS))
def test_tables_of_one_probe_serve_every_gallery(
    first: list[DnaProfile], second: list[DnaProfile], probe: DnaProfile, relation: str
) -> None:
    shared = kinship_ratios(probe, relation, TABLES, 0.01)
    for references in (first, second):
        columns, rows = gallery(references).columns, np.arange(len(references))
        own = kinship_tables(columns, probe, relation, TABLES, 0.01).scores(rows)
        assert ScanTables(columns, shared).scores(rows).tolist() == own.tolist()


def test_alleles_that_no_table_lists_are_told_apart() -> None:
    """Two of them have one frequency, but a homozygote is no heterozygote."""
    table = Frequencies.from_dict({"TH01": {"6": 0.5, "7": 0.5}}, minimum=0.01)
    probe = DnaProfile.from_alleles({"TH01": ("6", "12")})
    others = [
        DnaProfile.from_alleles({"TH01": pair})
        for pair in (("3", "4"), ("3", "3"), ("3", "12"), ("12", "12"), ("4", "6"))
    ]
    scores = kinship_tables(gallery(others).columns, probe, "full-sib", [table], 0.03).scores(
        np.arange(len(others))
    )
    for other, score in zip(others, scores, strict=True):
        exact = least_favourable_kinship(probe, other, "full-sib", [table], 0.03).log10
        assert score == pytest.approx(exact, rel=1e-12)


def test_parent_and_child_share_an_allele_at_all_loci_but_mutations() -> None:
    child = DnaProfile.from_alleles(
        {"TH01": ("6", "9.3"), "vWA": ("14", "17"), "FGA": ("20", "22")}
    )
    father = DnaProfile.from_alleles({"TH01": ("6", "7"), "vWA": ("17",), "FGA": ("22", "24")})
    mutated = DnaProfile.from_alleles({"TH01": ("6", "7"), "vWA": ("18",), "FGA": ("22", "24")})
    other = DnaProfile.from_alleles({"TH01": ("7", "8"), "vWA": ("15",), "FGA": ("22", "24")})
    built = gallery([other, father, mutated])
    assert parent_child_rows(built, child, 0, 3).tolist() == [1]
    assert parent_child_rows(built, child, 1, 3).tolist() == [1, 2]
    rows, scores = relatives(built, child, "parent-child", TABLES, min_loci=3, min_log10_lr=-10.0)
    assert rows.tolist() == [1, 2]
    exact = least_favourable_kinship(child, father, "parent-child", TABLES, 0.01)
    assert scores[0] == pytest.approx(exact.log10)


@SETTINGS
@given(st.lists(profiles(plain), min_size=1, max_size=15), profiles())
def test_contributors_have_the_plain_mixture_lr(
    references: list[DnaProfile], stain: DnaProfile
) -> None:
    model = MixtureModel(contributors=2, dropout=0.1, theta=0.01)
    built = gallery(references)
    rows, scores = contributors(built, stain, TABLES[:1], model=model, min_log10_lr=-50.0, keep=100)
    for row, score in zip(rows, scores, strict=True):
        try:
            exact = mixture(stain, references[row], TABLES[0], model=model)
        except ValueError:  # no usable locus in common
            assert score == 0.0
            continue
        assert score == pytest.approx(exact.log10, rel=1e-9, abs=1e-9)
