"""Likelihood ratio for *same person*: how rare is what probe and reference have in common.

At each locus that both sides type the ratio is one over the probability that a person unrelated
to the probe shows, under the same rule, as much in common with it:

- both show the same alleles: the genotype's match probability;
- one allele in common, the other unknown or not seen (homo- against heterozygote, wildcard, low
  stringency): the probability that a person carries that allele;
- a probe of more than two alleles: the probability that both alleles of a person are among them;
- nothing but wildcards in common: 1.

A mismatched locus that the search tolerates counts `ERROR_RATE`: under *same person* one of the
two typings is wrong there, and then says nothing about the person.
"""

import math
from collections.abc import Sequence
from typing import Any

from biomatch.dna.alleles import is_exact, is_wildcard
from biomatch.dna.frequencies import Frequencies
from biomatch.dna.matching import LocusResult, compare_locus
from biomatch.dna.profile import DnaProfile
from biomatch.dna.query import LocusScore
from biomatch.dna.rules import Stringency
from biomatch.dna.statistics import Formula, rarity

__all__ = ["ERROR_RATE", "IdentityScore", "identity_scores", "in_common"]

ERROR_RATE = 0.001
"""Likelihood ratio of a mismatched locus that the search tolerates.

A convention, not a measurement: one typing in a thousand wrong at a locus. It ranks a candidate
with a mismatch well below the same candidate without it, and every mismatch is shown.
"""

Tokens = tuple[str, ...]

_REMEMBERED = 1 << 16


def in_common(probe: Tokens, reference: Tokens) -> Tokens:
    """Return what a matching pair of genotypes says about one person, as allele tokens.

    ``*`` stands for an allele that is not known. A probe with more than two alleles is returned
    whole: its match probability is one of inclusion.

    Examples
    --------
    >>> in_common(("12", "13"), ("12", "13")), in_common(("12", "13"), ("12",))
    (('12', '13'), ('12', '*'))
    >>> in_common(("12", "F"), ("12", "14")), in_common(("9", "10", "11"), ("9", "11"))
    (('12', '*'), ('9', '10', '11'))
    """
    if len(probe) > 2 and all(is_exact(token) for token in probe):
        return probe
    shared = tuple(token for token in probe if token in reference and not is_wildcard(token))
    if probe == reference and all(is_exact(token) for token in probe):
        return probe
    return shared if len(shared) == 2 else (*shared, "*")


class IdentityScore:
    """The function (locus, probe, reference) -> log10 LR for *same person*.

    Loci that the table lacks give 0. What was computed once is remembered, and left behind when
    the function is sent to another process.

    Parameters
    ----------
    frequencies, theta, formula
        As for `biomatch.dna.statistics.rarity`.
    stringency
        Rule that says which loci mismatch.
    """

    def __init__(
        self, frequencies: Frequencies, theta: float, formula: Formula | str, stringency: Stringency
    ) -> None:
        self._given = frequencies, theta, formula, stringency
        self._known: dict[tuple[str, Tokens], float] = {}
        self._told: dict[tuple[str, Tokens, Tokens], float] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Send only the parameters."""
        return IdentityScore, self._given

    def __call__(self, locus: str, probe: Tokens, reference: Tokens) -> float:
        """log10 LR of one locus."""
        asked = locus, probe, reference
        known = self._told.get(asked)
        if known is None:
            if len(self._told) >= _REMEMBERED:
                self._told.clear()
            known = self._told[asked] = self._weigh(locus, probe, reference)
        return known

    def _weigh(self, locus: str, probe: Tokens, reference: Tokens) -> float:
        frequencies, theta, formula, stringency = self._given
        if locus not in frequencies:
            return 0.0
        line = compare_locus(locus, probe, reference, stringency)
        if line.result in {LocusResult.MISMATCH, LocusResult.MICROVARIANT}:
            return math.log10(ERROR_RATE)
        key = locus, in_common(probe, reference)
        if key not in self._known:
            part = DnaProfile(name="", loci={locus: key[1]})
            self._known[key] = -rarity(part, frequencies, theta, formula).log10
        return self._known[key]


def identity_scores(
    tables: Sequence[Frequencies], theta: float, formula: Formula | str, stringency: Stringency
) -> tuple[LocusScore, ...]:
    """One `IdentityScore` a population table."""
    return tuple(IdentityScore(table, theta, formula, stringency) for table in tables)
