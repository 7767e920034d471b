"""Profiles as columns of genotype codes: the dictionary, and packing of stored profiles.

Each autosomal locus of a gallery is one column of uint16 codes (see `biomatch.dna.kernels`).
Two alleles fit into a code; every other genotype (three alleles and more, wildcards, ``<x``) is
interned and gets a number of its own. So a code determines the genotype exactly, and whatever a
rule says of a genotype can be looked up by its code.

A locus holds at most `MAX_INTERNED` interned genotypes. Beyond (a large database of mixtures) the
code is `OVERFLOW`, which says nothing: these few genotypes are kept as tokens beside the columns.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from biomatch.dna.alleles import decode, encode
from biomatch.dna.kernels import IRREGULAR
from biomatch.dna.loci import LOCI, is_autosomal, sort_loci
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError

__all__ = ["EXACT", "MAX_ALLELE_CODES", "MAX_INTERNED", "OVERFLOW", "CodeBook", "Columns", "pack"]

OVERFLOW = 0xFFFF
"""Code of a genotype that is kept as tokens beside the columns."""

MAX_INTERNED = OVERFLOW - IRREGULAR
"""Interned genotypes a locus has room for."""

MAX_ALLELE_CODES = 239
"""Alleles a locus has room for; genotypes with further alleles are interned."""

EXACT = 10_000
"""Allele numbers below are designated alleles (`biomatch.dna.alleles.encode`)."""

Tokens = tuple[str, ...]


@dataclass(slots=True)
class CodeBook:
    """Which code stands for which genotype, locus by locus. Grows, never renumbers.

    Attributes
    ----------
    loci
        Canonical names, one a column.
    alleles
        For each locus the allele numbers (`biomatch.dna.alleles.encode`) in code order: the
        allele at place i has code i + 1.
    interned
        For each locus the interned genotypes, as allele numbers; place k has code
        `IRREGULAR` + k.
    """

    loci: list[str] = field(default_factory=list)
    alleles: list[list[int]] = field(default_factory=list)
    interned: list[list[tuple[int, ...]]] = field(default_factory=list)
    _allele_codes: list[dict[int, int]] = field(default_factory=list)
    _interned_codes: list[dict[tuple[int, ...], int]] = field(default_factory=list)
    _tokens: list[tuple[str, ...]] = field(default_factory=list)

    def column(self, locus: str) -> int:
        """Return the column of a locus, added when it is new."""
        if locus not in self.loci:
            self.loci.append(locus)
            self.alleles.append([])
            self.interned.append([])
            self._allele_codes.append({})
            self._interned_codes.append({})
            self._tokens.append(())
        return self.loci.index(locus)

    def add_alleles(self, column: int, numbers: Iterable[int]) -> None:
        """Give codes to new alleles, in the order given, while there is room."""
        codes, known = self._allele_codes[column], self.alleles[column]
        for number in numbers:
            if number not in codes and len(known) < MAX_ALLELE_CODES:
                known.append(int(number))
                codes[int(number)] = len(known)

    def code(self, column: int, numbers: tuple[int, ...], *, grow: bool = False) -> int:
        """Return the code of a genotype, `OVERFLOW` if it has none (and may get none).

        Parameters
        ----------
        column
            Column of the locus.
        numbers
            Ascending allele numbers, each once; empty = untyped.
        grow
            Give codes to new alleles and genotypes.
        """
        if not numbers:
            return 0
        if len(numbers) <= 2 and max(numbers) < EXACT:
            if grow:
                self.add_alleles(column, numbers)
            known = [self._allele_codes[column].get(number, 0) for number in numbers]
            if all(known):
                low, high = (known[0], 0) if len(known) == 1 else sorted(known)
                return low | high << 8
        return self._intern(column, numbers, grow=grow)

    def _intern(self, column: int, numbers: tuple[int, ...], *, grow: bool) -> int:
        known = self._interned_codes[column]
        if numbers not in known:
            if not grow or len(known) >= MAX_INTERNED:
                return OVERFLOW
            known[numbers] = IRREGULAR + len(known)
            self.interned[column].append(numbers)
        return known[numbers]

    def tokens(self, column: int, code: int) -> Tokens:
        """Allele tokens that a code (not `OVERFLOW`) stands for, ascending."""
        if code >= IRREGULAR:
            numbers: Sequence[int] = self.interned[column][code - IRREGULAR]
        else:
            places = [place for place in (code & 0xFF, code >> 8) if place]
            numbers = sorted(self.alleles[column][place - 1] for place in places)
        return tuple(decode(number) for number in numbers)

    def allele_tokens(self, column: int) -> tuple[str, ...]:
        """Tokens of the locus' alleles in code order (code 1 first)."""
        if len(self._tokens[column]) < len(self.alleles[column]):
            self._tokens[column] = tuple(decode(number) for number in self.alleles[column])
        return self._tokens[column]

    def allele_codes(self, column: int) -> Mapping[int, int]:
        """Allele number -> code, for the alleles of a locus."""
        return self._allele_codes[column]

    def lookup(self) -> NDArray[np.uint8]:
        """Code of every allele number, (columns, 10000) uint8, 0 where there is none."""
        table = np.zeros((len(self.loci), EXACT), np.uint8)
        for column, codes in enumerate(self._allele_codes):
            for number, code in codes.items():
                table[column, number] = code
        return table

    def dumps(self) -> str:
        """Write as JSON."""
        return json.dumps(
            {"version": 1, "loci": self.loci, "alleles": self.alleles, "interned": self.interned}
        )

    @classmethod
    def loads(cls, text: str) -> "CodeBook":
        """Read what `dumps` wrote."""
        values = json.loads(text)
        if values.get("version") != 1:
            raise FormatError(f"genotype dictionary: version {values.get('version')!r} is unknown")
        book = cls()
        for locus, alleles, interned in zip(
            values["loci"], values["alleles"], values["interned"], strict=True
        ):
            column = book.column(locus)
            book.add_alleles(column, alleles)
            for numbers in interned:
                book._intern(column, tuple(numbers), grow=True)
        return book


@dataclass(slots=True)
class Columns:
    """Packed profiles.

    Attributes
    ----------
    book
        The dictionary of the codes.
    codes
        (loci, profiles) uint16.
    overflow
        Genotypes without a code: row -> column -> tokens.
    """

    book: CodeBook
    codes: NDArray[np.uint16]
    overflow: dict[int, dict[int, Tokens]] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.codes.shape[1])

    def genotype(self, row: int, column: int) -> Tokens:
        """Allele tokens of one profile at one locus; empty when untyped."""
        code = int(self.codes[column, row])
        if code == OVERFLOW:
            return self.overflow[row][column]
        return self.book.tokens(column, code)

    def genotypes(self, row: int) -> dict[str, Tokens]:
        """Typed loci of one profile."""
        found = {locus: self.genotype(row, column) for column, locus in enumerate(self.book.loci)}
        return {locus: tokens for locus, tokens in found.items() if tokens}


def pack(blobs: Sequence[bytes], book: CodeBook | None = None) -> Columns:
    """Pack stored profiles (`DnaProfile.dumps`), some hundred thousand a second.

    Parameters
    ----------
    blobs
        Stored profiles; row i of the result is blob i.
    book
        Dictionary to continue; it grows in place.

    Raises
    ------
    FormatError
        A blob is damaged or of a later version; its number is named.
    """
    book = book if book is not None else CodeBook()
    data = np.frombuffer(b"".join(blobs), np.uint8)
    ends = np.cumsum(np.fromiter(map(len, blobs), np.int64, len(blobs)))
    starts = ends - np.fromiter(map(len, blobs), np.int64, len(blobs))
    seen = np.zeros((256, EXACT), np.bool_)
    bad = _survey(data, starts, ends, _CRC, seen)
    if bad >= 0:
        _complain(blobs[bad], int(bad))
    columns_of = _columns_of(book, seen)
    codes, special = _fill(data, starts, columns_of, book.lookup(), len(book.loci))
    columns = Columns(book, codes)
    _settle(columns, blobs, data, special)
    return columns


def _complain(blob: bytes, row: int) -> None:
    try:
        DnaProfile.loads(blob)
    except FormatError as error:
        raise FormatError(f"profile {row}: {error}") from error
    raise FormatError(f"profile {row}: stored DNA profile: lengths and counts do not agree")


def _columns_of(book: CodeBook, seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give every autosomal locus number its column (others -1), and codes to its alleles."""
    columns = np.full(256, -1, np.int64)
    used = {LOCI[number].name: number for number in np.flatnonzero(seen[:, 0]) if number < 255}
    for name in sort_loci([name for name in used if is_autosomal(name)]):
        column = book.column(name)
        book.add_alleles(column, (int(n) for n in np.flatnonzero(seen[used[name], 1:]) + 1))
        columns[used[name]] = column
    return columns


def _settle(
    columns: Columns, blobs: Sequence[bytes], data: NDArray[np.uint8], special: NDArray[np.int64]
) -> None:
    """Code what the native loop could not: interned genotypes and spelled loci."""
    spelled: set[int] = set()
    for row, column, offset in special.tolist():
        if column < 0:
            spelled.add(row)
            continue
        count = int(data[offset])
        numbers = np.frombuffer(data[offset + 1 : offset + 1 + 2 * count].tobytes(), "<u2")
        _put(columns, row, column, tuple(int(number) for number in numbers))
    for row in sorted(spelled):
        for locus, tokens in DnaProfile.loads(blobs[row]).autosomal.items():
            if locus not in columns.book.loci:
                columns.book.column(locus)
                empty = np.zeros((1, len(columns)), np.uint16)
                columns.codes = np.concatenate([columns.codes, empty])
            column = columns.book.column(locus)
            _put(columns, row, column, tuple(encode(token) for token in tokens))


def _put(columns: Columns, row: int, column: int, numbers: tuple[int, ...]) -> None:
    code = columns.book.code(column, numbers, grow=True)
    columns.codes[column, row] = code
    if code == OVERFLOW:
        tokens = tuple(decode(number) for number in numbers)
        columns.overflow.setdefault(row, {})[column] = tokens


def _crc_table() -> NDArray[np.uint32]:
    """Byte table of CRC-32 (the one of zlib, reflected polynomial 0xEDB88320)."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, np.uint32(0xEDB88320) ^ (table >> 1), table >> 1)
    return table.astype(np.uint32)


_CRC = _crc_table()


@njit(cache=True, nogil=True)
def _crc32(data: Any, start: Any, end: Any, table: Any) -> Any:
    value = np.uint32(0xFFFFFFFF)
    for i in range(start, end):
        value = table[(value ^ data[i]) & np.uint32(0xFF)] ^ (value >> np.uint32(8))
    return value ^ np.uint32(0xFFFFFFFF)


@njit(cache=True, nogil=True)
def _u16(data: Any, at: Any) -> Any:
    return np.int64(data[at]) | np.int64(data[at + 1]) << 8


@njit(cache=True, nogil=True)
def _survey_one(data: Any, start: Any, end: Any, seen: Any) -> Any:
    """Mark the loci and alleles of one profile in `seen`; False when its lengths are wrong."""
    at: Any = start + 5
    for _ in range(data[start + 4]):
        if at + 2 > end:
            return False
        number = data[at]
        at += 1
        if number == 255:
            at += 1 + np.int64(data[at])
            if at >= end:
                return False
        count = np.int64(data[at])
        at += 1
        if at + 2 * count > end:
            return False
        if count > 0:
            seen[number, 0] = True
        for i in range(count):
            allele = _u16(data, at + 2 * i)
            if count <= 2 and 0 < allele < 10_000:
                seen[number, allele] = True
        at += 2 * count
    return at <= end


@njit(cache=True, nogil=True)
def _survey(data: Any, starts: Any, ends: Any, crc: Any, seen: Any) -> Any:
    """Check all blobs and mark what occurs; -1, or the first damaged blob."""
    for row in range(starts.shape[0]):
        start, end = starts[row], ends[row] - 4
        if end - start < 11:
            return row
        if data[start] != 68 or data[start + 1] != 78 or data[start + 2] != 65:
            return row
        if data[start + 3] != 1:
            return row
        stated = _u16(data, end) | _u16(data, end + 2) << 16
        if np.int64(_crc32(data, start, end, crc)) != stated:
            return row
        if not _survey_one(data, start, end, seen):
            return row
    return -1


@njit(cache=True, nogil=True)
def _regular(data: Any, at: Any, count: Any, lookup: Any) -> Any:
    """Code of one or two designated alleles, or -1."""
    first = _u16(data, at)
    second = _u16(data, at + 2) if count == 2 else 0
    if first >= 10_000 or second >= 10_000:
        return -1
    low, high = np.int64(lookup[first]), np.int64(0)
    if low == 0:
        return -1
    if count == 2:
        high = np.int64(lookup[second])
        if high == 0:
            return -1
        if high < low:
            low, high = high, low
    return low | high << 8


@njit(cache=True, nogil=True)
def _twice(special: Any) -> Any:
    """Copy into an array of double length; entry by entry, which compiles quickest."""
    grown = np.empty((2 * special.shape[0], special.shape[1]), special.dtype)
    for i in range(special.shape[0]):
        for k in range(special.shape[1]):
            grown[i, k] = special[i, k]
    return grown


@njit(cache=True, nogil=True)
def _fill(data: Any, starts: Any, columns_of: Any, lookup: Any, loci: int) -> Any:
    """Write the codes; list (row, column or -1, offset) of what needs the dictionary."""
    codes = np.zeros((loci, starts.shape[0]), np.uint16)
    special = np.empty((1024, 3), np.int64)
    size = 0
    for row in range(starts.shape[0]):
        at: Any = starts[row] + 5
        for _ in range(data[starts[row] + 4]):
            number = data[at]
            column = columns_of[number]
            at += 1
            if number == 255:
                at += 1 + np.int64(data[at])
            count = np.int64(data[at])
            if count > 0 and (column >= 0 or number == 255):
                code: Any = np.int64(-1)
                if column >= 0 and count <= 2:
                    code = _regular(data, at + 1, count, lookup[column])
                if code >= 0:
                    codes[column, row] = code
                else:
                    if size == special.shape[0]:
                        special = _twice(special)
                    special[size, 0] = row
                    special[size, 1] = column
                    special[size, 2] = at
                    size += 1
            at += 1 + 2 * count
    return codes, special[:size].copy()
