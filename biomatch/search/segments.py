"""Parts of a gallery: immutable, checksummed folders on disk, or small ones in memory."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import BiomatchError, DamagedIndexError, DatabaseError
from biomatch.search.columns import Columns, Record
from biomatch.search.filters import Scope
from biomatch.types import Gallery, Modality

__all__ = ["Anchor", "Part", "build_part", "open_segment", "seal", "sha256_of"]

MANIFEST = "manifest.json"
FORMAT = 1

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where in the life of which database a segment was made.

    Attributes
    ----------
    database
        The database's uuid.
    generation
        Last key of the database that the segment knows of.
    audit_seq, audit_hash
        Number and hash of the last audit row then: a database restored from an older copy
        has another row there, which unmasks a segment of the lost time line.
    """

    database: str
    generation: int
    audit_seq: int
    audit_hash: str


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Packed references with their columns: a segment, or a chunk of the delta.

    Attributes
    ----------
    name
        Unique name; for a segment, that of its folder.
    modality, model_id
        What the references are, and what made them.
    gallery
        Both stages of the search.
    columns
        What filters and ranking look at.
    folder
        None for a chunk in memory.
    anchor
        None for a chunk in memory.
    records
        Kept by chunks in memory, to be merged or sealed.
    weight
        Bytes of their templates.
    masks
        Rows that recent searches were allowed to see.
    """

    name: str
    modality: str
    model_id: str
    gallery: Gallery[Any]
    columns: Columns
    folder: Path | None = None
    anchor: Anchor | None = None
    records: Sequence[Record] = field(default=())
    weight: int = 0
    masks: dict[Scope, Mask | None] = field(default_factory=dict)
    _people: list[NDArray[np.int64]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def people(self) -> NDArray[np.int64]:
        """Keys of the part's subjects, sorted, each once."""
        if not self._people:
            ordered = self.columns.ordered
            first = np.ones(len(ordered), dtype=np.bool_)
            np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
            self._people.append(ordered if first.all() else ordered[first])
        return self._people[0]

    def mask(self, scope: Scope) -> Mask | None:
        """Rows that `scope` lets pass, remembered for the next search with the same scope."""
        if scope not in self.masks:
            if len(self.masks) >= 16:
                self.masks.clear()
            self.masks[scope] = scope.mask(self.columns)
        return self.masks.get(scope)


def build_part(modality: Modality[Any], model_id: str, records: Sequence[Record]) -> Part:
    """Pack records of one model into a chunk in memory.

    Raises
    ------
    DatabaseError
        A template is not what was enrolled; the message names its sample.
    """
    return Part(
        name=f"memory-{uuid.uuid4().hex[:12]}",
        modality=modality.name,
        model_id=model_id,
        gallery=_packed(modality, records),
        columns=Columns.of(records),
        records=records,
        weight=sum([len(record.blob) for record in records]),
    )


def _packed(modality: Modality[Any], records: Sequence[Record]) -> Gallery[Any]:
    fault: BiomatchError
    try:
        gallery = modality.build([record.blob for record in records])
        if len(gallery) == len(records):
            return gallery
        fault = DatabaseError(
            f"{modality.name}: {len(records)} templates gave {len(gallery)} rows of the index"
        )
    except BiomatchError as error:
        fault = error
    for record in records:
        try:
            modality.loads(record.blob)
        except BiomatchError as error:
            name = f"s{record.sample}"
            raise DatabaseError(
                f"the {modality.name} template of sample {name} is damaged in the database "
                f"({error}); restore a backup, or delete {name} and enrol it again"
            ) from error
    raise fault


def seal(part: Part, root: Path, anchor: Anchor) -> str:
    """Write a chunk as a segment folder and return its name.

    Everything is written under a temporary name, forced to disk, and renamed: a folder under
    its final name is whole, or was damaged later, which its digests tell.
    """
    name = f"segment-{uuid.uuid4().hex[:16]}"
    temporary = root / f".{name}"
    temporary.mkdir(parents=True)
    try:
        part.columns.save(temporary)
        gallery = temporary / "gallery"
        gallery.mkdir()
        _save(part, gallery)
        _write_manifest(temporary, part, anchor)
        _force(temporary)
        temporary.rename(root / name)
        _force_folder(root)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return name


def _save(part: Part, folder: Path) -> None:
    try:
        part.gallery.save(folder)
    except RuntimeError as error:  # how FAISS says that a file cannot be written
        raise OSError(f"{folder}: {error}") from error


def _write_manifest(folder: Path, part: Part, anchor: Anchor) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "format": FORMAT,
        "modality": part.modality,
        "model_id": part.model_id,
        "count": len(part),
        "first_seq": int(part.columns.seqs.min(initial=0)),
        "last_seq": int(part.columns.seqs.max(initial=0)),
        "database": anchor.database,
        "generation": anchor.generation,
        "audit_seq": anchor.audit_seq,
        "audit_hash": anchor.audit_hash,
        "files": {
            path.relative_to(folder).as_posix(): {
                "sha256": sha256_of(path),
                "bytes": path.stat().st_size,
            }
            for path in files
        },
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _force(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _force_folder(path)
    _force_folder(folder)


def _force_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_segment(modality: Modality[Any], folder: Path, *, check: bool = True) -> Part:
    """Open a segment after comparing every file with its digest.

    Raises
    ------
    DamagedIndexError
        A file is missing, cut short, changed or added; the message names it.
    """
    manifest = read_manifest(folder)
    try:
        if check:
            _check_files(folder, manifest)
        part = Part(
            name=folder.name,
            modality=str(manifest["modality"]),
            model_id=str(manifest["model_id"]),
            gallery=modality.load(folder / "gallery"),
            columns=Columns.open(folder),
            folder=folder,
            anchor=Anchor(
                str(manifest["database"]),
                int(manifest["generation"]),
                int(manifest["audit_seq"]),
                str(manifest["audit_hash"]),
            ),
        )
    except (KeyError, TypeError, AttributeError, OSError, ValueError, RuntimeError) as error:
        raise DamagedIndexError(f"segment {folder}: {error}; rebuild the index") from error
    if len(part.gallery) != manifest["count"] or len(part.columns) != manifest["count"]:
        raise DamagedIndexError(f"segment {folder}: rows and manifest disagree; rebuild the index")
    return part


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """Read a segment's manifest.

    Raises
    ------
    DamagedIndexError
        It is missing, is not JSON, or has another format.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedIndexError(
            f"segment {folder}: no readable manifest ({error}); rebuild the index"
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DamagedIndexError(f"segment {folder}: unknown format; rebuild the index")
    return manifest


def _check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }
    listed = manifest.get("files", {})
    if odd := present.symmetric_difference(listed):
        raise DamagedIndexError(
            f"segment {folder}: {', '.join(sorted(odd))} missing or not listed; rebuild the index"
        )
    for name, facts in listed.items():
        path = folder / name
        if path.stat().st_size != facts["bytes"] or sha256_of(path) != facts["sha256"]:
            raise DamagedIndexError(
                f"segment {folder}: {name} is not what was written; rebuild the index"
            )
