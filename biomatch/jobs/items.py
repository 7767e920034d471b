"""From what the caller names (files, folders, manifests) to samples."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from biomatch.errors import FormatError, OptionError, UnreadableSampleError
from biomatch.formats import manifest, read_samples
from biomatch.formats.manifest import Item, SubjectFrom
from biomatch.search import registry
from biomatch.types import Sample

__all__ = ["foreseen", "gather", "held", "is_manifest", "samples"]


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
        a column ``path``; a .csv of another modality than DNA can be nothing else).
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
        A manifest is no table, or its columns are not those of a manifest.
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
        elif is_manifest(source, default.modality):
            items += manifest.read(source, default)
        else:
            items.append(Item(replace(default, path=source), subject))
    return items


def is_manifest(path: Path, modality: str = "") -> bool:
    """Tell a manifest from a table of DNA profiles: it has a column ``path``.

    Parameters
    ----------
    path
        The file.
    modality
        What the caller says that files hold; where that is no DNA, a filled table is a manifest.
    """
    suffix = path.suffix.lower()
    if suffix != ".csv":
        return suffix == ".jsonl"
    columns = manifest.header(path)
    return "path" in columns or (bool(columns) and modality not in {"", "dna"})


def foreseen(item: Item) -> str:
    """Say why an item will fail, as far as that can be told without reading it; empty = nothing."""
    path = item.sample.path
    if item.problem or path is None:
        return item.problem
    try:
        return "" if path.is_file() else f"{path}: there is no such file"
    except (OSError, ValueError) as error:
        return f"{path}: cannot be read ({error})"


def held(path: Path, modality: str | None) -> list[Sample]:
    """Read the samples of a file, or leave it to the plug-in whose own format it is in."""
    plugged_in = modality and modality not in registry.BUILT_IN
    if modality and plugged_in and path.suffix.lower() in registry.get(modality).suffixes:
        return [Sample(modality, path=path)]
    return read_samples(path, modality or None)


def samples(item: Item) -> Sequence[Sample]:
    """Read what one item's file holds, with the facts that the item states.

    Raises
    ------
    SampleError, FormatError, OptionError
        File or manifest row cannot be used; the message names it.
    """
    if item.problem:
        raise FormatError(item.problem)
    stated = item.sample
    path = stated.path
    if path is None:
        return [stated]
    found = held(path, stated.modality)
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
