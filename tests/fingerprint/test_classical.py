import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from biomatch import fingerprint, images
from biomatch.errors import NoFeaturesError
from biomatch.fingerprint import classical
from biomatch.fingerprint.minutiae import Minutiae, MinutiaType, angle_difference
from biomatch.fingerprint.modality import MODALITY
from biomatch.fingerprint.template import FingerprintTemplate

from .patterns import spiral_phase


def find(pattern):
    return classical.find(pattern)


@pytest.mark.parametrize("turn", [0.0, 0.6, 1.57, 2.5, 4.0])
def test_one_dislocation_is_one_minutia(turn):
    image, angle = spiral_phase(turn)
    found = find(image)
    middle = np.hypot(found.x - 160, found.y - 160) < 12
    assert middle.sum() == 1
    assert (~middle).sum() == 0
    assert abs(float(angle_difference(found.angle[middle][0], angle))) < 0.15


def test_dark_and_light_change_the_type_and_keep_the_direction_line():
    image, _ = spiral_phase(0.6)
    dark, light = find(image), find(255 - image)
    assert len(dark) == len(light) == 1
    assert {int(dark.type[0]), int(light.type[0])} == {
        MinutiaType.ENDING,
        MinutiaType.BIFURCATION,
    }
    assert abs(float(angle_difference(dark.angle[0], light.angle[0]))) < 0.15


def test_plain_ridges_have_no_minutiae():
    y, x = np.mgrid[:300, :300]
    wave = np.cos(2 * np.pi * np.hypot(x - 150, y + 300) / 9)
    assert len(find(np.clip(128 + 90 * wave, 0, 255).astype(np.uint8))) == 0


def test_frequency_and_orientation_are_those_of_the_wave():
    y, x = np.mgrid[:320, :320]
    for period, direction in ((7.0, 0.3), (9.0, 1.2), (11.0, 2.6)):
        across = -np.sin(direction) * x + np.cos(direction) * y
        field = classical.enhance(
            np.clip(128 + 90 * np.cos(2 * np.pi * across / period), 0, 255).astype(np.uint8)
        )
        middle = slice(100, 250), slice(100, 250)
        assert np.median(1 / field.frequency[middle]) == pytest.approx(period, rel=0.06)
        estimated = np.arctan2(field.sin2[middle], field.cos2[middle]) / 2
        off = angle_difference(2 * estimated, 2 * direction) / 2
        assert np.abs(off).max() < 0.03


def test_the_filtered_picture_shows_the_ridges():
    image, _ = spiral_phase(0.6)
    shown = fingerprint.enhance(image, 500)
    assert shown.dtype == np.uint8
    assert shown.shape == image.shape
    middle = slice(60, 260), slice(60, 260)
    assert np.corrcoef(shown[middle].ravel(), image[middle].ravel())[0, 1] > 0.9


def test_ends_at_a_border_of_the_sensor_are_not_endings():
    y, _ = np.mgrid[:320, :320]
    image = np.clip(128 + 90 * np.cos(2 * np.pi * y / 9), 0, 255).astype(np.uint8)
    image[:, :60] = 250
    assert len(find(image)) == 0


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 3))
@settings(max_examples=30, deadline=None)
def test_thinning_keeps_the_topology(seed, smooth):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((60, 60)), smooth)
    ridges = (noise > np.median(noise)).astype(np.uint8)
    ridges[0] = ridges[-1] = ridges[:, 0] = ridges[:, -1] = 0
    thinned = classical.thin(ridges)
    eight = np.ones((3, 3))
    assert not (thinned & ~ridges & 1).any()
    assert ndimage.label(thinned, eight)[1] == ndimage.label(ridges, eight)[1]
    assert ndimage.label(1 - thinned)[1] == ndimage.label(1 - ridges)[1]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_noise_never_breaks_it(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(48, 200, 2))
    found = find(rng.integers(0, 256, shape).astype(np.uint8))
    assert ((found.quality >= 0) & (found.quality <= 1)).all()


def test_the_template_names_the_extractor():
    image, _ = spiral_phase(0.6)
    with pytest.raises(NoFeaturesError, match="1 minutiae found"):
        fingerprint.extract(image, 500, extractor="classical")


def test_quality_is_the_probability_of_the_evidence():
    columns = dict.fromkeys(classical.Evidence._fields, np.zeros(1))
    doubtful = classical.Evidence(**columns)
    assert doubtful.probability()[0] == pytest.approx(1 / (1 + np.exp(-classical.BIAS)))
    clear = classical.Evidence(**columns | {"fidelity": np.ones(1), "steady": np.ones(1)})
    stained = classical.Evidence(**columns | {"stain": np.ones(1), "steady": np.ones(1)})
    steady = classical.Evidence(**columns | {"steady": np.ones(1)})
    assert clear.probability() > steady.probability() > stained.probability()


def test_a_minutia_beside_a_stain_is_doubted():
    image, _ = spiral_phase(0.6)
    clean = find(image)
    y, x = np.mgrid[:320, :320]
    spot = 160 * np.exp(-(((x - 180) ** 2 + (y - 160) ** 2) / 60.0))
    stained = find(np.clip(image.astype(float) - spot, 0, 255).astype(np.uint8))
    near = np.hypot(stained.x - 160, stained.y - 160) < 12
    assert len(clean) == 1
    assert stained.quality[near].max(initial=0) < clean.quality[0]


def test_templates_of_an_earlier_version_stay_comparable():
    marks = [(40 * i, 30 * i % 200, 0.5 * i, i % 2, 0.9) for i in range(1, 7)]
    minutiae = Minutiae.from_rows(marks)
    earlier, later = (
        FingerprintTemplate(minutiae, 300, 300, extractor="classical", model_id=name)
        for name in ("classical:1", classical.MODEL_ID)
    )
    assert classical.MODEL_ID != "classical:1"
    assert FingerprintTemplate.loads(earlier.dumps()).model_id == "classical:1"
    assert MODALITY.model_id(earlier) == MODALITY.model_id(later)
    assert np.ptp(fingerprint.compare(later, [earlier, later])) == 0


@pytest.mark.shared
def test_both_extractors_see_the_same_minutiae(shared):
    path = shared / "fingerprint" / "fvc2002_db1_b" / "101_1.png"
    ours = fingerprint.extract(path, extractor="classical")
    assert ours.model_id == classical.MODEL_ID
    theirs = fingerprint.extract(path).minutiae
    image = images.to_grey(images.read(path).pixels)
    assert (ours.width, ours.height) == image.shape[::-1]
    near = np.hypot(
        np.subtract.outer(ours.minutiae.x, theirs.x), np.subtract.outer(ours.minutiae.y, theirs.y)
    )
    turned = np.abs(angle_difference(ours.minutiae.angle[:, None], theirs.angle[None]))
    agreed = ((near < 10) & (turned < 0.4)).any(axis=1)
    assert agreed.mean() > 0.6
