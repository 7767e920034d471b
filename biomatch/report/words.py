"""Scores in words, for readers who are not statisticians.

The verbal scale for likelihood ratios is the example scale of the *ENFSI Guideline for
Evaluative Reporting in Forensic Science* (European Network of Forensic Science Institutes,
version 3.0, 2015, guidance note 4).
"""

import math
from datetime import UTC, datetime

from biomatch.types import Coverage, FingerPosition, ImpressionType

__all__ = [
    "SCALE",
    "caution",
    "chance",
    "covered",
    "detail",
    "finger",
    "lead",
    "likelihood",
    "modality",
    "number",
    "rarity",
    "support",
    "when",
]

SCALE = "ENFSI 2015 verbal scale"
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LEAST_FMR = 1e-9
"""No calibration data carry a smaller false match rate; the wording goes no further."""
STEPS = (
    (6.0, "extremely strong support"),
    (4.0, "very strong support"),
    (3.0, "strong support"),
    (2.0, "moderately strong support"),
    (1.0, "moderate support"),
    (math.log10(2), "weak support"),
)


def support(log10_lr: float) -> str:
    """Name the support that a likelihood ratio lends, on the ENFSI 2015 scale.

    >>> support(4.5)
    'very strong support for the same source'
    >>> support(-2.3)
    'moderately strong support for different sources'
    >>> support(0.1)
    'no support for either proposition'
    """
    if math.isnan(log10_lr):
        return "not calibrated"
    side = "the same source" if log10_lr > 0 else "different sources"
    for least, words in STEPS:
        if abs(log10_lr) >= least:
            return f"{words} for {side}"
    return "no support for either proposition"


def number(value: float) -> str:
    """Write a positive number as a reader expects it.

    >>> number(12345), number(4.2e9), number(2.34), number(3.1e17)
    ('12,300', '4.2 billion', '2.3', '3.1 × 10¹⁷')
    """
    if not math.isfinite(value) or value <= 0:
        return str(value)
    if value < 10:
        return f"{value:.2g}"
    if value < 1e6:
        digits = 3 - len(str(int(value)))
        return f"{round(value, digits):,.0f}"
    for least, word in ((1e9, "billion"), (1e6, "million")):
        if least <= value < least * 1000:
            return f"{value / least:.3g} {word}"
    return _power(math.log10(value))


def _power(log10: float) -> str:
    exponent = math.floor(log10)
    return f"{10 ** (log10 - exponent):.1f} × 10{str(exponent).translate(SUPERSCRIPT)}"


def likelihood(log10_lr: float) -> str:
    """Say what a likelihood ratio means, in one sentence.

    >>> likelihood(3.0).partition(" if ")[0]
    'The findings are about 1,000 times more likely'
    """
    if math.isnan(log10_lr):
        return "This score has no calibrated likelihood ratio."
    if math.isinf(log10_lr):
        return "The findings exclude the same source under the stated model."
    same, other = "the same person", "different people"
    if log10_lr < 0:
        same, other = other, same
    size = abs(log10_lr)
    times = _power(size) if size > 300 else number(10**size)
    return (
        f"The findings are about {times} times more likely if both come from {same} than if "
        f"they come from {other}."
    )


def rarity(fmr: float) -> str:
    """Say what a false match rate means.

    >>> rarity(1e-4)
    'about 1 in 10,000 comparisons of different people scores this high'
    >>> rarity(1e-30).partition(" comparisons")[0]
    'fewer than 1 in 1 billion'
    """
    if math.isnan(fmr):
        return "no false match rate is known for this score"
    if fmr < LEAST_FMR:
        return (
            "fewer than 1 in 1 billion comparisons of different people scores this high, as far "
            "as the calibration data can be extrapolated"
        )
    return f"about 1 in {number(1 / fmr)} comparisons of different people scores this high"


def chance(expected: float, records: int) -> str:
    """Say how many chance candidates a search of this size brings.

    >>> chance(0.03, 300)
    '0.03 people expected by chance among 300 records'
    """
    if math.isnan(expected):
        return f"not known for this score among {records:,} records"
    told = "fewer than 0.001" if expected < 0.001 else f"{expected:.2g}"
    if expected >= 10:
        told = number(expected)
    return f"{told} people expected by chance among {records:,} records"


def modality(name: str) -> str:
    """Name a modality as a reader does.

    >>> modality("dna"), modality("face")
    ('DNA profile', 'face')
    """
    return {"dna": "DNA profile", "": "several traits"}.get(name, name)


def lead(kind: str, probe: str, records: int, candidates: int) -> str:
    """Say in plain words what was done, for readers who see such a page for the first time.

    >>> lead("face", "a.jpg", 1200, 1)
    'The face in a.jpg was compared with 1,200 enrolled records. The person most like it is listed.'
    """
    what = {"face": f"The face in {probe}", "dna": f"The DNA profile {probe}"}.get(
        kind, f"The {modality(kind)} {probe}"
    )
    if candidates == 0:
        found = "Nobody in them is like it enough to be listed."
    elif candidates == 1:
        found = "The person most like it is listed."
    else:
        found = f"The {candidates} people most like it are listed, best first."
    return f"{what} was compared with {records:,} enrolled records. {found}"


def covered(coverage: Coverage) -> str:
    """Say how much of the gallery was searched.

    >>> covered(Coverage(200, 200)), covered(Coverage(150, 200, 3, 4))
    ('all 200 records', '150 of 200 records, in 3 of 4 parts')
    """
    searched, total = coverage.records_searched, coverage.records_total
    if coverage.complete:
        return f"all {total:,} records"
    parts = f"{coverage.shards_searched} of {coverage.shards_total} parts"
    return f"{searched:,} of {total:,} records, in {parts}"


def detail(penetration: float) -> str:
    """Say how many records were compared in detail, and what became of the others.

    >>> detail(1.0), detail(0.005)
    ('all records', '0.5% of the records; the others dropped out in a quick first comparison')
    """
    if penetration >= 1:
        return "all records"
    share = f"{100 * penetration:.3g}%"
    return f"{share} of the records; the others dropped out in a quick first comparison"


def when(moment: datetime) -> str:
    """Write a moment for readers.

    >>> when(datetime(2026, 11, 26, 1, 2, 3, tzinfo=UTC))
    '2026-11-26 01:02:03 UTC'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def caution(kind: str, impression: ImpressionType) -> str:
    """Say when a probe is of a kind that its calibration does not cover; empty = nothing to say.

    >>> caution("fingerprint", ImpressionType.PLAIN)
    ''
    """
    if kind != "fingerprint" or impression in {ImpressionType.PLAIN, ImpressionType.UNKNOWN}:
        return ""
    name = {ImpressionType.PALM: "palm print", ImpressionType.ROLLED: "rolled print"}
    tail = {
        ImpressionType.LATENT: "latents score lower, so a true candidate may look weak or be absent"
    }.get(impression, "read them with care")
    return (
        f"Likelihood ratios and error rates below were fitted on plain prints, and this probe is a "
        f"{name.get(impression, 'latent')}: {tail}."
    )


def finger(position: int) -> str:
    """Name a friction ridge position code of ANSI/NIST-ITL.

    >>> finger(2), finger(0)
    ('right index', '')
    """
    if position == 0:
        return ""
    try:
        return FingerPosition(position).name.replace("_", " ").lower()
    except ValueError:
        return f"position {position}"
