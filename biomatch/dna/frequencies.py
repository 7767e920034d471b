"""Allele frequency tables, and what stands in for alleles they do not list."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from biomatch.dna.alleles import is_exact, is_wildcard, normalise, sort_alleles, tenths
from biomatch.dna.loci import find, sort_loci
from biomatch.errors import FormatError, OptionError, ProfileError

__all__ = ["Frequencies", "as_tables"]

_FALLBACK_MINIMUM = 0.001
"""Minimum frequency where the table gives no sample size (the default of EuroForMix)."""

_TABLES = MappingProxyType(
    {
        "nist1036": "NIST 1036 (Steffen et al. 2017)",
        "fbi2016": "FBI expanded CODIS loci (Moretti et al. 2016)",
        "uk-dna17": "UK Home Office DNA-17",
        "norstr2023": "norSTR 2023, Norway and regions",
    }
)

_SPREADSHEET = re.compile(r"([<>]?\s*[0-9]{1,3})[.,]([0-9])0?")

SEPARATOR_LINE = re.compile(r"sep=[,;\t]?[ \t]*(?=[\r\n]|\Z)", re.IGNORECASE)
"""First line that Excel reads, and leaves, in tables: it names the delimiter."""

_LARGEST_SUM = 1.05
"""Published tables add up to 1 but for rounding (up to 1.005)."""

_TITLES = MappingProxyType({"marker": "locus", "system": "locus", "freq": "frequency"})

Table = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Frequencies:
    """Allele frequencies of one population. Make it with `load`, `read` or `from_dict`.

    Attributes
    ----------
    name, population
        Where the figures come from; both are printed with every result.
    table
        Locus -> allele -> frequency (0 to 1), alleles in ascending order.
    sample_sizes
        Locus -> number of alleles typed (twice the number of persons), where known.
    minimum
        Minimum allele frequency; None = 5/2N where 2N is known (National Research Council
        1996, chapter 5), else 0.001.
    floor
        True: the minimum also replaces lower listed frequencies. False: it only stands in for
        alleles that the table does not list.
    """

    name: str
    population: str
    table: Table
    sample_sizes: Mapping[str, int] = field(default_factory=dict)
    minimum: float | None = None
    floor: bool = False

    @classmethod
    def from_dict(
        cls,
        table: Table,
        *,
        name: str = "custom",
        population: str = "",
        sample_sizes: Mapping[str, int] | None = None,
        minimum: float | None = None,
        floor: bool = False,
    ) -> "Frequencies":
        """Make a table from ``{locus: {allele: frequency}}``.

        Locus names and alleles are normalised; names that no registry knows are kept as they
        are, since a laboratory's table defines its own markers.

        Raises
        ------
        OptionError
            A frequency or the minimum is outside 0 to 1, or a locus is given twice.

        Examples
        --------
        >>> table = Frequencies.from_dict({"THO1": {"9.3": 0.3, "6": 0.2}})
        >>> table.frequency("TH01", "9.3"), table.frequency("TH01", "7")
        (0.3, 0.001)
        """
        _check_share("minimum allele frequency", minimum)
        loci: dict[str, Mapping[str, float]] = {}
        for spelling, alleles in table.items():
            locus = _locus(spelling)
            if locus in loci:
                raise OptionError(f"frequency table {name!r}: locus {locus} is given twice")
            loci[locus] = _column(name, locus, alleles)
        sizes = {_locus(key): size for key, size in (sample_sizes or {}).items()}
        return cls(
            name=name,
            population=population,
            table=MappingProxyType({locus: loci[locus] for locus in sort_loci(loci)}),
            sample_sizes=MappingProxyType(sizes),
            minimum=minimum,
            floor=floor,
        )

    @classmethod
    def load(cls, name: str, population: str | None = None) -> "Frequencies":
        """Load a table that comes with biomatch.

        Parameters
        ----------
        name
            ``"nist1036"``, ``"fbi2016"``, ``"uk-dna17"`` or ``"norstr2023"``.
        population
            Population of the table; may be left out where there is only one.

        Raises
        ------
        OptionError
            Unknown table or population; the message lists the known ones.

        Examples
        --------
        >>> Frequencies.load("nist1036", population="Cauc").n_alleles("TH01")
        722
        """
        name = _shipped_name(name)
        if name not in _TABLES:
            raise OptionError(
                f"unknown frequency table {name!r}; known are {', '.join(_TABLES)}, or give a file"
            )
        return _choose(_shipped(name), population, name)

    @classmethod
    def read(cls, path: str | Path, population: str | None = None) -> "Frequencies":
        """Read a table from a file, recognised by content.

        CSV, STRidER XML, Familias projects and SmartRank search criteria. A CSV file is long or
        wide. Long: columns ``locus, allele, frequency`` and optionally ``population`` and ``n``.
        Wide (EuroForMix, LRmix): ``Allele, <locus>, <locus>, ...``, absent = blank or NA; the
        first title may be missing, as R writes it. Or a list (Familias, forrel): each locus'
        name above lines of allele and frequency. Comma, semicolon, tab and decimal commas are
        recognised.

        Raises
        ------
        FormatError
            Not such a file; the message names line and column.
        OptionError
            The file has several populations and none, or an unknown one, was asked for.
        """
        from biomatch.dna import files

        return _choose(files.read_frequencies(path), population, str(path))

    @classmethod
    def read_all(cls, path: str | Path) -> "dict[str, Frequencies]":
        """Read all populations of a CSV file: population -> table."""
        from biomatch.dna.files.text import read_text

        return _parse(read_text(path), Path(path).stem, str(path))

    @classmethod
    def find(
        cls, source: "str | Path", populations: Iterable[str] = ()
    ) -> "tuple[Frequencies, ...]":
        """Return populations of a table that comes with biomatch or of a file; default all.

        Raises
        ------
        OptionError
            Unknown table or population.
        FormatError
            The file is no frequency table.
        """
        if _shipped_name(str(source)) in _TABLES:
            tables = _shipped(_shipped_name(str(source)))
        elif Path(source).is_file():
            from biomatch.dna import files

            tables = files.read_frequencies(source)
        else:
            raise OptionError(
                f"frequency table {str(source)!r} is neither a file nor one of {', '.join(_TABLES)}"
            )
        wanted = list(populations) or list(tables)
        return tuple(_choose(tables, population, str(source)) for population in wanted)

    @staticmethod
    def available() -> "dict[str, dict[str, Frequencies]]":
        """All tables that come with biomatch: name -> population -> table."""
        return {name: dict(_shipped(name)) for name in _TABLES}

    def with_minimum(self, minimum: float | None, *, floor: bool = True) -> "Frequencies":
        """Return the same table with another minimum (None = 5/2N) as a floor."""
        _check_share("minimum allele frequency", minimum)
        return replace(self, minimum=minimum, floor=floor)

    @property
    def loci(self) -> tuple[str, ...]:
        """Loci of the table, in registry order."""
        return tuple(self.table)

    def __contains__(self, locus: str) -> bool:
        return locus in self.table

    def n_alleles(self, locus: str) -> int | None:
        """Return the number of alleles typed at a locus (2N), if the source gives it."""
        return self.sample_sizes.get(locus)

    def alleles(self, locus: str) -> tuple[str, ...]:
        """Return the listed alleles of a locus in ascending order."""
        return tuple(self.table[locus])

    def minimum_at(self, locus: str) -> float:
        """Return the minimum frequency that applies at a locus."""
        if self.minimum is not None:
            return self.minimum
        size = self.sample_sizes.get(locus)
        return 5.0 / size if size else _FALLBACK_MINIMUM

    def frequency(self, locus: str, allele: str) -> float:
        """Return the frequency of an allele; the minimum when the table does not list it.

        An open-ended allele (``<9``, ``>27``) that is not listed has the sum of the listed
        alleles in its range, at least the minimum. A wildcard has frequency 1.

        Raises
        ------
        ProfileError
            The table lacks the locus.
        """
        if locus not in self.table:
            raise ProfileError(f"{locus}: not in the frequency table {self}")
        column = self.table[locus]
        if allele in column:
            listed = column[allele]
            return max(listed, self.minimum_at(locus)) if self.floor else listed
        if is_wildcard(allele):
            return 1.0
        if allele[0] in "<>":
            return max(self.minimum_at(locus), _range_sum(column, allele))
        return self.minimum_at(locus)

    def __reduce__(self) -> tuple[Any, ...]:
        table = {locus: dict(column) for locus, column in self.table.items()}
        values = (self.name, self.population, table, dict(self.sample_sizes))
        return (_restored, (*values, self.minimum, self.floor))

    def __str__(self) -> str:
        return f"{self.name} {self.population}".strip()

    @property
    def minimum_rule(self) -> str:
        """Say which minimum applies to which alleles, for results."""
        rule = "5/2N (0.001 where N is unknown)" if self.minimum is None else f"{self.minimum:g}"
        return f"{rule} for {'all' if self.floor else 'unlisted'} alleles"


def as_tables(frequencies: "Frequencies | Iterable[Frequencies]") -> "tuple[Frequencies, ...]":
    """Return one table or several as a tuple.

    Raises
    ------
    OptionError
        Something among them is no table.
    """
    tables = (frequencies,) if isinstance(frequencies, Frequencies) else tuple(frequencies)
    for table in tables:
        if not isinstance(table, Frequencies):
            raise OptionError(
                f"{frequencies!r} is no frequency table; make one by Frequencies.load, read or "
                "from_dict"
            )
    return tables


def _restored(
    name: str, population: str, table: Table, sizes: Mapping[str, int], *rest: Any
) -> Frequencies:
    frozen = MappingProxyType({locus: MappingProxyType(table[locus]) for locus in table})
    return Frequencies(name, population, frozen, MappingProxyType(sizes), *rest)


def _check_share(what: str, value: float | None) -> None:
    if value is not None and not 0.0 < value <= 1.0:
        raise OptionError(f"{what} is {value}; give a share above 0 and at most 1")


def _locus(spelling: str) -> str:
    found = find(spelling)
    return found.name if found else spelling.strip()


def _token(value: str, locus: str) -> str:
    """Normalise an allele; what is no repeat number (a base of a SNP) stays as it is.

    Spreadsheets write all alleles with as many decimals (``9.30``, ``6.00``), or with a decimal
    comma.
    """
    text = value.strip()
    if found := _SPREADSHEET.fullmatch(text):
        text = f"{found[1]}.{found[2]}"
    try:
        return normalise(text, locus)
    except ProfileError as error:
        if re.fullmatch(r"[<>]?[0-9]{1,9}(\.[0-9]{1,2})?|[^\W\d].*", text):
            return text
        raise OptionError(str(error)) from error


def _column(name: str, locus: str, alleles: Mapping[str, float]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for allele, frequency in alleles.items():
        if not 0.0 <= frequency <= 1.0:
            raise OptionError(
                f"frequency table {name!r}: {locus} allele {allele} has frequency {frequency}; "
                "give shares between 0 and 1"
            )
        if frequency > 0:
            token = _token(str(allele), locus)
            if token in found:
                raise OptionError(
                    f"frequency table {name!r}: {locus} allele {token} is given twice"
                )
            found[token] = float(frequency)
    return MappingProxyType({token: found[token] for token in sort_alleles(set(found))})


def _range_sum(column: Mapping[str, float], allele: str) -> float:
    size = tenths(allele)
    return sum(
        frequency
        for listed, frequency in column.items()
        if is_exact(listed)
        and "0" <= listed[0] <= "9"
        and (tenths(listed) < size if allele[0] == "<" else tenths(listed) > size)
    )


def _shipped_name(name: str) -> str:
    """Fold case and separators: ``NIST1036`` and ``uk_dna17`` are found as well."""
    return name.strip().lower().replace("_", "-")


@cache
def _shipped(name: str) -> dict[str, Frequencies]:
    text = resources.files("biomatch.dna").joinpath(f"data/{name}.csv").read_text("utf-8")
    return _parse(text, name, name)


def _choose(tables: Mapping[str, Frequencies], population: str | None, where: str) -> Frequencies:
    if population is None and len(tables) == 1:
        return next(iter(tables.values()))
    names = {name.casefold(): name for name in tables}
    found = None if population is None else names.get(population.casefold())
    if found is None:
        asked = f"has no population {population!r}" if population else "has several populations"
        raise OptionError(f"frequency table {where} {asked}; choose one of {', '.join(tables)}")
    return tables[found]


def _parse(text: str, name: str, where: str) -> dict[str, Frequencies]:
    try:
        rows = list(_rows(text))
    except csv.Error as error:
        raise FormatError(f"{where}: not a table of cells: {error}") from error
    if not rows:
        raise FormatError(f"{where}: the frequency file is empty")
    header = [cell.strip() for cell in rows[0][1]]
    lower = [_TITLES.get(cell.lower(), cell.lower()) for cell in header]
    try:
        if {"locus", "allele", "frequency"} <= set(lower):
            return _parse_long(rows[1:], lower, name, where)
        if _lacks_first_title(rows):
            header = ["", *header]
        if len(header) > 1 and header[0].lower() in {"", "allele", "alleles"} and any(header[1:]):
            return {"": _parse_wide(rows[1:], header, name, where)}
        if sum(map(bool, header)) == 1 and len(rows) > 1:
            return {"": _parse_list(rows, name, where)}
    except OptionError as error:
        raise FormatError(f"{where}: {error}") from error
    raise FormatError(
        f"{where}: line {rows[0][0]}: expected the columns locus, allele, frequency or Allele, "
        "<locus>, ..., or each locus' name above lines of allele and frequency"
    )


def _lacks_first_title(rows: list[tuple[int, list[str]]]) -> bool:
    """Tell whether the titles are loci only, with a column more below (as R writes row names)."""
    titles = rows[0][1]
    below = {len(row) for _, row in rows[1:]}
    return below == {len(titles) + 1} and all(find(title) for title in titles)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of the lines that hold something.

    The delimiter is that of the first line that has one; blanks where no line has.
    """
    lines = text.splitlines()
    if lines and SEPARATOR_LINE.match(lines[0]):
        lines[0] = ""
    first = next((line for line in lines if any(mark in line for mark in "\t;,")), "")
    if not first:
        for number, line in enumerate(map(str.strip, lines), 1):
            if line:
                yield number, [line] if find(line) else line.split()
        return
    reader = csv.reader(lines, delimiter=max("\t;,", key=first.count))
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


def _parse_list(rows: Iterable[tuple[int, list[str]]], name: str, where: str) -> Frequencies:
    """Read the lists of Familias and forrel: a locus' name, then a line for each allele."""
    table: dict[str, dict[str, float]] = {}
    locus = ""
    for line, row in rows:
        cells = [cell.strip() for cell in row if cell.strip()]
        if len(cells) == 1 and not cells[0][:1].isdigit():
            locus = cells[0]
            if locus in table:
                raise FormatError(f"{where}: line {line}: locus {locus} is given twice")
            table[locus] = {}
        elif len(cells) == 2 and locus:
            frequency = _number(cells[1], where, line)
            _list(table[locus], locus, cells[0], frequency, f"{where}: line {line}")
        else:
            raise FormatError(
                f"{where}: line {line}: expected a locus' name, or an allele and its frequency"
            )
    return Frequencies.from_dict(table, name=name)


def _parse_long(
    rows: Iterable[tuple[int, list[str]]], header: list[str], name: str, where: str
) -> dict[str, Frequencies]:
    tables: dict[str, dict[str, dict[str, float]]] = {}
    sizes: dict[str, dict[str, int]] = {}
    for line, row in rows:
        values = dict(zip(header, (cell.strip() for cell in row), strict=False))
        population, locus = values.get("population", ""), values.get("locus", "")
        column = tables.setdefault(population, {}).setdefault(locus, {})
        frequency = _number(values.get("frequency", ""), where, line)
        _list(column, locus, values.get("allele", ""), frequency, f"{where}: line {line}")
        if values.get("n"):
            sizes.setdefault(population, {})[locus] = int(_count(values["n"], where, line))
    return {
        population: Frequencies.from_dict(
            table, name=name, population=population, sample_sizes=sizes.get(population)
        )
        for population, table in tables.items()
    }


def _parse_wide(
    rows: Iterable[tuple[int, list[str]]], header: list[str], name: str, where: str
) -> Frequencies:
    table: dict[str, dict[str, float]] = {locus: {} for locus in header[1:] if locus}
    sizes: dict[str, int] = {}
    for line, row in rows:
        allele = row[0].strip()
        for locus, cell in zip(header[1:], row[1:], strict=False):
            value = cell.strip()
            if not locus or value in {"", "NA", "NULL"}:
                continue
            if allele.upper() in {"N", "2N"}:
                sizes[locus] = int(_count(value, where, line)) * (2 if allele == "N" else 1)
            else:
                frequency = _number(value, where, line)
                _list(table[locus], locus, allele, frequency, f"{where}: line {line}")
    return Frequencies.from_dict(table, name=name, sample_sizes=sizes)


def _list(column: dict[str, float], locus: str, allele: str, frequency: float, where: str) -> None:
    if allele in column:
        raise FormatError(f"{where}: {locus} allele {allele} is given twice")
    if sum(column.values()) + frequency > _LARGEST_SUM:
        raise FormatError(f"{where}: the frequencies of {locus} add up to more than 1")
    column[allele] = frequency


def _number(text: str, where: str, line: int) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise FormatError(f"{where}: line {line}: frequency {text!r} is not between 0 and 1")
    return value


def _count(text: str, where: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value < 1:
        raise FormatError(f"{where}: line {line}: number of alleles {text!r} is not positive")
    return value
