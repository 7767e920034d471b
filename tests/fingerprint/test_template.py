import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch.errors import FormatError
from biomatch.fingerprint.minutiae import Minutiae, angle_difference, wrap_angle
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.types import ImpressionType


@st.composite
def templates(draw):
    width, height = draw(st.integers(1, 800)), draw(st.integers(1, 800))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(0, 80))
    minutiae = Minutiae(
        rng.uniform(0, width, count),
        rng.uniform(0, height, count),
        rng.uniform(-10, 10, count),
        rng.integers(0, 3, count),
        rng.uniform(0, 1, count),
    )
    mask = rng.random((-(-height // 16), -(-width // 16))) < 0.5 if draw(st.booleans()) else None
    roi = rng.uniform(0, 500, (draw(st.integers(3, 255)), 2)) if draw(st.booleans()) else None
    return FingerprintTemplate(
        minutiae,
        width,
        height,
        ppi=draw(st.floats(1, 2000)),
        ppi_stated=draw(st.booleans()),
        finger_position=draw(st.sampled_from([0, 1, 10, 14, 21])),
        impression=draw(st.sampled_from(list(ImpressionType))),
        extractor=draw(st.text(max_size=20)),
        model_id=draw(st.text(max_size=40)),
        quality=draw(st.one_of(st.just(math.nan), st.floats(0, 100))),
        mask=mask,
        roi=roi,
    )


def example(count=40):
    rng = np.random.default_rng(7)
    return FingerprintTemplate(
        Minutiae.from_rows(
            np.c_[
                rng.uniform(0, 374, (count, 2)),
                rng.uniform(0, 6, count),
                rng.integers(0, 2, count),
                rng.random(count),
            ]
        ),
        388,
        374,
        model_id="leader:0123456789abcdef",
        quality=71,
        mask=np.ones((24, 25), bool),
    )


@given(templates())
def test_stored_template_equals_the_fresh_one(template):
    again = FingerprintTemplate.loads(template.dumps())
    assert again == template
    assert again.minutiae == template.minutiae
    assert again.dumps() == template.dumps()
    assert (again.mask is None) == (template.mask is None)
    if template.mask is not None:
        assert np.array_equal(again.mask, template.mask)
    if template.roi is not None:
        assert np.array_equal(again.roi, template.roi)
    for name in ("ppi", "ppi_stated", "impression", "extractor", "model_id", "width", "height"):
        assert getattr(again, name) == getattr(template, name)


@given(templates(), st.data())
def test_damage_is_detected(template, data):
    blob = bytearray(template.dumps())
    bit = data.draw(st.integers(0, 8 * len(blob) - 1))
    blob[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FormatError):
        FingerprintTemplate.loads(bytes(blob))


@given(templates(), st.data())
def test_truncation_is_detected(template, data):
    blob = template.dumps()
    with pytest.raises(FormatError):
        FingerprintTemplate.loads(blob[: data.draw(st.integers(0, len(blob) - 1))])


@given(st.binary(max_size=200))
def test_garbage_is_refused(blob):
    with pytest.raises(FormatError):
        FingerprintTemplate.loads(blob)


def test_forty_minutiae_fit_in_600_bytes():
    assert len(example().dumps()) < 600


def test_grid_is_finer_than_any_measurement():
    rows = example().minutiae.rows()
    rng = np.random.default_rng(7)
    x = rng.uniform(0, 374, (40, 2))[:, 0]
    assert np.abs(np.sort(rows[:, 0]) - np.sort(x)).max() <= 1 / 16 + 1e-6


def test_minutiae_are_sorted_wrapped_and_read_only():
    minutiae = Minutiae([1, 2, 3], [4, 5, 6], [-0.5, 7, 1], [0, 1, 2], [0.2, 0.9, 0.5])
    assert minutiae.quality.tolist() == pytest.approx([0.9, 0.5, 0.2])
    assert minutiae.x.tolist() == [2, 3, 1]
    assert minutiae.angle.tolist() == pytest.approx([7 - 2 * math.pi, 1, 2 * math.pi - 0.5])
    assert minutiae.type.tolist() == [1, 2, 0]
    with pytest.raises(ValueError, match="read-only"):
        minutiae.x[0] = 1
    assert minutiae.above(0.5) == minutiae.best(2)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (([1], [1, 2], [0], [0], [0.5]), "equally long"),
        (([[1]], [[1]], [[0]], [[0]], [[0.5]]), "one-dimensional"),
        (([math.nan], [1], [0], [0], [0.5]), "x holds a value that is not finite"),
        (([1], [1], [math.inf], [0], [0.5]), "angle holds a value that is not finite"),
        (([1], [1], [0], [3], [0.5]), "type 3"),
        (([1], [1], [0], [-1], [0.5]), "type -1"),
        (([1], [1], [0], [0], [1.5]), "quality 1.5"),
    ],
)
def test_impossible_minutiae_are_refused(columns, words):
    with pytest.raises(FormatError, match=words):
        Minutiae(*columns)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"width": 0}, "width 0"),
        ({"height": 9000}, "height 9000"),
        ({"ppi": 0}, "ppi 0"),
        ({"finger_position": 99}, "finger position 99"),
        ({"quality": 101}, "quality 101"),
        ({"mask": np.ones((3, 3), bool)}, "mask is"),
        ({"roi": np.zeros((2, 2))}, "roi is"),
        ({"roi": np.full((3, 2), math.nan)}, "roi holds"),
        ({"model_id": "x" * 256}, "model_id is longer"),
    ],
)
def test_impossible_templates_are_refused(fields, words):
    with pytest.raises(FormatError, match=words):
        FingerprintTemplate(**{"minutiae": Minutiae.empty(), "width": 50, "height": 50, **fields})


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_angles_wrap(a, b):
    wrapped = float(wrap_angle(a))
    assert 0 <= wrapped < 2 * math.pi
    assert math.cos(wrapped - a) == pytest.approx(1, abs=1e-5)
    difference = float(angle_difference(a, b))
    assert -math.pi <= difference < math.pi
    assert math.cos(difference - (a - b)) == pytest.approx(1, abs=1e-5)
