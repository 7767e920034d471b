"""Compare many pairs 1:1."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biomatch.errors import BiomatchError, IntegrityError
from biomatch.formats import read_samples
from biomatch.report import words
from biomatch.types import Sample

if TYPE_CHECKING:
    from biomatch.search import Database

__all__ = ["verify"]

Pair = tuple[Path | str, Path | str]


def verify(
    db: "Database",
    pairs: Sequence[Pair],
    *,
    modality: str | None = None,
    advance: Callable[[int], None] = lambda _count: None,
    **options: Any,
) -> Iterator[dict[str, Any]]:
    """Compare pairs of files or of enrolled samples (``s42``), one result a pair, in order.

    Yields
    ------
    dict
        path_a, path_b, score, log10_lr, fmr, support, calibration, and error (None = none).

    Raises
    ------
    IntegrityError
        Database or model is damaged.
    """
    for first, second in pairs:
        yield {"path_a": str(first), "path_b": str(second)} | _compare(
            db, first, second, modality, options
        )
        advance(1)


def _compare(
    db: "Database",
    first: Path | str,
    second: Path | str,
    modality: str | None,
    options: dict[str, Any],
) -> dict[str, Any]:
    try:
        found = db.verify(
            _source(first, modality), _source(second, modality), modality=modality, **options
        )
    except IntegrityError:
        raise
    except BiomatchError as error:
        empty = dict.fromkeys(("score", "log10_lr", "fmr", "support", "calibration"))
        return empty | {"error": str(error)}
    return {
        "score": found.score,
        "log10_lr": found.log10_lr,
        "fmr": found.fmr,
        "support": words.support(found.log10_lr),
        "calibration": found.calibration,
        "error": None,
    }


def _source(source: Path | str, modality: str | None) -> "Sample | list[Sample] | str":
    """Keep ids of enrolled samples; read files whatever their format."""
    if isinstance(source, str):
        return source
    found = read_samples(source, modality)
    return found[0] if len(found) == 1 else found
