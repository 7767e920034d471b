"""Text and tables from files: encoding, delimiter, and positions for error messages."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biomatch.dna.files.safexml import Node
from biomatch.dna.frequencies import SEPARATOR_LINE
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError, ProfileError

__all__ = [
    "MAX_BYTES",
    "Cell",
    "Table",
    "build_profile",
    "ce_allele",
    "decimal_point",
    "is_blank",
    "read_text",
]

MAX_BYTES = 1 << 30
"""Larger files are refused; split them."""

_DECLARED = re.compile(
    rb"<\?xml[^>]*encoding\s*=\s*[\"']"
    rb"((?:iso-?8859-|windows-|cp|koi8-|gb|big5|shift_jis|euc-)[a-z0-9_-]*)",
    re.IGNORECASE,
)
_BLANK = {"", "NA", "N/A", "NULL", "NAN", "-", "."}
_DECIMAL_COMMA = re.compile(r"([<>]?\s*\d{1,3}),(\d)")
_LUS = re.compile(r"(\d+(?:\.\d+)?)_\d+(?:\.\d+)?(?:_\d+(?:\.\d+)?)*")
_ISFG = re.compile(r".*\[\s*(?:CE)?\s*(\d+(?:\.\d)?)\s*\]-.*|CE(\d+(?:\.\d)?)[\[_-].*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table and where it stands.

    Attributes
    ----------
    text
        Content without surrounding blanks.
    line, column
        Place in the file, both from 1.
    title
        The column's header.
    """

    text: str
    line: int
    column: int
    title: str

    @classmethod
    def of(cls, node: Node) -> "Cell":
        """Take an XML element for a cell: its text, place and tag."""
        return cls(node.value, node.line, node.column, node.tag)

    @property
    def where(self) -> str:
        """Place for error messages."""
        return f"line {self.line}, column {self.column} ({self.title})"


@dataclass(frozen=True, slots=True)
class Table:
    """A delimited text file.

    Attributes
    ----------
    path
        For messages.
    delimiter
        Comma, semicolon or tab.
    header
        Column titles without surrounding blanks.
    header_line
        Line of the header.
    rows
        Line number and cells of each non-empty row.
    """

    path: str
    delimiter: str
    header: tuple[str, ...]
    header_line: int
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    @classmethod
    def parse(cls, text: str, path: str) -> "Table":
        """Split text into a table; the delimiter is the one most used in the first line.

        Raises
        ------
        FormatError
            No table, or a row with more cells than the header.
        """
        stated = SEPARATOR_LINE.match(text)
        if stated:
            text = text[stated.end() :]
        lines = text.splitlines()
        first = next((line for line in lines if line.strip()), "")
        delimiter = max("\t;,", key=first.count)
        if not first.count(delimiter):
            raise FormatError(f"{path}: line 1: not a table: no comma, semicolon or tab in it")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows: list[tuple[int, tuple[str, ...]]] = []
        try:
            rows.extend(
                (reader.line_num, tuple(text.strip() for text in texts))
                for texts in reader
                if any(text.strip() for text in texts)
            )
        except csv.Error as error:
            raise FormatError(f"{path}: line {reader.line_num}: {error}") from error
        if not rows:
            raise FormatError(f"{path}: line 1: the table has no titles")
        header_line, header = rows[0]
        width = len(header)
        for line, texts in rows[1:]:
            if any(texts[width:]):
                raise FormatError(
                    f"{path}: line {line}: {len(texts)} cells, but the header has {width} columns"
                )
        return cls(path, delimiter, header, header_line, tuple(rows[1:]))

    def cells(self, number: int) -> list[Cell]:
        """Cells of one row, as many as there are titles; short rows are filled up."""
        line, texts = self.rows[number]
        filled = texts + ("",) * (len(self.header) - len(texts))
        return [
            Cell(text, line, place + 1, title)
            for place, (text, title) in enumerate(zip(filled, self.header, strict=False))
        ]


def read_text(path: Path | str) -> str:
    """Read a text file in UTF-8 (with or without BOM) or UTF-16 with BOM.

    Bytes that are neither are read in the encoding that an XML declaration names, else as
    Windows-1252.

    Raises
    ------
    FormatError
        Missing, empty, too large, or no text.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"{path}: larger than {MAX_BYTES:,} bytes; split the file")
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    if not data.strip():
        raise FormatError(f"{path}: the file is empty")
    encoding = "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    declared = _DECLARED.match(data)
    for name in (encoding, declared[1].decode() if declared else "", "cp1252"):
        try:
            text = data.decode(name or "cp1252")
        except (UnicodeDecodeError, LookupError):
            continue
        if not text.strip():
            raise FormatError(f"{path}: the file is empty")
        if "\0" not in text:
            return text
    raise FormatError(f"{path}: not a text file")


def is_blank(text: str) -> bool:
    """Tell whether a cell says that nothing was typed: empty, NULL, NA, a dash."""
    return text.upper() in _BLANK


def decimal_point(text: str) -> str:
    """Write the one allele of a cell with a point where it has a decimal comma.

    Examples
    --------
    >>> decimal_point("9,3"), decimal_point("<9,3"), decimal_point("12, 13")
    ('9.3', '<9.3', '12, 13')
    """
    found = _DECIMAL_COMMA.fullmatch(text)
    return f"{found[1]}.{found[2]}" if found else text


def ce_allele(text: str) -> str:
    """Length-based part of a sequenced allele; other text is returned as it is.

    ``14_13_1_0`` (longest uninterrupted stretches after the length) and names that hold the
    length in brackets (``D1S1656 [CE 14]-GRCh38...``) stand for allele 14.

    Examples
    --------
    >>> ce_allele("16.3_11_1_0"), ce_allele("9.3")
    ('16.3', '9.3')
    """
    if found := _LUS.fullmatch(text):
        return found[1]
    if found := _ISFG.fullmatch(text):
        return found[1] or found[2]
    return text


def build_profile(
    path: str,
    name: str,
    calls: dict[str, list[tuple[str, float | None]]],
    *,
    where: dict[str, list[Cell]] | None = None,
    **fields: Any,
) -> DnaProfile:
    """Make a profile from raw calls; a bad call is reported with its place.

    Parameters
    ----------
    path, name
        File and specimen.
    calls
        Locus -> (allele text, height) pairs.
    where
        Locus -> cells of the calls, parallel, for messages.
    fields
        Further arguments of `DnaProfile.from_alleles`.

    Raises
    ------
    ProfileError
        The message names file, place, locus and value.
    """
    from biomatch.dna.alleles import normalise

    loci: dict[str, tuple[str, ...]] = {}
    heights: dict[str, tuple[float | None, ...]] = {}
    sequenced: list[str] = []
    for locus, pairs in calls.items():
        tokens = []
        for place, (text, _) in enumerate(pairs):
            short = ce_allele(text)
            if short != text:
                sequenced.append(f"{locus} {text}")
            try:
                tokens.append(normalise(short, locus))
            except ProfileError as error:
                cells = (where or {}).get(locus, [])
                at = f"{cells[place].where}: " if place < len(cells) else f"specimen {name!r}: "
                raise ProfileError(f"{path}: {at}{error}") from error
        loci[locus] = tuple(tokens)
        if any(height is not None for _, height in pairs):
            heights[locus] = tuple(height for _, height in pairs)
    if sequenced and not fields.get("comment"):
        fields["comment"] = "sequenced alleles: " + ", ".join(sequenced)
    try:
        return DnaProfile.from_alleles(loci, name=name, heights=heights, **fields)
    except ProfileError as error:
        raise ProfileError(f"{path}: {_place(where, name)}{error}") from error


def _place(where: dict[str, list[Cell]] | None, name: str) -> str:
    lines = [cell.line for cells in (where or {}).values() for cell in cells]
    return f"line {min(lines)}, specimen {name!r}: " if lines else f"specimen {name!r}: "


def number(text: str, cell: Cell, path: str) -> float:
    """Read a peak height; decimal commas are accepted.

    Raises
    ------
    FormatError
        Not a number of 0 or more.
    """
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise FormatError(f"{path}: {cell.where}: peak height {text!r} is not a number")
    return value


def fold(title: str) -> str:
    """Column title without case, blanks and punctuation."""
    return re.sub(r"[^a-z0-9]", "", title.lower())


def first_of(header: Iterable[str], names: Iterable[str]) -> int | None:
    """Place of the first title that is one of the (folded) names, best name first."""
    folded = [fold(title) for title in header]
    return next((folded.index(name) for name in names if name in folded), None)
