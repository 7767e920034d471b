"""Memory-mapped .npy files whose resident pages can be given back."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MappedArray"]


class MappedArray:
    """A read-only, memory-mapped ``.npy`` array.

    Differs from ``numpy.load(mmap_mode="r")`` in that pages read at random can be dropped
    from the process again (`release`): they stay in the operating system's page cache, so the
    next read costs a minor fault and no disk access.

    Attributes
    ----------
    array
        The array, read-only, valid as long as this object or the array lives.
    """

    __slots__ = ("_map", "array")

    def __init__(self, path: Path, *, random: bool = False) -> None:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = reader(file)
            offset = file.tell()
            if fortran or dtype.hasobject:
                raise ValueError(f"{path} is not a plain C-ordered array")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        count = int(np.prod(shape, dtype=np.int64))
        self.array: NDArray[Any] = np.frombuffer(
            self._map, dtype=dtype, count=count, offset=offset
        ).reshape(shape)
        if random and hasattr(mmap, "MADV_RANDOM"):
            self._map.madvise(mmap.MADV_RANDOM)

    def release(self) -> None:
        """Drop the pages from this process's resident set; safe while others read."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
