"""Likelihood ratios of two pedigrees: paternity, disputed relations, anything typed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from biomatch.dna.frequencies import Frequencies, as_tables
from biomatch.dna.loci import sort_loci
from biomatch.dna.pedigree import Pedigree, Person
from biomatch.dna.peeling import (
    Mutations,
    NullRates,
    Settings,
    common_loci,
    locus_likelihood,
    settings_of,
    typed_at,
)
from biomatch.dna.profile import DnaProfile
from biomatch.dna.statistics import log10_lr
from biomatch.errors import OptionError, ProfileError

__all__ = [
    "PedigreeLr",
    "compare_pedigrees",
    "likelihood_ratio",
    "pedigree_likelihood",
    "pedigree_lr",
    "result_of",
]


def pedigree_likelihood(
    pedigree: Pedigree,
    profiles: Mapping[str, DnaProfile],
    frequencies: Frequencies,
    *,
    theta: float = 0.0,
    mutation: Mutations = None,
    null: NullRates = 0.0,
) -> dict[str, float]:
    """Return the probability of all genotypes at each locus.

    Parameters
    ----------
    pedigree
        Who is whose child.
    profiles
        Member name -> profile. Persons who are no members count as unrelated.
    frequencies
        Frequency table; loci it lacks are left out.
    theta
        Coancestry coefficient among all founders and unrelated persons.
    mutation
        Mutation model, one for all loci or by locus; None = no mutation.
    null
        Frequency of a null (silent) allele, for all loci or by locus. The other alleles are
        scaled down; a null allele does not mutate.

    Raises
    ------
    OptionError
        A parameter is out of range, or theta would need too large an integration rule.
    """
    settings = settings_of(frequencies, theta, mutation, null)
    return {
        locus: float(locus_likelihood(pedigree, typed_at(profiles, locus), locus, settings)[0])
        for locus in common_loci(profiles, frequencies)
    }


@dataclass(frozen=True, slots=True)
class PedigreeLr:
    """Likelihood ratio of two pedigrees with its per-locus table.

    Attributes
    ----------
    log10
        log10 LR; -inf when a locus excludes the first pedigree.
    loci
        Locus -> LR.
    table, minimum_rule, theta, mutation
        What it rests on.
    """

    log10: float
    loci: Mapping[str, float]
    table: str
    minimum_rule: str
    theta: float
    mutation: str

    @property
    def lr(self) -> float:
        """Likelihood ratio, the product over the loci."""
        return math.prod(self.loci.values())

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return {
            "lr": self.lr,
            "log10_lr": self.log10 if math.isfinite(self.log10) else None,
            "theta": self.theta,
            "mutation": self.mutation,
            "table": self.table,
            "minimum_frequency": self.minimum_rule,
            "loci": dict(self.loci),
        }


def result_of(loci: Mapping[str, float], settings: Settings) -> PedigreeLr:
    """Wrap per-locus ratios; refuse an empty table."""
    if not loci:
        raise ProfileError(
            f"the profiles and frequency table {settings.frequencies} have no locus in common"
        )
    return PedigreeLr(
        log10=log10_lr(loci),
        loci=MappingProxyType(dict(loci)),
        table=str(settings.frequencies),
        minimum_rule=settings.frequencies.minimum_rule,
        theta=settings.theta,
        mutation=settings.mutation_name,
    )


def likelihood_ratio(above: float, below: float) -> float:
    """Divide two likelihoods; impossible under both hypotheses counts as excluded."""
    if below > 0.0:
        return above / below
    return math.inf if above > 0.0 else 0.0


def compare_pedigrees(
    first: Pedigree,
    second: Pedigree,
    profiles: Mapping[str, DnaProfile],
    frequencies: Frequencies,
    *,
    theta: float = 0.0,
    mutation: Mutations = None,
    null: NullRates = 0.0,
) -> PedigreeLr:
    """Compare two pedigrees; the per-locus form of `pedigree_lr`.

    Raises
    ------
    OptionError
        A parameter is out of range.
    ProfileError
        No locus can be used.
    """
    settings = settings_of(frequencies, theta, mutation, null)
    loci = {}
    for locus in common_loci(profiles, frequencies):
        typed = typed_at(profiles, locus)
        if typed:
            above = float(locus_likelihood(first, typed, locus, settings)[0])
            below = float(locus_likelihood(second, typed, locus, settings)[0])
            loci[locus] = likelihood_ratio(above, below)
    return result_of(loci, settings)


def pedigree_lr(
    first: Pedigree,
    second: Pedigree,
    profiles: Mapping[str, DnaProfile],
    frequencies: Frequencies | Sequence[Frequencies],
    *,
    theta: float = 0.0,
    mutation: Mutations = None,
    null: NullRates = 0.0,
) -> float:
    """Return the likelihood ratio of two pedigrees given the profiles of their members.

    Parameters
    ----------
    first, second
        The pedigrees under the two hypotheses; whoever is missing from one is unrelated there.
    frequencies
        One table, or several: then the least favourable (smallest) figure is returned.
    profiles, theta, mutation, null
        See `pedigree_likelihood`.

    Examples
    --------
    Paternity of an alleged father who shares the child's paternal allele 9.3, frequency 0.3:
    LR = 1 / (2 p) for a heterozygote (Evett & Weir 1998, table 6.3).

    >>> from biomatch.dna import Person
    >>> table = Frequencies.from_dict({"TH01": {"6": 0.2, "7": 0.5, "9.3": 0.3}})
    >>> typed = {
    ...     "mother": DnaProfile.from_alleles({"TH01": ("6", "6")}),
    ...     "child": DnaProfile.from_alleles({"TH01": ("6", "9.3")}),
    ...     "alleged": DnaProfile.from_alleles({"TH01": ("7", "9.3")}),
    ... }
    >>> related = Pedigree.of(Person("child", "alleged", "mother"))
    >>> unrelated = Pedigree.of(Person("child", "somebody else", "mother"))
    >>> round(pedigree_lr(related, unrelated, typed, table), 6)
    1.666667
    """
    tables = as_tables(frequencies)
    if not tables:
        raise OptionError("no frequency table is given; name at least one")
    results = (
        compare_pedigrees(first, second, profiles, table, theta=theta, mutation=mutation, null=null)
        for table in tables
    )
    return min(results, key=lambda result: result.log10).lr


def _siblings(other_mother: str = "m") -> tuple[Person, Person]:
    """Two children of one father: the cousins' parents."""
    return Person("u", "f", "m"), Person("v", "f", other_mother)


RELATION_PEDIGREES: Mapping[str, Pedigree] = MappingProxyType(
    {
        "parent-child": Pedigree.of(Person("b", "a", "x")),
        "full-sib": Pedigree.of(Person("a", "f", "m"), Person("b", "f", "m")),
        "half-sib": Pedigree.of(Person("a", "f", "m"), Person("b", "f", "n")),
        "grandparent": Pedigree.of(Person("u", "a", "x"), Person("b", "u", "y")),
        "great-grandparent": Pedigree.of(
            Person("u", "a", "x"), Person("v", "u", "y"), Person("b", "v", "z")
        ),
        "avuncular": Pedigree.of(
            Person("a", "f", "m"), Person("u", "f", "m"), Person("b", "u", "x")
        ),
        "half-avuncular": Pedigree.of(
            Person("a", "f", "m"), Person("u", "f", "n"), Person("b", "u", "x")
        ),
        "first-cousin": Pedigree.of(*_siblings(), Person("a", "u", "x"), Person("b", "v", "y")),
        "half-first-cousin": Pedigree.of(
            *_siblings("n"), Person("a", "u", "x"), Person("b", "v", "y")
        ),
        "second-cousin": Pedigree.of(
            *_siblings(),
            Person("p", "u", "x"),
            Person("q", "v", "y"),
            Person("a", "p", "s"),
            Person("b", "q", "t"),
        ),
    }
)
"""Pedigrees in which ``a`` is to ``b`` what the relation's name says, ``a`` the elder one."""


def relation_lr(
    a: DnaProfile,
    b: DnaProfile,
    relation: str,
    frequencies: Frequencies,
    *,
    theta: float = 0.0,
    mutation: Mutations = None,
    null: NullRates = 0.0,
) -> PedigreeLr:
    """Weigh a relation of two persons against "unrelated" with mutation and null alleles.

    Without either it is `biomatch.dna.kinship.kinship_lr`. With mutation the order counts: `a`
    is the parent, grandparent or uncle.

    Raises
    ------
    OptionError
        The relation has no pedigree in `RELATION_PEDIGREES`.
    ProfileError
        No locus can be used.
    """
    if relation not in RELATION_PEDIGREES:
        known = ", ".join(RELATION_PEDIGREES)
        raise OptionError(f"no pedigree for the relation {relation!r}; known are {known}")
    loci = set(a.autosomal) & set(b.autosomal)
    typed = {
        name: DnaProfile(profile.name, {key: profile.loci[key] for key in sort_loci(loci)})
        for name, profile in (("a", a), ("b", b))
    }
    return compare_pedigrees(
        RELATION_PEDIGREES[relation],
        Pedigree.of(),
        typed,
        frequencies,
        theta=theta,
        mutation=mutation,
        null=null,
    )
