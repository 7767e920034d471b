"""Detection: picture -> faces with box, five landmarks and score, by YuNet at several scales.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20
(2023). The network is free of anchors: each cell of the strides 8, 16 and 32 proposes one face.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch import models
from biomatch.face import parameters

__all__ = ["DETECTOR", "Detections", "detect", "merge", "propose"]

DETECTOR = "yunet_2023mar"
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Detections:
    """Faces of one picture, in its pixels.

    Attributes
    ----------
    boxes
        x, y, width, height, shape (n, 4).
    landmarks
        Eye on the picture's left, eye on its right, tip of the nose, corners of the mouth,
        shape (n, 5, 2).
    scores
        0 to 1, shape (n,).
    turns
        Degrees by which the picture was turned, anticlockwise, when each was found, above -180
        and up to 180, (n,).
    """

    boxes: Floats
    landmarks: Floats
    scores: Floats
    turns: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: NDArray[Any]) -> "Detections":
        """Return some of the faces."""
        return Detections(
            self.boxes[rows], self.landmarks[rows], self.scores[rows], self.turns[rows]
        )

    def scaled(self, factor_x: float, factor_y: float) -> "Detections":
        """Return the faces in a picture of another size."""
        factors = np.array([factor_x, factor_y], np.float32)
        return Detections(
            self.boxes * np.tile(factors, 2), self.landmarks * factors, self.scores, self.turns
        )

    def ranked(self) -> "Detections":
        """Return the faces by score, best first."""
        return self.take(np.argsort(-self.scores, kind="stable"))


def detect(
    pixels: NDArray[np.uint8],
    *,
    device: str = "cpu",
    threshold: float = parameters.SCORE_THRESHOLD,
    detail: int = parameters.FINE_SIDE,
) -> Detections:
    """Find all upright faces of a picture.

    Small pictures are searched once at their own size; larger ones with the longest side
    reduced to 640 pixels (large faces) and to `detail` pixels (small ones), with one
    suppression of doubles.

    Parameters
    ----------
    pixels
        (H, W, 3) uint8 RGB.
    device
        ``"cpu"``, or an execution provider of ONNX Runtime.
    threshold
        Least score.
    detail
        Longest side of the search for small faces.

    Returns
    -------
    Detections
        By score, best first; empty when there is no face.
    """
    longest = max(pixels.shape[:2])
    sides = [longest]
    if longest > parameters.SMALL_PICTURE:
        sides = [parameters.COARSE_SIDE, min(longest, detail)]
    found = [_at_side(pixels, side, device, threshold) for side in sides]
    return suppress(merge(found))


def _at_side(pixels: NDArray[np.uint8], side: int, device: str, least: float) -> Detections:
    import cv2

    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return propose(pixels, device=device, threshold=least)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    # Area averaging only where bilinear sampling would skip pixels: it takes four times as long.
    method = cv2.INTER_AREA if factor < 0.5 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)
    found = propose(small, device=device, threshold=least)
    return found.scaled(width / size[0], height / size[1])


def propose(pixels: NDArray[np.uint8], *, device: str, threshold: float) -> Detections:
    """Run the network once; the answer still holds doubles.

    A cell (column i, row j) of stride s proposes the centre ``((i, j) + bbox[:2]) s``, the size
    ``exp(bbox[2:]) s`` and the landmarks ``((i, j) + kps) s``; its score is the geometric mean
    of class and object score.
    """
    height, width = pixels.shape[:2]
    rows, columns = -(-height // 32), -(-width // 32)
    canvas = np.zeros((1, 3, rows * 32, columns * 32), np.float32)
    canvas[0, :, :height, :width] = pixels[..., ::-1].transpose(2, 0, 1)
    outputs = models.session(DETECTOR, device=device).run(None, {"input": canvas})
    parts = [
        _decode([outputs[kind * 3 + level][0] for kind in range(4)], stride, columns, threshold)
        for level, stride in enumerate(parameters.STRIDES)
    ]
    return merge(parts)


def _decode(output: list[Floats], stride: int, columns32: int, threshold: float) -> Detections:
    classes, objects, boxes, points = output
    scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
    cells = np.flatnonzero(scores >= threshold)
    across = columns32 * 32 // stride
    corner = np.stack([cells % across, cells // across], axis=1).astype(np.float32)
    size = np.exp(boxes[cells, 2:]) * stride
    centre = (corner + boxes[cells, :2]) * stride
    landmarks = (corner[:, None] + points[cells].reshape(-1, 5, 2)) * stride
    boxes = np.hstack([centre - size / 2, size])
    return Detections(boxes, landmarks, scores[cells], np.zeros(len(cells), np.float32))


def merge(parts: list[Detections]) -> Detections:
    """Join the faces of several runs."""
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.turns for part in parts]),
    )


def suppress(found: Detections, overlap: float = parameters.NMS_OVERLAP) -> Detections:
    """Keep the best of faces that overlap more than `overlap` (intersection over union)."""
    found = found.ranked()
    keep: list[int] = []
    for row in range(len(found)):
        if not keep or overlaps(found.boxes[keep], found.boxes[row]).max() <= overlap:
            keep.append(row)
    return found.take(np.array(keep, np.int64))


def common_area(boxes: Floats, box: Floats) -> Floats:
    """Area that each of (n, 4) boxes shares with one box."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=1), np.float32)


def covered(boxes: Floats, box: Floats) -> Floats:
    """Shared area of (n, 4) boxes with one box, over the smaller of both."""
    smaller = np.minimum(boxes[:, 2:].prod(axis=1), box[2:].prod())
    return np.asarray(common_area(boxes, box) / np.maximum(smaller, 1e-9), np.float32)


def overlaps(boxes: Floats, box: Floats) -> Floats:
    """Intersection over union of (n, 4) boxes with one box."""
    common = common_area(boxes, box)
    union = boxes[:, 2:].prod(axis=1) + box[2:].prod() - common
    return np.asarray(common / np.maximum(union, 1e-9), np.float32)
