"""LEADER: a small network from a grey print to minutiae, through ONNX Runtime.

R. Cappelli and M. Ferrara, "LEADER: Lightweight End-to-End Attention-Gated Dual Autoencoder
for Robust Minutiae Extraction", 2026, arXiv:2602.15493; 0.9 million parameters, MIT licence.
What it was trained on is not published and may contain public FVC sets, so figures on those
sets flatter it.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch import models
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

    Images whose longer side exceeds ``tile + 2 * TILE_MARGIN`` are cut into cores of `tile`
    pixels that overlap nowhere, each seen with a margin of `TILE_MARGIN` around it: a
    minutia belongs to the core in which it lies and is reported once. The network looks
    farther than the margin, so near the seams positions may differ by a pixel from those of
    the whole image; smaller images are never cut.

    Parameters
    ----------
    image
        Grey print at 500 ppi, uint8, shape (h, w), ridges dark.
    quality
        Least quality of a minutia.
    device
        Where the network runs, see `biomatch.models.session`.
    tile
        Side of a core in pixels, rounded up to a multiple of 32.
    """
    session = models.session(MODEL, device=device, threads=1)
    padded, top, left = pad(image)
    step = -(-tile // STEP) * STEP
    margin = TILE_MARGIN if max(padded.shape) > step + 2 * TILE_MARGIN else max(padded.shape)
    found = [
        run(session, padded, core, margin, quality)
        for core in _cores(padded.shape, step if margin == TILE_MARGIN else max(padded.shape))
        if not _blank(padded, core)
    ]
    rows = np.concatenate([np.zeros((0, 5)), *found])
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


def _cores(shape: tuple[int, ...], step: int) -> Iterator[tuple[slice, slice]]:
    rows = (slice(y, min(y + step, shape[0])) for y in range(0, shape[0], step))
    columns = [slice(x, min(x + step, shape[1])) for x in range(0, shape[1], step)]
    return itertools.product(rows, columns)


def _blank(image: NDArray[np.uint8], core: tuple[slice, slice]) -> bool:
    return int(np.ptp(image[core])) < MIN_CONTRAST


def run(
    session: Any,
    image: NDArray[np.uint8],
    core: tuple[slice, slice],
    margin: int,
    quality: float,
) -> NDArray[np.float64]:
    """Find the minutiae of one core of a padded image.

    Parameters
    ----------
    session
        ONNX Runtime session of the network.
    image
        Padded image, uint8, shape (h, w), both multiples of 32.
    core
        Rows and columns that are asked for.
    margin
        Pixels around the core that the network sees as well.
    quality
        Least quality.

    Returns
    -------
    ndarray
        Rows (x, y, angle, type, quality) in pixels of `image`, float64, shape (m, 5).
    """
    top, left = (max(part.start - margin, 0) for part in core)
    bottom, right = (part.stop + margin for part in core)
    window = image[top:bottom, left:right]
    where, direction, ending, scores = session.run(
        ("where", "direction", "ending", "quality"),
        {
            "image": window[None, None].astype(np.float32),
            "threshold": np.array(quality, np.float32),
        },
    )
    y, x = where[:, 1] + top, where[:, 2] + left
    kind = np.where(ending[:, 0] >= 0.5, MinutiaType.ENDING, MinutiaType.BIFURCATION)
    angle = np.arctan2(direction[:, 1], direction[:, 0])
    rows = np.stack([x, y, angle, kind, np.clip(scores, 0, 1)], axis=1).astype(np.float64)
    mine = (y >= core[0].start) & (y < core[0].stop) & (x >= core[1].start) & (x < core[1].stop)
    return np.asarray(rows[mine], np.float64)
