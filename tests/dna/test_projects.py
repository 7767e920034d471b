import pytest

from biomatch.dna.files.familias import FamiliasLocus, FamiliasPedigree, read_familias
from biomatch.dna.files.text import read_text
from biomatch.dna.missing import missing_person
from biomatch.dna.mutation import MutationKind
from biomatch.dna.pedigree import Sex
from biomatch.dna.projects import (
    compare_project,
    match_project,
    mutation_model,
    pedigree_of,
    project_families,
)
from biomatch.errors import OptionError


def locus(model="stepwise-extended", model_female=None, alleles=("8", "9.3"), rate=0.001):
    return FamiliasLocus(
        name="TH01",
        frequencies=dict.fromkeys(alleles, 1 / len(alleles)),
        rate_female=rate / 2,
        rate_male=rate,
        model_female=model_female or model,
        model_male=model,
        range_female=0.2,
        range_male=0.1,
        rate2_female=1e-7,
        rate2_male=1e-6,
        silent=0.0,
        size=None,
        dropout=0.0,
        minimum=0.0,
    )


def test_pedigree():
    source = FamiliasPedigree("H1", {"CH": ("AF", None)}, {"AF": "male", "CH": "female"})
    members = {person.name: person for person in pedigree_of(source).members}
    assert members["CH"].father == "AF"
    assert members["CH"].sex is Sex.FEMALE
    assert members["CH"].mother == "CH's other parent"


def test_mutation_models():
    model = mutation_model(locus())
    assert model.kind is MutationKind.STEPWISE
    assert (model.rate, model.rate_female, model.rate2_female) == (0.001, 0.0005, 1e-7)
    assert (model.step_ratio, model.step_ratio_female) == (0.1, 0.2)
    assert mutation_model(locus("stepwise-stationary")).stationary
    assert mutation_model(locus(rate=0.0)).kind is MutationKind.NONE
    assert mutation_model(locus(alleles=("8", "Rest allele"))).kind is MutationKind.EQUAL
    with pytest.raises(OptionError, match="TH01: mutation models equal from fathers"):
        mutation_model(locus("equal", "proportional"))


@pytest.mark.shared
def test_paternity_project(shared):
    """pedFamilias and forrel give 760.344485628; the file's mutation model takes part in it."""
    path = shared / "dna" / "samples" / "familias" / "paternity.fam"
    assert compare_project(path).lr == pytest.approx(760.344485628, rel=1e-9)
    plain = compare_project(path, "H1", "H2", mutation=False)
    assert plain.mutation == "none"
    assert plain.lr > 760.344485628
    with pytest.raises(OptionError, match="no pedigree 'H3'; the project has H1, H2"):
        compare_project(path, "H3")


@pytest.mark.shared
def test_who_of_the_dead_belongs_to_which_family(shared):
    """Each pair's figure is that of the family alone; the pairs of all families are one ranking."""
    path = shared / "dna" / "samples" / "familias" / "Solution3_3.fam"
    project = read_familias(read_text(path), str(path))
    families = project_families(project)
    assert [family.name for family in families] == [f"Family {n}" for n in range(1, 6)]
    ranked = match_project(path, mutation=False)
    assert len(ranked) == 5 * len(project.unidentified)
    assert [m.result.log10 for m in ranked] == sorted(
        (m.result.log10 for m in ranked), reverse=True
    )
    best = ranked[0]
    alone = missing_person(
        next(family for family in families if family.name == best.family),
        next(p.profile for p in project.unidentified if p.name == best.candidate),
        project.frequencies,
    )
    assert best.result.lr == pytest.approx(alone.lr, rel=1e-12)
    assert best.result.lr > 1e3
    assert match_project(path)[0].result.mutation != "none"
