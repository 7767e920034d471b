"""Turned faces: searching a turned picture, and straightening a face by its eye line.

A detector for upright faces still answers for a face that leans by 60 or 180 degrees, but
with wrong landmarks; the picture is therefore turned on a canvas that holds all of it, and
what is found is mapped back, so that chips are always cut from the original pixels.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.face import parameters
from biomatch.face.detection import Detections, merge, propose, suppress

__all__ = ["roll", "search_turned", "straightened"]

Matrix = NDArray[np.float64]


def roll(landmarks: NDArray[Any]) -> NDArray[np.float64]:
    """Lean of each eye line in degrees, clockwise in the picture, of (n, 5, 2) landmarks."""
    line = np.asarray(landmarks[:, 1] - landmarks[:, 0], np.float64)
    return np.asarray(np.degrees(np.arctan2(line[:, 1], line[:, 0])), np.float64)


def search_turned(pixels: NDArray[np.uint8], degrees: float, device: str) -> Detections:
    """Search a picture turned anticlockwise by `degrees`, on a canvas that crops nothing.

    The picture is first reduced to a longest side of 640 pixels. Answers are in pixels of the
    original.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, parameters.COARSE_SIDE / max(height, width))
    matrix, size = _turned((0.0, 0.0, float(width), float(height)), degrees, scale)
    return _search(pixels, matrix, size, degrees, device)


def straightened(
    pixels: NDArray[np.uint8],
    found: Detections,
    device: str,
    rounds: int = parameters.STRAIGHT_ROUNDS,
) -> Detections:
    """Turn every leaning face upright by its eye line and detect it again.

    Parameters
    ----------
    pixels
        (H, W, 3) uint8 RGB.
    found
        Faces; those that lean less than `parameters.ROLL_LIMIT` are left alone.
    device
        Execution provider.
    rounds
        How often at most.

    Returns
    -------
    Detections
        In the same order; a face that is not found again stays as it was.
    """
    parts = [found.take(np.array([row])) for row in range(len(found))]
    return merge([_straight(pixels, part, device, rounds) for part in parts]) if parts else found


def _straight(pixels: NDArray[np.uint8], face: Detections, device: str, rounds: int) -> Detections:
    """Turn one face upright, round by round, for as long as that helps.

    A round that turns the eye line past level, and further than it leaned, ends it: the eye
    line of a head in profile says nothing about its lean.
    """
    limit = parameters.ROLL_LIMIT if face.turns[0] == 0 else parameters.FINE_ROLL_LIMIT
    place, lean = _Place.of(face), _lean(face)
    for _ in range(rounds):
        if abs(lean) <= limit:
            return face
        degrees = float(face.turns[0]) + parameters.ROLL_GAIN * lean
        again = _around(pixels, face, place, degrees, device)
        if again is None or (lean * _lean(again) < 0 and abs(_lean(again)) > abs(lean)):
            return face
        face, lean, limit = again, _lean(again), parameters.FINE_ROLL_LIMIT
    return face


def _lean(face: Detections) -> float:
    """Degrees that a face leans beyond the turn at which it was found, -180 to 180."""
    return _signed(float(roll(face.landmarks)[0]) - float(face.turns[0]))


def _signed(degrees: float) -> float:
    """Return the same angle above -180 and up to 180 degrees."""
    return 180 - (180 - degrees) % 360


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a face was first found: what is found again must be there, and not beside it."""

    middle: NDArray[np.float32]
    reach: float

    @classmethod
    def of(cls, face: Detections) -> "_Place":
        size = float(face.boxes[0, 2:].max())
        return cls(face.landmarks[0].mean(axis=0), parameters.SAME_PLACE * size)

    def holds(self, found: Detections) -> NDArray[np.bool_]:
        """Tell which of the faces lie there."""
        away = np.linalg.norm(found.landmarks.mean(axis=1) - self.middle, axis=1)
        return np.asarray(away < self.reach, np.bool_)


def _around(
    pixels: NDArray[np.uint8], face: Detections, place: _Place, degrees: float, device: str
) -> Detections | None:
    """Detect one face again in its surroundings, turned so that its eye line is level."""
    middle = face.landmarks[0].mean(axis=0)
    reach = parameters.SURROUNDINGS * float(face.boxes[0, 2:].max())
    scale = min(1.0, parameters.STRAIGHT_SIDE / (2 * reach))
    area = (middle[0] - reach, middle[1] - reach, middle[0] + reach, middle[1] + reach)
    matrix, _ = _turned(tuple(float(v) for v in area), degrees, scale)
    side = max(32, round(2 * reach * scale))
    centre = matrix[:, :2] @ middle + matrix[:, 2]
    matrix[:, 2] += side / 2 - centre
    found = _search(pixels, matrix, (side, side), degrees, device)
    near = found.take(np.flatnonzero(place.holds(found)))
    return near.take(np.array([int(np.argmax(near.scores))])) if len(near) else None


def _turned(
    area: tuple[float, ...], degrees: float, scale: float
) -> tuple[Matrix, tuple[int, int]]:
    """Affine map that scales and turns an area, and the size of the canvas that holds it."""
    x0, y0, x1, y1 = area
    c, s = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    linear = np.array([[c, s], [-s, c]])
    corners = np.array([(x0, y0), (x1, y0), (x0, y1), (x1, y1)]) @ linear.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = np.maximum(np.ceil(high - low), 32).astype(int)
    return np.hstack([linear, -low[:, None]]), (int(size[0]), int(size[1]))


def _search(
    pixels: NDArray[np.uint8], matrix: Matrix, size: tuple[int, int], degrees: float, device: str
) -> Detections:
    import cv2

    canvas = cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR)
    found = propose(
        np.asarray(canvas, np.uint8), device=device, threshold=parameters.RESCUE_SCORE_THRESHOLD
    )
    return _mapped(suppress(found), matrix, degrees)


def _mapped(found: Detections, matrix: Matrix, degrees: float) -> Detections:
    """Bring faces of a turned canvas back to the picture; boxes become those of the corners."""
    inverse = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))[:2]
    points = found.landmarks @ inverse[:, :2].T + inverse[:, 2]
    low, size = found.boxes[:, :2], found.boxes[:, 2:]
    corners = (
        np.stack([low, low + size * (1, 0), low + size * (0, 1), low + size], axis=1)
        @ inverse[:, :2].T
        + inverse[:, 2]
    )
    start, end = corners.min(axis=1), corners.max(axis=1)
    return Detections(
        np.hstack([start, end - start]).astype(np.float32),
        points.astype(np.float32),
        found.scores,
        np.full(len(found), _signed(degrees), np.float32),
    )
