"""Native loops over columns of genotype codes: scans, verification, log-likelihood sums.

All kernels read one array ``codes`` of shape (loci, profiles), uint16, one code a genotype as
`biomatch.dna.codes` makes them:

- 0: the locus is not typed;
- ``a | b << 8``: alleles a < b of the locus' dictionary (1 to 239), b = 0 for a homozygote;
- `IRREGULAR` and above: any other genotype (three alleles, wildcards, ``<x``), interned.

A block of profiles is kept in the cache while the loci are visited one after the other; the few
profiles that are left then are followed through the other loci. The kernels release the GIL.

Numba compiles a kernel anew for each kind of array, and the layout and the right to write are part
of the kind. So callers hand over columns by `frozen` or `whole`: that makes one kind of them all,
whether they were packed, memory-mapped or have room to grow.
"""

from typing import Any

import numpy as np
from numba import njit, uint16, uint32, uint64
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
    "cover",
    "filter_bytes",
    "frozen",
    "lay_out",
    "scan",
    "sort_out",
    "sum_tables",
    "typed_masks",
    "whole",
]

IRREGULAR = 0xF000
"""Codes from here on stand for interned genotypes of any shape."""

BLOCK = 2048
"""Profiles a block: a page of codes a locus, so that block and counters stay in the L1 cache."""

AHEAD = 1024
"""Codes fetched ahead of their use when rows lie far apart."""

PAIRS = 0
"""Test form: the genotype is one of three given codes."""

SLOTS = 1
"""Test form: one of the two alleles is one of two given alleles."""

TABLE = 2
"""Test form: look the code up."""

Codes = NDArray[np.uint16]


def frozen(codes: Codes) -> Codes:
    """Return the codes as a contiguous array that may only be read; copied if they have gaps."""
    view = np.ascontiguousarray(codes).view(np.ndarray)
    view.flags.writeable = False
    return view


def whole(codes: Codes) -> tuple[Codes, int]:
    """Return columns with the spare room behind them, frozen, and how many profiles they hold.

    Columns with spare room are a view ``room[:, :n]``; the kernels get `room` and n.
    """
    room = codes.base
    is_view = (
        isinstance(room, np.ndarray)
        and not codes.flags.c_contiguous
        and room.flags.c_contiguous
        and room.dtype == codes.dtype
        and room.strides == codes.strides
        and room.ctypes.data == codes.ctypes.data
    )
    return frozen(room if is_view and room is not None else codes), codes.shape[1]


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
def sort_out(genotypes: Any, columns: Any, kinds: Any, pairs: Any, interned: Any) -> Any:
    """Give every genotype of the probe's loci its packed counters.

    Parameters
    ----------
    genotypes
        ``(starts, codes, shares)`` of `biomatch.dna.lookup.Genotypes`.
    columns
        Columns that the probe types, int64 (n,).
    kinds
        (n, 256) uint8: kind of each allele code.
    pairs
        (n, k, k) uint32: packed counters of two kinds.
    interned
        uint32, packed counters of the interned genotypes, column after column.

    Returns
    -------
    tuple
        Packed counters uint32, column after column, and for each column the share of the rows
        that show an accepted genotype (first counter 0), float64 (n,).
    """
    starts, codes, shares = genotypes
    total = np.int64(0)
    for k in range(columns.shape[0]):
        total += starts[columns[k] + 1] - starts[columns[k]]
    flags = np.empty(total, np.uint32)
    passing = np.zeros(columns.shape[0], np.float64)
    at, odd = np.int64(0), np.int64(0)
    for k in range(columns.shape[0]):
        for i in range(starts[columns[k]], starts[columns[k] + 1]):
            code = np.int64(codes[i])
            if code >= IRREGULAR:
                flags[at] = interned[odd]
                odd += 1
            else:
                flags[at] = pairs[k, kinds[k, code & 0xFF], kinds[k, code >> 8]]
            if flags[at] & uint32(0xFF) == uint32(0):
                passing[k] += shares[i]
            at += 1
    return flags, passing


@njit(cache=True, nogil=True)
def lay_out(genotypes: Any, columns: Any, places: Any, flags: Any, overflow: Any, out: Any) -> None:
    """Write packed counters to the places of their codes.

    Other places keep what they hold: a gallery's columns hold no code that its dictionary lacks.

    Parameters
    ----------
    genotypes
        ``(starts, codes, shares)`` of `biomatch.dna.lookup.Genotypes`.
    columns, places
        Columns int64 (n,), and where each one's counters begin in `flags`.
    flags
        Packed counters by `sort_out`.
    overflow
        Counters of a genotype without a code.
    out
        (n, 65536) uint32; untyped (code 0) gets 0.
    """
    starts, codes, _ = genotypes
    for k in range(columns.shape[0]):
        start = starts[columns[k]]
        out[k, 0] = 0
        out[k, 65535] = overflow
        for i in range(start, starts[columns[k] + 1]):
            out[k, codes[i]] = flags[places[k] + i - start]


@njit(cache=True, nogil=True)
def _both_slots(nibbles: Any, accepted: Any, shape: Any) -> None:
    """Give each slot's accepted nibbles 1."""
    shape[:] = 0
    for i in range(nibbles.shape[0]):
        if accepted[i]:
            shape[0, nibbles[i] & 0xF] = 1
            shape[1, nibbles[i] >> 4] = 1
    shape[:, 15] = 1


@njit(cache=True, nogil=True)
def _either_slot(nibbles: Any, accepted: Any, shares: Any, shape: Any) -> None:
    """Give 2 to nibbles that cover the accepted genotypes, one of them a genotype.

    Greedily: most accepted genotypes for each of the others let in.
    """
    shape[:] = 0
    others = np.full((2, 16), 1e-9)
    for i in range(nibbles.shape[0]):
        if not accepted[i]:
            others[0, nibbles[i] & 0xF] += shares[i]
            others[1, nibbles[i] >> 4] += shares[i]
    gains = np.empty((2, 16))
    while True:
        gains[:] = 0
        if shape[0, 15] == 0 and shape[1, 15] == 0:  # what the filter knows nothing about
            gains[:, 15] = 1
        for i in range(nibbles.shape[0]):
            low, high = nibbles[i] & 0xF, nibbles[i] >> 4
            if accepted[i] and shape[0, low] == 0 and shape[1, high] == 0:
                gains[0, low] += 1
                gains[1, high] += 1
        best = np.argmax((gains / others).ravel())
        if gains[best // 16, best % 16] == 0:
            break
        shape[best // 16, best % 16] = 2


@njit(cache=True, nogil=True)
def _cost(nibbles: Any, shares: Any, shape: Any) -> Any:
    """Mean score that a table gives the rows."""
    total = 0.0
    for i in range(nibbles.shape[0]):
        total += shares[i] * (shape[0, nibbles[i] & 0xF] + shape[1, nibbles[i] >> 4])
    return total


@njit(cache=True, nogil=True)
def cover(genotypes: Any, columns: Any, places: Any, flags: Any, nibbles: Any) -> Any:
    """Make the filter's table of each locus: every accepted genotype scores at least 2.

    Two shapes of table do that: 1 for each slot's accepted nibbles, or 2 for a set of nibbles of
    which every accepted genotype has one. The one that scores less on the gallery's genotypes is
    taken. A genotype that the filter knows nothing about (15 in both slots) counts as accepted.

    Parameters
    ----------
    genotypes, columns, places, flags
        As for `lay_out`.
    nibbles
        (n, 65536) uint8, one row a column: `biomatch.dna.filter.genotype_nibbles`.

    Returns
    -------
    array
        (n, 2, 16) float32; untyped (nibble 0 of slot 0) scores 0.
    """
    starts, codes, shares = genotypes
    out = np.zeros((columns.shape[0], 2, 16), np.float32)
    either = np.empty((2, 16), np.float32)
    for k in range(columns.shape[0]):
        start, end = starts[columns[k]], starts[columns[k] + 1]
        own = np.empty(end - start, np.int64)
        accepted = np.empty(end - start, np.bool_)
        for i in range(end - start):
            own[i] = nibbles[k, codes[start + i]]
            accepted[i] = flags[places[k] + i] & uint32(0xFF) == uint32(0)
        weights = shares[start:end]
        _both_slots(own, accepted, out[k])
        _either_slot(own, accepted, weights, either)
        if _cost(own, weights, either) < _cost(own, weights, out[k]):
            out[k] = either
        out[k, 0, 0] = 0
    return out


@njit(cache=True, nogil=True)
def _mark_pairs(column: Any, values: Any, wrong: Any) -> None:
    """Count rows whose genotype is none of three codes; untyped and irregular ones pass here."""
    first, second, third = values[0], values[1], values[2]
    for i in range(column.shape[0]):
        code = column[i]
        fits = (code == first) | (code == second) | (code == third)
        passes = fits | (code == uint16(0)) | (code >= uint16(IRREGULAR))
        wrong[i] += uint16(not passes)


@njit(cache=True, nogil=True)
def _mark_slots(column: Any, values: Any, wrong: Any) -> None:
    """Count rows without either of two alleles; untyped and irregular ones pass here.

    The high byte is compared in place: with no shift the loop stays in 16-bit lanes.
    """
    first, second = values[0], values[1]
    first_high, second_high = uint16(first << 8), uint16(second << 8)
    for i in range(column.shape[0]):
        code = column[i]
        low = uint16(code & uint16(0xFF))
        high = uint16(code & uint16(0xFF00))
        fits = (low == first) | (high == first_high) | (low == second) | (high == second_high)
        passes = fits | (code == uint16(0)) | (code >= uint16(IRREGULAR))
        wrong[i] += uint16(not passes)


@njit(cache=True, nogil=True)
def _mark_table(column: Any, table: Any, wrong: Any) -> None:
    """Count rows whose code the table does not accept."""
    for i in range(column.shape[0]):
        wrong[i] += uint16(1) - uint16(table[column[i]])


@njit(cache=True, nogil=True)
def _mark(column: Any, form: Any, values: Any, table: Any, wrong: Any) -> None:
    if form == PAIRS:
        _mark_pairs(column, values, wrong)
    elif form == SLOTS:
        _mark_slots(column, values, wrong)
    else:
        _mark_table(column, table, wrong)


@njit(cache=True, nogil=True)
def _mark_untyped(column: Any, untyped: Any) -> None:
    for i in range(column.shape[0]):
        untyped[i] += uint16(column[i] == uint16(0))


@njit(cache=True, nogil=True)
def _flag(counts: Any, limit: Any, flags: Any) -> None:
    """Write 1 for each row within the limit, else 0."""
    for i in range(counts.shape[0]):
        flags[i] = counts[i] <= limit


@njit(cache=True, nogil=True)
def _collect(flags: Any, wrong: Any, start: Any, rows: Any, sums: Any, size: Any) -> Any:
    """Append the flagged rows of a block, what they failed in bits 24 to 31 of their sums.

    Eight unflagged rows are passed over at once. In a word of eight flags the lowest one set is
    ``1 << 8 j``; multiplied by the magic number it brings j to the top byte.
    """
    words = flags.view(np.uint64)
    magic = uint64(0x0001020304050607)
    for number in range(words.shape[0]):
        left = words[number]
        while left != uint64(0):
            lowest = left & (~left + uint64(1))
            left ^= lowest
            place = 8 * number + np.int64((lowest * magic) >> uint64(56))
            rows[size] = start + place
            sums[size] = uint32(wrong[place]) << uint32(24)
            size += 1
    return size


@njit(cache=True, nogil=True)
def _narrow(column: Any, table: Any, rows: Any, sums: Any, size: Any, rule: Any) -> Any:
    """Add one locus' outcomes to the rows left; keep those within the limit, return how many.

    The codes are fetched ahead, `AHEAD` at a time: so many reads far apart overlap. Row numbers
    are unsigned, which spares a check for negative ones.
    """
    shift, limit = rule
    codes = np.empty(AHEAD, np.uint16)
    kept = uint64(0)
    for start in range(0, size, AHEAD):
        n = min(AHEAD, size - start)
        for i in range(n):
            codes[i] = column[rows[start + i]]
        for i in range(n):
            total = sums[start + i] + table[codes[i]]
            rows[kept] = rows[start + i]
            sums[kept] = total
            failed = ((total >> shift) & uint32(0xFF)) + (total >> uint32(24))
            kept += uint64(failed <= limit)
    return np.int64(kept)


@njit(cache=True, nogil=True)
def _decide(
    codes: Any, columns: Any, tables: Any, tested: Any, rows: Any, sums: Any, rule: Any
) -> Any:
    """Add up the outcomes of all loci, row by row; returns how many rows stay within the limit.

    The loci beyond the first `tested` come first: what a row has failed of those counts at once.
    """
    size = rows.shape[0]
    for k in range(tested, columns.shape[0]):
        size = _narrow(codes[columns[k]], tables[k], rows, sums, size, rule)
    sums[:size] &= uint32(0xFFFFFF)
    for k in range(tested):
        size = _narrow(codes[columns[k]], tables[k], rows, sums, size, rule)
    return size


@njit(cache=True, nogil=True)
def _test_block(codes: Any, part: Any, columns: Any, tests: Any, work: Any, limits: Any) -> None:
    """Count what each row of a block fails of the tests, and flag those that may go on."""
    forms, values, tables = tests
    wrong, untyped, flags = work
    start, end = part
    n = end - start
    wrong[:n] = 0
    flags[n:] = 0
    for k in range(forms.shape[0]):
        _mark(codes[columns[k]][start:end], forms[k], values[k], tables[k], wrong[:n])
    _flag(wrong[:n], limits[0], flags[:n])
    if limits[1] < forms.shape[0]:
        untyped[:n] = 0
        for k in range(forms.shape[0]):
            _mark_untyped(codes[columns[k]][start:end], untyped[:n])
        for i in range(n):
            flags[i] &= np.uint8(untyped[i] <= limits[1])


@njit(cache=True, nogil=True)
def _longer(array: Any, length: Any) -> Any:
    grown = np.empty(length, array.dtype)
    grown[: array.shape[0]] = array
    return grown


@njit(cache=True, nogil=True)
def scan(
    codes: Any,
    profiles: int,
    columns: Any,
    forms: Any,
    values: Any,
    tables: Any,
    outcomes: Any,
    field: int,
    limit: int,
    max_untyped: int,
) -> Any:
    """Visit every profile; return the rows that stay within a limit, ascending, and their sums.

    The first loci are tested on every row by quick forms that irregular genotypes always pass;
    the few rows left are then decided by the exact outcomes of all loci.

    Parameters
    ----------
    codes, profiles
        (loci, profiles or more) uint16, and how many are visited: see `whole`.
    columns
        Rows of `codes` that the probe types, the most discriminating first, int64 (n,).
    forms
        Test forms of the first of them, int64 (m,): `PAIRS`, `SLOTS` or `TABLE`.
    values
        Codes or alleles of the tests, uint16 (m, 3).
    tables
        Accepted codes of `TABLE` tests, uint8 (m, 65536); 1 where accepted.
    outcomes
        (n, 65536) uint32 packed counters, three of 8 bits.
    field
        Number of the counter (from the low end) that may not exceed `limit`.
    limit
        Largest value of that counter; a failed test stands for at least 1.
    max_untyped
        Rows with more untyped loci among the m first are out.

    Returns
    -------
    tuple
        (r,) rows int64 and (r,) packed sums uint32.
    """
    rows, sums, size = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.uint32), np.int64(0)
    work = np.empty(BLOCK, np.uint16), np.empty(BLOCK, np.uint16), np.empty(BLOCK, np.uint8)
    limits = uint16(limit), max_untyped
    for start in range(0, profiles, BLOCK):
        part = start, min(start + BLOCK, profiles)
        _test_block(codes, part, columns, (forms, values, tables), work, limits)
        if size + BLOCK > rows.shape[0]:
            rows, sums = _longer(rows, 2 * (size + BLOCK)), _longer(sums, 2 * (size + BLOCK))
        size = _collect(work[2], work[0], start, rows, sums, size)
    rows, sums = rows[:size], sums[:size]
    rule = uint32(8 * field), uint32(limit)
    size = _decide(codes, columns, outcomes, forms.shape[0], rows, sums, rule)
    return rows[:size].astype(np.int64), sums[:size].copy()


@njit(cache=True, nogil=True)
def count_flags(codes: Any, columns: Any, tables: Any, rows: Any, field: int, limit: int) -> Any:
    """Add up packed per-locus outcomes of some rows, dropping hopeless rows on the way.

    Parameters
    ----------
    codes
        (loci, profiles) uint16.
    columns
        Columns that the probe types, in the order to visit them, int64 (n,).
    tables
        (n, 65536) uint32 packed counters, three of 8 bits.
    rows
        Candidate rows, ascending, int64.
    field
        Number of the counter (from the low end) that may not exceed `limit`.
    limit
        Largest value of that counter.

    Returns
    -------
    tuple
        (m,) surviving rows int64 and (m,) packed sums uint32.
    """
    alive = rows.astype(np.uint32)
    sums = np.zeros(rows.shape[0], np.uint32)
    rule = uint32(8 * field), uint32(limit)
    size = _decide(codes, columns, tables, np.int64(0), alive, sums, rule)
    return alive[:size].astype(np.int64), sums[:size].copy()


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
def best_sums(
    codes: Any,
    profiles: int,
    columns: Any,
    tables: Any,
    allowed: Any,
    keep: int,
    least: float,
) -> Any:
    """Score every profile by a sum of table entries and keep the best.

    Parameters
    ----------
    codes, profiles
        (loci, profiles or more) uint16, and how many are visited: see `whole`.
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
    capacity = 4 * keep + BLOCK
    scores = np.empty(capacity, np.float32)
    rows = np.empty(capacity, np.int64)
    size = np.int64(0)
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
