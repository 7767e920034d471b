"""Face: image -> FaceTemplate(s) -> score.

>>> from biomatch import face
>>> face.extract("group.jpg")  # doctest: +SKIP
[FaceTemplate(...), FaceTemplate(...)]
"""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "FaceCalibration",
    "FaceTemplate",
    "Policy",
    "Quality",
    "QualityWarning",
    "compare",
    "extract",
    "quality",
]

if TYPE_CHECKING:
    from biomatch.face.assessment import Quality
    from biomatch.face.calibration import FaceCalibration
    from biomatch.face.comparison import compare
    from biomatch.face.extraction import Policy, QualityWarning, extract, quality
    from biomatch.face.template import FaceTemplate

_HOME = {
    "FaceCalibration": "calibration",
    "FaceTemplate": "template",
    "Policy": "extraction",
    "Quality": "assessment",
    "QualityWarning": "extraction",
    "compare": "comparison",
    "extract": "extraction",
    "quality": "extraction",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only now."""
    if name in _HOME:
        return getattr(importlib.import_module(f"biomatch.face.{_HOME[name]}"), name)
    raise AttributeError(f"module 'biomatch.face' has no attribute '{name}'")
