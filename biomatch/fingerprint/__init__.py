"""Fingerprint: image -> FingerprintTemplate -> score.

>>> import numpy as np
>>> from biomatch import fingerprint
>>> fingerprint.extract(np.full((300, 300), 255, np.uint8))
Traceback (most recent call last):
biomatch.errors.NoFeaturesError: <array>: is blank (0 grey levels between dark and light, ...
"""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "FingerprintTemplate",
    "Match",
    "MinutiaType",
    "Minutiae",
    "QualityWarning",
    "ResolutionWarning",
    "calibrate",
    "compare",
    "enhance",
    "extract",
    "extract_many",
    "from_minutiae",
    "match",
]

if TYPE_CHECKING:
    from biomatch.fingerprint.calibration import calibrate
    from biomatch.fingerprint.comparison import Match, compare, match
    from biomatch.fingerprint.extraction import (
        QualityWarning,
        ResolutionWarning,
        enhance,
        extract,
        extract_many,
        from_minutiae,
    )
    from biomatch.fingerprint.minutiae import Minutiae, MinutiaType
    from biomatch.fingerprint.template import FingerprintTemplate

_HOME = {
    "FingerprintTemplate": "template",
    "Match": "comparison",
    "MinutiaType": "minutiae",
    "Minutiae": "minutiae",
    "QualityWarning": "extraction",
    "ResolutionWarning": "extraction",
    "calibrate": "calibration",
    "compare": "comparison",
    "enhance": "extraction",
    "extract": "extraction",
    "extract_many": "extraction",
    "from_minutiae": "extraction",
    "match": "comparison",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only now."""
    if name in _HOME:
        return getattr(importlib.import_module(f"biomatch.fingerprint.{_HOME[name]}"), name)
    raise AttributeError(f"module 'biomatch.fingerprint' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
