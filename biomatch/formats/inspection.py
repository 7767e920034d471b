"""What a file holds, record by record and field by field, for people."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biomatch import images
from biomatch.errors import UnreadableSampleError
from biomatch.formats import ansi_nist, fmr, iso19794_4, iso19794_5
from biomatch.formats.ansi_nist.contents import BINARY_COMPRESSION
from biomatch.formats.ansi_nist.dictionary import RECORD_NAMES, field_name
from biomatch.formats.ansi_nist.records import (
    BinaryRecord,
    Field,
    TaggedRecord,
)
from biomatch.formats.samples import read_bytes
from biomatch.formats.sniff import HEAD, Kind, sniff

__all__ = ["ShownField", "ShownRecord", "inspect"]

LONGEST_VALUE = 2000


@dataclass(frozen=True, slots=True)
class ShownField:
    """One field: its tag (``13.006``), mnemonic, name and value in words."""

    tag: str
    mnemonic: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """One record and its fields."""

    title: str
    fields: tuple[ShownField, ...]


def inspect(path: Path | str) -> list[ShownRecord]:
    """List the records and fields of a file.

    Knows ANSI/NIST-ITL transactions, minutiae, finger image and face image records, pictures,
    and files of DNA profiles (a profile a record, a locus a field).

    Raises
    ------
    UnreadableSampleError, FormatError
        As `biomatch.formats.read_samples`.
    """
    path = Path(path)
    data = read_bytes(path)
    kind = sniff(data[:HEAD])
    reader = _READERS.get(kind)
    if reader is None:
        raise UnreadableSampleError(
            f"{path}: is {kind.value}; records are listed of transactions, minutiae, face and "
            "finger image records, pictures and DNA profiles"
        )
    return reader(data, str(path))


def _transaction(data: bytes, name: str) -> list[ShownRecord]:
    transaction = ansi_nist.read(data, name)
    return [_record(record) for record in transaction.records]


def _record(record: ansi_nist.Record) -> ShownRecord:
    title = f"Type-{record.type} {RECORD_NAMES.get(record.type, 'Unknown record')}"
    if record.idc is not None:
        title += f", IDC {record.idc:02d}"
    if isinstance(record, BinaryRecord):
        return ShownRecord(title, tuple(_binary(record)))
    return ShownRecord(title, tuple(_field(record, field) for field in record.fields))


def _field(record: TaggedRecord, field: Field) -> ShownField:
    mnemonic, name = field_name(record.type, field.number)
    if field.number == 999:
        value = f"<{len(field.value):,} bytes>"
    else:
        value = " | ".join(", ".join(items) for items in field.subfields)
    return ShownField(
        f"{record.type}.{field.number:03d}", mnemonic, name or "User-defined", _short(value)
    )


def _short(value: str) -> str:
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
    if len(clean) <= LONGEST_VALUE:
        return clean
    return f"{clean[:LONGEST_VALUE]} ... ({len(clean):,} characters)"


def _binary(record: BinaryRecord) -> list[ShownField]:
    width, height = record.size
    values: list[object] = [len(record.raw), record.idc]
    if record.type == 8:
        values += [record.raw[5], record.raw[6], record.raw[7], width, height]
    elif record.type != 7:
        values += [
            record.impression,
            ", ".join(map(str, record.positions)),
            int(record.native_resolution),
            width,
            height,
            _compression(record),
        ]
    values.append(f"<{len(record.data):,} bytes>")
    numbers = [1, 2, 9] if record.type == 7 else list(range(1, len(values) + 1))
    return [
        ShownField(f"{record.type}.{number:03d}", *field_name(record.type, number), str(value))
        for number, value in zip(numbers, values, strict=True)
    ]


def _compression(record: BinaryRecord) -> str:
    code = record.compression
    if record.type in (5, 6):
        return f"{code} ({'NONE' if code == 0 else 'ANSI/EIA-538'})"
    return f"{code} ({BINARY_COMPRESSION.get(code, 'unknown')})"


def _minutiae_record(data: bytes, name: str) -> list[ShownRecord]:
    record = fmr.read(data, name)
    shown = fmr.fields(record)
    views = shown.pop("fingerprints")
    head = ShownRecord(
        record.standard.value, (*_plain(shown), ShownField("", "", "views", str(len(views))))
    )
    return [head, *(_view(number, view) for number, view in enumerate(views, 1))]


def _plain(values: dict[str, Any]) -> tuple[ShownField, ...]:
    return tuple(ShownField("", "", key, _words(value)) for key, value in values.items())


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return _short(", ".join(f"{key} {_words(item)}" for key, item in value.items()))
    if isinstance(value, list):
        return _short(" | ".join(_words(item) for item in value))
    return "-" if value is None else str(value)


def _view(number: int, view: dict[str, Any]) -> ShownRecord:
    minutiae = view.pop("minutiae")
    points = tuple(
        ShownField(
            str(index),
            "",
            str(m["type"]).lower(),
            f"x {m['positionX']}, y {m['positionY']}, angle {m['angle']}, quality {m['quality']}",
        )
        for index, m in enumerate(minutiae)
    )
    count = ShownField("", "", "minutiae", str(len(minutiae)))
    return ShownRecord(f"Finger view {number}", (*_plain(view), count, *points))


def _face_record(data: bytes, name: str) -> list[ShownRecord]:
    record = iso19794_5.read(data, name)
    return [
        ShownRecord(
            f"ISO/IEC 19794-5 face image {number}, version {record.version}",
            (
                ShownField("", "", "sex", iso19794_5.SEXES.get(face.sex, str(face.sex))),
                ShownField(
                    "", "", "eye colour, hair colour", f"{face.eye_colour}, {face.hair_colour}"
                ),
                ShownField("", "", "pose", ", ".join(map(str, face.pose))),
                ShownField("", "", "image type", iso19794_5.IMAGE_TYPES.get(face.image_type, "?")),
                ShownField("", "", "size", f"{face.width} x {face.height}"),
                ShownField(
                    "", "", "feature points", " | ".join(f"{p.x}, {p.y}" for p in face.points)
                ),
                ShownField("", "", "image", f"<{len(face.data):,} bytes>"),
            ),
        )
        for number, face in enumerate(record.images, 1)
    ]


def _finger_record(data: bytes, name: str) -> list[ShownRecord]:
    record = iso19794_4.read(data, name)
    return [
        ShownRecord(
            f"{record.standard} finger image {number}",
            (
                ShownField("", "", "position", str(finger.position)),
                ShownField("", "", "impression", str(finger.impression)),
                ShownField("", "", "quality", _words(finger.quality)),
                ShownField("", "", "size", f"{finger.width} x {finger.height}"),
                ShownField("", "", "ppi", _words(finger.ppi)),
                ShownField(
                    "", "", "compression", iso19794_4.COMPRESSIONS.get(finger.compression, "?")
                ),
                ShownField("", "", "image", f"<{len(finger.data):,} bytes>"),
            ),
        )
        for number, finger in enumerate(record.images, 1)
    ]


def _picture(data: bytes, name: str) -> list[ShownRecord]:
    picture = images.read(data, name=name)
    height, width = picture.pixels.shape[:2]
    return [
        ShownRecord(
            "Picture",
            (
                ShownField("", "", "size", f"{width} x {height}"),
                ShownField("", "", "ppi", _words(picture.ppi)),
                ShownField("", "", "channels", "3" if picture.pixels.ndim == 3 else "1"),
                ShownField("", "", "bits", str(8 * picture.pixels.itemsize)),
                ShownField("", "", "pages", str(picture.pages)),
            ),
        )
    ]


def _profiles(_: bytes, name: str) -> list[ShownRecord]:
    from biomatch.dna import files

    return [
        ShownRecord(
            f"DNA profile {profile.name}",
            tuple(
                ShownField("", "", locus, ", ".join(alleles))
                for locus, alleles in profile.loci.items()
            ),
        )
        for profile in files.read(name)
    ]


_READERS: dict[Kind, Callable[[bytes, str], list[ShownRecord]]] = {
    Kind.TRANSACTION: _transaction,
    Kind.MINUTIAE_RECORD: _minutiae_record,
    Kind.FACE_RECORD: _face_record,
    Kind.FINGER_RECORD: _finger_record,
    Kind.PICTURE: _picture,
    Kind.TEXT: _profiles,
    Kind.XML: _profiles,
}
