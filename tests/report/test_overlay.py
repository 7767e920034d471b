"""PNG overlays show what the page shows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biomatch.report import overlay, sheet
from biomatch.types import CandidateList, Sample


def drawn(result: CandidateList, picture: Any) -> Any:
    content = sheet(
        result, probe=Sample(result.modality, image=picture), picture_of=lambda _: picture
    )
    return content.lines[0].exhibits[""]


def test_marks_links_and_boxes_are_drawn(result: CandidateList, picture: Any) -> None:
    exhibit = drawn(result, picture)
    canvas = overlay.draw(exhibit)
    if result.modality == "dna":
        assert canvas is None
        return
    scale = overlay.SCALE if exhibit.links else 1
    assert canvas is not None
    assert canvas.size == (2 * 120 * scale + overlay.GAP, 140 * scale)
    pixels = np.asarray(canvas).astype(int)
    coloured = (pixels.max(axis=2) - pixels.min(axis=2)) > 40
    assert coloured.sum() > 100  # the ramp itself is grey
    if exhibit.links:
        assert coloured[:, 120 * scale : 120 * scale + overlay.GAP].any()  # links cross the gap


@pytest.mark.parametrize("result", ["face"], indirect=True)
def test_the_file_is_a_png(result: CandidateList, picture: Any, tmp_path: Path) -> None:
    path = overlay.write(drawn(result, picture), tmp_path / "o" / "x.png")
    assert path is not None
    assert path.read_bytes().startswith(b"\x89PNG")
