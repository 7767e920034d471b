"""Records to templates and back: units, types, quality, sizes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch.errors import FormatError
from biomatch.fingerprint.minutiae import Minutiae
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.formats import fmr, templates
from biomatch.formats.minutiae_record import (
    Geometry,
    MinutiaeRecord,
    Quality,
    RecordMinutia,
    Standard,
    View,
)
from biomatch.types import ImpressionType


def record(standard: Standard, angle: int, ppcm: tuple[int, int] = (197, 197)) -> MinutiaeRecord:
    image = Geometry(400, 300, *ppcm)
    minutia = RecordMinutia(1, 100, 50, angle, 80)
    view = View(3, 0, 1, (Quality(60),), image, (minutia,))
    shared = standard in (Standard.ISO_2005, Standard.ANSI_2004)
    return MinutiaeRecord(standard, (view,), image=image if shared else None)


@pytest.mark.parametrize(
    ("standard", "unit"),
    [(Standard.ISO_2005, 64), (Standard.ISO_2011, 64), (Standard.ANSI_2009, 45)],
)
def test_a_quarter_turn_is_half_pi_in_every_edition(standard: Standard, unit: int) -> None:
    (template,) = templates.to_templates(record(standard, unit))
    assert template.minutiae.angle[0] == pytest.approx(math.pi / 2, abs=1e-3)
    assert (template.minutiae.x[0], template.minutiae.y[0]) == (100, 50)
    assert template.minutiae.quality[0] == pytest.approx(0.8, abs=1e-4)
    assert (template.finger_position, template.impression) == (3, ImpressionType.ROLLED)
    assert (template.ppi, template.quality) == (500, 60)


def test_positions_are_brought_to_500_ppi_along_each_axis() -> None:
    (template,) = templates.to_templates(record(Standard.ISO_2005, 32, (394, 197)))
    assert (template.minutiae.x[0], template.minutiae.y[0]) == (50, 50)
    assert (template.width, template.height) == (200, 300)
    assert template.minutiae.angle[0] == pytest.approx(math.atan2(1, 0.5), abs=1e-3)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 399),
            st.integers(0, 299),
            st.floats(0, 2 * math.pi - 1e-3),
            st.integers(0, 2),
            st.integers(1, 100),
        ),
        max_size=40,
    ),
    st.sampled_from(list(Standard)),
    st.integers(0, 10),
)
def test_a_template_survives_a_record_up_to_its_units(
    rows: list[tuple[int, int, float, int, int]], standard: Standard, position: int
) -> None:
    table = np.array([(x, y, a, t, q / 100) for x, y, a, t, q in rows]).reshape(-1, 5)
    before = FingerprintTemplate(
        Minutiae.from_rows(table), 400, 300, finger_position=position, impression="plain"
    )
    data = fmr.write(templates.from_templates([before], standard))
    again = fmr.read(data)
    assert again.standard is standard
    (after,) = templates.to_templates(again)
    assert after.finger_position == position
    np.testing.assert_array_equal(after.minutiae.x, before.minutiae.x)
    np.testing.assert_array_equal(after.minutiae.y, before.minutiae.y)
    np.testing.assert_array_equal(after.minutiae.type, before.minutiae.type)
    np.testing.assert_allclose(after.minutiae.quality, before.minutiae.quality, atol=1e-4)
    turn = np.abs(np.angle(np.exp(1j * (after.minutiae.angle - before.minutiae.angle))))
    assert (turn <= math.radians(standard.degrees_per_unit / 2) + 1e-3).all()


def test_only_the_best_255_minutiae_fit() -> None:
    rows = np.zeros((300, 5))
    rows[:, 4] = np.linspace(0.1, 1, 300)
    template = FingerprintTemplate(Minutiae.from_rows(rows), 10, 10)
    view = templates.from_templates([template]).views[0]
    assert len(view.minutiae) == 255
    assert min(m.quality or 0 for m in view.minutiae) > 20


def test_a_record_needs_a_template() -> None:
    with pytest.raises(FormatError, match="1 to 255 views, not 0"):
        templates.from_templates([])
