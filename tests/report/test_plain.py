"""Everything that results hold becomes JSON."""

import json
import math
from datetime import date
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from biomatch.report.plain import plain
from biomatch.types import Coverage, FingerPosition, ImpressionType

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(VALUES)
def test_any_value_becomes_strict_json(value: object) -> None:
    json.dumps(plain(value), allow_nan=False)


def test_known_kinds() -> None:
    assert plain(np.float32(1.5)) == 1.5
    assert plain(np.arange(3)) == [0, 1, 2]
    assert plain({FingerPosition.RIGHT_INDEX: ImpressionType.LATENT}) == {"2": "latent"}
    assert plain(Path("a/b")) == "a/b"
    assert plain(date(2026, 11, 21)) == "2026-11-21"
    assert plain(math.inf) is None
    assert plain(Coverage(1, 2))["records_total"] == 2
