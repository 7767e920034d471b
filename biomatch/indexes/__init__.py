"""FAISS scans over vectors and bit codes that the pipelines build their galleries from."""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["CodeIndex", "MappedArray", "VectorIndex"]

if TYPE_CHECKING:
    from biomatch.indexes.arrays import MappedArray
    from biomatch.indexes.codes import CodeIndex
    from biomatch.indexes.vectors import VectorIndex

_HOME = {"CodeIndex": "codes", "MappedArray": "arrays", "VectorIndex": "vectors"}


def __getattr__(name: str) -> Any:
    """Import FAISS only when an index is asked for."""
    if name in _HOME:
        return getattr(importlib.import_module(f"biomatch.indexes.{_HOME[name]}"), name)
    raise AttributeError(f"module 'biomatch.indexes' has no attribute '{name}'")
