"""Prints from the shell: their resolution, their quality, and error rates."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import biomatch
from biomatch.search import registry

Run = Callable[..., Any]
FAST = ("-m", "fingerprint", "--option", "extractor=classical")


@pytest.fixture
def prints(tmp_path: Path, fixtures: Path) -> Path:
    """Two people's two impressions at 569 ppi, which their files do not say."""
    folder = tmp_path / "DB2"
    folder.mkdir()
    for finger in ("001", "002"):
        for impression in (1, 2):
            picture = Image.open(fixtures / "fingerprint" / f"{finger}_{impression}.png")
            size = tuple(round(side * 1.138) for side in picture.size)
            picture.convert("L").resize(size).save(folder / f"{finger}_{impression}.bmp")
    return folder


def test_verify_is_told_the_resolution(run: Run, prints: Path, fixtures: Path) -> None:
    original = [fixtures / "fingerprint" / f"001_{impression}.png" for impression in (1, 2)]
    larger = [prints / f"001_{impression}.bmp" for impression in (1, 2)]

    def score(*arguments: object) -> float:
        shown = run("verify", *arguments, *FAST, "--format", "json")
        assert shown.exit_code == 0, shown.output
        return float(json.loads(shown.stdout)[0]["score"])

    expected = score(*original)
    assert score(*larger, "--ppi", 569) > 0.6 * expected
    assert score(original[0], larger[1]) < 0.6 * expected


def test_enrolment_keeps_the_resolution_and_names_the_doubtful(
    run: Run, prints: Path, fixtures: Path, tmp_path: Path
) -> None:
    path = tmp_path / "prints.db"
    noise = np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png", dpi=(500, 500))

    def ppi(source: Path, subject: str, *arguments: object) -> Any:
        told = run("enrol", source, "--subject", subject, *FAST, *arguments, "--db", path)
        assert told.exit_code == 0, told.output
        shown = run("show", subject, "--db", path, "--format", "json")
        return json.loads(shown.stdout)["samples"][0]["ppi"], told.stderr

    stated, silent = ppi(fixtures / "fingerprint" / "001_1.png", "stated")
    assert (stated, "Warning" in silent) == (500, False)
    told, silent = ppi(prints / "001_1.bmp", "told", "--ppi", "569")
    assert (told, "Warning" in silent) == (569, False)
    assumed, warned = ppi(prints / "001_2.bmp", "assumed")
    assert assumed is None
    assert "001_2.bmp: resolution is not stated; 500 ppi is assumed" in warned
    assert "noise.png: quality is" in ppi(tmp_path / "noise.png", "noise")[1]


def test_error_rates_at_the_true_resolution(run: Run, prints: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "result.json"

    def evaluate(*arguments: object) -> dict[str, Any]:
        done = run(
            "evaluate", "fingerprint", prints.parent, "--extractor", "classical", "--json", out,
            *arguments,
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        return dict(json.loads(out.read_text()))

    told = evaluate("--ppi", "500", "--ppi", "DB2=569")
    assert list(told) == ["folders", "mean", "cpu", "about"]
    assert list(told["cpu"]) == ["extract_ms", "compare_us"]
    rates = ["eer", "fnmr_at_fmr", "rank1", "rank10", "fnir_at_fpir"]
    assert list(told["mean"]) == list(told["folders"]["DB2"]) == rates
    assert list(told["mean"]["fnmr_at_fmr"]) == ["0.01", "0.001", "0"]
    assert list(told["mean"]["fnir_at_fpir"]) == ["0.01"]
    assert told["about"]["ppi"] == {"DB2": {"569": 4}}
    assert evaluate()["about"]["ppi"] == {"DB2": {"500 (assumed)": 4}}


@pytest.mark.parametrize("text", ["five", "50", "DB2=", "DB2=9000", "=x"])
def test_a_resolution_must_be_one(run: Run, prints: Path, text: str) -> None:
    refused = run("evaluate", "fingerprint", prints, "--ppi", text)
    assert refused.exit_code == 2
    assert "must be PPI or FOLDER=PPI" in refused.stderr


@pytest.mark.parametrize("attach", [(), ("--attach",)])
def test_each_page_of_a_file_is_made_anew_from_that_page(
    run: Run, fixtures: Path, tmp_path: Path, attach: tuple[str, ...]
) -> None:
    first, second = (
        Image.open(fixtures / "fingerprint" / f"{finger}_1.png").convert("L")
        for finger in ("001", "002")
    )
    pages, path = tmp_path / "two.tif", tmp_path / "two.db"
    first.save(pages, save_all=True, append_images=[second], dpi=(500, 500))
    enrolled = run("-q", "enrol", pages, *FAST, "--subject", "t", *attach, "--db", path)
    assert enrolled.exit_code == 0, enrolled.output

    def templates() -> list[bytes]:
        with biomatch.open(path) as db:
            return [
                registry.get("fingerprint").dumps(db.template(sample.id))
                for sample in db.get("t").samples
            ]

    before = templates()
    assert len(before) == 2
    renewed = run("-q", "re-enrol", *FAST, "--db", path, "--format", "json")
    assert json.loads(renewed.stdout)["enrolled"] == 2, renewed.output
    assert templates() == before
