import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch import fingerprint
from biomatch.errors import BiomatchError, FormatError, UnreadableSampleError
from biomatch.fingerprint import markup
from biomatch.types import ImpressionType


def content(**changes):
    mark = {"x": 400, "y": 200, "angle": 90.0, "type": "ending", "quality": 0.9}
    marks = [{**mark, "x": 400 + 20 * i} for i in range(5)]
    return {"width": 800, "height": 600, "ppi": 1000, "minutiae": marks, **changes}


def test_a_mark_up_file_is_a_latent(tmp_path):
    path = tmp_path / "mark.json"
    path.write_text(json.dumps(content(roi=[[390, 100], [470, 100], [470, 300], [390, 300]])))
    template = fingerprint.extract(path)
    assert template.impression is ImpressionType.LATENT
    assert template.extractor == "examiner"
    assert template.minutiae.x.tolist() == [200, 210, 220, 230]
    assert template.minutiae.angle.tolist() == pytest.approx([math.pi / 2] * 4, abs=1e-3)
    assert template.roi.tolist() == [[195, 50], [235, 50], [235, 150], [195, 150]]
    with pytest.raises(UnreadableSampleError, match="cannot be read"):
        fingerprint.extract(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"minutiae": 5}, "'minutiae' is not a list"),
        ({"minutiae": [5]}, "minutia 1: is not an object"),
        ({"minutiae": [{"x": 1, "y": 2}]}, "minutia 1: field 'angle' is missing"),
        ({"minutiae": [{"x": -1, "y": 2, "angle": 0}]}, "minutia 1: x -1"),
        ({"minutiae": [{"x": 1, "y": True, "angle": 0}]}, "minutia 1: y True"),
        ({"minutiae": [{"x": 1, "y": 1, "angle": 0, "type": "dot"}]}, "type 'dot'"),
        ({"ppi": None}, "ppi None"),
        ({"width": 0}, "width 0"),
        ({"finger_position": 77}, "finger_position 77"),
        ({"impression": "ink"}, "impression 'ink'"),
        ({"roi": [[1, 2]]}, "roi is not"),
        ({"roi": [[1, 2], [3, 4], [5, "6"]]}, "roi is not"),
    ],
)
def test_the_message_names_the_field(changes, words):
    with pytest.raises(FormatError, match=words):
        markup.loads(json.dumps(content(**changes)))


NAMES = st.sampled_from(["minutiae", "x", "y", "angle", "width", "height", "ppi", "roi"])
ANY_JSON = st.recursive(
    st.none() | st.floats() | st.text() | st.integers() | st.booleans(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
)


@given(ANY_JSON)
def test_json_that_is_no_mark_up_is_an_error_of_ours(value):
    with pytest.raises(BiomatchError):
        markup.loads(json.dumps(value))
