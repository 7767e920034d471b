"""Profiles searched in profiles, without a database: the exact candidate list."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from biomatch.dna.adventitious import adventitious_probability
from biomatch.dna.gallery import DnaGallery
from biomatch.dna.modality import MODALITY, SearchGallery
from biomatch.dna.options import DnaOptions, parse_options
from biomatch.dna.profile import DnaProfile
from biomatch.types import Candidate, CandidateList, Coverage

__all__ = ["search_profiles"]


def search_profiles(
    probes: Sequence[DnaProfile],
    references: Sequence[DnaProfile],
    *,
    limit: int = 250,
    **options: Any,
) -> list[CandidateList]:
    """Search each probe in all references and rank the candidates by log10 LR.

    Parameters
    ----------
    probes, references
        Profiles.
    limit
        At most so many candidates a probe.
    options
        Options by name: see `biomatch.dna.options.parse_options`.

    Returns
    -------
    list of CandidateList
        One a probe. `Candidate.expected_false` is the number of unrelated references that the
        rule reports by chance (identity searches): `adventitious_probability` times their number.

    Raises
    ------
    OptionError
        An option is unknown or out of range.
    """
    chosen = parse_options(options)
    gallery = SearchGallery(DnaGallery.build([profile.dumps() for profile in references]))
    return [_candidates(probe, gallery, references, chosen, limit) for probe in probes]


def _candidates(
    probe: DnaProfile,
    gallery: SearchGallery,
    references: Sequence[DnaProfile],
    options: DnaOptions,
    limit: int,
) -> CandidateList:
    rows = gallery.shortlist([probe], limit, options=options)[0]
    scores = gallery.compare(probe, rows, options=options)
    names = np.array([references[row].name for row in rows], np.str_)
    order = np.lexsort((names, -scores))[:limit]
    identity = options.relation is None and options.mixture is None
    chance = float("nan")
    if identity:
        chance = len(references) * adventitious_probability(
            probe, options.tables, options.rules, options.theta
        )
    listed = []
    for rank, place in enumerate(order, 1):
        reference = references[rows[place]]
        why = MODALITY.explain(probe, reference, options=options)
        listed.append(
            Candidate(
                rank=rank,
                subject=reference.name,
                sample=reference.name,
                score=float(scores[place]),
                log10_lr=float(scores[place]),
                expected_false=chance,
                why=why,
            )
        )
    return CandidateList(
        candidates=tuple(listed),
        probe=probe.name,
        modality="dna",
        coverage=Coverage(len(references), len(references)),
        calibration=options.sentence,
    )
