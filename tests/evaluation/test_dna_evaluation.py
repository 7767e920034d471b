"""Brute force, rank distributions, and the evaluation of a file against a file."""

from pathlib import Path

import numpy as np
import pytest

from biomatch.dna import DnaProfile, codes
from biomatch.dna.files import write
from biomatch.dna.matching import compare
from biomatch.dna.rules import rule_set
from biomatch.errors import OptionError
from biomatch.evaluation.dna import RankDistribution, brute_force, evaluate, plot_ranks

LOCI = ("TH01", "vWA", "FGA", "D3S1358", "D8S1179", "D18S51", "D21S11", "D13S317", "CSF1PO")


def people(n: int, alleles: int = 4) -> list[DnaProfile]:
    rng = np.random.default_rng(n)
    return [
        DnaProfile.from_alleles(
            {
                locus: [str(10 + a) for a in rng.integers(0, alleles, 2)]
                for locus in LOCI
                if rng.random() < 0.9
            },
            name=f"P{number}",
        )
        for number in range(n)
    ]


def test_brute_force_counts_what_the_reference_counts() -> None:
    references = people(200, alleles=3)
    columns = codes.pack([profile.dumps() for profile in references])
    rules = rule_set("moderate").with_limits(min_loci=6, max_mismatches=99)
    for probe in references[::20]:
        counted = brute_force(columns, probe, min_loci=6)
        for profile, wrong in zip(references, counted, strict=True):
            result = compare(probe, profile, rules)
            assert wrong == (result.mismatched if result.compared >= 6 else 255)


def test_brute_force_takes_plain_genotypes_only() -> None:
    columns = codes.pack([people(1)[0].dumps()])
    with pytest.raises(OptionError, match="one or two alleles"):
        brute_force(columns, DnaProfile.from_alleles({"TH01": ("6", "7", "8")}))


def test_rank_distribution(tmp_path: Path) -> None:
    ranks = RankDistribution("full-sib", 1000, (1, 1, 4, 200, 0))
    assert ranks.within(1) == 0.4
    assert ranks.within(1000) == 0.8
    assert ranks.median == 2.5
    assert ranks.as_row()[0] == "full-sib"
    plot_ranks([ranks], tmp_path / "ranks.png")
    assert (tmp_path / "ranks.png").read_bytes()[:4] == b"\x89PNG"


def test_evaluate_finds_the_donors(tmp_path: Path) -> None:
    everyone = people(40, alleles=9)
    stranger = DnaProfile.from_alleles(dict.fromkeys(LOCI, ("30", "31")), name="stranger")
    write(tmp_path / "database.csv", everyone)
    write(tmp_path / "probes.csv", [*(p for p in everyone[:9] if p.n_loci >= 8), stranger])
    result = evaluate(tmp_path / "database.csv", tmp_path / "probes.csv")
    assert result["database"] == 40
    assert result["probes"] == result["probes_with_donor"] + 1
    assert result["rank_1_0_mismatches"] == result["found_2_mismatches"] == 1.0
