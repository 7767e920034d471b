"""Quality, its measures, its words and the enrolment policy."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from biomatch.errors import NoFeaturesError, OptionError
from biomatch.face import QualityWarning, extract, quality
from biomatch.face.assessment import Quality, inside, pose, predicted, sharpness, texture


def test_a_good_portrait_has_no_complaints(astronaut: NDArray[np.uint8]) -> None:
    found = quality(astronaut)
    assert found.value > 95
    assert found.reasons == ()


def test_spoiling_is_named_in_words(astronaut: NDArray[np.uint8]) -> None:
    plain = quality(astronaut)
    blurred = quality(cv2.GaussianBlur(astronaut, (0, 0), 5))
    assert blurred.value < plain.value
    assert any("blurred" in reason for reason in blurred.reasons)
    dark = quality((astronaut * 0.15).astype(np.uint8))
    assert any("dark" in reason for reason in dark.reasons)
    small = quality(cv2.resize(astronaut, (200, 200), interpolation=cv2.INTER_AREA))
    assert any("small" in reason for reason in small.reasons)
    assert small.inter_eye == pytest.approx(plain.inter_eye * 200 / 512, rel=0.2)


def test_dark_glasses_are_hinted_at(astronaut: NDArray[np.uint8]) -> None:
    (face,) = extract(astronaut)
    covered = astronaut.copy()
    for x, y in face.landmarks[:2].astype(int):
        covered[y - 14 : y + 14, x - 20 : x + 20] = (40, 35, 35)
    assert quality(covered).texture_eyes < quality(astronaut).texture_eyes


def test_a_face_at_the_edge_is_cut_and_not_dark(astronaut: NDArray[np.uint8]) -> None:
    plain, (cut,) = quality(astronaut), extract(astronaut[:, 208:])
    assert plain.missing == 0
    assert cut.box[0] < 10
    assert 0.15 < cut.quality.missing < 0.4
    assert cut.quality.clipped < 0.1
    assert cut.quality.brightness == pytest.approx(plain.brightness, abs=30)
    (reason,) = (r for r in cut.quality.reasons if "cut by the picture's edge" in r)
    assert f"{cut.quality.missing:.0%}" in reason


def test_what_lies_beyond_the_edge_by_hand() -> None:
    from biomatch.face.alignment import TEMPLATES

    points = np.array(TEMPLATES["arcface-112"].points)  # the chip is the picture itself
    assert inside(points, (112, 112)).all()
    columns = inside(points, (50, 112))
    assert columns.shape == (80, 72)
    assert columns[:, :30].all()  # columns 20 to 49 are there
    assert not columns[:, 31:].any()
    shifted = inside(points - (40, 0), (112, 112))
    assert not shifted[:, :18].any()  # columns 20 to 38 fall on -20 to -2
    assert shifted[:, 20:].all()


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_quality_rises_with_utility(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= predicted(low, (-14, 1.7)) <= predicted(high, (-14, 1.7)) <= 100


def test_pose_of_drawn_faces() -> None:
    frontal = np.array([(-30, 0), (30, 0), (0, 42), (-24, 70), (24, 70)], float)
    assert pose(frontal) == pytest.approx((0, 0, 0), abs=1e-6)
    aside = frontal.copy()
    aside[2, 0] = 36  # 0.6 tan(45 degrees) of the distance between the eyes
    assert pose(aside)[0] == pytest.approx(45, abs=1)
    turn = np.radians(20)
    lean = frontal @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    assert pose(lean) == pytest.approx((0, 0, 20), abs=1e-6)


def test_measures_on_known_pictures() -> None:
    flat = np.full((80, 72), 90, np.float32)
    assert sharpness(flat) == 0
    checks = np.indices((80, 72)).sum(axis=0) % 2 * 200.0
    assert sharpness(checks.astype(np.float32)) == pytest.approx(800, rel=0.01)
    assert texture(np.full((112, 112), 50, np.float32)) == (0, 0)


def test_nan_values_have_no_complaint() -> None:
    assert Quality(float("nan"), 1, 60, 20, 120, 40, 0, 0, 0, 0, 1, 1).reasons == ()


def test_policies(astronaut: NDArray[np.uint8]) -> None:
    poor = cv2.GaussianBlur(cv2.resize(astronaut, (128, 128)), (0, 0), 2.5)
    assert len(extract(poor, policy="off")) == 1
    with pytest.warns(QualityWarning, match="quality"):
        extract(poor, policy="warn")
    with pytest.raises(NoFeaturesError, match=r"poor.png: face 0: quality \d+: .*better picture"):
        extract(poor, policy="reject", name="poor.png")
    assert len(extract(astronaut, policy="reject")) == 1
    with pytest.raises(OptionError, match="policy 'strict' is unknown"):
        extract(astronaut, policy="strict")
