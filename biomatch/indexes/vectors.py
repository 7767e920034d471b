"""Inner-product search over float vectors: exact scan, or 4-bit PQ scan + exact re-scoring."""

from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from biomatch.errors import OptionError
from biomatch.indexes.arrays import MappedArray

__all__ = ["FLAT_LIMIT", "VectorIndex"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

FLAT_LIMIT = 100_000
"""Rows up to which a search is an exact scan."""

TRAINING_ROWS = 65_536
"""Rows that train the 16 centroids of each PQ sub-space: 4,096 a centroid."""

BLAS_QUERIES = 16
"""Queries from which FAISS's blocked matrix product beats its row scan."""

ROTATION = 1
"""Seed of the rotation; any will do."""

ADDED_ROWS = 65_536
"""Rows that are rotated and coded at a time."""

MARGIN = 300
"""Rows beyond those wanted that the compressed scan always proposes."""

PROPOSED = 4
"""The compressed scan proposes this many times the square root of the rows besides. It had all of
the first 20 of 1,000 probes within its first 2,350 of a million; the worst place falls more
slowly than the number of rows."""

GATHERED_ROWS = 4096
"""Rows up to which a mapped file is read row by row for re-scoring."""

BLOCK_ROWS = 512
"""Rounded rows that are scored at a time."""

VECTORS = "vectors.npy"
CODES = "pq4fs.faiss"
FINE = "int8.npy"
STEPS = "steps.npy"

CODE_BLOCK = 64
"""Codes that FAISS scans side by side: with AVX-512 a fifth faster than its default of 32."""


class VectorIndex:
    """The rows of a float32 matrix by inner product with a query (cosine for unit rows).

    Small matrices are scanned exactly. Larger ones are scanned as 4-bit product-quantised
    codes (Andre, Kermarrec & Le Scouarnec, "Cache locality is not enough", VLDB 2015; FAISS
    ``IndexPQFastScan``) of half a byte per two dimensions. The few thousand rows that it proposes
    are scored by their values rounded to 8 bits, whose error has a bound, and those which by
    that bound can be among the best are scored exactly from the memory-mapped matrix: of the
    three steps only the first can miss a row. A compressed scan can only re-order the tail,
    which re-scoring cures; trees and graphs of the same recall lose mates. The codes are of
    randomly rotated rows, so that all sub-spaces carry alike: where a few dimensions carry much
    more than others, the table of the scan, 8 bits an entry, is too coarse for the rest.

    Scores are those of one exact kernel whatever path found the row, and ties are broken by
    row number, so a result does not depend on batch size, filter or process.

    Thread-safe; every search uses one thread and releases the GIL.
    """

    def __init__(
        self,
        vectors: Floats,
        coarse: Any = None,
        fine: tuple[NDArray[np.int8], Floats] | None = None,
        mapped: MappedArray | None = None,
    ):
        self.vectors = vectors
        self._coarse = coarse
        self._fine = fine
        self._mapped = mapped

    @classmethod
    def build(cls, vectors: Floats, *, exact: bool | None = None) -> Self:
        """Index the rows of `vectors`.

        Parameters
        ----------
        vectors
            Shape (n, d), converted to contiguous float32 if it is not.
        exact
            True: never a PQ scan; False: always one (d must be even); None: by size.

        Raises
        ------
        OptionError
            NaN or infinity in a row (FAISS would silently never find it).
        """
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
        if rows.ndim != 2:
            raise OptionError(f"vectors must have shape (n, d), not {rows.shape}")
        if not np.isfinite(rows).all():
            raise OptionError("a reference vector holds NaN or infinity; extract it again")
        small = len(rows) <= FLAT_LIMIT or rows.shape[1] % 2 == 1
        if small if exact is None else exact:
            return cls(rows)
        return cls(rows, _quantise(rows), _rounded(rows))

    @classmethod
    def open(cls, folder: Path, prefix: str = "") -> Self:
        """Map what `save` wrote. The caller has checked the files' sha256."""
        codes = folder / (prefix + CODES)
        coarse = faiss.read_index(str(codes)) if codes.exists() else None
        mapped = MappedArray(folder / (prefix + VECTORS))
        fine = None
        if (folder / (prefix + FINE)).exists():
            values = MappedArray(folder / (prefix + FINE)).array
            fine = values, _with_errors(np.load(folder / (prefix + STEPS)), values.shape[1])
        return cls(mapped.array, coarse, fine, mapped)

    def save(self, folder: Path, prefix: str = "") -> None:
        """Write ``vectors.npy`` and, for a PQ index, its two compressed forms into `folder`."""
        np.save(folder / (prefix + VECTORS), self.vectors)
        if self._coarse is not None:
            faiss.write_index(self._coarse, str(folder / (prefix + CODES)))
        if self._fine is not None:
            np.save(folder / (prefix + FINE), self._fine[0])
            np.save(folder / (prefix + STEPS), self._fine[1])

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Length of a row."""
        return int(self.vectors.shape[1])

    @property
    def exact(self) -> bool:
        """True when every search is an exact scan."""
        return self._coarse is None

    @property
    def whole(self) -> bool:
        """False when earlier software wrote a PQ index without the 8-bit values."""
        return self.exact or self._fine is not None

    def search(
        self, queries: Floats, k: int, *, allowed: Mask | None = None, exact: bool = False
    ) -> tuple[Floats, Rows]:
        """Find the `k` best rows for each query, best first, ties by row number.

        Parameters
        ----------
        queries
            Shape (q, d).
        k
            Rows wanted a query, at least 1.
        allowed
            Shape (n,): rows outside are never returned and never take a place. Up to
            `FLAT_LIMIT` allowed rows are scanned exactly; more are over-fetched from the PQ
            scan until enough of them pass.
        exact
            Scan all vectors exactly, whatever the size.

        Returns
        -------
        scores, rows
            Shapes (q, k); where fewer than `k` rows are allowed the rest is ``-inf`` and -1.

        Raises
        ------
        OptionError
            NaN or infinity in a query, wrong dimension or mask length, k < 1.
        """
        queries = self._checked(queries, k, allowed)
        passing = len(self) if allowed is None else int(np.count_nonzero(allowed))
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        if passing == 0 or len(queries) == 0:
            return scores, rows
        faiss.omp_set_num_threads(1)
        scan = self._exact_rows if exact or self.exact or passing <= FLAT_LIMIT else self._pq_rows
        for i, found in enumerate(scan(queries, k, allowed, passing)):
            best, order = self._ranked(queries[i], found, k)
            scores[i, : len(order)], rows[i, : len(order)] = best, order
        return scores, rows

    def score(self, query: Floats, rows: Rows) -> Floats:
        """Return the exact inner products of one query with the given rows, shape (len(rows),)."""
        query = np.ascontiguousarray(query, dtype=np.float32).reshape(-1)
        rows = np.ascontiguousarray(rows, dtype=np.int64)
        if self._mapped is None or self.exact:
            return _products(query, self.vectors, rows)
        if len(rows) <= GATHERED_ROWS:
            return _products(query, self._mapped.gathered(rows), np.arange(len(rows)))
        scores = _products(query, self.vectors, rows)
        self._mapped.release()
        return scores

    def _checked(self, queries: Floats, k: int, allowed: Mask | None) -> Floats:
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.dimension:
            raise OptionError(f"queries have shape {queries.shape}, not (q, {self.dimension})")
        if not np.isfinite(queries).all():
            raise OptionError("a probe vector holds NaN or infinity; extract it again")
        if k < 1:
            raise OptionError(f"k is {k}; ask for at least 1 row")
        if allowed is not None and allowed.shape != (len(self),):
            raise OptionError(f"the filter has shape {allowed.shape}, not ({len(self)},)")
        return queries

    def _ranked(self, query: Floats, found: Rows, k: int) -> tuple[Floats, Rows]:
        scores = self.score(query, found)
        order = np.lexsort((found, -scores))[:k]
        return scores[order], found[order]

    def _exact_rows(
        self, queries: Floats, k: int, allowed: Mask | None, passing: int
    ) -> list[Rows]:
        """Rows that surely include the `k` best of an exact scan, ties at the edge included."""
        size = min(passing, k + 16)
        scores, rows = self._scan(queries, size, allowed)
        if size == passing:
            return [row[row >= 0] for row in rows]
        # A batch's matrix product rounds differently from the row kernel.
        slack = 1e-5 * np.maximum(1.0, np.abs(scores[:, k - 1]))
        unsure = scores[:, -1] > scores[:, k - 1] - slack
        settled = list(rows)
        for i in np.flatnonzero(unsure):
            settled[i] = self._exact_rows(queries[i : i + 1], 4 * size, allowed, passing)[0]
        return settled

    def _scan(self, queries: Floats, size: int, allowed: Mask | None) -> tuple[Floats, Rows]:
        size = min(size, len(self))
        if allowed is None and len(queries) < BLAS_QUERIES and len(self) > FLAT_LIMIT:
            return self._scan_each(queries, size)
        scores = np.empty((len(queries), size), dtype=np.float32)
        rows = np.empty((len(queries), size), dtype=np.int64)
        faiss.cvar.distance_compute_blas_threshold = BLAS_QUERIES * self.dimension
        arguments = [
            faiss.swig_ptr(queries),
            faiss.swig_ptr(self.vectors),
            self.dimension,
            len(queries),
            len(self),
            size,
            faiss.swig_ptr(scores),
            faiss.swig_ptr(rows),
        ]
        bits = None if allowed is None else np.packbits(allowed, bitorder="little")
        if bits is not None:
            arguments.append(faiss.IDSelectorBitmap(len(self), faiss.swig_ptr(bits)))
        faiss.knn_inner_product(*arguments)
        return scores, rows

    def _scan_each(self, queries: Floats, size: int) -> tuple[Floats, Rows]:
        # Importing Numba takes half a second, which only a large scan is worth.
        from biomatch.indexes.kernels import best_rows

        scores = np.empty((len(queries), size), dtype=np.float32)
        rows = np.empty((len(queries), size), dtype=np.int64)
        for i, query in enumerate(queries):
            found, where = best_rows(self.vectors, query, size)
            order = np.argsort(-found)
            scores[i], rows[i] = found[order], where[order]
        return scores, rows

    def _pq_rows(self, queries: Floats, k: int, allowed: Mask | None, passing: int) -> list[Rows]:
        """Rows that the compressed scan likes best, enough of them allowed."""
        wanted = min(k + MARGIN + int(PROPOSED * passing**0.5), passing)
        size = wanted
        if allowed is not None:
            size = min(len(self), int(wanted * len(self) / passing * 1.1) + 64)
        _, rows = self._coarse.search(queries, size)
        found = [row[row >= 0] for row in rows]
        if allowed is not None:
            found = [row[allowed[row]] for row in found]
        for i, row in enumerate(found):
            if len(row) < (wanted + k) // 2:
                found[i] = self._exact_rows(queries[i : i + 1], k, allowed, passing)[0]
            elif self._fine is not None:
                found[i] = row[_possible(queries[i], row, k, *self._fine)]
        return found


def _products(query: Floats, vectors: Floats, rows: Rows) -> Floats:
    """Inner products of `query` with some rows, shape (len(rows),), by FAISS's row kernel."""
    out = np.empty(len(rows), dtype=np.float32)
    if len(rows):
        faiss.fvec_inner_products_by_idx(
            faiss.swig_ptr(out),
            faiss.swig_ptr(query),
            faiss.swig_ptr(vectors),
            faiss.swig_ptr(rows),
            len(query),
            1,
            len(rows),
        )
    return out


def _quantise(rows: Floats) -> Any:
    """Train and fill a rotation followed by 4-bit product codes."""
    faiss.omp_set_num_threads(1)
    dimension = rows.shape[1]
    codes = faiss.IndexPQFastScan(
        dimension, dimension // 2, 4, faiss.METRIC_INNER_PRODUCT, CODE_BLOCK
    )
    rotation = faiss.RandomRotationMatrix(dimension, dimension)
    rotation.init(ROTATION)
    coarse = faiss.IndexPreTransform(rotation, codes)
    step = max(1, len(rows) // TRAINING_ROWS)
    coarse.train(np.ascontiguousarray(rows[::step][:TRAINING_ROWS]))
    for start in range(0, len(rows), ADDED_ROWS):
        coarse.add(rows[start : start + ADDED_ROWS])
    return coarse


def _rounded(rows: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Round each row to 255 steps between its extremes.

    Returns
    -------
    values, steps
        Shapes (n, d) and (n, 2): a row is about `values` times its step, the first of the two,
        and the length of the difference is no more than the second, by a margin that covers
        the rounding of sums over `values`.
    """
    values = np.empty(rows.shape, np.int8)
    steps = np.empty((len(rows), 2), np.float32)
    for start in range(0, len(rows), ADDED_ROWS):
        some = rows[start : start + ADDED_ROWS]
        step = np.maximum(np.abs(some).max(axis=1) / 127, np.finfo(np.float32).tiny)
        whole = np.rint(some / step[:, None])
        part = slice(start, start + len(some))
        values[part] = whole
        steps[part, 0] = step
        steps[part, 1] = np.linalg.norm(some - whole * step[:, None], axis=1)
    steps[:, 1] += 0.01 * _greatest_error(steps[:, 0], rows.shape[1])
    return values, steps


def _greatest_error(steps: Floats, dimension: int) -> Floats:
    """Length of half a step in every dimension."""
    return np.asarray(steps * np.float32(0.5 * np.sqrt(dimension)), np.float32)


def _with_errors(steps: Floats, dimension: int) -> Floats:
    """Complete what earlier software wrote, steps alone, by the greatest possible errors."""
    if steps.ndim == 2:
        return steps
    return np.stack([steps, 1.01 * _greatest_error(steps, dimension)], axis=1)


def _near_products(query: Floats, rows: Rows, values: NDArray[np.int8]) -> Floats:
    """Inner products of the query with some rounded rows, shape (len(rows),).

    A block at a time, which stays in the cache; without NumPy's matrix product, which would
    start threads.
    """
    block = np.empty((BLOCK_ROWS, len(query)), np.float32)
    places = np.arange(BLOCK_ROWS)
    products = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK_ROWS):
        some = values.take(rows[start : start + BLOCK_ROWS], axis=0)
        block[: len(some)] = some
        products[start : start + len(some)] = _products(query, block, places[: len(some)])
    return products


def _possible(
    query: Floats, rows: Rows, k: int, values: NDArray[np.int8], steps: Floats
) -> NDArray[np.bool_]:
    """Which of `rows` can be among their `k` best, shape (len(rows),).

    By the Cauchy-Schwarz inequality a score from rounded values is off by no more than the
    query's length times that of the row's rounding error.
    """
    if len(rows) <= k:
        return np.ones(len(rows), np.bool_)
    step, error = steps[rows].T
    score = step * _near_products(query, rows, values)
    slack = error * np.linalg.norm(query)
    surely = np.partition(score - slack, len(rows) - k)[len(rows) - k]
    possible: NDArray[np.bool_] = score + slack >= surely
    return possible
