"""The binary form of a face template."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from biomatch.errors import FormatError
from biomatch.face.assessment import Quality
from biomatch.face.template import FaceTemplate, dumps, loads

floats = st.floats(-1e6, 1e6, width=32)


@st.composite
def templates(draw: st.DrawFn) -> FaceTemplate:
    return FaceTemplate(
        embedding=draw(hnp.arrays(np.float32, st.integers(1, 512), elements=floats)),
        norms=tuple(draw(st.lists(floats, max_size=3))),
        box=draw(hnp.arrays(np.float32, 4, elements=floats)),
        landmarks=draw(hnp.arrays(np.float32, (5, 2), elements=floats)),
        score=draw(st.floats(0, 1, width=32)),
        turn=draw(st.floats(-360, 360, width=32)),
        face_index=draw(st.integers(0, 65535)),
        picture_size=draw(st.tuples(st.integers(1, 99999), st.integers(1, 99999))),
        quality=Quality(*draw(st.lists(floats, min_size=13, max_size=13))),
        model_set=draw(st.text(max_size=20)),
        model_id=draw(st.text(max_size=40)),
    )


@given(templates())
def test_round_trip(template: FaceTemplate) -> None:
    again = loads(dumps(template))
    assert again == template
    assert again.embedding.tobytes() == template.embedding.tobytes()
    assert again.quality == template.quality
    assert (again.model_id, again.picture_size) == (template.model_id, template.picture_size)


@given(templates())
def test_records_from_before_the_last_measure_are_read(template: FaceTemplate) -> None:
    older = dataclasses.replace(template.quality, missing=math.nan)
    values = np.array(older.values(), np.float32)
    assert Quality.of(values[:-1]).values()[:-1] == older.values()[:-1]
    assert math.isnan(Quality.of(values[:-1]).missing)
    assert Quality.of(values[:-1]).reasons == older.reasons
    with pytest.raises(ValueError, match="11 quality values"):
        Quality.of(values[:-2])


@given(templates(), st.data())
def test_damage_is_noticed(template: FaceTemplate, data: st.DataObject) -> None:
    blob = bytearray(dumps(template))
    place = data.draw(st.integers(0, len(blob) - 1))
    blob[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(FormatError, match="face template"):
        loads(bytes(blob))


@given(templates(), st.data())
def test_truncation_is_noticed(template: FaceTemplate, data: st.DataObject) -> None:
    blob = dumps(template)
    with pytest.raises(FormatError, match="face template"):
        loads(blob[: data.draw(st.integers(0, len(blob) - 1))])


@given(st.binary(max_size=300))
def test_anything_else_is_refused(blob: bytes) -> None:
    with pytest.raises(FormatError, match="face template"):
        loads(blob)


@given(st.binary(max_size=200))
def test_a_body_with_a_right_checksum_is_still_checked(body: bytes) -> None:
    import zlib

    from biomatch.face.template import HEAD, MAGIC, VERSION

    with pytest.raises(FormatError, match="malformed"):
        loads(HEAD.pack(MAGIC, VERSION, zlib.crc32(body)) + body)
