"""Manifests, pair lists and folders."""

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biomatch.errors import FormatError, OptionError, UnreadableSampleError
from biomatch.formats import manifest
from biomatch.types import ImpressionType, Sample

DEFAULT = Sample("fingerprint", ppi=500)


def test_csv_rows_become_items_with_paths_beside_the_manifest(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(
        "path,subject,finger,impression,ppi,owner,sex,year_of_birth\n"
        "a/1.png,1001,2,rolled,1000,XA,F,1980\n"
        "b.png,1002,,,,,,\n",
        encoding="utf-8-sig",
    )
    first, second = manifest.read(path, DEFAULT)
    assert first.sample.path == tmp_path / "a" / "1.png"
    assert first.sample.impression is ImpressionType.ROLLED
    assert (first.sample.ppi, first.sample.finger_position) == (1000, 2)
    assert first.record == {"owner": "XA", "sex": "F", "year_of_birth": 1980}
    assert (second.sample.ppi, second.subject, second.record) == (500, "1002", {})
    assert second.where.endswith("line 3")


def test_json_lines_say_the_same_as_csv(tmp_path: Path) -> None:
    rows = [{"path": "x.jpg", "subject": 7, "modality": "face"}, {"path": "y.png"}]
    path = tmp_path / "m.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    first, second = manifest.read(path, DEFAULT)
    assert (first.sample.modality, first.subject) == ("face", "7")
    assert (second.sample.modality, second.subject) == ("fingerprint", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("subject\n1\n", "lacks the column 'path'"),
        ("path,fingr\na,1\n", "unknown column 'fingr'"),
        ("path,path\na,b\n", "the column 'path' twice"),
        ('path,subject\n"a,1\nb,2\n', "cannot be read as a CSV table"),
        ("", "lacks the column 'path'; it has: none"),
    ],
)
def test_tables_that_are_no_manifest_are_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=says) as caught:
        manifest.read(path, DEFAULT)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"path,subject\na.png,J\xe9r\xf4me\n", "path\na\n".encode("utf-16")]
)
def test_other_encodings_are_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"is not in UTF-8 .* save it as CSV UTF-8"):
        manifest.read(path, DEFAULT)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_spreadsheets_own_separator_is_taken(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "m.csv"
    rows = (("path", "subject", "captured_on"), ("a.png", "1001", "2026-01-02"))
    text = "\r\n".join(separator.join(row) for row in rows)
    path.write_text(text + "\r\n", encoding="utf-8-sig")
    (item,) = manifest.read(path, DEFAULT)
    assert (item.subject, item.problem) == ("1001", "")
    assert item.record == {"captured_on": "2026-01-02"}
    assert manifest.header(path) == ["path", "subject", "captured_on"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,finger\na,99\n", "line 2: finger '99'"),
        ("path,ppi\na,low\n", "ppi 'low'"),
        ("path,impression\na,smudge\n", "impression 'smudge'"),
        ("path,year_of_birth\na,80\n", "year_of_birth '80'"),
        ("path,subject\n,1\n", "the path is empty"),
        ("path\na,b\n", "too many cells"),
        ("path,captured_on\na,yesterday\n", "captured_on 'yesterday'"),
        ("path,expires_on\na,2030-02-30\n", "expires_on '2030-02-30'"),
    ],
)
def test_a_bad_row_fails_by_itself(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text + "good.png" + "," * (text.partition("\n")[0].count(",")) + "\n")
    bad, good = manifest.read(path, DEFAULT)
    assert says in bad.problem
    assert bad.problem.startswith(f"{path}, line 2: ")
    assert (good.problem, good.sample.path) == ("", tmp_path / "good.png")


@pytest.mark.parametrize("text", ["[1]", "{", '{"subject": "1"}', '{"path": "a", "colour": 1}'])
def test_a_bad_json_line_fails_by_itself(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text + '\n{"path": "good.png"}\n', encoding="utf-8-sig")
    bad, good = manifest.read(path, DEFAULT)
    assert bad.problem.startswith(f"{path}, line 1: ")
    assert good.problem == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=300), suffix=st.sampled_from([".csv", ".jsonl"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(data)
    items = []
    with contextlib.suppress(FormatError):
        items = manifest.read(path, DEFAULT)
    assert all(item.sample.path and item.sample.modality for item in items)
    assert all(str(path) in item.problem for item in items if item.problem)


def test_pairs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("path_a;path_b;same\nx.png;y.png;1\n;y.png;0\n")
    good, bad = manifest.read_pairs(path)
    assert good == (tmp_path / "x.png", tmp_path / "y.png")
    assert str(bad) == f"{path}, line 3: path_a and path_b must both be given"


@pytest.mark.parametrize(
    ("rule", "subjects"),
    [
        (None, ["top_1", "anna", "anna"]),
        (manifest.SubjectFrom.NAME, ["top_1", "a_1", "a_2"]),
        (manifest.SubjectFrom.PREFIX, ["top", "a", "a"]),
        (manifest.SubjectFrom.FOLDER, ["prints", "anna", "anna"]),
    ],
)
def test_folders_name_subjects(
    tmp_path: Path, rule: manifest.SubjectFrom | None, subjects: list[str]
) -> None:
    folder = tmp_path / "prints"
    (folder / "anna").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("top_1.PNG", "anna/a_2.png", "anna/a_1.png", "notes.txt", ".hidden/x.png"):
        (folder / name).touch()
    items = manifest.walk(folder, DEFAULT, {".png"}, subject_from=rule)
    assert sorted(str(item.subject) for item in items) == sorted(subjects)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no fingerprint files"):
        manifest.walk(tmp_path, DEFAULT, {".png"})


def test_nothing_in_a_folder_is_passed_over_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.png").touch()
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere.png")
    listed = os.scandir

    def scandir(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr("os.scandir", scandir)  # the tests may run as root, whom nothing is closed
    items = manifest.walk(tmp_path, DEFAULT, {".png"})
    assert [item.sample.path.name for item in items if item.sample.path] == [
        "a.png", "closed", "lost.png",
    ]  # fmt: skip
    assert items[1].problem == f"{tmp_path / 'closed'}: cannot be listed (Permission denied)"
    with pytest.raises(UnreadableSampleError, match="cannot be listed"):
        manifest.walk(tmp_path / "closed", DEFAULT, {".png"})
