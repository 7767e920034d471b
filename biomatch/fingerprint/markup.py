"""An examiner's mark-up of a latent, as JSON.

::

    {
      "width": 800, "height": 600, "ppi": 1000,
      "finger_position": 0, "impression": "latent",
      "minutiae": [
        {"x": 412, "y": 233, "angle": 135.0, "type": "ending", "quality": 0.9}
      ],
      "roi": [[300, 100], [620, 110], [600, 480], [310, 470]]
    }

Pixels are those of the marked picture, y down; angles are degrees counter-clockwise from the
x axis in the sense of ISO/IEC 19794-2. ``type`` is ``ending``, ``bifurcation`` or ``unknown``;
``type``, ``quality`` (default 1), ``finger_position``, ``impression`` and ``roi`` may be left
out.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import FormatError, UnreadableSampleError
from biomatch.fingerprint.extraction import from_minutiae
from biomatch.fingerprint.minutiae import MinutiaType
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.types import FingerPosition, ImpressionType

__all__ = ["loads", "read"]


def read(path: Path) -> FingerprintTemplate:
    """Read a mark-up file.

    Raises
    ------
    UnreadableSampleError
        The file cannot be read.
    FormatError
        It is not a mark-up; the message names the field.
    SampleError
        Too few minutiae, or an unusable resolution.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UnreadableSampleError(f"{path}: cannot be read ({error.strerror})") from error
    return loads(text, name=str(path))


def loads(text: str | bytes, *, name: str = "mark-up") -> FingerprintTemplate:
    """Make a template of a mark-up's text; see `read` for errors."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{name}: is not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise FormatError(f"{name}: a JSON object with 'minutiae' is needed")
    marks = _field(content, "minutiae", list, name)
    rows = [_row(mark, f"{name}: minutia {number}") for number, mark in enumerate(marks, 1)]
    return from_minutiae(
        np.array(rows, np.float64).reshape(-1, 5),
        round(_number(content, "width", name, 1, 65535)),
        round(_number(content, "height", name, 1, 65535)),
        _number(content, "ppi", name, 1, 65535),
        finger_position=_choice(content, "finger_position", FingerPosition, 0, name),
        impression=_choice(content, "impression", ImpressionType, "latent", name),
        roi=_outline(content.get("roi"), name),
        name=name,
    )


def _row(mark: Any, name: str) -> tuple[float, float, float, int, float]:
    if not isinstance(mark, dict):
        raise FormatError(f"{name}: is not an object with x, y and angle")
    kind = mark.get("type", "unknown")
    names = {t.name.lower(): int(t) for t in MinutiaType}
    if not isinstance(kind, str) or kind not in names:
        raise FormatError(f"{name}: type {kind!r} is not one of {', '.join(names)}")
    return (
        _number(mark, "x", name, 0, 65535),
        _number(mark, "y", name, 0, 65535),
        math.radians(_number(mark, "angle", name, -360, 360)),
        names[kind],
        _number({"quality": 1.0, **mark}, "quality", name, 0, 1),
    )


def _outline(corners: Any, name: str) -> NDArray[np.float64] | None:
    if corners is None:
        return None
    fits = (
        isinstance(corners, list)
        and 3 <= len(corners) <= 255
        and all(isinstance(c, list) and len(c) == 2 for c in corners)
        and all(_is_number(value) for corner in corners for value in corner)
    )
    if not fits:
        raise FormatError(f"{name}: roi is not a list of 3 to 255 corners [x, y]")
    return np.array(corners, np.float64)


def _field(content: dict[str, Any], key: str, kind: type, name: str) -> Any:
    if key not in content:
        raise FormatError(f"{name}: field '{key}' is missing")
    if not isinstance(content[key], kind):
        raise FormatError(f"{name}: field '{key}' is not a {kind.__name__}")
    return content[key]


def _number(content: dict[str, Any], key: str, name: str, low: float, high: float) -> float:
    if key not in content:
        raise FormatError(f"{name}: field '{key}' is missing")
    value = content[key]
    if not _is_number(value) or not low <= value <= high:
        raise FormatError(f"{name}: {key} {value!r} is not a number from {low:g} to {high:g}")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _choice(content: dict[str, Any], key: str, kind: Any, default: Any, name: str) -> Any:
    value = content.get(key, default)
    try:
        return kind(value)
    except ValueError as error:
        raise FormatError(f"{name}: {key} {value!r} is unknown") from error
