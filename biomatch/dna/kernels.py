"""Native loops over columns of genotype codes: scans, verification, log-likelihood sums.

All kernels read one array ``codes`` of shape (loci, profiles), uint16, one code a genotype as
`biomatch.dna.codes` makes them:

- 0: the locus is not typed;
- ``a | b << 8``: alleles a < b of the locus' dictionary (1 to 239), b = 0 for a homozygote;
- `IRREGULAR` and above: any other genotype (three alleles, wildcards, ``<x``), interned.

A block of profiles is kept in the cache while the loci are visited one after the other, and is
left as soon as no profile in it can still match. The kernels release the GIL.
"""

from typing import Any

import numpy as np
from numba import njit, uint16
from numpy.typing import NDArray

__all__ = [
    "BLOCK",
    "IRREGULAR",
    "PAIRS",
    "SLOTS",
    "TABLE",
    "best_sums",
    "census",
    "count_flags",
    "filter_bytes",
    "scan",
    "sum_tables",
    "typed_masks",
]

IRREGULAR = 0xF000
"""Codes from here on stand for interned genotypes of any shape."""

BLOCK = 8192
"""Profiles a block: 16 KiB of codes a locus, so that block and counters stay in the L1 cache."""

PAIRS = 0
"""Test form: the genotype is one of three given codes."""

SLOTS = 1
"""Test form: one of the two alleles is one of two given alleles."""

TABLE = 2
"""Test form: look the code up."""

Codes = NDArray[np.uint16]


@njit(cache=True, nogil=True)
def census(column: Any) -> Any:
    """Count how often each code occurs in one column; (65536,) int64."""
    counts = np.zeros(65536, np.int64)
    for i in range(column.shape[0]):
        counts[column[i]] += 1
    return counts


@njit(cache=True, nogil=True)
def typed_masks(codes: Any) -> Any:
    """Return the set of typed loci of each profile, bit l = locus l; (profiles,) uint64."""
    loci, profiles = codes.shape
    masks = np.zeros(profiles, np.uint64)
    for locus in range(min(loci, 64)):
        bit = np.uint64(1) << np.uint64(locus)
        column = codes[locus]
        for i in range(profiles):
            if column[i] != 0:
                masks[i] |= bit
    return masks


@njit(cache=True, nogil=True)
def filter_bytes(codes: Any, rows: Any, nibbles: Any, places: Any) -> Any:
    """Translate genotypes to two nibbles a locus; (len(rows), len(places)) uint8, slot 0 low.

    Parameters
    ----------
    codes
        (loci, profiles) uint16.
    rows
        Profiles wanted, int64.
    nibbles
        (loci, 65536) uint8: low nibble for slot 0, high nibble for slot 1.
    places
        Loci wanted, int64.
    """
    out = np.empty((rows.shape[0], places.shape[0]), np.uint8)
    for start in range(0, rows.shape[0], BLOCK):
        end = min(start + BLOCK, rows.shape[0])
        for k in range(places.shape[0]):
            column = codes[places[k]]
            table = nibbles[places[k]]
            for i in range(start, end):
                out[i, k] = table[column[rows[i]]]
    return out


@njit(cache=True, nogil=True)
def _mark_pairs(column: Any, values: Any, wrong: Any, untyped: Any) -> None:
    """Count rows whose genotype is none of three codes; irregular ones pass here."""
    first, second, third = values[0], values[1], values[2]
    for i in range(column.shape[0]):
        code = column[i]
        fits = (code == first) | (code == second) | (code == third)
        free = code == uint16(0)
        passes = fits | free | (code >= uint16(IRREGULAR))
        untyped[i] += uint16(free)
        wrong[i] += uint16(not passes)


@njit(cache=True, nogil=True)
def _mark_slots(column: Any, values: Any, wrong: Any, untyped: Any) -> None:
    """Count rows without either of two alleles; irregular ones pass here.

    The high byte is compared in place: with no shift the loop stays in 16-bit lanes.
    """
    first, second = values[0], values[1]
    first_high, second_high = uint16(first << 8), uint16(second << 8)
    for i in range(column.shape[0]):
        code = column[i]
        low = uint16(code & uint16(0xFF))
        high = uint16(code & uint16(0xFF00))
        fits = (low == first) | (high == first_high) | (low == second) | (high == second_high)
        free = code == uint16(0)
        passes = fits | free | (code >= uint16(IRREGULAR))
        untyped[i] += uint16(free)
        wrong[i] += uint16(not passes)


@njit(cache=True, nogil=True)
def _mark_table(column: Any, table: Any, wrong: Any, untyped: Any) -> None:
    """Count rows whose code the table does not accept."""
    for i in range(column.shape[0]):
        code = column[i]
        untyped[i] += uint16(code == uint16(0))
        wrong[i] += uint16(1) - uint16(table[code])


@njit(cache=True, nogil=True)
def _mark(column: Any, form: Any, values: Any, table: Any, wrong: Any, untyped: Any) -> None:
    if form == PAIRS:
        _mark_pairs(column, values, wrong, untyped)
    elif form == SLOTS:
        _mark_slots(column, values, wrong, untyped)
    else:
        _mark_table(column, table, wrong, untyped)


@njit(cache=True, nogil=True)
def _within(counts: Any, limit: Any) -> Any:
    """Count the entries that do not exceed the limit."""
    n = 0
    for i in range(counts.shape[0]):
        n += counts[i] <= limit
    return n


@njit(cache=True, nogil=True)
def _flag(wrong: Any, untyped: Any, limits: Any, flags: Any) -> None:
    """Write 1 for each row that is within both limits, else 0."""
    most_wrong, most_untyped = limits[0], limits[1]
    for i in range(wrong.shape[0]):
        flags[i] = (wrong[i] <= most_wrong) & (untyped[i] <= most_untyped)


@njit(cache=True, nogil=True)
def _collect(flags: Any, start: Any, found: Any, size: Any) -> Any:
    """Append the flagged rows of a block; eight unflagged rows are passed over at once."""
    words = flags.view(np.uint64)
    for place in range(words.shape[0]):
        if words[place] == 0:
            continue
        for i in range(8 * place, 8 * place + 8):
            found[size] = start + i
            size += np.int64(flags[i])
    return size


@njit(cache=True, nogil=True)
def scan(
    codes: Any,
    columns: Any,
    forms: Any,
    values: Any,
    tables: Any,
    max_mismatches: int,
    max_untyped: int,
) -> Any:
    """Visit every profile; return the rows that may match, ascending, int64.

    Irregular genotypes always pass a `PAIRS` or `SLOTS` test, so the answer is a superset
    that `count_flags` makes exact.

    Parameters
    ----------
    codes
        (loci, profiles) uint16.
    columns
        Rows of `codes` that the probe types, the most discriminating first, int64 (n,).
    forms
        Test form of each, int64 (n,): `PAIRS`, `SLOTS` or `TABLE`.
    values
        Codes or alleles of the test, uint16 (n, 3).
    tables
        Accepted codes of `TABLE` tests, uint8 (n, 65536); 1 where accepted.
    max_mismatches
        Rows with more tests failed are out.
    max_untyped
        Rows with more untyped loci among `columns` are out.
    """
    profiles = codes.shape[1]
    found = np.empty(1024, np.int64)
    size = 0
    wrong = np.empty(BLOCK, np.uint16)
    untyped = np.empty(BLOCK, np.uint16)
    flags = np.empty(BLOCK, np.uint8)
    limits = np.array([max_mismatches, max_untyped], np.uint16)
    for start in range(0, profiles, BLOCK):
        n = min(BLOCK, profiles - start)
        wrong[:n] = 0
        untyped[:n] = 0
        flags[n:] = 0
        alive = True
        for k in range(columns.shape[0]):
            column = codes[columns[k]][start : start + n]
            _mark(column, forms[k], values[k], tables[k], wrong[:n], untyped[:n])
            if k >= 4 and k % 2 == 0 and _within(wrong[:n], limits[0]) == 0:
                alive = False
                break
        if not alive:
            continue
        if size + BLOCK >= found.shape[0]:
            grown = np.empty(2 * (size + BLOCK), np.int64)
            grown[:size] = found[:size]
            found = grown
        _flag(wrong[:n], untyped[:n], limits, flags)
        size = _collect(flags, start, found, size)
    return found[:size].copy()


@njit(cache=True, nogil=True)
def count_flags(
    codes: Any, columns: Any, tables: Any, rows: Any, field: int, limit: int, turn: int
) -> Any:
    """Add up packed per-locus outcomes of some rows, dropping hopeless rows on the way.

    Parameters
    ----------
    codes
        (loci, profiles) uint16.
    columns
        Columns that the probe types, in the order to visit them, int64 (n,).
    tables
        (n, 65536) uint32 packed counters, 8 bits a field.
    rows
        Candidate rows, ascending, int64.
    field
        Number of the counter (from the low end) that may not exceed `limit`.
    limit
        Largest value of that counter.
    turn
        Table of the first column; the tables go round.

    Returns
    -------
    tuple
        (m,) surviving rows int64 and (m,) packed sums uint32.
    """
    alive = rows.copy()
    sums = np.zeros(rows.shape[0], np.uint32)
    size = rows.shape[0]
    shift = 8 * field
    for k in range(columns.shape[0]):
        column = codes[columns[k]]
        table = tables[(k + turn) % columns.shape[0]]
        kept: Any = 0
        for i in range(size):
            row = alive[i]
            total = np.int64(sums[i]) + np.int64(table[column[row]])
            alive[kept] = row
            sums[kept] = total
            kept += np.int64(((total >> shift) & 0xFF) <= limit)
        size = kept
    return alive[:size].copy(), sums[:size].copy()


@njit(cache=True, nogil=True)
def sum_tables(codes: Any, columns: Any, tables: Any, rows: Any) -> Any:
    """Add per-locus table entries for some rows; (len(rows),) float64.

    `tables` is (n, 65536) float64: what each genotype adds at each of the probe's loci.
    """
    out = np.zeros(rows.shape[0], np.float64)
    for k in range(columns.shape[0]):
        column = codes[columns[k]]
        table = tables[k]
        for i in range(rows.shape[0]):
            out[i] += table[column[rows[i]]]
    return out


@njit(cache=True, nogil=True)
def _kth_largest(scores: Any, keep: int) -> Any:
    return np.sort(scores)[scores.shape[0] - keep]


@njit(cache=True, nogil=True)
def _shrink(scores: Any, rows: Any, size: int, keep: int) -> Any:
    """Keep the `keep` best, earlier rows first among equals, in their order."""
    bar = _kth_largest(scores[:size], keep)
    better = 0
    for i in range(size):
        better += int(scores[i] > bar)
    equal = keep - better
    kept = 0
    for i in range(size):
        if scores[i] > bar or (scores[i] == bar and equal > 0):
            if scores[i] == bar:
                equal -= 1
            scores[kept] = scores[i]
            rows[kept] = rows[i]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _add_block(codes: Any, columns: Any, tables: Any, start: Any, total: Any, lowest: Any) -> None:
    """Add up one population's entries for a block, and keep the lower sum."""
    total[:] = 0
    for k in range(columns.shape[0]):
        column = codes[columns[k]][start : start + total.shape[0]]
        table = tables[k]
        for i in range(total.shape[0]):
            total[i] += table[column[i]]
    for i in range(total.shape[0]):
        lowest[i] = min(lowest[i], total[i])


@njit(cache=True, nogil=True)
def best_sums(codes: Any, columns: Any, tables: Any, allowed: Any, keep: int, least: float) -> Any:
    """Score every profile by a sum of table entries and keep the best.

    Parameters
    ----------
    codes
        (loci, profiles) uint16.
    columns
        Columns to add, int64 (n,).
    tables
        (populations, n, 65536) float32; a profile's score is the least favourable population's.
    allowed
        (profiles,) bool, or (0,) when all are.
    keep
        At most so many are returned.
    least
        Scores below are not returned.

    Returns
    -------
    tuple
        Rows int64 ascending, and their scores float32.
    """
    profiles = codes.shape[1]
    capacity = 4 * keep + BLOCK
    scores = np.empty(capacity, np.float32)
    rows = np.empty(capacity, np.int64)
    size = 0
    bar = np.float32(least)
    total = np.empty(BLOCK, np.float32)
    lowest = np.empty(BLOCK, np.float32)
    for start in range(0, profiles, BLOCK):
        n = min(BLOCK, profiles - start)
        lowest[:n] = np.inf
        for p in range(tables.shape[0]):
            _add_block(codes, columns, tables[p], start, total[:n], lowest[:n])
        for i in range(n):
            if lowest[i] >= bar and (allowed.shape[0] == 0 or allowed[start + i]):
                scores[size] = lowest[i]
                rows[size] = start + i
                size += 1
        if size > capacity - BLOCK:
            size = _shrink(scores, rows, size, keep)
            bar = max(bar, np.min(scores[:size]))
    if size > keep:
        size = _shrink(scores, rows, size, keep)
    return rows[:size].copy(), scores[:size].copy()
