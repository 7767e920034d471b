"""How comparison kernels are compiled: ahead of their first call, cached, without the GIL."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

__all__ = ["native"]

P = ParamSpec("P")
R = TypeVar("R")


def native(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function to machine code.

    Divisions follow IEEE 754 instead of raising, and sums may be reordered, or loops would not
    become vector instructions; infinities and NaN keep their meaning. Numba keeps the result
    beside the source and does not notice edits in *other* files: delete ``__pycache__`` after
    changing one kernel that another one calls.
    """
    compiled: Callable[P, R] = numba.njit(
        cache=True,
        nogil=True,
        error_model="numpy",
        fastmath={"reassoc", "contract", "arcp", "nsz", "afn"},
    )(function)
    return compiled
