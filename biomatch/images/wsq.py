"""WSQ decoding of our own: NumPy and Numba, checked at every step, no foreign code.

A WSQ file holds the quantised coefficients of a wavelet decomposition into 64 subbands, run
lengths and values Huffman-coded in up to three blocks. Decoding is: read the tables, decode the
blocks, undo the quantisation, join the subbands pair by pair.

Source: *WSQ Gray-Scale Fingerprint Image Compression Specification*, IAFIS-IC-0110 (V3), FBI
1997: clause 5 (decoder), annex A (markers and tables), annex B (subband structure).

Agrees with NBIS within one grey level. Below 81 pixels a side the innermost bands are shorter
than the filters, and NBIS mirrors them in a way of its own; here they are mirrored as the
specification says.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from biomatch.images.decode import UnreadableError, check_size

__all__ = ["decode"]

SOI, EOI, SOF, SOB, DTT, DQT, DHT = 0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6
OTHER_SEGMENTS = frozenset({0xA7, 0xA8})
SUBBANDS = 64
LONGEST_CODE = 16
MOST_SEGMENTS = 100
MOST_PIXELS = 50_000_000
"""Two palms at 1000 ppi; a few kilobytes of runs can claim any number."""
Floats = NDArray[np.float32]


@dataclass(slots=True)
class _Tables:
    """What the segments before and between the blocks define."""

    low: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    high: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    centre: float = 0.0
    bins: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    zero_bins: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    width: int = 0
    height: int = 0
    shift: float = 0.0
    scale: float = 1.0
    codes: dict[int, NDArray[np.int32]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Band:
    """A rectangle of the coefficient plane; `right`, `lower`: its place among its siblings."""

    x: int
    y: int
    width: int
    height: int
    right: bool = False
    lower: bool = False

    def split(self) -> tuple["_Band", "_Band", "_Band", "_Band"]:
        """Cut into four. The longer half is the low band, which comes second in an inverted one."""
        left, top = (self.width + 1) // 2, (self.height + 1) // 2
        left = self.width - left if self.right else left
        top = self.height - top if self.lower else top
        right, bottom = self.width - left, self.height - top
        return (
            _Band(self.x, self.y, left, top),
            _Band(self.x + left, self.y, right, top, right=True),
            _Band(self.x, self.y + top, left, bottom, lower=True),
            _Band(self.x + left, self.y + top, right, bottom, right=True, lower=True),
        )


def decode(data: bytes) -> NDArray[np.uint8]:
    """Decode a WSQ file to grey levels, shape (H, W).

    Raises
    ------
    UnreadableError
        Damaged, truncated or too large.
    """
    tables = _Tables()
    values: list[NDArray[np.int32]] = []
    try:
        for body, table in _blocks(data, tables):
            values.append(_block(tables, body, table, sum(len(part) for part in values)))
    except (struct.error, IndexError) as error:
        raise UnreadableError("is damaged or truncated (WSQ table)") from error
    _require(tables)
    bands, joins = _layout(tables.width, tables.height)
    with np.errstate(all="ignore"):
        plane = _plane(tables, bands, np.concatenate(values))
        for band in joins:
            _join(plane, band, tables)
        grey = np.floor(plane * np.float32(tables.scale) + np.float32(tables.shift + 0.5))
        levels: NDArray[np.uint8] = np.clip(np.nan_to_num(grey), 0, 255).astype(np.uint8)
    return levels


def _require(tables: _Tables) -> None:
    if not len(tables.low) or not len(tables.bins) or not tables.width:
        raise UnreadableError("is damaged or truncated (WSQ without its tables)")
    values = (*tables.low, *tables.high, *tables.bins, *tables.zero_bins)
    if not np.isfinite(values).all():
        raise UnreadableError("is damaged (WSQ table with an impossible number)")


def _blocks(data: bytes, tables: _Tables) -> Iterator[tuple[bytes, int]]:
    """Read segments into `tables`; give each block's bits and the number of its code table."""
    if data[:2] != bytes((0xFF, SOI)):
        raise UnreadableError("is not a WSQ picture")
    offset, found = 2, 0
    for _ in range(MOST_SEGMENTS):
        if offset + 2 > len(data) or data[offset] != 0xFF:
            raise UnreadableError("is damaged or truncated (WSQ marker expected)")
        marker = data[offset + 1]
        if marker == EOI:
            if not found:
                raise UnreadableError("is truncated (WSQ without data)")
            return
        (length,) = struct.unpack_from(">H", data, offset + 2)
        body = data[offset + 4 : offset + 2 + length]
        if len(body) != length - 2:
            raise UnreadableError("is truncated (WSQ segment)")
        offset += 2 + length
        if marker == SOB:
            end = _end_of_block(data, offset)
            yield data[offset:end].replace(b"\xff\0", b"\xff"), body[0]
            offset = end
            found += 1
        else:
            _segment(marker, body, tables)
    raise UnreadableError(f"is damaged (more than {MOST_SEGMENTS} WSQ segments)")


def _end_of_block(data: bytes, start: int) -> int:
    found = re.compile(rb"\xff[^\0]", re.DOTALL).search(data, start)
    if found is None:
        raise UnreadableError("is truncated (WSQ without its end marker)")
    return found.start()


def _segment(marker: int, body: bytes, tables: _Tables) -> None:
    if marker == SOF:
        _frame(body, tables)
    elif marker == DTT:
        _filters(body, tables)
    elif marker == DQT:
        _bins(body, tables)
    elif marker == DHT:
        _code_tables(body, tables)
    elif marker not in OTHER_SEGMENTS:
        raise UnreadableError(f"is damaged (WSQ marker FF{marker:02X} is not known)")


def _scaled(scale: int, value: int) -> float:
    return value / 10.0**scale


def _frame(body: bytes, tables: _Tables) -> None:
    _, _, height, width, *numbers = struct.unpack_from(">BBHHBHBH", body)
    check_size(width, height)
    if width * height > MOST_PIXELS:
        raise UnreadableError(
            f"{width} x {height} pixels exceed the limit of {MOST_PIXELS:,} in WSQ"
        )
    tables.width, tables.height = width, height
    tables.shift, tables.scale = _scaled(*numbers[:2]), _scaled(*numbers[2:])


def _filters(body: bytes, tables: _Tables) -> None:
    """Make the synthesis pair of the analysis pair that the file holds, half of each filter.

    The analysis low-pass with alternating signs is the synthesis high-pass, and the reverse.
    """
    low_size, high_size = body[0], body[1]
    if (low_size + high_size) % 2 or min(low_size, high_size) < 1:
        raise UnreadableError(f"is damaged (WSQ filters of {low_size} and {high_size} taps)")
    analysis_low, offset = _half(body, 2, low_size)
    analysis_high, _ = _half(body, offset, high_size)
    if low_size % 2:
        low, high = _alternated(analysis_high, 1), _alternated(analysis_low, 1)
        tables.low = np.array(low[:0:-1] + low, np.float32)
        tables.high = np.array(high[:0:-1] + high, np.float32)
    else:
        low, high = _alternated(analysis_high, -1), _alternated(analysis_low, 1)
        tables.low = np.array(low[::-1] + low, np.float32)
        tables.high = np.array([-tap for tap in high[::-1]] + high, np.float32)


def _half(body: bytes, offset: int, size: int) -> tuple[list[float], int]:
    half = []
    for _ in range((size + 1) // 2):
        negative, scale, value = struct.unpack_from(">BBI", body, offset)
        number = _scaled(scale, value)
        half.append(-number if negative else number)
        offset += 6
    return half, offset


def _alternated(half: list[float], first: int) -> list[float]:
    return [first * (-1) ** tap * number for tap, number in enumerate(half)]


def _bins(body: bytes, tables: _Tables) -> None:
    tables.centre = _scaled(*struct.unpack_from(">BH", body))
    pairs = struct.unpack_from(f">{'BHBH' * SUBBANDS}", body, 3)
    numbers = np.array(pairs, np.float64).reshape(SUBBANDS, 4)
    tables.bins = (numbers[:, 1] / 10.0 ** numbers[:, 0]).astype(np.float32)
    tables.zero_bins = (numbers[:, 3] / 10.0 ** numbers[:, 2]).astype(np.float32)


def _code_tables(body: bytes, tables: _Tables) -> None:
    offset = 0
    while offset < len(body):
        number = body[offset]
        counts = body[offset + 1 : offset + 1 + LONGEST_CODE]
        symbols = body[offset + 17 : offset + 17 + sum(counts)]
        if len(counts) < LONGEST_CODE or len(symbols) != sum(counts):
            raise UnreadableError("is damaged or truncated (WSQ code table)")
        tables.codes[number] = _lookup(counts, symbols)
        offset += 17 + len(symbols)


def _lookup(counts: bytes, symbols: bytes) -> NDArray[np.int32]:
    """For each 16 bits: code length << 8 | symbol of the code they start with, 0 = none."""
    table = np.zeros(1 << LONGEST_CODE, np.int32)
    code, place = 0, 0
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            first = code << (LONGEST_CODE - length)
            last = (code + 1) << (LONGEST_CODE - length)
            if last > len(table):
                raise UnreadableError("is damaged (WSQ code table with too many codes)")
            table[first:last] = length << 8 | symbols[place]
            code += 1
            place += 1
        code <<= 1
    return table


def _block(tables: _Tables, body: bytes, number: int, before: int) -> NDArray[np.int32]:
    if number not in tables.codes:
        raise UnreadableError(f"is damaged (WSQ code table {number} is missing)")
    if not tables.width:
        raise UnreadableError("is damaged (WSQ data before the frame header)")
    room = tables.width * tables.height - before
    if room < 0:
        raise UnreadableError("is damaged (a second WSQ frame header, of a smaller picture)")
    values = np.zeros(room, np.int32)
    count = _decode_bits(np.frombuffer(body, np.uint8), tables.codes[number], values)
    if count < 0:
        raise UnreadableError("is damaged (WSQ code that no table has, or too many values)")
    return values[:count].copy()


@numba.njit(cache=True, nogil=True)
def _decode_bits(data: Any, table: Any, values: Any) -> int:  # noqa: C901, PLR0911, PLR0912
    """Decode a block into `values`; the number of values, or -1 at an impossible code.

    Symbols 1 to 100 are runs of zeros, 107 to 254 values less 180, 101 to 106 announce
    8 or 16 bits of a value or run (specification, annex C).
    """
    bits = 8 * len(data)
    position, count, room = 0, 0, len(values)
    while position < bits:
        entry = int(table[_peek(data, position)])
        length, symbol = entry >> 8, entry & 0xFF
        if length == 0:
            return count if bits - position < 16 else -1
        if position + length > bits:
            return count
        position += length
        extra, number = 0, 0
        if 101 <= symbol <= 106:
            extra = 8 if symbol in (101, 102, 105) else 16
            if position + extra > bits:
                return -1
            number = _peek(data, position) >> (16 - extra)
            position += extra
        run = 0
        if 1 <= symbol <= 100:
            run = symbol
        elif symbol in (105, 106):
            run = number
        elif symbol in (0, 255):
            return -1
        if run or symbol in (105, 106):
            count += run
            if count > room:
                return -1
            continue
        if count >= room:
            return -1
        if symbol in (101, 103):
            values[count] = number
        elif symbol in (102, 104):
            values[count] = -number
        else:
            values[count] = symbol - 180
        count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _peek(data: Any, position: int) -> int:
    """Return the 16 bits from `position`, ones behind the end."""
    byte = position >> 3
    word = 0
    for step in range(3):
        place = byte + step
        word = word << 8 | (int(data[place]) if place < len(data) else 0xFF)
    return (word >> (8 - (position & 7))) & 0xFFFF


def _layout(width: int, height: int) -> tuple[list[_Band], list[_Band]]:
    """Lay out the subbands 0 to 59, and the bands to join, innermost first (annex B)."""
    whole = _Band(0, 0, width, height)
    outer = whole.split()
    middle = outer[0].split()
    inner = middle[0].split()
    lowest = inner[0].split()
    core = lowest[0].split()
    bands = [*core, *lowest[1:]]
    joins = [whole, *outer[:3], *middle[:3], *inner, lowest[0]]
    for band in inner[1:]:
        bands += band.split()
    for quarter in middle[1:3]:
        parts = quarter.split()
        joins += parts
        for part in parts:
            bands += part.split()
    bands += [middle[3], *outer[1].split(), *outer[2].split()]
    order = sorted(joins, key=lambda band: band.width * band.height)
    return bands, order


def _plane(tables: _Tables, bands: list[_Band], values: NDArray[np.int32]) -> Floats:
    """Undo the quantisation: coefficients at their places (specification 5.3)."""
    plane = np.zeros((tables.height, tables.width), np.float32)
    offset = 0
    half, centre = tables.zero_bins / 2, np.float32(tables.centre)
    for number, band in enumerate(bands):
        if tables.bins[number] == 0:
            continue
        size = band.width * band.height
        part = values[offset : offset + size].astype(np.float32)
        if len(part) < size:
            raise UnreadableError("is truncated (WSQ with too few coefficients)")
        offset += size
        restored = np.sign(part) * (tables.bins[number] * (np.abs(part) - centre) + half[number])
        area = plane[band.y : band.y + band.height, band.x : band.x + band.width]
        area[:] = restored.reshape(band.height, band.width)
    return plane


def _join(plane: Floats, band: _Band, tables: _Tables) -> None:
    """Join the four quarters of a band, along columns and then along rows."""
    area = plane[band.y : band.y + band.height, band.x : band.x + band.width]
    area[:] = _synthesise(area, band.lower, tables)
    area[:] = _synthesise(area.T, band.right, tables).T


def _synthesise(area: Floats, inverted: bool, tables: _Tables) -> Floats:
    """Join the low and the high half of the first axis: extend, upsample, filter, add."""
    length = len(area)
    if length < 2:
        return area
    size = length // 2
    low = area[size:] if inverted else area[: length - size]
    high = area[:size] if inverted else area[length - size :]
    result = np.zeros_like(area)
    odd = len(tables.low) % 2 == 1
    for taps, half, is_high in ((tables.low, low, False), (tables.high, high, True)):
        _filter(result, half, taps, odd=odd, is_high=is_high)
    return result


def _filter(result: Floats, half: Floats, taps: Floats, *, odd: bool, is_high: bool) -> None:
    """Add the upsampled half, filtered, to `result`.

    Sample k stands at 2 k, that of the high half of an odd pair at 2 k + 1. Tap by tap: the
    outputs that it reaches are every second one, its inputs neighbours.
    """
    length = len(result)
    shift = int(odd and is_high)
    centre = len(taps) // 2 if odd else len(taps) // 2 - 1
    reach = len(taps) // 2 + 2
    places, signs = _extension(
        np.arange(-reach, length // 2 + reach), length, odd=odd, is_high=is_high
    )
    extended = half[places] * signs[:, None]
    for place, tap in enumerate(taps):
        parity = (place - centre + shift) % 2
        count = len(range(parity, length, 2))
        start = (parity + centre - place - shift) // 2 + reach
        result[parity::2] += tap * extended[start : start + count]


def _extension(
    k: NDArray[np.int64], length: int, *, odd: bool, is_high: bool
) -> tuple[NDArray[np.int64], Floats]:
    """Index and sign of sample `k` beyond the ends of a half of a signal of `length`.

    Odd filters: the interleaved signal is mirrored about its first and last sample. Even
    filters: the signal is mirrored between samples, which mirrors the low half and turns the
    sign of the high half; at an odd length the far mirror of a half is one of its samples,
    which in the high half is zero.
    """
    plus = np.ones(len(k), np.float32)
    if odd:
        period = 2 * length - 2
        place = (2 * k + is_high) % period
        return (np.minimum(place, period - place) - is_high) // 2, plus
    size = length // 2 if is_high or length % 2 == 0 else length // 2 + 1
    period = 2 * size + (0 if length % 2 == 0 else (1 if is_high else -1))
    place = k % period
    mirrored = place >= size
    index = np.where(mirrored, period - 1 - place, place)
    if is_high:
        plus[mirrored] = -1
        plus[index >= size] = 0
    return np.minimum(index, size - 1), plus
