"""Match people's biometric traces: fingerprints, faces and DNA STR profiles.

>>> import biomatch
>>> with biomatch.open(":memory:") as db:
...     len(list(db.subjects()))
0
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Candidate",
    "CandidateList",
    "Database",
    "Sample",
    "__version__",
    "dna",
    "errors",
    "evaluation",
    "face",
    "fingerprint",
    "open",
]

if TYPE_CHECKING:
    from biomatch import dna, errors, evaluation, face, fingerprint
    from biomatch.search import Database, open  # noqa: A004 - the public name
    from biomatch.types import Candidate, CandidateList, Sample

_HOME = {
    "Candidate": "biomatch.types",
    "CandidateList": "biomatch.types",
    "Database": "biomatch.search",
    "Sample": "biomatch.types",
    "open": "biomatch.search",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only now: ``import biomatch`` itself stays light."""
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in __all__:
        return importlib.import_module(f"biomatch.{name}")
    raise AttributeError(f"module 'biomatch' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
