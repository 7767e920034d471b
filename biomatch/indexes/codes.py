"""Exact Hamming search over bit codes."""

from pathlib import Path
from typing import Self

import faiss
import numpy as np
from numpy.typing import NDArray

from biomatch.errors import OptionError
from biomatch.indexes.arrays import MappedArray

__all__ = ["CodeIndex"]

Codes = NDArray[np.uint8]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

FILE = "codes.npy"


class CodeIndex:
    """The rows of a uint8 matrix by Hamming distance: a full scan, always exact.

    At 256 bits a scan of a million rows takes 2-3 ms of one core; multi-index hashing and
    graphs over correlated codes were slower or lost mates. Ties are broken by row number.
    Thread-safe; every search uses one thread and releases the GIL.
    """

    def __init__(self, codes: Codes) -> None:
        self.codes = codes

    @classmethod
    def build(cls, codes: Codes) -> Self:
        """Index the rows of `codes`, shape (n, bytes), bytes a multiple of 8."""
        codes = np.ascontiguousarray(codes, dtype=np.uint8)
        if codes.ndim != 2 or codes.shape[1] % 8:
            raise OptionError(f"codes have shape {codes.shape}, not (n, a multiple of 8 bytes)")
        return cls(codes)

    @classmethod
    def open(cls, folder: Path, prefix: str = "") -> Self:
        """Map what `save` wrote. The caller has checked the file's sha256."""
        return cls(MappedArray(folder / (prefix + FILE)).array)

    def save(self, folder: Path, prefix: str = "") -> None:
        """Write ``codes.npy`` into `folder`."""
        np.save(folder / (prefix + FILE), self.codes)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def bits(self) -> int:
        """Length of a code in bits."""
        return 8 * int(self.codes.shape[1])

    def search(
        self, queries: Codes, k: int, *, allowed: Mask | None = None
    ) -> tuple[NDArray[np.int32], Rows]:
        """Find the `k` nearest rows for each query, nearest first, ties by row number.

        Parameters
        ----------
        queries
            Shape (q, bytes).
        k
            Rows wanted a query, at least 1.
        allowed
            Shape (n,): rows outside are never returned and never take a place.

        Returns
        -------
        distances, rows
            Shapes (q, k), distances in bits; where fewer than `k` rows are allowed the rest is
            ``bits + 1`` and -1.

        Raises
        ------
        OptionError
            Wrong code length or mask length, k < 1.
        """
        queries = np.ascontiguousarray(queries, dtype=np.uint8)
        if queries.ndim != 2 or queries.shape[1] != self.codes.shape[1]:
            raise OptionError(f"queries have shape {queries.shape}, not (q, {self.bits // 8})")
        if k < 1:
            raise OptionError(f"k is {k}; ask for at least 1 row")
        if allowed is not None and allowed.shape != (len(self),):
            raise OptionError(f"the filter has shape {allowed.shape}, not ({len(self)},)")
        passing = len(self) if allowed is None else int(np.count_nonzero(allowed))
        distances = np.full((len(queries), k), self.bits + 1, dtype=np.int32)
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        size = min(k, passing)
        if size and len(queries):
            best, found = self._scan(queries, size, allowed)
            # FAISS keeps the smallest rows among equals, but does not sort them.
            order = np.lexsort((found, best), axis=1)
            distances[:, :size] = np.take_along_axis(best, order, axis=1)
            rows[:, :size] = np.take_along_axis(found, order, axis=1)
        return distances, rows

    def _scan(
        self, queries: Codes, size: int, allowed: Mask | None
    ) -> tuple[NDArray[np.int32], Rows]:
        faiss.omp_set_num_threads(1)
        distances = np.empty((len(queries), size), dtype=np.int32)
        rows = np.empty((len(queries), size), dtype=np.int64)
        heaps = faiss.int_maxheap_array_t()
        heaps.k, heaps.nh = size, len(queries)
        heaps.val, heaps.ids = faiss.swig_ptr(distances), faiss.swig_ptr(rows)
        bits = None if allowed is None else np.packbits(allowed, bitorder="little")
        selector = None if bits is None else faiss.IDSelectorBitmap(len(self), faiss.swig_ptr(bits))
        faiss.hammings_knn_hc(
            heaps,
            faiss.swig_ptr(queries),
            faiss.swig_ptr(self.codes),
            len(self),
            self.codes.shape[1],
            1,
            faiss.EXACT_TOPK,
            selector,
        )
        return distances, rows
