"""Quality of a face sample: one number that predicts a miss, and measures that say why.

The number rests on the recogniser's raw norm times the detection score, the one predictor
that lowered misses clearly when the worst samples were discarded (error-versus-discard curves,
ISO/IEC 29794-1:2024). The measures beside it need no network; they follow the quality elements
of ISO/IEC 29794-5 (inter-eye distance, sharpness, luminance, contrast, head pose, occlusion)
with definitions of our own that each docstring states.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from biomatch.face import parameters
from biomatch.face.alignment import TEMPLATES, similarity

__all__ = ["Quality", "assess"]

INNER = np.s_[26:106, 20:92]
"""Rows and columns of the chip that hold the face without hair and background."""

INNER_PLACES = np.stack(np.meshgrid(np.arange(20, 92), np.arange(26, 106)), axis=-1)
"""x, y of these pixels in the chip, (80, 72, 2)."""

CHIP_POINTS = np.array(TEMPLATES[parameters.QUALITY_CHIP].points)


@dataclass(frozen=True, slots=True)
class Quality:
    """Quality of one face.

    Attributes
    ----------
    value
        0 to 100: expected percentage of mates that a search finds at FMR 1e-4 when the other
        sample is good.
    utility
        Raw norm times detection score, the predictor behind `value`.
    inter_eye
        Distance between the eyes in pixels.
    sharpness
        Standard deviation of the Laplacian of the chip's luma (8-bit steps).
    brightness
        Mean luma of the chip's inner face, 0 to 255.
    contrast
        Standard deviation of that luma.
    clipped
        Share of the inner face's pixels below 10 or above 245, 0 to 1.
    yaw, pitch
        Estimated turn of the head to the side and up, degrees; rough.
    roll
        Lean of the eye line in the picture, degrees.
    texture_eyes, texture_mouth
        Mean gradient around the eyes and the mouth over that of the whole inner face: low
        where dark glasses, a hand or a mask cover them.
    missing
        Share of the inner face that lies beyond the picture's edge, 0 to 1; NaN in templates
        from before it was measured.
    """

    value: float
    utility: float
    inter_eye: float
    sharpness: float
    brightness: float
    contrast: float
    clipped: float
    yaw: float
    pitch: float
    roll: float
    texture_eyes: float
    texture_mouth: float
    missing: float = math.nan

    NAMES: ClassVar[tuple[str, ...]]

    def values(self) -> tuple[float, ...]:
        """All numbers in the order of `NAMES`."""
        return tuple(float(getattr(self, name)) for name in self.NAMES)

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Quality":
        """Make a quality from numbers in the order of `NAMES`; the last, `missing`, may lack.

        Raises
        ------
        ValueError
            Another count of numbers.
        """
        if len(values) not in (len(cls.NAMES) - 1, len(cls.NAMES)):
            raise ValueError(f"{len(values)} quality values, expected {len(cls.NAMES)}")
        return cls(*(float(v) for v in values))

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong, in words; empty for a good sample."""
        limits = parameters.QUALITY_LIMITS
        return tuple(
            words.format(getattr(self, name))
            for name, low, high, words in limits
            if getattr(self, name) < low or getattr(self, name) > high
        )


Quality.NAMES = tuple(field.name for field in fields(Quality))


def assess(
    chip: NDArray[np.uint8],
    landmarks: NDArray[Any],
    norm: float,
    score: float,
    curve: tuple[float, float] | None,
    size: tuple[int, int],
) -> Quality:
    """Measure one face.

    Parameters
    ----------
    chip
        Aligned chip of template ``arcface-112``, (112, 112, 3) uint8 RGB.
    landmarks
        Five points in pixels of the picture, (5, 2).
    norm
        Length of the recogniser's raw output.
    score
        Detection score, 0 to 1.
    curve
        The recogniser's logistic curve from norm times score to quality: offset and slope.
        None (nobody fitted one) makes `Quality.value` NaN.
    size
        Width and height of the picture. What lies beyond its edge is black in the chip and
        counts in `Quality.missing`, not as a dark face.
    """
    luma = chip.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    inner = luma[INNER]
    points = np.asarray(landmarks, np.float64)
    there = inside(points, size)
    seen = inner[there] if there.any() else inner
    eyes, mouth = texture(luma)
    yaw, pitch, roll = pose(points)
    utility = float(norm * score)
    return Quality(
        value=predicted(utility, curve) if curve else math.nan,
        utility=utility,
        inter_eye=float(np.hypot(*(points[1] - points[0]))),
        sharpness=sharpness(inner),
        brightness=float(seen.mean()),
        contrast=float(seen.std()),
        clipped=float(((seen < 10) | (seen > 245)).mean()),
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        texture_eyes=eyes,
        texture_mouth=mouth,
        missing=1.0 - float(there.mean()),
    )


def inside(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which pixels of the chip's inner face come from inside the picture."""
    linear, offset = np.split(similarity(points, CHIP_POINTS), [2], axis=1)
    back = np.linalg.inv(linear).T
    corners = (INNER_PLACES[::79, ::71] - offset.T) @ back
    if ((corners > -1) & (corners < size)).all():  # then all between them are inside
        return np.ones(INNER_PLACES.shape[:2], np.bool_)
    places = (INNER_PLACES - offset.T) @ back
    return np.asarray(((places > -1) & (places < size)).all(axis=-1), np.bool_)


def predicted(utility: float, curve: tuple[float, float]) -> float:
    """Turn norm times score into 0 to 100 by a logistic curve."""
    offset, slope = curve
    return 100.0 / (1.0 + math.exp(-min(max(offset + slope * utility, -50.0), 50.0)))


def sharpness(luma: NDArray[np.float32]) -> float:
    """Return the standard deviation of the four-neighbour Laplacian."""
    inside = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float((around - 4 * inside).std())


def texture(luma: NDArray[np.float32]) -> tuple[float, float]:
    """Return the gradient around the eyes and around the mouth over that of the inner face."""
    down, across = np.gradient(luma)
    strength = np.hypot(down, across)
    whole = float(strength[INNER].mean()) + 1e-6
    eyes = min(strength[42:62, 26:50].mean(), strength[42:62, 62:86].mean())
    return float(eyes) / whole, float(strength[82:102, 36:76].mean()) / whole


def pose(points: NDArray[np.float64]) -> tuple[float, float, float]:
    """Estimate yaw, pitch and roll in degrees from five landmarks.

    Weak perspective: after the roll is taken out, the nose tip lies in front of the plane of
    eyes and mouth by about 0.6 inter-eye distances, so it moves by 0.6 tan(yaw) to the side
    and, from its frontal place at 0.6 of the way from eyes to mouth, by 0.6 tan(pitch) upwards.
    """
    eye_line = points[1] - points[0]
    roll = math.degrees(math.atan2(eye_line[1], eye_line[0]))
    turn = np.array([[eye_line[0], eye_line[1]], [-eye_line[1], eye_line[0]]])
    upright = (points - points[:2].mean(axis=0)) @ (turn / max(np.hypot(*eye_line), 1e-6)).T
    distance = max(float(np.hypot(*eye_line)), 1e-6)
    mouth = upright[3:].mean(axis=0)
    height = max(float(abs(mouth[1])), 0.5 * distance)
    aside = (upright[2, 0] - 0.6 * mouth[0]) / (0.6 * max(distance, height * 0.8))
    above = (0.6 * mouth[1] - upright[2, 1]) / (0.6 * height)
    return math.degrees(math.atan(aside)), math.degrees(math.atan(above)), roll
