"""Match rules in plain Python: this module is their definition.

Kernels and indexes elsewhere are tested against `compare`; it is written to be read, not to be
fast. A wildcard (``*``, ``F``, ``R``, ``OL``) or open-ended allele (``<x``, ``>x``) stands for
one allele nobody knows: two loci match when *some* choice of the unknown alleles makes them
match.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from biomatch.dna.alleles import is_exact, is_wildcard, neighbours, tenths
from biomatch.dna.loci import BY_NAME, sort_loci
from biomatch.dna.profile import DnaProfile
from biomatch.dna.rules import RuleSet, Stringency, rule_set

__all__ = [
    "Comparison",
    "HitClass",
    "LocusComparison",
    "LocusResult",
    "compare",
    "compare_locus",
    "compatible",
    "contained",
    "locus_matches",
    "pruem_values",
]

Tokens = Sequence[str]


class LocusResult(StrEnum):
    """What the comparison of one locus says."""

    MATCH = "match"
    HOMO_HETERO = "homo/hetero"
    SHARED = "shared allele"
    WILDCARD = "wildcard"
    MICROVARIANT = "microvariant"
    MISMATCH = "mismatch"
    MISSING_PROBE = "missing in probe"
    MISSING_REFERENCE = "missing in reference"


class HitClass(StrEnum):
    """What the comparison of two profiles says."""

    IDENTITY_HIGH = "identity-high"
    IDENTITY_MODERATE = "identity-moderate"
    LOW = "low-stringency"
    NEAR = "near"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class LocusComparison:
    """One line of the locus table.

    Attributes
    ----------
    locus
        Canonical name.
    probe, reference
        Alleles on either side; empty when not typed.
    result
        Why the locus counts as it does.
    matches
        True when it counts as matching under the rule; False also for missing loci.
    deviations
        Pruem only: alleles that differ (microvariants included).
    """

    locus: str
    probe: tuple[str, ...]
    reference: tuple[str, ...]
    result: LocusResult
    matches: bool
    deviations: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two profiles compared under a rule, locus by locus.

    Attributes
    ----------
    rule
        Name of the rule set.
    loci
        All loci typed on at least one side.
    compared, matched, mismatched
        Numbers of loci; ``compared == matched + mismatched``.
    missing_probe, missing_reference
        Loci typed on the other side only.
    hit
        Hit class; `HitClass.NONE` when the rule's limits are not met.
    quality
        Pruem quality class 1 to 4, None without a hit or under other rules.
    """

    rule: str
    loci: tuple[LocusComparison, ...]
    compared: int
    matched: int
    mismatched: int
    missing_probe: int
    missing_reference: int
    hit: HitClass
    quality: int | None = None

    @property
    def is_hit(self) -> bool:
        """True when the rule reports this pair."""
        return self.hit is not HitClass.NONE

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able form for candidate lists and reports."""
        return {
            "rule": self.rule,
            "hit": self.hit.value,
            "quality": self.quality,
            "compared": self.compared,
            "matched": self.matched,
            "mismatched": self.mismatched,
            "missing_probe": self.missing_probe,
            "missing_reference": self.missing_reference,
            "loci": [
                {
                    "locus": line.locus,
                    "probe": list(line.probe),
                    "reference": list(line.reference),
                    "result": line.result.value,
                }
                for line in self.loci
            ],
        }


def compatible(first: str, second: str) -> bool:
    """Tell whether two tokens may stand for the same allele.

    Examples
    --------
    >>> compatible("F", "12"), compatible("<9", "8"), compatible("9", "<9")
    (True, True, False)
    """
    if first == second or is_wildcard(first) or is_wildcard(second):
        return True
    if is_exact(first) and is_exact(second):
        return False
    below, above = _interval(first), _interval(second)
    return below[0] <= above[1] and above[0] <= below[1]


def _interval(token: str) -> tuple[int, int]:
    size = tenths(token) if token not in {"X", "Y"} else 0
    if token[0] == "<":
        return (0, size - 1)
    return (size + 1, 10_000) if token[0] == ">" else (size, size)


def contained(inner: Tokens, outer: Tokens) -> bool:
    """Tell whether all alleles of `inner` can be among those of `outer`.

    Every allele of `inner` needs a compatible one in `outer`; an unknown allele of `outer` can
    stand for only one value.
    """
    rest = [token for token in inner if token not in outer and not is_wildcard(token)]
    known = [token for token in outer if is_exact(token)]
    rest = [token for token in rest if is_exact(token) or not _any_compatible(token, known)]
    unknown = [token for token in outer if not is_exact(token)]
    return _assign(rest, unknown, {}) and (bool(outer) or not inner)


def _any_compatible(token: str, others: Tokens) -> bool:
    return any(compatible(token, other) for other in others)


def _assign(rest: list[str], unknown: list[str], taken: dict[int, list[str]]) -> bool:
    """Give each remaining token an unknown one that can stand for it (backtracking)."""
    if not rest:
        return True
    token = rest[0]
    for place, other in enumerate(unknown):
        holders = taken.get(place, [])
        fits = compatible(token, other) and all(compatible(token, held) for held in holders)
        if fits and _assign(rest[1:], unknown, {**taken, place: [*holders, token]}):
            return True
    return False


def locus_matches(probe: Tokens, reference: Tokens, stringency: Stringency) -> bool:
    """Tell whether a locus typed on both sides matches at a CODIS stringency.

    Examples
    --------
    >>> locus_matches(("13",), ("13", "14"), Stringency.MODERATE)
    True
    >>> locus_matches(("13",), ("13", "14"), Stringency.HIGH)
    False
    """
    if stringency is Stringency.LOW:
        return any(_any_compatible(token, reference) for token in probe)
    there, back = contained(probe, reference), contained(reference, probe)
    return there and back if stringency is Stringency.HIGH else there or back


def compare_locus(
    locus: str,
    probe: tuple[str, ...],
    reference: tuple[str, ...],
    stringency: Stringency,
    required: Tokens = (),
) -> LocusComparison:
    """Compare one locus and say why it matches or not.

    Parameters
    ----------
    locus
        Canonical name.
    probe, reference
        Alleles; empty = not typed.
    stringency
        The rule.
    required
        Target alleles that the reference must carry for the locus to match.
    """
    if not probe or not reference:
        side = LocusResult.MISSING_PROBE if not probe else LocusResult.MISSING_REFERENCE
        return LocusComparison(locus, probe, reference, side, matches=False)
    if stringency is Stringency.PRUEM:
        return _compare_pruem(locus, probe, reference)
    matches = locus_matches(probe, reference, stringency) and contained(required, reference)
    if not matches:
        return LocusComparison(locus, probe, reference, LocusResult.MISMATCH, matches=False)
    return LocusComparison(locus, probe, reference, _why(set(probe), set(reference)), matches=True)


def _why(probe: set[str], reference: set[str]) -> LocusResult:
    if not _all_exact(probe | reference):
        return _wild(probe, reference)
    if probe == reference:
        return LocusResult.MATCH
    if probe <= reference or reference <= probe:
        return LocusResult.HOMO_HETERO
    return LocusResult.SHARED


def _all_exact(tokens: set[str]) -> bool:
    return all(is_exact(token) for token in tokens)


def _wild(probe: set[str], reference: set[str]) -> LocusResult:
    """Name the wildcard only where it was needed: ``12`` in ``12, F`` needs none."""
    exact_probe = {token for token in probe if is_exact(token)}
    exact_reference = {token for token in reference if is_exact(token)}
    contained_anyway = (_all_exact(probe) and probe <= exact_reference) or (
        _all_exact(reference) and reference <= exact_probe
    )
    return LocusResult.HOMO_HETERO if contained_anyway else LocusResult.WILDCARD


def pruem_values(tokens: tuple[str, ...]) -> tuple[str, str]:
    """Write a locus as the two values that Pruem messages carry.

    Anything but a number becomes ``*``, as do the numbers 1 and 99; of more than two alleles the
    first is kept and ``*`` sent for the rest (2008/616/JHA, annex, chapter 1).

    Examples
    --------
    >>> pruem_values(("12",)), pruem_values(("12", "OL")), pruem_values(("9", "10", "11"))
    (('12', '12'), ('12', '*'), ('9', '*'))
    """
    values = [
        token if is_exact(token) and token not in {"1", "99", "X", "Y"} else "*" for token in tokens
    ]
    if len(values) == 1:
        return (values[0], values[0])
    if len(values) > 2:
        return (values[0], "*")
    first, second = sorted(values, key=lambda value: value == "*")
    return (first, second)


_WORST = (
    LocusResult.MATCH,
    LocusResult.WILDCARD,
    LocusResult.MICROVARIANT,
    LocusResult.MISMATCH,
)


def _value_result(first: str, second: str, repeat: int) -> int:
    """Rank of a pair of values in `_WORST`."""
    if "*" in (first, second):
        return 1
    if first == second:
        return 0
    return 2 if second in neighbours(first, repeat) else 3


def _compare_pruem(
    locus: str, probe: tuple[str, ...], reference: tuple[str, ...]
) -> LocusComparison:
    known = BY_NAME.get(locus)
    repeat = known.repeat if known else 4
    (a, b), (c, d) = pruem_values(probe), pruem_values(reference)
    pairings = (
        sorted((_value_result(a, c, repeat), _value_result(b, d, repeat)), reverse=True),
        sorted((_value_result(a, d, repeat), _value_result(b, c, repeat)), reverse=True),
    )
    best = min(pairings)
    deviations = sum(rank >= 2 for rank in best)
    result = _WORST[best[0]]
    return LocusComparison(locus, probe, reference, result, deviations == 0, deviations)


def compare(
    probe: DnaProfile, reference: DnaProfile, rules: RuleSet | str = "moderate"
) -> Comparison:
    """Compare two profiles under a rule set.

    Sex markers, Y and X loci never count. A locus typed on one side only is listed as missing
    there and counts neither way.

    Parameters
    ----------
    probe, reference
        The profiles; the probe's required alleles must all be the reference's.
    rules
        A rule set or its name: ``"high"``, ``"moderate"``, ``"low"``, ``"pruem-2008"``,
        ``"interpol-six"``.

    Examples
    --------
    The FBI's example of a moderate-stringency candidate (fact sheet, question 28), in part:

    >>> forensic = DnaProfile.from_alleles({"D8S1179": ("13",), "D21S11": ("28", "31.2")})
    >>> offender = DnaProfile.from_alleles({"D8S1179": ("13", "14"), "D21S11": ("28", "31.2")})
    >>> table = compare(forensic, offender, rule_set("moderate").with_limits(min_loci=2))
    >>> table.hit.value, [line.result.value for line in table.loci]
    ('identity-moderate', ['homo/hetero', 'match'])
    """
    rules = rule_set(rules) if isinstance(rules, str) else rules
    left, right = probe.autosomal, reference.autosomal
    names = [name for name in sort_loci({*left, *right}) if not rules.loci or name in rules.loci]
    lines = tuple(
        compare_locus(
            name,
            left.get(name, ()),
            right.get(name, ()),
            rules.stringency,
            probe.required.get(name, ()),
        )
        for name in names
    )
    return _summary(rules, lines, probe.is_mixture or reference.is_mixture)


def _summary(rules: RuleSet, lines: tuple[LocusComparison, ...], mixture: bool) -> Comparison:
    missing_probe = sum(line.result is LocusResult.MISSING_PROBE for line in lines)
    missing_reference = sum(line.result is LocusResult.MISSING_REFERENCE for line in lines)
    compared = len(lines) - missing_probe - missing_reference
    matched = sum(line.matches for line in lines)
    if rules.stringency is Stringency.PRUEM:
        hit, quality = _pruem_class(rules, lines, compared, mixture)
    else:
        hit, quality = _codis_class(rules, lines, compared, matched), None
    return Comparison(
        rule=rules.name,
        loci=lines,
        compared=compared,
        matched=matched,
        mismatched=compared - matched,
        missing_probe=missing_probe,
        missing_reference=missing_reference,
        hit=hit,
        quality=quality,
    )


def _codis_class(
    rules: RuleSet, lines: tuple[LocusComparison, ...], compared: int, matched: int
) -> HitClass:
    mismatched = compared - matched
    if (
        compared < rules.min_loci
        or matched < rules.min_matching
        or mismatched > rules.max_mismatches
    ):
        return HitClass.NONE
    if mismatched:
        return HitClass.NEAR
    typed = [line for line in lines if line.probe and line.reference]
    for stringency, hit in (
        (Stringency.HIGH, HitClass.IDENTITY_HIGH),
        (Stringency.MODERATE, HitClass.IDENTITY_MODERATE),
    ):
        if all(locus_matches(line.probe, line.reference, stringency) for line in typed):
            return hit
    return HitClass.LOW


def _pruem_class(
    rules: RuleSet, lines: tuple[LocusComparison, ...], compared: int, mixture: bool
) -> tuple[HitClass, int | None]:
    """Quality class of a pair; mixtures are no Pruem profiles."""
    full = sum(line.result is LocusResult.MATCH for line in lines)
    deviations = sum(line.deviations for line in lines)
    if (
        mixture
        or compared < rules.min_loci
        or full < rules.min_matching
        or deviations > rules.max_mismatches
    ):
        return HitClass.NONE, None
    results = {line.result for line in lines}
    if LocusResult.MISMATCH in results:
        return HitClass.NEAR, 4
    if LocusResult.MICROVARIANT in results:
        return HitClass.NEAR, 3
    if LocusResult.WILDCARD in results:
        return HitClass.NEAR, 2
    return HitClass.IDENTITY_HIGH, 1
