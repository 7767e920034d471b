"""Similarity transforms and chips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch.errors import OptionError
from biomatch.face.alignment import TEMPLATES, align, similarity


def test_worked_example_of_umeyama() -> None:
    # Three points turned by 90 degrees, doubled, and moved by (3, -1):
    # (x, y) -> (3 - 2 y, -1 + 2 x), so M = [[0, -2, 3], [2, 0, -1]].
    source = np.array([(0, 0), (1, 0), (0, 2)])
    target = np.array([(3, -1), (3, 1), (-1, -1)])
    assert similarity(source, target) == pytest.approx(np.array([[0, -2, 3], [2, 0, -1]]))


def test_worked_example_with_a_residual() -> None:
    # Target of two opposite corners is stretched along x only: by hand, with centred points
    # a = (+-1, 0), (0, +-1) and b = (+-3, 0), (0, +-1): covariance = diag(3/2, 1/2), spread 1,
    # so scale = (3/2 + 1/2) / 1 = 2 and no rotation.
    source = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
    target = np.array([(3, 0), (-3, 0), (0, 1), (0, -1)])
    assert similarity(source, target) == pytest.approx(np.array([[2, 0, 0], [0, 2, 0]]))


def test_a_mirrored_target_gives_no_reflection() -> None:
    source = np.array([(0, 0), (4, 0), (0, 1)])
    matrix = similarity(source, source * (1, -1))
    assert np.linalg.det(matrix[:, :2]) > 0


@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.01, 50),
    move=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_a_similarity_is_recovered(angle: float, scale: float, move: tuple[float, float]) -> None:
    points = np.array(TEMPLATES["arcface-112"].points)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[c, -s, move[0]], [s, c, move[1]]])
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    assert similarity(points, moved) == pytest.approx(matrix, abs=1e-6, rel=1e-6)


def test_coinciding_landmarks_are_refused() -> None:
    with pytest.raises(OptionError, match="coincide"):
        similarity(np.ones((5, 2)), np.array(TEMPLATES["arcface-112"].points))


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0, 21.0])
def test_landmarks_land_on_the_template(name: str, scale: float) -> None:
    form = TEMPLATES[name]
    landmarks = np.array(form.points) * scale + 15
    side = int(form.size * scale) + 40
    picture = np.full((side, side, 3), 40, np.uint8)
    x, y = landmarks[2]
    reach = max(1, round(1.5 * scale))
    picture[round(y) - reach : round(y) + reach + 1, round(x) - reach : round(x) + reach + 1] = 255
    bright = np.argwhere(align(picture, landmarks, name)[..., 0] > 120)
    assert bright.mean(axis=0)[::-1] == pytest.approx(
        form.points[2], abs=0.4 + 0.5 / min(1.0, scale)
    )


def test_outside_of_the_picture_is_black() -> None:
    picture = np.full((60, 60, 3), 200, np.uint8)
    points = np.array(TEMPLATES["arcface-112"].points) - 50
    chip = align(picture, points, "arcface-112")
    assert chip[0, 0].tolist() == [0, 0, 0]
    assert chip[80, 80].tolist() == [200, 200, 200]
