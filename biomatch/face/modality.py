"""The face pipeline as the search engine sees it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biomatch.errors import OptionError
from biomatch.face import calibration, comparison, embedding, extraction, template
from biomatch.face.gallery import FaceGallery
from biomatch.face.template import FaceTemplate
from biomatch.types import Calibration, FloatArray, Sample

__all__ = ["MODALITY", "FaceModality", "FaceOptions"]

EXTRACTION = ("accuracy", "max_faces", "device", "policy", "detail")


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """How faces are compared.

    Attributes
    ----------
    model_id
        Model set of the probe: chooses the calibration.
    calibration
        A user's own, from `biomatch.face.calibrate`; None = the shipped one.
    """

    model_id: str
    calibration: "calibration.FaceCalibration | None" = None


class FaceModality:
    """Implements `biomatch.types.Modality` for faces."""

    name = "face"
    exact = False
    shortlist_size = 100
    """Rows from a part: enough, because the first stage ends with the final scores."""
    suffixes = frozenset(
        {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".jp2", ".j2k", ".gif"}
    )

    def model_id(self, template: FaceTemplate | None = None) -> str:
        """Identify networks and aligner; the default model set's without a template."""
        return template.model_id if template else embedding.model_set("default").model_id

    def extract(self, sample: Sample) -> list[FaceTemplate]:
        """Make the template of the most prominent face.

        A sample belongs to one person, so background faces are left out unless
        ``sample.options`` says ``max_faces``: how many to keep, 0 = all. It may also hold
        accuracy, device and policy, as `extraction.extract`.

        Raises
        ------
        SampleError
            The picture cannot be read or holds no usable face.
        OptionError
            An option is unknown.
        """
        if isinstance(sample.template, FaceTemplate):
            return [sample.template]
        unknown = sorted(set(sample.options) - set(EXTRACTION))
        if unknown:
            raise OptionError(
                f"{sample.name}: face extraction has no option '{unknown[0]}'; "
                f"there are: {', '.join(EXTRACTION)}"
            )
        source = sample.image if sample.image is not None else sample.path
        if source is None:
            raise OptionError(f"{sample.name}: a face sample needs a path or an image")
        choices = dict(sample.options)
        most = int(choices.pop("max_faces", 1)) or None
        return extraction.extract(source, name=sample.name, max_faces=most, **choices)

    def label(self, template: FaceTemplate) -> str | None:
        """Return None: photographs do not name their subject."""
        del template
        return None

    def quality(self, template: FaceTemplate) -> float:
        """Quality 0 to 100; NaN for a user's model without a quality curve."""
        return template.quality.value

    def dumps(self, template: FaceTemplate) -> bytes:
        """Write the binary form."""
        return _dumps(template)

    def loads(self, blob: bytes) -> FaceTemplate:
        """Read the binary form; FormatError when it is damaged."""
        return _loads(blob)

    def build(self, blobs: Sequence[bytes]) -> FaceGallery:
        """Pack references and build their index."""
        return FaceGallery.of(blobs)

    def load(self, folder: Path) -> FaceGallery:
        """Open a saved gallery, memory-mapped."""
        return FaceGallery.open(folder)

    def options(self, values: Mapping[str, Any]) -> FaceOptions:
        """Check comparison options: ``accuracy`` (name) and ``calibration`` (path).

        Raises
        ------
        OptionError
            Unknown name or value.
        """
        unknown = sorted(set(values) - {*EXTRACTION, "calibration"})
        if unknown:
            raise OptionError(
                f"face comparison has no option '{unknown[0]}'; there are: accuracy, calibration"
            )
        chosen = embedding.model_set(str(values.get("accuracy", "default")))
        path = values.get("calibration")
        own = calibration.read(path) if path else None
        if own and "accuracy" in values and own.model_id != chosen.model_id:
            raise OptionError(
                f"{path}: was fitted for '{own.model_id}' and not for '{chosen.model_id}'"
            )
        return FaceOptions(chosen.model_id, own)

    def bind(self, options: FaceOptions, template: FaceTemplate) -> FaceOptions:
        """Choose the calibration of the template's own model set.

        Raises
        ------
        OptionError
            The user's calibration was fitted for another model set.
        """
        own = options.calibration
        if own and own.model_id != template.model_id:
            raise OptionError(
                f"the calibration was fitted for '{own.model_id}' and the probe was made by "
                f"'{template.model_id}'; fit one with `biomatch calibrate face --accuracy "
                f"{template.model_set}`"
            )
        return FaceOptions(template.model_id, own)

    def calibrate(self, scores: FloatArray, *, options: object | None = None) -> Calibration:
        """Turn cosines into log10 LR and FMR; NaN for a model that nobody calibrated."""
        model_id = options.model_id if isinstance(options, FaceOptions) else self.model_id()
        own = options.calibration if isinstance(options, FaceOptions) else None
        table = own or calibration.shipped(model_id)
        values = np.asarray(scores, np.float64)
        if table is None:
            unknown = np.full(values.shape, np.nan)
            return Calibration(unknown, unknown, f"none for {model_id}: run `biomatch calibrate`")
        return Calibration(table.log10_lr(values), table.false_match_rate(values), table.source)

    def combine(
        self, probe: FaceTemplate, references: Sequence[FaceTemplate], scores: FloatArray
    ) -> float:
        """Compare with the quality-weighted mean of a person's samples as well."""
        return comparison.fuse(probe, references, scores)

    def explain(
        self, probe: FaceTemplate, reference: FaceTemplate, *, options: object | None = None
    ) -> dict[str, Any]:
        """Give boxes, landmarks, quality and reasons of both faces, and each network's cosine."""
        del options
        return {
            "probe": _described(probe),
            "reference": _described(reference),
            "cosine": _by_network(probe, reference),
        }


_dumps, _loads = template.dumps, template.loads


def _described(face: FaceTemplate) -> dict[str, Any]:
    return {
        "box": [round(float(v), 1) for v in face.box],
        "landmarks": np.round(face.landmarks.astype(float), 1).tolist(),
        "picture_size": list(face.picture_size),
        "face_index": face.face_index,
        "detection_score": round(face.score, 3),
        "quality": round(face.quality.value, 1),
        "reasons": list(face.quality.reasons),
        "model_set": face.model_set,
        "embedding_sha256": hashlib.sha256(face.embedding.tobytes()).hexdigest()[:16],
    }


def _by_network(probe: FaceTemplate, reference: FaceTemplate) -> dict[str, float]:
    networks = embedding.model_set(probe.model_set).networks
    cuts = np.cumsum([0, *(network.dimension for network in networks)])
    cosines: dict[str, float] = {}
    for network, start, end in zip(networks, cuts[:-1], cuts[1:], strict=True):
        a, b = probe.embedding[start:end], reference.embedding[start:end]
        length = float(np.linalg.norm(a) * np.linalg.norm(b))
        cosines[network.name] = round(float(a @ b) / max(length, 1e-9), 4)
    return cosines


MODALITY = FaceModality()
