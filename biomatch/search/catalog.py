"""Which segments count: one small file, replaced as a whole, with the digest of each manifest."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from biomatch.errors import DatabaseError
from biomatch.search.segments import MANIFEST, sha256_of

__all__ = ["Catalog", "locked", "read_catalog", "write_catalog"]

FILE = "catalog.json"


@dataclass(frozen=True, slots=True)
class Catalog:
    """The segments of one modality.

    Attributes
    ----------
    generation
        Every template up to this sequence number is in a segment, unless removed.
    segments
        Folder name -> sha256 of its manifest, in the order they were sealed.
    """

    generation: int = 0
    segments: Mapping[str, str] = field(default_factory=dict)


def read_catalog(root: Path) -> Catalog:
    """Read the catalog; a missing, torn or changed one counts as empty."""
    try:
        document = json.loads((root / FILE).read_text(encoding="utf-8"))
        content = document["content"]
        if document["sha256"] != _digest(content):
            return Catalog()
        segments = {str(name): str(digest) for name, digest in content["segments"]}
        return Catalog(int(content["generation"]), segments)
    except (OSError, ValueError, KeyError, TypeError):
        return Catalog()


def write_catalog(root: Path, generation: int, names: list[str]) -> Catalog:
    """Replace the catalog by one that lists the segments `names`."""
    segments = {name: sha256_of(root / name / MANIFEST) for name in names}
    content = {"generation": generation, "segments": list(map(list, segments.items()))}
    temporary = root / f".{FILE}.{os.getpid()}"
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump({"content": content, "sha256": _digest(content)}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(root / FILE)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return Catalog(generation, segments)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def locked(root: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the folder's lock among all processes; yields False when it is taken and `wait` is not.

    The operating system frees it when the process dies.

    Raises
    ------
    DatabaseError
        The folder cannot be made or written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / "lock").open("w")
    except OSError as error:
        raise DatabaseError(
            f"index folder {root}: {error.strerror}; make room or give another folder"
        ) from error
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
