"""What is shown of one comparison: two pictures with marks, or a table of loci.

`Candidate.why` comes from the pipelines as plain JSON; here it becomes geometry that page and
overlay draw alike. Unknown shapes (a plug-in's) are shown as a list of names and values.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.report import words
from biomatch.report.pictures import Embedded, embed

__all__ = ["PALETTE", "Exhibit", "Link", "LocusRow", "Mark", "Panel", "exhibit"]

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc3399", "#8a6d00", "#5a4fcf", "#00788c", "#a02c2c")
"""Link colours; based on Okabe & Ito's set for colour-blind readers, darkened for contrast."""
BIFURCATION = 1
FACE_POINTS = 5
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
    """One locus of a DNA comparison; `rarity` says how common the probe's alleles are."""

    locus: str
    probe: str
    reference: str
    outcome: str
    tone: str
    rarity: str = ""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """Everything shown of one comparison."""

    kind: str
    panels: tuple[Panel, ...] = ()
    links: tuple[Link, ...] = ()
    loci: tuple[LocusRow, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


Pixels = NDArray[Any]


def exhibit(
    why: Mapping[str, Any],
    probe: Pixels | None,
    reference: Pixels | None,
    *,
    names: tuple[str, str] = ("Probe", "Candidate"),
) -> Exhibit:
    """Arrange one comparison for display.

    Parameters
    ----------
    why
        `Candidate.why`, or one trait's part of it.
    probe, reference
        Pictures, (H, W) or (H, W, 3), or None where there is none to show.
    names
        Captions of the two sides.
    """
    if "comparison" in why:
        return _dna(why)
    if "pairs" in why:
        return _fingerprint(why, probe, reference, names)
    if "box" in (why.get("probe") or ()):
        return _face(why, probe, reference, names)
    pictures = ((names[0], probe), (names[1], reference))
    panels = tuple(_bare(name, embed(pixels)) for name, pixels in pictures if pixels is not None)
    return Exhibit("other", panels, facts=_facts(why))


def _bare(title: str, picture: Embedded) -> Panel:
    return Panel(title, f"{title}: picture of the sample", picture.width, picture.height, picture)


def _facts(why: Mapping[str, Any]) -> dict[str, str]:
    shown = {}
    for key, value in why.items():
        name = key.replace("_", " ")
        if isinstance(value, float):
            shown[name] = f"{value:.4g}"
        elif isinstance(value, str | int):
            shown[name] = str(value)
        elif isinstance(value, Mapping) and all(isinstance(v, float) for v in value.values()):
            shown |= {f"{name} ({key})": f"{number:.3f}" for key, number in value.items()}
    return shown


def _fingerprint(
    why: Mapping[str, Any],
    probe: Pixels | None,
    reference: Pixels | None,
    names: tuple[str, str],
) -> Exhibit:
    pairs = [(int(pair[0]), int(pair[1])) for pair in why["pairs"]]
    left = _minutiae(why["probe"], {i: n for n, (i, _) in enumerate(pairs)})
    right = _minutiae(why["reference"], {j: n for n, (_, j) in enumerate(pairs)})
    panels = tuple(
        _ridge_panel(title, size, marks, pixels, len(pairs))
        for title, size, marks, pixels in (
            (names[0], why["probe_size"], left, probe),
            (names[1], why["reference_size"], right, reference),
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
    if "rotation_degrees" in why:
        facts["turned by"] = f"{why['rotation_degrees']:.0f}°"
    return Exhibit("fingerprint", panels, links, facts=facts)


def _ridge_panel(
    title: str, size: Sequence[float], marks: Sequence[Mark], pixels: Pixels | None, pairs: int
) -> Panel:
    alt = f"{title}: friction ridge impression with {len(marks)} minutiae, {pairs} of them matched"
    picture = embed(pixels) if pixels is not None else None
    return Panel(title, alt, float(size[0]), float(size[1]), picture, tuple(marks))


def _minutiae(rows: Sequence[Sequence[float]], paired: Mapping[int, int]) -> list[Mark]:
    return [_minutia(row, paired.get(index)) for index, row in enumerate(rows)]


def _minutia(row: Sequence[float], pair: int | None) -> Mark:
    x, y, angle, kind = row[:4]
    name = "bifurcation" if round(kind) == BIFURCATION else "ending"
    tip_x, tip_y = x + TICK * math.cos(angle), y - TICK * math.sin(angle)
    if pair is None:
        return Mark(x, y, tip_x, tip_y, name)
    return Mark(x, y, tip_x, tip_y, name, pair + 1, PALETTE[pair % len(PALETTE)])


def _face(
    why: Mapping[str, Any],
    probe: Pixels | None,
    reference: Pixels | None,
    names: tuple[str, str],
) -> Exhibit:
    sides = ((names[0], "probe", probe), (names[1], "reference", reference))
    panels = tuple(
        _face_panel(title, why.get(key) or {}, pixels)
        for title, key, pixels in sides
        if pixels is not None
    )
    left_out = {"probe", "reference", "cosine"}
    facts = _facts({key: value for key, value in why.items() if key not in left_out})
    cosines = why.get("cosine")
    for model, cosine in cosines.items() if isinstance(cosines, Mapping) else ():
        facts[f"similarity of these two pictures by {model}"] = f"{cosine:.3f} (at most 1)"
    for _, key, _ in sides:
        side = why.get(key) or {}
        if "quality" in side:
            reasons = "; ".join(side.get("reasons") or ()) or "nothing against it"
            name = "candidate" if key == "reference" else key
            facts[f"quality of the {name}"] = f"{side['quality']:.0f} of 100 ({reasons})"
    return Exhibit("face", panels, facts=facts)


def _face_panel(title: str, side: Mapping[str, Any], pixels: Pixels) -> Panel:
    picture = embed(pixels)
    points = side.get("landmarks") or ()
    box = side.get("box")
    return Panel(
        title,
        f"{title}: photograph with the compared face framed",
        picture.width,
        picture.height,
        picture,
        tuple(Mark(float(x), float(y), float(x), float(y), "point") for x, y in points),
        tuple(float(value) for value in box) if box else None,
        _chip(pixels, points),
    )


def _chip(pixels: Pixels, points: Sequence[Sequence[float]]) -> Embedded | None:
    """Cut the face out as the recogniser saw it."""
    if len(points) != FACE_POINTS:
        return None
    from biomatch.face.alignment import align
    from biomatch.images import to_rgb

    return embed(align(to_rgb(pixels), np.array(points), "arcface-112"))


TONES = {
    "match": "same",
    "mismatch": "different",
    "missing in probe": "missing",
    "missing in reference": "missing",
}


def _dna(why: Mapping[str, Any]) -> Exhibit:
    comparison = why["comparison"]
    rarity = why.get("rarity")
    rarity = rarity if isinstance(rarity, Mapping) else {}
    common = {row["locus"]: row["rmp"] for row in rarity.get("loci", ())}
    rows = tuple(_locus(row, common.get(row["locus"])) for row in comparison["loci"])
    facts = {
        "result": f"{comparison['hit']} under the rule {comparison['rule']}",
        "loci": f"{comparison['matched']} of {comparison['compared']} compared loci match",
    }
    missing = {"probe": comparison["missing_probe"], "candidate": comparison["missing_reference"]}
    for side, count in missing.items():
        if count:
            facts[f"missing in the {side}"] = f"{count} loci"
    if rarity.get("rmp"):
        facts["random match probability"] = (
            f"1 in {words.number(1 / rarity['rmp'])} unrelated people (frequencies "
            f"{rarity['table']}, theta {rarity['theta']}, formula {rarity['formula']})"
        )
    kinship = why.get("kinship")
    if isinstance(kinship, Mapping):
        facts |= {f"kinship {name}": value for name, value in _facts(kinship).items()}
    return Exhibit("dna", loci=rows, facts=facts)


def _locus(row: Mapping[str, Any], rmp: float | None) -> LocusRow:
    outcome = str(row["result"])
    return LocusRow(
        locus=str(row["locus"]),
        probe=", ".join(row.get("probe") or ()),
        reference=", ".join(row.get("reference") or ()),
        outcome=outcome,
        tone=TONES.get(outcome, "near"),
        rarity=f"1 in {words.number(1 / rmp)}" if rmp else "",
    )
