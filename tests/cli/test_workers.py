"""Worker processes and a deadline, as a user of the command line meets them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_a_part_that_is_late_gives_exit_code_4(run: Run, database: Path, fixtures: Path) -> None:
    assert run("index", "rebuild", "-m", "dna", "--db", database).exit_code == 0
    search = ("search", fixtures / "dna" / "stain.csv", "-m", "dna", "--db", database)
    alone = run(*search, "--format", "json")
    workers = run(*search, "--format", "json", "--processes", 2)
    assert workers.exit_code == 0
    found, wanted = json.loads(workers.stdout), json.loads(alone.stdout)
    assert [answer["candidates"] for answer in found] == [a["candidates"] for a in wanted]
    assert all(answer["coverage"]["missing"] == [] for answer in found)
    late = run(*search, "--processes", 2, "--partial", "0.000001")
    assert late.exit_code == 4
    assert "an absent candidate proves nothing" in late.output


def test_a_deadline_without_workers_is_refused(run: Run, database: Path, fixtures: Path) -> None:
    probe = fixtures / "faces" / "probe.jpg"
    refused = run("search", probe, "-m", "face", "--partial", 2, "--db", database)
    assert refused.exit_code == 2
    assert "--processes" in refused.output or "processes=" in refused.output
