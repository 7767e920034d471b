"""Reading photographs: any size, orientation and depth -> (H, W, 3) uint8 RGB.

A picture much larger than detection needs is reduced while it is decoded, which takes a fraction
of the time (JPEG scales in the frequency domain).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch import images
from biomatch.errors import UnreadableSampleError
from biomatch.face import parameters

__all__ = ["Photograph", "read"]


@dataclass(frozen=True, slots=True)
class Photograph:
    """A decoded photograph.

    Attributes
    ----------
    pixels
        (H, W, 3) uint8 RGB, upright by its EXIF orientation.
    size
        Width and height of the original, upright, in pixels.
    name
        What error messages call it.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    name: str

    @property
    def factor(self) -> float:
        """Original pixels a decoded pixel."""
        return float(self.size[0] / self.pixels.shape[1])


def read(
    source: Path | str | bytes | NDArray[Any],
    name: str | None = None,
    *,
    detail: int = parameters.FINE_SIDE,
) -> Photograph:
    """Read a photograph from a file, its bytes, or an array.

    Parameters
    ----------
    source
        Path, bytes of a file, or (H, W), (H, W, 3) RGB or (H, W, 4) RGBA of uint8, uint16, or
        float in 0 to 1.
    name
        For error messages; default: the path.
    detail
        Longest side that detection needs; larger pictures are reduced to twice of it.

    Raises
    ------
    UnreadableSampleError
        The file cannot be read or is no picture, or the array has another shape or type.
    """
    if isinstance(source, np.ndarray):
        pixels = _from_array(source, name or "<array>")
        return Photograph(pixels, (pixels.shape[1], pixels.shape[0]), name or "<array>")
    called = name or ("<bytes>" if isinstance(source, bytes) else str(source))
    side = round(parameters.DECODED_RATIO * detail)
    try:
        picture = images.read(source, max_side=side)
    except UnreadableSampleError as error:
        raise UnreadableSampleError(str(error).replace("<bytes>", called)) from error
    pixels = images.to_rgb(_smoothed(images.eight_bits(picture.pixels)))
    height, width = pixels.shape[:2]
    size = round(width / picture.scale), round(height / picture.scale)
    return Photograph(pixels, size, called)


def _from_array(pixels: NDArray[Any], name: str) -> NDArray[np.uint8]:
    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))
    if not fits or not pixels.size:
        raise UnreadableSampleError(
            f"{name}: an array of shape {pixels.shape} is no picture; give (H, W), (H, W, 3) RGB "
            "or (H, W, 4) RGBA"
        )
    if pixels.shape[0] * pixels.shape[1] > images.MAX_PIXELS:
        raise UnreadableSampleError(
            f"{name}: {pixels.shape[1]} x {pixels.shape[0]} pixels exceed the limit of "
            f"{images.MAX_PIXELS:,}"
        )
    if np.issubdtype(pixels.dtype, np.floating):
        if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
            raise UnreadableSampleError(f"{name}: float pixels must lie between 0 and 1")
        pixels = np.rint(pixels * 255).astype(np.uint8)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UnreadableSampleError(
            f"{name}: pixels of type {pixels.dtype} are not supported; give uint8, uint16 or float"
        )
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    return np.ascontiguousarray(images.to_rgb(_smoothed(images.eight_bits(pixels))))


def _smoothed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn the dots of a picture that is only black and white (a fax) into grey."""
    import cv2

    if not (_two_tones(pixels[::16, ::16]) and _two_tones(pixels)):
        return pixels
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), parameters.HALFTONE_BLUR), np.uint8)


def _two_tones(pixels: NDArray[np.uint8]) -> bool:
    return bool(((pixels == 0) | (pixels == 255)).all())
