"""Reports are complete, self-contained, well-formed and safe."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from biomatch.report import Decision, page, plain, sheet, write, write_index
from biomatch.types import CandidateList, Coverage, ImpressionType, Sample

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Checker(HTMLParser):
    """Collects tags and complains about anything left open or crossed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def read(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    return checker


def rendered(result: CandidateList, picture: Any, **options: Any) -> str:
    probe = Sample(result.modality, image=picture)
    return page(sheet(result, probe=probe, picture_of=lambda _: picture, **options))


def test_every_page_is_well_formed_and_loads_nothing(result: CandidateList, picture: Any) -> None:
    text = rendered(result, picture)
    checker = read(text)
    assert "script" not in {tag for tag, _ in checker.tags}
    for _, attributes in checker.tags:
        for name in ("src", "href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("data:", "#")), target
    assert not re.search(r"url\(|@import|https?://", text)


def test_it_says_what_a_reader_needs(result: CandidateList, picture: Any) -> None:
    text = " ".join(
        " ".join(read(rendered(result, picture, case="C-7", purpose="p")).words).split()
    )
    for needed in (
        "Candidates, not identifications.",
        "mark 17 & co.png",
        "all 200 records",
        "very strong support for the same source",
        "ENFSI 2015 verbal scale",
        "about 50,100 times more likely",
        "audit-9",
        "Fitted on a test set.",
        "C-7",
        "Lead over",
        "0.69",
        "Examiner's conclusion",
        "Second examiner",
    ):
        assert needed in text, needed


def test_names_from_outside_are_escaped(result: CandidateList, picture: Any) -> None:
    assert "<b>1001</b>" not in rendered(result, picture)
    assert "&lt;b&gt;1001&lt;/b&gt;" in rendered(result, picture)


def test_pictures_have_alternatives_and_links_have_targets(
    result: CandidateList, picture: Any
) -> None:
    checker = read(rendered(result, picture))
    identifiers = [a["id"] for _, a in checker.tags if a.get("id")]
    assert len(identifiers) == len(set(identifiers))
    for tag, attributes in checker.tags:
        if tag == "a" or tag == "use":
            assert (attributes["href"] or "").removeprefix("#") in identifiers
        if tag == "svg" and attributes.get("aria-hidden") != "true":
            assert attributes.get("role") == "img"
            assert attributes.get("aria-label")


def test_redacted_reports_hold_no_pixels(result: CandidateList, picture: Any) -> None:
    text = rendered(result, picture, redact=True)
    assert "data:image" not in text
    assert "Pictures were left out" in text


def test_each_picture_is_held_once(result: CandidateList, picture: Any) -> None:
    assert rendered(result, picture).count("data:image/jpeg") == 1


def test_an_incomplete_search_is_never_no_hit(result: CandidateList) -> None:
    partial = dataclasses.replace(
        result, candidates=(), coverage=Coverage(100, 200, 1, 2, ("shard 2",))
    )
    words = " ".join(" ".join(read(page(sheet(partial))).words).split())
    assert "This search is incomplete." in words
    assert "The whole gallery was searched" not in words
    whole = dataclasses.replace(result, candidates=())
    assert "whole gallery was searched" in " ".join(page(sheet(whole)).split())


def test_a_fused_candidate_shows_every_trait(result: CandidateList) -> None:
    best = result[0]
    parts = {"fingerprint 2": 3.1, result.modality: 1.6}
    fused = dataclasses.replace(best, why=dict.fromkeys(parts, best.why), parts=parts)
    text = page(sheet(dataclasses.replace(result, candidates=(fused,), modality="fusion")))
    assert "<h3>Fingerprint 2</h3>" in text
    assert "What each part contributed" in text
    read(text)


def test_decisions_replace_the_empty_form(result: CandidateList) -> None:
    decision = Decision("1002", "exclusion", "m.weber", "j.ito", "exclusion", "2026-11-21")
    text = page(sheet(result, decisions=[decision]))
    assert "<b>Exclusion</b>, m.weber, 2026-11-21." in text
    assert text.count("Examiner, date, signature") == 1


def test_json_has_the_same_content(result: CandidateList, picture: Any) -> None:
    content = json.loads(json.dumps(plain(sheet(result, probe=Sample("x", image=picture)))))
    assert [line["candidate"]["subject"] for line in content["lines"]] == ["<b>1001</b>", "1002"]
    assert content["lines"][1]["candidate"]["fmr"] is None
    assert content["lines"][0]["support"] == "very strong support for the same source"


def test_writing_leaves_no_partial_file(result: CandidateList, tmp_path: Path) -> None:
    path = write(sheet(result), tmp_path / "deep" / "r.html")
    assert [entry.name for entry in path.parent.iterdir()] == ["r.html"]


def test_the_index_links_every_report(tmp_path: Path) -> None:
    row = {
        "file": "a.html", "probe": "a.png", "modality": "face", "subject": "1", "log10_lr": 3.2,
        "expected_false": 0.2, "support": "strong support", "complete": False, "candidates": 3,
    }  # fmt: skip
    path = write_index(
        tmp_path / "index.html", [row], facts={"Probes": "1"}, errors=[{"item": "b", "error": "c"}]
    )
    checker = read(path.read_text(encoding="utf-8"))
    assert "a.html" in [a.get("href") for tag, a in checker.tags if tag == "a"]
    assert "search incomplete" in path.read_text(encoding="utf-8")


def relative_luminance(colour: str) -> float:
    """WCAG 2.1 relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ("soft", "paper"), ("soft", "wash"), ("accent", "paper"), ("brand", "paper"),
        ("warn-ink", "warn-wash"), ("same-ink", "same"), ("near-ink", "near"),
        ("different-ink", "different"), ("missing-ink", "missing"),
    ],
)  # fmt: skip
def test_text_has_the_contrast_that_wcag_aa_asks(ink: str, paper: str) -> None:
    style = (Path(write.__code__.co_filename).parent / "templates" / "style.css").read_text()
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", style))
    light, dark = sorted(map(relative_luminance, (colours[ink], colours[paper])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("impression", list(ImpressionType))
def test_a_probe_that_the_calibration_does_not_cover_is_named(
    result: CandidateList, impression: ImpressionType
) -> None:
    probe = Sample(result.modality, impression=impression)
    text = " ".join(read(page(sheet(result, probe=probe))).words)
    covered = impression in {ImpressionType.PLAIN, ImpressionType.UNKNOWN}
    said = "were fitted on plain prints" in text
    assert said == (result.modality == "fingerprint" and not covered)
    assert ("latents score lower" in text) == (said and impression is ImpressionType.LATENT)
