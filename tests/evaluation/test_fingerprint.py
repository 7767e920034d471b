import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biomatch.errors import OptionError
from biomatch.evaluation import fingerprint as evaluation
from biomatch.evaluation.fingerprint import evaluate, find_sets

FIXTURES = Path(__file__).parents[2] / "fixtures" / "fingerprint"


def impression(dice, rows):
    """The same finger again: jittered, shifted, one in six minutiae lost."""
    kept = rows[dice.random(len(rows)) > 0.16].copy()
    kept[:, :2] += dice.uniform(0, 40, 2) + dice.normal(0, 1.5, (len(kept), 2))
    return kept


def mark_up(rows):
    minutiae = [
        {"x": float(x), "y": float(y), "angle": float(np.degrees(angle) % 360)}
        for x, y, angle in np.clip(rows, 0, 500)
    ]
    return json.dumps({"width": 512, "height": 512, "ppi": 500, "minutiae": minutiae})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two folders of four fingers by five impressions, as mark-ups: no network is needed."""
    monkeypatch.setattr(evaluation, "PICTURES", frozenset({".json"}))
    dice = np.random.default_rng(3)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for finger in range(101, 105):
            rows = np.c_[dice.uniform(30, 400, (35, 2)), dice.uniform(0, 6, 35)]
            for number in (1, 2, 4, 5, 6):
                path = tmp_path / name / f"{finger}_{number}.json"
                path.write_text(mark_up(impression(dice, rows)), encoding="utf-8")
    (tmp_path / "one" / "notes.txt").write_text("not a print")
    return tmp_path


def test_figures_of_clean_prints_are_perfect(folder):
    result = evaluate(folder)
    assert list(result["folders"]) == ["one", "two"]
    for rates in (*result["folders"].values(), result["mean"]):
        assert rates["eer"] == 0
        assert rates["fnmr_at_fmr"] == {"0.01": 0, "0.001": 0, "0": 0}
        assert rates["rank1"] == rates["rank10"] == 1
        assert rates["fnir_at_fpir"] == {"0.01": 0}
    assert result["cpu"]["extract_ms"] > 0
    assert result["cpu"]["compare_us"] > 0
    # a folder: 4 fingers x C(5, 2) mated, C(4, 2) x 25 non-mated; 4 fingers x 3 probes
    assert result["about"]["mated"] == 2 * 40
    assert result["about"]["nonmated"] == 2 * 150
    assert result["about"]["searches"] == 2 * 12
    json.dumps(result)


def test_one_folder_of_prints_is_enough(folder):
    result = evaluate(folder / "two")
    assert list(result["folders"]) == ["two"]


def test_swapped_prints_show_as_errors(folder):
    """Give one finger's probe to another: a false non-match, a miss, and a failed rank."""
    other = (folder / "one" / "103_2.json").read_text()
    (folder / "one" / "101_4.json").write_text(other)
    result = evaluate(folder)
    assert result["folders"]["one"]["fnmr_at_fmr"]["0"] > 0.05
    assert result["folders"]["one"]["rank1"] == pytest.approx(11 / 12)
    assert result["mean"]["rank1"] == pytest.approx(23 / 24)


def test_a_print_without_features_counts_as_no_match(folder):
    empty = {"width": 512, "height": 512, "ppi": 500, "minutiae": []}
    (folder / "two" / "102_5.json").write_text(json.dumps(empty))
    result = evaluate(folder)
    assert len(result["about"]["failed"]) == 1
    assert result["folders"]["two"]["fnmr_at_fmr"]["0"] == pytest.approx(4 / 40)
    assert result["folders"]["two"]["rank1"] == pytest.approx(11 / 12)


def test_progress_is_told(folder):
    seen = []
    evaluate(folder / "one", progress=lambda *step: seen.append(step))
    assert seen == [("extract", number, 20) for number in range(1, 21)]


def test_names_and_impressions(folder):
    first = find_sets(folder)[0]
    assert len(first) == 20
    assert first.fingers[:5] == ("101",) * 5
    assert first.impressions[:5] == (1, 2, 4, 5, 6)


def test_folders_without_prints_are_refused(tmp_path):
    with pytest.raises(OptionError, match="<finger>_<impression>"):
        evaluate(tmp_path)


def test_one_finger_is_too_few(folder):
    for path in (folder / "one").glob("10[234]_*.json"):
        path.unlink()
    with pytest.raises(OptionError, match="two fingers"):
        evaluate(folder / "one")


def test_names_are_read_with_care(folder):
    one = folder / "one"
    (one / "104_6.json").rename(one / "0104_06.JSON")
    (one / "101_01.json").write_bytes((one / "101_1.json").read_bytes())
    (one / "._101_1.json").write_bytes(b"Mac OS X")
    (one / "104_2.json").unlink()
    (folder / "other").mkdir()
    (folder / "README_2.txt").write_text("words")
    prints = find_sets(folder)[0]
    assert len(prints) == 19
    assert set(prints.fingers) == {"101", "102", "103", "104"}
    assert ("104", 6) in zip(prints.fingers, prints.impressions, strict=True)
    assert len(prints.left_out) == 1
    result = evaluate(folder)
    assert result["folders"]["one"]["eer"] == 0
    assert len(result["about"]["left_out"]) == 1


def test_an_unreadable_file_is_named_and_the_rest_goes_on(folder):
    (folder / "one" / "102_2.json").write_text("{")
    result = evaluate(folder)
    assert len(result["about"]["failed"]) == 1
    assert "102_2.json" in result["about"]["failed"][0]
    assert result["folders"]["two"]["eer"] == 0


def test_a_folder_without_pairs_has_no_rates(folder):
    for path in (folder / "one").glob("10[234]_*.json"):
        path.unlink()
    result = evaluate(folder)
    assert result["folders"]["one"]["eer"] is None
    assert result["folders"]["one"]["rank1"] == 1
    assert result["mean"]["eer"] == 0


def test_sets_are_found_at_any_depth_and_named_by_their_place(folder):
    (folder / "fvc" / "old").mkdir(parents=True)
    (folder / "one").rename(folder / "fvc" / "old" / "DB1_B")
    (folder / "two").rename(folder / "fvc" / "DB1_B")
    (folder / "fvc" / "old" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "fvc" / "DB1_B" / "enhanced").mkdir()
    below = folder / "fvc" / "DB1_B" / "enhanced" / "101_1.json"
    below.write_text("{")
    sets = find_sets(folder)
    assert [prints.name for prints in sets] == ["fvc/DB1_B", "fvc/old/DB1_B"]
    assert [len(prints) for prints in sets] == [20, 20]


def test_linked_folders_of_one_name_stay_two(folder):
    (folder / "links").mkdir()
    for name in ("one", "two"):
        (folder / name / "DB1_B").mkdir()
        for path in (folder / name).glob("*.json"):
            path.rename(folder / name / "DB1_B" / path.name)
        (folder / "links" / name).symlink_to(folder / name / "DB1_B", target_is_directory=True)
    result = evaluate(folder / "links")
    assert sorted(result["folders"]) == ["one", "two"]


def test_stray_prints_beside_folders_are_named(folder):
    (folder / "cover_1.json").write_bytes((folder / "one" / "101_1.json").read_bytes())
    result = evaluate(folder)
    assert list(result["folders"]) == ["one", "two"]
    assert [str(folder / "cover_1.json") in text for text in result["about"]["left_out"]] == [True]


def test_records_count_only_without_pictures(folder, monkeypatch):
    monkeypatch.setattr(evaluation, "PICTURES", frozenset({".png"}))
    assert len(find_sets(folder / "one")[0]) == 20
    result = evaluate(folder / "one")
    assert result["folders"]["one"]["eer"] == 0
    (folder / "one" / "101_1.png").write_bytes(b"no picture")
    assert [path.suffix for path in find_sets(folder / "one")[0].paths] == [".png"]


@pytest.fixture
def pictures(tmp_path):
    """Two folders of prints: four drawn ones that state 500 ppi, and the same without."""
    for name, stated in (("stated", {"dpi": (500, 500)}), ("bare", {})):
        (tmp_path / name).mkdir()
        for finger in ("001", "002"):
            for impression in (1, 2):
                print_ = Image.open(FIXTURES / f"{finger}_{impression}.png").convert("L")
                print_.save(tmp_path / name / f"{finger}_{impression}.TIF", **stated)
    return tmp_path


@pytest.mark.parametrize(
    ("ppi", "bare", "stated"),
    [
        (None, "500 (assumed)", "500"),
        (569, "569", "500"),
        ({"": 569}, "569", "500"),
        ({"bare": 512, "stated": 569}, "512", "569"),
        ({"": 600, "stated": 550}, "600", "550"),
    ],
)
def test_resolution_is_the_files_or_what_is_said_of_a_folder(pictures, ppi, bare, stated):
    result = evaluate(pictures, ppi=ppi, extractor="classical")
    assert result["about"]["ppi"] == {"bare": {bare: 4}, "stated": {stated: 4}}
    assert result["mean"]["eer"] == 0


@pytest.mark.parametrize(
    ("ppi", "words"),
    [
        (-500, "not a positive number"),
        (float("nan"), "not a positive number"),
        ({"bar": 500}, "'bar': there is no such set"),
        ({"bare": 200, "stated": 200}, "none of 8 prints gave a template.* 200 ppi, 250 to"),
    ],
)
def test_a_resolution_that_cannot_be_is_refused(pictures, ppi, words):
    with pytest.raises(OptionError, match=words):
        evaluate(pictures, ppi=ppi, extractor="classical")
