"""The pipeline as the search engine sees it."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from biomatch.errors import NoFeaturesError, OptionError, SampleError
from biomatch.face import calibration
from biomatch.face.batch import extract_many
from biomatch.face.modality import MODALITY
from biomatch.face.template import FaceTemplate
from biomatch.search import registry
from biomatch.types import Sample


def test_registered_and_picklable() -> None:
    assert registry.get("face") is MODALITY
    assert pickle.loads(pickle.dumps(MODALITY)).name == "face"
    assert not MODALITY.exact
    assert {".jpg", ".jpeg", ".png"} <= MODALITY.suffixes


def test_views_of_one_person_meet_and_others_do_not(fixtures: Path) -> None:
    def face(name: str) -> FaceTemplate:
        path = fixtures / "faces" / "gallery" / name
        return MODALITY.extract(Sample("face", path=path))[0]

    views = ("blur", "crop", "dark", "small_grey", "turn")
    references = [face("hopper.jpg"), face("collins.jpg")]
    gallery = MODALITY.build([MODALITY.dumps(reference) for reference in references])
    for row, person in enumerate(("hopper", "collins")):
        for view in views:
            probe = face(f"{person}_{view}.jpg")
            scores = gallery.compare(probe, np.arange(2))
            assert np.argmax(scores) == row
            meaning = MODALITY.calibrate(scores)
            assert meaning.log10_lr[row] > 0 > meaning.log10_lr[1 - row]
            assert meaning.fmr[row] < 0.01 < meaning.fmr[1 - row]


def test_a_sample_is_one_person_unless_asked(astronaut: NDArray[np.uint8]) -> None:
    group = np.concatenate([astronaut, astronaut[:, ::-1]], axis=1)
    assert len(MODALITY.extract(Sample("face", image=group))) == 1
    everybody = Sample("face", image=group, options={"max_faces": 0})
    assert len(MODALITY.extract(everybody)) == 2


def test_a_finished_template_is_taken(astronaut: NDArray[np.uint8]) -> None:
    (face,) = MODALITY.extract(Sample("face", image=astronaut))
    assert MODALITY.extract(Sample("face", template=face)) == [face]
    assert MODALITY.loads(MODALITY.dumps(face)) == face
    assert MODALITY.label(face) is None
    assert MODALITY.quality(face) == face.quality.value
    assert MODALITY.model_id(face) == MODALITY.model_id()


def test_options_are_checked(astronaut: NDArray[np.uint8], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no option 'zoom'"):
        MODALITY.extract(Sample("face", image=astronaut, options={"zoom": 2}))
    with pytest.raises(OptionError, match="no option 'zoom'"):
        MODALITY.options({"zoom": 2})
    with pytest.raises(OptionError, match="needs a path or an image"):
        MODALITY.extract(Sample("face"))
    with pytest.raises(OptionError, match="max_faces is -1"):
        MODALITY.extract(Sample("face", image=astronaut, options={"max_faces": -1}))
    with pytest.raises(OptionError, match="detail is 10"):
        MODALITY.extract(Sample("face", image=astronaut, options={"detail": 10}))
    high = MODALITY.options({"accuracy": "high"})
    scores = np.array([0.75])
    assert MODALITY.calibrate(scores).fmr < MODALITY.calibrate(scores, options=high).fmr
    table = calibration.shipped(MODALITY.model_id())
    assert table is not None
    table.write(tmp_path / "own.json")
    own = MODALITY.options({"calibration": tmp_path / "own.json"})
    assert MODALITY.calibrate(scores, options=own).fmr == MODALITY.calibrate(scores).fmr
    with pytest.raises(OptionError, match="was fitted for"):
        MODALITY.options({"calibration": tmp_path / "own.json", "accuracy": "high"})


def test_a_search_uses_the_calibration_of_the_probes_model(fixtures: Path, tmp_path: Path) -> None:
    import biomatch

    folder = fixtures / "faces" / "gallery"

    def sample(name: str) -> Sample:
        return Sample("face", path=folder / f"{name}.jpg", options={"accuracy": "high"})

    with biomatch.open(tmp_path / "faces.db") as db:
        db.enrol(sample("hopper"), subject="hopper")
        db.enrol(sample("collins"), subject="collins")
        (best, *_) = found = db.search(sample("hopper_crop"))
    assert best.subject == "hopper"
    (face,) = MODALITY.extract(sample("hopper_crop"))
    table = calibration.shipped(face.model_id)
    assert table is not None
    assert best.log10_lr == pytest.approx(table.log10_lr(np.array([best.score]))[0])
    assert best.fmr == pytest.approx(table.false_match_rate(np.array([best.score]))[0])
    assert found.calibration == table.source
    own = MODALITY.options({})
    other = calibration.shipped(MODALITY.model_id())
    assert other is not None
    with pytest.raises(OptionError, match="--accuracy high"):
        MODALITY.bind(type(own)(own.model_id, other), face)


@pytest.mark.parametrize("accuracy", ["default", "high"])
def test_the_explanation_is_json(astronaut: NDArray[np.uint8], accuracy: str) -> None:
    sample = Sample("face", image=astronaut, options={"accuracy": accuracy})
    (face,) = MODALITY.extract(sample)
    why = json.loads(json.dumps(MODALITY.explain(face, face)))
    assert all(cosine == pytest.approx(1, abs=1e-4) for cosine in why["cosine"].values())
    assert len(why["cosine"]) == (1 if accuracy == "default" else 2)
    assert len(why["probe"]["box"]) == 4
    assert why["probe"]["quality"] > 90


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_photograph_does_not_stop_the_rest(fixtures: Path, workers: int) -> None:
    folder = fixtures / "faces"
    paths = [folder / "gallery/hopper.jpg", folder / "no_face.jpg", folder / "probe.jpg"]
    outcomes = list(extract_many(paths, workers=workers, max_faces=1))
    assert [path for path, _ in outcomes] == paths
    assert isinstance(outcomes[1][1], NoFeaturesError)
    assert isinstance(outcomes[1][1], SampleError)
    assert str(paths[1]) in str(outcomes[1][1])
    for _, faces in (outcomes[0], outcomes[2]):
        assert isinstance(faces, list)
        assert isinstance(faces[0], FaceTemplate)
    with pytest.raises(OptionError, match="workers is 0"):
        next(extract_many(paths, workers=0))
