"""Compare many pairs 1:1."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biomatch.errors import BiomatchError, FormatError, IntegrityError
from biomatch.jobs.items import held
from biomatch.report import words
from biomatch.types import Sample

if TYPE_CHECKING:
    from biomatch.search import Database

__all__ = ["verify"]

Pair = tuple[Path | str, Path | str]


def verify(
    db: "Database",
    pairs: Sequence[Pair | FormatError],
    *,
    modality: str | None = None,
    extraction: Mapping[str, Any] | None = None,
    ppi: float | None = None,
    fmr: float | None = None,
    advance: Callable[[int], None] = lambda _count: None,
    **options: Any,
) -> Iterator[dict[str, Any]]:
    """Compare pairs of files or of enrolled samples (``s42``), one result a pair, in order.

    Parameters
    ----------
    db
        Holds the enrolled samples, and records every comparison.
    pairs
        Files or ids; an error stands for a row of a list that could not be read.
    modality
        What the files are, where they do not tell.
    extraction
        Extraction options of the files.
    ppi
        True resolution of pictures of prints; overrules what their files state.
    fmr
        A false match rate: adds to each result whether its score ``reached`` it (None where
        no rate is known).
    advance
        Called after every pair.
    options
        Further arguments of `Database.verify`.

    Yields
    ------
    dict
        path_a, path_b, score, log10_lr, fmr, support, calibration, and error (None = none).

    Raises
    ------
    IntegrityError
        Database or model is damaged.
    """
    reading = {"modality": modality, "extraction": extraction or {}, "ppi": ppi}
    for pair in pairs:
        named = ("", "") if isinstance(pair, FormatError) else pair
        result = _compare(db, pair, reading, options)
        if fmr is not None:
            rate = result["fmr"]
            known = rate is not None and not math.isnan(rate)
            result["reached"] = bool(rate <= fmr) if known else None
        yield {"path_a": str(named[0]), "path_b": str(named[1])} | result
        advance(1)


def _compare(
    db: "Database",
    pair: Pair | FormatError,
    reading: dict[str, Any],
    options: dict[str, Any],
) -> dict[str, Any]:
    try:
        if isinstance(pair, FormatError):
            raise pair
        first, second = (_source(one, **reading) for one in pair)
        found = db.verify(first, second, modality=reading["modality"], **options)
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


def _source(
    source: Path | str,
    modality: str | None,
    extraction: Mapping[str, Any],
    ppi: float | None,
) -> "Sample | list[Sample] | str":
    """Keep ids of enrolled samples; read files whatever their format."""
    if isinstance(source, str):
        return source
    found = held(source, modality)
    if ppi is not None:
        found = [replace(s, ppi=ppi) for s in found]
    if extraction:
        found = [replace(s, options={**s.options, **extraction}) for s in found]
    return found[0] if len(found) == 1 else found
