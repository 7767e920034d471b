"""The face evaluation: figures by hand, and a run over real files."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from biomatch.errors import FormatError, OptionError
from biomatch.evaluation import face, recalibration
from biomatch.face import calibration


def write(path: Path, columns: str, rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split())
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def photographs(fixtures: Path) -> Path:
    return fixtures / "faces"


def test_a_run_over_the_fixtures(photographs: Path, tmp_path: Path) -> None:
    gallery = write(
        tmp_path / "gallery.csv",
        "path subject",
        [("gallery/hopper.jpg", "hopper"), ("gallery/collins.jpg", "collins")],
    )
    probes = write(
        tmp_path / "probes.csv",
        "path subject",
        [("gallery/hopper_crop.jpg", "hopper"), ("no_face.jpg", "collins")],
    )
    pairs = write(
        tmp_path / "pairs.csv",
        "path_a path_b same group",
        [
            ("gallery/hopper.jpg", "gallery/hopper_dark.jpg", 1, "h"),
            ("gallery/collins.jpg", "gallery/collins_crop.jpg", 1, "c"),
            ("gallery/hopper.jpg", "gallery/collins.jpg", 0, "c"),
            ("gallery/hopper_crop.jpg", "gallery/collins_dark.jpg", 0, "h"),
        ],
    )
    found = face.evaluate(photographs, gallery=gallery, probes=probes, pairs=pairs, draws=20)
    assert found["failures"] == 1
    assert found["failed"][0]["path"] == "no_face.jpg"
    assert found["rank1"] == 0.5  # the picture without a face counts as a miss
    assert found["eer"] == 0
    assert found["tar_at_far"] == {"0.01": 1.0, "0.001": 1.0}
    assert found["groups"]["h"]["fnmr"]["rate"] == 0
    low, high = found["groups"]["h"]["fmr"]["interval"]
    assert low == 0 < 0.5 < high  # one comparison says little
    assert "fnir_at_fpir" not in found


def test_files_that_cannot_be_used(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="column 'same' is missing"):
        face.evaluate(photographs, pairs=write(tmp_path / "p.csv", "path_a path_b", [("a", "b")]))
    with pytest.raises(FormatError, match="cannot be read as CSV"):
        face.evaluate(photographs, pairs=tmp_path / "none.csv")
    for rows, words in (
        ([("a", "b", 1)], "holds no non-mated pair"),
        ([("a", "b", 0)], "holds no mated pair"),
        ([("a", "b", 1), ("a", "b", "maybe")], "line 3: same 'maybe' must be 0 or 1"),
        ([("a", "b", 1), ("a", "", 0)], "line 3: column 'path_b' is missing or empty"),
        ([], "column 'path_a' is missing or empty"),
    ):
        with pytest.raises(FormatError, match=words):
            face.evaluate(photographs, pairs=write(tmp_path / "p.csv", "path_a path_b same", rows))
    gallery = write(tmp_path / "g.csv", "path subject", [("gallery/hopper.jpg", "h")])
    for given in ({}, {"gallery": gallery}, {"probes": gallery}, {"nonmated": gallery}):
        with pytest.raises(OptionError, match="give pairs, or a gallery and probes"):
            face.evaluate(photographs, **given)


def test_pairs_without_a_group_count_in_none(photographs: Path, tmp_path: Path) -> None:
    rows = [
        ("gallery/hopper.jpg", "gallery/hopper_dark.jpg", "yes", "h"),
        ("gallery/hopper.jpg", "gallery/collins.jpg", "False", ""),
    ]
    pairs = write(tmp_path / "pairs.csv", "path_a path_b same group", rows)
    found = face.evaluate(photographs, pairs=pairs, draws=0)["groups"]
    assert set(found) == {"threshold", "h"}
    assert found["h"]["fnmr"]["comparisons"] == 1
    assert found["h"]["fmr"]["rate"] is None


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("a.jpg", "b.jpg", "maybe"), "line 2: same 'maybe' must be 0 or 1"),
        (("a.jpg", "", "1"), "line 2: column 'path_b' is missing or empty"),
        (("a.jpg", "b.jpg"), "line 2: column 'same' is missing or empty"),
    ],
)
def test_a_pair_of_unknown_kind_is_refused(
    photographs: Path, tmp_path: Path, row: tuple[str, ...], says: str
) -> None:
    pairs = tmp_path / "p.csv"
    pairs.write_text("path_a;path_b;same\n" + ";".join(row) + "\n")
    with pytest.raises(FormatError, match=re.escape(says)):
        face.evaluate(photographs, pairs=pairs)


def test_thresholds_come_from_the_other_folds() -> None:
    scores = np.tile([0.9, 0.1], 50)
    same = np.tile([True, False], 50)
    assert face.correct_by_fold(scores, same).mean() == 1
    assert face.best_threshold(scores, same) == pytest.approx(0.5)
    same[:2] = [False, True]  # wrong labels: these two pairs cannot be decided rightly
    assert face.correct_by_fold(scores, same).tolist() == [0.0, 0.0] + [1.0] * 98


def test_wilson_interval_by_hand() -> None:
    # 0 of 10: upper limit z^2 / (n + z^2) = 3.8415 / 13.8415
    rate = face._rate(0, 10)
    assert rate["interval"] == pytest.approx([0, 0.27753], abs=1e-4)
    assert face._rate(0, 0)["rate"] is None


def test_own_calibration_is_checked_on_other_people(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(2)
    scores = np.concatenate([dice.normal(0.6, 0.1, 300), dice.normal(0.1, 0.1, 600)])
    people = dice.integers(0, 60, (900, 2))
    people[:300, 1] = people[:300, 0]
    drawn = face.Pairs(scores, np.arange(900) < 300, people)
    table = calibration.fit(scores[:300], scores[300:], model_id="m", source="s")
    seen = []
    fit = calibration.fit

    def watched(*kinds: np.ndarray, **about: str) -> calibration.FaceCalibration:
        seen.append(np.concatenate(kinds))
        return fit(*kinds, **about)

    monkeypatch.setattr(calibration, "fit", watched)
    ratios, share = recalibration._held_out(drawn, table)
    assert share == 1
    assert not np.array_equal(ratios, table.log10_lr(scores))
    assert np.corrcoef(ratios, scores)[0, 1] > 0.9
    # One fit for each pair of folds; its pairs touch three of the five folds only.
    assert len(seen) == 15
    for fitted in seen:
        used = people[np.isin(scores, fitted)] % recalibration.FOLDS
        assert len(np.unique(used)) in (3, 4)
    few = face.Pairs(scores[270:330], drawn.same[270:330], people[270:330])
    ratios, share = recalibration._held_out(few, table)
    assert share < 1
    assert np.isfinite(ratios).all()


def test_who_is_who_without_folders() -> None:
    flat = np.array([("a1", "a2"), ("a2", "a3"), ("b1", "b2"), ("a1", "b1"), ("c1", "a3")])
    same = np.array([True, True, True, False, False])
    people = face._people(flat, same)
    assert people[0].tolist() == people[1].tolist() == [people[3, 0]] * 2
    assert len(np.unique(people)) == 3
    folders = np.array([("a/1", "a/2"), ("b/1", "b/2"), ("a/3", "b/3")])
    people = face._people(folders, np.array([True, True, False]))
    assert people.tolist() == [[0, 0], [1, 1], [0, 1]]
    assert face._people(np.zeros((0, 2), np.str_), np.zeros(0, np.bool_)).shape == (0, 2)


@pytest.mark.shared
def test_a_calibration_of_shared_pairs(shared: Path, tmp_path: Path) -> None:
    with (shared / "face" / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    few = [r for r in rows if r["same"] == "1"][:24] + [r for r in rows if r["same"] == "0"][:24]
    pairs = write(
        tmp_path / "pairs.csv",
        "path_a path_b same",
        [(r["path_a"], r["path_b"], r["same"]) for r in few],
    )
    out = tmp_path / "own.json"
    said = recalibration.calibrate_face(pairs, shared / "face", out=out)
    assert (said["mated"], said["nonmated"], said["failures"]) == (24, 24, 0)
    assert said["cllr"] < 0.5
    assert calibration.read(out).source.startswith("fitted on 24 mated and 24 non-mated pairs")


def test_a_draw_without_these_people_repeats_the_whole() -> None:
    hits = np.array([1.0, 0.0, 1.0, 1.0])
    assert face._mean(hits, np.array([0.0, 2.0, 2.0, 0.0])) == 0.5
    assert face._mean(hits, np.zeros(4)) == 0.75
