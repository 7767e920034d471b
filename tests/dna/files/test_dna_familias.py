"""Familias projects."""

from pathlib import Path

import pytest
from dna_samples import FAMILIAS

from biomatch.dna.files import parse_profiles
from biomatch.dna.files.familias import read_familias
from biomatch.dna.projects import match_project, project_families
from biomatch.errors import FormatError, OptionError


def test_everything_of_a_project() -> None:
    project = read_familias(FAMILIAS, "x.fam")
    assert project.version == "3.3.1"
    assert [(p.name, p.sex, dict(p.profile.loci)) for p in project.persons] == [
        ("AF", "male", {"TH01": ("6", "9.3")}),
        ("MO", "female", {}),
        ("CH", "male", {"TH01": ("9.3",)}),
    ]
    first, second, dvi = project.pedigrees
    assert first.parents == {"CH": ("AF", "MO")}
    assert second.parents == {"CH": ("extra male 1", "MO")}
    assert second.sexes["extra male 1"] == "male"
    assert dvi.name == "F1: ref"
    assert dvi.parents == {"Missing person": ("R", None)}
    (locus,) = project.loci
    assert (locus.model_female, locus.model_male) == ("proportional", "stepwise-extended")
    assert (locus.rate_female, locus.rate_male, locus.rate2_male) == (0.001, 0.002, 1e-6)
    assert locus.size == 1000
    assert project.theta == 0.02
    assert [person.name for person in first.pedigree.members] == ["AF", "MO", "CH"]
    with pytest.raises(OptionError, match="only their rates may differ"):
        _ = locus.mutation
    assert project.frequencies.frequency("TH01", "9.3") == 0.75
    assert [p.name for p in project.unidentified] == ["V1"]
    assert [p.name for p in project.profiles] == ["AF", "CH", "V1", "F1: R"]
    assert [p.name for p in parse_profiles(FAMILIAS, "x.fam")] == ["AF", "CH", "V1", "F1: R"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"Known relations"', '"Relations"', "Known relations"),
        ("0.02 )", "0.02 ) x\nmany", "'many' is no number of markers"),
        ('"9.3"\n0.75', '"9.3"', "ends where"),
        ("#FALSE# (#Data", "#TRUE# (#Data", "without computed probabilities"),
        ("1\n1\n1\n0\n", "7\n1\n1\n0\n", "is no"),
        ("DatabaseSize = 1000", "DatabaseSize = 1e999", "DatabaseSize is inf"),
    ],
)
def test_broken_projects(old: str, new: str, says: str) -> None:
    assert old in FAMILIAS
    with pytest.raises(FormatError, match=says):
        read_familias(FAMILIAS.replace(old, new, 1), "x.fam")


def test_a_remark_without_a_number_says_nothing() -> None:
    """Found by fuzzing."""
    text = FAMILIAS.replace("allele frequency = 0 )", "allele frequency = + )", 1)
    assert text != FAMILIAS
    assert read_familias(text, "x.fam").profiles == read_familias(FAMILIAS, "x.fam").profiles


def test_mutation_models(shared: Path) -> None:
    path = shared / "dna" / "samples" / "familias" / "paternity.fam"
    project = read_familias(path.read_text("utf-8"), str(path))
    model = project.loci[0].mutation
    assert (model.kind, model.rate, model.rate_female) == ("stepwise", 0.002, 0.001)
    assert (model.rate2, model.step_ratio) == (1e-6, 0.1)


def test_a_project_without_dead_or_families_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.fam"
    path.write_text(FAMILIAS)
    (family,) = project_families(read_familias(FAMILIAS, "x"))
    assert (family.name, family.missing, set(family.profiles)) == ("F1", "Missing person", {"R"})
    found = match_project(path, mutation=False)
    assert [(match.family, match.candidate) for match in found] == [("F1", "V1")]
    with pytest.raises(OptionError, match="compute without mutation"):
        match_project(path)
    with pytest.raises(OptionError, match="0 families that miss 'Nobody'"):
        match_project(path, "Nobody")
