"""Inverted lists of cylinders: which prints of a very large gallery deserve a look.

Cylinders are projected to `DIMENSIONS` principal components, assigned to words of a trained
vocabulary (FAISS k-means and flat search), and listed under their word with owner, direction
and a 64-bit sketch: the signs of the randomly turned components, whose Hamming distance ranks
cylinders inside a word (H. Jégou, M. Douze, C. Schmid, "Hamming embedding and weak geometric
consistency for large scale image search", ECCV 2008). A probe's cylinders visit their nearest
words; sketches close enough vote for their print in a histogram of rotations, the paper's weak
geometric consistency. No list of nearest neighbours cuts votes off, and a filter's rows are
skipped while voting.
"""

import math
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint.kernels import native
from biomatch.fingerprint.packing import PackedPrints
from biomatch.fingerprint.similarity import count_ones
from biomatch.fingerprint.sketches import training_rows, unpacked

__all__ = ["Postings"]

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

DIMENSIONS = 64
"""Principal components kept, and bits of a sketch."""
MAX_DISTANCE = 22
"""Sketch bits that may differ for a vote: chance pairs differ in 32 ± 4."""
VISITED = 1 / 64
"""Share of the words that each probe cylinder visits."""
TURNS = 24
"""Bins of the rotation histogram."""
DIRECTIONS = 256
"""Steps of a full turn in which directions are listed."""
BLOCK = 100_000
PRINTS = 16_384
"""Prints whose histograms are filled at a time: 0.8 MB, which stay in a core's cache."""
LISTED = 512
"""Postings whose distances are counted at a time."""
FEW = 8
"""Prints with fewer cylinders are rated as if they had so many."""


@dataclass(frozen=True)
class Postings:
    """The index of one segment: 13 bytes a cylinder.

    Attributes
    ----------
    mean, projection
        float32, (bits,) and (bits, DIMENSIONS): cylinder bits to components.
    words
        float32, (words, DIMENSIONS): the vocabulary.
    starts
        int64, (words + 1,): where each word's list begins.
    owners, directions, sketches
        uint32, uint8 (1/256 turn), uint64: the postings, by word, then by owner.
    sizes
        uint16, (prints,): usable cylinders of each print.
    """

    mean: F32
    projection: F32
    words: F32
    starts: I64
    owners: U32
    directions: U8
    sketches: U64
    sizes: U16

    @cached_property
    def quantiser(self) -> Any:
        """FAISS index of the words."""
        import faiss

        flat = faiss.IndexFlatL2(DIMENSIONS)
        flat.add(np.ascontiguousarray(self.words))
        return flat

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    def save(self, folder: Path) -> None:
        """Write one .npy file an array."""
        for field in fields(self):
            np.save(folder / f"index_{field.name}.npy", getattr(self, field.name))

    @classmethod
    def load(cls, folder: Path) -> "Postings":
        """Map what `save` wrote."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.load(folder / f"index_{name}.npy", mmap_mode="r") for name in names))

    @classmethod
    def build(cls, prints: PackedPrints) -> "Postings":
        """Train on a sample of the prints' own cylinders and list all of them."""
        usable = np.flatnonzero(prints.cells)
        dice = np.random.default_rng(1)
        sample = training_rows(prints, dice)
        mean, projection = _components(unpacked(prints.bits[sample]), dice)
        words = _vocabulary(_projected(prints.bits[sample], mean, projection), len(usable))
        return cls._listed(prints, usable, mean, projection, words)

    @classmethod
    def _listed(
        cls, prints: PackedPrints, usable: I64, mean: F32, projection: F32, words: F32
    ) -> "Postings":
        import faiss

        flat = faiss.IndexFlatL2(DIMENSIONS)
        flat.add(words)
        word = np.empty(len(usable), np.int32)
        sketch = np.empty(len(usable), np.uint64)
        for start in range(0, len(usable), BLOCK):
            part = slice(start, start + BLOCK)
            components = _projected(prints.bits[usable[part]], mean, projection)
            word[part] = flat.search(components, 1)[1][:, 0]
            sketch[part] = _sketched(components)
        owner = np.repeat(np.arange(len(prints), dtype=np.uint32), np.diff(prints.offsets))[usable]
        direction = (prints.points[usable, 2] >> 8).astype(np.uint8)
        order = np.argsort(word, kind="stable")
        starts = np.searchsorted(word[order], np.arange(len(words) + 1)).astype(np.int64)
        sizes = np.bincount(owner, minlength=len(prints)).astype(np.uint16)
        return cls(
            mean, projection, words, starts,
            owner[order], direction[order], sketch[order], sizes,
        )  # fmt: skip

    def votes(self, probe: PackedPrints, max_turn: float, allowed: NDArray[np.bool_] | None) -> F32:
        """Votes of a probe for every print of the segment, float32, shape (prints,)."""
        usable = np.flatnonzero(probe.cells)
        if not len(usable):
            return np.zeros(len(self.sizes), np.float32)
        components = _projected(probe.bits[usable], self.mean, self.projection)
        visits = max(1, round(VISITED * len(self.words)))
        visited = self.quantiser.search(components, visits)[1]
        directions = (probe.points[usable, 2] >> 8).astype(np.uint8)
        permitted = np.ones(1, np.bool_) if allowed is None else np.ascontiguousarray(allowed)
        rating = np.empty(len(self.sizes), np.float32)
        _vote(
            visited, _sketched(components), directions, self.starts, self.owners, self.directions,
            self.sketches, WEIGHTS, round(max_turn / (2 * math.pi) * DIRECTIONS), permitted,
            self.sizes, rating,
        )  # fmt: skip
        return rating


def _weights() -> NDArray[np.uint16]:
    """Vote by sketch distance: cube of the cosine it stands for, in 1/255."""
    distance = np.arange(DIMENSIONS + 1)
    cosine = np.cos(np.pi * distance / DIMENSIONS)
    weight = np.where(distance <= MAX_DISTANCE, np.maximum(cosine, 0) ** 3, 0)
    return np.asarray(np.rint(255 * weight), np.uint16)


WEIGHTS = _weights()


def _projected(bits: U64, mean: F32, projection: F32) -> F32:
    """Components of cylinders, float32, shape (n, DIMENSIONS)."""
    return np.asarray((unpacked(bits) - mean) @ projection, np.float32)


def _components(rows: F32, dice: np.random.Generator) -> tuple[F32, F32]:
    """Mean and projection to randomly turned principal components, so that signs weigh alike."""
    mean = rows.mean(axis=0)
    covariance = np.cov(rows - mean, rowvar=False)
    main = np.linalg.eigh(covariance)[1][:, ::-1][:, :DIMENSIONS]
    turn = np.linalg.qr(dice.normal(size=(DIMENSIONS, DIMENSIONS)))[0]
    return mean.astype(np.float32), np.ascontiguousarray(main @ turn, np.float32)


def _vocabulary(components: F32, cylinders: int) -> F32:
    """Words of a k-means over the sample: about sqrt(cylinders) / 2, at least 64."""
    import faiss

    wanted = int(min(2048, max(64, 2 ** round(math.log2(math.sqrt(cylinders) / 2)))))
    wanted = min(wanted, len(components))
    means = faiss.Kmeans(DIMENSIONS, wanted, niter=8, seed=1, max_points_per_centroid=60)
    means.cp.min_points_per_centroid = 1
    means.train(components)
    return np.asarray(means.centroids, np.float32)


def _sketched(components: F32) -> U64:
    """Signs of the components as one uint64 a row."""
    packed = np.packbits(components > 0, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view(np.uint64)[:, 0]


@native
def _rate(histogram: U16, sizes: U16, out: F32) -> None:
    """Highest three neighbouring bins of each print, over the root of its cylinders."""
    for r in range(histogram.shape[0]):
        best = 0
        for k in range(TURNS):
            following = histogram[r, k + 1 if k + 1 < TURNS else 0]
            best = max(best, 10 * histogram[r, k] + 6 * (histogram[r, k - 1] + following))
        out[r] = best / math.sqrt(max(sizes[r], FEW))


@native
def _near(sketch: np.uint64, listed: U64, distances: U8, chosen: I64) -> int:
    """Distances of a few listed sketches to one, and the places of those that are near enough."""
    for k in range(len(listed)):
        distances[k] = count_ones(sketch ^ listed[k])
    count = 0
    for k in range(len(listed)):
        chosen[count] = k
        count += distances[k] <= MAX_DISTANCE
    return count


@native
def _vote(
    visited: I64, sketches: U64, directions: U8, starts: I64, owners: U32, listed: U8,
    listed_sketches: U64, weights: U16, max_turn: int, permitted: NDArray[np.bool_],
    sizes: U16, rating: F32,
) -> None:  # fmt: skip
    """Let each probe cylinder vote through the lists of the words it visits; rate the prints.

    A list is in the order of its owners, so that the prints are taken `PRINTS` at a time: votes
    for a million prints at once would each wait for the memory.
    """
    filtered = len(permitted) == len(sizes)
    histogram = np.empty((PRINTS, TURNS), np.uint16)
    distances, near = np.empty(LISTED, np.uint8), np.empty(LISTED, np.int64)
    begin, end = starts[:-1].copy(), starts[:-1].copy()
    for base in range(0, len(sizes), PRINTS):
        count = min(PRINTS, len(sizes) - base)
        histogram[:count] = 0
        reached = np.zeros(len(end), np.bool_)
        for i in range(visited.shape[0]):
            direction = np.int64(directions[i])
            for word in visited[i]:
                if not reached[word]:
                    reached[word] = True
                    begin[word] = end[word]
                    rest = owners[begin[word] : starts[word + 1]]
                    end[word] += np.searchsorted(rest, np.uint32(base + count))
                for first in range(begin[word], end[word], LISTED):
                    part = listed_sketches[first : min(first + LISTED, end[word])]
                    for m in range(_near(sketches[i], part, distances, near)):
                        k = first + near[m]
                        turn = (np.int64(listed[k]) - direction) & 255
                        owner = owners[k]
                        if min(turn, 256 - turn) > max_turn or (filtered and not permitted[owner]):
                            continue
                        weight = weights[distances[near[m]]]
                        place = turn * TURNS
                        share = place & 255
                        left = place >> 8
                        right = left + 1 if left + 1 < TURNS else 0
                        row = np.int64(owner) - base
                        histogram[row, left] += (weight * (256 - share)) >> 8
                        histogram[row, right] += (weight * share) >> 8
        _rate(histogram[:count], sizes[base : base + count], rating[base : base + count])
