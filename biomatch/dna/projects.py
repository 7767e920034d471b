"""Familias projects: their pedigrees weighed against each other."""

import re
from pathlib import Path

from biomatch.dna.files.familias import (
    FamiliasFile,
    FamiliasLocus,
    FamiliasPedigree,
    read_familias,
)
from biomatch.dna.files.text import read_text
from biomatch.dna.frequencies import Frequencies
from biomatch.dna.loci import find
from biomatch.dna.mutation import MutationKind, MutationModel
from biomatch.dna.pedigree import Pedigree, Person, Sex
from biomatch.dna.relationship import PedigreeLr, compare_pedigrees
from biomatch.errors import OptionError

__all__ = ["compare_project", "mutation_model", "pedigree_of"]

_KINDS = {
    "equal": MutationKind.EQUAL,
    "proportional": MutationKind.PROPORTIONAL,
    "stepwise-unstationary": MutationKind.STEPWISE,
    "stepwise-stationary": MutationKind.STEPWISE,
    "stepwise-extended": MutationKind.STEPWISE,
}
_REPEATS = re.compile(r"\d+(\.\d)?")


def pedigree_of(source: FamiliasPedigree) -> Pedigree:
    """Return a project's pedigree; persons without relations are founders."""
    sexes = {"male": Sex.MALE, "female": Sex.FEMALE, None: Sex.UNKNOWN}
    people = dict.fromkeys([*source.sexes, *source.parents])
    return Pedigree.of(
        *(
            Person(name, *source.parents.get(name, (None, None)), sexes[source.sexes.get(name)])
            for name in people
        )
    )


def mutation_model(locus: FamiliasLocus) -> MutationModel:
    """Return the mutation model that a project states for a locus.

    A stepwise model at a locus with an allele that is no repeat number ("Rest allele") becomes
    the equal one with the same rate, as in pedFamilias.

    Raises
    ------
    OptionError
        Different models for fathers and mothers: not available.
    """
    if locus.rate_male == locus.rate_female == 0.0:
        return MutationModel()
    if locus.model_male != locus.model_female:
        raise OptionError(
            f"{locus.name}: mutation models {locus.model_male} from fathers and "
            f"{locus.model_female} from mothers are not available together; compute without "
            "mutation"
        )
    kind = _KINDS[locus.model_male]
    if not all(_REPEATS.fullmatch(allele) for allele in locus.frequencies):
        kind = MutationKind.EQUAL if kind is MutationKind.STEPWISE else kind
    return MutationModel(
        kind,
        locus.rate_male,
        rate_female=locus.rate_female,
        rate2=locus.rate2_male,
        rate2_female=locus.rate2_female,
        step_ratio=locus.range_male or 0.1,
        step_ratio_female=locus.range_female or 0.1,
        stationary=kind is MutationKind.STEPWISE and locus.model_male == "stepwise-stationary",
    )


def compare_project(
    path: str | Path,
    first: str | None = None,
    second: str | None = None,
    *,
    mutation: bool = True,
    theta: float | None = None,
    frequencies: Frequencies | None = None,
) -> PedigreeLr:
    """Weigh two pedigrees of a Familias project (.fam) against each other.

    Parameters
    ----------
    path
        The project; its persons, pedigrees and database are used.
    first, second
        Names of the pedigrees; default: the project's first and last.
    mutation
        False: leave the project's mutation models out.
    theta, frequencies
        Instead of the project's own.

    Raises
    ------
    FormatError
        No Familias project.
    OptionError
        A pedigree that is not there, or a model that is not available.
    """
    project = read_familias(read_text(path), str(path))
    typed = {person.name: person.profile for person in project.persons if person.profile.loci}
    models = {_name(locus): mutation_model(locus) for locus in project.loci} if mutation else None
    return compare_pedigrees(
        _chosen(project, first, 0, path),
        _chosen(project, second, -1, path),
        typed,
        frequencies or project.frequencies,
        theta=project.theta if theta is None else theta,
        mutation=models,
        null={_name(locus): locus.silent for locus in project.loci},
    )


def _name(locus: FamiliasLocus) -> str:
    known = find(locus.name)
    return known.name if known else locus.name


def _chosen(project: FamiliasFile, name: str | None, place: int, path: str | Path) -> Pedigree:
    if not project.pedigrees:
        raise OptionError(f"{path}: the project has no pedigree")
    if name is None:
        return pedigree_of(project.pedigrees[place])
    for candidate in project.pedigrees:
        if candidate.name == name:
            return pedigree_of(candidate)
    names = ", ".join(pedigree.name for pedigree in project.pedigrees)
    raise OptionError(f"{path}: no pedigree {name!r}; the project has {names}")
