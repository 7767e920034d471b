"""How likely an unrelated person is to be reported by a search: the adventitious hit rate.

A search that tolerates drop-out or mismatches reports more strangers than the probe's random
match probability says. At each locus an unrelated person shows a genotype that the rule accepts
with the sum of the accepted genotypes' probabilities; over the loci the number of deviations
follows by convolution (the Poisson-binomial distribution).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.alleles import encode, is_exact
from biomatch.dna.codes import CodeBook
from biomatch.dna.frequencies import Frequencies
from biomatch.dna.lookup import probe_locus
from biomatch.dna.profile import DnaProfile
from biomatch.dna.rules import RuleSet

__all__ = ["adventitious_probability"]


def adventitious_probability(
    probe: DnaProfile, tables: Sequence[Frequencies], rules: RuleSet, theta: float = 0.01
) -> float:
    """Return the probability that an unrelated, fully typed person is reported.

    Times the number of records it is the number of adventitious hits to expect (ENFSI's
    recommendations ask for it with every candidate list). The largest over the populations.

    Parameters
    ----------
    probe
        What is searched with.
    tables
        Population tables; loci that a table lacks accept everybody.
    rules
        The rule with its limits.
    theta
        Coancestry coefficient, as in NRC II eq. 4.1 and 4.4a (homozygotes p² + p(1-p)θ).

    Examples
    --------
    >>> table = Frequencies.from_dict({"TH01": {"6": 0.2, "7": 0.8}})
    >>> from biomatch.dna.rules import rule_set
    >>> probe = DnaProfile.from_alleles({"TH01": ("6",)})
    >>> high = rule_set("high").with_limits(min_loci=1)
    >>> round(adventitious_probability(probe, [table], high, theta=0.0), 6)
    0.04
    """
    return max(_probability(probe, table, rules, theta) for table in tables)


def _probability(probe: DnaProfile, table: Frequencies, rules: RuleSet, theta: float) -> float:
    chance = np.zeros(rules.max_mismatches + 1)
    chance[0] = 1.0
    for locus, tokens in probe.autosomal.items():
        if locus in table and (not rules.loci or locus in rules.loci):
            shares = _deviations(locus, tokens, probe.required.get(locus, ()), table, rules, theta)
            chance = np.convolve(chance, shares)[: len(chance)]
    return min(1.0, float(chance.sum()))


def _deviations(
    locus: str,
    probe: tuple[str, ...],
    required: Sequence[str],
    table: Frequencies,
    rules: RuleSet,
    theta: float,
) -> NDArray[np.float64]:
    """Probability of 0, 1, 2 deviations at a locus; (3,)."""
    book = CodeBook()
    column = book.column(locus)
    exact = [token for token in table.alleles(locus) if is_exact(token) and "0" <= token[0] <= "9"]
    exact += [token for token in probe if is_exact(token) and token not in exact]
    book.add_alleles(column, [encode(token) for token in exact])
    p = np.array([table.frequency(locus, token) for token in book.allele_tokens(column)])
    prepared = probe_locus(locus, probe, rules.stringency, tuple(required))
    kinds = prepared.kinds(book, column)
    low, high = np.triu_indices(len(p))
    other = np.where(low == high, 0, high + 1)
    counts = prepared.pairs[kinds[low + 1], kinds[other]] & 0xFF
    weights = np.where(
        low == high, p[low] ** 2 + p[low] * (1 - p[low]) * theta, 2 * p[low] * p[high]
    )
    weights /= max(1.0, float(weights.sum()))
    shares = np.bincount(counts, weights, minlength=3)[:3]
    return np.asarray(shares, np.float64)
