"""The demonstration finds the right person three times and writes reports with pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_demo(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "look"
    result = run("demo", "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("right: ") == 3
    assert "WRONG" not in result.stdout
    index = (out / "index.html").read_text(encoding="utf-8")
    for name in ("fingerprint", "face", "dna"):
        page = (out / f"{name}.html").read_text(encoding="utf-8")
        assert f'href="{name}.html"' in index
        assert ("data:image/jpeg" in page) == (name != "dna")
    assert "Lines link the" in (out / "fingerprint.html").read_text(encoding="utf-8")
    again = run("-q", "demo", "--out", out)
    assert again.exit_code == 0
    assert again.stderr == ""
