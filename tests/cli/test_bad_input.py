"""Bad input: one clear sentence, the right exit code, and a database that did not change."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Run = Callable[..., Any]


def digest_of_records(path: Path) -> str:
    """Digest of all tables but the audit trail."""
    import sqlite3

    with sqlite3.connect(path) as connection:
        tables = ("subjects", "samples", "templates", "images", "audit")
        rows = [connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def write_bad(kind: str, folder: Path, fixtures: Path) -> Path:
    if kind == "empty":
        path = folder / "empty.png"
        path.touch()
    elif kind == "text named png":
        path = folder / "text.png"
        path.write_text("this is not a picture")
    elif kind == "truncated":
        path = folder / "truncated.jpg"
        path.write_bytes((fixtures / "faces" / "gallery" / "hopper.jpg").read_bytes()[:9000])
    elif kind == "no face":
        path = fixtures / "faces" / "no_face.jpg"
    elif kind == "no ridges":
        path = folder / "blank.png"
        Image.new("L", (400, 400), 255).save(path, dpi=(500, 500))
    elif kind == "no marker column":
        path = folder / "profiles.csv"
        path.write_text("SampleName,Allele1,Allele2\nA,12,13\n")
    elif kind == "unknown allele":
        path = folder / "profiles.csv"
        path.write_text("SampleName,Marker,Allele1,Allele2\nA,TH01,9..3,6\n")
    elif kind == "unknown locus":
        path = folder / "profiles.csv"
        path.write_text("SampleName,Marker,Allele1,Allele2\nA,TH99,9.3,6\n")
    else:
        path = folder / "missing.png"
    return path


CASES = [
    ("empty", "face", "is empty"),
    ("empty", "fingerprint", "is empty"),
    ("text named png", "face", "picture"),
    ("text named png", "fingerprint", "picture"),
    ("truncated", "face", "truncated"),
    ("no face", "face", "no face"),
    ("no ridges", "fingerprint", ""),
    ("no marker column", "dna", ""),
    ("unknown allele", "dna", "9..3"),
    ("unknown locus", "dna", "TH99"),
    ("missing", "face", "no such file"),
]


@pytest.mark.parametrize("command", ["enrol", "search"])
@pytest.mark.parametrize(("kind", "modality", "says"), CASES)
def test_bad_files(
    run: Run,
    database: Path,
    fixtures: Path,
    tmp_path: Path,
    command: str,
    kind: str,
    modality: str,
    says: str,
) -> None:
    path = write_bad(kind, tmp_path, fixtures)
    before = digest_of_records(database)
    result = run("-q", command, path, "-m", modality, "--db", database)
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert path.name in errors[0]
    assert says in errors[0]
    assert "Traceback" not in result.output
    assert digest_of_records(database) == before


def test_a_bad_item_does_not_stop_the_rest(run: Run, fixtures: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "path,subject,modality\n"
        f"{fixtures / 'faces' / 'no_face.jpg'},rocket,face\n"
        f"{fixtures / 'faces' / 'gallery' / 'hopper.jpg'},hopper,face\n"
    )
    errors = tmp_path / "errors.csv"
    result = run(
        "-q", "enrol", manifest, "--db", tmp_path / "x.db", "--errors", errors, "--format", "json"
    )
    assert result.exit_code == 1
    assert '"enrolled": 1' in result.stdout
    assert '"failed": 1' in result.stdout
    assert "no_face.jpg" in errors.read_text()


def test_a_bad_row_does_not_stop_the_rest(run: Run, fixtures: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "path;modality;ppi\r\nlost.csv;dna;\r\nx.csv;dna;many\r\nx.csv;iris;\r\n"
        f"{fixtures / 'dna' / 'stain.csv'};dna;\r\n",
        encoding="utf-8-sig",
    )
    errors = tmp_path / "errors.csv"
    options = ("--db", tmp_path / "x.db", "--errors", errors, "--format", "json")
    dry = run("enrol", manifest, "--dry-run", *options)
    assert (dry.exit_code, "2 cannot be used" in dry.stderr) == (1, False)
    assert "3 cannot be used; nothing was enrolled" in dry.stderr
    result = run("-q", "enrol", manifest, *options)
    assert result.exit_code == 1
    assert '"enrolled": 1' in result.stdout
    assert '"failed": 3' in result.stdout
    told = errors.read_text()
    assert f"{manifest}, line 3: ppi 'many'" in told
    assert len(told.splitlines()) == 4


def test_a_table_for_faces_can_only_be_a_manifest(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "manifest.csv"
    table.write_text("file,subject\nx.jpg,1\n")
    result = run("enrol", table, "-m", "face", "--db", tmp_path / "x.db")
    assert result.exit_code == 1
    assert "lacks the column 'path'; it has: file, subject" in result.stderr


@pytest.mark.parametrize("command", ["enrol", "search"])
def test_an_option_that_fits_no_item_is_wrong_use(
    run: Run, database: Path, fixtures: Path, tmp_path: Path, command: str
) -> None:
    probe = tmp_path / "copy.jpg"
    probe.write_bytes((fixtures / "faces" / "gallery" / "hopper.jpg").read_bytes() + b" ")
    result = run(command, probe, "-m", "face", "--option", "colour=1", "--db", database)
    assert result.exit_code == 2
    assert "no option 'colour'" in result.stderr


def test_names_that_are_not_text_fail_by_themselves(
    run: Run, fixtures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "intake"
    folder.mkdir()
    source = (fixtures / "faces" / "gallery" / "hopper.jpg").read_bytes()
    (folder / "line\nbreak.jpg").write_bytes(source)
    Path(os.fsdecode(bytes(folder) + b"/J\xe9r.jpg")).write_bytes(source + b" ")
    (folder / "lost.jpg").symlink_to("nowhere.jpg")
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    errors = tmp_path / "errors.csv"
    result = run(
        "enrol", folder, "-m", "face", "--subject", "x", "--db", tmp_path / "x.db", "--errors",
        errors,
    )  # fmt: skip
    assert result.exit_code == 1
    assert "enrolled       1" in result.stdout
    told = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(told) == 3
    assert "J\\udce9r.jpg: its name is not in UTF-8; rename it" in told[0]
    assert "lost.jpg: cannot be read (No such file or directory)" in told[1]
    assert "pipe.jpg: is not a regular file" in told[2]
    assert len(errors.read_text().splitlines()) == 4
    shown = run("list", "--db", tmp_path / "x.db")
    assert "line\\nbreak" in shown.stdout


def test_a_place_for_errors_is_tried_first(run: Run, fixtures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(
        "enrol", fixtures / "dna" / "stain.csv", "--db", tmp_path / "x.db", "--errors",
        tmp_path / "file" / "errors.csv",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "file" in result.stderr
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["list"], 2, "no database named"),
        (["list", "--db", "{tmp}/none.db"], 3, "there is no such database"),
        (["list", "--db", "{tmp}/text.db"], 3, "text.db"),
        (["show", "nobody", "--db", "{db}"], 1, "no subject 'nobody'"),
        (["enrol", "{tmp}", "--db", "{db}"], 2, "--modality"),
        (["enrol", "{tmp}", "-m", "iris", "--db", "{db}"], 2, "no modality 'iris'"),
        (["search", "x.png", "--resume", "--db", "{db}"], 2, "--resume needs --out"),
        (["search", "x.png", "--born", "old", "--db", "{db}"], 2, "--born 'old'"),
        (["decide", "c", "x", "perhaps", "--examiner", "e", "--db", "{db}"], 2, "perhaps"),
        (["--config", "{tmp}/none.toml", "list"], 2, "cannot be read"),
        (["decide", "c", "nobody", "exclusion", "--examiner", "e", "--db", "{db}"], 1, "nobody"),
        (["decide", " ", "P137", "exclusion", "--examiner", "e", "--db", "{db}"], 2, "case's name"),
        (["gallery", "set", "g", "--alert", "nan", "--db", "{db}"], 2, "not a finite number"),
        (["search", "x.png", "--fmr", "nan", "--db", "{db}"], 2, "not a finite number"),
        (["search", "x.png", "--partial", "inf", "--db", "{db}"], 2, "not a finite number"),
        (["convert", "{tmp}/text.db", "{tmp}/text.db", "--to", "png"], 2, "are one file"),
        (["verify", "one.png"], 1, "one.png"),
        (["evaluate", "scores", "{tmp}/none.csv"], 1, "none.csv"),
    ],
)
def test_wrong_use(
    run: Run, database: Path, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to look at " * 40)
    filled = [text.format(tmp=tmp_path, db=database) for text in arguments]
    result = run(*filled)
    assert result.exit_code == code, result.output
    assert says in result.stderr
    assert "Traceback" not in result.output


def test_only_enrolment_makes_a_database(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "nothing.db"
    for location in (path, f"sqlite:///{path}"):
        for command in (
            ("index", "status"),
            ("audit", "verify"),
            ("list",),
            ("delete", "x", "--yes"),
        ):
            told = run(*command, "--db", location)
            assert told.exit_code == 3
            assert "no such database" in told.stderr or "no database at" in told.stderr
    assert list(tmp_path.iterdir()) == []
