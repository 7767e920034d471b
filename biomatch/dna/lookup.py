"""What every genotype of a gallery is worth to a probe, asked of the plain rule a few times only.

What a rule or a likelihood ratio says about a pair of genotypes depends on how the alleles of
one relate to those of the other, not on which alleles they are otherwise. So for a given probe
the alleles of a locus fall into a handful of kinds, and its genotypes into pairs of kinds. The
plain-Python rule is asked once for a representative of each pair. None of this depends on the
gallery: `probe_locus` does it once, and every part of a database spreads the answers over its own
genotype codes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.alleles import (
    decode,
    encode,
    is_exact,
    is_wildcard,
    neighbours,
    sort_alleles,
    tenths,
)
from biomatch.dna.codes import CodeBook, Columns
from biomatch.dna.kernels import IRREGULAR, census, frozen
from biomatch.dna.loci import BY_NAME
from biomatch.dna.matching import LocusComparison, LocusResult, compare_locus, compatible
from biomatch.dna.rules import Stringency

__all__ = [
    "Genotypes",
    "ProbeLocus",
    "allele_pairs",
    "outcome",
    "pack_flags",
    "probe_locus",
]

Tokens = tuple[str, ...]
Kinds = NDArray[np.uint8]

NO_ALLELE = 0
"""Kind in place of a homozygote's second allele."""

OTHER = 1
"""Kind of alleles that have nothing to do with the probe's (below all its open ends)."""

_SHORTEST, _LONGEST = 10, 9_999
_SAMPLE = 50_000


def pack_flags(line: LocusComparison, stringency: Stringency) -> int:
    """Pack what one locus adds to the three counters, 8 bits each.

    The counters are mismatched loci (Pruem: deviating alleles), loci compared, loci matched.
    """
    if line.result in {LocusResult.MISSING_PROBE, LocusResult.MISSING_REFERENCE}:
        return 0
    if stringency is Stringency.PRUEM:
        return line.deviations | 1 << 8 | int(line.result is LocusResult.MATCH) << 16
    return int(not line.matches) | 1 << 8 | int(line.matches) << 16


@lru_cache(maxsize=1 << 17)
def outcome(
    name: str, probe: Tokens, reference: Tokens, stringency: Stringency, required: Tokens
) -> int:
    """Counters of one locus by the plain rule, remembered."""
    return pack_flags(compare_locus(name, probe, reference, stringency, required), stringency)


@dataclass(frozen=True, slots=True, eq=False)
class ProbeLocus:
    """One locus of a probe under a rule, ready for any gallery. Make it with `probe_locus`.

    Attributes
    ----------
    name, probe, stringency, required
        As for `biomatch.dna.matching.compare_locus`.
    special
        Allele number (`biomatch.dna.alleles.encode`) -> kind, for alleles that the probe names
        or that are neighbours of these.
    bounds, zones
        The other alleles' kind is ``zones[searchsorted(bounds, number, "right")]``: open-ended
        alleles of the probe (``<9``) part them by size.
    representatives
        One or two alleles of each kind; none at `NO_ALLELE`.
    pairs
        (kinds, kinds) uint32, symmetric: packed counters (`pack_flags`) of a genotype of two
        kinds.
    by_slots
        True when exactly those genotypes match that have one of the probe's alleles.
    designated
        Numbers of the probe's designated alleles.
    """

    name: str
    probe: Tokens
    stringency: Stringency
    required: Tokens
    special: Mapping[int, int]
    bounds: tuple[int, ...]
    zones: tuple[int, ...]
    representatives: tuple[Tokens, ...]
    pairs: NDArray[np.uint32]
    by_slots: bool
    designated: tuple[int, ...]

    def kinds(self, book: CodeBook, column: int) -> Kinds:
        """Kind of each allele code of a locus; (256,) uint8, place 0 is `NO_ALLELE`."""
        kinds = np.full(256, OTHER, np.uint8)
        kinds[0] = NO_ALLELE
        if self.bounds:
            numbers = book.alleles[column]
            zones = np.array(self.zones, np.uint8)
            kinds[1 : 1 + len(numbers)] = zones[np.searchsorted(self.bounds, numbers, "right")]
        codes = book.allele_codes(column)
        for number, kind in self.special.items():
            if number in codes:
                kinds[codes[number]] = kind
        return kinds

    def tokens(self, first: int, second: int) -> Tokens:
        """Return the representative genotype of two kinds."""
        return _genotype(self.representatives, first, second)

    def of_interned(self, genotypes: Sequence[tuple[int, ...]]) -> list[int]:
        """Packed counters of genotypes given by their allele numbers."""
        name, probe, stringency, required = self.name, self.probe, self.stringency, self.required
        return [
            outcome(name, probe, _decoded(numbers), stringency, required) for numbers in genotypes
        ]


@lru_cache(maxsize=1 << 16)
def _decoded(numbers: tuple[int, ...]) -> Tokens:
    return tuple(decode(number) for number in numbers)


def _genotype(representatives: Sequence[Tokens], first: int, second: int) -> Tokens:
    """Two alleles of two kinds, ascending; one when there are no two such alleles."""
    low, high = sorted((first, second))
    if low == NO_ALLELE:
        return representatives[high][:1]
    if low == high:
        return sort_alleles(representatives[low][:2])
    return sort_alleles((representatives[low][0], representatives[high][0]))


@lru_cache(maxsize=1 << 14)
def probe_locus(
    name: str, probe: Tokens, stringency: Stringency, required: Tokens = ()
) -> ProbeLocus:
    """Sort the alleles of a locus into kinds that no rule tells apart for this probe.

    Two designated alleles are alike when they equal the same probe allele or none and fit the
    same open-ended ones; for Pruem also when they are neighbours (microvariants) of the same
    ones, and both or neither among the numbers that it treats as wildcards.

    Parameters
    ----------
    name
        Canonical locus name.
    probe
        The probe's alleles, at least one.
    stringency, required
        As for `biomatch.dna.matching.compare_locus`.
    """
    special, bounds, zones, representatives = _kinds(name, probe, stringency)
    size = len(representatives)
    pairs = np.zeros((size, size), np.uint32)
    for first, second in combinations_with_replacement(range(size), 2):
        tokens = _genotype(representatives, first, second)
        if tokens:
            flags = outcome(name, probe, tokens, stringency, required)
            pairs[first, second] = pairs[second, first] = flags
    pairs.flags.writeable = False
    designated = tuple(encode(token) for token in probe if is_exact(token))
    own = {special[number] for number in designated}
    by_slots = all(
        ((int(pairs[first, second]) & 0xFF) == 0) == bool(own & {first, second})
        for first, second in combinations_with_replacement(range(size), 2)
        if _occurs(representatives, first, second)
    )
    return ProbeLocus(
        name,
        probe,
        stringency,
        required,
        special,
        bounds,
        zones,
        representatives,
        pairs,
        by_slots,
        designated,
    )


def _occurs(representatives: Sequence[Tokens], first: int, second: int) -> bool:
    """Tell whether some genotype has these kinds (first <= second)."""
    if second == NO_ALLELE or not representatives[second]:
        return False
    if first == second:
        return len(representatives[first]) > 1
    return first == NO_ALLELE or bool(representatives[first])


def _kinds(
    name: str, probe: Tokens, stringency: Stringency
) -> tuple[dict[int, int], tuple[int, ...], tuple[int, ...], tuple[Tokens, ...]]:
    """Return special alleles' kinds, bounds and zones of the others, and representatives."""
    pruem = stringency is Stringency.PRUEM
    repeat = BY_NAME[name].repeat if name in BY_NAME else 4
    around = [neighbours(token, repeat) for token in probe] if pruem else []
    open_ended = [token for token in probe if not is_exact(token) and not is_wildcard(token)]
    as_wildcards = {"1", "99"} if pruem else set()
    named = {token for token in probe if is_exact(token)}.union(as_wildcards, *around)

    def relation(token: str) -> tuple[object, ...]:
        return (
            probe.index(token) if token in probe else -1,
            tuple(token in near for near in around),
            tuple(compatible(other, token) for other in open_ended),
            token in as_wildcards,
        )

    bounds = tuple(sorted({tenths(token) + (token[0] == ">") for token in open_ended}))
    found: dict[tuple[object, ...], int] = {}
    members: list[list[str]] = [[]]
    zones = []
    for low, high in zip((_SHORTEST, *bounds), (*bounds, _LONGEST + 1), strict=True):
        some = _ordinary(max(low, _SHORTEST), high, named)
        key = relation(some[0]) if some else (low,)
        zones.append(found.setdefault(key, len(found) + 1))
        if zones[-1] == len(members):
            members.append(some)
    special = {}
    for token in sort_alleles(named):
        kind = found.setdefault(relation(token), len(found) + 1)
        special[encode(token)] = kind
        if kind == len(members):
            members.append([])
        members[kind].append(token)
    return special, bounds, tuple(zones), tuple(tuple(group[:2]) for group in members)


def _ordinary(low: int, high: int, named: set[str]) -> list[str]:
    """Up to two alleles with numbers from `low` to below `high` that are not named."""
    some: list[str] = []
    for number in range(low, high):
        token = decode(number)
        if token not in named:
            some.append(token)
            if len(some) == 2:
                break
    return some


@lru_cache(maxsize=512)
def allele_pairs(
    alleles: int,
) -> tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.int64]]:
    """Codes of all genotypes of so many alleles, and places of each one's two alleles, from 0."""
    first, second = np.triu_indices(alleles)
    codes = ((first + 1) | np.where(first == second, 0, second + 1) << 8).astype(np.uint16)
    for array in (codes, first, second):
        array.flags.writeable = False
    return codes, first, second


@dataclass(frozen=True, slots=True, eq=False)
class Genotypes:
    """All genotypes that a gallery has codes for, locus after locus, and how frequent they are.

    Attributes
    ----------
    starts
        (loci + 1,) int64: genotypes of locus c are ``starts[c]`` to ``starts[c + 1]``; the
        interned ones come last.
    codes
        (n,) uint16.
    shares
        (n,) float32, share of the rows that show each.
    untyped
        (loci,) share of the rows that are not typed at a locus.
    """

    starts: NDArray[np.int64]
    codes: NDArray[np.uint16]
    shares: NDArray[np.float32]
    untyped: NDArray[np.float64]

    @classmethod
    def of(cls, columns: Columns) -> "Genotypes":
        """List the genotypes of packed profiles; shares come from every k-th row."""
        sample = columns.codes[:, :: max(1, len(columns) // _SAMPLE)]
        parts, shares, untyped = [], [], []
        for alleles, interned, column in zip(
            columns.book.alleles, columns.book.interned, sample, strict=True
        ):
            irregular = np.arange(IRREGULAR, IRREGULAR + len(interned)).astype(np.uint16)
            parts.append(np.append(allele_pairs(len(alleles))[0], irregular))
            counts = census(frozen(column))
            total = max(1, int(counts.sum()))
            shares.append((counts[parts[-1]] / total).astype(np.float32))
            untyped.append(float(counts[0]) / total)
        starts = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        return cls(
            starts,
            np.concatenate([np.zeros(0, np.uint16), *parts]),
            np.concatenate([np.zeros(0, np.float32), *shares]),
            np.array(untyped, np.float64),
        )

    def at(self, column: int) -> NDArray[np.uint16]:
        """Genotype codes of one locus."""
        return self.codes[self.starts[column] : self.starts[column + 1]]
