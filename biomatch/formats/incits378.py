"""ANSI INCITS 378 finger minutiae records, 2004, 2007, 2009 and 2009/AM1, read and written.

2004: a header of 26 bytes (30 when the length needs its six-byte form), one image size for
all views. 2009: a header of 21 bytes, image size and quality algorithm in each view. Amendment 1
changes the version to "035" and the meaning of some fields, not the layout. 2007, the draft that
NIST's libbiomeval reads, is 2009 with the capture device in two bytes instead of three.

ISO/IEC 19794-2 records start with the same bytes; `biomatch.formats.fmr.read` tells them apart.
"""

import struct

from biomatch.errors import FormatError
from biomatch.formats.bits import Cursor
from biomatch.formats.iso19794_2 import MAGIC, common_image, write_view_2005
from biomatch.formats.minutiae_record import (
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

__all__ = ["read_2004", "read_2007", "read_2009", "write_2004", "write_2007", "write_2009"]

HEADER_2004 = 26
HEADER_2007 = 20
HEADER_2009 = 21


def read_2004(data: bytes, name: str = "<record>") -> MinutiaeRecord:
    """Read a record of the 2004 edition.

    Raises
    ------
    FormatError
        Truncated, or not of this edition.
    """
    cursor = Cursor(data, name)
    version = cursor.raw(8, "format identifier")[4:]
    length = cursor.u16("record length")
    six_bytes = length == 0
    if six_bytes:
        length = cursor.u32("record length")
    owner, product, device, width, height, x_ppcm, y_ppcm, count, reserved = cursor.unpack(
        "HHHHHHHBB", "record header"
    )
    image = Geometry(width, height, x_ppcm, y_ppcm)
    if not count:
        raise cursor.fail("number of finger views", "is 0")
    whole = length == len(data)
    views = tuple(_view_2004(cursor, image, whole=whole) for _ in range(count))
    return MinutiaeRecord(
        standard=Standard.ANSI_2004,
        views=views,
        product_owner=owner,
        product_type=product,
        certified=device >> 12,
        device=device & 0x0FFF,
        image=image,
        version=version,
        stated_length=None if length == cursor.offset else length,
        long_length=six_bytes and cursor.offset < 0x10000,
        reserved=reserved,
        trailing=cursor.rest(),
    )


def _view_2004(cursor: Cursor, image: Geometry, *, whole: bool) -> View:
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


def write_2004(record: MinutiaeRecord) -> bytes:
    """Write a record of the 2004 edition; what `read_2004` read comes out byte for byte.

    Raises
    ------
    FormatError
        A value does not fit its field, or the views have no common image size.
    """
    image = common_image(record)
    try:
        body = b"".join(write_view_2005(view) for view in record.views)
        length = HEADER_2004 + len(body)
        six_bytes = record.long_length or length > 0xFFFF
        length += 4 if six_bytes else 0
        if record.stated_length is not None:
            length = record.stated_length
        head = MAGIC + (record.version or b" 20\0")
        head += struct.pack(">HI", 0, length) if six_bytes else struct.pack(">H", length)
        head += struct.pack(
            ">HHHHHHHBB",
            record.product_owner,
            record.product_type,
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


def read_2007(data: bytes, name: str = "<record>") -> MinutiaeRecord:
    """Read a record of the draft of 2007.

    Raises
    ------
    FormatError
        Truncated, or not of this edition.
    """
    cursor = Cursor(data, name)
    version = cursor.raw(8, "format identifier")[4:]
    length, owner, product, device, count, reserved = cursor.unpack("IHHHBB", "record header")
    if not count:
        raise cursor.fail("number of finger views", "is 0")
    whole = length == len(data)
    views = tuple(_view_2009(cursor, whole=whole) for _ in range(count))
    return MinutiaeRecord(
        standard=Standard.ANSI_2007,
        views=views,
        product_owner=owner,
        product_type=product,
        certified=device >> 12,
        device=device & 0x0FFF,
        version=version,
        stated_length=None if length == cursor.offset else length,
        reserved=reserved,
        trailing=cursor.rest(),
    )


def write_2007(record: MinutiaeRecord) -> bytes:
    """Write a record of the draft of 2007; what `read_2007` read comes out byte for byte.

    Raises
    ------
    FormatError
        A value does not fit its field.
    """
    try:
        body = b"".join(_write_view_2009(view) for view in record.views)
        length = HEADER_2007 + len(body)
        head = struct.pack(
            ">4s4sIHHHBB",
            MAGIC,
            record.version or b"030\0",
            length if record.stated_length is None else record.stated_length,
            record.product_owner,
            record.product_type,
            record.certified << 12 | record.device,
            len(record.views),
            record.reserved,
        )
    except (struct.error, ValueError) as error:
        raise FormatError(f"{record.standard.value}: a value exceeds its field ({error})") from None
    return head + body + record.trailing


def read_2009(data: bytes, name: str = "<record>") -> MinutiaeRecord:
    """Read a record of the 2009 edition or of its Amendment 1 (version "035").

    Raises
    ------
    FormatError
        Truncated, or not of these editions.
    """
    cursor = Cursor(data, name)
    version = cursor.raw(8, "format identifier")[4:]
    length, owner, product, certified, device, count, reserved = cursor.unpack(
        "IHHBHBB", "record header"
    )
    if not count:
        raise cursor.fail("number of finger views", "is 0")
    whole = length == len(data)
    views = tuple(_view_2009(cursor, whole=whole) for _ in range(count))
    return MinutiaeRecord(
        standard=Standard.ANSI_2009_AM1 if version == b"035\0" else Standard.ANSI_2009,
        views=views,
        product_owner=owner,
        product_type=product,
        certified=certified,
        device=device,
        version=version,
        stated_length=None if length == cursor.offset else length,
        reserved=reserved,
        trailing=cursor.rest(),
    )


def _view_2009(cursor: Cursor, *, whole: bool) -> View:
    position, number, impression, quality, vendor, algorithm = cursor.unpack(
        "BBBBHH", "finger view header"
    )
    width, height, x_ppcm, y_ppcm, count = cursor.unpack("HHHHB", "finger view image size")
    minutiae = read_minutiae(cursor, count)
    areas, areas_length = read_areas(cursor, whole=whole)
    return View(
        position=position,
        number=number,
        impression=impression,
        qualities=(Quality(quality, vendor, algorithm),),
        image=Geometry(width, height, x_ppcm, y_ppcm),
        minutiae=minutiae,
        areas=areas,
        areas_length=areas_length,
    )


def write_2009(record: MinutiaeRecord) -> bytes:
    """Write a record of the 2009 edition or of Amendment 1.

    What `read_2009` read comes out byte for byte.

    Raises
    ------
    FormatError
        A value does not fit its field.
    """
    amended = record.standard is Standard.ANSI_2009_AM1
    try:
        body = b"".join(_write_view_2009(view) for view in record.views)
        length = HEADER_2009 + len(body)
        head = struct.pack(
            ">4s4sIHHBHBB",
            MAGIC,
            record.version or (b"035\0" if amended else b"030\0"),
            length if record.stated_length is None else record.stated_length,
            record.product_owner,
            record.product_type,
            record.certified,
            record.device,
            len(record.views),
            record.reserved,
        )
    except (struct.error, ValueError) as error:
        raise FormatError(f"{record.standard.value}: a value exceeds its field ({error})") from None
    return head + body + record.trailing


def _write_view_2009(view: View) -> bytes:
    quality = view.qualities[0] if view.qualities else Quality(254)
    image = view.image
    return (
        struct.pack(
            ">BBBBHH",
            view.position,
            view.number,
            view.impression,
            quality.value,
            quality.vendor,
            quality.algorithm,
        )
        + struct.pack(
            ">HHHHB", image.width, image.height, image.x_ppcm, image.y_ppcm, len(view.minutiae)
        )
        + write_minutiae(view.minutiae)
        + write_areas(view)
    )
