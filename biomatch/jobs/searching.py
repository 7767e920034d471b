"""Search many probes and keep what was found: a report, JSON and overlays for each."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biomatch.errors import BiomatchError, IntegrityError
from biomatch.formats.manifest import Item
from biomatch.jobs.items import samples
from biomatch.jobs.outcome import Failure, Outcome, write_errors
from biomatch.jobs.pictures import decisions_of, models_of, picture_source
from biomatch.report import html, overlay, words
from biomatch.report.plain import plain
from biomatch.report.sheet import DETAILED, Sheet, probe_name, sheet
from biomatch.search import Rejected
from biomatch.types import CandidateList, Sample

if TYPE_CHECKING:
    from biomatch.search import Database

__all__ = ["Reporting", "report", "search", "write_index_of"]

INDEX = "index.html"
ERRORS = "errors.csv"


@dataclass(frozen=True, slots=True)
class Reporting:
    """How results are written.

    Attributes
    ----------
    folder
        Where to; one HTML and one JSON file a probe.
    details
        Candidates shown with pictures.
    redact
        Leave out pictures.
    overlays
        Write PNG overlays of the detailed candidates as well.
    resume
        Leave probes alone whose JSON file is there already and says that all was searched.
    audit
        purpose, case and actor.
    """

    folder: Path
    details: int = DETAILED
    redact: bool = False
    overlays: bool = False
    resume: bool = False
    audit: Mapping[str, str | None] = field(default_factory=dict)


def search(
    db: "Database",
    items: Sequence[Item],
    reporting: Reporting,
    *,
    workers: int = 1,
    advance: Callable[[int], None] = lambda _count: None,
    **query: Any,
) -> Outcome:
    """Search with every item and write a report for each, an index page, and errors.csv.

    Parameters
    ----------
    db
        Where to search.
    items
        Probes, from a manifest, a folder or single files.
    reporting
        What to write and where.
    workers
        Probes handled side by side.
    advance
        Called with the number of items finished since the last call.
    query
        Further arguments of `Database.search_many`: k, filters, options and so on.

    Raises
    ------
    IntegrityError
        Database, index or model is damaged.
    """
    outcome = Outcome()

    def one(item: Item) -> "list[dict[str, Any]] | Failure | None":
        return _search(db, item, reporting, query)

    with ThreadPoolExecutor(workers) as pool:
        for result in pool.map(one, items) if workers > 1 else map(one, items):
            if isinstance(result, Failure):
                outcome.failures.append(result)
            elif result is None:
                outcome.skipped += 1
            else:
                outcome.done += 1
                outcome.templates += len(result)
                outcome.incomplete += sum(not answer["complete"] for answer in result)
            advance(1)
    _finish(reporting, outcome)
    return outcome


def _search(
    db: "Database", item: Item, reporting: Reporting, query: Mapping[str, Any]
) -> "list[dict[str, Any]] | Failure | None":
    try:
        probes = samples(item)
        name = _file_name(probes[0])
        record = reporting.folder / f"{name}.json"
        if reporting.resume and record.exists() and _complete(record):
            return None
        answers: list[dict[str, Any]] = []
        for sample in probes:
            for answer in db.search_many(
                [sample], explain=reporting.details, **{**query, **reporting.audit}
            ):
                if isinstance(answer, Rejected):
                    return Failure.of(item, answer)
                suffix = f"-{len(answers) + 1}" if answers else ""
                answers.append(report(db, answer, sample, reporting, f"{name}{suffix}"))
    except IntegrityError:
        raise
    except BiomatchError as error:
        return Failure.of(item, error)
    _write_json(record, {"probe": item.sample.name, "answers": answers})
    return answers


def _file_name(sample: Sample) -> str:
    stem = sample.path.stem if sample.path else sample.label or "probe"
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[:80].lstrip("-.") or "probe"
    return f"{safe}-{(sample.sha256 or '')[:8]}" if sample.sha256 else safe


def report(
    db: "Database", answer: CandidateList, sample: Sample, reporting: Reporting, name: str
) -> dict[str, Any]:
    """Write one search's report and return its line of the index, with the whole content."""
    audit = {key: value or "" for key, value in reporting.audit.items()}
    content = sheet(
        answer,
        probe=sample,
        picture_of=picture_source(db, redact=reporting.redact),
        decisions=decisions_of(db, audit.get("case", "")),
        models=models_of(answer.modality),
        details=reporting.details,
        redact=reporting.redact,
        case=audit.get("case", ""),
        purpose=audit.get("purpose", ""),
        actor=audit.get("actor", ""),
    )
    html.write(content, reporting.folder / f"{name}.html")
    if reporting.overlays and not reporting.redact:
        _overlays(content, reporting.folder, name)
    return _line(answer, f"{name}.html") | {"report": _without_pixels(plain(content))}


def _overlays(content: Sheet, folder: Path, name: str) -> None:
    for line in content.lines:
        for trait, exhibit in line.exhibits.items():
            suffix = f"-{trait.replace(' ', '_')}" if trait else ""
            overlay.write(exhibit, folder / f"{name}-{line.candidate.rank}{suffix}.png")


def _line(answer: CandidateList, file: str) -> dict[str, Any]:
    best = answer[0] if len(answer) else None
    return {
        "file": file,
        "probe": probe_name(answer),
        "modality": answer.modality,
        "subject": best.subject if best else None,
        "log10_lr": plain(best.log10_lr) if best else None,
        "expected_false": plain(best.expected_false) if best else None,
        "support": words.support(best.log10_lr) if best else "",
        "complete": answer.complete,
        "candidates": len(answer),
    }


def _without_pixels(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_pixels(entry) for key, entry in value.items() if key != "uri"}
    return [_without_pixels(entry) for entry in value] if isinstance(value, list) else value


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    temporary.replace(path)


def write_index_of(path: Path, lines: Sequence[Mapping[str, Any]], *, title: str) -> Path:
    """Write the page that links reports made one by one."""
    rows = [{key: value for key, value in line.items() if key != "report"} for line in lines]
    return html.write_index(path, rows, title=title, facts={"Searches": f"{len(rows):,}"})


def _answers(path: Path) -> list[dict[str, Any]]:
    """Answers of an earlier probe; none in a JSON file that is somebody else's."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return []
    ours = isinstance(content, dict) and {"probe", "answers"} == set(content)
    return list(content["answers"]) if ours else []


def _complete(path: Path) -> bool:
    return all(answer["complete"] for answer in _answers(path))


def _finish(reporting: Reporting, outcome: Outcome) -> None:
    """Write index and error report over everything in the folder, earlier runs included."""
    rows = []
    for path in sorted(reporting.folder.glob("*.json")):
        rows += [
            {key: value for key, value in answer.items() if key != "report"}
            for answer in _answers(path)
        ]
    facts = {
        "Searches": f"{len(rows):,}",
        "Probes that failed": f"{len(outcome.failures):,}",
        "Incomplete searches": f"{sum(not row['complete'] for row in rows):,}",
    }
    errors = [{"item": f.item, "error": f.error} for f in outcome.failures]
    html.write_index(reporting.folder / INDEX, rows, facts=facts, errors=errors)
    write_errors(reporting.folder / ERRORS, outcome.failures)
