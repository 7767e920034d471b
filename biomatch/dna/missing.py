"""Missing persons: which remains belong to a family, which family do remains belong to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.alleles import sort_alleles
from biomatch.dna.frequencies import Frequencies, as_tables
from biomatch.dna.pedigree import Pedigree
from biomatch.dna.peeling import (
    Mutations,
    NullRates,
    Settings,
    Typed,
    common_loci,
    locus_likelihood,
    settings_of,
    typed_at,
    usable_alleles,
)
from biomatch.dna.profile import DnaProfile
from biomatch.dna.relationship import PedigreeLr, likelihood_ratio, result_of
from biomatch.errors import OptionError, ProfileError

__all__ = [
    "Family",
    "FamilyMatch",
    "missing_person",
    "pedigree_table",
    "rank_families",
    "rank_remains",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Family:
    """A family that looks for one of its members.

    Attributes
    ----------
    name
        Case or family identifier.
    pedigree
        Its members.
    missing
        Name of the missing member.
    profiles
        Profiles of the typed relatives by member name.
    """

    name: str
    pedigree: Pedigree
    missing: str
    profiles: Mapping[str, DnaProfile]

    def __post_init__(self) -> None:
        if self.missing not in self.pedigree.names:
            raise OptionError(f"family {self.name!r}: {self.missing!r} is not in the pedigree")
        strangers = sorted(set(self.profiles) - self.pedigree.names)
        if strangers:
            raise OptionError(f"family {self.name!r}: {strangers[0]!r} is not in the pedigree")
        if self.missing in self.profiles:
            raise OptionError(f"family {self.name!r}: the missing {self.missing!r} is typed")


_CANDIDATE = "unidentified person"


def family_locus(
    family: Family, relatives: Typed, tokens: tuple[str, ...], locus: str, settings: Settings
) -> float:
    """LR at one locus: the candidate is the missing member against a stranger."""
    related = {**relatives, family.missing: tokens}
    stranger = {**relatives, _CANDIDATE: tokens}
    above = float(locus_likelihood(family.pedigree, related, locus, settings)[0])
    below = float(locus_likelihood(family.pedigree, stranger, locus, settings)[0])
    return likelihood_ratio(above, below)


class _FamilyScorer:
    """Compares candidates with one family, computing each genotype's LR only once."""

    def __init__(self, family: Family, settings: Settings) -> None:
        self._family = family
        self._settings = settings
        self._relatives = {
            locus: typed_at(family.profiles, locus)
            for locus in common_loci(family.profiles, settings.frequencies)
        }
        self._known: dict[tuple[str, tuple[str, ...]], float] = {}

    def score(self, candidate: DnaProfile) -> PedigreeLr:
        """Compare one candidate over the loci typed on both sides."""
        loci = {}
        for locus, relatives in self._relatives.items():
            tokens = usable_alleles(candidate, locus)
            if not tokens or not relatives:
                continue
            key = (locus, tokens)
            if key not in self._known:
                self._known[key] = family_locus(
                    self._family, relatives, tokens, locus, self._settings
                )
            loci[locus] = self._known[key]
        return result_of(loci, self._settings)


def missing_person(
    family: Family,
    candidate: DnaProfile,
    frequencies: Frequencies,
    *,
    theta: float = 0.0,
    mutation: Mutations = None,
    null: NullRates = 0.0,
) -> PedigreeLr:
    """Compare unidentified remains with a family that misses somebody.

    Parameters
    ----------
    family
        Pedigree, missing member and typed relatives.
    candidate
        Profile of the remains.
    frequencies, theta, mutation, null
        See `pedigree_likelihood`.

    Returns
    -------
    PedigreeLr
        "The candidate is the missing member" against "is unrelated to the family".
    """
    settings = settings_of(frequencies, theta, mutation, null)
    return _FamilyScorer(family, settings).score(candidate)


@dataclass(frozen=True, slots=True)
class FamilyMatch:
    """One line of a missing-person search.

    Attributes
    ----------
    family
        Name of the family.
    candidate
        Name of the remains.
    result
        Likelihood ratio in the least favourable population.
    """

    family: str
    candidate: str
    result: PedigreeLr


def rank_remains(
    family: Family,
    remains: Sequence[DnaProfile],
    tables: Frequencies | Sequence[Frequencies],
    *,
    theta: float = 0.0,
    mutation: Mutations = None,
    null: NullRates = 0.0,
    min_lr: float = 0.0,
) -> list[FamilyMatch]:
    """Say which of these unidentified remains belong to a family, best first.

    With several frequency tables each candidate has the smallest of its likelihood ratios.
    Remains without a usable locus in common are left out.
    """
    settings = [settings_of(table, theta, mutation, null) for table in _tables(tables)]
    return _rank([family], remains, settings, min_lr)


def rank_families(
    candidate: DnaProfile,
    families: Sequence[Family],
    tables: Frequencies | Sequence[Frequencies],
    *,
    theta: float = 0.0,
    mutation: Mutations = None,
    null: NullRates = 0.0,
    min_lr: float = 0.0,
) -> list[FamilyMatch]:
    """Say which family unidentified remains belong to, best first; see `rank_remains`."""
    settings = [settings_of(table, theta, mutation, null) for table in _tables(tables)]
    return _rank(families, [candidate], settings, min_lr)


def _tables(tables: Frequencies | Sequence[Frequencies]) -> Sequence[Frequencies]:
    chosen = as_tables(tables)
    if not chosen:
        raise OptionError("no frequency table is given; name at least one")
    return chosen


def _rank(
    families: Sequence[Family],
    candidates: Sequence[DnaProfile],
    settings: Sequence[Settings],
    min_lr: float,
) -> list[FamilyMatch]:
    found = []
    for family in families:
        scorers = [_FamilyScorer(family, one) for one in settings]
        for candidate in candidates:
            try:
                result = min((scorer.score(candidate) for scorer in scorers), key=lambda r: r.log10)
            except ProfileError:
                continue
            if result.lr >= min_lr:
                found.append(FamilyMatch(family.name, candidate.name, result))
    return sorted(found, key=lambda m: (-m.result.log10, m.family, m.candidate))


def pedigree_table(
    family: Family,
    locus: str,
    alleles: Sequence[str],
    *,
    frequencies: Frequencies,
    theta: float = 0.0,
    mutation: Mutations = None,
    null: NullRates = 0.0,
) -> FloatArray:
    """Tabulate the likelihood ratio at a locus for every genotype of the missing member.

    A scan over a database then costs one look-up a locus.

    Returns
    -------
    ndarray
        Shape (len(alleles), len(alleles)), symmetric. All ones when no relative is typed or the
        table lacks the locus.
    """
    settings = settings_of(frequencies, theta, mutation, null)
    relatives = typed_at(family.profiles, locus)
    size = len(alleles)
    if not relatives or locus not in frequencies:
        return np.ones((size, size))
    if theta > 0.0 or settings.null_at(locus) > 0.0:
        return _table_by_genotype(
            alleles, lambda pair: family_locus(family, relatives, pair, locus, settings)
        )
    joint, states = locus_likelihood(
        family.pedigree, relatives, locus, settings, keep=family.missing, extra=alleles
    )
    place = [states.index[token] for token in alleles]
    above = joint[np.ix_(place, place)]
    shares = states.shares[place]
    below = joint.sum() * np.outer(shares, shares)
    return np.asarray((above + above.T) / (2.0 * below))


def _table_by_genotype(
    alleles: Sequence[str], ratio: Callable[[tuple[str, ...]], float]
) -> FloatArray:
    table = np.empty((len(alleles), len(alleles)))
    for i, first in enumerate(alleles):
        for j in range(i, len(alleles)):
            table[i, j] = table[j, i] = ratio(sort_alleles((first, alleles[j])))
    return table
