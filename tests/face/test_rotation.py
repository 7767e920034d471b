"""Faces that lean, lie and stand on their head."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from biomatch.face import detection, extract, parameters, rotation


def turned(pixels: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    matrix, size = rotation._turned((0, 0, *pixels.shape[1::-1]), degrees, 1.0)
    return np.asarray(cv2.warpAffine(pixels, matrix, size), np.uint8)


@pytest.mark.parametrize("degrees", range(15, 360, 30))
def test_a_turned_portrait_is_the_same_person(astronaut: NDArray[np.uint8], degrees: int) -> None:
    (upright,) = extract(astronaut)
    face = extract(turned(astronaut, degrees), max_faces=1)[0]
    assert float(upright.embedding @ face.embedding) > 0.75
    lean = rotation.roll(face.landmarks[None])[0]
    assert (lean + degrees + 180) % 360 - 180 == pytest.approx(0, abs=20)


def test_an_upright_portrait_is_searched_once(
    astronaut: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    run = detection.propose
    for module in (detection, rotation):
        monkeypatch.setattr(module, "propose", lambda *a, **k: runs.append(1) or run(*a, **k))
    extract(astronaut)
    assert len(runs) == 1


@given(
    degrees=st.floats(-400, 400),
    scale=st.floats(0.1, 2),
    width=st.integers(40, 900),
    height=st.integers(40, 900),
)
def test_the_canvas_holds_the_whole_picture(
    degrees: float, scale: float, width: int, height: int
) -> None:
    matrix, size = rotation._turned((0, 0, width, height), degrees, scale)
    corners = np.array([(0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1)]) @ matrix.T
    assert corners.min() > -1e-6
    assert (corners <= np.array(size) + 1e-6).all()


def test_mapping_back_is_exact() -> None:
    matrix, _ = rotation._turned((0, 0, 300, 200), 30, 0.5)
    places = np.array([[(50, 60), (90, 62), (70, 80), (55, 100), (88, 101)]], np.float64)
    on_canvas = places @ matrix[:, :2].T + matrix[:, 2]
    found = detection.Detections(
        np.array([[5, 6, 20, 30]], np.float32),
        on_canvas.astype(np.float32),
        np.array([0.9], np.float32),
        np.zeros(1, np.float32),
    )
    back = rotation._mapped(found, matrix, 30)
    assert back.landmarks == pytest.approx(places, abs=1e-3)
    assert back.turns.tolist() == [30]
    assert back.boxes[0, 2] > 20 / 0.5


def test_roll_is_clockwise_in_the_picture() -> None:
    level = np.array([[(0, 0), (10, 0), (5, 5), (2, 9), (8, 9)]], float)
    assert rotation.roll(level) == pytest.approx([0])
    level[0, 1] = (10, 10)
    assert rotation.roll(level) == pytest.approx([45])


def test_a_poor_face_is_searched_on_its_head_and_leaning_only(
    astronaut: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[float] = []
    search = rotation.search_turned
    monkeypatch.setattr(
        rotation, "search_turned", lambda p, d, dev: turns.append(d) or search(p, d, dev)
    )
    monkeypatch.setattr(parameters, "RESCUE_QUALITY", 101.0)
    extract(astronaut)
    assert turns == [180]
    turns.clear()
    monkeypatch.setattr(parameters, "RESCUED_QUALITY", 101.0)
    extract(astronaut)
    assert turns == [180, 45, 315]
    turns.clear()
    monkeypatch.setattr(parameters, "LOST_QUALITY", 101.0)
    extract(astronaut)
    assert sorted(turns) == [45, 90, 135, 180, 225, 270, 315]


def portrait_at(x: float, lean: float, turn: float = 0.0) -> detection.Detections:
    """One face, 100 x 100 pixels, whose eye line leans by `lean` degrees."""
    angle = np.radians(lean)
    spin = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = np.array([(-20, -15), (20, -15), (0, 0), (-15, 15), (15, 15)]) @ spin + (x, 150)
    return detection.Detections(
        np.array([[x - 50, 100, 100, 100]], np.float32),
        points[None].astype(np.float32),
        np.array([0.9], np.float32),
        np.array([turn], np.float32),
    )


def straightened(
    monkeypatch: pytest.MonkeyPatch, *found: detection.Detections
) -> detection.Detections:
    """Straighten a face that leans by 13 degrees when turned pictures show `found`."""
    answers = iter(found)
    monkeypatch.setattr(rotation, "_search", lambda *_: next(answers))
    return rotation.straightened(np.zeros((300, 600, 3), np.uint8), portrait_at(300, -13), "cpu")


def test_a_neighbour_never_takes_the_place_of_a_face(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each step is short, but together they would end at the face 100 pixels away.
    steps = [portrait_at(300 - 33 * n, -13 + 4 * n, -22) for n in (1, 2, 3)]
    assert straightened(monkeypatch, *steps).boxes[0, 0] == pytest.approx(250 - 33)


def test_an_eye_line_that_swings_back_further_is_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = straightened(monkeypatch, portrait_at(303, 20, -22))
    assert (kept.boxes[0, 0], kept.turns[0]) == (250, 0)
    closer = straightened(monkeypatch, portrait_at(303, -14, -22), portrait_at(302, -7, -9))
    assert (closer.boxes[0, 0], closer.turns[0]) == (252, -9)


@pytest.mark.parametrize(("degrees", "turn"), [(-180, 180), (180, 180), (190, -170), (730, 10)])
def test_turns_are_signed(degrees: float, turn: float) -> None:
    matrix, _ = rotation._turned((0, 0, 300, 200), degrees, 1.0)
    assert rotation._mapped(portrait_at(300, 0), matrix, degrees).turns[0] == turn
