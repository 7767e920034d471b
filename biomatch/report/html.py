"""Candidate reports as self-contained HTML pages: no scripts, nothing loaded from outside."""

import functools
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biomatch import __version__
from biomatch.report import words
from biomatch.report.sheet import Sheet

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["page", "write", "write_index"]

TEMPLATES = Path(__file__).parent / "templates"


@functools.cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "capitalise": lambda text: text[:1].upper() + text[1:],
        "modality": words.modality,
        "sentence": lambda text: text[:1].upper() + text[1:].rstrip(".") + ".",
        "expected": _expected,
        "figure": _figure,
        "px": lambda value: f"{value:.1f}".rstrip("0").rstrip("."),
    }
    return environment


def _figure(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _expected(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    if value < 0.001:
        return "< 0.001 people"
    return f"{value:.2g} people" if value < 10 else f"{words.number(value)} people"


def page(sheet: Sheet) -> str:
    """Render one report."""
    candidates = [line.candidate for line in sheet.lines]
    return (
        _environment()
        .get_template("search.html")
        .render(
            sheet=sheet,
            kind=words.modality(sheet.result.modality),
            lead=words.lead(
                sheet.result.modality,
                sheet.probe,
                sheet.result.coverage.records_searched,
                len(sheet.lines),
            ),
            scale=words.SCALE,
            version=__version__,
            has_owner=any(candidate.owner for candidate in candidates),
            has_finger=any(line.finger for line in sheet.lines),
        )
    )


def write(sheet: Sheet, path: Path) -> Path:
    """Write one report; the folder is made if missing, the file appears whole or not at all."""
    return _replace(path, page(sheet))


def write_index(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str = "Batch of searches",
    facts: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] = (),
) -> Path:
    """Write the page that links a batch's reports.

    Parameters
    ----------
    rows
        One a search: file, probe, modality, subject, log10_lr, expected_false, support,
        complete, candidates.
    errors
        One a failed item: item, error.
    """
    text = (
        _environment()
        .get_template("index.html")
        .render(
            title=title,
            rows=rows,
            facts=facts or {},
            errors=errors,
            scale=words.SCALE,
            version=__version__,
            created=words.when(datetime.now(UTC)),
        )
    )
    return _replace(path, text)


def _replace(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    return temporary.replace(path)
