"""Profiles searched in profiles: the candidate list, and the two commands on files."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from biomatch import dna
from biomatch.cli.dna import dna as command
from biomatch.dna import DnaProfile
from biomatch.errors import FormatError, OptionError

LOCI = ("TH01", "vWA", "FGA", "D3S1358", "D8S1179", "D18S51", "D21S11", "D13S317", "CSF1PO")


def person(name: str, first: str, second: str) -> DnaProfile:
    return DnaProfile.from_alleles(dict.fromkeys(LOCI, (first, second)), name=name)


def test_candidates_are_ranked_explained_and_counted() -> None:
    references = [person("B", "9", "12"), person("A", "9", "12"), person("C", "9", "13")]
    (found,) = dna.search([person("probe", "9", "12")], references, population="Cauc")
    assert [(one.rank, one.subject) for one in found] == [(1, "A"), (2, "B")]
    best = found[0]
    assert best.why["comparison"]["hit"] == "identity-high"
    assert best.expected_false == pytest.approx(3 * best.why["adventitious_probability"])
    assert best.log10_lr == pytest.approx(best.why["rarity"]["log10_rmp"] * -1)
    assert found.complete
    assert "nist1036 Cauc" in found.calibration
    (few,) = dna.search([person("probe", "9", "12")], references, limit=1)
    assert len(few) == 1
    (none,) = dna.search([person("probe", "17", "18")], references)
    assert len(none) == 0
    with pytest.raises(OptionError, match="unknown DNA option"):
        dna.search([person("probe", "9", "12")], references, colour="red")


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    probes, references = tmp_path / "stain.csv", tmp_path / "database.csv"
    dna.write(probes, [person("stain", "9", "12")])
    dna.write(references, [person("R1", "9", "12"), person("R2", "9", "13")], "smartrank")
    return probes, references


def test_search_command(tables: tuple[Path, Path]) -> None:
    probes, references = tables
    given = ["search", str(probes), "--in", str(references), "--format", "json"]
    result = CliRunner().invoke(command, given)
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert (row["candidate"], row["hit"], row["compared"]) == ("R1", "identity-high", 9)
    result = CliRunner().invoke(command, [*given, "--relation", "full-sib"])
    assert [row["candidate"] for row in json.loads(result.stdout)] == ["R1", "R2"]


@pytest.mark.parametrize("form", ["cmf", "long", "niem", "smartrank", "wide"])
def test_convert_command(tables: tuple[Path, Path], tmp_path: Path, form: str) -> None:
    out = tmp_path / "out"
    given = ["convert", *map(str, tables), "--to", form, "--out", str(out)]
    result = CliRunner().invoke(command, given)
    assert result.exit_code == 0, result.output
    assert [profile.name for profile in dna.read(out)] == ["stain", "R1", "R2"]


def test_convert_refuses_what_a_format_forbids(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="SPECIMENID"):
        dna.write(
            tmp_path / "x.xml", [person("a name of more than 24 characters", "9", "12")], "cmf"
        )
    assert not (tmp_path / "x.xml").exists()
    with pytest.raises(OptionError, match="unknown DNA format"):
        dna.write(tmp_path / "x", [], "xls")
