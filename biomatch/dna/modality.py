"""DNA behind the interface of the search engine."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.dna import files
from biomatch.dna.adventitious import adventitious_probability
from biomatch.dna.familial import (
    ProbeRatios,
    ScanTables,
    contributors,
    kinship_ratios,
    mixture_ratios,
    relatives,
)
from biomatch.dna.gallery import DnaGallery
from biomatch.dna.kinship import least_favourable_kinship, y_check
from biomatch.dna.matching import compare
from biomatch.dna.mixture import MixtureModel, mixture
from biomatch.dna.options import DnaOptions, parse_options
from biomatch.dna.profile import DnaProfile
from biomatch.dna.statistics import least_favourable
from biomatch.errors import FormatError, NoFeaturesError, ProfileError, UnreadableSampleError
from biomatch.types import Calibration, Sample

__all__ = ["MODALITY", "DnaModality", "SearchGallery"]

RowArray = NDArray[np.int64]


def _options(options: object | None) -> DnaOptions:
    return options if isinstance(options, DnaOptions) else parse_options({})


class SearchGallery:
    """A `DnaGallery` as the engine wants it: shortlist, then compare.

    Parameters
    ----------
    gallery
        The packed profiles.
    """

    def __init__(self, gallery: DnaGallery) -> None:
        self.gallery = gallery

    def __len__(self) -> int:
        return len(self.gallery)

    def shortlist(
        self,
        probes: Sequence[DnaProfile],
        size: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        options: object | None = None,
    ) -> list[RowArray]:
        """Every row that the rule reports, best first; for kinship the best by log10 LR.

        A search for the same person returns all hits, however many; `size` bounds only
        searches for relatives and contributors.
        """
        return [rows for rows, _ in self.best(probes, size, allowed=allowed, options=options)]

    def best(
        self,
        probes: Sequence[DnaProfile],
        size: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        options: object | None = None,
    ) -> list[tuple[RowArray, NDArray[np.float64]]]:
        """Return the rows of `shortlist` with their log10 LRs."""
        chosen = _options(options)
        if chosen.relation is not None or chosen.mixture is not None:
            return [self._scanned(probe, max(size, 1), allowed, chosen) for probe in probes]
        return self.gallery.search_scored(probes, chosen.rules, chosen.scores, allowed=allowed)

    def _scanned(
        self,
        probe: DnaProfile,
        size: int,
        allowed: NDArray[np.bool_] | None,
        options: DnaOptions,
    ) -> tuple[RowArray, NDArray[np.float64]]:
        """Best relatives or contributors of one probe, and their log10 LRs."""
        if options.mixture is not None:
            return contributors(
                self.gallery,
                probe,
                options.tables,
                known=options.known,
                model=options.mixture,
                keep=size,
                min_log10_lr=options.min_log10_lr,
                allowed=allowed,
                ratios=self._ratios(probe, options),
            )
        return relatives(
            self.gallery,
            probe,
            str(options.relation),
            options.tables,
            theta=options.theta,
            keep=size,
            min_log10_lr=options.min_log10_lr,
            min_loci=options.min_loci,
            max_exclusions=options.max_exclusions,
            allowed=allowed,
            ratios=self._ratios(probe, options),
        )

    def compare(
        self, probe: DnaProfile, rows: RowArray, *, options: object | None = None
    ) -> NDArray[np.float64]:
        """log10 LR of each row; -inf where the rule reports nothing."""
        chosen = _options(options)
        rows = np.ascontiguousarray(rows, np.int64)
        if chosen.relation is None and chosen.mixture is None:
            return self.gallery.match_scores(probe, chosen.rules, rows, chosen.scores)
        tables = ScanTables(self.gallery.columns, self._ratios(probe, chosen))
        values = tables.scores(rows)
        values[values < chosen.min_log10_lr] = -np.inf
        return values

    def _ratios(self, probe: DnaProfile, options: DnaOptions) -> ProbeRatios:
        """Tables of a search for relatives or contributors, made once a probe."""

        def make() -> ProbeRatios:
            tables, theta = options.tables, options.theta
            if options.mixture is not None:
                return mixture_ratios(probe, tables, known=options.known, model=options.mixture)
            return kinship_ratios(probe, str(options.relation), tables, theta)

        made: ProbeRatios = options.prepared.of("ratios", probe, make)
        return made

    def save(self, folder: Path) -> None:
        """Write .npy, .json and FAISS files into an existing, empty folder."""
        self.gallery.save(folder)


class DnaModality:
    """STR profiles: tables in, exact candidates out."""

    name = "dna"
    exact = True
    suffixes = frozenset({".csv", ".tsv", ".txt", ".xml", ".fam"})

    def model_id(self, template: DnaProfile | None = None) -> str:
        """Profiles are not made by a model: all are comparable."""
        del template
        return "str-1"

    def extract(self, sample: Sample) -> list[DnaProfile]:
        """Read a file of profiles, or take the profile that the sample brings.

        Raises
        ------
        UnreadableSampleError
            No DNA file, or it breaks its format; the message names line and column.
        NoFeaturesError
            No profile in it has a typed autosomal locus.
        """
        if isinstance(sample.template, DnaProfile):
            profiles = [sample.template]
        elif sample.path is not None:
            try:
                profiles = files.read(sample.path)
            except (FormatError, ProfileError) as error:
                raise UnreadableSampleError(str(error)) from error
        else:
            raise UnreadableSampleError(f"{sample.name}: neither a file nor a DNA profile")
        if not any(profile.n_loci for profile in profiles):
            raise NoFeaturesError(f"{sample.name}: no autosomal locus is typed; nothing to compare")
        return profiles

    def label(self, template: DnaProfile) -> str | None:
        """Specimen name of the profile."""
        return template.name or None

    def quality(self, template: DnaProfile) -> float:
        """NaN: the number of typed loci says more (see `explain`)."""
        del template
        return math.nan

    def dumps(self, template: DnaProfile) -> bytes:
        """Write the stored form of a profile."""
        return template.dumps()

    def loads(self, blob: bytes) -> DnaProfile:
        """Profile of a stored form.

        Raises
        ------
        FormatError
            The blob is damaged.
        """
        return DnaProfile.loads(blob)

    def build(self, blobs: Sequence[bytes]) -> SearchGallery:
        """Pack stored profiles and index them."""
        return SearchGallery(DnaGallery.build(blobs))

    def load(self, folder: Path) -> SearchGallery:
        """Open a saved gallery, memory-mapped."""
        return SearchGallery(DnaGallery.load(folder))

    def options(self, values: Mapping[str, Any]) -> DnaOptions:
        """Check options by name; see `biomatch.dna.options.parse_options`."""
        return parse_options(values)

    def obstacle(self, template: DnaProfile, options: object | None) -> str:
        """Say why a search can find nobody: the profile types too few loci."""
        return _options(options).shortage(template)

    def calibrate(
        self, scores: NDArray[np.float64], *, options: object | None = None
    ) -> Calibration:
        """Scores are log10 LRs already; a false match rate is not defined for DNA."""
        values = np.asarray(scores, np.float64)
        return Calibration(values.copy(), np.full(values.shape, np.nan), _options(options).sentence)

    def combine(
        self, probe: DnaProfile, references: Sequence[DnaProfile], scores: NDArray[np.float64]
    ) -> float:
        """Return the best of several references of one person."""
        del probe, references
        return float(np.max(scores))

    def explain(
        self, probe: DnaProfile, reference: DnaProfile, *, options: object | None = None
    ) -> dict[str, Any]:
        """Return the locus table, the random match probability and what the score means.

        ``adventitious_probability`` (that this rule reports an unrelated person) times the
        number of records searched is the number of adventitious hits to expect.
        """
        chosen = _options(options)
        told: dict[str, Any] = {
            "comparison": compare(probe, reference, chosen.rules).as_dict(),
            "score": chosen.sentence,
            "note": "a candidate is not an identification",
        }
        told |= chosen.prepared.of("rarity", probe, lambda: _rarity(probe, chosen))
        if chosen.mixture is not None:
            told["mixture"] = self._mixture(probe, reference, chosen, chosen.mixture)
        if chosen.relation is not None:
            told["kinship"] = self._kinship(probe, reference, chosen, chosen.relation)
        return told

    def _mixture(
        self,
        evidence: DnaProfile,
        candidate: DnaProfile,
        options: DnaOptions,
        model: MixtureModel,
    ) -> dict[str, Any]:
        weighed = [
            mixture(evidence, candidate, table, known=options.known, model=model)
            for table in options.tables
        ]
        return min(weighed, key=lambda one: one.log10).as_dict()

    def _kinship(
        self, probe: DnaProfile, reference: DnaProfile, options: DnaOptions, relation: str
    ) -> dict[str, Any]:
        index = least_favourable_kinship(probe, reference, relation, options.tables, options.theta)
        y = y_check(probe, reference)
        return {
            **index.as_dict(),
            "y_str": {
                "compared": y.compared,
                "mismatched": y.mismatched,
                "loci": list(y.loci),
                "consistent": y.consistent,
            },
        }


def _rarity(probe: DnaProfile, options: DnaOptions) -> dict[str, Any]:
    """How rare the probe is, and how often the rule reports a stranger."""
    told: dict[str, Any] = {"random_match_probability": None}
    try:
        rarity = least_favourable(probe, options.tables, options.theta, options.formula)
        told["random_match_probability"] = rarity.probability
        told["rarity"] = rarity.as_dict()
    except ProfileError as error:
        told["rarity"] = str(error)
    if options.mixture is None and options.relation is None:
        told["adventitious_probability"] = adventitious_probability(
            probe, options.tables, options.rules, options.theta
        )
    return told


MODALITY = DnaModality()
