import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from biomatch.errors import NoFeaturesError, OptionError
from biomatch.fingerprint.gallery import FingerprintGallery
from biomatch.fingerprint.modality import MODALITY
from biomatch.types import Gallery, ImpressionType, Modality, Sample

from .patterns import ridges


@pytest.fixture(scope="module")
def people(random_print):
    return [random_print(seed) for seed in range(60)]


@pytest.fixture(scope="module")
def gallery(people):
    return MODALITY.build([MODALITY.dumps(template) for template in people])


def test_fulfils_the_protocols(gallery):
    modality: Modality = MODALITY
    packed: Gallery = gallery
    assert modality.name == "fingerprint"
    assert not modality.exact
    assert len(packed) == 60


def test_finds_the_mate_first(gallery, people, disturbed):
    for seed in (0, 17, 59):
        probe = disturbed(people[seed], seed + 100)
        rows = gallery.shortlist([probe], 5)[0]
        scores = gallery.compare(probe, rows)
        assert len(rows) == 5
        assert rows[np.argmax(scores)] == seed


def test_filtered_rows_never_appear_and_take_no_place(gallery, people):
    allowed = np.zeros(60, bool)
    allowed[[3, 9, 41]] = True
    rows = gallery.shortlist([people[17]], 10, allowed=allowed)[0]
    assert sorted(rows) == [3, 9, 41]


def test_saved_gallery_answers_the_same(gallery, people, disturbed, tmp_path):
    gallery.save(tmp_path)
    opened = MODALITY.load(tmp_path)
    probe = disturbed(people[5], 7)
    before, after = gallery.shortlist([probe], 8)[0], opened.shortlist([probe], 8)[0]
    assert np.array_equal(before, after)
    assert np.array_equal(gallery.compare(probe, before), opened.compare(probe, after))


def test_small_and_empty_galleries(people):
    three = FingerprintGallery.build(people[:3])
    assert np.argmax(three.compare(people[1], np.arange(3))) == 1
    none = FingerprintGallery.build([])
    assert len(none.shortlist([people[0]], 10)[0]) == 0


def test_options_are_checked():
    assert MODALITY.options({}) is None
    assert math.isclose(MODALITY.options({"rotation": 180}).max_turn, math.pi)
    with pytest.raises(OptionError, match="'turn'"):
        MODALITY.options({"turn": 3})
    for bad in (-1, 181, "much", math.nan, None):
        with pytest.raises(OptionError, match="rotation"):
            MODALITY.options({"rotation": bad})


def test_explanation_is_plain_data(people, disturbed):
    import json

    why = json.loads(json.dumps(MODALITY.explain(disturbed(people[2], 5), people[2])))
    assert why["matched"] == len(why["pairs"]) > 15
    for i, j, weight in why["pairs"]:
        assert 0 <= i < len(why["probe"])
        assert 0 <= j < len(why["reference"])
        assert 0 < weight <= 1


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_record_of_too_few_minutiae_is_refused(people, count):
    few = replace(people[0], minutiae=people[0].minutiae.best(count))
    with pytest.raises(NoFeaturesError, match=f"^left.iso: {count} minutiae found, at least 4"):
        MODALITY.extract(Sample("fingerprint", template=few, label="left.iso"))
    (kept,) = MODALITY.extract(Sample("fingerprint", template=people[0], finger_position=7))
    assert kept == replace(people[0], finger_position=7)


def test_a_sample_may_name_a_region_of_interest(tmp_path):
    path = tmp_path / "mark.png"
    Image.fromarray(ridges()).save(path, dpi=(500, 500))

    def extract(**options):
        sample = Sample("fingerprint", path=path, impression=ImpressionType.LATENT, options=options)
        (template,) = MODALITY.extract(sample)
        return template

    whole = extract(extractor="classical")
    part = extract(extractor="classical", roi="0,0 320,0 320,220 0,220")
    assert part.roi.tolist() == [[0, 0], [320, 0], [320, 220], [0, 220]]
    assert 4 <= len(part) < len(whole)
    assert part.minutiae.y.max() < 220
    assert extract(extractor="classical", roi=[[0, 0], [320, 0], [320, 220], [0, 220]]) == part
    for bad in ("0,0 320,0", "0,0 320,0 a,b", "0 1 2", 7, "0,0 nan,1 2,2"):
        with pytest.raises(OptionError, match="not a polygon"):
            extract(roi=bad)
    with pytest.raises(OptionError, match="there are: extractor, roi"):
        extract(region="0,0")
