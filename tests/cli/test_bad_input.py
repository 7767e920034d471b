"""Bad input: one clear sentence, the right exit code, and a database that did not change."""

import hashlib
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
