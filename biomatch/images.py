"""Safe decoding of pictures: size limits before pixels, ppi, EXIF orientation, 16 bit.

Fragile formats (WSQ, JPEG 2000) come from the outside world in damaged and hostile form.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import UnreadableSampleError

__all__ = ["MAX_PIXELS", "Picture", "read", "to_grey", "to_rgb"]

MAX_PIXELS = 100_000_000
"""Pictures with more pixels are refused before decoding."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes
    ----------
    pixels
        (H, W) grey or (H, W, 3) RGB, uint8 or uint16; EXIF orientation applied.
    ppi
        Resolution that the file states, or None. 72 and 96 ppi are screen defaults that
        cameras and editors write without meaning, and count as None.
    pages
        Number of pictures in the file.
    """

    pixels: NDArray[Any]
    ppi: float | None = None
    pages: int = 1


def read(source: Path | str | bytes, *, page: int = 0) -> Picture:
    """Decode one picture.

    Parameters
    ----------
    source
        Path, or the file's bytes.
    page
        Zero-based page of a multi-page TIFF.

    Raises
    ------
    UnreadableSampleError
        Missing, empty, truncated, not a picture, or more than `MAX_PIXELS` pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = "<bytes>" if isinstance(source, bytes) else str(source)
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise UnreadableSampleError(f"{name}: cannot be read ({error.strerror})") from error
    if not data:
        raise UnreadableSampleError(f"{name}: the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture: Image.Image = Image.open(io.BytesIO(data))
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise UnreadableSampleError(
                    f"{name}: {width} x {height} pixels exceed the limit of {MAX_PIXELS:,}"
                )
            pages = getattr(picture, "n_frames", 1)
            if page >= pages:
                raise UnreadableSampleError(f"{name}: has {pages} pages, page {page} was asked")
            if page:
                picture.seek(page)
            ppi = _ppi(picture.info.get("dpi"))
            picture = ImageOps.exif_transpose(picture)
            pixels = _pixels(picture)
    except UnidentifiedImageError as error:
        raise UnreadableSampleError(
            f"{name}: is not a picture in a known format (PNG, BMP, TIFF, JPEG, JPEG 2000, WSQ)"
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, UnreadableSampleError):
            raise
        raise UnreadableSampleError(f"{name}: is damaged or truncated ({error})") from error
    return Picture(pixels, ppi, pages)


def _ppi(stated: Any) -> float | None:
    if not stated:
        return None
    ppi = float(stated[0])
    screen_defaults = (0, 1, 72, 96)
    return None if round(ppi) in screen_defaults else ppi


def _pixels(picture: Any) -> NDArray[Any]:
    if picture.mode in ("I;16", "I;16B", "I;16L", "I"):
        deep: NDArray[Any] = np.clip(np.asarray(picture), 0, 65535).astype(np.uint16)
        return deep
    if picture.mode in ("1", "L", "F"):
        return np.asarray(picture.convert("L"))
    if picture.mode in ("LA", "RGBA", "PA", "P"):
        from PIL import Image

        rgba = picture.convert("RGBA")
        paper = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return np.asarray(Image.alpha_composite(paper, rgba).convert("RGB"))
    return np.asarray(picture.convert("RGB"))


def to_grey(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Reduce to (H, W) uint8: ITU-R BT.601 luma for colour, the high byte for 16 bit."""
    eight = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels.astype(np.uint8)
    if eight.ndim == 2:
        return eight
    luma = eight[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.rint(luma).astype(np.uint8)


def to_rgb(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Bring to (H, W, 3) uint8 RGB."""
    eight = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels.astype(np.uint8)
    return np.repeat(eight[..., None], 3, axis=2) if eight.ndim == 2 else eight[..., :3]
