"""Pictures for reports: read, scaled down, and carried inside the page as data URIs."""

import base64
import hashlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch import images
from biomatch.errors import UnreadableSampleError
from biomatch.types import Sample

__all__ = ["MAX_SIDE", "Embedded", "embed", "of_sample"]

MAX_SIDE = 900
"""Longest side of an embedded picture, in pixels."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture inside the page.

    Attributes
    ----------
    uri
        ``data:image/jpeg;base64,...``
    width, height
        Size of the original in pixels: the coordinate system of marks drawn over it.
    """

    uri: str
    width: int
    height: int

    @property
    def key(self) -> str:
        """Identifier of the picture inside the page, where it is held once."""
        return "picture-" + hashlib.sha256(self.uri.encode("ascii")).hexdigest()[:12]


def embed(pixels: NDArray[Any], *, max_side: int = MAX_SIDE) -> Embedded:
    """Make a data URI of a picture, scaled down to `max_side`.

    Parameters
    ----------
    pixels
        (H, W) or (H, W, 3) RGB, uint8 or uint16.
    """
    from PIL import Image

    eight = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    height, width = eight.shape[:2]
    picture = Image.fromarray(np.ascontiguousarray(eight))
    picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=88)
    text = base64.b64encode(stream.getvalue()).decode("ascii")
    return Embedded(f"data:image/jpeg;base64,{text}", width, height)


def of_sample(sample: Sample | None) -> NDArray[Any] | None:
    """Return the sample's pixels, or None when it has no picture that can be read now."""
    if sample is None:
        return None
    if sample.image is not None:
        return sample.image
    if sample.path is None:
        return None
    try:
        return images.read(sample.path).pixels
    except UnreadableSampleError:
        return None
