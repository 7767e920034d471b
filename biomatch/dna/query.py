"""One probe made ready for a gallery: its loci, its tables, and the decision on each row.

What depends on the probe alone is made once (`biomatch.dna.lookup.probe_locus`); here it is
spread over the genotype codes of one gallery. Kernels read tables with a place for each code.
They are laid out when a kernel is called, on a desk that each thread has once.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.codes import OVERFLOW, Columns
from biomatch.dna.desk import DESK
from biomatch.dna.filter import FilterIndex, ProbeTable
from biomatch.dna.kernels import (
    IRREGULAR,
    PAIRS,
    SLOTS,
    TABLE,
    count_flags,
    lay_out,
    scan,
    sort_out,
    whole,
)
from biomatch.dna.lookup import Genotypes, ProbeLocus, outcome, probe_locus
from biomatch.dna.profile import DnaProfile
from biomatch.dna.rules import RuleSet, Stringency

__all__ = ["DEVIATIONS", "MatchQuery"]

Tokens = tuple[str, ...]
RowArray = NDArray[np.int64]
LocusScore = Callable[[str, Tokens, Tokens], float]

_FEW = 0.01
_UNSAID = 1 << 8 | 1 << 16  # compared, matched: a genotype without a code passes for now

DEVIATIONS = 0
"""Counter of mismatched loci (Pruem: deviating alleles); 1 counts loci compared, 2 matched."""


class MatchQuery:
    """A probe compared with a gallery under a rule set.

    Parameters
    ----------
    columns
        The gallery's packed profiles.
    genotypes
        The gallery's genotypes.
    probe, rules
        What is searched, and the rule with its limits.
    """

    def __init__(
        self, columns: Columns, genotypes: Genotypes, probe: DnaProfile, rules: RuleSet
    ) -> None:
        self._columns = columns
        self._genotypes = genotypes
        self._listed = genotypes.starts, genotypes.codes, genotypes.shares
        self._rules = rules
        self._mixture = probe.is_mixture
        book = columns.book
        self.loci: list[ProbeLocus] = [
            probe_locus(name, tokens, rules.stringency, tuple(probe.required.get(name, ())))
            for name, tokens in probe.autosomal.items()
            if name in book.loci and (not rules.loci or name in rules.loci)
        ]
        self._own = np.array([book.column(locus.name) for locus in self.loci], np.int64)
        self._kinds = np.zeros((len(self.loci), 256), np.uint8)
        for row, locus, column in zip(self._kinds, self.loci, self._own.tolist(), strict=True):
            row[:] = locus.kinds(book, column)
        self._flags, passing = sort_out(
            self._listed, self._own, self._kinds, self._pairs(), self._interned()
        )
        ends = np.cumsum(genotypes.starts[self._own + 1] - genotypes.starts[self._own])
        self._places = np.append(np.int64(0), ends)[: len(self.loci)]
        self._passing = np.minimum(1.0, passing + genotypes.untyped[self._own])
        self._order = np.argsort(self._passing, kind="stable")

    def _pairs(self) -> NDArray[np.uint32]:
        """Counters of two kinds for each locus, padded to one size."""
        size = max((len(locus.pairs) for locus in self.loci), default=0)
        pairs = np.zeros((len(self.loci), size, size), np.uint32)
        for table, locus in zip(pairs, self.loci, strict=True):
            table[: len(locus.pairs), : len(locus.pairs)] = locus.pairs
        return pairs

    def _interned(self) -> NDArray[np.uint32]:
        """Counters of the interned genotypes, locus after locus."""
        interned = self._columns.book.interned
        found: list[int] = []
        for locus, column in zip(self.loci, self._own.tolist(), strict=True):
            if interned[column]:
                found += locus.of_interned(interned[column])
        return np.array(found, np.uint32)

    @property
    def possible(self) -> bool:
        """False when the probe itself cannot meet the rule's limits."""
        barred = self._mixture and self._rules.stringency is Stringency.PRUEM
        return not barred and len(self.loci) >= max(1, self._rules.min_loci)

    def filter_table(self, index: FilterIndex) -> ProbeTable:
        """Return the probe's table for the filter."""
        places = {column: place for place, column in enumerate(index.loci)}
        chosen = np.array([n for n in self._order if int(self._own[n]) in places], np.int64)
        return index.table(
            self._listed,
            self._own[chosen],
            self._places[chosen],
            self._flags,
            len(self.loci) - self._rules.min_loci,
        )

    def _outcomes(self) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Columns in the order to visit them, and each one's packed counters by code."""
        table = DESK.table("outcomes", len(self.loci), np.uint32)
        columns = self._own[self._order]
        lay_out(self._listed, columns, self._places[self._order], self._flags, _UNSAID, table)
        return columns, table

    def scan(self) -> tuple[RowArray, NDArray[np.uint32]]:
        """Visit all rows; a superset of the hits, ascending, with what `settle` needs.

        Only so many loci are tested on every row, the most discriminating first, that few rows
        are left.
        """
        tested = self._order[: self._enough()]
        forms = np.zeros(len(tested), np.int64)
        values = np.zeros((len(tested), 3), np.uint16)
        tables = DESK.table("tests", len(tested), np.uint8)
        for k, number in enumerate(tested.tolist()):
            forms[k] = self._form(number, values[k], tables[k])
        columns, outcomes = self._outcomes()
        found: tuple[RowArray, NDArray[np.uint32]] = scan(
            *whole(self._columns.codes),
            columns,
            forms,
            values,
            tables,
            outcomes,
            DEVIATIONS,
            self._rules.max_mismatches,
            len(self.loci) - self._rules.min_loci,
        )
        return found

    def _enough(self) -> int:
        """Loci after which about one row in a hundred is left, if loci were independent."""
        chance = np.zeros(self._rules.max_mismatches + 1)
        chance[0] = 1.0
        for k, passing in enumerate(self._passing[self._order].tolist()):
            chance = np.convolve(chance, [passing, 1 - passing])[: len(chance)]
            if chance.sum() < _FEW:
                return k + 1
        return len(self.loci)

    def _form(self, number: int, values: NDArray[np.uint16], table: NDArray[np.uint8]) -> int:
        """Choose the cheapest test that accepts what the rule accepts."""
        locus, column = self.loci[number], int(self._own[number])
        codes, start = self._genotypes.at(column), self._places[number]
        accepted = (self._flags[start : start + len(codes)] & 0xFF) == 0
        regular = codes[accepted & (codes < IRREGULAR)]
        if 0 < len(regular) <= 3:
            values[:] = np.resize(regular, 3)
            return PAIRS
        if locus.by_slots:
            known = self._columns.book.allele_codes(column)
            own = [known[allele] for allele in locus.designated if allele in known]
            if 0 < len(own) <= 2:
                values[:] = np.resize(np.array(own, np.uint16), 3)
                return SLOTS
        table[codes] = accepted
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
        columns, outcomes = self._outcomes()
        alive, sums = count_flags(
            whole(self._columns.codes)[0], columns, outcomes, rows, DEVIATIONS, limit
        )
        return self.settle(alive, sums, mixtures)

    def settle(
        self,
        rows: RowArray,
        sums: NDArray[np.uint32],
        mixtures: NDArray[np.bool_] | None = None,
    ) -> RowArray:
        """Return the rows that the rule reports, by their packed counters (`DEVIATIONS`)."""
        for place in self._overflowing(rows):
            sums[place] = self._flags_of(int(rows[place]))
        hits: RowArray = rows[self._decide(sums)]
        if self._rules.stringency is Stringency.PRUEM and mixtures is not None:
            hits = hits[~mixtures[hits]]
        return hits

    def _overflowing(self, rows: RowArray) -> list[int]:
        """Places of the rows that have genotypes without a code."""
        overflow = self._columns.overflow
        if not overflow:
            return []
        return [int(place) for place in np.flatnonzero(np.isin(rows, list(overflow)))]

    def _flags_of(self, row: int) -> int:
        """Counters of one row by the plain rule."""
        total = 0
        for locus, column in zip(self.loci, self._own.tolist(), strict=True):
            reference = self._columns.genotype(row, column)
            total += outcome(locus.name, locus.probe, reference, locus.stringency, locus.required)
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
        """Add up per-locus scores of some rows; the least favourable population's sum counts.

        Loci are added in the probe's order, so that equal genotypes have equal sums in every
        gallery.
        """
        totals = np.zeros((len(populations), len(rows)))
        if not len(rows):
            return np.zeros(0)
        for number, locus in enumerate(self.loci):
            codes = self._columns.codes[self._own[number]][rows]
            seen, places = self._seen(number, codes)
            for population, score in enumerate(populations):
                values = [score(locus.name, locus.probe, one) if one else 0.0 for one in seen]
                totals[population] += np.array(values)[places]
        for place in self._overflowing(rows):
            totals[:, place] = [self._score_of(int(rows[place]), score) for score in populations]
        return np.asarray(totals.min(axis=0, initial=np.inf))

    def _seen(
        self, number: int, codes: NDArray[np.uint16]
    ) -> tuple[list[Tokens], NDArray[np.int64]]:
        """Genotypes that no score tells apart, one of each sort, and the sort of each row."""
        locus, column = self.loci[number], int(self._own[number])
        kinds = self._kinds[number].astype(np.int64)
        sorts = kinds[codes & 0xFF] << 8 | kinds[codes >> 8]
        sorts = np.where(codes >= IRREGULAR, np.int64(codes) << 16, sorts)
        sorts[(codes == 0) | (codes == OVERFLOW)] = 0
        present, places = np.unique(sorts, return_inverse=True)
        tokens = [
            self._columns.book.tokens(column, sort >> 16)
            if sort >> 16
            else (locus.tokens(sort >> 8, sort & 0xFF) if sort else ())
            for sort in present.tolist()
        ]
        return tokens, places

    def _score_of(self, row: int, score: LocusScore) -> float:
        total = 0.0
        for locus, column in zip(self.loci, self._own.tolist(), strict=True):
            reference = self._columns.genotype(row, column)
            total += score(locus.name, locus.probe, reference) if reference else 0.0
        return total
