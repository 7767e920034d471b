"""Galleries, comparison and fusion."""

from pathlib import Path

import numpy as np
import pytest

from biomatch.errors import FormatError, TemplateMismatchError
from biomatch.face import compare
from biomatch.face.comparison import fuse, gallery_vectors
from biomatch.face.gallery import FaceGallery
from biomatch.face.modality import MODALITY
from biomatch.face.template import dumps, essentials, loads

from .conftest import Maker

DICE = np.random.default_rng(5)
VECTORS = DICE.normal(size=(300, 16))


def built(make: Maker) -> FaceGallery:
    return MODALITY.build([dumps(make(v)) for v in VECTORS])


def test_shortlist_and_scores_equal_brute_force(make: Maker) -> None:
    gallery = built(make)
    probes = [make(v) for v in DICE.normal(size=(4, 16))]
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    for probe, rows in zip(probes, gallery.shortlist(probes, 20), strict=True):
        truth = unit @ probe.embedding
        assert rows.tolist() == np.argsort(-truth)[:20].tolist()
        assert gallery.compare(probe, rows) == pytest.approx(truth[rows], abs=1e-6)


def test_a_filter_takes_no_place(make: Maker) -> None:
    gallery, probe = built(make), make(VECTORS[7])
    allowed = np.zeros(300, bool)
    allowed[[3, 200, 250]] = True
    (rows,) = gallery.shortlist([probe], 20, allowed=allowed)
    assert sorted(rows.tolist()) == [3, 200, 250]
    (rows,) = gallery.shortlist([probe], 5, allowed=np.zeros(300, bool))
    assert rows.tolist() == []


def test_saved_and_mapped_again(make: Maker, tmp_path: Path) -> None:
    gallery, probe = built(make), make(VECTORS[7])
    gallery.save(tmp_path)
    again = MODALITY.load(tmp_path)
    assert len(again) == 300
    assert again.shortlist([probe], 9)[0].tolist() == gallery.shortlist([probe], 9)[0].tolist()
    (tmp_path / "face.json").write_text("{")
    with pytest.raises(FormatError, match="no face gallery"):
        MODALITY.load(tmp_path)


def test_empty_galleries_and_probes(make: Maker) -> None:
    empty = MODALITY.build([])
    assert len(empty) == 0
    assert [r.tolist() for r in empty.shortlist([make(VECTORS[0])], 5)] == [[]]
    assert built(make).shortlist([], 5) == []
    assert built(make).compare(make(VECTORS[0]), np.zeros(0, np.int64)).tolist() == []


def test_models_are_never_mixed(make: Maker) -> None:
    stranger = make(VECTORS[0], model_id="face-other-2")
    with pytest.raises(TemplateMismatchError, match="biomatch re-enrol"):
        MODALITY.build([dumps(make(VECTORS[0])), dumps(stranger)])
    with pytest.raises(TemplateMismatchError, match="face-other-2"):
        built(make).shortlist([stranger], 5)
    with pytest.raises(TemplateMismatchError):
        built(make).compare(stranger, np.array([1]))
    with pytest.raises(TemplateMismatchError):
        compare(stranger, [make(VECTORS[0])])


def test_compare_is_the_cosine(make: Maker) -> None:
    scores = compare(make([1, 0]), [make([1, 0]), make([0, 2]), make([-3, 0]), make([1, 1])])
    assert scores == pytest.approx([1, 0, -1, np.sqrt(0.5)])
    assert compare(make([1, 0]), []).shape == (0,)


def test_the_mean_of_several_pictures_counts(make: Maker) -> None:
    probe = make([1, 0, 0])
    person = [make([1, 1, 0]), make([1, -1, 0])]
    assert fuse(probe, person, compare(probe, person)) == pytest.approx(1.0)
    lopsided = [make([1, 1, 0], quality=90), make([1, -1, 0], quality=10)]
    scores = compare(probe, lopsided)
    # weights 90 and 10: mean direction (100, 80) / |(100, 80)|
    assert fuse(probe, lopsided, scores) == pytest.approx(100 / np.hypot(100, 80))
    assert fuse(probe, person[:1], scores[:1]) == pytest.approx(np.sqrt(0.5))
    assert fuse(probe, [], np.zeros(0)) == -np.inf


def test_a_person_is_never_worse_for_more_pictures(make: Maker) -> None:
    probe = make([1, 0, 0])
    person = [make([1, 0.1, 0]), make([0, 0, 1]), make([0, 1, 0])]
    scores = compare(probe, person)
    assert fuse(probe, person, scores) == pytest.approx(scores.max())


def test_scoring_people_at_once_equals_fusing_one_by_one(make: Maker) -> None:
    people = [[make(v) for v in VECTORS[i : i + 1 + i % 3]] for i in range(0, 60, 3)]
    probe = make(VECTORS[100])
    one_by_one = [fuse(probe, person, compare(probe, person)) for person in people]
    assert gallery_vectors(people)(probe) == pytest.approx(one_by_one, abs=1e-6)


def test_the_short_reader_agrees_with_the_full_one(make: Maker) -> None:
    blob = dumps(make(VECTORS[3]))
    model_id, embedding = essentials(blob)
    whole = loads(blob)
    assert model_id == whole.model_id
    assert np.array_equal(embedding, whole.embedding)
    for end in range(len(blob)):
        with pytest.raises(FormatError):
            essentials(blob[:end])
