"""Kinship of two persons: likelihood ratios from IBD coefficients, with theta.

With k0, k1, k2 the probabilities that two relatives share 0, 1, 2 alleles identical by descent
(Cotterman 1940; Thompson 1975), the likelihood ratio against "unrelated" is

    LR = k0 + (k1 P(g2 | g1, one shared) + k2 [g1 = g2]) / P(g2 | g1, none shared)

where alleles that are not identical by descent follow the sampling formula of Balding & Nichols
(1994). No mutation: `biomatch.dna.relationship` has it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.alleles import is_exact
from biomatch.dna.frequencies import Frequencies, as_tables
from biomatch.dna.loci import BY_NAME, LocusKind, sort_loci
from biomatch.dna.matching import compatible
from biomatch.dna.profile import DnaProfile
from biomatch.dna.statistics import check_theta, log10_lr
from biomatch.errors import OptionError, ProfileError

__all__ = [
    "RELATIONS",
    "FamilialCandidate",
    "Kinship",
    "YComparison",
    "conditional_genotype",
    "familial_search",
    "ibd_coefficients",
    "kinship",
    "kinship_lr",
    "kinship_table",
    "least_favourable_kinship",
    "relation_name",
    "y_check",
]

Coefficients = tuple[float, float, float]
K = TypeVar("K", str, int)

RELATIONS: Mapping[str, Coefficients] = MappingProxyType(
    {
        "identical": (0.0, 0.0, 1.0),
        "parent-child": (0.0, 1.0, 0.0),
        "full-sib": (0.25, 0.5, 0.25),
        "half-sib": (0.5, 0.5, 0.0),
        "avuncular": (0.5, 0.5, 0.0),
        "grandparent": (0.5, 0.5, 0.0),
        "great-grandparent": (0.75, 0.25, 0.0),
        "great-avuncular": (0.75, 0.25, 0.0),
        "half-avuncular": (0.75, 0.25, 0.0),
        "double-first-cousin": (9 / 16, 6 / 16, 1 / 16),
        "first-cousin": (0.75, 0.25, 0.0),
        "half-first-cousin": (0.875, 0.125, 0.0),
        "first-cousin-once-removed": (0.875, 0.125, 0.0),
        "second-cousin": (15 / 16, 1 / 16, 0.0),
        "unrelated": (1.0, 0.0, 0.0),
    }
)
"""IBD coefficients (k0, k1, k2) by relation. Source: Weir, Anderson & Hepler (2006), table 1."""

_ALIASES = MappingProxyType(
    {
        "identical": "self same twin mz-twin monozygotic-twin",
        "parent-child": "parent child mother father son daughter paternity maternity "
        "parent-offspring child-parent father-child mother-child po pc",
        "full-sib": "sib brother sister fs",
        "half-sib": "half-brother half-sister hs",
        "avuncular": "uncle aunt nephew niece uncle-nephew aunt-niece av",
        "grandparent": "grandchild grandmother grandfather grandparent-grandchild gp",
        "great-grandparent": "great-grandchild",
        "great-avuncular": "great-uncle great-aunt",
        "half-avuncular": "half-uncle half-aunt",
        "first-cousin": "cousin 1st-cousin fc",
        "second-cousin": "2nd-cousin sc",
        "unrelated": "none un ur",
    }
)


def _folded(name: str) -> str:
    """Spelling without case, punctuation and plural; sib and sibling are the same."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower()).replace("sibling", "sib")
    return plain.removesuffix("s") if len(plain) > 2 else plain


_NAMES = MappingProxyType(
    {_folded(name): name for name in RELATIONS}
    | {_folded(alias): name for name, text in _ALIASES.items() for alias in text.split()}
)


@dataclass(frozen=True, slots=True)
class Kinship:
    """Kinship index of two profiles with its per-locus table.

    Attributes
    ----------
    relation
        Name of the relation, or the coefficients when they were given.
    log10
        log10 LR against "unrelated"; -inf when a locus excludes the relation.
    loci
        Locus -> LR.
    unused
        Loci typed on both sides that were left out: not in the table, more than two alleles,
        or an allele that is not designated.
    excluding
        Loci without a shared allele: expect none for parent and child but for mutations.
    table, minimum_rule, theta
        Frequency table, minimum allele frequency and theta used.
    """

    relation: str
    log10: float
    loci: Mapping[str, float]
    unused: tuple[str, ...]
    excluding: tuple[str, ...]
    table: str
    minimum_rule: str
    theta: float

    @property
    def lr(self) -> float:
        """Likelihood ratio, the product over the loci."""
        return math.prod(self.loci.values())

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return {
            "relation": self.relation,
            "lr": self.lr,
            "log10_lr": self.log10 if math.isfinite(self.log10) else None,
            "theta": self.theta,
            "table": self.table,
            "minimum_frequency": self.minimum_rule,
            "unused": list(self.unused),
            "excluding": list(self.excluding),
            "loci": dict(self.loci),
        }


def ibd_coefficients(relation: str | Sequence[float]) -> Coefficients:
    """Return (k0, k1, k2) of a relation given by name or by its coefficients.

    Raises
    ------
    OptionError
        Unknown name, or coefficients that are no probabilities.

    Examples
    --------
    >>> ibd_coefficients("half-sib"), ibd_coefficients("First cousin")
    ((0.5, 0.5, 0.0), (0.75, 0.25, 0.0))
    """
    if isinstance(relation, str):
        return RELATIONS[relation_name(relation)]
    values = tuple(float(value) for value in relation)
    if len(values) != 3 or min(values) < 0 or abs(sum(values) - 1) > 1e-9:
        raise OptionError(f"IBD coefficients {values} are not three shares that sum to 1")
    return (values[0], values[1], values[2])


def relation_name(relation: str) -> str:
    """Return the name in `RELATIONS` of a relation given by any name.

    Raises
    ------
    OptionError
        Unknown relation.

    Examples
    --------
    >>> relation_name("Uncle"), relation_name("full siblings"), relation_name("parent_child")
    ('avuncular', 'full-sib', 'parent-child')
    """
    found = _NAMES.get(_folded(relation))
    if found is None:
        raise OptionError(f"unknown relation {relation!r}; known are {', '.join(RELATIONS)}")
    return found


def _genotype(tokens: tuple[str, ...]) -> tuple[str, str] | None:
    """Two designated alleles, or None when the locus cannot be used."""
    if not 1 <= len(tokens) <= 2 or not all(is_exact(token) for token in tokens):
        return None
    return (tokens[0], tokens[-1])


def conditional_genotype(
    genotype: tuple[K, K],
    relative: tuple[K, K],
    *,
    shares: Mapping[K, float],
    seen: Mapping[K, float],
    theta: float,
    coefficients: Coefficients,
) -> float:
    """Return P(genotype | everybody typed, IBD with one of them), by the sampling formula.

    Parameters
    ----------
    genotype, relative
        Two alleles each, as tokens or as numbers of allele classes.
    shares
        Allele -> frequency.
    seen
        Allele -> how often it was seen in all typed persons, the relative included.
    theta, coefficients
        Coancestry coefficient and (k0, k1, k2).

    Examples
    --------
    EuroForMix's test of ``calcGjoint``: alleles 1, 2, 3, 3 typed, theta 0.1, child of 1/2.

    >>> shares, seen = {1: 0.1, 2: 0.2, 3: 0.7}, {1: 1, 2: 1, 3: 2}
    >>> child = (0.0, 1.0, 0.0)
    >>> round(conditional_genotype((1, 2), (1, 2), shares=shares, seen=seen, theta=0.1,
    ...                            coefficients=child), 4)
    0.1808
    """
    total = sum(seen.values())

    def drawn(allele: K, before: int = 0, count: int = 0) -> float:
        share = (seen.get(allele, 0.0) + before) * theta + (1.0 - theta) * shares[allele]
        return share / (1.0 + (total + count - 1.0) * theta)

    k0, k1, k2 = coefficients
    a, b = genotype
    none = drawn(a) * drawn(b, int(a == b), 1) * (1.0 if a == b else 2.0)
    one = 0.5 * relative.count(a) * drawn(b)
    if a != b:
        one += 0.5 * relative.count(b) * drawn(a)
    both = 1.0 if {*genotype} == {*relative} else 0.0
    return k0 * none + k1 * one + k2 * both


def _locus_lr(
    first: tuple[str, str],
    second: tuple[str, str],
    shares: Mapping[str, float],
    theta: float,
    coefficients: Coefficients,
) -> float:
    seen = {token: float(first.count(token)) for token in first}

    def given(chosen: Coefficients) -> float:
        return conditional_genotype(
            second, first, shares=shares, seen=seen, theta=theta, coefficients=chosen
        )

    return given(coefficients) / given(RELATIONS["unrelated"])


def kinship(
    a: DnaProfile,
    b: DnaProfile,
    relation: str | Sequence[float],
    frequencies: Frequencies,
    theta: float = 0.0,
) -> Kinship:
    """Compare two profiles for a relation; the per-locus form of `kinship_lr`.

    Raises
    ------
    OptionError
        Unknown relation, theta out of range.
    ProfileError
        No locus can be used.
    """
    check_theta(theta)
    coefficients = ibd_coefficients(relation)
    left, right = a.autosomal, b.autosomal
    common = [locus for locus in left if locus in right]
    loci: dict[str, float] = {}
    excluding = []
    for locus in common:
        first, second = _genotype(left[locus]), _genotype(right[locus])
        if first is None or second is None or locus not in frequencies:
            continue
        p = {token: frequencies.frequency(locus, token) for token in (*first, *second)}
        loci[locus] = _locus_lr(first, second, p, theta, coefficients)
        if not set(first) & set(second):
            excluding.append(locus)
    if not loci:
        raise ProfileError(
            f"profiles {a.name!r} and {b.name!r} have no locus in common that frequency table "
            f"{frequencies} knows"
        )
    return Kinship(
        relation=relation if isinstance(relation, str) else str(coefficients),
        log10=log10_lr(loci),
        loci=MappingProxyType(loci),
        unused=tuple(locus for locus in common if locus not in loci),
        excluding=tuple(excluding),
        table=str(frequencies),
        minimum_rule=frequencies.minimum_rule,
        theta=theta,
    )


def kinship_lr(
    a: DnaProfile,
    b: DnaProfile,
    relation: str | Sequence[float] = "parent-child",
    frequencies: Frequencies | Sequence[Frequencies] = (),
    theta: float = 0.0,
) -> float:
    """Return the likelihood ratio of a relation against "unrelated".

    Parameters
    ----------
    a, b
        Two single-source profiles; their order does not matter.
    relation
        A name of `RELATIONS` or coefficients (k0, k1, k2).
    frequencies
        One table, or several: then the least favourable (smallest) figure is returned.
    theta
        Coancestry coefficient, 0 to below 1.

    Examples
    --------
    forrel's test of a paternity duo: father and child A/A, LR = 1 / p.

    >>> table = Frequencies.from_dict({"TH01": {"6": 0.05, "7": 0.95}})
    >>> person = DnaProfile.from_alleles({"TH01": ("6", "6")})
    >>> round(kinship_lr(person, person, relation="parent-child", frequencies=table), 10)
    20.0
    """
    tables = as_tables(frequencies)
    return least_favourable_kinship(a, b, relation, tables, theta).lr


def least_favourable_kinship(
    a: DnaProfile,
    b: DnaProfile,
    relation: str | Sequence[float],
    tables: Sequence[Frequencies],
    theta: float = 0.0,
) -> Kinship:
    """Return the smallest kinship index over several populations.

    Asking that the minimum over the populations reach the threshold is the rule of Ge & Budowle
    (2012) for familial searches in mixed databases.

    Raises
    ------
    OptionError
        No table is given.
    """
    if not tables:
        raise OptionError("no frequency table is given; name at least one")
    return min((kinship(a, b, relation, table, theta) for table in tables), key=lambda k: k.log10)


def kinship_table(
    tokens: tuple[str, ...],
    relation: str | Sequence[float],
    locus: str,
    alleles: Sequence[str],
    *,
    frequencies: Frequencies,
    theta: float = 0.0,
) -> NDArray[np.float64]:
    """Tabulate the likelihood ratio at a locus for every genotype of the other person.

    A scan over a database then costs one look-up a locus.

    Parameters
    ----------
    tokens
        Alleles of the known person; one or two designated ones.
    relation, frequencies, theta
        As for `kinship_lr`.
    locus
        Canonical name.
    alleles
        Designated alleles that number the rows and columns.

    Returns
    -------
    ndarray
        Shape (len(alleles), len(alleles)), symmetric: LR of genotype (row, column). All ones
        when the known person's locus cannot be used.
    """
    check_theta(theta)
    k0, k1, k2 = ibd_coefficients(relation)
    first = _genotype(tokens)
    size = len(alleles)
    if first is None or locus not in frequencies:
        return np.ones((size, size))
    p = np.array([frequencies.frequency(locus, token) for token in alleles])
    seen = np.array([first.count(token) for token in alleles], dtype=float)
    eye = np.eye(size)
    drawn = ((1.0 - theta) * p + seen * theta) / (1.0 + theta)
    then = ((1.0 - theta) * p + (seen + eye) * theta) / (1.0 + 2.0 * theta)
    none_shared = drawn[:, None] * then * (2.0 - eye)
    one_shared = 0.5 * (seen[:, None] * drawn + seen * drawn[:, None])
    one_shared[np.diag_indices(size)] *= 0.5
    same = np.outer(seen > 0, seen > 0) * (eye if first[0] == first[1] else 1.0 - eye)
    return np.asarray(k0 + (k1 * one_shared + k2 * same) / none_shared)


@dataclass(frozen=True, slots=True)
class YComparison:
    """Two Y-STR haplotypes compared.

    Attributes
    ----------
    compared, mismatched
        Y loci typed on both sides, and those without a compatible set of alleles.
    loci
        Names of the mismatched loci.
    consistent
        True when a common paternal line is not excluded; False; None when nothing was compared.
    """

    compared: int
    mismatched: int
    loci: tuple[str, ...]
    consistent: bool | None


def y_check(a: DnaProfile, b: DnaProfile, max_mismatches: int = 1) -> YComparison:
    """Compare Y-STR haplotypes of two males, to confirm or drop a familial candidate.

    Parameters
    ----------
    a, b
        Profiles with Y loci.
    max_mismatches
        Mismatched loci still taken for mutations within a paternal line.
    """
    compared, wrong = 0, []
    for locus in sort_loci(set(a.typed) & set(b.typed)):
        known = BY_NAME.get(locus)
        if known is None or known.kind is not LocusKind.Y:
            continue
        compared += 1
        left, right = a.loci[locus], b.loci[locus]
        covered = all(any(compatible(x, y) for y in right) for x in left)
        if not covered or not all(any(compatible(x, y) for x in left) for y in right):
            wrong.append(locus)
    consistent = len(wrong) <= max_mismatches if compared else None
    return YComparison(compared, len(wrong), tuple(wrong), consistent)


@dataclass(frozen=True, slots=True)
class FamilialCandidate:
    """One candidate of a familial search.

    Attributes
    ----------
    profile
        The candidate.
    kinship
        Its kinship index in the least favourable population.
    y
        Y-STR comparison with the probe.
    """

    profile: DnaProfile
    kinship: Kinship
    y: YComparison


def familial_search(
    probe: DnaProfile,
    references: Sequence[DnaProfile],
    relation: str | Sequence[float],
    tables: Sequence[Frequencies],
    *,
    theta: float = 0.01,
    min_lr: float = 1.0,
) -> list[FamilialCandidate]:
    """Rank profiles as possible relatives of a probe, best first.

    Each candidate's kinship index is the minimum over the populations and must reach `min_lr`
    (Ge & Budowle 2012). References without a usable locus in common are no candidates.
    """
    found = []
    for reference in references:
        try:
            index = least_favourable_kinship(probe, reference, relation, tables, theta)
        except ProfileError:
            continue
        if index.lr >= min_lr:
            found.append(FamilialCandidate(reference, index, y_check(probe, reference)))
    return sorted(found, key=lambda item: (-item.kinship.log10, item.profile.name))
