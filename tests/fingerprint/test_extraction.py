import warnings

import numpy as np
import pytest
from PIL import Image

from biomatch import fingerprint
from biomatch.errors import (
    FormatError,
    NoFeaturesError,
    OptionError,
    ResolutionError,
    SampleError,
    UnreadableSampleError,
)
from biomatch.fingerprint.extraction import inside_polygon, prepare
from biomatch.fingerprint.minutiae import Minutiae
from biomatch.types import ImpressionType

from .patterns import ridges


def test_a_template_says_where_it_comes_from():
    template = fingerprint.extract(
        ridges(300, 280), 500, finger_position=2, impression=ImpressionType.PLAIN
    )
    assert (template.width, template.height) == (280, 300)
    assert (template.ppi, template.ppi_stated) == (500, True)
    assert template.extractor == "leader"
    assert template.model_id.startswith("leader:")
    assert template.finger_position == 2
    assert template.impression is ImpressionType.PLAIN
    assert 0 <= template.quality <= 100
    assert template.mask.shape == (19, 18)
    assert fingerprint.FingerprintTemplate.loads(template.dumps()) == template


def test_unknown_resolution_is_assumed_and_said_so():
    ready = prepare(ridges())
    assert (ready.ppi, ready.stated) == (500, False)


@pytest.mark.parametrize("dpi", [72, 96, 500])
def test_a_screens_resolution_is_not_believed(tmp_path, dpi):
    path = tmp_path / "print.png"
    Image.fromarray(ridges()).save(path, dpi=(dpi, dpi))
    if dpi == 500:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert fingerprint.extract(path).ppi_stated
        return
    with pytest.warns(fingerprint.ResolutionWarning, match="500 ppi is assumed"):
        template = fingerprint.extract(path)
    assert not template.ppi_stated
    assert (template.ppi, template.width) == (500, 320)
    with pytest.raises(ResolutionError, match=f"resolution is {dpi} ppi"):
        fingerprint.extract(path, dpi)


def test_a_caller_overrules_the_file_and_is_told(tmp_path):
    path = tmp_path / "print.png"
    Image.fromarray(ridges()).save(path, dpi=(500, 500))
    with pytest.warns(fingerprint.ResolutionWarning, match=r"print.png: 510 ppi .* states 500"):
        template = fingerprint.extract(path, 510)
    assert template.ppi == 510
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fingerprint.extract(path, 502).ppi == 502


def test_a_low_quality_is_said_unless_it_is_a_latent():
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    with pytest.warns(fingerprint.QualityWarning, match=r"noise: quality is \d+ of 100"):
        template = fingerprint.extract(noise, 500, extractor="classical", name="noise")
    assert template.quality < 30
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fingerprint.extract(noise, 500, extractor="classical", impression=ImpressionType.LATENT)
        fingerprint.extract(ridges(), 500)


def test_a_small_print_on_a_large_sheet_is_not_blank():
    sheet = np.full((2400, 2400), 255, np.uint8)
    sheet[1500:1820, 700:1020] = ridges()
    template = fingerprint.extract(sheet, 500, extractor="classical")
    alone = fingerprint.extract(ridges(), 500, extractor="classical")
    assert len(template) >= 0.7 * len(alone)
    assert template.minutiae.x.min() > 700
    sheet[:] = 255
    sheet[::40, ::40] = 0
    with pytest.raises(NoFeaturesError, match="is blank"):
        prepare(sheet, 500)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_any_depth_is_stretched_to_eight_bits(bits):
    drawn = ridges()
    drawn[0, 0] = 255
    deep = drawn.astype(np.uint16) << (bits - 8)
    assert np.array_equal(prepare(deep, 500).image, drawn)


def test_a_scanners_low_resolution_is_refused(tmp_path):
    path = tmp_path / "print.png"
    Image.fromarray(ridges()).save(path, dpi=(200, 200))
    with pytest.raises(ResolutionError, match="scan again at 500"):
        fingerprint.extract(path)


def test_resolution_of_the_file_is_used(tmp_path):
    path = tmp_path / "print.png"
    Image.fromarray(ridges(600, 600, 18)).save(path, dpi=(1000, 1000))
    ready = prepare(path)
    assert ready.image.shape == (300, 300)
    assert ready.ppi == pytest.approx(1000, abs=0.1)
    assert ready.stated
    assert prepare(path, 600).image.shape == (500, 500)


@pytest.mark.parametrize(("ppi", "side"), [(1000, 200), (569, 351), (512, 391), (250, 800)])
def test_any_true_resolution_is_brought_to_500(ppi, side):
    ready = prepare(ridges(400, 400), ppi)
    assert ready.image.shape == (side, side)
    assert ready.ppi == ppi


def test_minutiae_are_in_pixels_at_500_ppi():
    at_500 = fingerprint.extract(ridges(320, 320), 500).minutiae.above(0.5)
    at_1000 = fingerprint.extract(ridges(640, 640, 18), 1000).minutiae.above(0.5)
    distance = np.hypot(
        np.subtract.outer(at_500.x, at_1000.x), np.subtract.outer(at_500.y, at_1000.y)
    )
    assert (distance.min(axis=1) < 4).mean() > 0.8


def test_colour_and_16_bit_give_the_same_grey():
    grey = ridges()
    deep = grey.astype(np.uint16) << 8
    colour = np.repeat(grey[..., None], 3, axis=2)
    assert np.array_equal(prepare(deep).image, grey)
    assert np.abs(prepare(colour).image.astype(int) - grey).max() <= 1


@pytest.mark.parametrize(
    ("image", "ppi", "error", "words"),
    [
        (np.full((300, 300), 200, np.uint8), None, NoFeaturesError, "is blank"),
        (ridges(40, 300), None, NoFeaturesError, "300 x 40 pixels"),
        (ridges(1, 1), None, NoFeaturesError, "1 x 1 pixels"),
        (ridges(), 72, ResolutionError, "72 ppi"),
        (ridges(), 249, ResolutionError, "scan again at 500"),
        (ridges(), 6000, ResolutionError, "6000 ppi"),
        (ridges().astype(np.float32), None, UnreadableSampleError, "float32"),
        (np.zeros((3, 3, 3, 3), np.uint8), None, UnreadableSampleError, "shape is"),
        (np.zeros((0, 5), np.uint8), None, UnreadableSampleError, "shape is"),
        (np.zeros((100, 5000), np.uint8), 250, UnreadableSampleError, "10000 x 200"),
    ],
)
def test_bad_pictures_are_refused_in_one_sentence(image, ppi, error, words):
    with pytest.raises(error, match=words) as caught:
        fingerprint.extract(image, ppi)
    assert "\n" not in str(caught.value)


def test_an_impression_without_minutiae_is_refused():
    smooth = np.tile(np.linspace(0, 255, 300).astype(np.uint8), (300, 1))
    with pytest.raises(NoFeaturesError, match="minutiae found, at least 4"):
        fingerprint.extract(smooth)


def test_an_unknown_extractor_is_refused():
    with pytest.raises(OptionError, match="'best' is unknown"):
        fingerprint.extract(ridges(), extractor="best")


def test_a_bad_sample_does_not_stop_the_rest(tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no picture")
    results = fingerprint.extract_many([ridges(), text, ridges()], 500)
    assert [isinstance(r, SampleError) for r in results] == [False, True, False]
    assert str(text) in str(results[1])
    assert results[0] == results[2]


def test_region_of_interest_keeps_what_is_inside():
    corners = [(0, 0), (320, 0), (320, 160), (0, 160)]
    everything = fingerprint.extract(ridges(), 500)
    upper = fingerprint.extract(ridges(), 500, roi=corners)
    assert 0 < len(upper) < len(everything)
    assert (upper.minutiae.y <= 160).all()
    assert upper.roi.tolist() == [list(map(float, corner)) for corner in corners]


def test_inside_polygon_counts_crossings():
    horseshoe = np.array(
        [(0, 0), (30, 0), (30, 30), (20, 30), (20, 10), (10, 10), (10, 30), (0, 30)]
    )
    points = Minutiae([5, 15, 25, 15, 40], [20, 20, 20, 5, 5], [0] * 5, [0] * 5, [1] * 5)
    assert inside_polygon(points, horseshoe).tolist() == [True, False, True, True, False]


def test_examiners_minutiae_become_a_template():
    rows = [(100, 100, 0, 0, 1), (200, 120, 1, 1, 0.8), (150, 300, 2, 2, 0.7), (400, 400, 3, 0, 1)]
    template = fingerprint.from_minutiae(rows, 801, 640, 1000)
    assert template.extractor == "examiner"
    assert (template.width, template.height) == (401, 320)
    assert template.minutiae.x.tolist() == [50, 200, 100, 75]
    assert np.isnan(template.quality)
    with pytest.raises(NoFeaturesError, match="3 minutiae"):
        fingerprint.from_minutiae(rows[:3], 800, 640, 1000)
    with pytest.raises(ResolutionError):
        fingerprint.from_minutiae(rows, 800, 640, 100)
    with pytest.raises(FormatError, match=r"\(\d+, \d+\) lies outside the picture of 399 x 640"):
        fingerprint.from_minutiae(rows, 399, 640, 1000)
