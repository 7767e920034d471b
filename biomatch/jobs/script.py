"""Jobs of several steps, written down in a TOML file.

::

    db = "case.db"
    purpose = "night run"

    [[step]]
    run = "enrol"
    sources = ["intake/manifest.csv"]

    [[step]]
    run = "search"
    sources = ["probes/"]
    modality = "fingerprint"
    out = "results"
    top = 20
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biomatch.errors import FormatError

__all__ = ["Script", "Step", "read"]

STEPS = (
    "enrol",
    "search",
    "verify",
    "dedup",
    "evaluate fingerprint",
    "evaluate face",
    "evaluate dna",
    "evaluate scores",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes
    ----------
    run
        Name of the command.
    sources
        Files and folders, relative to the script's folder.
    options
        Further options of the command, by name.
    """

    run: str
    sources: tuple[Path, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Script:
    """A job: its database, what all steps share, the steps in order, and where it lies."""

    db: str | None
    common: Mapping[str, Any]
    steps: tuple[Step, ...]
    folder: Path


def read(path: Path) -> Script:
    """Read a job.

    Raises
    ------
    FormatError
        It is not TOML, has no step, or a step names no known command.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: is not valid TOML ({error})") from error
    steps = content.pop("step", None)
    if not isinstance(steps, list) or not steps:
        raise FormatError(f'{path}: has no step; write [[step]] with run = "enrol" or the like')
    db = content.pop("db", None)
    if not isinstance(db, str | None):
        raise FormatError(f"{path}: db is {db!r}; it must be a file or a URL, in quotes")
    return Script(
        db=str(path.parent / db) if db and "://" not in db else db,
        common=content,
        steps=tuple(_step(path, number, step) for number, step in enumerate(steps, start=1)),
        folder=path.parent,
    )


def _step(path: Path, number: int, content: Any) -> Step:
    if not isinstance(content, dict) or content.get("run") not in STEPS:
        named = content.get("run") if isinstance(content, dict) else content
        raise FormatError(f"{path}, step {number}: run is '{named}'; it can be {', '.join(STEPS)}")
    options = {key: value for key, value in content.items() if key not in {"run", "sources"}}
    for name in sorted({"out", "errors"} & set(options)):
        if not isinstance(options[name], str):
            raise FormatError(f"{path}, step {number}: {name} must be a path, in quotes")
    sources = content.get("sources", [])
    if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
        raise FormatError(f"{path}, step {number}: sources must be a list of paths")
    return Step(content["run"], tuple(path.parent / source for source in sources), options)
