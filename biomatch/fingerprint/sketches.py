"""Sketches of cylinders: the votes of `votes`, counted on 128 bits instead of a whole cylinder.

A cylinder's bits, those outside the print taken as average, are projected to their first
`BITS` principal components; the signs of the randomly turned components are its sketch, whose
Hamming distance stands for an angle (H. Jégou, M. Douze, C. Schmid, "Hamming embedding and weak
geometric consistency for large scale image search", ECCV 2008). Votes are gathered by rotation
and shift as the exact ones are, at about a fifth of their cost: 2 microseconds a print.
"""

import math
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint.cylinders import CELLS, SECTIONS
from biomatch.fingerprint.kernels import native
from biomatch.fingerprint.packing import PIXEL_STEPS, PackedPrints
from biomatch.fingerprint.similarity import count_ones
from biomatch.fingerprint.votes import FEW, ROWS, TURNS, rated

__all__ = ["Sketches", "training_rows", "unpacked"]

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U64 = NDArray[np.uint64]

BITS = 128
"""Principal components kept, and bits of a sketch: two words."""
MAX_DISTANCE = 48
"""Bits that may differ for a vote: chance pairs differ in 64 ± 6, the likest of 20 in 53."""
DIRECTIONS = 256
"""Steps of a full turn in which directions are compared."""
TRAINING_ROWS = 60_000
BLOCK = 100_000


@dataclass(frozen=True, slots=True)
class Sketches:
    """The sketches of one segment, in the order of its cylinders: 17 bytes a cylinder.

    Attributes
    ----------
    mean, projection
        float32, (bits,) and (bits, BITS): cylinder bits to components.
    first, second
        uint64, (rows,): the signs of the components; 0 for an unusable cylinder.
    directions
        uint8, (rows,): directions in 1/256 turn.
    sizes
        uint16, (prints,): usable cylinders of each print.
    """

    mean: F32
    projection: F32
    first: U64
    second: U64
    directions: U8
    sizes: U16

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    def save(self, folder: Path) -> None:
        """Write one .npy file an array."""
        for field in fields(self):
            np.save(folder / f"sketch_{field.name}.npy", getattr(self, field.name))

    @classmethod
    def load(cls, folder: Path) -> "Sketches":
        """Map what `save` wrote."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.load(folder / f"sketch_{name}.npy", mmap_mode="r") for name in names))

    @classmethod
    def build(cls, prints: PackedPrints) -> "Sketches":
        """Find the components on a sample of the prints' own cylinders and sketch all."""
        mean, projection = _components(prints)
        signs = np.zeros((len(prints.cells), 2), np.uint64)
        for start in range(0, len(signs), BLOCK):
            part = slice(start, start + BLOCK)
            signs[part] = _sketched(prints.bits[part], prints.cells[part], mean, projection)
        usable = np.concatenate([[0], np.cumsum(prints.cells != 0)])
        sizes = np.diff(usable[prints.offsets]).astype(np.uint16)
        first, second = np.ascontiguousarray(signs.T)
        return cls(mean, projection, first, second, _directions(prints), sizes)

    def votes(self, probe: PackedPrints, prints: PackedPrints, rows: I64, max_turn: float) -> F32:
        """Votes of a probe for `rows` of the sketched `prints`, float32, shape (len(rows),)."""
        signs = _sketched(probe.bits, probe.cells, self.mean, self.projection)
        usable = np.flatnonzero(probe.cells)
        out = np.zeros(len(rows), np.float32)
        _scan(
            probe.points[usable], signs[usable], _directions(probe)[usable], prints.offsets,
            prints.points, self.first, self.second, self.directions, self.sizes, rows,
            min(round(max_turn / (2 * math.pi) * DIRECTIONS), DIRECTIONS // 2), WEIGHTS, out,
        )  # fmt: skip
        return out


def _weights() -> F32:
    """Vote by distance: cube of the cosine that it stands for."""
    distance = np.arange(BITS + 1)
    cosine = np.cos(np.pi * distance / BITS)
    weight = np.where(distance <= MAX_DISTANCE, np.maximum(cosine, 0) ** 3, 0)
    return np.asarray(weight, np.float32)


WEIGHTS = _weights()


def training_rows(prints: PackedPrints, dice: np.random.Generator) -> I64:
    """Rows of a sample of usable cylinders, ascending."""
    usable = np.flatnonzero(prints.cells)
    chosen = dice.choice(usable, min(TRAINING_ROWS, len(usable)), replace=False)
    return np.sort(chosen).astype(np.int64)


def unpacked(bits: U64) -> F32:
    """Cylinder bits as 0 and 1, float32, shape (n, SECTIONS * CELLS)."""
    octets = np.ascontiguousarray(bits).view(np.uint8).reshape(len(bits), SECTIONS, 8)
    plain = np.unpackbits(octets, axis=2, bitorder="little")[:, :, :CELLS]
    return plain.reshape(len(bits), SECTIONS * CELLS).astype(np.float32)


def _valid(cells: U64) -> F32:
    """Say which bits of `unpacked` are valid: those of valid cells."""
    octets = np.ascontiguousarray(cells).view(np.uint8).reshape(len(cells), 8)
    plain = np.unpackbits(octets, axis=1, bitorder="little")[:, :CELLS]
    return np.tile(plain, (1, SECTIONS)).astype(np.float32)


def _components(prints: PackedPrints) -> tuple[F32, F32]:
    """Mean of the valid bits and projection to components turned at random.

    The turn makes signs weigh alike: components of unequal variance would not.
    """
    dice = np.random.default_rng(1)
    rows = training_rows(prints, dice)
    plain, valid = unpacked(prints.bits[rows]), _valid(prints.cells[rows])
    mean = plain.sum(axis=0) / np.maximum(valid.sum(axis=0), 1)
    centred = (plain - mean) * valid
    covariance = centred.T @ centred / max(len(rows), 1)
    main = np.linalg.eigh(covariance.astype(np.float64))[1][:, ::-1][:, :BITS]
    turn = np.linalg.qr(dice.normal(size=(BITS, BITS)))[0]
    return mean.astype(np.float32), np.ascontiguousarray(main @ turn, np.float32)


def _sketched(bits: U64, cells: U64, mean: F32, projection: F32) -> U64:
    """Signs of the components as two words a row, uint64, shape (n, 2)."""
    components = ((unpacked(bits) - mean) * _valid(cells)) @ projection
    packed = np.packbits(components > 0, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view(np.uint64)


def _directions(prints: PackedPrints) -> U8:
    return (prints.points[:, 2] >> 8).astype(np.uint8)


@native
def _nearest(
    word: np.uint64, other: np.uint64, direction: np.int64, limit: int, first: U64, second: U64,
    directions: U8,
) -> np.int64:  # fmt: skip
    """Least distance within the rotation limit, times 65536, plus the place of its cylinder."""
    best = np.int64(1) << 40
    for j in range(len(first)):
        distance = np.int64(count_ones(word ^ first[j])) + np.int64(count_ones(other ^ second[j]))
        turn = (np.int64(directions[j]) - direction) & (DIRECTIONS - 1)
        turned = min(turn, DIRECTIONS - turn) > limit
        key = ((distance + (np.int64(1024) if turned else np.int64(0))) << 16) + j
        best = min(best, key)
    return best


@native
def _scan(
    points: U16, signs: U64, directions: U8, offsets: I64, listed_points: U16, first: U64,
    second: U64, listed: U8, sizes: U16, rows: I64, limit: int, weights: F32, out: F32,
) -> None:  # fmt: skip
    """Rating of each of `rows` by the votes of one probe's sketches into `out`."""
    histogram = np.zeros(TURNS, np.float32)
    votes = np.empty((ROWS, len(points)), np.float32)
    unit = np.float32(1 / PIXEL_STEPS)
    for n in range(len(rows)):
        start, end = offsets[rows[n]], offsets[rows[n] + 1]
        # Slices: their places are never negative, so that the loop becomes vector instructions.
        one, two, turned = first[start:end], second[start:end], listed[start:end]
        count = 0
        for i in range(len(points)):
            direction = np.int64(directions[i])
            found = _nearest(signs[i, 0], signs[i, 1], direction, limit, one, two, turned)
            distance = found >> 16
            if distance > MAX_DISTANCE:
                continue
            j = start + (found & 0xFFFF)
            turn = (np.int64(listed[j]) - direction) & (DIRECTIONS - 1)
            votes[0, count] = turn * np.float32(TURNS / DIRECTIONS)
            votes[1, count] = weights[distance]
            votes[2, count], votes[3, count] = points[i, 0] * unit, points[i, 1] * unit
            votes[4, count] = listed_points[j, 0] * unit
            votes[5, count] = listed_points[j, 1] * unit
            count += 1
        out[n] = rated(votes, count, histogram) / math.sqrt(max(sizes[rows[n]], FEW))
