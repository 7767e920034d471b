"""Every example of README and docs runs as printed, in a folder like a clone's.

Blocks marked ``python`` of one page share their names; lines of ``console`` blocks that begin
with ``$ biomatch`` are run; ``toml`` blocks whose first line is a comment with a file name are
written to that file. ``sh`` and ``dockerfile`` blocks install things or need data that nobody may
ship.
"""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ALLOWED = {"python", "console", "toml", "sh", "csv", "dockerfile"}


def blocks(page: Path) -> Iterator[tuple[str, str, int]]:
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        yield match[1], match[2], text[: match.start()].count("\n") + 2


def with_examples() -> list[Path]:
    return [page for page in PAGES if any(kind != "sh" for kind, _, _ in blocks(page))]


def run_console(block: str, where: str) -> None:
    from biomatch.cli.app import cli

    for line in block.replace("\\\n", " ").splitlines():
        assert line.startswith("$ biomatch "), f"{where}: {line}"
        result = CliRunner().invoke(cli, shlex.split(line)[2:], prog_name="biomatch")
        assert result.exit_code == 0, f"{where}: {line}\n{result.output}\n{result.exception!r}"


def run_toml(block: str) -> None:
    name = re.match(r"# (\S+\.toml)\n", block)
    if name:
        Path(name[1]).write_text(block, encoding="utf-8")


@pytest.mark.parametrize("page", with_examples(), ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for kind, block, line in blocks(page):
        where = f"{page.relative_to(ROOT)}:{line}"
        if kind == "python":
            exec(compile(block, where, "exec"), names)
        elif kind == "console":
            run_console(block, where)
        elif kind == "toml":
            run_toml(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_are_of_known_kinds_and_links_lead_somewhere(page: Path) -> None:
    assert {kind for kind, _, _ in blocks(page)} <= ALLOWED
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_command_table_names_every_command() -> None:
    from biomatch.cli.app import known_commands

    table = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for name in known_commands():
        assert f"`{name}`" in table, name
