"""Faces on the command line: quality, groups, label checks, limits, models, groups' rates."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def portraits(fixtures: Path) -> Path:
    return fixtures / "faces" / "gallery"


def told(result: Result) -> list[dict[str, object]]:
    return json.loads(result.stdout)


def test_quality_says_why_in_words(run: Run, portraits: Path, fixtures: Path) -> None:
    found = run(
        "-q", "face", "quality", portraits / "hopper.jpg", portraits / "collins_blur.jpg",
        "--format", "json",
    )  # fmt: skip
    sharp, blurred = told(found)
    assert found.exit_code == 0
    assert sharp["quality"] > blurred["quality"]
    assert sharp["reasons"] == ""
    assert "blurred" in blurred["reasons"]
    none = run("-q", "face", "quality", fixtures / "faces" / "no_face.jpg")
    assert none.exit_code == 1
    assert "no face was found" in none.output


def test_many_faces_keep_their_index(run: Run, portraits: Path, tmp_path: Path) -> None:
    one, other = (
        cv2.resize(cv2.imread(str(portraits / name)), (300, 300))
        for name in ("hopper.jpg", "collins.jpg")
    )
    cv2.imwrite(str(tmp_path / "both.png"), np.hstack([one, other]))
    cv2.imwrite(str(tmp_path / "one.png"), one)
    rows = told(run("-q", "face", "cluster", tmp_path, "--format", "json"))
    both = {row["face"]: row["person"] for row in rows if str(row["path"]).endswith("both.png")}
    (alone,) = [row for row in rows if str(row["path"]).endswith("one.png")]
    assert sorted(both) == [0, 1]
    assert sorted(both.values()) == [1, 2]
    assert alone["person"] == 1
    few = told(run("-q", "face", "cluster", tmp_path, "--max-faces", 1, "--format", "json"))
    assert len(few) == 2


def test_a_folder_without_names_becomes_people(run: Run, portraits: Path) -> None:
    found = run("-q", "face", "cluster", portraits, "--format", "json")
    people = {(row["person"], Path(str(row["path"])).stem.split("_")[0]) for row in told(found)}
    assert found.exit_code == 0
    assert len({person for person, _ in people}) == 2 == len(people)
    assert "12 faces of 2 people" in found.stderr


def test_wrong_labels_are_found(run: Run, portraits: Path, tmp_path: Path) -> None:
    for source, target in (
        ("hopper.jpg", "hopper_1"), ("hopper_dark.jpg", "hopper_2"),
        ("collins.jpg", "collins_1"), ("collins_dark.jpg", "collins_2"),
    ):  # fmt: skip
        shutil.copy(portraits / source, tmp_path / f"{target}.jpg")
    command = ("-q", "face", "check", tmp_path, "--subject-from", "prefix", "--format", "json")
    assert told(run(*command)) == []
    shutil.copy(portraits / "hopper_crop.jpg", tmp_path / "collins_3.jpg")
    (found,) = told(run(*command))
    assert found["kind"] == "wrong label"
    assert (found["subject"], found["other"]) == ("collins", "hopper")
    assert str(found["path"]).endswith("collins_3.jpg")


def test_limits_are_checked_before_any_picture_is_read(
    run: Run, portraits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from biomatch.face import batch, calibration, embedding

    own = tmp_path / "own.json"
    scores = np.linspace(0, 1, 200)
    ours = embedding.model_set("default").model_id
    for model_id in (ours, "face-other-1"):
        calibration.fit(scores / 2 + 0.5, scores / 2, model_id=model_id, source="drawn").write(
            tmp_path / f"{model_id == ours}.json"
        )
    monkeypatch.setattr(batch, "extract_many", None)  # whoever extracts fails
    for command in ("cluster", "check"):
        few = run("face", command, portraits, "--fmr", 1e-9)
        assert (few.exit_code, "calibrate with more pairs" in few.stderr) == (2, True)
        other = run("face", command, portraits, "--calibration", tmp_path / "False.json")
        assert (other.exit_code, "was fitted for 'face-other-1'" in other.stderr) == (2, True)
        none = run("face", command, portraits, "--calibration", own)
        assert (none.exit_code, "own.json: cannot be read" in none.stderr) == (1, True)
    monkeypatch.undo()
    table = tmp_path / "True.json"
    found = run("-q", "face", "cluster", portraits, "--calibration", table, "--fmr", 0.1)
    assert found.exit_code == 0
    assert "12 faces of 2 people" in found.stderr


def test_candidates_are_limited_by_error_rates(run: Run, database: Path, fixtures: Path) -> None:
    command = ("-q", "search", fixtures / "faces" / "probe.jpg", "-m", "face", "--db", database,
               "--format", "json")  # fmt: skip
    (every,) = told(run(*command))
    (few,) = told(run(*command, "--fpir", 0.01))
    first, second = every["candidates"]
    assert [c["subject"] for c in few["candidates"]] == ["collins"]
    assert first["margin"] == pytest.approx(first["score"] - second["score"], abs=1e-3)
    assert first["expected_false"] == pytest.approx(12 * first["fmr"], rel=0.01)
    beyond = run(*command, "--fmr", 1e-12)
    assert beyond.exit_code == 2
    assert "calibrate with more pairs" in beyond.output


def test_many_probes_are_one_table_in_csv(run: Run, database: Path, portraits: Path) -> None:
    probes = [portraits / name for name in ("hopper_dark.jpg", "collins_dark.jpg")]
    found = run("-q", "search", *probes, "-m", "face", "--db", database, "--format", "csv")
    rows = list(csv.DictReader(found.stdout.splitlines()))
    assert found.stdout.count("probe,rank") == 1
    assert [(Path(r["probe"]).stem, r["subject"]) for r in rows if r["rank"] == "1"] == [
        ("hopper_dark", "hopper"),
        ("collins_dark", "collins"),
    ]


def test_verify_says_whether_a_rate_is_reached(run: Run, fixtures: Path, portraits: Path) -> None:
    probe = fixtures / "faces" / "probe.jpg"
    for mate, reached in (("collins.jpg", True), ("hopper.jpg", False)):
        (row,) = told(
            run(
                "-q",
                "verify",
                probe,
                portraits / mate,
                "-m",
                "face",
                "--fmr",
                1e-4,
                "--option",
                "accuracy=high",
                "--format",
                "json",
            )
        )
        assert row["reached"] is reached
        assert row["error"] is None


def test_models_are_never_mixed(run: Run, database: Path, fixtures: Path) -> None:
    probe = fixtures / "faces" / "probe.jpg"
    found = run("-q", "search", probe, "-m", "face", "--option", "accuracy=high", "--db", database)
    assert found.exit_code == 4
    assert "biomatch re-enrol" in found.output


def test_enrolment_policies(run: Run, portraits: Path, tmp_path: Path) -> None:
    poor = cv2.GaussianBlur(cv2.imread(str(portraits / "hopper.jpg")), (0, 0), 9)
    cv2.imwrite(str(tmp_path / "poor.png"), poor)
    command = ("-q", "enrol", tmp_path / "poor.png", "-m", "face", "--subject", "p")
    refused = run(*command, "--option", "policy=reject", "--db", tmp_path / "a.db")
    assert refused.exit_code == 1
    assert "quality" in refused.output
    assert "blurred" in refused.output
    kept = run(*command, "--option", "policy=warn", "--db", tmp_path / "b.db")
    assert kept.exit_code == 0
    assert "Warning: " in kept.stderr
    assert "blurred" in kept.stderr
    silent = run(*command, "--db", tmp_path / "d.db")
    assert (silent.exit_code, silent.stderr) == (0, "")
    wrong = run(*command, "--option", "policy=strict", "--db", tmp_path / "c.db")
    assert wrong.exit_code == 2
    assert "off, warn, reject" in wrong.output


def test_evaluate_by_group_with_workers(run: Run, portraits: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in portraits.glob("*.jpg"))
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path_a", "path_b", "same", "group"])
        for i, (a, b) in enumerate(pairs):
            table.writerow([a, b, int(a.split("_")[0].split(".")[0] in b), "xy"[i % 2]])
    command = ("-q", "evaluate", "face", portraits, "--pairs", tmp_path / "pairs.csv",
               "--format", "json")  # fmt: skip
    one, two = (json.loads(run(*command, "--workers", n, "--device", "cpu").stdout) for n in (1, 2))
    assert one == two
    assert set(one["groups"]) == {"threshold", "x", "y"}
    for group in "xy":
        for kind, count in (("fmr", 36), ("fnmr", 30)):
            found = one["groups"][group][kind]
            low, high = found["interval"]
            assert 0 <= low <= found["rate"] <= high <= 1
            assert abs(found["comparisons"] - count / 2) <= 3
    assert run(*command, "--device", "abacus").exit_code != 0
