"""How good and how exact a DNA search is: brute force to compare with, ranks of true relatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from biomatch.dna.codes import Columns
from biomatch.dna.profile import DnaProfile
from biomatch.errors import OptionError

__all__ = ["RankDistribution", "brute_force", "evaluate", "plot_ranks"]


@njit(cache=True, nogil=True)
def _moderate(codes: Any, columns: Any, probe: Any, min_loci: Any, out: Any) -> None:
    """Count mismatched loci of each row, allele by allele; 255 where too few are compared.

    Written without tables or tricks, to be something to compare the search with.
    """
    for row in range(codes.shape[1]):
        compared = 0
        wrong = 0
        for k in range(columns.shape[0]):
            code = codes[columns[k], row]
            if code == 0:
                continue
            compared += 1
            a, b = probe[k, 0], probe[k, 1]
            c = np.int64(code & 0xFF)
            d = np.int64(code >> 8)
            if d == 0:
                d = c
            inside = (c in (a, b)) and (d in (a, b))
            around = (a in (c, d)) and (b in (c, d))
            if not (inside or around):
                wrong += 1
        out[row] = wrong if compared >= min_loci else 255


def brute_force(columns: Columns, probe: DnaProfile, min_loci: int = 8) -> NDArray[np.uint8]:
    """Mismatched loci of every row at moderate stringency; 255 where too few are compared.

    Parameters
    ----------
    columns
        Gallery of plain genotypes (one or two designated alleles a locus).
    probe
        Profile of plain genotypes.
    min_loci
        Least number of loci typed on both sides.

    Raises
    ------
    OptionError
        The probe has a genotype of more than two alleles.
    """
    used, pairs = [], []
    for locus, tokens in probe.autosomal.items():
        if locus not in columns.book.loci:
            continue
        if len(tokens) > 2:
            raise OptionError(f"{locus}: brute force takes one or two alleles, not {tokens}")
        column = columns.book.column(locus)
        known = columns.book.allele_tokens(column)
        # an allele that no row has gets a number that no row has
        codes = [known.index(t) + 1 if t in known else 1000 + n for n, t in enumerate(tokens)]
        used.append(column)
        pairs.append((codes[0], codes[-1]))
    out = np.empty(len(columns), np.uint8)
    _moderate(
        columns.codes,
        np.array(used, np.int64),
        np.array(pairs, np.int64).reshape(-1, 2),
        min_loci,
        out,
    )
    return out


@dataclass(frozen=True, slots=True)
class RankDistribution:
    """Where true relatives came out in a database search.

    Attributes
    ----------
    relation
        What was searched for.
    database
        Number of profiles.
    ranks
        Rank of each true relative, 1 = best; 0 = not found at all.
    """

    relation: str
    database: int
    ranks: tuple[int, ...]

    def within(self, rank: int) -> float:
        """Share of the relatives at this rank or better."""
        return float(np.mean([0 < value <= rank for value in self.ranks]))

    @property
    def median(self) -> float:
        """Median rank of those found."""
        found = [value for value in self.ranks if value]
        return float(np.median(found)) if found else float("nan")

    def as_row(self, cuts: Sequence[int] = (1, 10, 100, 1000, 10_000)) -> list[str]:
        """Cells of a table: relation, shares within the cuts, median rank."""
        shares = [f"{100 * self.within(cut):.1f} %" for cut in cuts]
        return [self.relation, *shares, f"{self.median:.0f}"]


def plot_ranks(distributions: Sequence[RankDistribution], path: Path) -> None:
    """Draw the share of relatives found against the length of the candidate list."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    for one in distributions:
        ranks = np.sort([value for value in one.ranks if value])
        share = np.arange(1, len(ranks) + 1) / len(one.ranks)
        axes.step(ranks, 100 * share, where="post", label=f"{one.relation} (n = {len(one.ranks)})")
    axes.set_xscale("log")
    axes.set_xlabel("rank in the database")
    axes.set_ylabel("true relatives found (%)")
    axes.set_ylim(0, 100)
    axes.set_title(f"Familial search in {distributions[0].database:,} profiles")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def evaluate(database: Path, probes: Path) -> dict[str, Any]:
    """Search every probe of a file in a file of profiles; a probe's donor has the same name.

    Searched is at moderate stringency with no, one and two mismatched loci (other settings as
    `biomatch.dna.options.parse_options` has them); candidates are ranked by log10 LR.

    Parameters
    ----------
    database, probes
        Files of profiles in any format.

    Returns
    -------
    dict
        Profiles, probes, probes with a donor, and for each number of mismatches the share of
        donors at rank 1 and found at all, and the mean number of other candidates.

    Raises
    ------
    FormatError, ProfileError
        A file cannot be read.
    """
    from biomatch.dna import files
    from biomatch.dna.gallery import DnaGallery
    from biomatch.dna.modality import SearchGallery
    from biomatch.dna.options import parse_options

    references, searched = files.read(database), files.read(probes)
    gallery = SearchGallery(DnaGallery.build([profile.dumps() for profile in references]))
    names = np.array([profile.name for profile in references])
    donors = [name for name in (probe.name for probe in searched) if name in names]
    result: dict[str, Any] = {
        "database": len(references),
        "probes": len(searched),
        "probes_with_donor": len(donors),
    }
    for mismatches in (0, 1, 2):
        options = parse_options({"max_mismatches": mismatches})
        ranks, others = [], []
        rows = gallery.shortlist(searched, len(references), options=options)
        for probe, found in zip(searched, rows, strict=True):
            places = np.flatnonzero(names[found] == probe.name)
            ranks.append(int(places[0]) + 1 if len(places) else 0)
            others.append(len(found) - len(places))
        of = max(1, len(donors))
        result[f"rank_1_{mismatches}_mismatches"] = sum(rank == 1 for rank in ranks) / of
        result[f"found_{mismatches}_mismatches"] = sum(rank > 0 for rank in ranks) / of
        result[f"other_candidates_{mismatches}_mismatches"] = float(np.mean(others))
    return result
