"""ISO/IEC 19794-2 finger minutiae records, 2005 and 2011, read and written.

2005: 24-byte header, views of 4 bytes, minutiae of 6 bytes, extended data (clause 7).
2011: the general header of ISO/IEC 19794-1:2011, representations that carry date, device,
qualities and certificates, minutiae of 5 or 6 bytes, extended data (clause 8).

INCITS 378 records start with the same bytes; `biomatch.formats.fmr.read` tells them apart.
"""

import dataclasses
import struct

from biomatch.errors import FormatError
from biomatch.formats.bits import Cursor
from biomatch.formats.minutiae_record import (
    CaptureDate,
    Certificate,
    Geometry,
    MinutiaeRecord,
    Quality,
    Standard,
    View,
    read_areas,
    read_minutiae,
    write_areas,
    write_minutiae,
)

__all__ = ["read_2005", "read_2011", "write_2005", "write_2011"]

MAGIC = b"FMR\0"
HEADER_2005 = 24
HEADER_2011 = 15
SHORTEST_REPRESENTATION = 34


def read_2005(data: bytes, name: str = "<record>") -> MinutiaeRecord:
    """Read a record of the 2005 edition.

    Parameters
    ----------
    data
        The record; bytes behind it are kept as `MinutiaeRecord.trailing`.
    name
        What error messages call it.

    Raises
    ------
    FormatError
        Truncated, or not of this edition.
    """
    cursor = Cursor(data, name)
    version = cursor.raw(8, "format identifier")[4:]
    length, device, width, height, x_ppcm, y_ppcm, count, reserved = cursor.unpack(
        "IHHHHHBB", "record header"
    )
    image = Geometry(width, height, x_ppcm, y_ppcm)
    if not count:
        raise cursor.fail("number of finger views", "is 0")
    whole = length == len(data)
    views = tuple(_view_2005(cursor, image, whole=whole) for _ in range(count))
    return MinutiaeRecord(
        standard=Standard.ISO_2005,
        views=views,
        certified=device >> 12,
        device=device & 0x0FFF,
        image=image,
        version=version,
        stated_length=None if length == cursor.offset else length,
        reserved=reserved,
        trailing=cursor.rest(),
    )


def _view_2005(cursor: Cursor, image: Geometry, *, whole: bool) -> View:
    position, number_impression, quality, count = cursor.unpack("BBBB", "finger view header")
    minutiae = read_minutiae(cursor, count)
    areas, areas_length = read_areas(cursor, whole=whole)
    return View(
        position=position,
        number=number_impression >> 4,
        impression=number_impression & 0x0F,
        qualities=(Quality(quality),),
        image=image,
        minutiae=minutiae,
        areas=areas,
        areas_length=areas_length,
    )


def write_2005(record: MinutiaeRecord) -> bytes:
    """Write a record of the 2005 edition; what `read_2005` read comes out byte for byte.

    Raises
    ------
    FormatError
        A value does not fit its field, or the views have no common image size.
    """
    image = common_image(record)
    try:
        body = b"".join(write_view_2005(view) for view in record.views)
        length = HEADER_2005 + len(body)
        head = struct.pack(
            ">4s4sIHHHHHBB",
            MAGIC,
            record.version or b" 20\0",
            length if record.stated_length is None else record.stated_length,
            record.certified << 12 | record.device,
            image.width,
            image.height,
            image.x_ppcm,
            image.y_ppcm,
            len(record.views),
            record.reserved,
        )
    except (struct.error, ValueError) as error:
        raise FormatError(f"{record.standard.value}: a value exceeds its field ({error})") from None
    return head + body + record.trailing


def common_image(record: MinutiaeRecord) -> Geometry:
    """Return the size that all views share: editions 2004 and 2005 have room for one.

    Raises
    ------
    FormatError
        There is none.
    """
    images = {view.image for view in record.views}
    images |= set() if record.image is None else {record.image}
    if len(images) != 1:
        raise FormatError(
            f"{record.standard.value}: all views must have one image size, not {len(images)}"
        )
    return images.pop()


def write_view_2005(view: View) -> bytes:
    """Write a finger view of INCITS 2004 or ISO 2005."""
    head = struct.pack(
        ">BBBB",
        view.position,
        view.number << 4 | view.impression,
        view.quality or 0,
        len(view.minutiae),
    )
    return head + write_minutiae(view.minutiae) + write_areas(view)


def read_2011(data: bytes, name: str = "<record>") -> MinutiaeRecord:
    """Read a record of the 2011 edition.

    Raises
    ------
    FormatError
        Truncated, or not of this edition.
    """
    cursor = Cursor(data, name)
    version = cursor.raw(8, "format identifier")[4:]
    length, count, certificates = cursor.unpack("IHB", "general header")
    if not count:
        raise cursor.fail("number of representations", "is 0")
    if count * SHORTEST_REPRESENTATION > cursor.left:
        raise cursor.fail(
            "number of representations", f"{count} do not fit into {cursor.left} bytes"
        )
    if certificates > 1:
        raise cursor.fail("device certification flag", f"is {certificates}, not 0 or 1")
    views = tuple(_view_2011(cursor, has_certificates=bool(certificates)) for _ in range(count))
    return MinutiaeRecord(
        standard=Standard.ISO_2011,
        views=views,
        has_certificates=bool(certificates),
        version=version,
        stated_length=None if length == cursor.offset else length,
        trailing=cursor.rest(),
    )


def _view_2011(cursor: Cursor, *, has_certificates: bool) -> View:
    start = cursor.offset
    stated = cursor.u32("representation length")
    date = CaptureDate(*cursor.unpack("HBBBBBH", "capture date"))
    technology, vendor, device, qualities = cursor.unpack("BHHB", "capture device")
    quality = tuple(Quality(*cursor.unpack("BHH", "quality record")) for _ in range(qualities))
    held = cursor.u8("number of certifications") if has_certificates else 0
    certificates = tuple(Certificate(*cursor.unpack("HB", "certification")) for _ in range(held))
    position, number, x_ppcm, y_ppcm, impression, width, height, kinds, count = cursor.unpack(
        "BBHHBHHBB", "representation header"
    )
    if kinds >> 4 not in (5, 6):
        raise cursor.fail("minutia field length", f"is {kinds >> 4}, not 5 or 6")
    minutiae = read_minutiae(cursor, count, kinds >> 4)
    areas, areas_length = read_areas(cursor, whole=False)
    behind = start + stated - cursor.offset
    trailing = cursor.raw(behind, "representation") if 0 < behind <= cursor.left else b""
    return View(
        position=position,
        number=number,
        impression=impression,
        qualities=quality,
        image=Geometry(width, height, x_ppcm, y_ppcm),
        minutiae=minutiae,
        areas=areas,
        areas_length=areas_length,
        date=date,
        device_technology=technology,
        device_vendor=vendor,
        device=device,
        certificates=certificates,
        ridge_ending=kinds & 0x0F,
        has_quality=kinds >> 4 == 6,
        trailing=trailing,
        stated_length=None if stated == cursor.offset - start else stated,
    )


def write_2011(record: MinutiaeRecord) -> bytes:
    """Write a record of the 2011 edition; what `read_2011` read comes out byte for byte.

    Raises
    ------
    FormatError
        A value does not fit its field.
    """
    try:
        body = b"".join(
            _write_view_2011(view, has_certificates=record.has_certificates)
            for view in record.views
        )
        length = HEADER_2011 + len(body)
        head = struct.pack(
            ">4s4sIHB",
            MAGIC,
            record.version or b"030\0",
            length if record.stated_length is None else record.stated_length,
            len(record.views),
            record.has_certificates,
        )
    except (struct.error, ValueError) as error:
        raise FormatError(f"{record.standard.value}: a value exceeds its field ({error})") from None
    return head + body + record.trailing


def _write_view_2011(view: View, *, has_certificates: bool) -> bytes:
    size = 6 if view.has_quality else 5
    parts = [
        struct.pack(">HBBBBBH", *dataclasses.astuple(view.date)),
        struct.pack(
            ">BHHB", view.device_technology, view.device_vendor, view.device, len(view.qualities)
        ),
        *(struct.pack(">BHH", q.value, q.vendor, q.algorithm) for q in view.qualities),
    ]
    if has_certificates:
        parts.append(bytes((len(view.certificates),)))
        parts += (struct.pack(">HB", c.authority, c.scheme) for c in view.certificates)
    image = view.image
    parts += [
        struct.pack(
            ">BBHHB", view.position, view.number, image.x_ppcm, image.y_ppcm, view.impression
        ),
        struct.pack(
            ">HHBB", image.width, image.height, size << 4 | view.ridge_ending, len(view.minutiae)
        ),
        write_minutiae(view.minutiae, size),
        write_areas(view),
        view.trailing,
    ]
    body = b"".join(parts)
    length = len(body) + 4 if view.stated_length is None else view.stated_length
    return struct.pack(">I", length) + body
