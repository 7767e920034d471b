"""Foreground and quality of a print.

The own measure costs about two milliseconds and is always there. NFIQ 2 (ISO/IEC 29794-4,
NIST), the measure of the field, needs the extra ``nfiq2``.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import NoFeaturesError, OptionError
from biomatch.fingerprint.minutiae import Minutiae
from biomatch.fingerprint.parameters import MASK_SHARE
from biomatch.fingerprint.template import BLOCK

__all__ = ["RidgeMap", "nfiq2", "ridge_map", "score"]

AREA_SCALE = 150.0
"""Foreground blocks at which area counts 63 % (a full plain print has about 400)."""

MINUTIAE_SCALE = 12.0
"""Sum of minutiae qualities at which their number counts 63 %."""

BAND = 64 * BLOCK
"""Rows that are seen at a time, which bounds memory."""


@dataclass(frozen=True, slots=True)
class RidgeMap:
    """Where ridges are, and how clear they are, by blocks of 16 x 16 pixels.

    Attributes
    ----------
    mask
        Foreground, bool, shape (ceil(h / 16), ceil(w / 16)).
    clarity
        Coherence of the gradient's directions, 0 (noise) to 1 (parallel ridges), float32,
        same shape.
    """

    mask: NDArray[np.bool_]
    clarity: NDArray[np.float32]

    @property
    def area(self) -> int:
        """Number of foreground blocks."""
        return int(self.mask.sum())

    @property
    def mean_clarity(self) -> float:
        """Mean clarity of the foreground, 0 without any."""
        return float(self.clarity[self.mask].mean()) if self.mask.any() else 0.0


def ridge_map(image: NDArray[np.uint8]) -> RidgeMap:
    """Find foreground and ridge clarity from image gradients.

    Parameters
    ----------
    image
        Grey print at 500 ppi, uint8, shape (h, w).
    """
    import cv2

    rows, columns = (-(-side // BLOCK) for side in image.shape)
    padding = (0, rows * BLOCK - image.shape[0], 0, columns * BLOCK - image.shape[1])
    padded = np.asarray(cv2.copyMakeBorder(image, *padding, cv2.BORDER_REPLICATE), np.uint8)
    bands = [_products(padded, top) for top in range(0, len(padded), BAND)]
    xx, yy, xy = (
        np.asarray(cv2.GaussianBlur(np.concatenate(part), (0, 0), 0.8), np.float32)
        for part in zip(*bands, strict=True)
    )
    energy = xx + yy
    clarity = np.hypot(xx - yy, 2 * xy) / (energy + np.float32(1e-6))
    strength = np.sqrt(energy)
    mask = strength > MASK_SHARE * np.percentile(strength, 95)
    return RidgeMap(_tidy(mask), np.clip(clarity, 0, 1).astype(np.float32))


def _products(image: NDArray[np.uint8], top: int) -> list[NDArray[np.float32]]:
    """Block means of the gradient's products in the `BAND` rows from `top` on."""
    import cv2

    above, below = max(top - BLOCK, 0), min(top + BAND + BLOCK, len(image))
    grey = cv2.GaussianBlur(image[above:below].astype(np.float32), (0, 0), 1.0)
    own = slice(top - above, top - above + BAND)
    gx, gy = (
        cv2.Sobel(grey, cv2.CV_32F, *order)[own].astype(np.float32) for order in ((1, 0), (0, 1))
    )
    size = gx.shape[1] // BLOCK, gx.shape[0] // BLOCK
    return [
        np.asarray(cv2.resize(product, size, interpolation=cv2.INTER_AREA), np.float32)
        for product in (gx * gx, gy * gy, gx * gy)
    ]


def _tidy(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Smooth the outline, drop islands, fill holes."""
    import cv2
    from scipy import ndimage

    kernel = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    closed = cv2.morphologyEx(np.pad(mask.astype(np.uint8), 2), cv2.MORPH_CLOSE, kernel)
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel)[2:-2, 2:-2]
    labels, count = ndimage.label(opened)
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())[1:]
    kept = np.flatnonzero(sizes >= 0.15 * sizes.max()) + 1
    return np.asarray(ndimage.binary_fill_holes(np.isin(labels, kept)), np.bool_)


def score(minutiae: Minutiae, ridges: RidgeMap) -> float:
    """Quality of a print, 0 (worst) to 100: our own measure, not NFIQ 2.

    The product of how much there is (foreground area and quality-weighted number of
    minutiae, both with diminishing returns) and how clear it is (mean ridge clarity of the
    foreground, mean quality of the minutiae).
    """
    if len(minutiae) == 0:
        return 0.0
    qualities = minutiae.quality.astype(np.float64)
    area = 1 - math.exp(-ridges.area / AREA_SCALE)
    number = 1 - math.exp(-float(qualities.sum()) / MINUTIAE_SCALE)
    clear = math.sqrt(ridges.mean_clarity * float(qualities.mean()))
    return float(np.clip(100 * math.sqrt(area * number) * clear, 0, 100))


def nfiq2(image: NDArray[np.uint8]) -> int:
    """NFIQ 2 quality of a plain print at 500 ppi, 0 to 100.

    Parameters
    ----------
    image
        Grey print at 500 ppi, uint8, shape (h, w).

    Raises
    ------
    OptionError
        The extra ``nfiq2`` is not installed.
    NoFeaturesError
        NIST's code cannot judge this print.
    """
    import cv2

    try:
        import nbis
    except ImportError as error:
        raise OptionError(
            "NFIQ 2 needs the extra 'nfiq2': pip install 'biomatch[nfiq2]'"
        ) from error
    settings = nbis.NbisExtractorSettings(
        min_quality=0.0, get_center=False, check_fingerprint=False, compute_nfiq2=True, ppi=None
    )
    png = cv2.imencode(".png", image)[1].tobytes()
    try:
        result = nbis.new_nbis_extractor(settings).extract_minutiae(png).quality()
    except nbis.NbisError as error:
        raise NoFeaturesError(f"NFIQ 2 cannot judge this print ({error!r})") from error
    return int(result.score)
