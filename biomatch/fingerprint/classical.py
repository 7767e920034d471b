"""Minutiae without a network: contextual filtering, thinning, crossing numbers.

The stages, each at the coarsest resolution that serves it:

1. local normalisation of mean and contrast;
2. orientation field from the structure tensor (M. Kass and A. Witkin 1987);
3. a first contextual filter with the mean ridge frequency, whose output gives a better
   orientation field and, from the ratio of gradient to signal energy, the local frequency;
4. a second one: a Gaussian along the curved ridge, then an even Gabor function
   without mean across it (after L. Hong, Y. Wan and A. K. Jain, "Fingerprint Image
   Enhancement", IEEE TPAMI 20(8), 1998), with the parameters of each pixel, not of a bank;
5. thinning (Z. Guo and R. W. Hall, "Parallel Thinning with Two-Subiteration Algorithms",
   CACM 32(3), 1989) and crossing numbers;
6. a quality for every candidate: the probability that it is a minutia, from seven measures
   of its surroundings (`Evidence`). Most candidates are where ridges leave the picture, at
   the rim of sweat or dirt, or a gap closed wrongly; nothing but this tells them apart.

Prints that exceed a tile are cut up, see `biomatch.fingerprint.tiles`: the foreground is found
in the whole print, while contrast and strength are relative to the tile's, so a faint finger of
a slap keeps more doubtful minutiae than it would beside a strong one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from biomatch.fingerprint import tiles
from biomatch.fingerprint.minutiae import Minutiae
from biomatch.fingerprint.parameters import TILE_CORE, TILE_MARGIN

__all__ = ["MODEL_ID", "RidgeField", "enhance", "find", "picture", "shown"]

MODEL_ID = "classical:2"
Floats = NDArray[np.float32]

PAD = 20
"""Pixels that are repeated around the image: more than `ACROSS` + `ALONG` x `STEP`, so that no
filter that starts in the foreground can leave the padded image."""
MEAN_PERIOD = 9.0
"""Ridge period in pixels at 500 ppi, adults' mean."""
SHORTEST, LONGEST = 5.0, 16.0
"""Ridge periods that are believed."""
LEVELS = 64
"""Tabulated frequencies between them."""
STEP = 2
"""Pixels between taps along the ridge."""
ALONG, ALONG_SIGMA = 5, 5.0
"""Taps each side and width in pixels of the Gaussian along the ridge."""
ACROSS, ACROSS_SIGMA = 8, 3.4
"""Taps each side and width in pixels of the Gabor function across it."""
FIRST_ALONG, FIRST_ALONG_SIGMA = 3, 3.5
FIRST_ACROSS, FIRST_ACROSS_SIGMA = 6, 2.6
"""The same of the first filter."""
TRACE = 14
"""Pixels of skeleton that give a minutia its direction."""
FRAME = 8
"""Pixels from the picture's frame, where every ridge ends."""
SHORTENED = 3.0
"""Pixels by which thinning shortens a ridge that ends: a third of the ridge period."""
CLIP = 1.2
"""Normalised grey is cut here, little above a clear ridge's amplitude: the rim of a sweat stain
has many times that and would drown the ridges beside it."""
AMPLITUDE, COHERENCE = 0.35, 0.25
"""Least filter output (relative to the median) and coherence of the trusted area."""
SPECK = 30
"""Pixels: smaller islands and holes of the binary image are filled."""
WEAK = 0.1
"""Power relative to the print's median below which ridges are doubted."""
STAINLESS = math.exp(-3)
"""Wide variation relative to fine one, below which less of it says nothing."""
FAITHFUL = 0.15
"""Least fidelity of a candidate: of those below, LEADER sees one in fifty."""
FAR_INSIDE, FAR_APART = 40.0, 30.0
"""Pixels to the edge of the trusted area, and to the next candidate, beyond which more of it says
nothing."""
LEAST_QUALITY = 0.2
"""Candidates that are less probable are dropped; the same cut as of LEADER's minutiae."""
WEIGHTS = (1.88, 2.157, 0.287, 0.137, -5.851, 8.491, -0.983)
BIAS = -8.164
"""Logistic regression of the columns of `Evidence` (natural log odds) on whether LEADER sees the
minutia as well: benchmarks/fingerprint_classical.py fits them, and scores each set of prints by
weights that were fitted without it."""


@dataclass(frozen=True, slots=True)
class RidgeField:
    """What the filters know of a print, with `PAD` pixels around the image.

    Attributes
    ----------
    enhanced
        Filtered image, ridges positive, float32, shape (h + 2 PAD, w + 2 PAD).
    normalised
        Input after normalisation, ridges positive.
    cos2, sin2
        Unit double-angle vector of the ridge direction, y down.
    coherence
        Length of the mean double-angle vector before it was made one, 0 to 1.
    frequency
        Ridges a pixel.
    mask
        Foreground, uint8.
    clear, steady
        Coherence of the input's gradient within about 5 px, and within about 8: float32, at a
        quarter of the size.
    stain
        log of variation wider than ridges relative to that of ridges, at least -3, same size:
        high at the rim of sweat, dirt and creases.
    """

    enhanced: Floats
    normalised: Floats
    cos2: Floats
    sin2: Floats
    coherence: Floats
    frequency: Floats
    mask: NDArray[np.uint8]
    clear: Floats
    steady: Floats
    stain: Floats


class Evidence(NamedTuple):
    """What speaks for a candidate, each float64 of shape (n,).

    Attributes
    ----------
    coherence
        Of the direction field after the first filter.
    fidelity
        Least correlation of input and filtered print in the surroundings: filters continue
        ridges over gaps, stains and a sensor's lit border, where the input has none.
    inside
        log(2 + pixels to the edge of the trusted area, up to `FAR_INSIDE`).
    apart
        Pixels to the next candidate, up to `FAR_APART`.
    clear, steady, stain
        See `RidgeField`; `stain` is the largest value in the surroundings.
    """

    coherence: NDArray[np.float64]
    fidelity: NDArray[np.float64]
    inside: NDArray[np.float64]
    apart: NDArray[np.float64]
    clear: NDArray[np.float64]
    steady: NDArray[np.float64]
    stain: NDArray[np.float64]

    def probability(self) -> NDArray[np.float64]:
        """How probable it is that each candidate is a minutia."""
        odds = np.stack(self, axis=1) @ np.array(WEIGHTS) + BIAS
        return np.asarray(1 / (1 + np.exp(-odds)), np.float64)


def enhance(image: NDArray[np.uint8]) -> RidgeField:
    """Filter a print along and across its ridges.

    Parameters
    ----------
    image
        Grey print at 500 ppi, uint8, shape (h, w), ridges dark.
    """
    padded = _padded(image)
    grey = _grey(padded, _blank(padded))
    return _filtered(grey, _foreground(_strength(grey), grey.shape))


def _padded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    padded = cv2.copyMakeBorder(image, PAD, PAD, PAD, PAD, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)


def _grey(padded: NDArray[np.uint8], blank: NDArray[np.uint8]) -> Floats:
    return np.asarray(_blur(_filled(padded.astype(np.float32), blank), 0.6), np.float32)


def _filtered(grey: Floats, mask: NDArray[np.uint8]) -> RidgeField:
    normalised = _normalise(grey, mask)
    shape = normalised.shape
    flow = _orientation(_blur(normalised, 1.0), 5.0, 6.0)
    cos2, sin2 = _resize(flow.cos2, shape), _resize(flow.sin2, shape)
    dx, dy = directions(cos2, sin2)
    first = _first_filter(normalised, dx, dy, mask)
    frequency = _resize(_frequency(first, cos2, sin2, mask), shape)
    cos2, sin2, coherence = (_resize(v, shape) for v in _orientation(first, 4.0, 3.0)[:3])
    dx, dy = directions(cos2, sin2)
    smooth = smooth_along(normalised, dx, dy, _grown(mask), _gaussian(ALONG, ALONG_SIGMA))
    bank = _gabors(ACROSS, ACROSS_SIGMA, np.linspace(1 / LONGEST, 1 / SHORTEST, LEVELS))
    enhanced = filter_across(smooth, dx, dy, _levels(frequency), mask, bank)
    maps = cos2, sin2, coherence, frequency
    return RidgeField(enhanced, normalised, *maps, mask, flow.clear, flow.steady, _stain(grey))


def picture(field: RidgeField) -> NDArray[np.uint8]:
    """Show a filtered print as grey levels: uint8, shape (h, w), ridges dark, background 255."""
    inside = field.mask > 0
    amplitude = float(np.abs(field.enhanced[inside]).mean()) if inside.any() else 1.0
    levels = 128 - field.enhanced * np.float32(64 / (amplitude + 1e-9))
    shown = np.where(inside, np.clip(levels, 0, 255), 255)[PAD:-PAD, PAD:-PAD]
    return np.asarray(shown, np.uint8)


def shown(image: NDArray[np.uint8], *, tile: int = TILE_CORE) -> NDArray[np.uint8]:
    """Filter a print and show it (see `picture`): uint8, shape (h, w); large ones in tiles."""
    canvas = np.full(image.shape, 255, np.uint8)
    for part, field in _fields(image, tile):
        (y, x), (top, left) = part.core, (part.window[0].start, part.window[1].start)
        canvas[y, x] = picture(field)[y.start - top : y.stop - top, x.start - left : x.stop - left]
    return canvas


def find(image: NDArray[np.uint8], *, tile: int = TILE_CORE) -> Minutiae:
    """Find the minutiae of a print.

    Types, directions and positions follow ISO/IEC 19794-2 as LEADER's do, so templates of
    both extractors can be compared with each other.

    Parameters
    ----------
    image
        Grey print at 500 ppi, uint8, shape (h, w), ridges dark.
    tile
        Largest side of a tile's core in pixels. A print whose longer side exceeds
        ``tile + 2 * TILE_MARGIN`` is cut up, which bounds memory; smaller ones never are.
    """
    parts = [part.own(_rows(field)) for part, field in _fields(image, tile)]
    return Minutiae.from_rows(tiles.merge(parts))


def _rows(field: RidgeField) -> NDArray[np.float64]:
    """Minutiae of a filtered print: rows (x, y, angle, type, quality), float64, shape (n, 5)."""
    marks, evidence = candidates(field)
    quality = evidence.probability()
    return np.column_stack([marks, quality])[quality >= LEAST_QUALITY]


def _fields(image: NDArray[np.uint8], tile: int) -> Iterator[tuple[tiles.Tile, RidgeField]]:
    """Filter a print tile by tile; what decides where there are ridges is seen as a whole."""
    parts = tiles.cut(image.shape, tile, TILE_MARGIN, 4)
    if len(parts) == 1:
        yield parts[0], enhance(image)
        return
    padded = _padded(image)
    blank = _blank(padded)
    around = [tuple(slice(s.start, s.stop + 2 * PAD) for s in part.window) for part in parts]
    strength = np.zeros([-(-side // 4) for side in padded.shape], np.float32)
    for part, window in zip(parts, around, strict=True):
        found = _strength(_grey(padded[window], blank[window]))
        core, inner = zip(*map(_quarter, part.core, part.window, image.shape), strict=True)
        strength[core] = found[inner]
    mask = _foreground(strength, padded.shape)
    for part, window in zip(parts, around, strict=True):
        inside = _framed(mask[window])
        if inside.any():
            yield part, _filtered(_grey(padded[window], blank[window]), inside)


def _quarter(core: slice, window: slice, length: int) -> tuple[slice, slice]:
    """Where a core with the frame's padding lies in quarter maps: of the picture, of a window."""
    start = 0 if core.start == 0 else (core.start + PAD) // 4
    stop = -(-(length + 2 * PAD) // 4) if core.stop == length else (core.stop + PAD) // 4
    return slice(start, stop), slice(start - window.start // 4, stop - window.start // 4)


def candidates(field: RidgeField) -> tuple[NDArray[np.float64], Evidence]:
    """Find whatever looks like a minutia in the trusted skeleton, and what speaks for it.

    Returns
    -------
    marks
        Rows (x, y, angle, type) in pixels of the image, float64, shape (n, 4).
    evidence
        In the same order.
    """
    trusted = _distance(_trusted(field))
    skeleton = thin(_binary(field.enhanced, field.mask))
    marks = trace_all(skeleton, field.mask, field.cos2, field.sin2, TRACE)
    x, y = marks[:, 0].astype(np.intp), marks[:, 1].astype(np.intp)
    evidence = Evidence(
        coherence=field.coherence[y, x].astype(np.float64),
        fidelity=_sampled(_fidelity(field), x, y),
        inside=np.log(2.0 + np.minimum(trusted[y, x], FAR_INSIDE)).astype(np.float64),
        apart=_apart(marks[:, :2]),
        clear=_sampled(field.clear, x, y),
        steady=_sampled(field.steady, x, y),
        stain=_sampled(_most(field.stain, 5), x, y),
    )
    back = np.where(marks[:, 3] == 0, SHORTENED, 0.0)
    marks[:, 0] -= PAD + back * np.cos(marks[:, 2])
    marks[:, 1] -= PAD - back * np.sin(marks[:, 2])
    size = np.array(field.mask.shape[::-1]) - 2 * PAD
    seen = ((marks[:, :2] >= 0) & (marks[:, :2] < size)).all(axis=1)
    seen &= (trusted[y, x] > 0) & (evidence.fidelity >= FAITHFUL)
    return marks[seen], Evidence(*(column[seen] for column in evidence))


# ----------------------------------------------------------------------- fields


def _blur(values: Any, sigma: float) -> Any:
    import cv2

    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def _resize(values: Any, shape: tuple[int, int]) -> Any:
    """Resample to (h, w): means when shrinking, linear when growing."""
    import cv2

    kind = cv2.INTER_AREA if shape[0] < values.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(values, (shape[1], shape[0]), interpolation=kind)


def _shrunk(values: Any, factor: int) -> Any:
    return _resize(values, (-(-values.shape[0] // factor), -(-values.shape[1] // factor)))


def _strength(grey: Floats) -> Floats:
    """Gradient within about 7 px, at a quarter of the size."""
    import cv2

    gx, gy = cv2.Scharr(grey, cv2.CV_32F, 1, 0), cv2.Scharr(grey, cv2.CV_32F, 0, 1)
    return np.asarray(_blur(_shrunk(cv2.magnitude(gx, gy), 4), 7 / 4), np.float32)


def _foreground(strength: Floats, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Where the gradient is strong, as one area without holes, uint8, of the full size."""
    import cv2
    from scipy import ndimage

    strong = (strength > 0.22 * np.percentile(strength, 95)).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    closed = cv2.morphologyEx(strong, cv2.MORPH_CLOSE, kernel)
    mask = np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel), np.uint8)
    labels, count = ndimage.label(mask)
    if count:
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        whole = ndimage.binary_fill_holes((sizes >= 0.15 * sizes.max())[labels])
        mask = np.asarray(whole, np.uint8)
    size = shape[1], shape[0]
    return _framed(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST))


def _framed(mask: Any) -> NDArray[np.uint8]:
    """Clear the outer `PAD` pixels, where no filter may start."""
    inside = np.zeros(mask.shape, np.uint8)
    inside[PAD:-PAD, PAD:-PAD] = mask[PAD:-PAD, PAD:-PAD]
    return inside


def _blank(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Ones where the grey is constant from the picture's frame inwards: outside the sensor.

    Constant means that 9 x 9 pixels have one value; a saturated place inside the print is not
    connected to the frame and stays.
    """
    import cv2

    kernel = np.ones((9, 9), np.uint8)
    constant = (cv2.dilate(image, kernel) == cv2.erode(image, kernel)).astype(np.uint8)
    _, labels = cv2.connectedComponents(constant)
    frame = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    outside = np.zeros(int(labels.max()) + 1, np.uint8)
    outside[frame] = 1
    outside[0] = 0
    return np.asarray(cv2.dilate(outside[labels], np.ones((11, 11), np.uint8)), np.uint8)


def _filled(grey: Floats, blank: NDArray[np.uint8]) -> Floats:
    """Fill blank places with the mean of what is near, so that no step looks like a ridge."""
    if not blank.any() or blank.all():
        return grey
    skin = (1 - blank).astype(np.float32)
    weight = _blur(_shrunk(skin, 4), 3.0)
    mean = float((grey * skin).sum() / skin.sum())
    near = (_blur(_shrunk(grey * skin, 4), 3.0) + mean * np.float32(1e-3)) / (weight + 1e-3)
    return np.asarray(np.where(blank > 0, _resize(near, grey.shape), grey), np.float32)


def _normalise(grey: Floats, mask: NDArray[np.uint8]) -> Floats:
    """Bring local mean and contrast to 0 and 1 and turn ridges positive."""
    shape = grey.shape
    centred = grey - _resize(_blur(_shrunk(grey, 4), 2.0), shape)
    contrast = np.sqrt(_blur(_shrunk(centred * centred, 4), 3.5))
    inside = _shrunk(mask.astype(np.float32), 4) > 0.5
    typical = float(np.median(contrast[inside])) if inside.any() else 1.0
    spread = _resize(contrast + np.float32(0.15 * typical + 1e-3), shape)
    return np.asarray(np.clip(-centred / spread, -CLIP, CLIP), np.float32)


class Flow(NamedTuple):
    """Double-angle vector of the ridge direction, and its length after and before smoothing."""

    cos2: Floats
    sin2: Floats
    steady: Floats
    clear: Floats


def _orientation(image: Floats, sigma: float, smooth: float) -> Flow:
    """Direction of the ridges at a quarter of the size.

    Both widths are in pixels of `image`: of the tensor, and of the directions after every
    place was given the same weight.
    """
    import cv2

    gx, gy = cv2.Scharr(image, cv2.CV_32F, 1, 0), cv2.Scharr(image, cv2.CV_32F, 0, 1)
    xx, yy, xy = (_blur(_shrunk(p, 4), sigma / 4) for p in (gx * gx, gy * gy, gx * gy))
    energy = xx + yy + np.float32(1e-6)
    cos2, sin2 = (yy - xx) / energy, -2 * xy / energy
    clear = np.sqrt(cos2 * cos2 + sin2 * sin2)
    cos2, sin2 = _blur(cos2, smooth / 4), _blur(sin2, smooth / 4)
    return Flow(cos2, sin2, np.sqrt(cos2 * cos2 + sin2 * sin2), clear)


def _stain(grey: Floats) -> Floats:
    """Variation of 4 to 16 px in width against finer one, as a logarithm, at a quarter."""
    coarse = _shrunk(grey, 4)
    mean = _blur(coarse, 1.0)
    wide = mean - _blur(coarse, 4.0)
    fine = grey - _resize(mean, grey.shape)
    wide_power = _blur(_inner(wide * wide), 2.0) + 1
    fine_power = _blur(_inner(_shrunk(fine * fine, 4)), 2.0) + 1
    return np.asarray(np.log(np.maximum(wide_power / fine_power, STAINLESS)), np.float32)


def _grown(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Foreground with what the filter across the ridges reads around it."""
    import cv2

    side = 2 * ACROSS + 1
    return np.asarray(cv2.dilate(mask, np.ones((side, side), np.uint8)), np.uint8)


def _gaussian(taps: int, sigma: float) -> Floats:
    weights = np.exp(-((STEP * np.arange(taps + 1)) ** 2) / (2 * sigma**2))
    return np.asarray(weights, np.float32)


def _gabors(taps: int, sigma: float, frequencies: Any) -> Floats:
    """Even Gabor functions without mean, one a row, (len(frequencies), 2 taps + 1)."""
    k = np.arange(-taps, taps + 1)
    envelope = np.exp(-(k**2) / (2 * sigma**2))
    wave = envelope * np.cos(2 * np.pi * np.asarray(frequencies)[:, None] * k)
    free = wave - wave.sum(axis=1, keepdims=True) / envelope.sum() * envelope
    return np.asarray(free / np.abs(wave).sum(axis=1, keepdims=True), np.float32)


def _first_filter(image: Floats, dx: Floats, dy: Floats, mask: NDArray[np.uint8]) -> Floats:
    """Filter with the mean ridge frequency and bring the amplitude to 1."""
    level = np.zeros(image.shape, np.uint8)
    weights = _gaussian(FIRST_ALONG, FIRST_ALONG_SIGMA)
    smooth = smooth_along(image, dx, dy, _grown(mask), weights)
    bank = _gabors(FIRST_ACROSS, FIRST_ACROSS_SIGMA, [1 / MEAN_PERIOD])
    first = filter_across(smooth, dx, dy, level, mask, bank)
    amplitude = np.sqrt(_blur(_shrunk(first * first, 4), 2.5))
    return np.asarray(first / _resize(amplitude + np.float32(1e-3), first.shape), np.float32)


def _frequency(first: Floats, cos2: Floats, sin2: Floats, mask: NDArray[np.uint8]) -> Floats:
    """Ridges a pixel, at a quarter of the size.

    A wave of angular frequency w has differences of energy 4 sin²(w_x / 2) + 4 sin²(w_y / 2),
    about w² (1 - w² (cos⁴ + sin⁴) / 12), relative to its own.
    """
    dx = np.diff(first, axis=1, append=first[:, -1:])
    dy = np.diff(first, axis=0, append=first[-1:])
    slope = _blur(_shrunk((dx * dx + dy * dy) * mask, 4), 3.0)
    power = _blur(_shrunk(first * first * mask, 4), 3.0) + np.float32(1e-6)
    measured = slope / power
    fourth = _shrunk((3 + cos2 * cos2 - sin2 * sin2) / 4, 4)
    angular = np.sqrt(measured * (1 + measured * fourth / 12))
    frequency = angular / np.float32(2 * np.pi)
    return np.asarray(np.clip(frequency, 1 / LONGEST, 1 / SHORTEST), np.float32)


def _levels(frequency: Floats) -> NDArray[np.uint8]:
    """Row of the table of Gabor functions for each pixel."""
    share = (frequency - 1 / LONGEST) / (1 / SHORTEST - 1 / LONGEST)
    return np.asarray(np.clip(share * (LEVELS - 1) + 0.5, 0, LEVELS - 1), np.uint8)


# ----------------------------------------------------------------------- trust


def _trusted(field: RidgeField) -> NDArray[np.uint8]:
    """Where the filtered ridges are strong and parallel enough to be believed."""
    import cv2

    power = _blur(_inner(_shrunk(field.enhanced * field.enhanced, 4)), 2.0)
    amplitude = np.sqrt(np.maximum(power, 0))
    inside = _inner(_shrunk(field.mask.astype(np.float32), 4)) > 0.5
    typical = float(np.median(amplitude[inside])) if inside.any() else 1.0
    clear = _shrunk(field.coherence, 4) > COHERENCE
    good = ((amplitude > AMPLITUDE * typical) & clear & inside).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    good = cv2.morphologyEx(cv2.morphologyEx(good, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel)
    shape = field.mask.shape[1], field.mask.shape[0]
    return np.asarray(cv2.resize(good, shape, interpolation=cv2.INTER_NEAREST), np.uint8)


def _inner(values: Any) -> Any:
    """At a quarter of the size: replace the padding by what is next to it."""
    return _extended(values, PAD // 4)


def _extended(values: Any, pad: int) -> Any:
    """Replace the outer `pad` pixels by what is next to them: the picture's frame is no edge."""
    import cv2

    inner = values[pad:-pad, pad:-pad]
    return cv2.copyMakeBorder(inner, pad, pad, pad, pad, cv2.BORDER_REPLICATE)


def _distance(area: NDArray[np.uint8]) -> Floats:
    """Distance to the edge of an area, in pixels; zero within `FRAME` of the picture's frame."""
    import cv2

    distance = cv2.distanceTransform(_extended(area, PAD), cv2.DIST_L2, 3)
    kept = np.zeros_like(distance)
    margin = slice(PAD + FRAME, -PAD - FRAME)
    kept[margin, margin] = distance[margin, margin]
    return np.asarray(kept, np.float32)


def _fidelity(field: RidgeField) -> Floats:
    """Least likeness of input and filtered print within 12 px, at a quarter of the size.

    A correlation, but low as well where either has little power.
    """
    import cv2

    pairs = (
        (field.normalised, field.enhanced),
        (field.normalised, field.normalised),
        (field.enhanced, field.enhanced),
    )
    both, seen, made = (_blur(_inner(_shrunk(a * b, 4)), 1.5) for a, b in pairs)
    inside = _inner(_shrunk(field.mask.astype(np.float32), 4)) > 0.5
    floors = [
        WEAK * float(np.median(power[inside])) if inside.any() else 1.0 for power in (seen, made)
    ]
    likeness = both / np.sqrt((seen + floors[0]) * (made + floors[1]) + np.float32(1e-9))
    surroundings = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    return np.asarray(cv2.erode(likeness, surroundings), np.float32)


def _most(values: Floats, side: int) -> Floats:
    import cv2

    return np.asarray(cv2.dilate(values, np.ones((side, side), np.uint8)), np.float32)


def _sampled(quarter: Floats, x: NDArray[np.intp], y: NDArray[np.intp]) -> NDArray[np.float64]:
    """Values of a map of a quarter of the size at points of the full size, float64, (n,)."""
    import cv2

    if len(x) == 0:
        return np.zeros(0)
    columns, rows = (((v + 0.5) / 4 - 0.5).astype(np.float32)[:, None] for v in (x, y))
    found = cv2.remap(quarter, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found[:, 0], np.float64)


def _apart(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each point to the next one, up to `FAR_APART`."""
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return np.full(len(points), FAR_APART)
    distance, _ = cKDTree(points).query(points, k=2, distance_upper_bound=FAR_APART)
    return np.asarray(np.minimum(distance[:, 1], FAR_APART), np.float64)


def _binary(enhanced: Floats, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Ridges as ones, without specks and small holes."""
    import cv2

    ridges = cv2.medianBlur(((enhanced > 0) & (mask > 0)).astype(np.uint8), 3)
    for value, connectivity in ((1, 8), (0, 4)):
        area = (ridges == value).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(area, connectivity=connectivity)
        small = stats[:, cv2.CC_STAT_AREA] < SPECK
        small[0] = False
        if small.any():
            ridges[small[labels]] = 1 - value
    return np.asarray(ridges, np.uint8)


# ----------------------------------------------------------------------- kernels


@njit(cache=True, nogil=True, inline="always")
def _sample(image: Floats, x: Any, y: Any) -> Any:
    """Bilinear value at (x, y), which lies inside."""
    i, j = int(y), int(x)
    v, u = y - np.float32(i), x - np.float32(j)
    above = image[i, j] + u * (image[i, j + 1] - image[i, j])
    below = image[i + 1, j] + u * (image[i + 1, j + 1] - image[i + 1, j])
    return above + v * (below - above)


@njit(cache=True, nogil=True, fastmath=True)
def directions(cos2: Floats, sin2: Floats) -> tuple[Floats, Floats]:
    """Give the unit vectors (x not negative) of directions with these double-angle vectors."""
    dx, dy = np.empty_like(cos2), np.empty_like(cos2)
    one, half, tiny = np.float32(1), np.float32(0.5), np.float32(1e-18)
    for i in range(cos2.shape[0]):
        for j in range(cos2.shape[1]):
            c, s = cos2[i, j], sin2[i, j]
            cosine = c / np.sqrt(c * c + s * s + tiny)
            dx[i, j] = np.sqrt(max(half * (one + cosine), np.float32(0)))
            across = np.sqrt(max(half * (one - cosine), np.float32(0)))
            dy[i, j] = across if s >= 0 else -across
    return dx, dy


@njit(cache=True, nogil=True, fastmath=True)
def smooth_along(
    image: Floats, dx: Floats, dy: Floats, mask: NDArray[np.uint8], weights: Floats
) -> Floats:
    """Gaussian mean along the curved ridge through each foreground pixel.

    `weights` are those of 0, `STEP`, 2 `STEP` … pixels along the ridge on either side; the
    direction is read anew at each. No path may leave the image.
    """
    height, width = image.shape
    out = np.zeros_like(image)
    step, half = np.float32(STEP), np.float32(0.5)
    total_weight = weights[0]
    for k in range(1, len(weights)):
        total_weight += 2 * weights[k]
    for i in range(height):
        for j in range(width):
            if mask[i, j] == 0:
                continue
            total = image[i, j] * weights[0]
            for side in range(2):
                sense = np.float32(1 - 2 * side)
                ux, uy = sense * dx[i, j], sense * dy[i, j]
                x, y = np.float32(j), np.float32(i)
                for k in range(1, len(weights)):
                    x += step * ux
                    y += step * uy
                    total += weights[k] * _sample(image, x, y)
                    a, b = int(y + half), int(x + half)
                    vx, vy = dx[a, b], dy[a, b]
                    sense = np.float32(1) if vx * ux + vy * uy >= 0 else np.float32(-1)
                    ux, uy = sense * vx, sense * vy
            out[i, j] = total / total_weight
    return out


@njit(cache=True, nogil=True, fastmath=True)
def filter_across(
    image: Floats,
    dx: Floats,
    dy: Floats,
    level: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    bank: Floats,
) -> Floats:
    """Filter across the ridge with the row of `bank` that `level` names at each pixel."""
    height, width = image.shape
    out = np.zeros_like(image)
    taps = bank.shape[1] // 2
    for i in range(height):
        for j in range(width):
            if mask[i, j] == 0:
                continue
            weights = bank[level[i, j]]
            ux, uy = -dy[i, j], dx[i, j]
            x, y = np.float32(j) - taps * ux, np.float32(i) - taps * uy
            total = np.float32(0)
            for k in range(2 * taps + 1):
                total += weights[k] * _sample(image, x + np.float32(k) * ux, y + np.float32(k) * uy)
            out[i, j] = total
    return out


def _removable() -> NDArray[np.bool_]:
    """Guo and Hall's condition for each of the 256 neighbourhoods and both iterations.

    Bits 0 to 7 are the neighbours p2 … p9: north, then clockwise.
    """
    table = np.zeros((2, 256), np.bool_)
    for code in range(256):
        p2, p3, p4, p5, p6, p7, p8, p9 = (bool(code >> i & 1) for i in range(8))
        crossings = (
            (not p2 and (p3 or p4))
            + (not p4 and (p5 or p6))
            + (not p6 and (p7 or p8))
            + (not p8 and (p9 or p2))
        )
        pairs_a = (p9 or p2) + (p3 or p4) + (p5 or p6) + (p7 or p8)
        pairs_b = (p2 or p3) + (p4 or p5) + (p6 or p7) + (p8 or p9)
        if crossings == 1 and 2 <= min(pairs_a, pairs_b) <= 3:
            table[0, code] = not ((p2 or p3 or not p5) and p4)
            table[1, code] = not ((p6 or p7 or not p9) and p8)
    return table


REMOVABLE = _removable()


def thin(ridges: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Thin ridges (ones) to lines of one pixel; the outermost pixels are cleared."""
    return np.asarray(_thin(ridges, REMOVABLE), np.uint8)


@njit(cache=True, nogil=True)
def _code(image: NDArray[np.uint8], i: int, j: int) -> Any:
    """Neighbourhood as eight bits: north, then clockwise."""
    return (
        image[i - 1, j]
        | image[i - 1, j + 1] << 1
        | image[i, j + 1] << 2
        | image[i + 1, j + 1] << 3
        | image[i + 1, j] << 4
        | image[i + 1, j - 1] << 5
        | image[i, j - 1] << 6
        | image[i - 1, j - 1] << 7
    )


@njit(cache=True, nogil=True)
def _thin(ridges: NDArray[np.uint8], removable: NDArray[np.bool_]) -> NDArray[np.uint8]:
    image = ridges.copy()
    image[0], image[-1], image[:, 0], image[:, -1] = 0, 0, 0, 0
    rows, columns = np.nonzero(image)
    count = len(rows)
    gone = np.zeros(count, np.bool_)
    changed = True
    while changed:
        changed = False
        for phase in range(2):
            for k in range(count):
                gone[k] = removable[phase, _code(image, rows[k], columns[k])]
            left = 0
            for k in range(count):
                if gone[k]:
                    image[rows[k], columns[k]] = 0
                    changed = True
                else:
                    rows[left], columns[left] = rows[k], columns[k]
                    left += 1
            count = left
    return image


# Steps to the neighbours p2 … p9.
STEP_Y = np.array([-1, -1, 0, 1, 1, 1, 0, -1])
STEP_X = np.array([0, 1, 1, 1, 0, -1, -1, -1])


@njit(cache=True, nogil=True)
def _branches(image: NDArray[np.uint8], i: int, j: int, starts: NDArray[np.int64]) -> int:
    """Neighbours that begin a line, one a run of ones around the pixel; returns their number.

    Of a run the neighbour that shares a side is taken, else its first.
    """
    count = 0
    for k in range(8):
        here = image[i + STEP_Y[k], j + STEP_X[k]]
        before = image[i + STEP_Y[(k + 7) % 8], j + STEP_X[(k + 7) % 8]]
        if here and not before:
            chosen = k
            after = (k + 1) % 8
            if k % 2 == 1 and image[i + STEP_Y[after], j + STEP_X[after]]:
                chosen = after
            starts[count] = chosen
            count += 1
    return count


@njit(cache=True, nogil=True)
def _trace(
    image: NDArray[np.uint8], i: int, j: int, start: int, limit: int
) -> tuple[int, int, int]:
    """Follow a line from the pixel (i, j) by its neighbour `start`.

    Returns the number of pixels followed and the last one.
    """
    y0, x0 = i, j
    y, x = i + STEP_Y[start], j + STEP_X[start]
    length = 1
    while length < limit:
        ny, nx, best = -1, -1, 9
        ways = 0
        for k in range(8):
            a, b = y + STEP_Y[k], x + STEP_X[k]
            if not image[a, b] or (a == y0 and b == x0):
                continue
            if max(abs(a - y0), abs(b - x0)) <= 1:
                continue
            ways += 1
            rank = k % 2
            if rank < best:
                best, ny, nx = rank, a, b
        if ways == 0:
            break
        y0, x0, y, x = y, x, ny, nx
        length += 1
    return length, y, x


@njit(cache=True, nogil=True)
def trace_all(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], cos2: Floats, sin2: Floats, limit: int
) -> NDArray[np.float64]:
    """Minutiae of a skeleton: rows (x, y, angle, type), float64.

    An ending's line must be `limit` - 4 pixels long, a bifurcation's three at least
    `limit` - 6; directions are snapped to the orientation field and keep their sense.
    """
    height, width = image.shape
    found = np.empty((height * width // 64 + 1, 4))
    count = 0
    starts = np.empty(8, np.int64)
    ends = np.empty(3)
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            if not image[i, j] or not mask[i, j] or count == len(found):
                continue
            ways = _branches(image, i, j, starts)
            if ways not in (1, 3):
                continue
            shortest = limit
            for k in range(ways):
                length, y, x = _trace(image, i, j, starts[k], limit)
                shortest = min(shortest, length)
                ends[k] = math.atan2(float(i - y), float(x - j))
            if shortest < limit - (4 if ways == 1 else 6):
                continue
            angle = ends[0] if ways == 1 else _fork(ends)
            if angle > 90:
                continue
            field = -0.5 * math.atan2(sin2[i, j], cos2[i, j])
            agreement = math.cos(angle - field)
            if ways == 1 and abs(agreement) < 0.6:
                continue
            if agreement < 0:
                field += math.pi
            found[count, 0], found[count, 1] = j, i
            found[count, 2], found[count, 3] = field, 0 if ways == 1 else 1
            count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)
def _fork(ends: NDArray[np.float64]) -> float:
    """Mean direction of the two branches that enclose the sharpest angle; 99 for none."""
    sharpest, widest, first = 9.0, 0.0, 0
    for k in range(3):
        turn = abs((ends[k] - ends[(k + 1) % 3] + math.pi) % (2 * math.pi) - math.pi)
        widest = max(widest, turn)
        if turn < sharpest:
            sharpest, first = turn, k
    if widest < 0.55 * math.pi:
        return 99.0
    a, b = ends[first], ends[(first + 1) % 3]
    return math.atan2(math.sin(a) + math.sin(b), math.cos(a) + math.cos(b))
