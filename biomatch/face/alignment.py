"""Alignment: five landmarks -> similarity transform -> face chip.

The transform is the least-squares similarity of Umeyama, "Least-squares estimation of
transformation parameters between two point patterns", IEEE TPAMI 13 (1991), equations 39-43.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import OptionError

__all__ = ["TEMPLATES", "ChipTemplate", "align", "similarity"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChipTemplate:
    """Where the five landmarks belong in a square chip.

    Attributes
    ----------
    name
        As models.toml calls it.
    size
        Side of the chip in pixels.
    points
        x, y of the eye on the picture's left, the eye on its right, the tip of the nose, and
        the two corners of the mouth, left first.
    """

    name: str
    size: int
    points: tuple[tuple[float, float], ...]


TEMPLATES = {
    template.name: template
    for template in (
        # The 112 x 112 template of ArcFace (Deng et al., CVPR 2019), which SFace, AdaFace and
        # most public recognisers share.
        ChipTemplate(
            "arcface-112",
            112,
            (
                (38.2946, 51.6963),
                (73.5318, 51.5014),
                (56.0252, 71.7366),
                (41.5493, 92.3655),
                (70.7299, 92.2041),
            ),
        ),
        # Median of YuNet's landmarks on dlib's own 150 x 150 chips of 569 faces.
        ChipTemplate(
            "dlib-150",
            150,
            (
                (46.365, 44.411),
                (103.299, 45.405),
                (74.918, 77.230),
                (50.552, 101.124),
                (99.066, 101.820),
            ),
        ),
    )
}


def similarity(source: NDArray[Any], target: NDArray[Any]) -> Matrix:
    """Estimate scale, rotation and translation that bring `source` onto `target`.

    Parameters
    ----------
    source, target
        Corresponding points, shape (n, 2), n >= 2.

    Returns
    -------
    numpy.ndarray
        (2, 3) matrix M with ``target ~ M @ [x, y, 1]`` in least squares; never a reflection.

    Raises
    ------
    OptionError
        All source points coincide.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    centre_a, centre_b = a.mean(axis=0), b.mean(axis=0)
    spread = ((a - centre_a) ** 2).sum() / len(a)
    if not spread > 0:
        raise OptionError("the landmarks coincide: no similarity transform exists")
    covariance = (b - centre_b).T @ (a - centre_a) / len(a)
    u, d, vt = np.linalg.svd(covariance)
    s = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    rotation = (u * s) @ vt
    linear = (d * s).sum() / spread * rotation
    return np.hstack([linear, (centre_b - linear @ centre_a)[:, None]])


def align(pixels: NDArray[np.uint8], landmarks: NDArray[Any], template: str) -> NDArray[np.uint8]:
    """Cut the chip of one face.

    Parameters
    ----------
    pixels
        Picture, (H, W, 3) uint8.
    landmarks
        Five points x, y in pixels of the picture, (5, 2).
    template
        Key of `TEMPLATES`.

    Returns
    -------
    numpy.ndarray
        (size, size, 3) uint8, bilinear; what lies outside of the picture is black, as in the
        pictures that the recognisers were trained on. A face much larger than the chip is
        first reduced by area averaging, so that nothing aliases.
    """
    import cv2

    form = TEMPLATES[template]
    matrix = similarity(landmarks, np.array(form.points))
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    patch, matrix = _reduced(pixels, np.asarray(landmarks, np.float64), matrix, scale)
    chip = cv2.warpAffine(patch, matrix, (form.size, form.size), flags=cv2.INTER_LINEAR)
    return np.asarray(chip, np.uint8)


def _reduced(
    pixels: NDArray[np.uint8], landmarks: Matrix, matrix: Matrix, scale: float
) -> tuple[NDArray[np.uint8], Matrix]:
    """Crop to the face and halve until the chip's scale is above 1/2."""
    import cv2

    factor = int(1 / (2 * scale)) if scale < 0.5 else 1
    if factor <= 1:
        return pixels, matrix
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([(0, 0, 1), (150, 0, 1), (0, 150, 1), (150, 150, 1)]) @ inverse.T
    points = np.vstack([corners, landmarks])
    height, width = pixels.shape[:2]
    x0, y0 = np.clip(np.floor(points.min(axis=0)).astype(int) - factor, 0, (width - 1, height - 1))
    x1, y1 = np.clip(np.ceil(points.max(axis=0)).astype(int) + factor, 1, (width, height))
    patch = pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    size = max(1, patch.shape[1] // factor), max(1, patch.shape[0] // factor)
    small = cv2.resize(patch, size, interpolation=cv2.INTER_AREA)
    gain_x, gain_y = patch.shape[1] / size[0], patch.shape[0] / size[1]
    # small pixel centre (i + 0.5) gain - 0.5 in the patch; then shift by the crop
    back = np.array([[gain_x, 0, x0 + gain_x / 2 - 0.5], [0, gain_y, y0 + gain_y / 2 - 0.5]])
    linear = matrix[:, :2] @ back[:, :2]
    offset = matrix[:, :2] @ back[:, 2] + matrix[:, 2]
    return np.asarray(small, np.uint8), np.hstack([linear, offset[:, None]])
