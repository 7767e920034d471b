"""Other programs' projects: Familias pedigrees, SmartRank searches."""

import re
from collections.abc import Sequence
from pathlib import Path

from biomatch.dna.files.familias import (
    FamiliasFile,
    FamiliasLocus,
    FamiliasPedigree,
    read_familias,
)
from biomatch.dna.files.smartrank import SearchCriteria
from biomatch.dna.files.text import read_text
from biomatch.dna.frequencies import Frequencies
from biomatch.dna.loci import find
from biomatch.dna.missing import Family, FamilyMatch, rank_remains
from biomatch.dna.mixture import Convention, Mixture, MixtureModel, rank_contributors
from biomatch.dna.mutation import MutationKind, MutationModel
from biomatch.dna.pedigree import Pedigree, Person, Sex
from biomatch.dna.profile import DnaProfile
from biomatch.dna.relationship import PedigreeLr, compare_pedigrees
from biomatch.errors import OptionError

__all__ = [
    "MISSING",
    "compare_project",
    "match_project",
    "mixture_model",
    "mutation_model",
    "pedigree_of",
    "project_families",
    "search_criteria",
]

MISSING = "Missing person"
"""What Familias' DVI module calls the missing member of a family."""

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


def project_families(project: FamiliasFile, missing: str = MISSING) -> tuple[Family, ...]:
    """Return the families of a project's DVI module that miss somebody.

    Of a family's pedigrees the last one counts in which the missing person has a parent or a
    child. Families without such a pedigree, or without a typed relative, are left out.

    Parameters
    ----------
    project
        From `biomatch.dna.files.familias.read_familias`.
    missing
        Name of the missing person in the pedigrees.
    """
    found = []
    for name, people in project.families.items():
        drawn = [
            pedigree
            for pedigree in project.pedigrees
            if pedigree.name.startswith(f"{name}: ")
            and (missing in pedigree.parents or missing in _parents_in(pedigree))
        ]
        members = set(drawn[-1].sexes) if drawn else set()
        typed = {p.name: p.profile for p in people if p.profile.loci and p.name in members}
        if typed and missing not in typed:
            found.append(Family(name, pedigree_of(drawn[-1]), missing, typed))
    return tuple(found)


def _parents_in(pedigree: FamiliasPedigree) -> set[str | None]:
    return {parent for pair in pedigree.parents.values() for parent in pair}


def match_project(
    path: str | Path,
    missing: str = MISSING,
    *,
    mutation: bool = True,
    theta: float | None = None,
    frequencies: Frequencies | None = None,
) -> list[FamilyMatch]:
    """Compare all unidentified persons of a Familias project with all its families, best first.

    Parameters
    ----------
    path
        A project with data of the DVI module.
    missing
        Name of the missing person in the families' pedigrees.
    mutation, theta, frequencies
        As for `compare_project`.

    Raises
    ------
    FormatError
        No Familias project.
    OptionError
        Nobody is unidentified or no family misses somebody, or a model is not available.
    """
    project = read_familias(read_text(path), str(path))
    families = project_families(project, missing)
    remains = [person.profile for person in project.unidentified if person.profile.loci]
    if not families or not remains:
        raise OptionError(
            f"{path}: {len(remains)} typed unidentified persons and {len(families)} families that "
            f"miss {missing!r}; at least one of each is needed"
        )
    models = {_name(locus): mutation_model(locus) for locus in project.loci} if mutation else None
    found = [
        match
        for family in families
        for match in rank_remains(
            family,
            remains,
            frequencies or project.frequencies,
            theta=project.theta if theta is None else theta,
            mutation=models,
            null={_name(locus): locus.silent for locus in project.loci},
        )
    ]
    return sorted(found, key=lambda one: (-one.result.log10, one.family, one.candidate))


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


def mixture_model(
    criteria: SearchCriteria, convention: Convention = Convention.SMARTRANK
) -> MixtureModel:
    """Return the mixture model of SmartRank search criteria.

    Raises
    ------
    OptionError
        The hypotheses name different known contributors, or these have several drop-out
        probabilities: neither is available.
    """
    above, below = criteria.prosecution, criteria.defence
    chances = {*above.contributors.values(), *below.contributors.values()}
    if set(above.contributors) != set(below.contributors) or len(chances) > 1:
        raise OptionError(
            "SmartRank criteria: the known contributors must be the same, with the same drop-out "
            "probability, under both hypotheses"
        )
    known = len(above.contributors)
    return MixtureModel(
        contributors=1 + known + above.unknowns,
        contributors_hd=known + below.unknowns,
        dropout=above.dropout or 0.0,
        candidate_dropout=criteria.candidate_dropout,
        known_dropout=next(iter(chances), None),
        dropout_hd=below.dropout,
        dropin=criteria.dropin,
        theta=criteria.theta,
        convention=convention,
    )


def search_criteria(
    criteria: SearchCriteria,
    candidates: Sequence[DnaProfile],
    frequencies: Frequencies | None = None,
    convention: Convention = Convention.SMARTRANK,
) -> list[tuple[DnaProfile, Mixture]]:
    """Rank candidates as SmartRank search criteria ask.

    Parameters
    ----------
    criteria
        From `biomatch.dna.files.smartrank.read_criteria`. A drop-out probability that they ask
        to be estimated is (see `biomatch.dna.mixture.estimate_dropout`).
    candidates
        Profiles of the database.
    frequencies
        Instead of the statistics of the criteria.
    convention
        How the hypotheses are set up.

    Raises
    ------
    OptionError
        There are no statistics, or see `mixture_model`.
    """
    if frequencies is None and not criteria.statistics:
        raise OptionError("SmartRank criteria: no statistics in the file; give a frequency table")
    table = frequencies or Frequencies.from_dict(criteria.statistics, name="SmartRank criteria")
    if criteria.rare_frequency:
        table = table.with_minimum(criteria.rare_frequency, floor=False)
    specimens, above = criteria.specimens, criteria.prosecution
    ranked = rank_contributors(
        DnaProfile.from_replicates(criteria.replicates),
        candidates,
        [table],
        known=[specimens[name] for name in above.contributors],
        others=[specimens[name] for name in above.non_contributors],
        model=mixture_model(criteria, convention),
        estimate=above.dropout is None,
    )
    kept = [pair for pair in ranked if pair[1].lr >= criteria.threshold]
    return kept[: criteria.max_results]
