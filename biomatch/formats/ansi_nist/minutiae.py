"""Minutiae of Type-9 records: legacy, FBI, INCITS 378 and Extended Feature Set blocks.

| block | positions | y counts from | angle |
|---|---|---|---|
| legacy, 9.012 | 0.01 mm | the lower edge | degrees, opposite to ISO/IEC 19794-2 |
| FBI, 9.023 | 0.01 mm | the upper edge | degrees as in ISO/IEC 19794-2 |
| INCITS 378, 9.137 | pixels (9.130 to 9.132) | the upper edge | 2 degrees |
| EFS, 9.331 | 0.01 mm from the region of interest | the upper edge | degrees |

The half turn between legacy and INCITS angles is that of NIST's own conversion: the first
minutia of its M1 sample is 248 degrees in field 9.012 and 34 x 2 = 68 degrees in INCITS 378.

Source: ANSI/NIST-ITL 1-2011 Update 2013, clauses 8.9.1 to 8.9.7 (8.9.7.25 for EFS minutiae).
"""

import math
import re
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import FormatError
from biomatch.fingerprint.minutiae import Minutiae, MinutiaType
from biomatch.fingerprint.template import MAX_SIDE, FingerprintTemplate
from biomatch.formats.ansi_nist.records import TaggedRecord
from biomatch.formats.templates import UNREPORTED_QUALITY, impression_type, nominal_ppi
from biomatch.types import FingerPosition, ImpressionType

__all__ = ["template"]

PIXELS_A_UNIT = 500 / 2540
"""Pixels at 500 ppi in 0.01 mm."""
MOST_MINUTIAE = 10_000
PALM_IMPRESSIONS = range(10, 16)
Row = tuple[float, float, float, int, float]
Size = tuple[float, float]
_TYPES = {
    "A": MinutiaType.ENDING,
    "E": MinutiaType.ENDING,
    "B": MinutiaType.BIFURCATION,
}
_XYT = re.compile(r"\s*(\d{4,5})(\d{4,5})(\d{3})\s*")


def template(
    record: TaggedRecord,
    image: tuple[int, int, float] | None = None,
    name: str = "Type-9 record",
) -> FingerprintTemplate | None:
    """Make a template of a Type-9 record, or None when it holds no minutiae.

    Parameters
    ----------
    record
        The record; of several blocks, the most precise is taken: EFS, INCITS 378, FBI, legacy.
    image
        Width, height and ppi of the picture with the same IDC: legacy positions count from
        its lower edge. Without it the lowest minutia stands for the edge.
    name
        What error messages call the record.

    Raises
    ------
    FormatError
        A minutia is malformed; the message names field and value.
    """
    size = None
    if image is not None and min(image) > 0:
        size = (image[0] * 500 / image[2], image[1] * 500 / image[2])
    for field, reader in _READERS:
        if record.value(field):
            try:
                rows, stated, roi = reader(record, size)
            except FormatError as error:
                raise FormatError(f"{name}: {error}") from None
            if rows:
                return _template(record, rows, stated or size, roi, field)
    return None


def _template(
    record: TaggedRecord,
    rows: list[Row],
    size: Size | None,
    roi: NDArray[np.float64] | None,
    field: int,
) -> FingerprintTemplate:
    table = np.array(rows, np.float64)
    width, height = size or (0, 0)
    impression = record.number(3)
    kind = ImpressionType.UNKNOWN if impression is None else impression_type(impression)
    return FingerprintTemplate(
        minutiae=Minutiae.from_rows(table),
        width=_side(width, table[:, 0]),
        height=_side(height, table[:, 1]),
        finger_position=_position(record),
        impression=ImpressionType.PALM if impression in PALM_IMPRESSIONS else kind,
        extractor=f"import:ANSI/NIST-ITL 9.{field:03d}",
        quality=math.nan,
        roi=roi,
    )


def _side(stated: float, positions: NDArray[np.float64]) -> int:
    return int(np.clip(math.ceil(max(stated, positions.max() + 1)), 1, MAX_SIDE))


def _position(record: TaggedRecord) -> int:
    for field in (302, 134, 14, 6):
        code = record.number(field)
        if code is not None:
            return code if code in set(FingerPosition) else 0
    return 0


def _number(items: list[str], index: int, field: int) -> float:
    text = items[index].strip() if index < len(items) else ""
    if not re.fullmatch(r"[+-]?\d{1,7}", text):
        raise FormatError(
            f"field 9.{field:03d}: item {index + 1} of a minutia is '{text[:20]}', not a number"
        )
    return float(text)


def _minutiae(record: TaggedRecord, field: int) -> Iterator[list[str]]:
    for index, items in enumerate(record.items(field)):
        if index >= MOST_MINUTIAE:
            raise FormatError(f"field 9.{field:03d}: more than {MOST_MINUTIAE:,} minutiae")
        if any(item.strip() for item in items):
            yield items


def _xyt(items: list[str], field: int) -> tuple[float, float, float]:
    """Split the joined position and angle ``XXXXYYYYTTT`` (five digits each beyond 99.99 mm)."""
    text = items[1] if len(items) > 1 else ""
    found = _XYT.fullmatch(text)
    if not found or len(found[1]) != len(found[2]):
        raise FormatError(
            f"field 9.{field:03d}: position and angle '{text[:20]}' are not XXXXYYYYTTT"
        )
    return int(found[1]) * PIXELS_A_UNIT, int(found[2]) * PIXELS_A_UNIT, int(found[3])


Read = tuple[list[Row], Size | None, NDArray[np.float64] | None]


def _legacy(record: TaggedRecord, size: Size | None) -> Read:
    rows = []
    for items in _minutiae(record, 12):
        x, y, degrees = _xyt(items, 12)
        kind = _TYPES.get(items[3].strip() if len(items) > 3 else "", MinutiaType.UNKNOWN)
        quality = _legacy_quality(items[2] if len(items) > 2 else "")
        rows.append((x, y, math.radians(degrees + 180), int(kind), quality))
    height = size[1] if size else max((row[1] for row in rows), default=0.0)
    upright = [(x, max(0.0, height - y), a, t, q) for x, y, a, t, q in rows]
    return upright, size, None


def _legacy_quality(text: str) -> float:
    """Quality of field 9.012: 0 manual, 1 none available, 2 (best) to 63 (worst)."""
    digits = text.strip()
    value = int(digits) if re.fullmatch("[0-9]{1,2}", digits) else 1
    return UNREPORTED_QUALITY if value < 2 else max(0.0, 1 - (value - 2) / 62)


def _fbi(record: TaggedRecord, size: Size | None) -> Read:
    rows = []
    for items in _minutiae(record, 23):
        x, y, degrees = _xyt(items, 23)
        kind = _TYPES.get(items[3].strip() if len(items) > 3 else "", MinutiaType.UNKNOWN)
        rows.append((x, y, math.radians(degrees), int(kind), UNREPORTED_QUALITY))
    return rows, size, None


def _incits(record: TaggedRecord, size: Size | None) -> Read:
    to_template = {1: MinutiaType.ENDING, 2: MinutiaType.BIFURCATION}
    x_ppi, y_ppi = (_m1_ppi(record, field) for field in (131, 132))
    rows = []
    for items in _minutiae(record, 137):
        x, y, angle, kind = (_number(items, index, 137) for index in range(1, 5))
        quality = _number(items, 5, 137) if len(items) > 5 and items[5].strip() else 0.0
        rows.append(
            (
                max(0.0, x) * 500 / x_ppi,
                max(0.0, y) * 500 / y_ppi,
                math.radians(2 * angle),
                int(to_template.get(int(kind), MinutiaType.UNKNOWN)),
                quality / 100 if 0 < quality <= 100 else UNREPORTED_QUALITY,
            )
        )
    width, height = record.number(128) or 0, record.number(129) or 0
    stated = (width * 500 / x_ppi, height * 500 / y_ppi) if width > 0 and height > 0 else None
    return rows, stated or size, None


def _m1_ppi(record: TaggedRecord, field: int) -> float:
    value, unit = record.number(field) or 0, record.number(130)
    if not 0 < value < 100_000 or unit not in (1, 2):
        return 500.0
    return float(value) if unit == 1 else nominal_ppi(value)


def _efs(record: TaggedRecord, size: Size | None) -> Read:
    left, top, stated, roi = _region(record)
    rows = []
    for items in _minutiae(record, 331):
        x, y, degrees = (_number(items, index, 331) for index in range(3))
        kind = _TYPES.get(items[3].strip() if len(items) > 3 else "", MinutiaType.UNKNOWN)
        rows.append(
            (
                max(0.0, x + left) * PIXELS_A_UNIT,
                max(0.0, y + top) * PIXELS_A_UNIT,
                math.radians(degrees),
                int(kind),
                UNREPORTED_QUALITY,
            )
        )
    return rows, size or stated, roi


def _region(
    record: TaggedRecord,
) -> tuple[float, float, Size | None, NDArray[np.float64] | None]:
    """Offset, size and outline of the region of interest (field 9.300)."""
    items = (record.items(300) or [[]])[0]
    if len(items) < 2:
        return 0.0, 0.0, None, None
    width, height = _number(items, 0, 300), _number(items, 1, 300)
    left = _number(items, 2, 300) if len(items) > 2 and items[2].strip() else 0.0
    top = _number(items, 3, 300) if len(items) > 3 and items[3].strip() else 0.0
    corners = re.findall(r"(\d{1,6}),(\d{1,6})", items[4]) if len(items) > 4 else []
    roi = np.array(corners, np.float64).reshape(-1, 2) + np.array((left, top))
    size = ((left + width) * PIXELS_A_UNIT, (top + height) * PIXELS_A_UNIT)
    return left, top, size, roi * PIXELS_A_UNIT if 3 <= len(roi) <= 255 else None


_READERS: tuple[tuple[int, Callable[[TaggedRecord, Size | None], Read]], ...] = (
    (331, _efs),
    (137, _incits),
    (23, _fbi),
    (12, _legacy),
)
