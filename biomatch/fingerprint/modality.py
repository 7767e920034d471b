"""Fingerprints as the search engine sees them: `biomatch.types.Modality`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import OptionError
from biomatch.fingerprint import cylinders
from biomatch.fingerprint.calibration import calibrate
from biomatch.fingerprint.comparison import match
from biomatch.fingerprint.gallery import FingerprintGallery, FingerprintOptions
from biomatch.fingerprint.minutiae import Minutiae
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.types import Calibration, FloatArray, ImpressionType, Sample

__all__ = ["MODALITY", "FingerprintModality"]

PICTURES = frozenset({".bmp", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".wsq"})
RECORDS = frozenset({".an2", ".an2k", ".ansi", ".eft", ".fir", ".fmr", ".iso", ".nist"})
SUFFIXES = PICTURES | RECORDS
MOST_CORNERS = 255


class FingerprintModality:
    """Fingerprint images and minutiae records, compared by their minutiae."""

    @property
    def name(self) -> str:
        """``"fingerprint"``."""
        return "fingerprint"

    @property
    def exact(self) -> bool:
        """False: the shortlist is approximate, its loss is measured in the benchmarks."""
        return False

    @property
    def suffixes(self) -> frozenset[str]:
        """Pictures, minutiae and image records, ANSI/NIST-ITL transactions."""
        return SUFFIXES

    def model_id(self, template: FingerprintTemplate | None = None) -> str:  # noqa: ARG002
        """Identify what templates must share to be compared.

        Minutiae in the sense of ISO/IEC 19794-2 are comparable whoever found them, so this
        names the template's kind and the cylinder version, not the extractor; a template
        itself records which extractor and weights made it.
        """
        return f"minutiae-cylinders-{cylinders.VERSION}"

    def extract(self, sample: Sample) -> list[FingerprintTemplate]:
        """Make one template of an image, or pass on a finished one.

        Raises
        ------
        SampleError
            The image cannot be used, or either has too few minutiae.
        OptionError
            An extraction option is unknown or wrong.
        """
        from biomatch.fingerprint.extraction import extract, require_minutiae

        if isinstance(sample.template, FingerprintTemplate):
            require_minutiae(sample.template.minutiae, sample.name)
            return [_placed(sample.template, sample)]

        source = sample.image if sample.image is not None else sample.path
        if source is None:
            raise OptionError(f"{sample.name}: has neither a path nor an image")
        template = extract(
            source,
            sample.ppi,
            impression=sample.impression,
            name=sample.name,
            **_extraction(sample),
        )
        return [_placed(template, sample)]

    def label(self, template: FingerprintTemplate) -> str | None:  # noqa: ARG002
        """None: prints carry no names."""
        return None

    def quality(self, template: FingerprintTemplate) -> float:
        """Quality 0 to 100, NaN when there was no image."""
        return float(template.quality)

    def dumps(self, template: FingerprintTemplate) -> bytes:
        """See `FingerprintTemplate.dumps`."""
        return template.dumps()

    def loads(self, blob: bytes) -> FingerprintTemplate:
        """See `FingerprintTemplate.loads`."""
        return FingerprintTemplate.loads(blob)

    def build(self, blobs: Sequence[bytes]) -> FingerprintGallery:
        """Pack references and build their index."""
        return FingerprintGallery.build([FingerprintTemplate.loads(blob) for blob in blobs])

    def load(self, folder: Path) -> FingerprintGallery:
        """Open a saved gallery, memory-mapped."""
        return FingerprintGallery.load(folder)

    def options(self, values: Mapping[str, Any]) -> FingerprintOptions | None:
        """Check ``{"rotation": degrees}``.

        Raises
        ------
        OptionError
            Unknown name, or a rotation outside 0 to 180.
        """
        unknown = sorted(set(values) - {"rotation"})
        if unknown:
            raise OptionError(f"fingerprint: unknown option '{unknown[0]}'; there is: rotation")
        if "rotation" not in values:
            return None
        try:
            rotation = float(values["rotation"])
        except (TypeError, ValueError):
            rotation = math.nan
        if not 0 <= rotation <= 180:
            raise OptionError(
                f"fingerprint: rotation {values['rotation']!r} is not a number of degrees from "
                "0 to 180"
            )
        return FingerprintOptions(rotation)

    def calibrate(self, scores: FloatArray, *, options: object | None = None) -> Calibration:  # noqa: ARG002
        """See `biomatch.fingerprint.calibration.calibrate`."""
        return calibrate(scores)

    def combine(
        self,
        probe: FingerprintTemplate,  # noqa: ARG002
        references: Sequence[FingerprintTemplate],  # noqa: ARG002
        scores: FloatArray,
    ) -> float:
        """Best of several impressions: distortion and overlap differ between them."""
        return float(np.max(scores))

    def explain(
        self,
        probe: FingerprintTemplate,
        reference: FingerprintTemplate,
        *,
        options: object | None = None,
    ) -> dict[str, Any]:
        """Paired minutiae and the movement between the prints, JSON-able.

        ``pairs`` holds [row in probe, row in reference, weight]; the two minutiae lists hold
        [x, y, angle, type, quality] in pixels at 500 ppi with y down.
        """
        turn = options.max_turn if isinstance(options, FingerprintOptions) else None
        found = match(probe, reference) if turn is None else match(probe, reference, max_turn=turn)
        return {
            "kind": "minutiae",
            "score": found.score,
            "pairs": [
                [int(i), int(j), round(float(w), 3)]
                for (i, j), w in zip(found.pairs, found.weights, strict=True)
            ],
            "probe": _drawn(probe.minutiae),
            "reference": _drawn(reference.minutiae),
            "probe_size": [probe.width, probe.height],
            "reference_size": [reference.width, reference.height],
            "rotation_degrees": round(math.degrees(found.rotation), 2),
            "translation": [round(v, 2) for v in found.translation],
            "matched": len(found.pairs),
            "overlap": list(found.overlap),
        }


def _placed(template: FingerprintTemplate, sample: Sample) -> FingerprintTemplate:
    """Add what the sample knows of finger position and impression."""
    position = sample.finger_position or template.finger_position
    stated = sample.impression is not ImpressionType.UNKNOWN
    impression = sample.impression if stated else template.impression
    return replace(template, finger_position=position, impression=impression)


def _extraction(sample: Sample) -> dict[str, Any]:
    unknown = sorted(set(sample.options) - {"extractor", "roi"})
    if unknown:
        raise OptionError(
            f"{sample.name}: unknown extraction option '{unknown[0]}'; there are: extractor, roi"
        )
    options = dict(sample.options)
    if "roi" in options:
        options["roi"] = _polygon(options["roi"])
    return options


def _polygon(corners: Any) -> NDArray[np.float64]:
    """Read a region of interest: ``"x,y x,y x,y"`` in pixels of the picture, or such pairs."""
    pairs = [c.split(",") for c in corners.split()] if isinstance(corners, str) else corners
    try:
        polygon = np.array(pairs, np.float64)
    except (TypeError, ValueError):
        polygon = np.zeros(0)
    fits = polygon.ndim == 2 and polygon.shape[1] == 2 and 3 <= len(polygon) <= MOST_CORNERS
    if not (fits and np.isfinite(polygon).all()):
        raise OptionError(
            f"fingerprint: roi {corners!r} is not a polygon of 3 to {MOST_CORNERS} corners, such "
            "as '10,20 300,20 300,400 10,400'"
        )
    return polygon


def _drawn(minutiae: Minutiae) -> list[list[float]]:
    return [[round(float(v), 3) for v in row] for row in minutiae.rows()]


MODALITY = FingerprintModality()
