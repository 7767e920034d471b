"""From what the caller names (files, folders, manifests) to samples."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from biomatch.errors import OptionError, UnreadableSampleError
from biomatch.formats import manifest, read_samples
from biomatch.formats.manifest import Item, SubjectFrom
from biomatch.search import registry
from biomatch.types import Sample

__all__ = ["gather", "is_manifest", "samples"]


def gather(
    sources: Iterable[Path],
    default: Sample,
    *,
    subject: str | None = None,
    subject_from: SubjectFrom | None = None,
) -> list[Item]:
    """List the items behind files, folders and manifests, in the order given.

    Parameters
    ----------
    sources
        Files, folders (searched for what the modality reads), manifests (.jsonl, or .csv with
        a column ``path``).
    default
        What manifests and files leave open; ``modality`` may be empty where files tell.
    subject
        Subject of single files.
    subject_from
        How files in folders name their subject.

    Raises
    ------
    OptionError
        A folder without a modality, or without files.
    UnreadableSampleError
        A source does not exist.
    FormatError
        A manifest breaks its rules.
    """
    items: list[Item] = []
    for source in sources:
        if source.is_dir():
            if not default.modality:
                raise OptionError(f"{source}: say what the files of a folder are, with --modality")
            suffixes = registry.get(default.modality).suffixes
            items += manifest.walk(source, default, suffixes, subject_from=subject_from)
        elif not source.exists():
            raise UnreadableSampleError(f"{source}: there is no such file or folder")
        elif is_manifest(source):
            items += manifest.read(source, default)
        else:
            items.append(Item(replace(default, path=source), subject))
    return items


def is_manifest(path: Path) -> bool:
    """Tell a manifest from a table of DNA profiles: it has a column ``path``."""
    suffix = path.suffix.lower()
    if suffix != ".csv":
        return suffix == ".jsonl"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader([file.readline(65536)]), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return "path" in {cell.strip() for cell in header}


def samples(item: Item) -> Sequence[Sample]:
    """Read what one item's file holds, with the facts that the item states.

    Raises
    ------
    SampleError, FormatError, OptionError
        The file cannot be used; the message names it.
    """
    stated = item.sample
    path = stated.path
    if path is None:
        return [stated]
    found = read_samples(path, stated.modality or None)
    return [
        replace(
            sample,
            ppi=stated.ppi or sample.ppi,
            finger_position=stated.finger_position or sample.finger_position,
            impression=stated.impression if stated.impression != "unknown" else sample.impression,
            options={**sample.options, **stated.options},
        )
        for sample in found
    ]
