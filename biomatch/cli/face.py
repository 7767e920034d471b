"""``biomatch face``: quality, grouping and label checks of photographs, without a database."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from biomatch.cli.evaluate import ACCURACY, DEVICE, WORKERS
from biomatch.cli.options import Number, examples
from biomatch.cli.output import emit, output_options, say
from biomatch.cli.progress import progress

if TYPE_CHECKING:
    from biomatch.face import FaceTemplate
    from biomatch.formats.manifest import Item

__all__ = ["face"]

SOURCES = click.argument(
    "sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SOURCE..."
)
FMR = click.option(
    "--fmr",
    type=Number(0, 1, min_open=True, max_open=True),
    help="False match rate of two faces (default: the command's own, strict).",
)
THRESHOLD = click.option(
    "--threshold",
    type=Number(-1, 1),
    help="Cosine instead, for a model without a calibration.",
)

CALIBRATION = click.option(
    "--calibration",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Calibration of your own that --fmr reads (see `biomatch calibrate face`).",
)


@click.group(
    epilog=examples(
        "biomatch face quality photo.jpg",
        "biomatch face cluster photos/ --format csv > people.csv",
        "biomatch face check gallery/ --subject-from folder",
    )
)
def face() -> None:
    """Look at photographs of faces without a database."""


@face.command(
    epilog=examples("biomatch face quality photo.jpg", "biomatch face quality photos/ --format csv")
)
@SOURCES
@ACCURACY
@DEVICE
@WORKERS
@output_options
def quality(*, sources: tuple[Path, ...], format_: str, **given: Any) -> None:
    """List every face with its quality and what is wrong, in words.

    A SOURCE is a picture, a folder, or a manifest (CSV with a column "path").
    """
    faces, failed = _faces(_items(sources, None), given)
    emit(
        [
            {
                "path": str(item.sample.path),
                "face": one.face_index,
                "quality": round(one.quality.value, 1),
                "box": [round(float(v)) for v in one.box],
                "reasons": "; ".join(one.quality.reasons),
            }
            for item, one in faces
        ],
        format_,
        columns=["path", "face", "quality", "box", "reasons"],
    )
    click.get_current_context().exit(1 if failed else 0)


@face.command(
    epilog=examples(
        "biomatch face cluster photos/",
        "biomatch face cluster photos/ --accuracy high --format csv > people.csv",
    )
)
@SOURCES
@ACCURACY
@FMR
@THRESHOLD
@CALIBRATION
@click.option(
    "--max-faces", type=click.IntRange(0), default=0, help="Faces a picture; 0 = all of them."
)
@DEVICE
@WORKERS
@output_options
def cluster(
    *,
    sources: tuple[Path, ...],
    fmr: float | None,
    threshold: float | None,
    calibration: Path | None,
    max_faces: int,
    format_: str,
    **given: Any,
) -> None:
    """Group photographs without names into people.

    Every face gets the number of a person, 1 = who is seen most often.
    """
    from biomatch.face import clustering

    items = _items(sources, None)
    limit = fmr or clustering.CLUSTER_FMR
    least = clustering.least_score(given["accuracy"], limit, threshold, calibration)
    faces, failed = _faces(items, given | {"max_faces": max_faces or None})
    found = clustering.cluster([one for _, one in faces], threshold=least)
    rows = [
        {
            "person": int(person) + 1,
            "path": str(item.sample.path),
            "face": one.face_index,
            "quality": round(one.quality.value, 1),
        }
        for person, (item, one) in zip(found, faces, strict=True)
    ]
    rows.sort(key=lambda row: (row["person"], row["path"], row["face"]))
    emit(rows, format_, columns=["person", "path", "face", "quality"])
    say(f"{len(rows):,} faces of {len(set(found.tolist())):,} people")
    click.get_current_context().exit(1 if failed else 0)


@face.command(
    epilog=examples(
        "biomatch face check gallery/ --subject-from folder",
        "biomatch face check manifest.csv --format csv",
    )
)
@SOURCES
@click.option(
    "--subject-from",
    type=click.Choice(["folder", "name", "prefix"]),
    help="How files in a folder name their subject.",
)
@ACCURACY
@FMR
@THRESHOLD
@CALIBRATION
@DEVICE
@WORKERS
@output_options
def check(
    *,
    sources: tuple[Path, ...],
    subject_from: str | None,
    fmr: float | None,
    threshold: float | None,
    calibration: Path | None,
    format_: str,
    **given: Any,
) -> None:
    """Find people under two names, and photographs under a wrong one.

    Twins look like one person and bad photographs like strangers: look before
    you change a record.
    """
    from biomatch.face import clustering

    items = _items(sources, subject_from)
    limit = fmr or clustering.SUSPICION_FMR
    least = clustering.least_score(given["accuracy"], limit, threshold, calibration)
    faces, failed = _faces(items, given | {"max_faces": 1})
    found = clustering.suspicions(
        [one for _, one in faces],
        [item.subject or "" for item, _ in faces],
        threshold=least,
    )
    paths = [str(item.sample.path) for item, _ in faces]
    emit(
        [
            {
                "kind": one.kind,
                "subject": one.subject,
                "other": one.other,
                "path": paths[one.row],
                "other_path": paths[one.other_row] if one.other else "",
                "score": round(one.score, 4),
            }
            for one in found
        ],
        format_,
        columns=["kind", "subject", "other", "path", "other_path", "score"],
    )
    say(f"{len(found):,} suspicions among {len(faces):,} photographs")
    click.get_current_context().exit(1 if failed else 0)


def _items(sources: tuple[Path, ...], subject_from: str | None) -> "list[Item]":
    from biomatch.formats.manifest import SubjectFrom
    from biomatch.jobs.items import gather
    from biomatch.types import Sample

    rule = SubjectFrom(subject_from) if subject_from else None
    return gather(sources, Sample(modality="face"), subject_from=rule)


def _faces(
    items: "list[Item]", options: dict[str, Any]
) -> "tuple[list[tuple[Item, FaceTemplate]], int]":
    """Extract all items; say what failed, and count it."""
    from biomatch.errors import SampleError

    faces, failed = [], 0
    for item, outcome in _outcomes(items, options):
        if isinstance(outcome, SampleError):
            failed += 1
            say(f"Error: {outcome}")
        else:
            faces += [(item, one) for one in outcome]
    return faces, failed


def _outcomes(items: "list[Item]", options: dict[str, Any]) -> "Iterator[tuple[Item, Any]]":
    from biomatch.face.batch import extract_many

    paths = [item.sample.path for item in items if item.sample.path]
    with progress("looking at faces", len(items)) as advance:
        found = extract_many(paths, **options)
        for item, (_, outcome) in zip(items, found, strict=True):
            yield item, outcome
            advance(1)
