"""Local similarity of two prints' cylinders, and the pairs of minutiae worth a closer look."""

import math
from typing import Any

import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from biomatch.fingerprint.cylinders import CELLS, SECTIONS
from biomatch.fingerprint.kernels import native

__all__ = ["count_ones", "liken", "similarities", "strongest_pairs", "turn_over"]

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
U64 = NDArray[np.uint64]

MIN_COMMON = CELLS // 2
"""Cells valid in both cylinders that a comparison needs (MCC paper, table I: min_ME = 60 % of
the base; half keeps small overlaps)."""
PER_MINUTIA = 2
"""Pairs that one minutia may take part in."""
LEVELS = 512
ROOTS = np.sqrt(np.arange(SECTIONS * 64 + 1)).astype(np.float32)


@intrinsic  # type: ignore[misc, unused-ignore]
def count_ones(typingctx: Any, word: Any) -> Any:  # noqa: ARG001 - numba calls it so
    """Count the set bits of a uint64: one machine instruction."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.ctpop(args[0])

    return word(word), codegen


@native
def turn_over(bits: U64, out: U64) -> None:
    """Write bits (n, SECTIONS), a row a cylinder, as a row a section into `out`.

    `out` has shape (SECTIONS, n or more).
    """
    for k in range(out.shape[0]):
        line = out[k, : len(bits)]
        for j in range(len(line)):
            line[j] = bits[j, k]


@native
def liken(
    bits: U64, cells: np.uint64, listed: U64, listed_cells: U64, least: int, out: F32
) -> None:
    """Similarity of one cylinder with every one of a print, 0 to 1, into `out` (n,).

    ``1 - |a - b| / (|a| + |b|)`` over the cells valid in both (MCC paper, equation 14, on
    bits); 0 where fewer than `least` cells are common. `listed` is turned over, shape
    (SECTIONS, n or more), so that the loop becomes vector instructions.
    """
    n = len(listed_cells)
    a0, a1, a2, a3, a4, a5 = bits[0], bits[1], bits[2], bits[3], bits[4], bits[5]
    l0, l1, l2 = listed[0, :n], listed[1, :n], listed[2, :n]
    l3, l4, l5 = listed[3, :n], listed[4, :n], listed[5, :n]
    for j in range(n):
        common = cells & listed_cells[j]
        b0, b1, b2, b3, b4, b5 = l0[j], l1[j], l2[j], l3[j], l4[j], l5[j]
        ones_a = (
            count_ones(a0 & common) + count_ones(a1 & common) + count_ones(a2 & common)
            + count_ones(a3 & common) + count_ones(a4 & common) + count_ones(a5 & common)
        )  # fmt: skip
        ones_b = (
            count_ones(b0 & common) + count_ones(b1 & common) + count_ones(b2 & common)
            + count_ones(b3 & common) + count_ones(b4 & common) + count_ones(b5 & common)
        )  # fmt: skip
        shared = (
            count_ones(a0 & b0) + count_ones(a1 & b1) + count_ones(a2 & b2)
            + count_ones(a3 & b3) + count_ones(a4 & b4) + count_ones(a5 & b5)
        )  # fmt: skip
        length = ROOTS[ones_a] + ROOTS[ones_b]
        alike = np.float32(1) - ROOTS[ones_a + ones_b - 2 * shared] / max(length, ROOTS[1])
        known = length > 0 and count_ones(common) >= least
        out[j] = alike if known else np.float32(0)


@native
def similarities(
    angle_a: F32, bits_a: U64, cells_a: U64, angle_b: F32, bits_b: U64, cells_b: U64,
    max_turn: float, out: F32,
) -> None:  # fmt: skip
    """Similarity (see `liken`) of every cylinder of a with every one of b into `out` (a, b).

    `bits_a` has a row a cylinder, `bits_b` is turned over. 0 where the directions differ by
    more than `max_turn` radians, where a cylinder is unusable, or where too few cells are common.
    """
    limit, half = np.float32(max_turn), np.float32(math.pi)
    for i in range(len(cells_a)):
        line = out[i, : len(cells_b)]
        liken(bits_a[i], cells_a[i], bits_b, cells_b, MIN_COMMON, line)
        for j in range(len(cells_b)):
            turn = half - abs(half - abs(angle_a[i] - angle_b[j]))
            line[j] = np.float32(0) if turn > limit else line[j]


@native
def _level(similarity: float) -> int:
    return int(similarity * np.float32(LEVELS - 1))


@native
def _floor_level(matrix: F32, rows: int, columns: int, wanted: int, starts: I32) -> int:
    """Level that about `wanted` entries reach; `starts` receives where each level is listed."""
    histogram = np.zeros(LEVELS, np.int32)
    for i in range(rows):
        for j in range(columns):
            if matrix[i, j] > 0:
                histogram[_level(matrix[i, j])] += 1
    seen = 0
    for level in range(LEVELS - 1, 0, -1):
        starts[level] = seen
        seen += histogram[level]
        if seen >= wanted:
            return level
    return 1


@native
def strongest_pairs(
    matrix: F32, rows: int, columns: int, most: int, first: I32, second: I32, value: F32
) -> int:
    """Take the most similar pairs, each minutia at most `PER_MINUTIA` times.

    Writes row, column and similarity, best first, and returns how many. Similarities are
    ordered in `LEVELS` steps (a counting sort); ties go to the lower row and column.
    """
    starts = np.zeros(LEVELS, np.int32)
    floor = _floor_level(matrix, rows, columns, 4 * most, starts)
    listed = np.empty(rows * columns, np.int32)
    found = 0
    for i in range(rows):
        for j in range(columns):
            level = _level(matrix[i, j])
            if level >= floor:
                listed[starts[level]] = i << 16 | j
                starts[level] += 1
                found += 1
    row_uses, column_uses = np.zeros(rows, np.uint8), np.zeros(columns, np.uint8)
    taken = 0
    for place in listed[:found]:
        i, j = place >> 16, place & 0xFFFF
        if row_uses[i] >= PER_MINUTIA or column_uses[j] >= PER_MINUTIA:
            continue
        row_uses[i] += 1
        column_uses[j] += 1
        first[taken], second[taken], value[taken] = i, j, matrix[i, j]
        taken += 1
        if taken == most:
            break
    return taken
