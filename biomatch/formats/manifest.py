"""Manifests: which file shows whom. CSV or JSON lines, or simply a folder of files.

Columns (JSON keys) are ``path`` and any of ``subject``, ``modality``, ``finger``,
``impression``, ``ppi``, ``owner``, ``category``, ``gallery``, ``sex``, ``year_of_birth``,
``expires_on``, ``case`` and ``captured_on``; other names are refused, so a misspelt column is
never silently ignored. Paths are relative to the manifest. Cells are separated by commas,
semicolons or tabs, whichever the header has. A row that breaks a rule becomes an `Item` with a
`problem`: it fails by itself, and the other rows go on.
"""

import csv
import datetime as dt
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from biomatch.errors import FormatError, OptionError, UnreadableSampleError
from biomatch.types import ImpressionType, Sample

__all__ = ["COLUMNS", "Item", "SubjectFrom", "header", "read", "read_pairs", "separator", "walk"]

SAMPLE_COLUMNS = ("path", "modality", "finger", "impression", "ppi")
RECORD_COLUMNS = (
    "subject",
    "owner",
    "category",
    "gallery",
    "sex",
    "year_of_birth",
    "expires_on",
    "case",
    "captured_on",
)
COLUMNS = (*SAMPLE_COLUMNS, *RECORD_COLUMNS)
TABLE_SUFFIXES = frozenset({".csv", ".jsonl"})
MAX_FINGER = 23
SEPARATORS = ",;\t"
HEAD = 1 << 16
"""Characters of a table's first line that are looked at."""


class SubjectFrom(StrEnum):
    """How a file in a folder names its subject."""

    FOLDER = "folder"
    NAME = "name"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class Item:
    """One sample to enrol or to search with.

    Attributes
    ----------
    sample
        File and how to read it.
    subject
        Subject identifier; None = the file names it itself (DNA tables).
    record
        owner, category, gallery, sex, year_of_birth, expires_on, case, captured_on, as far as
        given.
    where
        Manifest and line, for error reports.
    problem
        Why the manifest's row, or the place in a folder, cannot be used; empty = it can.
    """

    sample: Sample
    subject: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    problem: str = ""


def read(path: Path, default: Sample) -> list[Item]:
    """Read a manifest.

    Parameters
    ----------
    path
        File ending in .csv or .jsonl.
    default
        Modality, ppi, position and so on for rows that do not say.

    Returns
    -------
    One item a row; a row whose value is missing or out of range has a `problem` that names file
    and line.

    Raises
    ------
    FormatError
        The file is no table in UTF-8, or a column is unknown, missing or there twice.
    """
    rows = _json_rows(path) if path.suffix.lower() == ".jsonl" else _csv_rows(path)
    return [_item_or_problem(path, line, row, default) for line, row in rows]


def read_pairs(path: Path) -> list[tuple[Path, Path] | FormatError]:
    """Read pairs to verify: a CSV with the columns ``path_a`` and ``path_b``.

    Returns
    -------
    One pair a row; an error in place of a row that lacks one of the two.

    Raises
    ------
    FormatError
        The file is no table in UTF-8, or a column is missing.
    """
    pairs: list[tuple[Path, Path] | FormatError] = []
    for line, row in _table(path, {"path_a", "path_b"}, allowed=None):
        first, second = ("", "") if isinstance(row, str) else (row["path_a"], row["path_b"])
        if first and second:
            pairs.append((path.parent / first, path.parent / second))
        else:
            what = row if isinstance(row, str) else "path_a and path_b must both be given"
            pairs.append(FormatError(f"{path}, line {line}: {what}"))
    return pairs


def header(path: Path) -> list[str]:
    """Column names of a CSV table, or none when it cannot be read as one.

    Only the first line is looked at, in any encoding that has the letters of ASCII.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            line = file.readline(HEAD)
            table = csv.reader([line], delimiter=separator(line))
            return [cell.strip() for cell in next(table, [])]
    except (OSError, csv.Error):
        return []


def separator(line: str) -> str:
    """Find what separates the cells of a table: a comma, a semicolon or a tab.

    >>> separator("path;subject"), separator("path")
    (';', ',')
    """
    return max(SEPARATORS, key=line.count)


def walk(
    folder: Path,
    default: Sample,
    suffixes: Iterable[str],
    *,
    subject_from: SubjectFrom | None = None,
) -> list[Item]:
    """List the files below a folder that a modality reads, in a fixed order.

    Parameters
    ----------
    folder
        Searched recursively; names that begin with a dot are left out, and links to folders
        are not followed.
    default
        Modality, ppi, position and so on.
    suffixes
        Endings to take, lower case with the dot.
    subject_from
        The subject's name: the folder the file lies in, the file's name, or its part before
        the first ``_``. Default: the folder for files in sub-folders, else the name.

    Returns
    -------
    Items in the order of their paths; a folder below that cannot be listed is one with a
    `problem`.

    Raises
    ------
    OptionError
        No file with such an ending.
    UnreadableSampleError
        The folder itself cannot be listed.
    """
    wanted = frozenset(suffixes)
    files, closed = _listed(folder, wanted)
    if folder in closed:
        raise UnreadableSampleError(closed[folder])
    if not files and not closed:
        raise OptionError(
            f"{folder}: no {default.modality} files ({', '.join(sorted(wanted))}) in this folder"
        )
    return [
        Item(
            replace(default, path=path),
            _subject(folder, path, subject_from),
            problem=closed.get(path, ""),
        )
        for path in sorted([*files, *closed])
    ]


def _listed(folder: Path, wanted: frozenset[str]) -> tuple[list[Path], dict[Path, str]]:
    """List the files of the wanted endings, and the folders that cannot be listed with why."""
    files: list[Path] = []
    closed: dict[Path, str] = {}

    def note(error: OSError) -> None:
        closed[Path(error.filename)] = f"{error.filename}: cannot be listed ({error.strerror})"

    for place, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [
            path
            for name in names
            if not name.startswith(".") and (path := Path(place, name)).suffix.lower() in wanted
        ]
    return files, closed


def _subject(folder: Path, path: Path, rule: SubjectFrom | None) -> str:
    if rule is SubjectFrom.FOLDER or (rule is None and path.parent != folder):
        return path.parent.name
    return path.stem.partition("_")[0] if rule is SubjectFrom.PREFIX else path.stem


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    return _table(path, {"path"}, allowed=set(COLUMNS))


def _table(
    path: Path, needed: set[str], *, allowed: set[str] | None
) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    """Yield line numbers and rows; in place of a row that breaks the table what is wrong."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            between = separator(file.readline(HEAD))
            file.seek(0)
            table = csv.DictReader(file, delimiter=between, strict=True)
            columns = [(name or "").strip() for name in table.fieldnames or ()]
            _check_columns(path, columns, needed, allowed)
            table.fieldnames = columns
            for row in table:
                if None in row:
                    yield table.line_num, "has too many cells"
                else:
                    yield table.line_num, {key: (text or "").strip() for key, text in row.items()}
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{path}: is not in UTF-8 ({error.reason}); save it as CSV UTF-8"
        ) from error
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"{path}: cannot be read as a CSV table ({reason})") from error


def _check_columns(
    path: Path, columns: list[str], needed: set[str], allowed: set[str] | None
) -> None:
    missing = sorted(needed - set(columns))
    if missing:
        raise FormatError(
            f"{path}: lacks the column '{missing[0]}'; it has: {_line(columns) or 'none'}"
        )
    twice = sorted({name for name in columns if columns.count(name) > 1} & (allowed or needed))
    if twice:
        raise FormatError(f"{path}: has the column '{twice[0]}' twice")
    unknown = sorted(set(columns) - allowed) if allowed is not None else []
    if unknown:
        raise FormatError(
            f"{path}: unknown column '{_line(unknown[:1])}'; a manifest may have: "
            f"{', '.join(COLUMNS)}"
        )


def _line(columns: Iterable[object]) -> str:
    """Name columns on one line, whatever a quoted cell holds."""
    return " ".join(", ".join(map(str, columns)).split())[:200]


def _json_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    yield line, _json_row(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"{path}: cannot be read as JSON lines ({reason})") from error


def _json_row(text: str) -> Mapping[str, str] | str:
    """Read one object, or say what is wrong with it."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"is not JSON ({error})"
    if not isinstance(row, dict) or not row.get("path"):
        return "must be an object with a 'path'"
    unknown = sorted(set(row) - set(COLUMNS))
    if unknown:
        return f"unknown key '{unknown[0]}'; allowed: {', '.join(COLUMNS)}"
    texts = {key: "" if value is None else str(value) for key, value in row.items()}
    if any("\ud800" <= letter <= "\udfff" for value in texts.values() for letter in value):
        return "holds half a surrogate pair, which is no text"
    return texts


def _item_or_problem(path: Path, line: int, row: Mapping[str, str] | str, default: Sample) -> Item:
    where = f"{path}, line {line}"
    if isinstance(row, str):
        return Item(replace(default, path=path), where=where, problem=f"{where}: {row}")
    try:
        return _item(path, where, row, default)
    except FormatError as error:
        named = path.parent / row["path"] if row["path"] else path
        return Item(replace(default, path=named), where=where, problem=str(error))


def _item(path: Path, where: str, row: Mapping[str, str], default: Sample) -> Item:
    if not row["path"]:
        raise FormatError(f"{where}: the path is empty")
    record: dict[str, Any] = {key: row[key] for key in RECORD_COLUMNS[1:] if row.get(key)}
    for name in {"expires_on", "captured_on"} & set(record):
        record[name] = _day(where, name, record[name])
    if "year_of_birth" in record:
        record["year_of_birth"] = _whole(where, "year_of_birth", record["year_of_birth"], 1850)
    sample = replace(
        default,
        path=path.parent / row["path"],
        modality=row.get("modality") or default.modality,
        finger_position=_whole(where, "finger", row["finger"], 0, MAX_FINGER)
        if row.get("finger")
        else default.finger_position,
        impression=_impression(where, row["impression"])
        if row.get("impression")
        else default.impression,
        ppi=_ppi(where, row["ppi"]) if row.get("ppi") else default.ppi,
    )
    if not sample.modality:
        raise FormatError(f"{where}: no modality; add a column or give --modality")
    return Item(sample, row.get("subject") or None, record, where)


def _whole(where: str, name: str, text: str, low: int, high: int = 2200) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise FormatError(f"{where}: {name} {text!r} must be a whole number from {low} to {high}")
    return int(text)


def _day(where: str, name: str, text: str) -> str:
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise FormatError(f"{where}: {name} {text!r} must be a date like 2030-12-31") from error


def _impression(where: str, text: str) -> ImpressionType:
    try:
        return ImpressionType(text.lower())
    except ValueError as error:
        kinds = ", ".join(ImpressionType)
        raise FormatError(f"{where}: impression {text!r} must be one of {kinds}") from error


def _ppi(where: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 100 <= value <= 4000:
        raise FormatError(f"{where}: ppi {text!r} must be a number from 100 to 4000")
    return value
