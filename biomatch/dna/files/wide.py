"""Wide tables: one row a specimen (SmartRank databases, GeneMapper, plain CSV).

A marker takes one column with all its alleles (``12, 13``, ``6/9.3``; GeneMapper pads with
commas and may put a ``Height`` column after each marker), or several: ``TH01_1,TH01_2,...`` as in
SmartRank, ``TH01 1``, ``TH01-A``, or the same title twice: then a cell holds one allele, and a
comma in it is a decimal comma.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from biomatch.dna.files.long import SAMPLE_TITLES, split_cell
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
from biomatch.dna.loci import canonical, find, sort_loci
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError, ProfileError

__all__ = ["is_wide", "read_wide", "write_smartrank", "write_wide"]

_SUFFIX = re.compile(
    r"(.+?)(?:[ _.:-]+(?:allele|a)?[ _.:-]*|[ _.:-]*allele[ _.:-]*)(?:[1-9]|[ab])", re.IGNORECASE
)
_QUALITY = {"QS1", "QS2"}
_OTHER = frozenset(
    {
        "samplefile",
        "runname",
        "panel",
        "population",
        "ethnicity",
        "sex",
        "gender",
        "comment",
        "comments",
        "category",
        "specimencategory",
        "caseid",
        "sourceid",
        "batchid",
        "date",
        "dye",
        "kit",
        "kitname",
        "project",
        "family",
        "familyid",
        "famid",
        "fid",
        "mid",
        "father",
        "mother",
        "laboratory",
        "lab",
        "country",
        "tissue",
    }
)


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of alleles and, in GeneMapper files, its column of heights.

    `single` says that the locus has several columns, so that a cell holds one allele.
    """

    locus: str
    place: int
    height: int | None
    single: bool = False


def _locus_of(title: str) -> str | None:
    """Locus of a column title, with or without an allele number."""
    known = find(title)
    if known is None:
        parts = _SUFFIX.fullmatch(title.strip())
        known = find(parts[1]) if parts else None
    return known.name if known else None


def is_wide(table: Table) -> bool:
    """Tell whether some titles are loci."""
    return any(_locus_of(title) for title in table.header if title)


def _columns(table: Table, sample: int) -> list[_Column]:
    columns: list[_Column] = []
    at = f"{table.path}: line {table.header_line}"
    for place, title in enumerate(table.header):
        folded = fold(title)
        if place == sample or not title or folded in _OTHER or folded in SAMPLE_TITLES:
            continue
        if folded in {"height", "heights"}:
            if not columns or columns[-1].place != place - 1:
                raise FormatError(f"{at}, column {place + 1}: a height column without its marker")
            columns[-1] = _Column(columns[-1].locus, place - 1, place)
            continue
        if title.upper() in _QUALITY:
            continue
        locus = _locus_of(title)
        if locus is None:
            try:
                canonical(title)
            except ProfileError as error:
                raise ProfileError(f"{at}, column {place + 1}: {error}") from error
        columns.append(_Column(str(locus), place, None))
    often = Counter(column.locus for column in columns)
    return [replace(column, single=often[column.locus] > 1) for column in columns]


def read_wide(table: Table) -> list[DnaProfile]:
    """Read the profiles of a wide table.

    Raises
    ------
    FormatError
        No specimen column, a specimen given twice, a height that is no number.
    ProfileError
        Unknown locus or impossible allele, with line and column.
    """
    sample = first_of(table.header, SAMPLE_TITLES)
    if sample is None:
        raise FormatError(
            f"{table.path}: line {table.header_line}: no column names the specimen; name one of "
            f"them 'SampleName' (the columns begin {', '.join(table.header[:4])})"
        )
    columns = _columns(table, sample)
    kit = first_of(table.header, ("kit", "kitname"))
    seen: dict[str, int] = {}
    profiles = []
    for row in range(len(table.rows)):
        cells = table.cells(row)
        name = cells[sample]
        if is_blank(name.text):
            raise FormatError(f"{table.path}: {name.where}: the cell is empty")
        if name.text in seen:
            raise FormatError(
                f"{table.path}: {name.where}: specimen {name.text!r} was given before, in line "
                f"{seen[name.text]}"
            )
        seen[name.text] = name.line
        used = cells[kit].text if kit is not None else ""
        profiles.append(_profile(table, cells, columns, name.text, used or None))
    if not profiles:
        raise FormatError(f"{table.path}: the table has a header but no rows")
    return profiles


def _profile(
    table: Table, cells: list[Cell], columns: list[_Column], name: str, kit: str | None
) -> DnaProfile:
    calls: dict[str, list[tuple[str, float | None]]] = {}
    where: dict[str, list[Cell]] = {}
    for column in columns:
        cell = cells[column.place]
        text = decimal_point(cell.text) if column.single else cell.text
        tokens = [] if is_blank(text) else split_cell(text)
        if column.single and len(tokens) > 1:
            raise FormatError(
                f"{table.path}: {cell.where}: {cell.text!r} are several alleles, but "
                f"{column.locus} has a column for each"
            )
        if not tokens and column.locus not in calls and cell.text == "":
            continue
        heights: list[float | None] = [None] * len(tokens)
        if column.height is not None:
            heights = _heights(table, cells[column.height], len(tokens))
        calls.setdefault(column.locus, []).extend(zip(tokens, heights, strict=True))
        where.setdefault(column.locus, []).extend([cell] * len(tokens))
    typed = {locus: pairs for locus, pairs in calls.items() if pairs}
    return build_profile(table.path, name, typed, where=where, kit=kit)


def _heights(table: Table, cell: Cell, alleles: int) -> list[float | None]:
    given = split_cell(cell.text)
    if not given:
        return [None] * alleles
    if len(given) != alleles:
        raise FormatError(f"{table.path}: {cell.where}: {len(given)} heights for {alleles} alleles")
    return [number(text, cell, table.path) for text in given]


def write_wide(profiles: Sequence[DnaProfile], delimiter: str = ",") -> str:
    """Write one row a specimen, alleles joined by ``/``; a homozygote once."""
    loci = sort_loci({locus for profile in profiles for locus in profile.loci})
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["SampleName", *loci])
    for profile in profiles:
        writer.writerow([profile.name, *("/".join(profile.loci.get(locus, ())) for locus in loci)])
    return stream.getvalue()


def write_smartrank(profiles: Sequence[DnaProfile]) -> str:
    """Write a SmartRank database: ``specimenId,TH01_1,TH01_2,...`` with NULL; homozygotes twice."""
    loci = sort_loci({locus for profile in profiles for locus in profile.loci})
    width = max([2, *(len(tokens) for p in profiles for tokens in p.loci.values())])
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["specimenId", *(f"{locus}_{n}" for locus in loci for n in range(1, width + 1))]
    )
    for profile in profiles:
        row = [profile.name]
        for locus in loci:
            tokens = profile.loci.get(locus, ())
            shown = list(tokens * 2 if len(tokens) == 1 else tokens)
            row += shown + ["NULL"] * (width - len(shown))
        writer.writerow(row)
    return stream.getvalue()
