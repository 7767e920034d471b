"""Finding and embedding the faces of one picture, turned ones included."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.face import embedding, parameters, rotation
from biomatch.face.assessment import predicted
from biomatch.face.detection import Detections, covered, detect, merge

__all__ = ["Faces", "find", "prominent"]


@dataclass(frozen=True, slots=True)
class Faces:
    """Faces of one picture with their features.

    Attributes
    ----------
    detections
        Where they are, in pixels of the picture.
    vectors
        (n, d) float32 unit vectors.
    norms
        (n, networks) raw lengths.
    chips
        (n, size, size, 3) of the first network.
    quality
        (n,) 0 to 100; for a model without a quality curve the detection score times 100.
    """

    detections: Detections
    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]
    chips: NDArray[np.uint8]
    quality: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.detections)

    def take(self, rows: NDArray[Any]) -> "Faces":
        """Return some of the faces."""
        return Faces(
            self.detections.take(rows),
            self.vectors[rows],
            self.norms[rows],
            self.chips[rows],
            self.quality[rows],
        )

    def joined(self, other: "Faces") -> "Faces":
        """Return the faces of both."""
        return Faces(
            merge([self.detections, other.detections]),
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.norms, other.norms]),
            np.concatenate([self.chips, other.chips]),
            np.concatenate([self.quality, other.quality]),
        )


def find(
    pixels: NDArray[np.uint8],
    models_used: embedding.ModelSet,
    *,
    max_faces: int | None = None,
    device: str = "cpu",
    detail: int = parameters.FINE_SIDE,
) -> Faces:
    """Find the faces of a picture, most prominent first.

    Upright faces cost one search. Leaning faces are straightened by their eye line. Only when
    the most prominent face is of low quality the picture is turned on its head and by 45
    degrees to either side; when there is no face, or one so bad that it may be on its side or
    head, a large picture is searched at twice the size, then it is turned to 90, 180 and
    270 degrees, and then to the 45 degrees between. Of every place the face with the highest
    quality is kept.

    Parameters
    ----------
    pixels
        (H, W, 3) uint8 RGB.
    models_used
        From `embedding.model_set`.
    max_faces
        Embed only the most prominent ones; None = all.
    device
        Execution provider.
    detail
        Longest side at which small faces are searched.
    """
    found = prominent(detect(pixels, device=device, detail=detail), pixels.shape)
    found = rotation.straightened(pixels, found.take(np.arange(len(found))[:max_faces]), device)
    faces = _embedded(pixels, found, models_used, device)
    enough = parameters.RESCUE_QUALITY
    lost = not len(faces) or faces.quality[0] < parameters.LOST_QUALITY
    for more in _rescues(pixels, lost, device, detail):
        if len(faces) and faces.quality[0] >= enough:
            break
        enough = parameters.RESCUED_QUALITY
        faces = _ordered(_rescued(pixels, faces, more(), models_used, device), pixels.shape)
        faces = faces.take(np.arange(len(faces))[:max_faces])
    return faces


def _rescues(
    pixels: NDArray[np.uint8], lost: bool, device: str, detail: int
) -> Iterator[Callable[[], Detections]]:
    """Yield searches that may find a better face, in the order in which they are tried."""
    longest = max(pixels.shape[:2])
    if lost and longest > detail:
        most = min(longest, round(parameters.DECODED_RATIO * detail))
        yield partial(detect, pixels, device=device, detail=most)
    for turns in parameters.RESCUE_TURNS if lost else parameters.LEANING_TURNS:
        yield partial(_turned, pixels, turns, device)


def _turned(pixels: NDArray[np.uint8], turns: tuple[float, ...], device: str) -> Detections:
    return merge([rotation.search_turned(pixels, degrees, device) for degrees in turns])


def prominent(found: Detections, shape: tuple[int, ...]) -> Detections:
    """Order faces by prominence: area times score, less with the distance from the centre.

    A portrait's subject is large, sharp and central; people in the background are not. The
    weight of the centre falls to 1/e at half of the picture's shorter side.
    """
    return found.take(np.argsort(-_prominence(found, shape), kind="stable"))


def _prominence(found: Detections, shape: tuple[int, ...]) -> NDArray[np.float64]:
    middle = np.array([shape[1], shape[0]]) / 2
    away = (found.boxes[:, :2] + found.boxes[:, 2:] / 2 - middle) / middle.min()
    weight = np.exp(-(away**2).sum(axis=1))
    rank = found.boxes[:, 2] * found.boxes[:, 3] * found.scores * weight
    return np.asarray(rank, np.float64)


def _ordered(faces: Faces, shape: tuple[int, ...]) -> Faces:
    """Order by prominence and quality: turned pictures hold things that look like faces."""
    rank = _prominence(faces.detections, shape) * (faces.quality + 1)
    return faces.take(np.argsort(-rank, kind="stable"))


def _embedded(
    pixels: NDArray[np.uint8], found: Detections, models_used: embedding.ModelSet, device: str
) -> Faces:
    vectors, norms, chips = embedding.embed(pixels, found.landmarks, models_used, device=device)
    curve = models_used.networks[0].quality_curve
    utility = norms[:, 0] * found.scores if len(found) else np.zeros(0)
    values = [predicted(float(u), curve) for u in utility] if curve else found.scores * 100.0
    return Faces(found, vectors, norms, chips, np.asarray(values, np.float64))


def _rescued(
    pixels: NDArray[np.uint8],
    faces: Faces,
    found: Detections,
    models_used: embedding.ModelSet,
    device: str,
) -> Faces:
    """Add what another search found, and keep the best face of every place."""
    best = prominent(found, pixels.shape)
    best = best.take(np.arange(len(best))[: parameters.RESCUE_FACES])
    upright = rotation.straightened(pixels, best, device)
    every = faces.joined(_embedded(pixels, upright, models_used, device))
    every = every.take(np.argsort(-every.quality, kind="stable"))
    keep: list[int] = []
    for row in range(len(every)):
        boxes = every.detections.boxes
        if not keep or covered(boxes[keep], boxes[row]).max() <= parameters.RESCUE_OVERLAP:
            keep.append(row)
    return every.take(np.array(keep, np.int64))
