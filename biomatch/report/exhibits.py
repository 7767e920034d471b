"""What is shown of one comparison: two pictures with marks, or a table of loci.

`Candidate.why` comes from the pipelines as plain JSON; here it becomes geometry that page and
overlay draw alike. Unknown shapes (a plug-in's) are shown as a list of names and values.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from biomatch.report.pictures import Embedded

__all__ = ["PALETTE", "Exhibit", "Link", "LocusRow", "Mark", "Panel", "exhibit"]

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc3399", "#8a6d00", "#5a4fcf", "#00788c", "#a02c2c")
"""Link colours; based on Okabe & Ito's set for colour-blind readers, darkened for contrast."""
TICK = 14.0
"""Length of a minutia's direction mark, in pixels at 500 ppi."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One minutia or landmark on a panel, in panel pixels; `tip` ends its direction mark."""

    x: float
    y: float
    tip_x: float
    tip_y: float
    kind: str = "ending"
    pair: int | None = None
    colour: str = "#5c6773"


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture with its marks.

    Attributes
    ----------
    title, alt
        Caption, and what a reader who sees no pictures is told.
    width, height
        Coordinate system of the marks.
    picture
        None when there is none or it is withheld.
    box
        (x, y, width, height) of a face, or None.
    crop
        The aligned face as the comparison saw it, if there is one.
    """

    title: str
    alt: str
    width: float
    height: float
    picture: Embedded | None = None
    marks: tuple[Mark, ...] = ()
    box: tuple[float, ...] | None = None
    crop: Embedded | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A matched pair of marks: number, colour, and both positions."""

    number: int
    colour: str
    probe: Mark
    reference: Mark


@dataclass(frozen=True, slots=True)
class LocusRow:
    """One locus of a DNA comparison."""

    locus: str
    probe: str
    reference: str
    outcome: str
    tone: str
    log10_lr: float | None = None


@dataclass(frozen=True, slots=True)
class Exhibit:
    """Everything shown of one comparison."""

    kind: str
    panels: tuple[Panel, ...] = ()
    links: tuple[Link, ...] = ()
    loci: tuple[LocusRow, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def exhibit(
    modality: str,
    why: Mapping[str, Any],
    probe: Embedded | None,
    reference: Embedded | None,
    *,
    names: tuple[str, str] = ("Probe", "Candidate"),
) -> Exhibit:
    """Arrange one comparison for display."""
    if "loci" in why:
        return _dna(why)
    if "pairs" in why:
        return _fingerprint(why, probe, reference, names)
    if modality == "face":
        return _face(why, probe, reference, names)
    pictures = ((names[0], probe), (names[1], reference))
    panels = tuple(_bare(name, picture) for name, picture in pictures if picture)
    return Exhibit("other", panels, facts=_facts(why))


def _bare(title: str, picture: Embedded) -> Panel:
    return Panel(title, f"{title}: picture of the sample", picture.width, picture.height, picture)


def _facts(why: Mapping[str, Any]) -> dict[str, str]:
    shown = {}
    for key, value in why.items():
        if isinstance(value, float):
            shown[key.replace("_", " ")] = f"{value:.4g}"
        elif isinstance(value, str | int):
            shown[key.replace("_", " ")] = str(value)
    return shown


def _fingerprint(
    why: Mapping[str, Any],
    probe: Embedded | None,
    reference: Embedded | None,
    names: tuple[str, str],
) -> Exhibit:
    pairs = [(int(pair[0]), int(pair[1])) for pair in why["pairs"]]
    left = _marks(why["probe"]["minutiae"], {i: n for n, (i, _) in enumerate(pairs)})
    right = _marks(why["reference"]["minutiae"], {j: n for n, (_, j) in enumerate(pairs)})
    panels = tuple(
        _ridge_panel(title, side, marks, picture, len(pairs))
        for title, side, marks, picture in (
            (names[0], why["probe"], left, probe),
            (names[1], why["reference"], right, reference),
        )
    )
    links = tuple(
        Link(n + 1, PALETTE[n % len(PALETTE)], left[i], right[j]) for n, (i, j) in enumerate(pairs)
    )
    facts = {
        "minutiae in the probe": str(len(left)),
        "minutiae in the candidate": str(len(right)),
        "corresponding minutiae": str(len(pairs)),
    }
    return Exhibit("fingerprint", panels, links, facts=facts)


def _ridge_panel(
    title: str,
    side: Mapping[str, Any],
    marks: Sequence[Mark],
    picture: Embedded | None,
    pairs: int,
) -> Panel:
    width, height = float(side["width"]), float(side["height"])
    alt = f"{title}: friction ridge impression with {len(marks)} minutiae, {pairs} of them matched"
    return Panel(title, alt, width, height, picture, tuple(marks))


def _marks(minutiae: Sequence[Any], paired: Mapping[int, int]) -> list[Mark]:
    return [_mark(minutia, paired.get(index)) for index, minutia in enumerate(minutiae)]


def _mark(minutia: Any, pair: int | None) -> Mark:
    if isinstance(minutia, Mapping):
        x, y, angle = (float(minutia[key]) for key in ("x", "y", "angle"))
        kind = str(minutia.get("type", "ending"))
    else:
        x, y, angle = (float(value) for value in minutia[:3])
        kind = str(minutia[3]) if len(minutia) > 3 else "ending"
    kind = "bifurcation" if kind in {"1", "2", "bifurcation"} else "ending"
    tip_x, tip_y = x + TICK * math.cos(angle), y - TICK * math.sin(angle)
    if pair is None:
        return Mark(x, y, tip_x, tip_y, kind)
    return Mark(x, y, tip_x, tip_y, kind, pair + 1, PALETTE[pair % len(PALETTE)])


def _face(
    why: Mapping[str, Any],
    probe: Embedded | None,
    reference: Embedded | None,
    names: tuple[str, str],
) -> Exhibit:
    panels = []
    for title, key, picture in ((names[0], "probe", probe), (names[1], "reference", reference)):
        side = why.get(key)
        if picture is None:
            continue
        found: Mapping[str, Any] = side if isinstance(side, Mapping) else {}
        points = found.get("landmarks") or found.get("points") or ()
        marks = tuple(Mark(float(x), float(y), float(x), float(y), "point") for x, y in points)
        box = found.get("box")
        panels.append(
            Panel(
                title,
                f"{title}: photograph with the compared face framed",
                picture.width,
                picture.height,
                picture,
                marks,
                tuple(float(value) for value in box) if box else None,
            )
        )
    return Exhibit("face", tuple(panels), facts=_facts(why))


TONES = {
    "match": "same",
    "same": "same",
    "identical": "same",
    "mismatch": "different",
    "different": "different",
    "missing": "missing",
    "not compared": "missing",
}


def _dna(why: Mapping[str, Any]) -> Exhibit:
    rows = tuple(_locus(row) for row in why["loci"])
    facts = _facts({key: value for key, value in why.items() if key != "loci"})
    return Exhibit("dna", loci=rows, facts=facts)


def _locus(row: Mapping[str, Any]) -> LocusRow:
    outcome = str(row.get("outcome") or row.get("class") or row.get("result") or "")
    tone = TONES.get(outcome, "near")
    if outcome.startswith("missing"):
        tone = "missing"
    value = row.get("log10_lr")
    return LocusRow(
        locus=str(row["locus"]),
        probe=_alleles(row.get("probe")),
        reference=_alleles(row.get("reference")),
        outcome=outcome.replace("_", " "),
        tone=tone,
        log10_lr=float(value) if value is not None and math.isfinite(value) else None,
    )


def _alleles(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else ", ".join(str(allele) for allele in value)
