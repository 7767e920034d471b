"""One small database that many tests read, and a runner that keeps exit codes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

Run = Callable[..., Result]


def invoke(*arguments: object) -> Result:
    """Run ``biomatch`` in this process."""
    from biomatch.cli.app import cli

    runner = CliRunner()
    result = runner.invoke(cli, [str(argument) for argument in arguments], prog_name="biomatch")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def run() -> Run:
    """``run("list", "--db", path)`` gives exit code and output."""
    return invoke


@pytest.fixture(scope="session")
def enrolled(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Path:
    """A database with two faces and 200 profiles; copy it before changing it."""
    path = tmp_path_factory.mktemp("enrolled") / "case.db"
    gallery = fixtures / "faces" / "gallery"
    faces = invoke(
        "enrol", gallery, "-m", "face", "--subject-from", "prefix", "--attach", "--owner", "XA",
        "--db", path,
    )  # fmt: skip
    assert faces.exit_code == 0, faces.output
    profiles = invoke("enrol", fixtures / "dna" / "database.csv", "-m", "dna", "--db", path)
    assert profiles.exit_code == 0, profiles.output
    return path


@pytest.fixture
def database(enrolled: Path, tmp_path: Path) -> Path:
    """A copy of `enrolled` that a test may change."""
    for path in enrolled.parent.glob("case.db*"):
        if path.is_file():
            shutil.copy(path, tmp_path / path.name)
    return tmp_path / "case.db"
