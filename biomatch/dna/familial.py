"""Relatives and contributors in the whole database: scans of every row, exact, no filter.

A relative shares too little for a filter to help, so every profile is scored: each genotype code
is looked up in a table of log10 likelihood ratios made once for the probe. A parent or child
shares an allele at every locus but for mutations, and is found by a cheaper scan.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.codes import OVERFLOW, Columns
from biomatch.dna.frequencies import Frequencies
from biomatch.dna.gallery import DnaGallery
from biomatch.dna.kernels import best_sums, sum_tables, whole
from biomatch.dna.kinship import ibd_coefficients, kinship_table
from biomatch.dna.loci import is_autosomal, sort_loci
from biomatch.dna.mixture import MixtureModel, mixture_table
from biomatch.dna.options import MUTATION_RATE
from biomatch.dna.profile import DnaProfile
from biomatch.dna.rules import rule_set

__all__ = [
    "ScanTables",
    "contributors",
    "kinship_excludes",
    "kinship_tables",
    "mixture_tables",
    "parent_child_rows",
    "relatives",
]

RowArray = NDArray[np.int64]
Ratios = Callable[[str, Sequence[str], Frequencies], NDArray[np.float64]]


class ScanTables:
    """log10 LR of every genotype code, locus by locus and population by population.

    Parameters
    ----------
    columns
        The gallery's packed profiles.
    loci
        Loci of the probe.
    ratios
        (locus, alleles, frequencies) -> LR of each genotype, (alleles, alleles) symmetric.
    tables
        Population tables; the least favourable one counts.
    exclusion
        LR of a locus that excludes the hypothesis, instead of 0 (mutation); None keeps 0.
    """

    def __init__(
        self,
        columns: Columns,
        loci: Sequence[str],
        ratios: Ratios,
        tables: Sequence[Frequencies],
        exclusion: float | None = None,
    ) -> None:
        self._columns = columns
        self._exclusion = exclusion
        names = [name for name in loci if name in columns.book.loci]
        self.columns = np.array([columns.book.column(name) for name in names], np.int64)
        self.values = np.zeros((len(tables), len(names), OVERFLOW + 1), np.float64)
        for number, table in enumerate(tables):
            for place, name in enumerate(names):
                alleles = columns.book.allele_tokens(int(self.columns[place]))
                self._fill(self.values[number, place], ratios(name, alleles, table))

    def _fill(self, values: NDArray[np.float64], ratios: NDArray[np.float64]) -> None:
        """Write one locus; genotypes of more than two alleles or with wildcards say nothing."""
        first, second = np.triu_indices(len(ratios))
        codes = (first + 1) | np.where(first == second, 0, second + 1) << 8
        values[codes] = self._log(ratios[first, second])

    def _log(self, ratios: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._exclusion is not None:
            ratios = np.where(ratios > 0, ratios, self._exclusion)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log10(ratios))

    def scores(self, rows: RowArray) -> NDArray[np.float64]:
        """Exact log10 LR of some rows in the least favourable population."""
        codes, _ = whole(self._columns.codes)
        totals = [sum_tables(codes, self.columns, values, rows) for values in self.values]
        return np.asarray(np.min(totals, axis=0)) if totals else np.zeros(len(rows))

    def best(
        self, keep: int, least: float, allowed: NDArray[np.bool_] | None = None
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
        """
        mask = np.zeros(0, np.bool_) if allowed is None else allowed
        slack = 1e-4  # the scan adds in single precision
        rows, _ = best_sums(
            *whole(self._columns.codes),
            self.columns,
            self.values.astype(np.float32),
            mask,
            keep + keep // 8 + 64,
            least - slack,
        )
        scores = self.scores(rows)
        order = np.lexsort((rows, -scores))
        order = order[scores[order] >= least][:keep]
        return rows[order], scores[order]


def kinship_tables(
    columns: Columns,
    probe: DnaProfile,
    relation: str,
    tables: Sequence[Frequencies],
    theta: float,
) -> ScanTables:
    """Make the tables of a relation to a probe; see `biomatch.dna.kinship.kinship_lr`.

    A locus that excludes parent and child counts `MUTATION_RATE`.
    """
    genotypes = probe.autosomal

    def ratios(locus: str, alleles: Sequence[str], table: Frequencies) -> NDArray[np.float64]:
        return kinship_table(
            genotypes[locus], relation, locus, alleles, frequencies=table, theta=theta
        )

    exclusion = MUTATION_RATE if kinship_excludes(relation) else None
    return ScanTables(columns, list(genotypes), ratios, tables, exclusion)


def mixture_tables(
    columns: Columns,
    evidence: DnaProfile,
    tables: Sequence[Frequencies],
    *,
    known: Sequence[DnaProfile] = (),
    model: MixtureModel | None = None,
) -> ScanTables:
    """Make the tables of a contribution to a stain; see `biomatch.dna.mixture.mixture`."""

    def ratios(locus: str, alleles: Sequence[str], table: Frequencies) -> NDArray[np.float64]:
        return mixture_table(evidence, locus, alleles, frequencies=table, known=known, model=model)

    typed = {name for part in evidence.tables for name in part if is_autosomal(name)}
    return ScanTables(columns, sort_loci(typed), ratios, tables)


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

    Returns
    -------
    tuple
        Rows and their log10 LR, best first.
    """
    permitted = _permitted(gallery, allowed)
    made = kinship_tables(gallery.columns, probe, relation, tables, theta)
    if kinship_excludes(relation):
        found = parent_child_rows(gallery, probe, max_exclusions, min_loci, permitted)
        scores = made.scores(found)
        order = np.lexsort((found, -scores))
        order = order[scores[order] >= min_log10_lr][:keep]
        return found[order], scores[order]
    found, scores = made.best(keep, min_log10_lr, permitted)
    enough = _loci_in_common(gallery.columns, made.columns, found) >= min_loci
    return found[enough], scores[enough]


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

    Returns
    -------
    tuple
        Rows and their log10 LR, best first.
    """
    made = mixture_tables(gallery.columns, evidence, tables, known=known, model=model)
    return made.best(keep, min_log10_lr, _permitted(gallery, allowed))


def kinship_excludes(relation: str) -> bool:
    """Tell whether relatives share an allele at every locus (parent and child)."""
    return ibd_coefficients(relation)[0] == 0.0


def _permitted(gallery: DnaGallery, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if not gallery.removed.any():
        return allowed
    return ~gallery.removed if allowed is None else allowed & ~gallery.removed


def _loci_in_common(columns: Columns, used: NDArray[np.int64], rows: RowArray) -> RowArray:
    typed = np.zeros(len(rows), np.int64)
    for column in used:
        typed += columns.codes[column][rows] != 0
    return typed
