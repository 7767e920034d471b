"""Tables of one probe: what every genotype of a gallery is worth at each locus.

What a rule or a likelihood ratio says about a pair of genotypes depends on how the alleles of
one relate to those of the other, not on which alleles they are otherwise. So the genotypes of a
locus fall into a handful of classes for a given probe. The plain-Python rule is asked once for
a representative of each class, and its answer is spread over the genotype codes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.alleles import is_exact, is_wildcard, neighbours
from biomatch.dna.codes import OVERFLOW, CodeBook
from biomatch.dna.kernels import IRREGULAR
from biomatch.dna.loci import BY_NAME
from biomatch.dna.matching import compatible

__all__ = ["Classes", "blank", "classify"]

Tokens = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Classes:
    """The genotypes of a locus, sorted by how they relate to a probe.

    Attributes
    ----------
    codes
        (n,) uint16 genotype codes: all pairs of known alleles and all interned genotypes.
    members
        (n,) class of each.
    representatives
        One genotype a class.
    """

    codes: NDArray[np.uint16]
    members: NDArray[np.int64]
    representatives: tuple[Tokens, ...]

    def answers(self, rule: Callable[[Tokens], float], dtype: Any) -> NDArray[Any]:
        """Ask `rule` once a class; (n,) its answer for each of `codes`."""
        told = np.array([rule(tokens) for tokens in self.representatives], dtype)
        return told[self.members]

    def of(self, codes: NDArray[np.uint16]) -> NDArray[np.int32]:
        """Return the class of each of some codes; -1 where untyped or without a code."""
        table = np.full(OVERFLOW + 1, -1, np.int32)
        table[self.codes] = self.members
        return table[codes]


@lru_cache(maxsize=512)
def _pairs(alleles: int) -> tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.int64]]:
    """Codes of all genotypes of so many alleles, and both allele places (-1: homozygote)."""
    first, second = np.triu_indices(alleles)
    high = np.where(first == second, 0, second + 1)
    codes = ((first + 1) | high << 8).astype(np.uint16)
    return codes, first.astype(np.int64), np.where(first == second, -1, second).astype(np.int64)


def classify(book: CodeBook, column: int, probe: Tokens, *, pruem: bool = False) -> Classes:
    """Sort the genotypes of a locus into classes that no rule tells apart for this probe.

    Two designated alleles are alike when they equal the same probe allele or none and fit the
    same open-ended ones; for Pruem also when they are neighbours (microvariants) of the same
    ones, and both or neither among the numbers that it treats as wildcards. Interned genotypes
    are classes of their own.

    Parameters
    ----------
    book, column
        The dictionary and the locus in it.
    probe
        The probe's alleles.
    pruem
        Tell apart what Pruem's rule does.
    """
    known = book.allele_tokens(column)
    codes, first, second = _pairs(len(known))
    kinds = np.append(
        _kinds(book.loci[column], probe, known, pruem), -1
    )  # place -1: no second allele
    low, high = kinds[first], kinds[second]
    keys = (np.maximum(low, high) + 1) * (len(known) + 1) + np.minimum(low, high) + 1
    chosen = np.full(int(keys.max(initial=0)) + 1, -1)
    chosen[keys[::-1]] = np.arange(len(keys))[::-1]
    present = np.flatnonzero(chosen >= 0)
    places = [(first[i], second[i]) for i in chosen[present]]
    regular = [tuple(known[p] for p in pair if p >= 0) for pair in places]
    members = np.cumsum(chosen >= 0)[keys] - 1
    interned = [book.tokens(column, IRREGULAR + k) for k in range(len(book.interned[column]))]
    own = np.arange(len(interned))
    return Classes(
        np.append(codes, (own + IRREGULAR).astype(np.uint16)),
        np.append(members, own + len(regular)),
        (*regular, *interned),
    )


def _kinds(locus: str, probe: Tokens, known: Sequence[str], pruem: bool) -> NDArray[np.int64]:
    """Give alleles that relate alike to the probe's the same number."""
    repeat = BY_NAME[locus].repeat if locus in BY_NAME else 4
    around = [neighbours(token, repeat) for token in probe] if pruem else []
    open_ended = [token for token in probe if not is_exact(token) and not is_wildcard(token)]
    numbers_as_wildcards = {"1", "99"} if pruem else set()
    special = {*probe, *numbers_as_wildcards}.union(*around)
    kinds: dict[tuple[Any, ...], int] = {}
    numbers = np.zeros(len(known), np.int64)
    for place, token in enumerate(known):
        if token in special or open_ended:
            relation = (
                probe.index(token) if token in probe else -1,
                tuple(token in near for near in around),
                tuple(compatible(other, token) for other in open_ended),
                token in numbers_as_wildcards,
            )
            numbers[place] = kinds.setdefault(relation, len(kinds) + 1)
    return numbers


def blank(loci: int, dtype: Any, overflow: float) -> NDArray[Any]:
    """Make a table (loci, 65536) of zeros with one value for genotypes without a code."""
    table = np.zeros((loci, OVERFLOW + 1), dtype)
    table[:, OVERFLOW] = overflow
    return table
