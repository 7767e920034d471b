"""Synthetic STR databases from published allele frequencies, and probes for them.

Persons are drawn from the four NIST 1036 populations, typed with one of three kits; half a per
cent of the loci fail, and five per cent of the profiles are strongly partial (8 to 14 loci).
Everything follows from a seed.
"""

import csv
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biomatch.dna import DnaProfile
from biomatch.dna.alleles import encode, sort_key
from biomatch.dna.codes import CodeBook, Columns
from biomatch.dna.loci import LOCUS_SETS, sort_loci

CODIS20 = LOCUS_SETS["codis20"]
KITS = {
    "GlobalFiler": (0.5, (*CODIS20, "SE33")),
    "PowerPlex Fusion 6C": (0.3, (*CODIS20, "PentaD", "PentaE", "SE33")),
    "Identifiler": (0.2, (*LOCUS_SETS["codis13"], "D2S1338", "D19S433")),
}
POPULATIONS = {"Cauc": 0.5, "AA": 0.25, "Hisp": 0.18, "Asian": 0.07}
LOCI = tuple(sort_loci({*CODIS20, "SE33", "PentaD", "PentaE", "D6S1043"}))


@dataclass(frozen=True, slots=True)
class Source:
    """Alleles and frequencies that persons are drawn from.

    Attributes
    ----------
    alleles
        For each of `LOCI` the allele tokens, ascending.
    frequencies
        Population -> for each of `LOCI` the allele frequencies, in the same order.
    """

    alleles: tuple[tuple[str, ...], ...]
    frequencies: dict[str, list[NDArray[np.float64]]]


def nist1036() -> Source:
    """Read the NIST 1036 table that ships with biomatch."""
    path = resources.files("biomatch.dna").joinpath("data/nist1036.csv")
    table: dict[tuple[str, str], dict[str, float]] = {}
    for row in csv.DictReader(path.read_text("utf-8").splitlines()):
        table.setdefault((row["locus"], row["population"]), {})[row["allele"]] = float(
            row["frequency"]
        )
    alleles = tuple(
        tuple(sorted({a for p in POPULATIONS for a in table[locus, p]}, key=sort_key))
        for locus in LOCI
    )
    frequencies = {}
    for population in POPULATIONS:
        rows = []
        for locus, names in zip(LOCI, alleles, strict=True):
            values = np.array([table[locus, population].get(name, 0.0) for name in names])
            rows.append(values / values.sum())
        frequencies[population] = rows
    return Source(alleles, frequencies)


def _draw(frequencies: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    edges = np.cumsum(frequencies)
    edges[-1] = 1.0
    return np.minimum(np.searchsorted(edges, uniform, side="right"), len(edges) - 1) + 1


def _join(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.uint16]:
    low, high = np.minimum(first, second), np.maximum(first, second)
    return (low | np.where(low == high, 0, high) << 8).astype(np.uint16)


def _kit_masks() -> NDArray[np.bool_]:
    return np.array([[locus in loci for locus in LOCI] for _, loci in KITS.values()])


def dictionary(source: Source) -> CodeBook:
    """Make the dictionary whose codes are the places in `source.alleles`, from 1."""
    book = CodeBook()
    for locus, names in zip(LOCI, source.alleles, strict=True):
        book.add_alleles(book.column(locus), [encode(name) for name in names])
    return book


def populations(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Draw the population of n persons."""
    return rng.choice(len(POPULATIONS), n, p=list(POPULATIONS.values()))


def draw(
    source: Source, rng: np.random.Generator, population: NDArray[np.int64]
) -> NDArray[np.uint16]:
    """Draw fully typed persons of these populations; (loci, n) genotype codes."""
    n = len(population)
    codes = np.empty((len(LOCI), n), np.uint16)
    for place in range(len(LOCI)):
        pair = np.empty((2, n), np.int64)
        for number, name in enumerate(POPULATIONS):
            chosen = np.flatnonzero(population == number)
            for side in (0, 1):
                pair[side, chosen] = _draw(source.frequencies[name][place], rng.random(len(chosen)))
        codes[place] = _join(pair[0], pair[1])
    return codes


def type_with_kits(codes: NDArray[np.uint16], rng: np.random.Generator) -> None:
    """Blank what the kit of each person, failed loci and partial profiles leave untyped."""
    n = codes.shape[1]
    kit = rng.choice(len(KITS), n, p=[share for share, _ in KITS.values()])
    typed = _kit_masks()[kit].T & (rng.random(codes.shape) >= 0.005)
    partial = np.flatnonzero(rng.random(n) < 0.05)
    order = np.where(typed[:, partial], rng.random((len(codes), len(partial))), 2.0)
    rank = np.argsort(np.argsort(order, axis=0), axis=0)
    typed[:, partial] &= rank < rng.integers(8, 15, len(partial))
    codes[~typed] = 0


def database(
    n: int, seed: int = 1, chunk: int = 250_000, keep: Path | None = None
) -> tuple[Source, Columns]:
    """Draw a database of n profiles; `keep` names an .npy file that saves drawing it again."""
    source, rng = nist1036(), np.random.default_rng(seed)
    if keep is not None and keep.exists():
        return source, Columns(dictionary(source), np.load(keep))
    codes = np.empty((len(LOCI), n), np.uint16)
    for start in range(0, n, chunk):
        part = draw(source, rng, populations(rng, min(chunk, n - start)))
        type_with_kits(part, rng)
        codes[:, start : start + part.shape[1]] = part
    if keep is not None:
        np.save(keep, codes)
    return source, Columns(dictionary(source), codes)


def probes(
    columns: Columns, n: int, seed: int = 2, kinds: tuple[str, ...] = ("full", "eight")
) -> list[tuple[str, int, DnaProfile]]:
    """Take probes from well-typed rows: (kind, row, profile), the kinds in turn.

    ``full``: the row's profile. ``eight``: eight of its loci, 15 per cent of the heterozygous
    ones with one allele dropped out. A suffix ``-k`` changes k loci to other alleles.
    """
    rng = np.random.default_rng(seed)
    made = []
    while len(made) < n:
        row = int(rng.integers(len(columns)))
        genotypes = columns.genotypes(row)
        if len(genotypes) < 15:
            continue
        kind = kinds[len(made) % len(kinds)]
        base, _, changes = kind.partition("-")
        if base == "eight":
            genotypes = _degrade(genotypes, rng)
        for locus in rng.permutation(sorted(genotypes))[: int(changes or 0)]:
            genotypes[str(locus)] = _other(columns, str(locus), genotypes[str(locus)], rng)
        made.append((kind, row, DnaProfile.from_alleles(genotypes, name=f"{kind} of {row}")))
    return made


def _degrade(
    genotypes: dict[str, tuple[str, ...]], rng: np.random.Generator
) -> dict[str, tuple[str, ...]]:
    kept = rng.permutation(sorted(genotypes))[:8]
    left = {}
    for locus in kept:
        tokens = genotypes[str(locus)]
        lost = len(tokens) == 2 and rng.random() < 0.15
        left[str(locus)] = (tokens[int(rng.integers(2))],) if lost else tokens
    return left


def _other(
    columns: Columns, locus: str, tokens: tuple[str, ...], rng: np.random.Generator
) -> tuple[str, ...]:
    names = columns.book.allele_tokens(columns.book.column(locus))
    free = [name for name in names if name not in tokens]
    return tuple(str(name) for name in rng.choice(free, 2, replace=False))


def child_of(
    parent: NDArray[np.uint16], other: NDArray[np.uint16], rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Mendelian children of two fully typed arrays of persons, (loci, n) each."""
    return _join(_gamete(parent, rng), _gamete(other, rng))


def _gamete(codes: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.int64]:
    low = (codes & 0xFF).astype(np.int64)
    high = np.where(codes >> 8, codes >> 8, low).astype(np.int64)
    return np.where(rng.random(codes.shape) < 0.5, low, high)


def profiles_of(columns: Columns, rows: range | NDArray[np.int64]) -> list[DnaProfile]:
    """Profiles of some rows."""
    return [
        DnaProfile.from_alleles(columns.genotypes(int(row)), name=f"S{int(row)}") for row in rows
    ]


def write_csv(path: Path, profiles: list[DnaProfile]) -> None:
    """Write profiles as a plain long table."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["sample", "locus", "allele1", "allele2"])
        for profile in profiles:
            for locus, tokens in profile.loci.items():
                writer.writerow(
                    [profile.name, locus, *(tokens * 2 if len(tokens) == 1 else tokens)]
                )
