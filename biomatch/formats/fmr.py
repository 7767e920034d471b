"""Finger minutiae records of any edition: told apart, read, written, shown as JSON.

ISO/IEC 19794-2 and INCITS 378 share magic and version strings. Both readings are tried where
the version allows both; the one that fits the bytes, with fewer oddities, is taken. A record
that fits neither is refused with the field and offset where the likelier reading failed.
"""

import base64
import contextlib
from collections.abc import Callable
from typing import Any

from biomatch.errors import FormatError
from biomatch.formats import incits378, iso19794_2
from biomatch.formats.minutiae_record import (
    AREA_CORES,
    AREA_RIDGE_COUNTS,
    AREA_ZONES,
    IMPRESSIONS,
    POSITIONS,
    CountMethod,
    MinutiaeRecord,
    MinutiaType,
    Standard,
    View,
    doubts,
)

__all__ = ["MAGIC", "fields", "read", "write"]

MAGIC = iso19794_2.MAGIC
MOST_DOUBTS = 1
"""Oddities in a reading that the length field speaks against: the length itself is one."""

Reader = Callable[[bytes, str], MinutiaeRecord]
_READERS: dict[bytes, tuple[Reader, ...]] = {
    b" 20\0": (iso19794_2.read_2005, incits378.read_2004),
    b"020\0": (iso19794_2.read_2005, incits378.read_2004),
    b"030\0": (iso19794_2.read_2011, incits378.read_2009, incits378.read_2007),
    b"035\0": (incits378.read_2009,),
}
_WRITERS = {
    Standard.ISO_2005: iso19794_2.write_2005,
    Standard.ISO_2011: iso19794_2.write_2011,
    Standard.ANSI_2004: incits378.write_2004,
    Standard.ANSI_2007: incits378.write_2007,
    Standard.ANSI_2009: incits378.write_2009,
    Standard.ANSI_2009_AM1: incits378.write_2009,
}
SENSOR_TYPES = (
    "UNKNOWN",
    "OPTICAL_WHITE_TIR",
    "OPTICAL_WHITE_DIRECT",
    "OPTICAL_WHITE_CONTACTLESS",
    "OPTICAL_MONOCHROMATIC_VISIBLE_TIR",
    "OPTICAL_MONOCHROMATIC_VISIBLE_DIRECT",
    "OPTICAL_MONOCHROMATIC_VISIBLE_CONTACTLESS",
    "OPTICAL_MONOCHROMATIC_INFRARED_TIR",
    "OPTICAL_MONOCHROMATIC_INFRARED_DIRECT",
    "OPTICAL_MONOCHROMATIC_INFRARED_CONTACTLESS",
    "OPTICAL_MULTISPECTRAL_TIR",
    "OPTICAL_MULTISPECTRAL_DIRECT",
    "OPTICAL_MULTISPECTRAL_CONTACTLESS",
    "ELECTRO_LUMINESCENT",
    "CAPACITIVE",
    "RADIO_FREQUENCY",
    "THERMAL",
    "PRESSURE",
    "ULTRASOUND",
    "MECHANICAL",
    "GLASS_FIBER",
)
"""Capture device technology (ISO/IEC 19794-2:2011, table 3)."""
MODERN_INCITS = (Standard.ANSI_2007, Standard.ANSI_2009, Standard.ANSI_2009_AM1)
CERTIFICATION_SCHEMES = {
    1: "IMAGE_QUALITY_FOR_AFIS",
    2: "IMAGE_QUALITY_FOR_VERIFICATION",
    3: "OPTICAL_SENSOR_REQUIREMENTS",
}


def read(data: bytes, name: str = "<record>") -> MinutiaeRecord:
    """Read a finger minutiae record of any edition.

    Parameters
    ----------
    data
        The record's bytes. A wrong total length and padding behind the record, as real files
        have them, are accepted and kept; a record that ends early is not.
    name
        What error messages call it.

    Raises
    ------
    FormatError
        Not a finger minutiae record, truncated, or of no known edition.
    """
    if data[:4] != MAGIC:
        raise FormatError(f"{name}: format identifier at offset 0: is {data[:4]!r}, not {MAGIC!r}")
    readers = _READERS.get(data[4:8])
    if readers is None:
        raise FormatError(
            f"{name}: version at offset 4: is {data[4:8]!r}; known are "
            + ", ".join(repr(version) for version in _READERS)
        )
    first, *others = _likelier_first(data, readers)
    found: list[MinutiaeRecord] = []
    refusal: FormatError | None = None
    try:
        found.append(first(data, name))
    except FormatError as error:
        refusal = error
    for reader in others:
        with contextlib.suppress(FormatError):
            found.append(reader(data, name))
    if refusal is not None:
        found = [record for record in found if doubts(record) <= MOST_DOUBTS]
    if not found:
        raise refusal or FormatError(f"{name}: is of no known edition")
    return min(found, key=doubts)


def _likelier_first(data: bytes, readers: tuple[Reader, ...]) -> tuple[Reader, ...]:
    """Put the reading first that the length field speaks for: its error is the telling one."""
    if data[4:8] == b"030\0":
        # ISO 2011: 1 to 176 representations, certification flag, length of the first of them.
        representation = int.from_bytes(data[15:19], "big")
        iso = 1 <= int.from_bytes(data[12:14], "big") <= 176 and data[14:15] in (b"\0", b"\1")
        iso = iso and 34 <= representation < max(int.from_bytes(data[8:12], "big"), 35)
        return readers if iso else (*readers[1:], readers[0])
    # INCITS 2004 has a two-byte length here, at least 26; ISO 2005 the upper half of four.
    return readers[::-1] if int.from_bytes(data[8:10], "big") >= 26 else readers


def write(record: MinutiaeRecord) -> bytes:
    """Write a record in its own edition; what `read` read comes out byte for byte.

    Raises
    ------
    FormatError
        A value does not fit its field.
    """
    return _WRITERS[record.standard](record)


def fields(record: MinutiaeRecord) -> dict[str, Any]:
    """Show every field as JSON-able values, in the record's own units.

    Names follow the JSON that FingerprintIO prints, so that records can be compared across
    tools; vendors' data is base64.
    """
    shown: dict[str, Any] = {}
    if not record.standard.is_iso:
        shown |= {"vendorId": record.product_owner, "subformat": record.product_type}
    if record.standard is not Standard.ISO_2011:
        top = 0x80 if record.standard in MODERN_INCITS[1:] else 0x08
        shown |= {"sensorCertified": bool(record.certified & top), "sensorId": record.device}
    if record.image is not None:
        shown |= _image_fields(record.views[0]) if record.views else {}
    shown["fingerprints"] = [_view_fields(record, view) for view in record.views]
    return shown


def _image_fields(view: View) -> dict[str, int]:
    return {
        "width": view.image.width,
        "height": view.image.height,
        "resolutionX": view.image.x_ppcm,
        "resolutionY": view.image.y_ppcm,
    }


def _view_fields(record: MinutiaeRecord, view: View) -> dict[str, Any]:
    standard = record.standard
    shown: dict[str, Any] = _capture_fields(view) if standard is Standard.ISO_2011 else {}
    shown |= {
        "position": POSITIONS.get(view.position, view.position),
        "view": view.number,
        "scanType": IMPRESSIONS[standard].get(view.impression, view.impression),
    }
    if standard is not Standard.ISO_2011:
        shown["quality"] = view.quality
    if standard in MODERN_INCITS:
        shown["qualityVendorId"] = view.qualities[0].vendor
        shown["qualityAlgorithmId"] = view.qualities[0].algorithm
    if record.image is None:
        shown |= _image_fields(view)
    if standard is Standard.ISO_2011:
        endings = ("VALLEY_SKELETON_BIFURCATION", "RIDGE_SKELETON_ENDPOINT")
        shown["endingType"] = (
            endings[view.ridge_ending] if view.ridge_ending < 2 else view.ridge_ending
        )
    shown["minutiae"] = _minutia_fields(record, view)
    return shown | _area_fields(record, view)


def _capture_fields(view: View) -> dict[str, Any]:
    technology = view.device_technology
    known = technology < len(SENSOR_TYPES)
    return {
        "datetime": {
            name: getattr(view.date, name)
            for name in ("year", "month", "day", "hour", "minute", "second", "millisecond")
        },
        "sensorType": SENSOR_TYPES[technology] if known else technology,
        "sensorVendor": view.device_vendor,
        "sensorId": view.device,
        "qrecords": [
            {"quality": q.value, "vendor": q.vendor, "algorithm": q.algorithm}
            for q in view.qualities
        ],
        "certificates": [
            {"authority": c.authority, "scheme": CERTIFICATION_SCHEMES.get(c.scheme, c.scheme)}
            for c in view.certificates
        ],
    }


def _minutia_fields(record: MinutiaeRecord, view: View) -> list[dict[str, Any]]:
    names: dict[int, str | int] = {kind.value: kind.name for kind in MinutiaType}
    if record.standard in MODERN_INCITS:
        names[0] = "EITHER"
    return [
        {
            "type": names.get(m.type, m.type),
            "positionX": m.x,
            "positionY": m.y,
            "angle": m.angle,
            "quality": 254 if m.quality is None else m.quality,
        }
        for m in view.minutiae
    ]


def _area_fields(record: MinutiaeRecord, view: View) -> dict[str, Any]:
    counts, points = record.ridge_counts(view), record.cores_deltas(view)
    zones = record.zones(view)
    decoded = {
        AREA_RIDGE_COUNTS: counts is not None,
        AREA_CORES: points is not None,
        AREA_ZONES: zones is not None,
    }
    shown: dict[str, Any] = {
        "counts": counts
        and {
            "type": CountMethod(counts.method).name if counts.method < 3 else counts.method,
            "edges": [{"from": c.start, "to": c.end, "count": c.count} for c in counts.counts],
        },
        "coredelta": points
        and {
            "cores": [{"positionX": c.x, "positionY": c.y, "angle": c.angle} for c in points.cores],
            "deltas": [
                {"positionX": d.x, "positionY": d.y, "angles": d.angles and list(d.angles)}
                for d in points.deltas
            ],
        },
    }
    if record.standard.is_iso:
        by = zones and {"vendor": zones.vendor, "algorithm": zones.algorithm}
        shown["zones"] = zones and {
            **((by or {}) if record.standard is Standard.ISO_2011 else {}),
            "zoneWidth": zones.cell_width,
            "zoneHeight": zones.cell_height,
            "bits": zones.depth,
            "quality": list(zones.values),
        }
    shown["extensions"] = [
        {"type": area.type, "data": base64.b64encode(area.data).decode("ascii")}
        for area in view.areas
        if not decoded.get(area.type or 0, False) and area.data
    ]
    return shown
