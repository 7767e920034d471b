"""Score -> likelihood ratio and false match rate."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomatch.errors import FormatError, OptionError
from biomatch.face import calibration, embedding


def normal_scores(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    dice = np.random.default_rng(seed)
    return dice.normal(0.5, 0.15, 20_000), dice.normal(0.1, 0.15, 50_000)


def test_logistic_regression_finds_the_true_ratio() -> None:
    # Two normals of equal width s, means a and b: ln LR = (a - b)/s^2 x - (a^2 - b^2)/(2 s^2).
    table = calibration.fit(*normal_scores(), model_id="m", source="drawn")
    assert table.slope == pytest.approx(17.8, rel=0.05)
    assert table.offset == pytest.approx(-5.33, rel=0.05)
    assert table.log10_lr(np.array([0.3]))[0] == pytest.approx(0, abs=0.05)


def test_false_match_rate_is_the_observed_share() -> None:
    _, other = normal_scores()
    table = calibration.fit(*normal_scores(), model_id="m", source="drawn")
    for score in (0.1, 0.3, 0.4):
        observed = (other >= score).mean()
        assert table.false_match_rate(np.array([score]))[0] == pytest.approx(observed, rel=0.12)
        assert table.threshold(float(observed)) == pytest.approx(score, abs=0.01)


def test_nothing_is_said_beyond_the_data() -> None:
    table = calibration.fit(*normal_scores(), model_id="m", source="drawn")
    assert table.false_match_rate(np.array([1.0]))[0] == pytest.approx(3 / 50_000)
    assert table.log10_lr(np.array([9.0, -9.0])) == pytest.approx(
        [np.log10(50_000), -np.log10(20_000)]
    )
    with pytest.raises(OptionError, match="outside of what the calibration data can tell"):
        table.threshold(1e-6)


@settings(deadline=None)
@given(
    mated=st.lists(st.floats(0, 1), min_size=20, max_size=60),
    nonmated=st.lists(st.floats(-1, 0.5), min_size=20, max_size=60),
)
def test_rates_fall_and_ratios_rise(mated: list[float], nonmated: list[float]) -> None:
    try:
        table = calibration.fit(np.array(mated), np.array(nonmated), model_id="m", source="s")
    except OptionError:
        assert np.mean(mated) <= np.mean(nonmated) + 1e-9
        return
    scores = np.linspace(-1, 1, 101)
    assert (np.diff(table.false_match_rate(scores)) <= 1e-12).all()
    assert (np.diff(table.log10_lr(scores)) >= -1e-12).all()
    assert ((table.false_match_rate(scores) > 0) & (table.false_match_rate(scores) <= 1)).all()


def test_fpir_threshold_rises_with_the_gallery() -> None:
    table = calibration.shipped(embedding.model_set("default").model_id)
    assert table is not None
    small, large = table.threshold_fpir(0.01, 100), table.threshold_fpir(0.01, 1000)
    assert small < large
    assert small == pytest.approx(table.threshold(1 - 0.99 ** (1 / 100)), abs=1e-9)
    with pytest.raises(OptionError, match="fpir"):
        table.threshold_fpir(0, 10)


def test_written_and_read_again(tmp_path: Path) -> None:
    table = calibration.fit(*normal_scores(), model_id="m", source="drawn")
    table.write(tmp_path / "c.json")
    assert calibration.read(tmp_path / "c.json") == table


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"model_id": 1}', '{"scores": "a"}'])
def test_damaged_files_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(FormatError, match=r"c\.json: is no face calibration"):
        calibration.read(tmp_path / "c.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        calibration.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("mated", "nonmated", "words"),
    [([0.9] * 19, [0.1] * 50, "at least 20"), ([0.1] * 30, [0.9] * 30, "check the labels")],
)
def test_unusable_pairs(mated: list[float], nonmated: list[float], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        calibration.fit(np.array(mated), np.array(nonmated), model_id="m", source="s")


@pytest.mark.parametrize("name", ["default", "high"])
def test_every_model_set_ships_a_calibration(name: str) -> None:
    table = calibration.shipped(embedding.model_set(name).model_id)
    assert table is not None
    assert "Labeled Faces in the Wild" in table.source
    assert table.threshold(1e-3) < table.threshold(1e-4) < table.threshold(1e-5)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "most"), [("default", 0.03), ("high", 0.02)])
def test_shipped_tables_are_calibrated_on_other_people(
    shared: Path, name: str, most: float
) -> None:
    from biomatch.evaluation import metrics

    with np.load(shared / "face" / "lfw_embeddings_dev_f16.npz") as file:
        labels = file["label"].astype(int)
        parts = [file["sface"].astype(np.float32), file["dlib"].astype(np.float32)]
    parts = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
    vectors = parts[0] if name == "default" else np.hstack([parts[0], 1.5 * parts[1]])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    dice = np.random.default_rng(3)
    people = np.array_split(dice.permutation(np.unique(labels)), 2)
    sets = []
    for half in people:
        rows = np.concatenate([np.flatnonzero(labels == p)[:3] for p in half])
        scores = vectors[rows] @ vectors[rows].T
        same = labels[rows][:, None] == labels[rows][None]
        upper = np.triu(np.ones_like(same), 1)
        sets.append((scores[same & upper], scores[~same & upper]))
    table = calibration.fit(*sets[0], model_id="m", source="s")
    assert metrics.cllr(*(table.log10_lr(s) for s in sets[1])) <= most
    shipped = calibration.shipped(embedding.model_set(name).model_id)
    assert shipped is not None
    assert shipped.slope == pytest.approx(table.slope, rel=0.2)


def test_the_shipped_file_is_json() -> None:
    path = Path(calibration.__file__).with_name("calibration.json")
    entries = json.loads(path.read_text(encoding="utf-8"))
    assert {entry["model_id"].split("-")[1] for entry in entries} == {"default", "high"}
