"""Finger minutiae records to fingerprint templates and back.

A record speaks of pixels at its own resolution and of angles in units of 360/256 (ISO) or 2
(INCITS) degrees; a template of pixels at 500 ppi and radians. Both measure directions
counter-clockwise from the x axis, from an ending back along its ridge.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from biomatch.errors import FormatError
from biomatch.fingerprint.minutiae import Minutiae
from biomatch.fingerprint.minutiae import MinutiaType as TemplateType
from biomatch.fingerprint.template import MAX_SIDE, FingerprintTemplate
from biomatch.formats.minutiae_record import (
    IMPRESSIONS,
    Geometry,
    MinutiaeRecord,
    MinutiaType,
    Quality,
    RecordMinutia,
    Standard,
    View,
)
from biomatch.types import FingerPosition, ImpressionType

__all__ = ["from_templates", "impression_code", "impression_type", "nominal_ppi", "to_templates"]

CM_PER_INCH = 2.54
MOST_MINUTIAE = 255
UNREPORTED_QUALITY = 1.0
"""Quality of minutiae whose writer reported none: he vouched for all of them alike."""

_TO_TEMPLATE: dict[int, TemplateType] = {
    MinutiaType.OTHER: TemplateType.UNKNOWN,
    MinutiaType.ENDING: TemplateType.ENDING,
    MinutiaType.BIFURCATION: TemplateType.BIFURCATION,
}
_TO_RECORD = {theirs: int(ours) for ours, theirs in _TO_TEMPLATE.items()}
_ROLLED = {1, 3, 21, 23, 25, 27}
_LATENT = {4, 5, 6, 7}
_PALM = {10, 11}
_UNKNOWN = {28, 29}
_CODES = {
    ImpressionType.PLAIN: 0,
    ImpressionType.ROLLED: 1,
    ImpressionType.LATENT: 4,
    ImpressionType.PALM: 10,
    ImpressionType.UNKNOWN: 29,
}
NONLIVE_PLAIN = 2
"""Stands for what an edition's table of impression types lacks."""


def nominal_ppi(ppcm: int) -> float:
    """Pixels per inch that a whole number of pixels per centimetre stands for.

    Records say 197 and mean 500 ppi (196.85 rounded): a multiple of 50 ppi is preferred
    when it rounds to the stated number.

    >>> nominal_ppi(197), nominal_ppi(394), nominal_ppi(224)
    (500.0, 1000.0, 568.96)
    """
    ppi = ppcm * CM_PER_INCH
    nominal = 50.0 * round(ppi / 50)
    return nominal if round(nominal / CM_PER_INCH) == ppcm else ppi


def to_templates(record: MinutiaeRecord) -> list[FingerprintTemplate]:
    """Make one fingerprint template a finger view, in file order."""
    return [_template(record, view) for view in record.views]


def _template(record: MinutiaeRecord, view: View) -> FingerprintTemplate:
    image = view.image
    x_ppi, y_ppi = nominal_ppi(image.x_ppcm) or 500.0, nominal_ppi(image.y_ppcm) or 500.0
    rows = np.array(
        [(m.x, m.y, m.angle, m.type, _quality(m.quality)) for m in view.minutiae], np.float64
    ).reshape(-1, 5)
    x, y = rows[:, 0] * (500 / x_ppi), rows[:, 1] * (500 / y_ppi)
    angle = np.deg2rad(rows[:, 2] * record.standard.degrees_per_unit)
    if x_ppi != y_ppi:
        angle = np.arctan2(np.sin(angle) / y_ppi, np.cos(angle) / x_ppi)
    kind = [_TO_TEMPLATE.get(int(t), TemplateType.UNKNOWN) for t in rows[:, 3]]
    quality = view.quality
    return FingerprintTemplate(
        minutiae=Minutiae(x, y, angle, np.array(kind, np.int64), rows[:, 4]),
        width=_side(image.width * 500 / x_ppi, x),
        height=_side(image.height * 500 / y_ppi, y),
        ppi=min(x_ppi, 6552.0),
        ppi_stated=bool(image.x_ppcm),
        finger_position=view.position if view.position in set(FingerPosition) else 0,
        impression=impression_type(view.impression),
        extractor=f"import:{record.standard.value}",
        quality=float(quality) if quality is not None and 0 < quality <= 100 else math.nan,
    )


def _quality(value: int | None) -> float:
    return value / 100 if value is not None and 0 < value <= 100 else UNREPORTED_QUALITY


def _side(stated: float, positions: Iterable[float]) -> int:
    """Side in pixels that holds all minutiae even when the record's size is wrong."""
    return max(1, min(MAX_SIDE, math.ceil(max([stated, *(p + 1 for p in positions)]))))


def impression_code(kind: ImpressionType) -> int:
    """Impression type code of a kind of impression, as ANSI/NIST-ITL and ISO records write it."""
    return _CODES[kind]


def impression_type(code: int) -> ImpressionType:
    """Kind of impression behind an impression type code (ISO/IEC 19794-2, ANSI/NIST-ITL)."""
    for codes, kind in (
        (_ROLLED, ImpressionType.ROLLED),
        (_LATENT, ImpressionType.LATENT),
        (_PALM, ImpressionType.PALM),
        (_UNKNOWN, ImpressionType.UNKNOWN),
    ):
        if code in codes:
            return kind
    return ImpressionType.PLAIN


def from_templates(
    templates: Sequence[FingerprintTemplate], standard: Standard = Standard.ISO_2005
) -> MinutiaeRecord:
    """Make a record with one view a template.

    Positions are rounded to pixels at 500 ppi, angles to the edition's unit, and of more than
    255 minutiae the best are kept. Region of interest and mask have no place in a record.

    Raises
    ------
    FormatError
        No template, or more than the edition holds.
    """
    if not 0 < len(templates) < 256:
        raise FormatError(f"{standard.value}: a record holds 1 to 255 views, not {len(templates)}")
    common = Geometry(max(t.width for t in templates), max(t.height for t in templates))
    shared = standard in (Standard.ISO_2005, Standard.ANSI_2004)
    numbers: dict[int, int] = {}
    views = []
    for template in templates:
        number = numbers.setdefault(template.finger_position, 0)
        numbers[template.finger_position] += 1
        image = common if shared else Geometry(template.width, template.height)
        views.append(_view(template, standard, number, image))
    return MinutiaeRecord(standard, tuple(views), image=common if shared else None)


def _view(template: FingerprintTemplate, standard: Standard, number: int, image: Geometry) -> View:
    modern = standard not in (Standard.ISO_2005, Standard.ANSI_2004)
    quality = round(template.quality) if not math.isnan(template.quality) else 254 * modern
    code = _CODES[template.impression]
    if code not in IMPRESSIONS[standard]:
        code = 0 if template.impression is ImpressionType.UNKNOWN else NONLIVE_PLAIN
    return View(
        position=template.finger_position if template.finger_position <= 10 else 0,
        number=number,
        impression=code,
        qualities=(Quality(quality),),
        image=image,
        minutiae=_record_minutiae(template, standard),
    )


def _record_minutiae(
    template: FingerprintTemplate, standard: Standard
) -> tuple[RecordMinutia, ...]:
    turn = round(360 / standard.degrees_per_unit)
    best = template.minutiae.best(MOST_MINUTIAE)
    angles = np.rint(best.angle * (turn / (2 * math.pi))).astype(int) % turn
    return tuple(
        RecordMinutia(
            type=_TO_RECORD[TemplateType(kind)],
            x=int(np.clip(round(x), 0, template.width - 1)),
            y=int(np.clip(round(y), 0, template.height - 1)),
            angle=int(angle),
            quality=max(1, round(quality * 100)),
        )
        for x, y, angle, kind, quality in zip(
            best.x.tolist(),
            best.y.tolist(),
            angles.tolist(),
            best.type.tolist(),
            best.quality.tolist(),
            strict=True,
        )
    )
