"""Comparing two sources 1:1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from biomatch.errors import OptionError, TemplateMismatchError
from biomatch.search import registry
from biomatch.search.sources import Extracted

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a 1:1 comparison found. A high score is not an identification.

    Attributes
    ----------
    modality
        Registered name.
    score
        Comparison score, higher = more alike; ``-inf`` = excluded by the modality's rules.
    log10_lr, fmr
        What the score means (see `biomatch.types.Calibration`).
    calibration
        Data and limits behind those figures.
    why
        The modality's explanation, JSON-able.
    """

    modality: str
    score: float
    log10_lr: float
    fmr: float
    calibration: str
    why: Mapping[str, Any] = field(default_factory=dict)


def compare(
    probes: Sequence[Extracted], references: Sequence[Extracted], options: Mapping[str, Any]
) -> Comparison:
    """Compare all templates of two sources and return the best pair's result.

    Raises
    ------
    OptionError
        The sources are of different modalities.
    TemplateMismatchError
        Their templates were made by different models.
    """
    names = {one.modality for one in (*probes, *references)}
    if len(names) > 1:
        raise OptionError(f"cannot compare {' with '.join(sorted(names))}")
    modality = registry.get(probes[0].modality)
    models = {modality.model_id(one.template) for one in (*probes, *references)}
    if len(models) > 1:
        raise TemplateMismatchError(
            f"the templates were made by different models ({', '.join(sorted(models))}); "
            "make both with one; `biomatch re-enrol` renews what is enrolled"
        )
    chosen = registry.options_for(modality, options, probes[0].template)
    gallery = modality.build([modality.dumps(one.template) for one in references])
    rows = np.arange(len(references))
    scores = np.array([gallery.compare(p.template, rows, options=chosen) for p in probes])
    i, j = divmod(int(np.argmax(scores)), len(references))
    meaning = modality.calibrate(scores[i, j : j + 1], options=chosen)
    return Comparison(
        modality=modality.name,
        score=float(scores[i, j]),
        log10_lr=float(meaning.log10_lr[0]),
        fmr=float(meaning.fmr[0]),
        calibration=meaning.source,
        why=modality.explain(probes[i].template, references[j].template, options=chosen),
    )
