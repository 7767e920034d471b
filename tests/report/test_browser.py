"""The pages in a real browser: nothing logged, no sideways scrolling, alternatives, contrast, keys.

Needs Chromium; ``make screenshots`` runs the same checks on the demonstration and keeps pictures.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from biomatch.report import html
from biomatch.report.sheet import Decision, sheet
from biomatch.types import CandidateList, Sample

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "screenshots.py"


@pytest.fixture(scope="module")
def screenshots() -> ModuleType:
    """Return the script that drives the browser."""
    specification = importlib.util.spec_from_file_location("screenshots", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["screenshots"] = module
    specification.loader.exec_module(module)
    if module.browser() is None:
        pytest.skip("no Chromium starts on this machine: reports were not seen in a browser")
    return module


def page_of(result: CandidateList, folder: Path) -> Path:
    picture = np.random.default_rng(1).integers(0, 255, (140, 120), dtype=np.uint8)
    shown = sheet(
        result,
        probe=Sample(result.modality, image=picture),
        picture_of=lambda _: picture,
        decisions=[Decision("1002", "exclusion", "AB", "CD", "exclusion", "2026-01-01", "no")],
        models=[{"name": "m", "sha256": "0" * 64, "licence": "MIT"}],
        case="2026/17",
    )
    return html.write(shown, folder / "page.html")


def test_reports(screenshots: ModuleType, result: CandidateList, tmp_path: Path) -> None:
    page = page_of(result, tmp_path)
    for width in screenshots.WIDTHS:
        assert screenshots.examine(screenshots.browser(), page, width).faults == ()


def test_index(screenshots: ModuleType, tmp_path: Path) -> None:
    row = {
        "file": "a.html",
        "probe": "a_mark_with_a_rather_long_name_of_its_own.png",
        "modality": "fingerprint",
        "subject": "1001",
        "log10_lr": 4.5,
        "expected_false": 0.001,
        "support": "very strong support for the same source",
        "complete": False,
        "candidates": 20,
    }
    failed = [{"item": "b.png", "error": "b.png: is damaged or truncated"}]
    page = html.write_index(tmp_path / "index.html", [row], facts={"Searches": "1"}, errors=failed)
    for width in screenshots.WIDTHS:
        assert screenshots.examine(screenshots.browser(), page, width).faults == ()


FAULTY = """<!DOCTYPE html><html><head><title>x</title></head><body><h1>x</h1><h3>y</h3>
<p style="color:#999;background:#fff;font-size:9px">pale</p><img src="https://example.org/a.png">
<div style="width:3000px">wide</div><a href="#nowhere">z</a><svg></svg>
<script>console.error("boom")</script></body></html>"""


def test_the_checks_find_faults(screenshots: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(FAULTY, encoding="utf-8")
    found = " ".join(screenshots.examine(screenshots.browser(), page, 400).faults)
    for fault in (
        "scrolls sideways", "no language", "no alternative text", "without role img",
        "heading jumps", "link to nowhere", "loads from outside", "contrast 2.8", "9 pixels",
        "link to skip", "boom",
    ):  # fmt: skip
        assert fault in found, (fault, found)


def test_a_page_is_photographed_at_its_width(screenshots: ModuleType, tmp_path: Path) -> None:
    from PIL import Image

    page = tmp_path / "small.html"
    page.write_text("<body style='margin:0;background:#0000ff'></body>", encoding="utf-8")
    screenshots.photograph(screenshots.browser(), page, 400, 300, tmp_path / "small.png")
    with Image.open(tmp_path / "small.png") as picture:
        assert picture.size == (400, 300)
        assert picture.convert("RGB").getpixel((399, 299)) == (0, 0, 255)
