"""One probe made ready for a gallery: its loci, its tables, and the decision on each row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.codes import OVERFLOW, Columns
from biomatch.dna.filter import UNKNOWN, FilterIndex, ProbeTable
from biomatch.dna.kernels import (
    IRREGULAR,
    PAIRS,
    SLOTS,
    TABLE,
    count_flags,
    scan,
    whole,
)
from biomatch.dna.lookup import Classes, blank, classify
from biomatch.dna.matching import LocusComparison, LocusResult, compare_locus
from biomatch.dna.profile import DnaProfile
from biomatch.dna.rules import RuleSet, Stringency

__all__ = ["DEVIATIONS", "MatchQuery", "pack_flags"]

Tokens = tuple[str, ...]
RowArray = NDArray[np.int64]
LocusScore = Callable[[str, Tokens, Tokens], float]

_FEW = 0.01

DEVIATIONS = 0
"""Counter of mismatched loci (Pruem: deviating alleles); 1 counts loci compared, 2 matched."""


def pack_flags(line: LocusComparison, stringency: Stringency) -> int:
    """Pack what one locus adds to the three counters, 8 bits each."""
    if line.result in {LocusResult.MISSING_PROBE, LocusResult.MISSING_REFERENCE}:
        return 0
    if stringency is Stringency.PRUEM:
        return line.deviations | 1 << 8 | int(line.result is LocusResult.MATCH) << 16
    return int(not line.matches) | 1 << 8 | int(line.matches) << 16


@lru_cache(maxsize=1 << 17)
def _flags(
    name: str, probe: Tokens, reference: Tokens, stringency: Stringency, required: Tokens
) -> int:
    """Counters of one locus by the plain rule, remembered."""
    return pack_flags(compare_locus(name, probe, reference, stringency, required), stringency)


@dataclass(frozen=True, slots=True)
class _Locus:
    """One locus of the probe that the gallery types as well."""

    name: str
    column: int
    probe: Tokens
    required: Tokens
    classes: Classes
    flags: NDArray[np.uint32]
    accepted: NDArray[np.bool_]
    weights: NDArray[np.float32]
    passing: float


class MatchQuery:
    """A probe compared with a gallery under a rule set.

    Parameters
    ----------
    columns
        The gallery's packed profiles.
    shares
        (loci, 65536) share of each genotype code.
    probe, rules
        What is searched, and the rule with its limits.
    """

    def __init__(
        self, columns: Columns, shares: NDArray[np.float32], probe: DnaProfile, rules: RuleSet
    ) -> None:
        self._columns = columns
        self._rules = rules
        self._mixture = probe.is_mixture
        wanted = {
            name: tokens
            for name, tokens in probe.autosomal.items()
            if name in columns.book.loci and (not rules.loci or name in rules.loci)
        }
        loci = [
            self._locus(name, tokens, probe.required.get(name, ()), shares)
            for name, tokens in wanted.items()
        ]
        self.loci = sorted(loci, key=lambda locus: locus.passing)
        self.columns = np.array([locus.column for locus in self.loci], np.int64)
        self.flags = blank(len(self.loci), np.uint32, 1 << 8 | 1 << 16)
        for table, locus in zip(self.flags, self.loci, strict=True):
            table[locus.classes.codes] = locus.flags

    def _locus(
        self, name: str, probe: Tokens, required: Tokens, shares: NDArray[np.float32]
    ) -> _Locus:
        column = self._columns.book.column(name)
        stringency = self._rules.stringency
        pruem = stringency is Stringency.PRUEM
        classes = classify(self._columns.book, column, probe, pruem=pruem)

        def rule(reference: Tokens) -> int:
            return _flags(name, probe, reference, stringency, required)

        flags = classes.answers(rule, np.uint32)
        accepted = (flags & 0xFF) == 0
        weights = shares[column][classes.codes]
        passing = min(1.0, float(shares[column][0] + weights[accepted].sum()))
        return _Locus(name, column, probe, required, classes, flags, accepted, weights, passing)

    @property
    def possible(self) -> bool:
        """False when the probe itself cannot meet the rule's limits."""
        barred = self._mixture and self._rules.stringency is Stringency.PRUEM
        return not barred and len(self.loci) >= max(1, self._rules.min_loci)

    def filter_table(self, index: FilterIndex) -> ProbeTable:
        """Return the probe's table for the filter."""
        spare = len(self.loci) - self._rules.min_loci
        table = ProbeTable.empty(len(index.loci), spare)
        for locus in self.loci:
            if locus.column not in index.loci:
                continue
            place = index.loci.index(locus.column)
            nibbles = np.append(index.nibbles[place][locus.classes.codes], UNKNOWN)
            accepted = np.append(locus.accepted, True)
            table.add(place, nibbles, accepted, np.append(locus.weights, np.float32(0)))
        return table

    def scan(self) -> tuple[RowArray, NDArray[np.uint32]]:
        """Visit all rows; a superset of the hits, ascending, with what `settle` needs.

        Only so many loci are tested on every row, the most discriminating first, that few rows
        are left.
        """
        tested = self.loci[: self._enough()]
        forms = np.zeros(len(tested), np.int64)
        values = np.zeros((len(tested), 3), np.uint16)
        tables = np.zeros((len(tested), OVERFLOW + 1), np.uint8)
        for k, locus in enumerate(tested):
            forms[k] = self._form(locus, values[k], tables[k])
        found: tuple[RowArray, NDArray[np.uint32]] = scan(
            *whole(self._columns.codes),
            self.columns,
            forms,
            values,
            tables,
            self.flags,
            DEVIATIONS,
            self._rules.max_mismatches,
            len(self.loci) - self._rules.min_loci,
        )
        return found

    def _enough(self) -> int:
        """Loci after which about one row in a hundred is left, if loci were independent."""
        chance = np.zeros(self._rules.max_mismatches + 1)
        chance[0] = 1.0
        for k, locus in enumerate(self.loci):
            chance = np.convolve(chance, [locus.passing, 1 - locus.passing])[: len(chance)]
            if chance.sum() < _FEW:
                return k + 1
        return len(self.loci)

    def _form(self, locus: _Locus, values: NDArray[np.uint16], table: NDArray[np.uint8]) -> int:
        """Choose the cheapest test that accepts what the rule accepts."""
        codes = locus.classes.codes
        regular = codes < IRREGULAR
        accepted = codes[regular & locus.accepted]
        if 0 < len(accepted) <= 3:
            values[:] = np.resize(accepted, 3)
            return PAIRS
        known = self._columns.book.allele_tokens(locus.column)
        own = [known.index(token) + 1 for token in locus.probe if token in known]
        if 0 < len(own) <= 2:
            slots = np.isin(codes & 0xFF, own) | np.isin(codes >> 8, own)
            if np.array_equal(slots[regular], locus.accepted[regular]):
                values[:] = np.resize(np.array(own, np.uint16), 3)
                return SLOTS
        table[codes[locus.accepted]] = 1
        table[[0, OVERFLOW]] = 1
        return TABLE

    def verify(self, rows: RowArray, mixtures: NDArray[np.bool_] | None = None) -> RowArray:
        """Return the rows among `rows` (ascending) that the rule reports.

        Parameters
        ----------
        rows
            Candidates.
        mixtures
            Which rows of the gallery are mixtures (needed by Pruem only).
        """
        limit = self._rules.max_mismatches
        alive, sums = count_flags(
            whole(self._columns.codes)[0], self.columns, self.flags, rows, DEVIATIONS, limit
        )
        return self.settle(alive, sums, mixtures)

    def settle(
        self,
        rows: RowArray,
        sums: NDArray[np.uint32],
        mixtures: NDArray[np.bool_] | None = None,
    ) -> RowArray:
        """Return the rows that the rule reports, by their packed counters (`DEVIATIONS`)."""
        for place in np.flatnonzero(np.isin(rows, list(self._columns.overflow))).tolist():
            sums[place] = self._flags_of(int(rows[place]))
        hits: RowArray = rows[self._decide(sums)]
        if self._rules.stringency is Stringency.PRUEM and mixtures is not None:
            hits = hits[~mixtures[hits]]
        return hits

    def _flags_of(self, row: int) -> int:
        """Counters of one row by the plain rule."""
        total = 0
        for locus in self.loci:
            reference = self._columns.genotype(row, locus.column)
            stringency = self._rules.stringency
            total += _flags(locus.name, locus.probe, reference, stringency, locus.required)
        return total

    def _decide(self, sums: NDArray[np.uint32]) -> NDArray[np.bool_]:
        rules = self._rules
        deviations, compared, matched = sums & 0xFF, sums >> 8 & 0xFF, sums >> 16 & 0xFF
        return (
            (deviations <= rules.max_mismatches)
            & (compared >= rules.min_loci)
            & (matched >= rules.min_matching)
        )

    def scores(self, rows: RowArray, populations: Sequence[LocusScore]) -> NDArray[np.float64]:
        """Add up per-locus scores of some rows; the least favourable population's sum counts."""
        totals = np.zeros((len(populations), len(rows)))
        for locus in self.loci:
            classes = locus.classes.of(self._columns.codes[locus.column][rows])
            present, places = np.unique(classes, return_inverse=True)
            seen = [locus.classes.representatives[k] if k >= 0 else () for k in present]
            for number, score in enumerate(populations):
                worth = [score(locus.name, locus.probe, one) if one else 0.0 for one in seen]
                totals[number] += np.array(worth)[places]
        for place in np.flatnonzero(np.isin(rows, list(self._columns.overflow))).tolist():
            totals[:, place] = [self._score_of(int(rows[place]), score) for score in populations]
        return np.asarray(totals.min(axis=0, initial=np.inf))

    def _score_of(self, row: int, score: LocusScore) -> float:
        total = 0.0
        for locus in self.loci:
            reference = self._columns.genotype(row, locus.column)
            total += score(locus.name, locus.probe, reference) if reference else 0.0
        return total
