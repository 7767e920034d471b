"""Versioned rule sets: what a system calls a match.

Each rule set is one TOML file of this folder, named ``<system>-<version>.toml``; a change of the
law is a new file, never an edit, so that an old search can be repeated under its own rule.
"""

import tomllib
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from biomatch.errors import OptionError

__all__ = ["RuleSet", "Stringency", "rule_set", "rule_sets"]


class Stringency(StrEnum):
    """How alike two loci must be.

    ``high``: all alleles the same. ``moderate``: all alleles of one sample are among the
    other's (homozygote against heterozygote). ``low``: at least one allele in common.
    Source: FBI, CODIS and NDIS fact sheet, question 28. ``pruem``: two values a locus, compared
    one by one, with wildcards and microvariants told apart (Council Decision 2008/616/JHA).
    """

    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"
    PRUEM = "pruem"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One system's match rule.

    Attributes
    ----------
    name, version, title, source
        Identity of the rule and where it is laid down.
    stringency
        What makes a locus match.
    min_loci
        Least number of loci typed on both sides.
    min_matching
        Least number of loci that match fully (for Pruem: no wildcard, no deviation).
    max_mismatches
        Mismatched loci (Pruem: deviating alleles) still reported, as a near match.
    loci
        Only these loci take part; empty = all autosomal ones.
    """

    name: str
    version: str
    title: str
    source: str
    stringency: Stringency
    min_loci: int
    min_matching: int = 0
    max_mismatches: int = 0
    loci: tuple[str, ...] = ()

    def with_limits(
        self, *, min_loci: int | None = None, max_mismatches: int | None = None
    ) -> "RuleSet":
        """Return this rule with the limits of one search.

        Raises
        ------
        OptionError
            A limit is negative, or fewer than one locus is to be compared.
        """
        if min_loci is not None and min_loci < 1:
            raise OptionError(f"min_loci is {min_loci}; compare at least 1 locus")
        if max_mismatches is not None and max_mismatches < 0:
            raise OptionError(f"max_mismatches is {max_mismatches}; give 0 or more")
        return replace(
            self,
            min_loci=self.min_loci if min_loci is None else min_loci,
            min_matching=self.min_matching
            if min_loci is None
            else min(self.min_matching, min_loci),
            max_mismatches=self.max_mismatches if max_mismatches is None else max_mismatches,
        )


def _parse(name: str, values: dict[str, Any]) -> RuleSet:
    return RuleSet(
        name=name,
        version=values["version"],
        title=values["title"],
        source=values["source"],
        stringency=Stringency(values["stringency"]),
        min_loci=values["min_loci"],
        min_matching=values.get("min_matching", 0),
        max_mismatches=values.get("max_mismatches", 0),
        loci=tuple(values.get("loci", ())),
    )


_SHORT = {
    "high": "codis-high-2017",
    "moderate": "codis-moderate-2017",
    "low": "codis-low-2017",
    "codis": "codis-moderate-2017",
    "pruem": "pruem-2008",
    "interpol": "interpol-six",
}


@cache
def rule_sets() -> dict[str, RuleSet]:
    """All rule sets by name."""
    found = {}
    for item in resources.files("biomatch.dna.rules").iterdir():
        if item.name.endswith(".toml"):
            name = item.name.removesuffix(".toml")
            found[name] = _parse(name, tomllib.loads(item.read_text("utf-8")))
    return dict(sorted(found.items()))


def rule_set(name: str) -> RuleSet:
    """Return a rule set by its name or a short one.

    ``high``, ``moderate`` (also ``codis``) and ``low`` are the CODIS ones, ``pruem`` and
    ``interpol`` the newest of theirs. Case and underscores do not matter.

    Raises
    ------
    OptionError
        Unknown name.

    Examples
    --------
    >>> rule_set("moderate").name, rule_set("pruem-2008").min_loci
    ('codis-moderate-2017', 6)
    """
    plain = name.strip().lower().replace("_", "-")
    found = rule_sets().get(_SHORT.get(plain, plain))
    if found is None:
        known = ", ".join([*_SHORT, *rule_sets()])
        raise OptionError(f"unknown rule set {name!r}; known are {known}")
    return found
