"""Relatives and contributors in the whole database: scans of every row, exact, no filter.

A relative shares too little for a filter to help, so every profile is scored: each genotype code
is looked up in a table of log10 likelihood ratios made once for the probe. A parent or child
shares an allele at every locus but for mutations, and is found by a cheaper scan.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.alleles import decode, encode, is_exact, sort_alleles
from biomatch.dna.codes import EXACT, OVERFLOW, Columns
from biomatch.dna.desk import DESK
from biomatch.dna.frequencies import Frequencies
from biomatch.dna.gallery import DnaGallery
from biomatch.dna.kernels import IRREGULAR, best_sums, sum_tables, whole
from biomatch.dna.kinship import ibd_coefficients, kinship_table
from biomatch.dna.loci import is_autosomal, sort_loci
from biomatch.dna.lookup import allele_pairs
from biomatch.dna.mixture import MixtureModel, mixture_table
from biomatch.dna.options import MUTATION_RATE
from biomatch.dna.profile import DnaProfile
from biomatch.dna.rules import rule_set

__all__ = [
    "ProbeRatios",
    "ScanTables",
    "contributors",
    "kinship_excludes",
    "kinship_ratios",
    "kinship_tables",
    "mixture_ratios",
    "parent_child_rows",
    "relatives",
]

RowArray = NDArray[np.int64]
Ratios = Callable[[str, Sequence[str], Frequencies], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class _Ratios:
    """log10 LR of the genotypes at one locus in one population.

    Attributes
    ----------
    places
        Allele number -> row and column of `values`.
    values
        Symmetric. The last two rows stand for alleles that neither the table lists nor the probe
        has: all of them have one frequency.
    """

    places: Mapping[int, int]
    values: NDArray[np.float64]

    def of(self, numbers: Sequence[int]) -> NDArray[np.float64]:
        """Return the log10 LRs of all genotypes of some alleles, as `allele_pairs` lists them."""
        unlisted = len(self.values) - 2
        place = np.array([self.places.get(number, unlisted) for number in numbers], np.int64)
        _, first, second = allele_pairs(len(numbers))
        low, high = place[first], place[second]
        return np.asarray(self.values[low, high + ((low == high) & (first != second))])


class ProbeRatios:
    """log10 LR of every genotype, locus by locus and population by population.

    It knows nothing of a gallery: made once for a probe, it serves all parts of a database.

    Parameters
    ----------
    loci
        Locus -> alleles of the probe there.
    ratios
        (locus, alleles, frequencies) -> LR of each genotype, (alleles, alleles) symmetric.
    tables
        Population tables; the least favourable one counts.
    exclusion
        LR of a locus that excludes the hypothesis, instead of 0 (mutation); None keeps 0.
    """

    def __init__(
        self,
        loci: Mapping[str, Iterable[str]],
        ratios: Ratios,
        tables: Sequence[Frequencies],
        exclusion: float | None = None,
    ) -> None:
        self.loci = tuple(loci)
        self.populations = len(tables)
        self._known = {
            (number, locus): self._made(locus, alleles, ratios, table, exclusion)
            for number, table in enumerate(tables)
            for locus, alleles in loci.items()
            if locus in table
        }

    @staticmethod
    def _made(
        locus: str,
        own: Iterable[str],
        ratios: Ratios,
        table: Frequencies,
        exclusion: float | None,
    ) -> _Ratios:
        named = {token for token in (*table.alleles(locus), *own) if _has_code(token)}
        strangers = (decode(number) for number in range(10, EXACT) if decode(number) not in named)
        alleles = [*sort_alleles(named), *islice(strangers, 2)]
        found = ratios(locus, alleles, table)
        if exclusion is not None:
            found = np.where(found > 0, found, exclusion)
        with np.errstate(divide="ignore"):
            values = np.log10(found)
        return _Ratios({encode(token): n for n, token in enumerate(alleles[:-2])}, values)

    def of(self, population: int, locus: str, numbers: Sequence[int]) -> NDArray[np.float64]:
        """Return the log10 LRs of all genotypes of some alleles, as `allele_pairs` lists them.

        They are 0 where the population's table lacks the locus.
        """
        known = self._known.get((population, locus))
        return np.zeros(len(allele_pairs(len(numbers))[0])) if known is None else known.of(numbers)


def _has_code(token: str) -> bool:
    """Tell whether a token is a designated allele that profiles can have."""
    return (
        is_exact(token)
        and "0" <= token[0] <= "9"
        and 10 <= encode(token) < EXACT
        and (decode(encode(token)) == token)
    )


class ScanTables:
    """log10 LR of every genotype code of a gallery.

    Parameters
    ----------
    columns
        The gallery's packed profiles.
    ratios
        What each genotype is worth to the probe.
    """

    def __init__(self, columns: Columns, ratios: ProbeRatios) -> None:
        self._columns = columns
        book = columns.book
        names = [name for name in ratios.loci if name in book.loci]
        self.columns = np.array([book.column(name) for name in names], np.int64)
        self._values = [
            [ratios.of(population, name, book.alleles[book.column(name)]) for name in names]
            for population in range(ratios.populations)
        ]

    def _laid_out(self, dtype: type[np.generic]) -> NDArray[Any]:
        """Return (populations, loci, 65536) log10 LRs by code.

        Genotypes of more than two alleles or with wildcards say nothing, nor does an untyped locus.
        """
        book, loci = self._columns.book, len(self.columns)
        table = DESK.table(f"ratios-{dtype.__name__}", len(self._values) * loci, dtype)
        shaped = table.reshape(len(self._values), loci, OVERFLOW + 1)
        for place, column in enumerate(self.columns.tolist()):
            codes = allele_pairs(len(book.alleles[column]))[0]
            for population, values in zip(shaped, self._values, strict=True):
                population[place, codes] = values[place]
            shaped[:, place, IRREGULAR : IRREGULAR + len(book.interned[column])] = 0
            shaped[:, place, [0, OVERFLOW]] = 0
        return shaped

    def scores(self, rows: RowArray) -> NDArray[np.float64]:
        """Exact log10 LR of some rows in the least favourable population."""
        if not self._values:
            return np.zeros(len(rows))
        codes, _ = whole(self._columns.codes)
        totals = [
            sum_tables(codes, self.columns, values, rows) for values in self._laid_out(np.float64)
        ]
        return np.asarray(np.min(totals, axis=0))

    def best(
        self,
        keep: int,
        least: float,
        allowed: NDArray[np.bool_] | None = None,
        min_loci: int = 0,
    ) -> tuple[RowArray, NDArray[np.float64]]:
        """Score every row; return the best (score descending, then row) with their scores.

        Parameters
        ----------
        keep
            At most so many.
        least
            Rows with a lower log10 LR are left out.
        allowed
            (rows,) which rows may be returned; None = all.
        min_loci
            Rows that type fewer of the probe's loci are left out, and take no place.
        """
        # Twice as many, so that rows that type too few loci seldom cost a second scan.
        wanted = 2 * keep if min_loci else keep
        while True:
            rows, scores = self._best(wanted, least, allowed)
            enough = self.compared(rows) >= min_loci
            if np.count_nonzero(enough) >= keep or len(rows) < wanted:
                return rows[enough][:keep], scores[enough][:keep]
            wanted = 4 * wanted

    def _best(
        self, keep: int, least: float, allowed: NDArray[np.bool_] | None
    ) -> tuple[RowArray, NDArray[np.float64]]:
        mask = np.zeros(0, np.bool_) if allowed is None else allowed
        slack = 1e-4  # the scan adds in single precision
        rows, _ = best_sums(
            *whole(self._columns.codes),
            self.columns,
            self._laid_out(np.float32),
            mask,
            keep + keep // 8 + 64,
            least - slack,
        )
        scores = self.scores(rows)
        order = np.lexsort((rows, -scores))
        order = order[scores[order] >= least][:keep]
        return rows[order], scores[order]

    def compared(self, rows: RowArray) -> RowArray:
        """Count the loci that some rows and the probe both type."""
        typed = np.zeros(len(rows), np.int64)
        for column in self.columns:
            typed += self._columns.codes[column][rows] != 0
        return typed


def kinship_ratios(
    probe: DnaProfile, relation: str, tables: Sequence[Frequencies], theta: float
) -> ProbeRatios:
    """Tabulate a relation to a probe; see `biomatch.dna.kinship.kinship_lr`.

    A locus that excludes parent and child counts `MUTATION_RATE`.
    """
    genotypes = probe.autosomal

    def ratios(locus: str, alleles: Sequence[str], table: Frequencies) -> NDArray[np.float64]:
        return kinship_table(
            genotypes[locus], relation, locus, alleles, frequencies=table, theta=theta
        )

    exclusion = MUTATION_RATE if kinship_excludes(relation) else None
    return ProbeRatios(genotypes, ratios, tables, exclusion)


def mixture_ratios(
    evidence: DnaProfile,
    tables: Sequence[Frequencies],
    *,
    known: Sequence[DnaProfile] = (),
    model: MixtureModel | None = None,
) -> ProbeRatios:
    """Tabulate a contribution to a stain; see `biomatch.dna.mixture.mixture`."""

    def ratios(locus: str, alleles: Sequence[str], table: Frequencies) -> NDArray[np.float64]:
        return mixture_table(evidence, locus, alleles, frequencies=table, known=known, model=model)

    typed = {name for part in evidence.tables for name in part if is_autosomal(name)}
    loci = {
        name: {token for part in evidence.tables for token in part.get(name, ())}
        for name in sort_loci(typed)
    }
    return ProbeRatios(loci, ratios, tables)


def kinship_tables(
    columns: Columns,
    probe: DnaProfile,
    relation: str,
    tables: Sequence[Frequencies],
    theta: float,
) -> ScanTables:
    """Make the tables of a relation to a probe for one gallery."""
    return ScanTables(columns, kinship_ratios(probe, relation, tables, theta))


def parent_child_rows(
    gallery: DnaGallery,
    probe: DnaProfile,
    max_exclusions: int = 1,
    min_loci: int = 8,
    allowed: NDArray[np.bool_] | None = None,
) -> RowArray:
    """Find every row that shares an allele with the probe at all loci but a few.

    That is the low stringency rule with a number of mismatches, by a scan of all rows.

    Parameters
    ----------
    gallery, probe
        Where and with what.
    max_exclusions
        Loci without a shared allele that are allowed (mutations).
    min_loci
        Least number of loci typed on both sides.
    allowed
        (len(gallery),) rows that may be returned.
    """
    rules = rule_set("low").with_limits(min_loci=max(1, min_loci), max_mismatches=max_exclusions)
    return gallery.search([probe], rules, method="scan", allowed=allowed)[0]


def relatives(
    gallery: DnaGallery,
    probe: DnaProfile,
    relation: str,
    tables: Sequence[Frequencies],
    *,
    theta: float = 0.01,
    keep: int = 1000,
    min_log10_lr: float = 0.0,
    min_loci: int = 8,
    max_exclusions: int = 1,
    allowed: NDArray[np.bool_] | None = None,
    ratios: ProbeRatios | None = None,
) -> tuple[RowArray, NDArray[np.float64]]:
    """Rank the rows of a gallery as relatives of a probe.

    The log10 LR of a row is the least favourable population's (Ge & Budowle 2012: the minimum
    over the populations must reach the threshold).

    Parameters
    ----------
    gallery, probe
        Where and with what.
    relation
        Relation of `biomatch.dna.kinship`; parent-child candidates may have exclusions.
    tables, theta
        Population tables and coancestry.
    keep, min_log10_lr
        At most so many rows, none below this log10 LR.
    min_loci
        Least number of loci typed on both sides.
    max_exclusions
        Parent and child only.
    allowed
        Rows that may be returned.
    ratios
        `kinship_ratios` of the same probe, if they were made before.

    Returns
    -------
    tuple
        Rows and their log10 LR, best first.
    """
    permitted = _permitted(gallery, allowed)
    ratios = ratios or kinship_ratios(probe, relation, tables, theta)
    made = ScanTables(gallery.columns, ratios)
    if kinship_excludes(relation):
        found = parent_child_rows(gallery, probe, max_exclusions, min_loci, permitted)
        scores = made.scores(found)
        order = np.lexsort((found, -scores))
        order = order[scores[order] >= min_log10_lr][:keep]
        return found[order], scores[order]
    return made.best(keep, min_log10_lr, permitted, min_loci)


def contributors(
    gallery: DnaGallery,
    evidence: DnaProfile,
    tables: Sequence[Frequencies],
    *,
    known: Sequence[DnaProfile] = (),
    model: MixtureModel | None = None,
    keep: int = 250,
    min_log10_lr: float = 3.0,
    allowed: NDArray[np.bool_] | None = None,
    ratios: ProbeRatios | None = None,
) -> tuple[RowArray, NDArray[np.float64]]:
    """Rank the rows of a gallery as contributors to a stain.

    Parameters
    ----------
    gallery, evidence
        Where, and the stain.
    tables
        Population tables; the least favourable one counts.
    known, model
        Known contributors and parameters of `biomatch.dna.mixture`.
    keep, min_log10_lr
        At most so many rows, none below this log10 LR (SmartRank's defaults: 250 and LR 1000).
    allowed
        Rows that may be returned.
    ratios
        `mixture_ratios` of the same stain, if they were made before.

    Returns
    -------
    tuple
        Rows and their log10 LR, best first.
    """
    ratios = ratios or mixture_ratios(evidence, tables, known=known, model=model)
    made = ScanTables(gallery.columns, ratios)
    return made.best(keep, min_log10_lr, _permitted(gallery, allowed))


def kinship_excludes(relation: str) -> bool:
    """Tell whether relatives share an allele at every locus (parent and child)."""
    return ibd_coefficients(relation)[0] == 0.0


def _permitted(gallery: DnaGallery, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if not gallery.removed.any():
        return allowed
    return ~gallery.removed if allowed is None else allowed & ~gallery.removed
