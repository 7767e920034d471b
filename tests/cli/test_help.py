"""Every command explains itself, with examples, in 80 columns, and quickly."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from biomatch.cli.app import cli


def walk(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from walk(command, (*path, name))


COMMANDS = [(), *walk(cli)]


def help_of(path: tuple[str, ...]) -> str:
    from click.testing import CliRunner

    return CliRunner().invoke(cli, [*path, "--help"], prog_name="biomatch").output


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_complete_and_fits(path: tuple[str, ...]) -> None:
    text = help_of(path)
    assert max(map(len, text.splitlines())) <= 80
    assert "Example" in text
    assert f"biomatch {' '.join(path)}".strip() in text.split("Example", 1)[1]
    paragraphs = text.split("\n\n")
    assert len(paragraphs[1].split()) >= 4, "no description"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_does(path: tuple[str, ...]) -> None:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{' '.join(path)}: {parameter.name}"


def test_the_examples_name_real_options() -> None:
    known = {
        option
        for path in COMMANDS
        for word in help_of(path).split()
        for option in [word.strip(",")]
        if option.startswith("--")
    }
    for path in COMMANDS:
        for line in help_of(path).split("Example", 1)[-1].splitlines():
            for word in line.split():
                if word.startswith("--"):
                    assert word in known, f"{' '.join(path)}: {word}"


@pytest.mark.parametrize("arguments", [["-c", "import biomatch"], ["-m", "biomatch", "--help"]])
def test_heavy_libraries_wait_until_they_are_needed(arguments: list[str]) -> None:
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=True
    ).stderr
    loaded = {line.rpartition("|")[2].strip() for line in shown.splitlines()}
    heavy = {"numpy", "faiss", "cv2", "onnxruntime", "numba", "sqlalchemy", "pandas", "rich"}
    assert not heavy & loaded


def test_a_misspelt_command_gets_a_hint() -> None:
    from click.testing import CliRunner

    result = CliRunner().invoke(cli, ["serach"], prog_name="biomatch")
    assert result.exit_code == 2
    assert "did you mean 'search'?" in result.output
