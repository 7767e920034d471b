"""Manifests: which file shows whom. CSV or JSON lines, or simply a folder of files.

Columns (JSON keys) are ``path`` and any of ``subject``, ``modality``, ``finger``,
``impression``, ``ppi``, ``owner``, ``category``, ``gallery``, ``sex``, ``year_of_birth``,
``case`` and ``captured_on``; other names are refused, so a misspelt column is never silently
ignored. Paths are relative to the manifest.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from biomatch.errors import FormatError, OptionError
from biomatch.types import ImpressionType, Sample

__all__ = ["COLUMNS", "Item", "SubjectFrom", "read", "read_pairs", "walk"]

SAMPLE_COLUMNS = ("path", "modality", "finger", "impression", "ppi")
RECORD_COLUMNS = (
    "subject",
    "owner",
    "category",
    "gallery",
    "sex",
    "year_of_birth",
    "case",
    "captured_on",
)
COLUMNS = (*SAMPLE_COLUMNS, *RECORD_COLUMNS)
TABLE_SUFFIXES = frozenset({".csv", ".jsonl"})
MAX_FINGER = 23


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
        owner, category, gallery, sex, year_of_birth, case, captured_on, as far as given.
    where
        Manifest and line, for error reports.
    """

    sample: Sample
    subject: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""


def read(path: Path, default: Sample) -> list[Item]:
    """Read a manifest.

    Parameters
    ----------
    path
        File ending in .csv or .jsonl.
    default
        Modality, ppi, position and so on for rows that do not say.

    Raises
    ------
    FormatError
        A column is unknown or missing, or a value is out of range; file and line are named.
    """
    rows = _json_rows(path) if path.suffix.lower() == ".jsonl" else _csv_rows(path)
    return [_item(path, line, row, default) for line, row in rows]


def read_pairs(path: Path) -> list[tuple[Path, Path]]:
    """Read pairs to verify: a CSV with the columns ``path_a`` and ``path_b``.

    Raises
    ------
    FormatError
        A column is missing or a cell is empty.
    """
    pairs = []
    for line, row in _table(path, {"path_a", "path_b"}, allowed=None):
        first, second = row["path_a"], row["path_b"]
        if not first or not second:
            raise FormatError(f"{path}, line {line}: path_a and path_b must both be given")
        pairs.append((path.parent / first, path.parent / second))
    return pairs


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
        Searched recursively; names that begin with a dot are left out.
    default
        Modality, ppi, position and so on.
    suffixes
        Endings to take, lower case with the dot.
    subject_from
        The subject's name: the folder the file lies in, the file's name, or its part before
        the first ``_``. Default: the folder for files in sub-folders, else the name.

    Raises
    ------
    OptionError
        No file with such an ending.
    """
    wanted = frozenset(suffixes)
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in wanted
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise OptionError(
            f"{folder}: no {default.modality} files ({', '.join(sorted(wanted))}) in this folder"
        )
    return [
        Item(replace(default, path=path), _subject(folder, path, subject_from)) for path in files
    ]


def _subject(folder: Path, path: Path, rule: SubjectFrom | None) -> str:
    if rule is SubjectFrom.FOLDER or (rule is None and path.parent != folder):
        return path.parent.name
    return path.stem.partition("_")[0] if rule is SubjectFrom.PREFIX else path.stem


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return _table(path, {"path"}, allowed=set(COLUMNS))


def _table(
    path: Path, needed: set[str], *, allowed: set[str] | None
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            columns = [(name or "").strip() for name in table.fieldnames or ()]
            _check_columns(path, columns, needed, allowed)
            table.fieldnames = columns
            for row in table:
                if None in row:
                    raise FormatError(f"{path}, line {table.line_num}: has too many cells")
                yield table.line_num, {key: (value or "").strip() for key, value in row.items()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path}: cannot be read as a CSV table ({error})") from error


def _check_columns(
    path: Path, columns: list[str], needed: set[str], allowed: set[str] | None
) -> None:
    missing = sorted(needed - set(columns))
    if missing:
        raise FormatError(
            f"{path}: lacks the column '{missing[0]}'; it has: {_line(columns) or 'none'}"
        )
    unknown = sorted(set(columns) - allowed) if allowed is not None else []
    if unknown:
        raise FormatError(
            f"{path}: unknown column '{_line(unknown[:1])}'; a manifest may have: "
            f"{', '.join(COLUMNS)}"
        )


def _line(columns: Iterable[object]) -> str:
    """Name columns on one line, whatever a quoted cell holds."""
    return " ".join(", ".join(map(str, columns)).split())[:200]


def _json_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    yield line, _json_row(path, line, text)
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: cannot be read as JSON lines ({error})") from error


def _json_row(path: Path, line: int, text: str) -> Mapping[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}, line {line}: is not JSON ({error})") from error
    if not isinstance(row, dict) or not row.get("path"):
        raise FormatError(f"{path}, line {line}: must be an object with a 'path'")
    unknown = sorted(set(row) - set(COLUMNS))
    if unknown:
        raise FormatError(
            f"{path}, line {line}: unknown key '{unknown[0]}'; allowed: {', '.join(COLUMNS)}"
        )
    texts = {key: "" if value is None else str(value) for key, value in row.items()}
    if any("\ud800" <= letter <= "\udfff" for value in texts.values() for letter in value):
        raise FormatError(f"{path}, line {line}: holds half a surrogate pair, which is no text")
    return texts


def _item(path: Path, line: int, row: Mapping[str, Any], default: Sample) -> Item:
    where = f"{path}, line {line}"
    if not row["path"]:
        raise FormatError(f"{where}: the path is empty")
    record = {key: row[key] for key in RECORD_COLUMNS[1:] if row.get(key)}
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
