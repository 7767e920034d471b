"""Tables with a place for every genotype code, laid out anew for each kernel call."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.codes import OVERFLOW

__all__ = ["DESK", "Desk"]


class Desk(threading.local):
    """The tables of one thread. Most places are never touched, and so take no memory."""

    def __init__(self) -> None:
        self._tables: dict[str, NDArray[Any]] = {}

    def table(self, name: str, rows: int, dtype: type[np.generic]) -> NDArray[Any]:
        """Return a table (rows, 65536) with whatever it held before."""
        known = self._tables.get(name)
        if known is None or len(known) < rows:
            known = self._tables[name] = np.zeros((rows, OVERFLOW + 1), dtype)
        return known[:rows]


DESK = Desk()
"""Of the calling thread. Two tables of one name are one table: use them before the next call."""
