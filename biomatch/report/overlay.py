"""The same comparison as one PNG: both pictures side by side, marks and links drawn in."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from biomatch.report.exhibits import Exhibit, Mark, Panel
from biomatch.report.pictures import Embedded

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

__all__ = ["draw", "write"]

GAP = 24
SCALE = 2
"""Output pixels per panel pixel for ridge impressions, so that marks stay thin."""
FADE = 0.55
"""How much of the ridges' contrast is kept under the marks."""


def draw(exhibit: Exhibit) -> "Image | None":
    """Draw an exhibit; None when it has no panels (DNA)."""
    from PIL import Image, ImageDraw

    if not exhibit.panels:
        return None
    scale = SCALE if exhibit.links else 1
    sizes = [(round(p.width * scale), round(p.height * scale)) for p in exhibit.panels]
    width = sum(size[0] for size in sizes) + GAP * (len(sizes) - 1)
    canvas = Image.new("RGB", (width, max(size[1] for size in sizes)), "white")
    pen = ImageDraw.Draw(canvas)
    offsets = []
    left = 0
    for panel, size in zip(exhibit.panels, sizes, strict=True):
        _paste(canvas, panel, size, left, faded=bool(exhibit.links))
        _marks(pen, panel, left, scale)
        offsets.append(left)
        left += size[0] + GAP
    for link in exhibit.links:
        start = (offsets[0] + link.probe.x * scale, link.probe.y * scale)
        end = (offsets[1] + link.reference.x * scale, link.reference.y * scale)
        pen.line([start, end], fill=link.colour, width=1)
    return canvas


def write(exhibit: Exhibit, path: Path) -> Path | None:
    """Write the overlay as PNG; None when there is nothing to draw."""
    canvas = draw(exhibit)
    if canvas is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path, "PNG")
    return path


def _paste(canvas: "Image", panel: Panel, size: tuple[int, int], left: int, *, faded: bool) -> None:
    from PIL import Image

    if panel.picture is None:
        return
    picture = _decode(panel.picture).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    if faded:
        picture = Image.blend(Image.new("RGB", size, "white"), picture, FADE)
    canvas.paste(picture, (left, 0))


def _decode(picture: Embedded) -> "Image":
    from PIL import Image

    data = base64.b64decode(picture.uri.partition(",")[2])
    return Image.open(io.BytesIO(data))


def _marks(pen: "ImageDraw", panel: Panel, left: int, scale: int) -> None:
    if panel.box:
        x, y, width, height = (value * scale for value in panel.box)
        pen.rectangle([left + x, y, left + x + width, y + height], outline="#0b5394", width=2)
    for mark in panel.marks:
        _mark(pen, mark, left, scale)


def _mark(pen: "ImageDraw", mark: Mark, left: int, scale: int) -> None:
    x, y, reach = left + mark.x * scale, mark.y * scale, 3 * scale
    frame = [x - reach, y - reach, x + reach, y + reach]
    if mark.kind == "bifurcation":
        pen.rectangle(frame, outline=mark.colour, width=2)
    else:
        pen.ellipse(frame, outline=mark.colour, width=2)
    pen.line([x, y, left + mark.tip_x * scale, mark.tip_y * scale], fill=mark.colour, width=2)
    if mark.pair:
        pen.text((x + reach + 1, y - 5 * scale), str(mark.pair), fill=mark.colour)
