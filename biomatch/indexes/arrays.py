"""Memory-mapped .npy files of which single rows can be read without keeping their pages."""

import mmap
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MappedArray"]


class MappedArray:
    """A read-only, memory-mapped ``.npy`` array.

    Differs from ``numpy.load(mmap_mode="r")`` in that scattered rows can be copied out by file
    reads (`gathered`): a page fault on the map would cost three times as much, and make the
    pages around the row resident in this process.

    Attributes
    ----------
    array
        The array, read-only, valid as long as this object or the array lives.
    """

    __slots__ = ("__weakref__", "_file", "_map", "_offset", "array")

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = reader(file)
            self._offset = file.tell()
            if fortran or dtype.hasobject:
                raise ValueError(f"{path} is not a plain C-ordered array")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._file = os.dup(file.fileno()) if hasattr(os, "pread") else -1
        if self._file >= 0:
            weakref.finalize(self, os.close, self._file)
        count = int(np.prod(shape, dtype=np.int64))
        self.array: NDArray[Any] = np.frombuffer(
            self._map, dtype=dtype, count=count, offset=self._offset
        ).reshape(shape)

    def gathered(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Copy the given rows out, in order; shape (len(rows), ...)."""
        if self._file < 0:
            picked: NDArray[Any] = self.array[rows]
            return picked
        array = self.array
        size = array.itemsize * int(np.prod(array.shape[1:], dtype=np.int64))
        places = (rows * size + self._offset).tolist()
        file, read = self._file, os.pread
        joined = b"".join([read(file, size, place) for place in places])
        return np.frombuffer(joined, dtype=array.dtype).reshape(len(rows), *array.shape[1:])

    def release(self) -> None:
        """Drop the pages from this process's resident set; safe while others read."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
