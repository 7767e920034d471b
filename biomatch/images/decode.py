"""Pillow behind one function, and the child process that runs it for fragile formats.

This file is run by path as the child's program, so it imports nothing of biomatch: it must
start quickly and must not depend on how biomatch was installed.

Frames on the child's standard input and output: a 4-byte length, that many bytes of JSON, then
the payload whose length the JSON states as ``"size"``. All lengths are big-endian.
"""

import contextlib
import io
import json
import os
import re
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "BMP", "DIB", "TIFF", "JPEG", "PPM")
FRAGILE_FORMATS = ("JPEG2000", "WEBP", "GIF")
MAX_PIXELS = 100_000_000
SCREEN_PPI = (0, 1, 72, 96)
CAMERA_PPI = (180, 240, 300, 350)
SQUARE = 0.02  # relative difference of the resolutions across and down that rounding explains
EXIF_MAKE = 271
DECODER_ERRORS = (
    # Decoders of damaged data raise whatever their arithmetic leads to.
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class UnreadableError(Exception):
    """The bytes are no picture that can be used; the message lacks the file's name."""


def decode(data: bytes, formats: tuple[str, ...], page: int, max_side: int | None) -> Any:
    """Decode to a Pillow image of mode L, RGB or I;16, upright.

    Returns
    -------
    Image, ppi of its pixels or None, number of pages, and decoded size / true size.

    Raises
    ------
    UnreadableError
        Not a picture of `formats`, damaged, too large, or without that page.
    """
    with _translated():
        return _decode(data, formats, page, max_side)


def count(data: bytes, formats: tuple[str, ...]) -> int:
    """Count the pictures in a file without decoding them.

    Raises
    ------
    UnreadableError
        Not a picture of `formats`.
    """
    with _translated(), Image.open(io.BytesIO(data), formats=formats) as picture:
        return int(getattr(picture, "n_frames", 1))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn whatever a decoder raises into an `UnreadableError`, and its warnings off."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnidentifiedImageError as error:
        raise UnreadableError(
            "is not a picture in a known format (PNG, BMP, TIFF, JPEG, JPEG 2000, WebP, GIF, WSQ, "
            "PGM)"
        ) from error
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"its pixels exceed the limit of {MAX_PIXELS:,}") from error
    except DECODER_ERRORS as error:
        raise UnreadableError(f"is damaged or truncated ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "decoding needs more memory than the limit"
    return " ".join(str(error).split())[:200] or type(error).__name__


def _decode(data: bytes, formats: tuple[str, ...], page: int, max_side: int | None) -> Any:
    picture: Image.Image = Image.open(io.BytesIO(data), formats=formats)
    check_size(*picture.size)
    pages = int(getattr(picture, "n_frames", 1))
    if page:
        _turn_to(picture, page, pages)
    ppi = _ppi(picture, data)
    width, height = picture.size
    shrink = min(1.0, max_side / max(width, height)) if max_side else 1.0
    target = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    if shrink < 1:
        picture.draft(None, target)
    picture = _upright(picture)
    picture.load()
    if shrink < 1:
        picture = reduced(picture, max(target))
    scale = max(picture.size) / max(width, height)
    return _normalise(picture), ppi and ppi * scale, pages, scale


def from_grey(data: bytes, width: int, height: int) -> Image.Image:
    """Make a picture of 8-bit grey pixels."""
    return Image.frombytes("L", (width, height), data)


def _turn_to(picture: Image.Image, page: int, pages: int) -> None:
    if not 0 <= page < pages:
        raise UnreadableError(f"has {pages} page{'s' * (pages != 1)}, page {page} was asked for")
    picture.seek(page)
    check_size(*picture.size)


def check_size(width: int, height: int) -> None:
    """Refuse a picture by its header, before memory is spent on it.

    Raises
    ------
    UnreadableError
        Empty or more than `MAX_PIXELS`.
    """
    if width < 1 or height < 1:
        raise UnreadableError(f"has no pixels ({width} x {height})")
    if width * height > MAX_PIXELS:
        raise UnreadableError(f"{width} x {height} pixels exceed the limit of {MAX_PIXELS:,}")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except DECODER_ERRORS:
        picture.load()  # raises again when it is the pixels, not the EXIF data, that are damaged
        return picture


def reduced(picture: Image.Image, longest: int) -> Image.Image:
    """Reduce a picture so that its longer side is `longest` pixels."""
    factor = longest / max(picture.size)
    if factor >= 1:
        return picture
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return _normalise(picture).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _normalise(picture: Image.Image) -> Image.Image:
    mode = picture.mode
    if mode in ("L", "RGB", "I") or mode.startswith("I;16"):
        return picture
    if mode == "F":
        return _from_floats(picture)
    if mode == "1":
        return picture.convert("L")
    if mode in ("LA", "La", "RGBA", "RGBa", "PA", "P") or "transparency" in picture.info:
        return _on_paper(picture)
    return picture.convert("RGB")


def _from_floats(picture: Any) -> Image.Image:
    """Bring grey levels, or shares of full white from 0 to 1, to 8 bits."""
    shares = picture.getextrema()[1] <= 1
    grey: Image.Image = picture.point(lambda value: value * (255 if shares else 1)).convert("L")
    return grey


def _on_paper(picture: Image.Image) -> Image.Image:
    """Lay a transparent picture on white paper; a grey one stays grey."""
    rgba = picture.convert("RGBA")
    paper = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(paper, rgba).convert("RGB")
    return flat.convert("L") if picture.mode in ("LA", "La") else flat


def _ppi(picture: Image.Image, data: bytes) -> float | None:
    """Resolution that means something: no screen default, no camera's print size, one number."""
    stated = picture.info.get("dpi")
    if not stated:
        return comment_ppi(data)
    ppi, down = float(stated[0]), float(stated[-1])
    if abs(down - ppi) > SQUARE * ppi:
        return None
    if not 0 < ppi < 100_000 or round(ppi) in SCREEN_PPI:
        return comment_ppi(data)
    return None if round(ppi) in CAMERA_PPI and _by_camera(picture) else ppi


def _by_camera(picture: Image.Image) -> bool:
    try:
        return EXIF_MAKE in picture.getexif()
    except DECODER_ERRORS:
        return False


def comment_ppi(data: bytes) -> float | None:
    """Find the PPI of a NIST comment in a WSQ or JPEG file (``PPI 500``; -1 = unknown)."""
    found = re.search(rb"NIST_COM[^\0]{0,400}?\nPPI (\d{2,5})\s", data[:4096])
    return float(found[1]) if found else None


def encode_wsq(payload: bytes, width: int, height: int) -> bytes:
    """Compress 8-bit grey pixels with NBIS's encoder, whose rate is fixed at 0.75 bit a pixel."""
    try:
        import _wsq
    except ImportError as error:
        raise UnreadableError("install the encoder with: pip install 'biomatch[wsq]'") from error
    return bytes(_wsq.compress(payload, height, width, 0.75))


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Read one frame, or None at the end of the stream."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    request = parse_head(stream.read(int.from_bytes(head, "big")))
    return request, stream.read(request["size"])


def parse_head(text: bytes) -> dict[str, Any]:
    """Read the JSON of a frame."""
    head: dict[str, Any] = json.loads(text)
    return head


def frame(head: dict[str, Any], payload: bytes) -> bytes:
    """Make one frame."""
    text = json.dumps(head | {"size": len(payload)}).encode()
    return len(text).to_bytes(4, "big") + text + payload


def _limit(seconds: float, memory: int) -> None:
    """Bound what the next request may use on top of what this process used so far."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        cpu = int(used.ru_utime + used.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, hard))
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - quick start matters
            size = int(statm.read().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (size + memory, hard))


def _unlimit() -> None:
    """Lift the memory limit: the next request is read before its own limit is known."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _answer(request: dict[str, Any], payload: bytes) -> bytes:
    _limit(request["seconds"], request["memory"])
    try:
        while request["do"] == "spin":
            pass  # lets a test see that the time limit works
        if request["do"] == "encode":
            data = encode_wsq(payload, request["width"], request["height"])
            return frame({"ok": True}, data)
        picture, ppi, pages, scale = decode(
            payload, FRAGILE_FORMATS, request["page"], request["max_side"]
        )
        head = {"ok": True, "mode": picture.mode, "width": picture.width, "height": picture.height}
        return frame(head | {"ppi": ppi, "pages": pages, "scale": scale}, picture.tobytes())
    except (UnreadableError, *DECODER_ERRORS) as error:
        return frame({"ok": False, "error": _reason(error)}, b"")


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the libraries print must not get into the frames
    while request := read_frame(sys.stdin.buffer):
        out.write(_answer(*request))
        out.flush()
        _unlimit()


if __name__ == "__main__":
    main()
