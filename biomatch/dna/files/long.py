"""Long tables: one row a specimen and marker (EuroForMix, LRmix Studio, GeneMapper, plain CSV).

``SampleName,Marker,Allele1,Allele2,...,Height1,...`` with comma, semicolon or tab; GeneMapper
writes ``Sample Name``, ``Allele 1`` and ``Height 1``. A single column ``Alleles`` may hold all
alleles of a marker, and a single column ``Allele`` one of them a row. Decimal commas are read
where a cell holds one allele. The two parts of a duplicated marker (``DYS385a``, ``DYS385b``) may
have a row each.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from biomatch.dna.files.text import (
    Cell,
    Table,
    build_profile,
    decimal_point,
    first_of,
    fold,
    is_blank,
    number,
)
from biomatch.dna.loci import find
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError, ProfileError

__all__ = ["is_long", "read_long", "write_long"]

SAMPLE_TITLES = [
    "samplename",
    "specimenid",
    "specimen",
    "sampleid",
    "sample",
    "profilename",
    "profile",
    "name",
    "person",
    "id",
    "replicate",
    "donor",
    "subject",
    "samplefile",
]
MARKER_TITLES = ["marker", "markername", "locus", "locusname", "system", "systemname"]
_QUALITY = {"QS1", "QS2"}
_PARTS = re.compile(r"(dys385|dyf387s1)([ab])")


@dataclass(slots=True)
class _Specimen:
    name: str
    file: str
    calls: dict[str, list[tuple[str, float | None]]] = field(default_factory=dict)
    cells: dict[str, list[Cell]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    kit: str | None = None


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which columns of a long table hold what; -1 = there is none."""

    sample: int
    marker: int
    alleles: tuple[int, ...]
    heights: tuple[int, ...]
    joined: bool
    one_a_row: bool
    kit: int
    file: int


def _numbered(header: Sequence[str], stem: str) -> tuple[int, ...]:
    found = []
    for place, title in enumerate(header):
        match = re.fullmatch(rf"{stem}(\d+)", fold(title))
        if match:
            found.append((int(match[1]), place))
    return tuple(place for _, place in sorted(found))


def is_long(table: Table) -> bool:
    """Tell whether the header names allele columns (whether or not a marker column is there)."""
    header = table.header
    return bool(_numbered(header, "allele")) or (
        first_of(header, MARKER_TITLES) is not None
        and first_of(header, ("alleles", "allele", "genotype")) is not None
    )


def _layout(table: Table) -> _Layout:
    header, at = table.header, f"{table.path}: line {table.header_line}"
    marker = first_of(header, MARKER_TITLES)
    if marker is None:
        raise FormatError(
            f"{at}: there are allele columns but no marker column; name one of them 'Marker' or "
            f"'Locus' (the columns are {', '.join(header)})"
        )
    sample = first_of(header, SAMPLE_TITLES)
    if sample is None:
        raise FormatError(
            f"{at}: no column names the specimen; name one of them 'SampleName' (the columns "
            f"are {', '.join(header)})"
        )
    kit = first_of(header, ("kit", "kitname"))
    file = first_of(header, ("samplefile", "samplefilename", "filename"))
    alleles = _numbered(header, "allele")
    one = first_of(header, ("alleles", "genotype", "allele"))
    if not alleles and one is not None:
        single = fold(header[one]) == "allele"
        height = first_of(header, ("height", "heights"))
        return _Layout(
            sample,
            marker,
            (one,),
            () if height is None else (height,),
            not single,
            single,
            -1 if kit is None else kit,
            -1 if file is None else file,
        )
    heights = _numbered(header, "height") or _numbered(header, "peakheight")
    return _Layout(
        sample,
        marker,
        alleles,
        heights,
        False,
        False,
        -1 if kit is None else kit,
        -1 if file is None else file,
    )


def read_long(table: Table) -> list[DnaProfile]:
    """Read the profiles of a long table, in the order of their first row.

    Raises
    ------
    FormatError
        A column is missing, a height is no number, a marker is given twice.
    ProfileError
        Unknown locus or impossible allele, with line and column.
    """
    layout = _layout(table)
    specimens: dict[tuple[str, str], _Specimen] = {}
    for row in range(len(table.rows)):
        _read_row(table, layout, table.cells(row), specimens)
    if not specimens:
        raise FormatError(f"{table.path}: the table has a header but no rows")
    often = Counter(one.name for one in specimens.values())
    return [
        build_profile(
            table.path,
            one.name if often[one.name] == 1 else f"{one.name} ({one.file})",
            one.calls,
            where=one.cells,
            kit=one.kit,
        )
        for one in specimens.values()
    ]


def _read_row(
    table: Table,
    layout: _Layout,
    cells: list[Cell],
    specimens: dict[tuple[str, str], _Specimen],
) -> None:
    name, marker = cells[layout.sample], cells[layout.marker]
    if is_blank(name.text) or not marker.text:
        missing = name if is_blank(name.text) else marker
        raise FormatError(f"{table.path}: {missing.where}: the cell is empty")
    if marker.text.upper() in _QUALITY:
        return
    locus = find(marker.text)
    if locus is None:
        raise ProfileError(f"{table.path}: {marker.where}: {_unknown(marker.text)}")
    file = cells[layout.file].text if layout.file >= 0 else ""
    specimen = specimens.setdefault((name.text, file), _Specimen(name.text, file))
    part = _PARTS.fullmatch(fold(marker.text))
    key = f"{locus.name}{part[2]}" if part else locus.name
    if key in specimen.lines and not layout.one_a_row:
        raise FormatError(
            f"{table.path}: {marker.where}: marker {marker.text} of specimen {name.text!r} was "
            f"given before, in line {specimen.lines[key]}; name replicates differently"
        )
    specimen.lines.setdefault(key, marker.line)
    if layout.kit >= 0 and cells[layout.kit].text:
        specimen.kit = cells[layout.kit].text
    calls, where = _calls(table, layout, cells)
    specimen.calls.setdefault(locus.name, []).extend(calls)
    specimen.cells.setdefault(locus.name, []).extend(where)


def _calls(
    table: Table, layout: _Layout, cells: list[Cell]
) -> tuple[list[tuple[str, float | None]], list[Cell]]:
    if layout.joined:
        return _joined(table, layout, cells)
    calls: list[tuple[str, float | None]] = []
    where = []
    for order, place in enumerate(layout.alleles):
        cell = cells[place]
        height = cells[layout.heights[order]] if order < len(layout.heights) else None
        known = height is not None and not is_blank(height.text)
        if is_blank(cell.text):
            continue
        value = number(height.text, height, table.path) if height is not None and known else None
        calls.append((decimal_point(cell.text), value))
        where.append(cell)
    return calls, where


def _joined(
    table: Table, layout: _Layout, cells: list[Cell]
) -> tuple[list[tuple[str, float | None]], list[Cell]]:
    cell = cells[layout.alleles[0]]
    tokens = split_cell(cell.text)
    heights: list[float | None] = [None] * len(tokens)
    if layout.heights:
        height = cells[layout.heights[0]]
        given = split_cell(height.text)
        if given and len(given) != len(tokens):
            raise FormatError(
                f"{table.path}: {height.where}: {len(given)} heights for {len(tokens)} alleles"
            )
        heights = [number(text, height, table.path) for text in given] or heights
    return list(zip(tokens, heights, strict=True)), [cell] * len(tokens)


def split_cell(text: str) -> list[str]:
    """Alleles of a cell; blanks are left out.

    A comma separates alleles, unless another separator does: then it is a decimal comma.

    Examples
    --------
    >>> split_cell("12, 13, , ,"), split_cell("6/9,3"), split_cell("16-17")
    (['12', '13'], ['6', '9.3'], ['16', '17'])
    """
    text = re.sub(r"(?<=\d)\s*-\s*(?=\d)", "/", text.strip())
    if re.search(r"[/|;]", text):
        text = re.sub(r"(?<=\d),(?=\d(?!\d))", ".", text)
    return [part for part in re.split(r"[,;/|\s]+", text) if not is_blank(part)]


def _unknown(name: str) -> str:
    from biomatch.dna.loci import canonical

    try:
        canonical(name)
    except ProfileError as error:
        return str(error)
    return f"unknown locus {name!r}"


def write_long(profiles: Sequence[DnaProfile], delimiter: str = ",") -> str:
    """Write profiles as EuroForMix and LRmix Studio read them: homozygotes twice.

    Heights are written when any profile has them. A single allele of a locus is written twice
    unless the profile is a mixture or has heights (there it is one peak).
    """
    width = max([2, *(len(tokens) for p in profiles for tokens in p.loci.values())])
    tall = any(profile.heights for profile in profiles)
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    numbers = range(1, width + 1)
    titles = [f"Allele{n}" for n in numbers] + ([f"Height{n}" for n in numbers] if tall else [])
    writer.writerow(["SampleName", "Marker", *titles])
    for profile in profiles:
        for locus, tokens in profile.loci.items():
            heights = profile.heights.get(locus, ())
            twice = len(tokens) == 1 and not heights and not profile.is_mixture
            row = [*(tokens * 2 if twice else tokens)]
            row += [""] * (width - len(row))
            if tall:
                shown = ["" if height is None else f"{height:g}" for height in heights]
                row += shown + [""] * (width - len(shown))
            writer.writerow([profile.name, locus, *row])
    return stream.getvalue()
