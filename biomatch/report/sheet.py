"""The content of one candidate report, before it becomes a page, pictures or JSON."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from numpy.typing import NDArray

from biomatch.report import words
from biomatch.report.exhibits import Exhibit, exhibit
from biomatch.report.pictures import Embedded, embed, of_sample
from biomatch.types import Candidate, CandidateList, Sample

__all__ = ["DETAILED", "Decision", "Line", "Sheet", "probe_name", "sheet"]

DETAILED = 5
"""How many candidates are shown with pictures unless asked otherwise."""

PictureOf = Callable[[Candidate], NDArray[Any] | None]


@dataclass(frozen=True, slots=True)
class Decision:
    """What an examiner concluded about one candidate."""

    subject: str
    conclusion: str
    examiner: str
    second_examiner: str | None = None
    second_conclusion: str | None = None
    decided: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One candidate: its figures, the same in words, and an exhibit a compared trait."""

    candidate: Candidate
    finger: str
    support: str
    meaning: str
    rarity: str
    chance: str
    exhibits: Mapping[str, Exhibit] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that a report says; images are held only by the exhibits.

    Attributes
    ----------
    result
        The candidate list itself.
    lines
        One a candidate, in rank order.
    probe_picture
        The probe, unless redacted or without picture.
    facts
        Name -> value of the summary block.
    models
        Rows of name, sha256 and licence of the models behind the scores.
    redacted
        True when pictures were withheld.
    caution
        What the reader must know of the probe before the figures; empty = nothing.
    """

    result: CandidateList
    lines: tuple[Line, ...]
    created: str
    case: str = ""
    purpose: str = ""
    actor: str = ""
    probe_picture: Embedded | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    models: tuple[Mapping[str, str], ...] = ()
    redacted: bool = False
    caution: str = ""

    @property
    def probe(self) -> str:
        """Name of the probe, without the folders it lay in."""
        return probe_name(self.result)

    @property
    def pictures(self) -> tuple[Embedded, ...]:
        """Every picture that the page shows, each once."""
        shown = [self.probe_picture]
        for line in self.lines:
            for exhibit_ in line.exhibits.values():
                for panel in exhibit_.panels:
                    shown += [panel.picture, panel.crop]
        return tuple({picture.key: picture for picture in shown if picture}.values())


def sheet(
    result: CandidateList,
    *,
    probe: Sample | None = None,
    picture_of: PictureOf | None = None,
    decisions: Sequence[Decision] = (),
    models: Sequence[Mapping[str, str]] = (),
    details: int = DETAILED,
    redact: bool = False,
    case: str = "",
    purpose: str = "",
    actor: str = "",
) -> Sheet:
    """Gather a report's content.

    Parameters
    ----------
    result
        What a search returned.
    probe
        The searched sample, for its picture.
    picture_of
        Gives a candidate's stored picture, or None.
    decisions
        Examiners' decisions that exist already.
    models
        Rows with the keys name, sha256, licence.
    details
        Candidates shown with pictures.
    redact
        Leave out all pictures.
    case, purpose, actor
        As stated in the audit trail.
    """
    pixels = None if redact else of_sample(probe)
    lines = []
    for candidate in result:
        detailed = candidate.rank <= details
        stored = picture_of(candidate) if detailed and picture_of and not redact else None
        lines.append(_line(result, candidate, pixels, stored, decisions, detailed=detailed))
    return Sheet(
        result=result,
        lines=tuple(lines),
        created=words.when(datetime.now(UTC)),
        case=case,
        purpose=purpose,
        actor=actor,
        probe_picture=embed(pixels) if pixels is not None else None,
        facts=_facts(result),
        models=tuple(models),
        redacted=redact,
        caution=words.caution(result.modality, probe.impression) if probe else "",
    )


def _line(
    result: CandidateList,
    candidate: Candidate,
    probe: NDArray[Any] | None,
    picture: NDArray[Any] | None,
    decisions: Sequence[Decision],
    *,
    detailed: bool,
) -> Line:
    exhibits = _exhibits(candidate, probe, picture) if detailed else {}
    return Line(
        candidate=candidate,
        finger=words.finger(candidate.finger_position),
        support=words.support(candidate.log10_lr),
        meaning=words.likelihood(candidate.log10_lr),
        rarity=words.rarity(candidate.fmr),
        chance=words.chance(candidate.expected_false, result.coverage.records_total),
        exhibits=exhibits,
        decisions=tuple(d for d in decisions if d.subject == candidate.subject),
    )


def _exhibits(
    candidate: Candidate,
    probe: NDArray[Any] | None,
    picture: NDArray[Any] | None,
) -> dict[str, Exhibit]:
    names = ("Probe", f"Candidate {candidate.rank}: {candidate.subject}")
    why = candidate.why
    several = bool(why) and set(why) <= set(candidate.parts)
    if not several:
        return {"": exhibit(why, probe, picture, names=names)}
    # One picture cannot stand for several traits: their marks are shown without.
    return {trait: exhibit(reasons, None, None, names=names) for trait, reasons in why.items()}


def probe_name(result: CandidateList) -> str:
    """Return the probe's name without the folders it lay in."""
    return PurePath(result.probe).name or result.probe


def _facts(result: CandidateList) -> dict[str, str]:
    coverage = result.coverage
    seconds = result.timings.get("total") or math.fsum(result.timings.values())
    facts = {
        "Probe": probe_name(result),
        "Modality": words.modality(result.modality),
        "Searched": words.covered(coverage),
        "Complete": "yes" if coverage.complete else "NO: an absent candidate proves nothing",
        "Compared in detail": words.detail(result.penetration),
        "Candidates": str(len(result)),
        "State of the database": f"number {result.generation:,}",
        "Audit reference": result.search_id or "none (not searched on a database)",
    }
    if coverage.missing:
        facts["Missing"] = ", ".join(coverage.missing)
    if seconds:
        facts["Search time"] = f"{seconds:.2f} s"
    return facts
