"""Large pictures in tiles: every minutia once, where the whole picture has it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch import images
from biomatch.fingerprint import classical, leader, quality, tiles
from biomatch.fingerprint.minutiae import angle_difference
from biomatch.fingerprint.parameters import TILE_CORE, TILE_MARGIN

from .patterns import spiral_phase

sides = st.integers(1, 900)


@given(sides, sides, st.integers(32, 400), st.integers(0, 100), st.sampled_from([1, 4, 32]))
def test_cores_cover_every_pixel_once(height, width, core, margin, step):
    parts = tiles.cut((height, width), core, margin, step)
    seen = np.zeros((height, width), np.uint8)
    largest = -(-core // step) * step
    for part in parts:
        seen[part.core] += 1
        for inner, outer, length in zip(part.core, part.window, (height, width), strict=True):
            assert inner.start % step == 0
            assert outer.start % step == 0 or outer.start == inner.start - margin
            if len(parts) > 1:
                assert inner.stop - inner.start <= largest
                assert outer.start == max(inner.start - margin, 0)
                assert outer.stop == min(inner.stop + margin, length)
    assert (seen == 1).all()
    assert (len(parts) == 1) >= (max(height, width) <= core + 2 * margin)


def row(x, y, angle=0.0, quality=0.5):
    return (x, y, angle, 0, quality)


def merged(*parts):
    found = tiles.merge([np.array(part, float).reshape(-1, 5) for part in parts])
    return [tuple(r[:2]) for r in found]


def test_what_two_tiles_see_is_one_and_the_better():
    assert merged([row(100, 50)], [row(102, 51, quality=0.8)]) == [(102, 51)]
    assert merged([row(100, 50)], [row(109, 50)]) == [(100, 50), (109, 50)]
    assert merged([row(100, 50, 0.1)], [row(100, 50, 2 * np.pi - 0.1)]) == [(100, 50)]
    assert merged([row(100, 50, 0)], [row(100, 50, 1)]) == [(100, 50), (100, 50)]


def test_neighbours_in_one_tile_stay_two():
    near = [row(100, 50), row(104, 50)]
    assert merged(near) == [(100, 50), (104, 50)]
    assert len(merged(near, near)) == 2
    assert len(merged(near, [row(104, 51), row(100, 51)], near, near)) == 2
    assert len(merged([], near, [])) == 2
    assert merged() == []


def pairs(a, b, near=3.0, turned=0.2):
    distance = np.hypot(np.subtract.outer(a.x, b.x), np.subtract.outer(a.y, b.y))
    off = np.abs(angle_difference(a.angle[:, None], b.angle[None]))
    return (distance <= near) & (off <= turned)


@pytest.mark.parametrize("offset", range(-14, 15, 4))
def test_a_minutia_at_any_distance_from_the_seam_is_found_once(offset):
    image, angle = spiral_phase(0.6, size=640)
    moved = np.roll(image, offset, axis=1)[40:600, 40:600]
    parts = tiles.cut(moved.shape, 280, 96, 4)
    assert [part.core[1].start for part in parts] == [0, 280, 0, 280]
    found = classical.find(moved, tile=280)
    middle = np.hypot(found.x - 280 - offset, found.y - 280) < 14
    assert middle.sum() == 1
    assert abs(float(angle_difference(found.angle[middle][0], angle))) < 0.15


def test_tiles_without_ridges_are_left_out():
    image, _ = spiral_phase(0.6)
    noise = np.random.default_rng(1).integers(-3, 4, (1280, 1280))
    large = (235 + noise).astype(np.uint8)
    large[800:1120, 700:1020] = image
    alone = classical.find(image)
    found = classical.find(large, tile=320)
    inside = (found.x > 690) & (found.x < 1030) & (found.y > 790) & (found.y < 1130)
    assert inside.all()
    middle = np.hypot(found.x - 860, found.y - 960) < 14
    assert middle.sum() == len(alone) == 1


def test_a_large_filtered_picture_has_no_holes():
    image, _ = spiral_phase(0.6, size=640)
    tiled, whole = classical.shown(image, tile=200), classical.shown(image)
    assert tiled.shape == image.shape
    assert np.corrcoef(tiled.ravel(), whole.ravel())[0, 1] > 0.98


def test_bands_of_the_ridge_map_fit_together(monkeypatch):
    image, _ = spiral_phase(0.6, size=330)
    whole = quality.ridge_map(image)
    monkeypatch.setattr(quality, "BAND", 3 * 16)
    banded = quality.ridge_map(image)
    assert np.array_equal(whole.mask, banded.mask)
    assert np.abs(whole.clarity - banded.clarity).max() < 1e-5


@pytest.mark.shared
@pytest.mark.parametrize("extractor", [classical, leader])
def test_tiled_and_whole_pictures_have_the_same_minutiae(shared, extractor):
    folder = shared / "fingerprint" / "fvc2004_db1_b"
    first, second = (
        images.to_grey(images.read(folder / name).pixels) for name in ("101_1.png", "102_3.png")
    )
    mosaic = np.block([[first, second], [second[::-1], first[:, ::-1]]])
    whole, tiled = extractor.find(mosaic, tile=2048), extractor.find(mosaic, tile=352)
    alike = pairs(whole, tiled)
    assert alike.sum(axis=0).max() == alike.sum(axis=1).max() == 1
    assert alike.any(axis=1).mean() > 0.95
    assert pairs(whole.above(0.4), tiled).any(axis=1).mean() > 0.97
    assert pairs(whole, tiled.above(0.4)).any(axis=0).mean() > 0.95
    assert abs(len(whole) - len(tiled)) <= 0.1 * len(whole)


@pytest.mark.shared
def test_an_ordinary_print_is_never_cut(shared):
    path = shared / "fingerprint" / "fvc2004_db1_b" / "101_1.png"
    image = images.to_grey(images.read(path).pixels)
    assert len(tiles.cut(image.shape, TILE_CORE, TILE_MARGIN, 4)) == 1
    assert classical.find(image) == classical.find(image, tile=4096)
