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

from biomatch.dna.kernels import IRREGULAR, census, filter_bytes, typed_masks

__all__ = ["ANYTHING", "MAX_LOCI", "UNKNOWN", "FilterIndex", "ProbeTable", "genotype_nibbles"]

MAX_LOCI = 32
"""Loci that take part in the filter; further ones are left to the verification."""

ANYTHING = 15
"""Nibble of a genotype that the filter knows nothing about."""

UNKNOWN = np.uint8(ANYTHING | ANYTHING << 4)
"""Both nibbles of such a genotype."""

_HASHES = 14
_MARGIN = 0.5
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
        counts = census(columns.codes[column])[:IRREGULAR]
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
    untyped_counts
        True when an untyped locus of the row scores like a match.
    """

    entries: NDArray[np.float32]
    loci: list[int] = field(default_factory=list)
    untyped_counts: bool = True

    @classmethod
    def empty(cls, loci: int, *, untyped_counts: bool) -> "ProbeTable":
        """Start a table in which no locus counts."""
        return cls(np.zeros((loci, 2, 16), np.float32), [], untyped_counts)

    def add(
        self,
        place: int,
        nibbles: NDArray[np.uint8],
        accepted: NDArray[np.bool_],
        weights: NDArray[np.float32],
    ) -> None:
        """Add a locus; every accepted genotype will score at least 2.

        Two shapes of table do that: 1 for each slot's accepted nibbles, or 2 for a set of
        nibbles of which every accepted genotype has one. The one that scores less on the
        gallery's genotypes is taken.

        Parameters
        ----------
        place
            The locus' place in the filter.
        nibbles
            (n,) uint8 of the locus' genotypes, untyped left out.
        accepted
            (n,) the genotypes that do not mismatch.
        weights
            (n,) how often each occurs.
        """
        slots = nibbles & 0xF, nibbles >> 4
        both, either = _both_slots(slots, accepted), _either_slot(slots, accepted, weights)
        cost = [
            float(weights @ (shape[0][slots[0]] + shape[1][slots[1]])) for shape in (both, either)
        ]
        self.entries[place] = both if cost[0] <= cost[1] else either
        # an untyped locus has nibble 0 in both slots
        self.entries[place, 0, 0] = 2 - self.entries[place, 1, 0] if self.untyped_counts else 0
        self.loci.append(place)

    def threshold(self, max_mismatches: int) -> float:
        """Least score of a row with so many mismatches."""
        return 2.0 * len(self.loci) - 2.0 * max_mismatches - _MARGIN


def _both_slots(
    slots: tuple[NDArray[Any], NDArray[Any]], accepted: NDArray[np.bool_]
) -> NDArray[np.float32]:
    shape = np.zeros((2, 16), np.float32)
    for slot in (0, 1):
        shape[slot, slots[slot][accepted]] = 1
    return shape


def _either_slot(
    slots: tuple[NDArray[Any], NDArray[Any]],
    accepted: NDArray[np.bool_],
    weights: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Cover the accepted genotypes by nibbles, greedily: most of them a passer-by let in."""
    shape = np.zeros((2, 16), np.float32)
    open_ = accepted.copy()
    others = [np.bincount(slots[s], weights * ~accepted, 16) + 1e-9 for s in (0, 1)]
    while open_.any():
        gains = [np.bincount(slots[s][open_], minlength=16) / others[s] for s in (0, 1)]
        slot = int(gains[1].max() > gains[0].max())
        nibble = int(np.argmax(gains[slot]))
        shape[slot, nibble] = 2
        open_ &= slots[slot] != nibble
    return shape


@dataclass(slots=True)
class _Group:
    """Rows that type (about) the same loci, and their FAISS index."""

    mask: int
    exact: bool
    index: Any


def _fast_scan(codes: NDArray[np.uint8], rows: RowArray, loci: int) -> Any:
    """Build one index from ready-made 4-bit codes, without encoding anything."""
    import faiss

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
    def bytes_per_row(self) -> int:
        """Bytes of one row: two nibbles a locus and an 8-byte row number."""
        return len(self.loci) + 8

    @classmethod
    def build(cls, columns: Any, loci: Sequence[int]) -> "FilterIndex":
        """Build over all rows of `columns` (`biomatch.dna.codes.Columns`)."""
        made = cls(genotype_nibbles(columns, loci), loci)
        view = (
            columns.codes[made.loci]
            if made.loci != list(range(len(columns.codes)))
            else columns.codes
        )
        masks = typed_masks(view)
        for mask, exact in _group_masks(masks):
            made._groups.append(_Group(mask, exact, None))
        places = made._places(masks)
        for number, group in enumerate(made._groups):
            rows = np.flatnonzero(places == number)
            group.index = _fast_scan(filter_bytes(view, rows, made.nibbles), rows, len(made.loci))
        return made

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
        view = np.ascontiguousarray(columns.codes[:, rows][self.loci])
        places = self._places(typed_masks(view))
        for number in np.unique(places):
            chosen = np.flatnonzero(places == number)
            codes = filter_bytes(view, chosen, self.nibbles)
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

    def search(
        self, tables: Sequence[ProbeTable], max_mismatches: int, min_loci: Sequence[int]
    ) -> list[RowArray]:
        """Return for each probe all rows that reach the threshold, ascending.

        Parameters
        ----------
        tables
            One a probe.
        max_mismatches
            Of the search.
        min_loci
            For each probe how many of the filter's loci must be typed on both sides.
        """
        parts: list[list[RowArray]] = [[] for _ in tables]
        masks = [sum(1 << place for place in table.loci) for table in tables]
        for group in self._groups:
            visits = [
                number
                for number, mask in enumerate(masks)
                if group.index.ntotal and (mask & group.mask).bit_count() >= min_loci[number]
            ]
            for number, rows in zip(
                visits, _range(group.index, visits, tables, max_mismatches), strict=True
            ):
                parts[number].append(rows)
        return [np.sort(np.concatenate([*part, np.zeros(0, np.int64)])) for part in parts]

    def save(self, folder: Path) -> None:
        """Write into an existing folder."""
        import faiss

        np.save(folder / "filter-nibbles.npy", self.nibbles)
        groups = [{"mask": group.mask, "exact": group.exact} for group in self._groups]
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
            made._groups.append(_Group(group["mask"], group["exact"], index))
        return made


def _range(
    index: Any, visits: list[int], tables: Sequence[ProbeTable], max_mismatches: int
) -> list[RowArray]:
    """Range-search one group, probes of equal threshold in one call."""
    found: dict[int, RowArray] = {}
    thresholds = {number: tables[number].threshold(max_mismatches) for number in visits}
    for threshold in sorted(set(thresholds.values())):
        numbers = [number for number in visits if thresholds[number] == threshold]
        queries = np.stack([tables[number].entries.reshape(-1) for number in numbers])
        limits, _, rows = index.range_search(np.ascontiguousarray(queries), threshold)
        for place, number in enumerate(numbers):
            found[number] = rows[limits[place] : limits[place + 1]]
    return [found[number] for number in visits]


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
        (2**64 - 1, False),
    ]


def _nearly_within(mask: int, kits: list[int]) -> bool:
    """Tell whether a set is a more frequent kit with a locus or two missing."""
    return any(
        mask != kit and mask & ~kit == 0 and (kit & ~mask).bit_count() <= _NEARLY
        for kit in kits[: kits.index(mask)]
    )
