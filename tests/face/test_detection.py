"""YuNet's decoding, suppression and scales."""

import numpy as np
import pytest
from numpy.typing import NDArray

from biomatch.errors import NoFeaturesError
from biomatch.face import detection, extract
from biomatch.face.detection import Detections


def faces(*boxes: tuple[float, float, float, float], scores: list[float]) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(count, 4),
        np.zeros((count, 5, 2), np.float32),
        np.array(scores, np.float32),
        np.zeros(count, np.float32),
    )


def test_a_cell_is_decoded_by_hand() -> None:
    # A canvas 64 wide has 8 columns at stride 8; cell 11 is column 3 of row 1.
    classes, objects = np.zeros((64, 1), np.float32), np.zeros((64, 1), np.float32)
    boxes, points = np.zeros((64, 4), np.float32), np.zeros((64, 10), np.float32)
    classes[11], objects[11] = 0.81, 1.0
    boxes[11] = (0.5, 0.25, np.log(3), np.log(4))
    points[11] = np.arange(10) / 10
    found = detection._decode([classes, objects, boxes, points], 8, 2, 0.6)
    assert found.scores == pytest.approx([0.9])
    # centre (28, 10), size (24, 32)
    assert found.boxes[0] == pytest.approx([16, -6, 24, 32], abs=1e-4)
    assert found.landmarks[0, 1] == pytest.approx([24 + 0.2 * 8, 8 + 0.3 * 8])


def test_suppression_keeps_the_best_of_overlapping_boxes() -> None:
    found = faces((0, 0, 10, 10), (1, 0, 10, 10), (30, 0, 10, 10), scores=[0.7, 0.9, 0.8])
    kept = detection.suppress(found)
    assert kept.scores == pytest.approx([0.9, 0.8])


def test_overlap_measures() -> None:
    boxes = np.array([(0, 0, 10, 10), (20, 20, 5, 5), (2, 2, 4, 4)], np.float32)
    box = np.array((0, 0, 10, 5), np.float32)
    assert detection.overlaps(boxes, box) == pytest.approx([0.5, 0, 12 / 54])
    assert detection.covered(boxes, box) == pytest.approx([1.0, 0, 12 / 16])


def test_the_astronaut_has_one_face(astronaut: NDArray[np.uint8]) -> None:
    found = detection.detect(astronaut)
    assert len(found) == 1
    x, y, width, height = found.boxes[0]
    assert (160 < x < 200, 50 < y < 80, 80 < width < 110, 100 < height < 130) == (True,) * 4
    left, right, nose, *_ = found.landmarks[0]
    assert left[0] < nose[0] < right[0] < x + width
    assert found.scores[0] > 0.9


@pytest.mark.parametrize("width", [40, 150, 900, 2500])
def test_sizes(astronaut: NDArray[np.uint8], width: int) -> None:
    import cv2

    head = astronaut[20:220, 120:320]
    side = round(200 * width / 90)
    scaled = cv2.resize(head, (side, side), interpolation=cv2.INTER_AREA)
    canvas = np.full((max(side, 700), max(side, 1000), 3), 120, np.uint8)
    canvas[:side, :side] = scaled
    found = detection.detect(canvas)
    assert len(found) == 1
    assert found.boxes[0, 2] == pytest.approx(width, rel=0.15)


def test_several_faces_keep_their_index(astronaut: NDArray[np.uint8]) -> None:
    import cv2

    small = cv2.resize(astronaut, (300, 300), interpolation=cv2.INTER_AREA)
    canvas = np.full((512, 900, 3), 30, np.uint8)
    canvas[:, :512], canvas[:300, 600:] = astronaut, small
    found = extract(canvas)
    assert [face.face_index for face in found] == [0, 1]
    assert found[0].box[2] > found[1].box[2]
    assert float(found[0].embedding @ found[1].embedding) > 0.8
    assert len(extract(canvas, max_faces=1)) == 1


@pytest.mark.parametrize("shape", [(300, 400, 3), (1, 1, 3), (7, 900), (2000, 3, 3)])
def test_no_face_is_an_error_that_names_the_picture(shape: tuple[int, ...]) -> None:
    with pytest.raises(NoFeaturesError, match=r"wall\.png: no face was found; give a picture"):
        extract(np.full(shape, 127, np.uint8), name="wall.png")


def test_a_small_face_in_a_large_picture_gets_a_closer_look(astronaut: NDArray[np.uint8]) -> None:
    import cv2

    (plain,) = extract(astronaut)
    factor = 40 / plain.box[2]
    small = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    canvas = np.full((2400, 3200, 3), 120, np.uint8)
    canvas[800 : 800 + len(small), 900 : 900 + len(small)] = small
    (face,) = extract(canvas)
    assert face.box[2] == pytest.approx(40, abs=5)
    assert float(face.embedding @ plain.embedding) > 0.8
    with pytest.raises(NoFeaturesError, match=r"option detail \(now 1280\) towards 3200"):
        extract(np.full((2400, 3200, 3), 120, np.uint8))
