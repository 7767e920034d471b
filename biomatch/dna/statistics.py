"""How rare a profile is: random match probabilities, and the sampling formula behind them.

Formulas and their names:

- ``nrc41``: National Research Council (1996), The Evaluation of Forensic DNA Evidence, eq. 4.1
  with the correction for homozygotes of eq. 4.4a: p² + p(1-p)θ and 2pq;
- ``nrc410``: ibid., eq. 4.10a/b (Balding & Nichols 1994), conditional on the profile seen once;
- ``wright``: Wright's F-statistics on both: p² + p(1-p)θ and 2pq(1-θ).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from biomatch.dna.alleles import is_wildcard
from biomatch.dna.frequencies import Frequencies, as_tables
from biomatch.dna.profile import DnaProfile
from biomatch.errors import OptionError, ProfileError

__all__ = [
    "Formula",
    "LocusRarity",
    "Rarity",
    "check_theta",
    "expected_adventitious",
    "genotype_probability",
    "least_favourable",
    "log10_lr",
    "rarity",
    "rmp",
    "sample_probability",
]


class Formula(StrEnum):
    """Name of a random match probability formula (see the module's description)."""

    NRC41 = "nrc41"
    NRC410 = "nrc410"
    WRIGHT = "wright"


@dataclass(frozen=True, slots=True)
class LocusRarity:
    """Random match probability at one locus.

    Attributes
    ----------
    locus, alleles
        What was typed.
    frequencies
        Frequency used for each allele, minimum applied.
    probability
        Random match probability, 0 to 1.
    kind
        ``"genotype"``; ``"wildcard"``: one allele known, any second; ``"inclusion"``: more than
        two alleles, probability that a random person's alleles are all among them; ``"any"``.
    """

    locus: str
    alleles: tuple[str, ...]
    frequencies: tuple[float, ...]
    probability: float
    kind: str


@dataclass(frozen=True, slots=True)
class Rarity:
    """Random match probability of a profile, with everything it rests on.

    Attributes
    ----------
    probability
        Product over the loci used (0 when it underflows; `log10` stays exact).
    log10
        log10 of the probability.
    loci
        One line a locus.
    unused
        Typed autosomal loci that the table lacks.
    table, minimum_rule, theta, formula
        Frequency table, minimum allele frequency, theta and formula used.
    """

    probability: float
    log10: float
    loci: tuple[LocusRarity, ...]
    unused: tuple[str, ...]
    table: str
    minimum_rule: str
    theta: float
    formula: Formula

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return {
            "rmp": self.probability,
            "log10_rmp": self.log10,
            "formula": self.formula.value,
            "theta": self.theta,
            "table": self.table,
            "minimum_frequency": self.minimum_rule,
            "loci_used": len(self.loci),
            "unused": list(self.unused),
            "loci": [
                {
                    "locus": line.locus,
                    "alleles": list(line.alleles),
                    "frequencies": list(line.frequencies),
                    "rmp": line.probability,
                    "kind": line.kind,
                }
                for line in self.loci
            ],
        }


def check_theta(theta: float) -> None:
    """Refuse a coancestry coefficient outside 0 to below 1.

    Raises
    ------
    OptionError
        Out of range.
    """
    if not 0.0 <= theta < 1.0:
        raise OptionError(f"theta is {theta}; give a coancestry coefficient from 0 to below 1")


def sample_probability(alleles: Iterable[tuple[str, float]], theta: float) -> float:
    """Return the probability of drawing these alleles one after the other.

    The sampling formula of Balding & Nichols (1994): with n alleles seen, m of them a, the next
    is a with probability (mθ + (1-θ)p_a) / (1 + (n-1)θ). The order does not matter.

    Parameters
    ----------
    alleles
        Pairs of allele and frequency.
    theta
        Coancestry coefficient.
    """
    seen: dict[str, int] = {}
    result = 1.0
    for total, (allele, frequency) in enumerate(alleles):
        count = seen.get(allele, 0)
        result *= (count * theta + (1.0 - theta) * frequency) / (1.0 + (total - 1) * theta)
        seen[allele] = count + 1
    return result


def genotype_probability(
    p: float, q: float | None, theta: float = 0.01, formula: Formula | str = Formula.NRC41
) -> float:
    """Return the match probability of one genotype.

    Parameters
    ----------
    p, q
        Allele frequencies; q is None for a homozygote.
    theta, formula
        Coancestry coefficient and formula.

    Examples
    --------
    National Research Council (1996), eq. 4.10, for p = 0.1, q = 0.2, theta = 0.01:

    >>> round(genotype_probability(0.1, None, 0.01, "nrc410"), 10)
    0.0149009901
    >>> round(genotype_probability(0.1, 0.2, 0.01, "nrc410"), 10)
    0.0440147544
    """
    formula = _formula(formula)
    if formula is Formula.NRC410:
        scale = (1.0 + theta) * (1.0 + 2.0 * theta)
        first = theta + (1.0 - theta) * p
        if q is None:
            return (first + theta) * (first + 2.0 * theta) / scale
        return 2.0 * first * (theta + (1.0 - theta) * q) / scale
    if q is None:
        return p * p + p * (1.0 - p) * theta
    return 2.0 * p * q * (1.0 - theta if formula is Formula.WRIGHT else 1.0)


def _formula(name: Formula | str) -> Formula:
    try:
        return Formula(name.lower())
    except ValueError:
        known = ", ".join(Formula)
        raise OptionError(f"unknown formula {name!r}; known are {known}") from None


def _one_known(p: float, theta: float, formula: Formula) -> float:
    """Probability that a genotype carries the allele at all: the other one is not known."""
    if formula is Formula.NRC410:
        absent = (1.0 - theta) * (1.0 - p)
        return 1.0 - absent * (absent + theta) / (1.0 + theta)
    other = 2.0 * p * (1.0 - p) * (1.0 - theta if formula is Formula.WRIGHT else 1.0)
    return p * p + p * (1.0 - p) * theta + other


def _inclusion(total: float, theta: float) -> float:
    """Probability that both alleles of a random person are among a set of alleles."""
    total = min(total, 1.0)
    return total * total + total * (1.0 - total) * theta


def _at_locus(
    locus: str, tokens: tuple[str, ...], table: Frequencies, theta: float, formula: Formula
) -> LocusRarity:
    known = tuple(token for token in tokens if not is_wildcard(token))
    shares = tuple(table.frequency(locus, token) for token in known)
    wild = len(known) < len(tokens)
    if len(known) > 2 or (len(known) == 2 and wild):
        kind, value = "inclusion", 1.0 if wild else _inclusion(sum(shares), theta)
    elif not known:
        kind, value = "any", 1.0
    elif wild:
        kind, value = "wildcard", _one_known(shares[0], theta, formula)
    else:
        second = shares[1] if len(shares) == 2 else None
        kind, value = "genotype", genotype_probability(shares[0], second, theta, formula)
    return LocusRarity(locus, tokens, shares, min(value, 1.0), kind)


def rarity(
    profile: DnaProfile,
    frequencies: Frequencies,
    theta: float = 0.01,
    formula: Formula | str = Formula.NRC41,
) -> Rarity:
    """Return the random match probability of a profile with its per-locus table.

    Loci with more than two alleles give the probability of inclusion; wildcards count as any
    allele. Loci that the table lacks are named in `Rarity.unused`.

    Raises
    ------
    OptionError
        Theta or formula out of range.
    ProfileError
        The profile and the table have no locus in common.
    """
    check_theta(theta)
    formula = _formula(formula)
    typed = profile.autosomal
    lines = tuple(
        _at_locus(locus, tokens, frequencies, theta, formula)
        for locus, tokens in typed.items()
        if locus in frequencies
    )
    if not lines:
        raise ProfileError(
            f"profile {profile.name!r} and frequency table {frequencies} have no locus in common"
        )
    return Rarity(
        probability=math.prod(line.probability for line in lines),
        log10=sum(math.log10(line.probability) for line in lines),
        loci=lines,
        unused=tuple(locus for locus in typed if locus not in frequencies),
        table=str(frequencies),
        minimum_rule=frequencies.minimum_rule,
        theta=theta,
        formula=formula,
    )


def rmp(
    profile: DnaProfile,
    frequencies: Frequencies | Sequence[Frequencies],
    theta: float = 0.01,
    formula: Formula | str = Formula.NRC41,
) -> float:
    """Return the random match probability of a profile.

    Parameters
    ----------
    profile
        The profile; autosomal loci that the table has are used.
    frequencies
        One table, or several: then the least favourable (largest) figure is returned.
    theta
        Coancestry coefficient, 0 to below 1.
    formula
        ``"nrc41"``, ``"nrc410"`` or ``"wright"``.

    Examples
    --------
    pedprobr's test of theta correction: a homozygote with p = 0.3 and theta = 0.01.

    >>> table = Frequencies.from_dict({"TH01": {"6": 0.3, "7": 0.7}})
    >>> round(rmp(DnaProfile.from_alleles({"TH01": ("6", "6")}), table, theta=0.01), 10)
    0.0921
    """
    tables = as_tables(frequencies)
    return least_favourable(profile, tables, theta, formula).probability


def least_favourable(
    profile: DnaProfile,
    tables: Sequence[Frequencies],
    theta: float = 0.01,
    formula: Formula | str = Formula.NRC41,
) -> Rarity:
    """Return the largest random match probability over several populations.

    Raises
    ------
    OptionError
        No table is given.
    """
    if not tables:
        raise OptionError("no frequency table is given; name at least one")
    return max((rarity(profile, table, theta, formula) for table in tables), key=lambda r: r.log10)


def expected_adventitious(probability: float, records: int) -> float:
    """Return how many unrelated persons of a database match by chance: N times the RMP.

    ENFSI's recommendations on DNA databases ask for this warning with every candidate list.
    """
    return probability * records


def log10_lr(probabilities: Mapping[str, float]) -> float:
    """Return log10 of the product of per-locus likelihood ratios; -inf when one is 0."""
    if any(value <= 0.0 for value in probabilities.values()):
        return -math.inf
    return sum(math.log10(value) for value in probabilities.values())
