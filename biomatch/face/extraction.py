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
from biomatch.face.faces import Faces, find
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
    detail: int = parameters.FINE_SIDE,
    name: str | None = None,
) -> list[FaceTemplate]:
    """Find the faces of a photograph and make a template of each.

    Parameters
    ----------
    source
        Path, bytes of a picture file, or an array (H, W), (H, W, 3) RGB or (H, W, 4) RGBA.
    accuracy
        ``"default"`` (SFace), ``"high"`` (SFace and dlib ResNet: about a third fewer misses for
        two fifths more time), or the registry key of a user's own recogniser.
    max_faces
        Keep only that many, the most prominent (large, central, clear) first; None = all.
    device
        ``"cpu"``, or an execution provider of ONNX Runtime such as ``"cuda"``.
    policy
        ``"reject"`` leaves out faces of quality below `parameters.REJECT_QUALITY`; ``"warn"``
        warns about faces that have reasons; ``"off"`` keeps all silently.
    detail
        Longest side in pixels at which a picture is searched for small faces; where the
        search finds no good face, twice as much is tried. Raise it for faces under 40 pixels in
        pictures of more than 2,000 (time grows with its square).
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
    if detail < parameters.COARSE_SIDE:
        raise OptionError(f"detail is {detail}; it must be at least {parameters.COARSE_SIDE}")
    rule = _policy(policy)
    models_used = embedding.model_set(accuracy)
    photograph = pictures.read(source, name, detail=detail)
    faces = find(photograph.pixels, models_used, max_faces=max_faces, device=device, detail=detail)
    if not len(faces):
        raise NoFeaturesError(_nothing(photograph, detail))
    return _admitted(_templates(photograph, faces, models_used), rule, photograph.name)


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


def _templates(
    photograph: pictures.Photograph, faces: Faces, models_used: embedding.ModelSet
) -> list[FaceTemplate]:
    factor, chips, found = photograph.factor, faces.chips, faces.detections
    if models_used.networks[0].template != parameters.QUALITY_CHIP:
        form = parameters.QUALITY_CHIP
        chips = np.stack([align(photograph.pixels, p, form) for p in found.landmarks])
    curve = models_used.networks[0].quality_curve
    landmarks = found.landmarks * np.float32(factor)
    return [
        FaceTemplate(
            embedding=faces.vectors[i],
            norms=tuple(float(v) for v in faces.norms[i]),
            box=found.boxes[i] * np.float32(factor),
            landmarks=landmarks[i],
            score=float(found.scores[i]),
            turn=float(found.turns[i]),
            face_index=i,
            picture_size=photograph.size,
            quality=assess(
                chips[i],
                landmarks[i],
                faces.norms[i, 0],
                found.scores[i],
                curve,
                photograph.size,
            ),
            model_set=models_used.name,
            model_id=models_used.model_id,
        )
        for i in range(len(faces))
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


def _nothing(photograph: pictures.Photograph, detail: int) -> str:
    longest = max(photograph.size)
    closer = f", or raise the option detail (now {detail}) towards {longest}"
    return (
        f"{photograph.name}: no face was found; give a picture in which the face is at least "
        f"20 pixels wide and not covered{closer if longest > 2 * detail else ''}"
    )


def _complaint(template: FaceTemplate, name: str) -> str:
    reasons = ", ".join(template.quality.reasons) or "no single cause"
    return f"{name}: face {template.face_index}: quality {template.quality.value:.0f}: {reasons}"
