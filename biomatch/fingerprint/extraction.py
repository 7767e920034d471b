"""From a picture, or an examiner's mark-up, to a template."""

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biomatch import images
from biomatch.errors import (
    FormatError,
    NoFeaturesError,
    OptionError,
    ResolutionError,
    SampleError,
    UnreadableSampleError,
)
from biomatch.fingerprint import quality
from biomatch.fingerprint.minutiae import Minutiae
from biomatch.fingerprint.parameters import (
    CONTRAST_BLOCK,
    DEFAULT_PPI,
    LOW_QUALITY,
    MAX_PPI,
    MIN_CONTRAST,
    MIN_MINUTIAE,
    MIN_PPI,
    MIN_SIDE,
    TARGET_PPI,
)
from biomatch.fingerprint.template import MAX_SIDE, FingerprintTemplate
from biomatch.types import ImpressionType

__all__ = [
    "Extractor",
    "Print",
    "QualityWarning",
    "ResolutionWarning",
    "enhance",
    "extract",
    "extract_many",
    "from_minutiae",
    "model_id",
    "prepare",
    "require_minutiae",
]

Source = Path | str | NDArray[Any]
SAME_PPI = 0.01
"""Relative difference up to which two resolutions are one, written in different units."""


class ResolutionWarning(UserWarning):
    """Nobody stated a resolution and 500 ppi was assumed, or the caller overruled the file."""


class QualityWarning(UserWarning):
    """A print that is no latent has so low a quality that it should be taken again."""


class Extractor(StrEnum):
    """How minutiae are found."""

    LEADER = "leader"
    CLASSICAL = "classical"


@dataclass(frozen=True, slots=True)
class Print:
    """A picture ready for extraction.

    Attributes
    ----------
    image
        Grey, uint8, shape (h, w), at 500 ppi, ridges dark.
    ppi
        Resolution of the source.
    stated
        False when nobody stated it.
    overruled
        What the file states and the caller overruled, else None.
    name
        What error messages call it.
    """

    image: NDArray[np.uint8]
    ppi: float
    stated: bool
    name: str
    overruled: float | None = None


def extract(
    source: Source,
    ppi: float | None = None,
    *,
    extractor: str = Extractor.LEADER,
    finger_position: int = 0,
    impression: ImpressionType = ImpressionType.UNKNOWN,
    roi: ArrayLike | None = None,
    device: str = "cpu",
    name: str | None = None,
) -> FingerprintTemplate:
    """Make a template of one friction ridge impression.

    Parameters
    ----------
    source
        A picture file, a JSON mark-up (see `biomatch.fingerprint.markup`), or an array:
        (H, W) grey or (H, W, 3) RGB, uint8 or uint16, ridges dark.
    ppi
        Resolution in pixels per inch, 250 to 5000; overrules the file, with a
        `ResolutionWarning` where they differ by more than 1 %. When neither states one, 500 is
        assumed, a `ResolutionWarning` given, and the template's `ppi_stated` is False. A
        file's 72 or 96 ppi is what picture editors write and counts as not stated.
    extractor
        ``"leader"``: a network, accurate, about a quarter of a second a plain print on one
        core. ``"classical"``: no network, some 50 ms, less accurate and unfit for latents.
        Templates of both can be compared with each other.
    finger_position
        ANSI/NIST-ITL position code, 0 = unknown.
    impression
        Kind of impression. Unless it is a latent, a quality below 30 gives a
        `QualityWarning`.
    roi
        Region of interest in pixels of the source: polygon (x, y), shape (n, 2). Minutiae
        outside are dropped.
    device
        Where the network runs.
    name
        What messages call the source; by default its path, or ``<array>``.

    Raises
    ------
    UnreadableSampleError
        Not a picture, truncated, or too large.
    ResolutionError
        Below 250 or above 5000 ppi.
    NoFeaturesError
        Blank, too small, or fewer than 4 minutiae.
    """
    if isinstance(source, str | Path) and Path(source).suffix.lower() == ".json":
        from biomatch.fingerprint import markup

        return markup.read(Path(source))
    ready = prepare(source, ppi, name)
    _warn_of_resolution(ready)
    ridges = quality.ridge_map(ready.image)
    minutiae = _find(ready.image, extractor, device)
    outline = None if roi is None else np.asarray(roi, np.float64) * (TARGET_PPI / ready.ppi)
    if outline is not None:
        minutiae = minutiae.take(inside_polygon(minutiae, outline))
    require_minutiae(minutiae, ready.name)
    height, width = ready.image.shape
    template = FingerprintTemplate(
        minutiae,
        width,
        height,
        ppi=ready.ppi,
        ppi_stated=ready.stated,
        finger_position=finger_position,
        impression=impression,
        extractor=Extractor(extractor).value,
        model_id=model_id(extractor),
        quality=quality.score(minutiae, ridges),
        mask=ridges.mask,
        roi=outline,
    )
    _warn_of_quality(template, ready.name)
    return template


def _warn_of_resolution(ready: Print) -> None:
    if not ready.stated:
        text = f"resolution is not stated; {DEFAULT_PPI:g} ppi is assumed"
    elif ready.overruled is not None:
        text = f"{ready.ppi:.4g} ppi is used as told, though the file states {ready.overruled:.4g}"
    else:
        return
    warnings.warn(f"{ready.name}: {text}", ResolutionWarning, 3)


def _warn_of_quality(template: FingerprintTemplate, name: str) -> None:
    if template.impression is not ImpressionType.LATENT and template.quality < LOW_QUALITY:
        warnings.warn(
            f"{name}: quality is {template.quality:g} of 100, at least {LOW_QUALITY} is usual; "
            "see whether it shows a print, and take it again if you can",
            QualityWarning,
            3,
        )


def extract_many(
    sources: Iterable[Source],
    ppi: float | None = None,
    *,
    extractor: str = Extractor.LEADER,
    finger_positions: Sequence[int] | None = None,
    impression: ImpressionType = ImpressionType.UNKNOWN,
    device: str = "cpu",
) -> list[FingerprintTemplate | SampleError | FormatError]:
    """Make templates of many impressions; a bad one becomes its error and the rest goes on.

    One thread works through them: a batch of prints costs a CPU what its prints cost, so
    several processes, not larger batches, use several cores.

    Returns
    -------
    list
        For each source its template, or the error that says why there is none.
    """
    results: list[FingerprintTemplate | SampleError | FormatError] = []
    for number, source in enumerate(sources):
        position = finger_positions[number] if finger_positions else 0
        try:
            template = extract(
                source,
                ppi,
                extractor=extractor,
                finger_position=position,
                impression=impression,
                device=device,
            )
        except (SampleError, FormatError) as error:
            results.append(error)
        else:
            results.append(template)
    return results


def enhance(source: Source, ppi: float | None = None) -> NDArray[np.uint8]:
    """Make the filtered picture that the classical extractor sees, to draw minutiae on.

    Returns
    -------
    ndarray
        Grey, uint8, shape (h, w) at 500 ppi; ridges dark, background 255.

    Raises
    ------
    UnreadableSampleError, ResolutionError, NoFeaturesError
        As in `extract`.
    """
    from biomatch.fingerprint import classical

    return classical.shown(prepare(source, ppi).image)


def from_minutiae(
    minutiae: Minutiae | ArrayLike,
    width: int,
    height: int,
    ppi: float = TARGET_PPI,
    *,
    finger_position: int = 0,
    impression: ImpressionType = ImpressionType.LATENT,
    roi: ArrayLike | None = None,
    name: str = "mark-up",
) -> FingerprintTemplate:
    """Make a template of minutiae that an examiner marked.

    Parameters
    ----------
    minutiae
        In pixels at `ppi`: `Minutiae`, or rows (x, y, angle, type, quality), shape (n, 5).
    width, height
        Size of the marked picture in pixels at `ppi`.
    ppi
        Resolution of the marked picture.
    finger_position, impression
        As in `extract`.
    roi
        Region of interest in pixels at `ppi`; minutiae outside are dropped.
    name
        What error messages call it.

    Raises
    ------
    ResolutionError, NoFeaturesError
        As in `extract`.
    FormatError
        A minutia lies outside the picture.
    """
    _check_ppi(ppi, name)
    marked = minutiae if isinstance(minutiae, Minutiae) else Minutiae.from_rows(minutiae)
    _check_inside(marked, width, height, name)
    scale = TARGET_PPI / ppi
    marked = marked.moved(0, 0, scale)
    outline = None if roi is None else np.asarray(roi, np.float64) * scale
    if outline is not None:
        marked = marked.take(inside_polygon(marked, outline))
    require_minutiae(marked, name)
    return FingerprintTemplate(
        marked,
        math.ceil(width * scale),
        math.ceil(height * scale),
        ppi=ppi,
        finger_position=finger_position,
        impression=impression,
        extractor="examiner",
        model_id="examiner",
        roi=outline,
    )


def model_id(extractor: str = Extractor.LEADER) -> str:
    """Identify weights and version behind an extractor.

    Raises
    ------
    OptionError
        No such extractor.
    """
    if _known(extractor) is Extractor.LEADER:
        from biomatch.fingerprint import leader

        return leader.model_id()
    from biomatch.fingerprint import classical

    return classical.MODEL_ID


def prepare(source: Source, ppi: float | None = None, name: str | None = None) -> Print:
    """Read a picture, reduce it to grey and bring it to 500 ppi.

    Raises
    ------
    UnreadableSampleError, ResolutionError, NoFeaturesError
        As in `extract`.
    """
    if isinstance(source, str | Path):
        name = name or str(source)
        picture = images.read(Path(source), name=name)
        pixels, own = picture.pixels, picture.ppi
    else:
        name, pixels, own = name or "<array>", np.asarray(source), None
        _check_array(pixels, name)
    stated = own if ppi is None else float(ppi)
    resolution = DEFAULT_PPI if stated is None else stated
    _check_ppi(resolution, name)
    grey = _resample(images.to_grey(images.eight_bits(pixels)), resolution, name)
    _check_content(grey, name)
    differs = own is not None and abs(own / resolution - 1) > SAME_PPI
    return Print(grey, resolution, stated is not None, name, own if differs else None)


def inside_polygon(minutiae: Minutiae, polygon: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which minutiae lie inside a polygon (x, y) (even-odd rule), bool, shape (n,)."""
    x, y = minutiae.x.astype(np.float64)[:, None], minutiae.y.astype(np.float64)[:, None]
    x0, y0 = polygon[:, 0], polygon[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    straddles = (y0 > y) != (y1 > y)
    rise = np.where(y1 == y0, 1.0, y1 - y0)
    crossing = x0 + (y - y0) * (x1 - x0) / rise
    return np.asarray((straddles & (x < crossing)).sum(axis=1) % 2 == 1, np.bool_)


def _find(image: NDArray[np.uint8], extractor: str, device: str) -> Minutiae:
    if _known(extractor) is Extractor.LEADER:
        from biomatch.fingerprint import leader

        return leader.find(image, device=device)
    from biomatch.fingerprint import classical

    return classical.find(image)


def _known(extractor: str) -> Extractor:
    try:
        return Extractor(extractor)
    except ValueError:
        names = ", ".join(Extractor)
        raise OptionError(f"extractor '{extractor}' is unknown; there are: {names}") from None


def _check_array(pixels: NDArray[Any], name: str) -> None:
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UnreadableSampleError(f"{name}: pixels are {pixels.dtype}, uint8 or uint16 is needed")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)) or pixels.size == 0:
        raise UnreadableSampleError(
            f"{name}: shape is {pixels.shape}, (H, W) or (H, W, 3) is needed"
        )
    if pixels.shape[0] * pixels.shape[1] > images.MAX_PIXELS:
        raise UnreadableSampleError(
            f"{name}: {pixels.shape[1]} x {pixels.shape[0]} pixels exceed the limit of "
            f"{images.MAX_PIXELS:,}"
        )


def _check_inside(minutiae: Minutiae, width: int, height: int, name: str) -> None:
    x, y = minutiae.x, minutiae.y
    outside = np.flatnonzero((x < 0) | (y < 0) | (x > width) | (y > height))
    if len(outside):
        first = outside[0]
        raise FormatError(
            f"{name}: a minutia at ({x[first]:g}, {y[first]:g}) lies outside the picture of "
            f"{width} x {height} pixels; state both in pixels of the same picture"
        )


def _check_ppi(ppi: float, name: str) -> None:
    if not MIN_PPI <= ppi <= MAX_PPI:
        reason = (
            "ridges are not resolved; scan again at 500, or state the true one with --ppi"
            if ppi < MIN_PPI
            else "no fingerprint scanner has that; state the true one with --ppi"
        )
        raise ResolutionError(
            f"{name}: resolution is {ppi:g} ppi, {MIN_PPI:g} to {MAX_PPI:g} is needed: {reason}"
        )


def _resample(grey: NDArray[np.uint8], ppi: float, name: str) -> NDArray[np.uint8]:
    import cv2

    scale = TARGET_PPI / ppi
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    if max(height, width) > MAX_SIDE:
        raise UnreadableSampleError(
            f"{name}: is {width} x {height} pixels at 500 ppi, at most {MAX_SIDE} a side are "
            "handled; cut it into single impressions"
        )
    if (height, width) == grey.shape:
        return grey
    kind = cv2.INTER_AREA if scale < 0.75 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(grey, (width, height), interpolation=kind), np.uint8)


def _check_content(grey: NDArray[np.uint8], name: str) -> None:
    height, width = grey.shape
    if min(height, width) < MIN_SIDE:
        raise NoFeaturesError(
            f"{name}: is {width} x {height} pixels at 500 ppi, at least {MIN_SIDE} a side are "
            "needed for minutiae"
        )
    contrast = _contrast(grey)
    if contrast < MIN_CONTRAST:
        raise NoFeaturesError(
            f"{name}: is blank ({contrast:.0f} grey levels between dark and light, at least "
            f"{MIN_CONTRAST} are needed)"
        )


def _contrast(grey: NDArray[np.uint8]) -> float:
    """Grey levels between the 1st and 99th percentile: of the picture, or of its best block.

    A small print on a large blank sheet is below one percent of the whole.
    """
    low, high = np.percentile(grey, (1, 99))
    if high - low >= MIN_CONTRAST:
        return float(high - low)
    side = CONTRAST_BLOCK
    rows, columns = (max(length // side, 1) for length in grey.shape)
    spans = [0.0]
    for row in np.array_split(grey, rows):
        for block in np.array_split(row, columns, axis=1):
            if int(block.max()) - int(block.min()) >= MIN_CONTRAST:
                low, high = np.percentile(block, (1, 99))
                spans.append(float(high - low))
    return max(spans)


def require_minutiae(minutiae: Minutiae, name: str) -> None:
    """Refuse prints that cannot be compared.

    Raises
    ------
    NoFeaturesError
        Fewer than four minutiae.
    """
    if len(minutiae) < MIN_MINUTIAE:
        raise NoFeaturesError(
            f"{name}: {len(minutiae)} minutiae found, at least {MIN_MINUTIAE} are needed; take a "
            "larger or clearer impression"
        )
