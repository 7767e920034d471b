"""Big-endian cursor over untrusted bytes: every read names its field and offset when it fails."""

import struct

from biomatch.errors import FormatError

__all__ = ["Cursor"]


class Cursor:
    """Reads the big-endian fields that ISO and INCITS records are made of.

    Parameters
    ----------
    data
        The record.
    name
        What error messages call the record, usually its file name.
    offset, end
        The part of `data` that may be read; offsets in messages count from the start of `data`.
    """

    __slots__ = ("_end", "data", "name", "offset")

    def __init__(self, data: bytes, name: str, offset: int = 0, end: int | None = None) -> None:
        self.data = data
        self.name = name
        self.offset = offset
        self._end = len(data) if end is None else min(end, len(data))

    @property
    def left(self) -> int:
        """Bytes that are still unread."""
        return self._end - self.offset

    def fail(self, field: str, problem: str, offset: int | None = None) -> FormatError:
        """Make the error for `field`; the caller raises it."""
        place = self.offset if offset is None else offset
        return FormatError(f"{self.name}: {field} at offset {place}: {problem}")

    def raw(self, length: int, field: str) -> bytes:
        """Read `length` bytes.

        Raises
        ------
        FormatError
            The record ends before.
        """
        if length > self.left:
            raise self.fail(
                field,
                f"needs {length} bytes, {max(self.left, 0)} are left: the record is truncated",
            )
        start = self.offset
        self.offset += length
        return self.data[start : self.offset]

    def rest(self) -> bytes:
        """Read all that is left."""
        return self.raw(max(self.left, 0), "rest")

    def u8(self, field: str) -> int:
        """Read an unsigned byte."""
        return self.raw(1, field)[0]

    def u16(self, field: str) -> int:
        """Read two bytes, most significant first."""
        return int.from_bytes(self.raw(2, field), "big")

    def u32(self, field: str) -> int:
        """Read four bytes, most significant first."""
        return int.from_bytes(self.raw(4, field), "big")

    def unpack(self, layout: str, field: str) -> tuple[int, ...]:
        """Read several fields at once in `struct` notation (big-endian is added)."""
        return struct.unpack(f">{layout}", self.raw(struct.calcsize(f">{layout}"), field))
