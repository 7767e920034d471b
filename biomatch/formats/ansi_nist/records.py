"""ANSI/NIST-ITL transactions in the traditional encoding: records and fields, byte for byte.

A transaction is a row of logical records. Types 3 to 8 are binary: a four-byte length, a fixed
header, an image. All others are tagged: fields ``T.FFF:value`` separated by GS, subfields by
RS, information items by US, the record closed by FS. The first record (Type-1) lists the others
in its field 1.003.

Reading is lenient, for files that agencies really send: doubled fields, wrong lengths of tagged
records, lists of contents that do not fit, bytes behind the end. Every byte is kept, so that
what was read is written back unchanged.

Source: ANSI/NIST-ITL 1-2011 Update 2015 (NIST Special Publication 500-290e3), clause 7.1 and
Annex B (traditional encoding); ANSI/NIST-ITL 1-2007 for the binary Types 3 to 8.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from biomatch.errors import FormatError

__all__ = [
    "FS",
    "GS",
    "RS",
    "US",
    "BinaryRecord",
    "Field",
    "Record",
    "TaggedRecord",
    "Transaction",
    "read",
    "subfields",
    "tagged",
]

FS, GS, RS, US = b"\x1c", b"\x1d", b"\x1e", b"\x1f"
DATA_FIELD = 999
BINARY_TYPES = frozenset({3, 4, 5, 6, 7, 8})
MOST_RECORDS = 10_000
_PADDING = re.compile(rb"[\0\s\x1a]*\Z")
_TAG = re.compile(rb"\s*(\d{1,2})\.(\d{1,4}):")
_FIRST_TAG = re.compile(rb"\s*(\d{1,2})\.0*1:\s*(\d{1,12})\s*[\x1d\x1c]")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a tagged record.

    Attributes
    ----------
    number
        Field number, 1 to 9999.
    value
        Bytes between the colon and the separator.
    tag
        The tag as written, with its colon (``b"13.001:"``).
    """

    number: int
    value: bytes
    tag: bytes

    @property
    def text(self) -> str:
        """Value as text: UTF-8 where it is valid, else Latin-1, which loses nothing."""
        return _text(self.value)

    @property
    def subfields(self) -> list[list[str]]:
        """Value as subfields of information items."""
        return subfields(self.value)


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def subfields(value: bytes) -> list[list[str]]:
    r"""Split a value into subfields (RS) of information items (US).

    >>> subfields(b"13\x1f01\x1e14\x1f02")
    [['13', '01'], ['14', '02']]
    """
    return [[_text(item) for item in part.split(US)] for part in value.split(RS)]


@dataclass(frozen=True, slots=True)
class TaggedRecord:
    """A record of fields; `end` is its closing FS (empty where a file lacks it)."""

    type: int
    fields: tuple[Field, ...]
    end: bytes = FS

    @property
    def idc(self) -> int | None:
        """Information designation character, which ties records to each other."""
        return self.number(2) if self.type != 1 else None

    def field(self, number: int) -> Field | None:
        """Return the first field of that number, or None."""
        return next((field for field in self.fields if field.number == number), None)

    def value(self, number: int) -> bytes | None:
        """Bytes of the first field of that number, or None."""
        field = self.field(number)
        return None if field is None else field.value

    def text(self, number: int) -> str:
        """Text of the first field of that number, "" when it is absent."""
        field = self.field(number)
        return "" if field is None else field.text

    def number(self, number: int) -> int | None:
        """First whole number in a field, or None."""
        found = re.match(rb"\s*([+-]?\d{1,15})", self.value(number) or b"")
        return int(found[1]) if found else None

    def items(self, number: int) -> list[list[str]]:
        """Subfields of a field, [] when it is absent."""
        field = self.field(number)
        return [] if field is None else field.subfields

    @property
    def data(self) -> bytes:
        """The image or object in field 999, b"" when there is none."""
        return self.value(DATA_FIELD) or b""

    def encode(self) -> bytes:
        """Write the record as it stands."""
        return GS.join(field.tag + field.value for field in self.fields) + self.end


@dataclass(frozen=True, slots=True)
class BinaryRecord:
    """A record of Types 3 to 8: all its bytes, with accessors for the fixed header."""

    type: int
    raw: bytes

    @property
    def idc(self) -> int | None:
        """Information designation character."""
        return self.raw[4] if len(self.raw) > 4 else None

    @property
    def impression(self) -> int:
        """Impression type code (Types 3 to 6)."""
        return self.raw[5]

    @property
    def positions(self) -> list[int]:
        """Finger position codes, 255 = unused left out (Types 3 to 6)."""
        return [code for code in self.raw[6:12] if code != 255]

    @property
    def header_size(self) -> int:
        """Bytes before the image: 18 in Types 3 to 6, 12 in Type 8, 5 in Type 7."""
        return {8: 12, 7: 5}.get(self.type, 18)

    @property
    def native_resolution(self) -> bool:
        """True when the image has the native resolution of field 1.011."""
        return bool(self.raw[self.header_size - 6 if self.type != 8 else 7])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels ((0, 0) for Type 7)."""
        if self.type == 7:
            return (0, 0)
        offset = 8 if self.type == 8 else 13
        width, height = struct.unpack_from(">HH", self.raw, offset)
        return width, height

    @property
    def compression(self) -> int:
        """Compression algorithm code (Types 3 to 6), signature representation (Type 8)."""
        return self.raw[6 if self.type == 8 else 17]

    @property
    def data(self) -> bytes:
        """The image."""
        return self.raw[self.header_size :]

    def encode(self) -> bytes:
        """Write the record as it stands."""
        return self.raw


Record = TaggedRecord | BinaryRecord


@dataclass(frozen=True, slots=True)
class Transaction:
    """A whole file: records in order; `trailing` = bytes behind the last record."""

    records: tuple[Record, ...]
    trailing: bytes = b""

    @property
    def header(self) -> TaggedRecord:
        """The Type-1 record."""
        first = self.records[0]
        if not isinstance(first, TaggedRecord):
            raise FormatError("transaction: the first record is not of Type-1")
        return first

    def of_type(self, kind: int) -> list[Record]:
        """All records of a type."""
        return [record for record in self.records if record.type == kind]

    def encode(self) -> bytes:
        """Write the transaction; what `read` read comes out byte for byte."""
        return b"".join(record.encode() for record in self.records) + self.trailing


def read(data: bytes, name: str = "<transaction>") -> Transaction:
    """Read a transaction.

    Parameters
    ----------
    data
        The file's bytes.
    name
        What error messages call it.

    Raises
    ------
    FormatError
        Not a transaction in the traditional encoding, or truncated; the message names the
        record, the field and the offset.
    """
    found = _FIRST_TAG.match(data)
    if not found or int(found[1]) != 1:
        raise FormatError(
            f"{name}: field 1.001 at offset 0: a transaction starts with '1.001:' and the "
            f"record's length, this file with {data[:8]!r}"
        )
    header, offset = _tagged(data, 0, name)
    records: list[Record] = [header]
    contents = _contents(header)
    while offset < len(data) and len(records) < MOST_RECORDS:
        if _PADDING.match(data, offset):
            break
        record: Record
        expected = contents[len(records)] if len(records) < len(contents) else None
        if _TAG.match(data, offset):
            record, offset = _tagged(data, offset, name)
        elif len(records) >= len(contents) > 1:
            break
        else:
            record, offset = _binary(data, offset, expected, name)
        records.append(record)
    if len(records) < len(contents) and offset >= len(data):
        raise FormatError(
            f"{name}: field 1.003 lists {len(contents)} records, {len(records)} are there: "
            f"the file is truncated at offset {len(data)}"
        )
    return Transaction(tuple(records), data[offset:])


def _contents(header: TaggedRecord) -> list[int]:
    """Record types that field 1.003 lists, beginning with 1."""
    listed = (items[0].strip() for items in header.items(3))
    return [int(kind) for kind in listed if re.fullmatch("[0-9]{1,2}", kind)] or [1]


def _tagged(data: bytes, start: int, name: str) -> tuple[TaggedRecord, int]:
    found = _FIRST_TAG.match(data, start)
    first = found or _TAG.match(data, start)
    kind = int(first[1]) if first else 0
    end = _end(data, start, int(found[2]) if found else 0, kind, name)
    closed = data[end - 1 : end] == FS
    body = data[start : end - 1] if closed else data[start:end]
    fields = tuple(_fields(body, kind))
    return TaggedRecord(kind, fields, FS if closed else b""), end


def _end(data: bytes, start: int, length: int, kind: int, name: str) -> int:
    """Find the offset behind a tagged record, by its length or else by its closing FS."""
    end = start + length
    if length > 0 and end <= len(data) and data[end - 1 : end] == FS:
        return end
    nearest = data.find(FS, start)
    while nearest >= 0:
        after = nearest + 1
        if _FIRST_TAG.match(data, after) or _PADDING.match(data, after):
            return after
        if kind in (1, 2, 9) and GS not in data[after : after + 4]:
            return after  # a binary record may follow, and these types hold no binary data
        nearest = data.find(FS, after)
    if length > 0 and end <= len(data):
        return end
    raise FormatError(
        f"{name}: field {kind}.001 at offset {start}: the record needs {length} bytes, "
        f"{len(data) - start} are left: the file is truncated"
    )


def _fields(body: bytes, kind: int) -> Iterator[Field]:
    """Split a record at the separators that a tag follows; field 999 runs to the end."""
    offset = 0
    while offset <= len(body):
        found = _TAG.match(body, offset)
        if not found:
            yield Field(0, body[offset:], b"")
            return
        number = int(found[2])
        end = len(body) if number == DATA_FIELD else _field_end(body, found.end(), kind)
        yield Field(number, body[found.end() : end], body[offset : found.end()])
        if end == len(body):
            return
        offset = end + 1


def _field_end(body: bytes, offset: int, kind: int) -> int:
    end = body.find(GS, offset)
    while end >= 0:
        found = _TAG.match(body, end + 1)
        if found and int(found[1]) == kind:
            return end
        end = body.find(GS, end + 1)
    return len(body)


def _binary(data: bytes, start: int, expected: int | None, name: str) -> tuple[BinaryRecord, int]:
    kind = expected if expected in BINARY_TYPES else 4
    if start + 4 > len(data):
        raise FormatError(
            f"{name}: record length at offset {start}: needs 4 bytes, {len(data) - start} are "
            "left: the file is truncated"
        )
    (length,) = struct.unpack_from(">I", data, start)
    record = BinaryRecord(kind, data[start : start + length])
    if length < record.header_size or start + length > len(data):
        raise FormatError(
            f"{name}: Type-{kind} record length at offset {start}: is {length}, the header takes "
            f"{record.header_size} and {len(data) - start} bytes are left: the file is truncated "
            "or damaged"
        )
    return record, start + length


def tagged(
    kind: int, values: Sequence[tuple[int, bytes | str | Iterable[Iterable[object]]]]
) -> TaggedRecord:
    r"""Make a record of Type `kind`; its length (field 001) is computed and put first.

    Parameters
    ----------
    kind
        Record type.
    values
        (field number, value): bytes and text as they are, else subfields of items.

    >>> tagged(2, [(2, "00"), (7, "A1")]).encode()
    b'2.001:27\x1d2.002:00\x1d2.007:A1\x1c'
    """
    fields = [
        Field(number, _value(value), f"{kind}.{number:03d}:".encode()) for number, value in values
    ]
    first = Field(1, b"", f"{kind}.001:".encode())
    size = len(TaggedRecord(kind, (first, *fields)).encode())
    length = size
    while len(str(length)) + size != length:
        length = size + len(str(length))
    return TaggedRecord(kind, (replace(first, value=str(length).encode()), *fields))


def _value(value: bytes | str | Iterable[Iterable[object]]) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        text = re.sub("[\x1c-\x1f]", " ", value)
        return text.encode("utf-8")
    return RS.join(US.join(_value(str(item)) for item in items) for items in value)
