"""LEADER: a small network from a grey print to minutiae, through ONNX Runtime.

R. Cappelli and M. Ferrara, "LEADER: Lightweight End-to-End Attention-Gated Dual Autoencoder
for Robust Minutiae Extraction", 2026, arXiv:2602.15493; 0.9 million parameters, MIT licence.
What it was trained on is not published and may contain public FVC sets, so figures on those
sets flatter it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch import models
from biomatch.fingerprint import tiles
from biomatch.fingerprint.minutiae import Minutiae, MinutiaType
from biomatch.fingerprint.parameters import (
    LEADER_QUALITY,
    MIN_CONTRAST,
    TILE_CORE,
    TILE_MARGIN,
)

__all__ = ["MODEL", "find", "model_id", "pad", "run"]

MODEL = "leader"
STEP = 32
"""The network halves its input five times: sides are multiples of this."""


def model_id() -> str:
    """Name and first digits of the digest of the weights in use."""
    return f"{MODEL}:{models.load(MODEL).sha256[:16]}"


def find(
    image: NDArray[np.uint8],
    *,
    quality: float = LEADER_QUALITY,
    device: str = "cpu",
    tile: int = TILE_CORE,
) -> Minutiae:
    """Find the minutiae of a print.

    Images whose longer side exceeds ``tile + 2 * TILE_MARGIN`` are cut up (see
    `biomatch.fingerprint.tiles`), which bounds memory; tiles without contrast are skipped. The
    network looks farther than the margin, so near the seams positions may differ by a pixel from
    those of the whole image; smaller images are never cut.

    Parameters
    ----------
    image
        Grey print at 500 ppi, uint8, shape (h, w), ridges dark.
    quality
        Least quality of a minutia.
    device
        Where the network runs, see `biomatch.models.session`.
    tile
        Largest side of a tile's core in pixels, rounded up to a multiple of 32.
    """
    session = models.session(MODEL, device=device, threads=1)
    padded, top, left = pad(image)
    rows = tiles.merge(
        [
            part.own(run(session, padded[part.window], quality))
            for part in tiles.cut(padded.shape, tile, TILE_MARGIN, STEP)
            if np.ptp(padded[part.core]) >= MIN_CONTRAST
        ]
    )
    rows[:, :2] -= (left, top)
    height, width = image.shape
    inside = (rows[:, 0] >= 0) & (rows[:, 1] >= 0) & (rows[:, 0] < width) & (rows[:, 1] < height)
    return Minutiae.from_rows(rows[inside])


def pad(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int, int]:
    """Bring both sides to multiples of 32 as the authors do, by a border in the corner's grey.

    Returns
    -------
    padded
        The larger image.
    top, left
        Where the image begins in it.
    """
    height, width = image.shape
    missing = -height % STEP, -width % STEP
    top, left = missing[0] // 2, missing[1] // 2
    border = ((top, missing[0] - top), (left, missing[1] - left))
    return np.pad(image, border, constant_values=image[0, 0]), top, left


def run(session: Any, window: NDArray[np.uint8], quality: float) -> NDArray[np.float64]:
    """Run the network once.

    Parameters
    ----------
    session
        ONNX Runtime session of the network.
    window
        Grey, uint8, shape (h, w), both multiples of 32.
    quality
        Least quality.

    Returns
    -------
    ndarray
        Rows (x, y, angle, type, quality) in pixels of `window`, float64, shape (m, 5).
    """
    where, direction, ending, scores = session.run(
        ("where", "direction", "ending", "quality"),
        {
            "image": window[None, None].astype(np.float32),
            "threshold": np.array(quality, np.float32),
        },
    )
    kind = np.where(ending[:, 0] >= 0.5, MinutiaType.ENDING, MinutiaType.BIFURCATION)
    angle = np.arctan2(direction[:, 1], direction[:, 0])
    columns = where[:, 2], where[:, 1], angle, kind, np.clip(scores, 0, 1)
    return np.stack(columns, axis=1).astype(np.float64)
