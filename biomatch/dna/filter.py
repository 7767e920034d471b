"""An exact integer filter made of FAISS fast-scan: it may let too many rows pass, never too few.

Every genotype becomes two nibbles. An `IndexIVFPQFastScan` whose centroids are one-hot vectors
stores them as its 4-bit codes, so that the inner product with a query vector is a sum of table
entries, and the query vector *is* the look-up table. `ProbeTable` fills it such that a locus
which cannot mismatch gives at least 2. A row with at most m mismatches among L loci then reaches
2 L - 2 m, and a range search at that threshold returns every such row.

FAISS rounds its tables to 8 bits. An entry is at most 2 here, so it moves by no more than
2 / 255 / 2, the sum over 64 sub-quantisers by at most 0.251; scores are integers otherwise, and
the threshold is lowered by one half.

Rows are grouped by the set of loci they type: a group that shares too few loci with the probe is
not visited at all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.kernels import IRREGULAR, census, cover, filter_bytes, frozen, typed_masks

__all__ = ["ANYTHING", "MAX_LOCI", "UNKNOWN", "FilterIndex", "ProbeTable", "genotype_nibbles"]

MAX_LOCI = 32
"""Loci that take part in the filter; further ones are left to the verification."""

ANYTHING = 15
"""Nibble of a genotype that the filter knows nothing about."""

UNKNOWN = np.uint8(ANYTHING | ANYTHING << 4)
"""Both nibbles of such a genotype."""

KIT_LOCI = 16
"""Loci that a kit's group stores: the most discriminating ones; more only cost time."""

_HASHES = 14
_MARGIN = 0.5
_WEAK = 3
_ANY = (1 << MAX_LOCI) - 1
_FULL_GROUPS = 8
_NEARLY = 2
_SHARE = 0.01

RowArray = NDArray[np.int64]


def genotype_nibbles(columns: Any, loci: Sequence[int]) -> NDArray[np.uint8]:
    """Assign two nibbles to every genotype code; (len(loci), 65536) uint8, slot 0 low.

    The alleles of a locus are shared out to the nibbles 1 to 14 so that each carries about the
    same share of the genotypes seen; 0 stands for untyped (slot 0) and homozygote (slot 1);
    interned genotypes are `ANYTHING` in both slots.

    Parameters
    ----------
    columns
        `biomatch.dna.codes.Columns`.
    loci
        Columns that take part, at most `MAX_LOCI`.
    """
    table = np.zeros((len(loci), 65536), np.uint8)
    table[:, IRREGULAR:] = UNKNOWN
    low, high = np.arange(IRREGULAR) & 0xFF, np.arange(IRREGULAR) >> 8
    for place, column in enumerate(loci):
        counts = census(frozen(columns.codes[column]))[:IRREGULAR]
        carried = np.bincount(low, counts, 256) + np.bincount(high, counts, 256)
        hashes = _balanced(carried[: len(columns.book.alleles[column]) + 1])
        table[place, :IRREGULAR] = hashes[low] | hashes[high] << 4
    return table


def _balanced(carried: NDArray[Any]) -> NDArray[np.uint8]:
    """Share out allele codes 1, 2, ... to 14 bins, the most frequent first; later ones cycle."""
    hashes = np.zeros(256, np.uint8)
    load = np.zeros(_HASHES)
    for code in np.argsort(-carried[1:], kind="stable") + 1:
        place = int(np.argmin(load))
        hashes[code] = 1 + place
        load[place] += carried[code] + 1e-9
    later = np.arange(len(carried), 256)
    hashes[later] = 1 + later % _HASHES
    return hashes


@dataclass(slots=True)
class ProbeTable:
    """What one probe gives each nibble: the query vector of the filter.

    Attributes
    ----------
    entries
        (filter loci, 2, 16) float32.
    loci
        Places (in the filter) of the loci that count.
    spare
        Loci that a row may leave untyped: the probe's number less the search's minimum.
    """

    entries: NDArray[np.float32]
    loci: Sequence[int]
    spare: int
    _counts: NDArray[np.bool_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._counts = np.zeros(len(self.entries), np.bool_)
        self._counts[self.loci] = True

    @property
    def mask(self) -> int:
        """Set of the loci that count, bit = place."""
        return sum(1 << place for place in self.loci)

    def part(self, places: Sequence[int]) -> tuple[NDArray[np.float32], int]:
        """Return the query vector for some of the filter's loci, and how many of them count."""
        if not places:
            return np.zeros(32, np.float32), 0
        chosen, counts = self.entries[list(places)], self._counts[list(places)]
        if self.spare:
            # an untyped locus has nibble 0 in both slots and scores like a match
            chosen[counts, 0, 0] = 2 - chosen[counts, 1, 0]
        return chosen.reshape(-1), int(np.count_nonzero(counts))


@dataclass(slots=True)
class _Group:
    """Rows that type (about) the same loci, and their FAISS index over some of these."""

    mask: int
    exact: bool
    places: list[int]
    index: Any = None

    @property
    def stored(self) -> int:
        """Set of the loci that the index stores, bit = place."""
        return sum(1 << place for place in self.places)


def _fast_scan(codes: NDArray[np.uint8], rows: RowArray) -> Any:
    """Build one index from ready-made 4-bit codes, without encoding anything."""
    import faiss

    loci = codes.shape[1]
    dimension, sub_quantisers = 32 * loci, 2 * loci
    quantiser: Any = faiss.IndexFlatIP(dimension)
    quantiser.add(np.zeros((1, dimension), np.float32))
    plain = faiss.IndexIVFPQ(quantiser, dimension, 1, sub_quantisers, 4, faiss.METRIC_INNER_PRODUCT)
    centroids = np.tile(np.eye(16, dtype=np.float32), (sub_quantisers, 1, 1)).ravel()
    faiss.copy_array_to_vector(centroids, plain.pq.centroids)
    plain.by_residual = False
    plain.is_trained = True
    if len(rows):
        # swig_ptr keeps no reference: both arrays are named and outlive the call
        lists: Any = plain.invlists
        lists.add_entries(0, len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(codes))
        plain.ntotal = len(rows)
    index = faiss.IndexIVFPQFastScan(plain)
    index.nprobe = 1
    index.own_fields = True
    quantiser.this.disown()  # freed with the index from now on
    return index


class FilterIndex:
    """The filter over all rows of a gallery.

    Parameters
    ----------
    nibbles
        `genotype_nibbles`, (loci, 65536).
    loci
        The gallery's columns that take part.
    """

    def __init__(self, nibbles: NDArray[np.uint8], loci: Sequence[int]) -> None:
        self.nibbles = nibbles
        self.loci = list(loci)
        self._groups: list[_Group] = []

    def __len__(self) -> int:
        return sum(int(group.index.ntotal) for group in self._groups)

    @property
    def bytes_per_row(self) -> float:
        """Mean bytes of a row: two nibbles a stored locus and an 8-byte row number."""
        total = sum((len(g.places) + 8) * int(g.index.ntotal) for g in self._groups)
        return total / max(1, len(self))

    @classmethod
    def build(cls, columns: Any, loci: Sequence[int]) -> "FilterIndex":
        """Build over all rows of `columns` (`biomatch.dna.codes.Columns`)."""
        made = cls(genotype_nibbles(columns, loci), loci)
        view = frozen(
            columns.codes[made.loci]
            if made.loci != list(range(len(columns.codes)))
            else columns.codes
        )
        masks = typed_masks(view)
        power = _power(view)
        for mask, exact in _group_masks(masks):
            kit = [place for place in power if mask >> place & 1]
            stored = kit if mask == _ANY else kit[:KIT_LOCI]
            made._groups.append(_Group(mask, exact, sorted(stored)))
        places = made._places(masks)
        for number, group in enumerate(made._groups):
            rows = np.flatnonzero(places == number)
            group.index = _fast_scan(made._bytes(view, rows, group), rows)
        return made

    def _bytes(self, view: Any, rows: RowArray, group: _Group) -> NDArray[np.uint8]:
        if not group.places:
            return np.zeros((len(rows), 1), np.uint8)
        places = np.array(group.places, np.int64)
        found: NDArray[np.uint8] = filter_bytes(view, rows, self.nibbles, places)
        return found

    def _places(self, masks: NDArray[np.uint64]) -> NDArray[np.uint8]:
        """Group of each row: the first that fits; the last takes everything."""
        places = np.full(len(masks), len(self._groups) - 1, np.uint8)
        for number in reversed(range(len(self._groups) - 1)):
            group = self._groups[number]
            kit = np.uint64(group.mask)
            if group.exact:
                fits = masks == kit
            else:
                fits = ((masks & ~kit) == 0) & (np.bitwise_count(kit & ~masks) <= _NEARLY)
            places[fits] = number
        return places

    def add(self, columns: Any, rows: RowArray) -> None:
        """Add rows to the groups they fit; nothing is rebuilt."""
        view = frozen(columns.codes[:, rows][self.loci])
        places = self._places(typed_masks(view))
        for number in np.unique(places):
            chosen = np.flatnonzero(places == number)
            codes = self._bytes(view, chosen, self._groups[number])
            self._append(self._groups[number].index, codes, np.ascontiguousarray(rows[chosen]))

    def _append(self, index: Any, codes: NDArray[np.uint8], rows: RowArray) -> None:
        """Append through one-hot vectors, which FAISS encodes back to the same codes."""
        for start in range(0, len(rows), 4096):
            part = codes[start : start + 4096]
            nibbles = np.stack([part & 0xF, part >> 4], axis=2).reshape(len(part), -1)
            vectors = np.eye(16, dtype=np.float32)[nibbles].reshape(len(part), -1)
            index.add_with_ids(vectors, rows[start : start + 4096])

    def remove(self, rows: RowArray) -> int:
        """Take rows out; returns how many were there."""
        import faiss

        wanted = np.ascontiguousarray(rows, np.int64)
        selector = faiss.IDSelectorBatch(wanted)
        return sum(int(group.index.remove_ids(selector)) for group in self._groups)

    def table(
        self, genotypes: Any, columns: RowArray, places: RowArray, flags: Any, spare: int
    ) -> ProbeTable:
        """Make the table of a probe.

        Parameters
        ----------
        genotypes, columns, places, flags
            As for `biomatch.dna.kernels.cover`; all columns are among the filter's.
        spare
            Loci that a row may leave untyped.
        """
        own = [self.loci.index(int(column)) for column in columns]
        entries = np.zeros((len(self.loci), 2, 16), np.float32)
        entries[own] = cover(genotypes, columns, places, flags, self.nibbles[own])
        return ProbeTable(entries, own, spare)

    def is_weak(self, table: ProbeTable, max_mismatches: int) -> bool:
        """Tell whether the probe types too few of the stored loci: a scan is then quicker."""
        mask = table.mask
        return any(
            (mask & group.stored).bit_count() - max_mismatches < _WEAK
            for group in self._groups
            if self._visited(group, table)
        )

    def _visited(self, group: _Group, table: ProbeTable) -> bool:
        common = (table.mask & group.mask).bit_count()
        return bool(group.index.ntotal) and common >= len(table.loci) - table.spare

    def search(self, tables: Sequence[ProbeTable], max_mismatches: int) -> list[RowArray]:
        """Return for each probe all rows that reach the threshold, ascending.

        Parameters
        ----------
        tables
            One a probe.
        max_mismatches
            Of the search.
        """
        parts: list[list[RowArray]] = [[] for _ in tables]
        for group in self._groups:
            visits = [n for n, table in enumerate(tables) if self._visited(group, table)]
            chosen = [tables[number] for number in visits]
            for number, rows in zip(visits, _range(group, chosen, max_mismatches), strict=True):
                parts[number].append(rows)
        return [np.sort(np.concatenate([*part, np.zeros(0, np.int64)])) for part in parts]

    def save(self, folder: Path) -> None:
        """Write into an existing folder."""
        import faiss

        np.save(folder / "filter-nibbles.npy", self.nibbles)
        groups = [{"mask": g.mask, "exact": g.exact, "places": g.places} for g in self._groups]
        (folder / "filter.json").write_text(json.dumps({"loci": self.loci, "groups": groups}))
        for number, group in enumerate(self._groups):
            faiss.write_index(group.index, str(folder / f"filter-{number}.faiss"))

    @classmethod
    def load(cls, folder: Path) -> "FilterIndex":
        """Read what `save` wrote."""
        import faiss

        values = json.loads((folder / "filter.json").read_text())
        made = cls(np.load(folder / "filter-nibbles.npy"), values["loci"])
        for number, group in enumerate(values["groups"]):
            index = faiss.read_index(str(folder / f"filter-{number}.faiss"))
            made._groups.append(_Group(group["mask"], group["exact"], group["places"], index))
        return made


def _range(group: _Group, tables: Sequence[ProbeTable], max_mismatches: int) -> list[RowArray]:
    """Range-search one group, probes of equal threshold in one call."""
    queries = [table.part(group.places) for table in tables]
    found: dict[int, RowArray] = {}
    for loci in sorted({count for _, count in queries}):
        numbers = [number for number, (_, count) in enumerate(queries) if count == loci]
        vectors = np.stack([queries[number][0] for number in numbers])
        threshold = 2.0 * loci - 2.0 * max_mismatches - _MARGIN
        if threshold <= 0:  # FAISS finds nothing then; everything passes
            found.update(dict.fromkeys(numbers, _rows_of(group.index)))
            continue
        limits, _, rows = group.index.range_search(vectors, threshold)
        for place, number in enumerate(numbers):
            found[number] = rows[limits[place] : limits[place + 1]]
    return [found[number] for number in range(len(tables))]


def _rows_of(index: Any) -> RowArray:
    """All row numbers that an index holds."""
    import faiss

    lists: Any = index.invlists
    ids = faiss.rev_swig_ptr(lists.get_ids(0), int(index.ntotal))
    return np.array(ids, np.int64)


def _power(codes: Any) -> list[int]:
    """Loci by discriminating power, best first: chance that two typed rows look the same."""
    alike = []
    for column in codes:
        counts = census(frozen(column[:: max(1, len(column) // 50_000)]))[1:]
        alike.append(float((counts.astype(float) ** 2).sum()) / max(1.0, float(counts.sum()) ** 2))
    return sorted(range(len(alike)), key=lambda place: alike[place])


def _group_masks(masks: NDArray[np.uint64]) -> list[tuple[int, bool]]:
    """Find the kits by their frequent locus sets; each gives an exact and a nearly-full group."""
    values, counts = np.unique(masks, return_counts=True)
    frequent = counts >= max(1, _SHARE * len(masks))
    order = np.argsort(-counts, kind="stable")
    kits = [int(values[i]) for i in order if frequent[i] and values[i]][:_FULL_GROUPS]
    kits = [mask for mask in kits if not _nearly_within(mask, kits)]
    nearly = sorted(kits, key=int.bit_count)
    return [
        *((mask, True) for mask in kits),
        *((mask, False) for mask in nearly),
        (_ANY, False),
    ]


def _nearly_within(mask: int, kits: list[int]) -> bool:
    """Tell whether a set is a more frequent kit with a locus or two missing."""
    return any(
        mask != kit and mask & ~kit == 0 and (kit & ~mask).bit_count() <= _NEARLY
        for kit in kits[: kits.index(mask)]
    )
