"""Safe decoding of pictures: size limits before pixels, ppi, EXIF orientation, 16 bit.

PNG, BMP, TIFF, JPEG and PGM are decoded here, WSQ by a decoder of our own (`biomatch.images.wsq`).
JPEG 2000, GIF and WebP come from the outside world in damaged and hostile form to decoders that
have crashed on it: they are decoded in a child process with limits of memory and time
(`biomatch.images.sandbox`), so that a bad file costs an error message and never the process.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import OptionError, UnreadableSampleError
from biomatch.images import decode, headers, sandbox

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "Picture",
    "eight_bits",
    "pages",
    "read",
    "to_grey",
    "to_rgb",
    "write_wsq",
]

MAX_PIXELS = decode.MAX_PIXELS
"""Pictures with more pixels are refused before decoding."""

MAX_BYTES = 1 << 30
"""Larger files are refused before reading."""

CHILD_SECONDS = 5.0
CHILD_SECONDS_A_MEGAPIXEL = 2.0
CHILD_MEMORY = 256 << 20
CHILD_MEMORY_A_SAMPLE = 24
"""Bytes a decoder may use per sample: 4-byte work buffers, a few of them, and the result."""

_DTYPES = {"L": np.dtype(np.uint8), "RGB": np.dtype(np.uint8)}


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes
    ----------
    pixels
        (H, W) grey or (H, W, 3) RGB, uint8 or uint16; EXIF orientation applied.
    ppi
        Resolution of `pixels` that the file states, or None. 72 and 96 ppi are screen
        defaults that cameras and editors write without meaning, and count as None; so do
        the usual print sizes (180, 240, 300, 350 ppi) in files that a camera wrote, and
        resolutions that differ across and down.
    pages
        Number of pictures in the file.
    scale
        Size of `pixels` relative to the file's picture: below 1 when `max_side` reduced it.
    """

    pixels: NDArray[Any]
    ppi: float | None = None
    pages: int = 1
    scale: float = 1.0


def read(
    source: Path | str | bytes,
    *,
    page: int = 0,
    max_side: int | None = None,
    name: str | None = None,
) -> Picture:
    """Decode one picture.

    Parameters
    ----------
    source
        Path, or the file's bytes.
    page
        Zero-based page of a multi-page TIFF.
    max_side
        Reduce the picture so that its longer side is at most this many pixels. Large JPEG
        files are then decoded at 1/2, 1/4 or 1/8 of their size in the first place, which
        saves most of the time.
    name
        What error messages call the picture; by default its path.

    Raises
    ------
    UnreadableSampleError
        Missing, empty, truncated, not a picture, or more than `MAX_PIXELS` pixels.
    OptionError
        `max_side` or `page` is out of range.
    """
    if max_side is not None and max_side < 1:
        raise OptionError(f"max_side {max_side} must be at least 1")
    if page < 0:
        raise OptionError(f"page {page} must be at least 0")
    name = name or ("<bytes>" if isinstance(source, bytes) else str(source))
    data = source if isinstance(source, bytes) else _read_bytes(Path(source))
    if not data:
        raise UnreadableSampleError(f"{name}: the file is empty")
    try:
        kind = headers.fragile_format(data)
        if kind == "WSQ":
            return _wsq(data, page, max_side)
        if kind is not None:
            return _in_child(data, kind, page, max_side)
        picture, ppi, pages, scale = decode.decode(data, decode.FORMATS, page, max_side)
    except decode.UnreadableError as error:
        raise UnreadableSampleError(f"{name}: {error}") from error
    except sandbox.ChildDiedError as error:
        raise UnreadableSampleError(f"{name}: is damaged ({error})") from error
    return Picture(_pixels(picture), ppi, pages, scale)


def pages(data: bytes, name: str = "<bytes>") -> int:
    """Count the pictures in a file's bytes without decoding them.

    Raises
    ------
    UnreadableSampleError
        Not a picture.
    """
    try:
        if headers.fragile_format(data) is not None:
            return 1
        return decode.count(data, decode.FORMATS)
    except decode.UnreadableError as error:
        raise UnreadableSampleError(f"{name}: {error}") from error


def _read_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise UnreadableSampleError(f"{path}: is not a regular file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UnreadableSampleError(
                f"{path}: {size:,} bytes exceed the limit of {MAX_BYTES:,} for one picture"
            )
        return path.read_bytes()
    except OSError as error:
        raise UnreadableSampleError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        if isinstance(error, UnreadableSampleError):
            raise
        raise UnreadableSampleError(f"{path}: cannot be read ({error})") from error


def _wsq(data: bytes, page: int, max_side: int | None) -> Picture:
    from biomatch.images import wsq

    if page:
        raise decode.UnreadableError(f"has 1 page, page {page} was asked for")
    decode.check_size(*headers.wsq_size(data))
    pixels, ppi = wsq.decode(data), decode.comment_ppi(data)
    longest = max(pixels.shape)
    if max_side is None or longest <= max_side:
        return Picture(pixels, ppi)
    picture = decode.reduced(decode.from_grey(pixels.tobytes(), *pixels.shape[::-1]), max_side)
    scale = max(picture.size) / longest
    return Picture(_pixels(picture), ppi and ppi * scale, scale=scale)


def _in_child(data: bytes, kind: str, page: int, max_side: int | None) -> Picture:
    size = headers.fragile_size(data, kind)
    width, height, components = size or (1, MAX_PIXELS // 4, 4)
    decode.check_size(width, height)
    samples = width * height * max(1, components)
    head, payload = sandbox.request(
        {"do": "decode", "page": page, "max_side": max_side},
        data,
        seconds=CHILD_SECONDS + CHILD_SECONDS_A_MEGAPIXEL * width * height / 1e6,
        memory=min(CHILD_MEMORY + CHILD_MEMORY_A_SAMPLE * samples, 6 << 30) + 4 * len(data),
    )
    if not head["ok"]:
        raise decode.UnreadableError(head["error"])
    mode, shape = head["mode"], (head["height"], head["width"])
    dtype = _DTYPES.get(mode, np.dtype(">u2" if mode.endswith("B") else "<u2"))
    flat = np.frombuffer(payload, dtype)
    pixels = flat.reshape(*shape, 3) if mode == "RGB" else flat.reshape(shape)
    return Picture(_native(pixels), head["ppi"], head["pages"], head["scale"])


def _pixels(picture: Any) -> NDArray[Any]:
    pixels = np.asarray(picture)
    if picture.mode != "I":
        return _native(pixels)
    wide = pixels.max() > 255
    return np.asarray(np.clip(pixels, 0, 65535), np.uint16 if wide else np.uint8)


def _native(pixels: NDArray[Any]) -> NDArray[Any]:
    wide = pixels.dtype.itemsize > 1
    return np.ascontiguousarray(pixels, np.uint16 if wide else np.uint8)


def write_wsq(pixels: NDArray[Any]) -> bytes:
    """Compress a grey picture to WSQ at 0.75 bit a pixel, the FBI's rate for 500-ppi fingers.

    The file's comment states 500 ppi: the encoder knows no other rate or resolution.

    Parameters
    ----------
    pixels
        (H, W); colour and 16 bit are reduced with `to_grey`.

    Raises
    ------
    UnreadableSampleError
        The encoder is not installed, or fails on this picture.
    """
    grey = to_grey(pixels)
    height, width = grey.shape
    try:
        decode.check_size(width, height)
        head, data = sandbox.request(
            {"do": "encode", "width": width, "height": height},
            grey.tobytes(),
            seconds=CHILD_SECONDS + CHILD_SECONDS_A_MEGAPIXEL * width * height / 1e6,
            memory=CHILD_MEMORY + CHILD_MEMORY_A_SAMPLE * width * height,
        )
    except (decode.UnreadableError, sandbox.ChildDiedError) as error:
        raise UnreadableSampleError(f"{width} x {height} picture: no WSQ ({error})") from error
    if not head["ok"]:
        raise UnreadableSampleError(f"{width} x {height} picture: no WSQ ({head['error']})")
    return data


def eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Keep the eight highest bits that are used: cameras store 10 or 12 bits in words of 16."""
    if pixels.dtype == np.uint8:
        return pixels
    return (pixels >> max(0, int(pixels.max()).bit_length() - 8)).astype(np.uint8)


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
