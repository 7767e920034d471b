"""Ten million profiles in memory: exact search, enrolment and removal.

A gallery holds the genotype codes column by column (2 bytes a locus), the fast-scan filter over
them (1 byte a locus and 8 for the row), and what does not fit a code beside them. Every hit that
it reports has been decided by tables made from the plain rules of `biomatch.dna.matching`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.codes import OVERFLOW, CodeBook, Columns, pack
from biomatch.dna.filter import MAX_LOCI, FilterIndex
from biomatch.dna.kernels import IRREGULAR
from biomatch.dna.lookup import Genotypes
from biomatch.dna.profile import DnaProfile
from biomatch.dna.query import LocusScore, MatchQuery
from biomatch.dna.rules import RuleSet
from biomatch.errors import FormatError

__all__ = ["SCANNED", "DnaGallery"]

RowArray = NDArray[np.int64]

SCANNED = 250_000
"""Rows up to which a gallery is scanned: the filter's calls alone cost more."""


class DnaGallery:
    """Packed profiles with their filter.

    Parameters
    ----------
    columns
        Genotype codes.
    index
        The filter; None builds it.
    """

    def __init__(self, columns: Columns, index: FilterIndex | None = None) -> None:
        self.columns = columns
        self._spare = 0
        self._removed = np.zeros(len(columns), np.bool_)
        self._last: tuple[DnaProfile, RuleSet, MatchQuery] | None = None
        self.index = index if index is not None else FilterIndex.build(columns, self._filter_loci())
        self._genotypes: Genotypes | None = Genotypes.of(columns)
        self._mixtures: NDArray[np.bool_] | None = None

    @classmethod
    def build(cls, blobs: Sequence[bytes]) -> "DnaGallery":
        """Pack stored profiles (`DnaProfile.dumps`) and index them.

        Raises
        ------
        FormatError
            A blob is damaged.
        """
        return cls(pack(blobs))

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def removed(self) -> NDArray[np.bool_]:
        """Rows that were taken out; row numbers never change."""
        return self._removed

    def _filter_loci(self) -> list[int]:
        """Columns typed most often, at most as many as the filter holds, in column order."""
        typed = [int(np.count_nonzero(column)) for column in self.columns.codes]
        best = np.argsort([-count for count in typed], kind="stable")[:MAX_LOCI]
        return sorted(int(column) for column in best)

    @property
    def genotypes(self) -> Genotypes:
        """All genotypes that the dictionary has codes for."""
        if self._genotypes is None:
            self._genotypes = Genotypes.of(self.columns)
        return self._genotypes

    @property
    def mixtures(self) -> NDArray[np.bool_]:
        """Which rows are mixtures (`DnaProfile.is_mixture`), (len(self),)."""
        if self._mixtures is None:
            self._mixtures = _mixtures(self.columns)
        return self._mixtures

    def query(self, probe: DnaProfile, rules: RuleSet) -> MatchQuery:
        """Make a probe ready for this gallery; the last one is remembered.

        A search asks several times for the same one: for candidates, their order and their scores.
        """
        last = self._last
        if last is not None and last[0] is probe and last[1] == rules:
            return last[2]
        made = MatchQuery(self.columns, self.genotypes, probe, rules)
        self._last = probe, rules, made
        return made

    def candidates(self, queries: Sequence[MatchQuery], max_mismatches: int) -> list[RowArray]:
        """Filter: rows that may match, a superset of the hits, ascending; one list a query.

        A probe that types too few of the filter's loci is scanned for instead.
        """
        tables = [query.filter_table(self.index) for query in queries]
        weak = [self.index.is_weak(table, max_mismatches) for table in tables]
        strong = [table for table, is_weak in zip(tables, weak, strict=True) if not is_weak]
        found = iter(self.index.search(strong, max_mismatches))
        return [
            query.scan()[0] if is_weak else next(found)
            for query, is_weak in zip(queries, weak, strict=True)
        ]

    def search(
        self,
        probes: Sequence[DnaProfile],
        rules: RuleSet,
        *,
        method: str | None = None,
        allowed: NDArray[np.bool_] | None = None,
    ) -> list[RowArray]:
        """Find all rows that the rule reports, ascending; one list a probe.

        Parameters
        ----------
        probes
            Profiles to search with.
        rules
            The rule with its limits.
        method
            ``"filter"`` or ``"scan"``: two ways to the same rows. None takes the scan for up to
            `SCANNED` rows.
        allowed
            (len(self),) rows that may be returned.
        """
        queries = [self.query(probe, rules) for probe in probes]
        return self._search(queries, rules, method, allowed)

    def _search(
        self,
        queries: Sequence[MatchQuery],
        rules: RuleSet,
        method: str | None,
        allowed: NDArray[np.bool_] | None,
    ) -> list[RowArray]:
        found = [np.zeros(0, np.int64) for _ in queries]
        live = [number for number, query in enumerate(queries) if query.possible and len(self)]
        barred = self._barred(rules)
        if method == "scan" or (method is None and len(self) <= SCANNED):
            for number in live:
                hits = queries[number].settle(*queries[number].scan(), barred)
                found[number] = self._permitted(hits, allowed)
            return found
        rows = self.candidates([queries[number] for number in live], rules.max_mismatches)
        for number, candidates in zip(live, rows, strict=True):
            found[number] = queries[number].verify(self._permitted(candidates, allowed), barred)
        return found

    def search_scored(
        self,
        probes: Sequence[DnaProfile],
        rules: RuleSet,
        populations: Sequence[LocusScore],
        *,
        allowed: NDArray[np.bool_] | None = None,
    ) -> list[tuple[RowArray, NDArray[np.float64]]]:
        """Find and score all rows that the rule reports; for each probe rows and scores.

        Best first, equal scores by row.
        """
        queries = [self.query(probe, rules) for probe in probes]
        answers = []
        for query, rows in zip(queries, self._search(queries, rules, None, allowed), strict=True):
            scores = query.scores(rows, populations)
            order = np.argsort(-scores, kind="stable")
            answers.append((rows[order], scores[order]))
        return answers

    def _barred(self, rules: RuleSet) -> NDArray[np.bool_] | None:
        return self.mixtures if rules.stringency.value == "pruem" else None

    def _permitted(self, rows: RowArray, allowed: NDArray[np.bool_] | None) -> RowArray:
        if self._removed.any():
            rows = rows[~self._removed[rows]]
        return rows if allowed is None else rows[allowed[rows]]

    def match_scores(
        self,
        probe: DnaProfile,
        rules: RuleSet,
        rows: RowArray,
        populations: Sequence[LocusScore],
    ) -> NDArray[np.float64]:
        """Score `rows` by the least favourable population; -inf where the rule reports nothing."""
        scores = np.full(len(rows), -np.inf)
        query = self.query(probe, rules)
        if not query.possible or not len(rows):
            return scores
        order = np.argsort(rows, kind="stable")
        hits = query.verify(np.ascontiguousarray(rows[order], np.int64), self._barred(rules))
        hit = np.isin(rows, hits)
        scores[hit] = query.scores(np.ascontiguousarray(rows[hit], np.int64), populations)
        return scores

    def add(self, blobs: Sequence[bytes]) -> RowArray:
        """Enrol more stored profiles; returns their rows. Neither columns nor filter are rebuilt.

        Raises
        ------
        FormatError
            A blob is damaged; nothing is added then.
        """
        more = pack(blobs, self.columns.book)
        rows = np.arange(len(self), len(self) + len(more), dtype=np.int64)
        self._grow(more)
        self._removed = np.append(self._removed, np.zeros(len(more), np.bool_))
        for row, genotypes in more.overflow.items():
            self.columns.overflow[int(rows[0]) + row] = genotypes
        self.index.add(self.columns, rows)
        self._genotypes = self._mixtures = self._last = None
        return rows

    def _grow(self, more: Columns) -> None:
        """Append columns, into spare room where there is some."""
        old, loci, n = self.columns.codes, len(more.codes), len(self)
        if self._spare < len(more) or loci > len(old):
            self._spare = max(len(more), n // 16)
            room = np.zeros((loci, n + self._spare), np.uint16)
            room[: len(old), :n] = old
        else:
            room = old.base if old.base is not None else old
        room[:, n : n + len(more)] = more.codes
        self._spare -= len(more)
        self.columns.codes = room[:, : n + len(more)]

    def remove(self, rows: RowArray) -> int:
        """Take rows out of filter and answers; returns how many were there."""
        rows = np.unique(np.asarray(rows, np.int64))
        rows = rows[~self._removed[rows]]
        self._removed[rows] = True
        return self.index.remove(rows)

    def save(self, folder: Path) -> None:
        """Write .npy, .json and FAISS files into an existing folder."""
        np.save(folder / "codes.npy", np.ascontiguousarray(self.columns.codes))
        np.save(folder / "removed.npy", self._removed)
        (folder / "dictionary.json").write_text(self.columns.book.dumps())
        overflow = [
            [row, column, list(tokens)]
            for row, genotypes in self.columns.overflow.items()
            for column, tokens in genotypes.items()
        ]
        (folder / "overflow.json").write_text(json.dumps(overflow))
        self.index.save(folder)

    @classmethod
    def load(cls, folder: Path) -> "DnaGallery":
        """Open what `save` wrote; the columns are memory-mapped.

        Raises
        ------
        FormatError
            A file is missing or does not fit the others.
        """
        try:
            codes = np.load(folder / "codes.npy", mmap_mode="r")
            book = CodeBook.loads((folder / "dictionary.json").read_text())
            overflow: dict[int, dict[int, tuple[str, ...]]] = {}
            for row, column, tokens in json.loads((folder / "overflow.json").read_text()):
                overflow.setdefault(row, {})[column] = tuple(tokens)
            index = FilterIndex.load(folder)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise FormatError(f"{folder}: the DNA index cannot be read ({error})") from error
        made = cls(Columns(book, codes, overflow), index)
        made._removed = np.load(folder / "removed.npy")
        return made


def _mixtures(columns: Columns) -> NDArray[np.bool_]:
    """Rows with two loci of three alleles or more, or one of four or more."""
    three = np.zeros(len(columns), np.uint8)
    four = np.zeros(len(columns), np.bool_)
    for column, interned in enumerate(columns.book.interned):
        sizes = np.zeros(OVERFLOW + 1, np.uint8)
        sizes[IRREGULAR : IRREGULAR + len(interned)] = [len(numbers) for numbers in interned]
        if sizes.max() > 2:
            found = sizes[columns.codes[column]]
            three += found > 2
            four |= found > 3
    for row in columns.overflow:
        counts = [len(tokens) for tokens in columns.genotypes(row).values()]
        three[row] = min(255, sum(count > 2 for count in counts))
        four[row] = max(counts, default=0) > 3
    return (three > 1) | four
