"""Extraction: photograph -> FaceTemplates, most prominent face first."""

import warnings
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import NoFeaturesError, OptionError
from biomatch.face import embedding, parameters, pictures
from biomatch.face.alignment import align
from biomatch.face.assessment import Quality, assess
from biomatch.face.detection import Detections, detect
from biomatch.face.template import FaceTemplate

__all__ = ["Policy", "QualityWarning", "extract", "quality"]


class QualityWarning(UserWarning):
    """A face was kept although its quality is low."""


class Policy(StrEnum):
    """What becomes of a face of low quality."""

    OFF = "off"
    WARN = "warn"
    REJECT = "reject"


def extract(
    source: Path | str | bytes | NDArray[Any],
    *,
    accuracy: str = "default",
    max_faces: int | None = None,
    device: str = "cpu",
    policy: Policy | str = Policy.OFF,
    name: str | None = None,
) -> list[FaceTemplate]:
    """Find the faces of a photograph and make a template of each.

    Parameters
    ----------
    source
        Path, bytes of a picture file, or an array (H, W), (H, W, 3) RGB or (H, W, 4) RGBA.
    accuracy
        ``"default"`` (SFace), ``"high"`` (SFace and dlib ResNet: about a fifth fewer misses for
        a third more time), or the registry key of a user's own recogniser.
    max_faces
        Keep only that many, the most prominent (large, central, clear) first; None = all.
    device
        ``"cpu"``, or an execution provider of ONNX Runtime such as ``"cuda"``.
    policy
        ``"reject"`` leaves out faces of quality below `parameters.REJECT_QUALITY`; ``"warn"``
        warns about faces that have reasons; ``"off"`` keeps all silently.
    name
        What error messages call the picture; default: its path.

    Returns
    -------
    list of FaceTemplate
        At least one, the most prominent first.

    Raises
    ------
    UnreadableSampleError
        The source is no readable picture.
    NoFeaturesError
        It holds no face, or none of sufficient quality under ``policy="reject"``.
    OptionError
        A parameter is unknown or out of range.
    """
    if max_faces is not None and max_faces < 1:
        raise OptionError(f"max_faces is {max_faces}; it must be at least 1")
    rule = _policy(policy)
    models_used = embedding.model_set(accuracy)
    photograph = pictures.read(source, name)
    found = prominent(detect(photograph.pixels, device=device), photograph.pixels.shape[:2])
    if not len(found):
        raise NoFeaturesError(
            f"{photograph.name}: no face was found; give a picture in which the face is at least "
            "20 pixels wide and not covered"
        )
    kept = found.take(np.arange(len(found))[:max_faces])
    return _admitted(_templates(photograph, kept, models_used, device), rule, photograph.name)


def quality(source: Path | str | bytes | NDArray[Any], *, device: str = "cpu") -> Quality:
    """Measure the most prominent face of a photograph.

    Parameters and errors are those of `extract`; the value is that of the ``default`` model set.
    """
    return extract(source, max_faces=1, device=device)[0].quality


def _policy(value: Policy | str) -> Policy:
    try:
        return Policy(value)
    except ValueError as error:
        raise OptionError(f"policy '{value}' is unknown; there are: {', '.join(Policy)}") from error


def prominent(found: Detections, shape: tuple[int, ...]) -> Detections:
    """Order faces by prominence: area times score, less with the distance from the centre.

    A portrait's subject is large, sharp and central; people in the background are not. The
    weight of the centre falls to 1/e at half of the picture's shorter side.
    """
    middle = np.array([shape[1], shape[0]]) / 2
    away = (found.boxes[:, :2] + found.boxes[:, 2:] / 2 - middle) / middle.min()
    weight = np.exp(-(away**2).sum(axis=1))
    rank = found.boxes[:, 2] * found.boxes[:, 3] * found.scores * weight
    return found.take(np.argsort(-rank, kind="stable"))


def _templates(
    photograph: pictures.Photograph,
    found: Detections,
    models_used: embedding.ModelSet,
    device: str,
) -> list[FaceTemplate]:
    pixels, factor = photograph.pixels, photograph.factor
    vectors, norms, chips = embedding.embed(pixels, found.landmarks, models_used, device=device)
    if models_used.networks[0].template != parameters.QUALITY_CHIP:
        chips = np.stack([align(pixels, p, parameters.QUALITY_CHIP) for p in found.landmarks])
    curve = models_used.networks[0].quality_curve
    return [
        FaceTemplate(
            embedding=vectors[i],
            norms=tuple(float(v) for v in norms[i]),
            box=found.boxes[i] * np.float32(factor),
            landmarks=found.landmarks[i] * np.float32(factor),
            score=float(found.scores[i]),
            turn=float(found.turns[i]),
            face_index=i,
            picture_size=photograph.size,
            quality=assess(
                chips[i], found.landmarks[i] * factor, norms[i, 0], found.scores[i], curve
            ),
            model_set=models_used.name,
            model_id=models_used.model_id,
        )
        for i in range(len(found))
    ]


def _admitted(templates: list[FaceTemplate], policy: Policy, name: str) -> list[FaceTemplate]:
    if policy is Policy.OFF:
        return templates
    if policy is Policy.WARN:
        for template in templates:
            if template.quality.reasons:
                warnings.warn(_complaint(template, name), QualityWarning, stacklevel=3)
        return templates
    good = [t for t in templates if not t.quality.value < parameters.REJECT_QUALITY]
    if not good:
        raise NoFeaturesError(
            f"{_complaint(templates[0], name)}; give a better picture or use policy 'warn'"
        )
    return good


def _complaint(template: FaceTemplate, name: str) -> str:
    reasons = ", ".join(template.quality.reasons) or "no single cause"
    return f"{name}: face {template.face_index}: quality {template.quality.value:.0f}: {reasons}"
