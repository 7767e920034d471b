"""Options of a DNA search, checked by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biomatch.dna.frequencies import Frequencies
from biomatch.dna.kinship import ibd_coefficients
from biomatch.dna.rules import RuleSet, rule_set
from biomatch.dna.statistics import Formula, check_theta
from biomatch.errors import OptionError

__all__ = ["DEFAULT_OPTIONS", "MUTATION_RATE", "DnaOptions", "parse_options"]

MUTATION_RATE = 0.002
"""Likelihood ratio of a locus that excludes parent and child, when exclusions are allowed.

The usual order of magnitude of an STR mutation per meiosis (AABB annual reports: 0.001 to 0.003).
"""


@dataclass(frozen=True, slots=True)
class DnaOptions:
    """How a DNA search compares. Make it with `parse_options`.

    Attributes
    ----------
    rules
        Match rule with its limits (identity searches).
    tables
        Population tables; the least favourable one counts.
    theta
        Coancestry coefficient.
    formula
        Random match probability formula.
    relation
        None searches for the same person; otherwise a relation of `biomatch.dna.kinship`.
    max_exclusions
        Parent and child: loci without a shared allele that are still allowed.
    min_log10_lr
        Kinship: candidates below are not listed.
    min_loci
        Kinship: least number of loci typed on both sides.
    """

    rules: RuleSet
    tables: tuple[Frequencies, ...]
    theta: float = 0.01
    formula: Formula = Formula.NRC410
    relation: str | None = None
    max_exclusions: int = 1
    min_log10_lr: float = 0.0
    min_loci: int = 8

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self._plain(),))

    def _plain(self) -> dict[str, Any]:
        tables = [
            {
                "name": table.name,
                "population": table.population,
                "table": {locus: dict(column) for locus, column in table.table.items()},
                "sample_sizes": dict(table.sample_sizes),
                "minimum": table.minimum,
                "floor": table.floor,
            }
            for table in self.tables
        ]
        return {
            "rules": self.rules,
            "tables": tables,
            "theta": self.theta,
            "formula": self.formula,
            "relation": self.relation,
            "max_exclusions": self.max_exclusions,
            "min_log10_lr": self.min_log10_lr,
            "min_loci": self.min_loci,
        }

    @property
    def sentence(self) -> str:
        """Say in one sentence what scores mean."""
        tables = ", ".join(str(table) for table in self.tables)
        hypothesis = f"relation {self.relation}" if self.relation else "same person"
        formula = "" if self.relation else f", formula {self.formula.value}"
        return (
            f"log10 LR of {hypothesis} against unrelated, theta {self.theta:g}{formula}, least "
            f"favourable of {tables} (minimum allele frequency {self.tables[0].minimum_rule})"
        )


def _restore(values: dict[str, Any]) -> DnaOptions:
    tables = tuple(
        Frequencies.from_dict(
            entry["table"],
            name=entry["name"],
            population=entry["population"],
            sample_sizes=entry["sample_sizes"],
            minimum=entry["minimum"],
            floor=entry["floor"],
        )
        for entry in values["tables"]
    )
    return DnaOptions(**{**values, "tables": tables})


_RULES = {"pruem": "pruem-2008", "interpol": "interpol-six"}

_NAMES = (
    "stringency",
    "max_mismatches",
    "min_loci",
    "rules",
    "frequencies",
    "population",
    "minimum",
    "theta",
    "formula",
    "relation",
    "max_exclusions",
    "min_log10_lr",
)


def parse_options(values: Mapping[str, Any]) -> DnaOptions:
    """Check options given by name.

    Parameters
    ----------
    values
        ``stringency``: high, moderate (default) or low; ``rules``: codis (default), pruem,
        interpol or the name of a rule set; ``max_mismatches``, ``min_loci``: limits instead of
        the rule's; ``frequencies``: name of a shipped table (default nist1036), a file, or a
        `Frequencies`; ``population``: one of its populations, several separated by commas
        (default all); ``minimum``: smallest allele frequency; ``theta`` (0.01); ``formula``
        (nrc410); ``relation``: search for relatives instead of the same person;
        ``max_exclusions`` (1, parent and child); ``min_log10_lr`` (0, relatives).

    Raises
    ------
    OptionError
        Unknown name or value out of range.
    """
    for name in values:
        if name not in _NAMES:
            raise OptionError(f"unknown DNA option {name!r}; known are {', '.join(_NAMES)}")
    theta = _number(values, "theta", float, 0.01)
    check_theta(theta)
    relation = values.get("relation") or None
    if relation is not None:
        ibd_coefficients(str(relation))
    formula = str(values.get("formula") or "nrc410")
    if formula not in set(Formula):
        raise OptionError(f"unknown formula {formula!r}; known are {', '.join(Formula)}")
    return DnaOptions(
        rules=_rules(values),
        tables=_tables(values),
        theta=theta,
        formula=Formula(formula),
        relation=None if relation is None else str(relation),
        max_exclusions=_count(values, "max_exclusions", 1),
        min_log10_lr=_number(values, "min_log10_lr", float, 0.0),
        min_loci=_count(values, "min_loci", 8),
    )


def _number(values: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = values.get(name)
    if value is None:
        return default
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise OptionError(f"DNA option {name} is {value!r}; give a number") from None


def _count(values: Mapping[str, Any], name: str, default: int) -> int:
    value: int = _number(values, name, int, default)
    if value < 0:
        raise OptionError(f"DNA option {name} is {value}; give 0 or more")
    return value


def _rules(values: Mapping[str, Any]) -> RuleSet:
    name = str(values.get("rules") or "codis")
    stringency = str(values.get("stringency") or "moderate")
    if stringency not in {"high", "moderate", "low"}:
        raise OptionError(f"stringency is {stringency!r}; give high, moderate or low")
    chosen = rule_set(stringency if name == "codis" else _RULES.get(name, name))
    limits = {
        key: None if values.get(key) is None else _count(values, key, 0)
        for key in ("min_loci", "max_mismatches")
    }
    return chosen.with_limits(**limits)


def _tables(values: Mapping[str, Any]) -> tuple[Frequencies, ...]:
    source = values.get("frequencies") or "nist1036"
    if isinstance(source, Frequencies):
        chosen: tuple[Frequencies, ...] = (source,)
    else:
        shipped = Frequencies.available()
        known = shipped[str(source)] if str(source) in shipped else _read(str(source))
        names = [name.strip() for name in str(values.get("population") or "").split(",")]
        names = [name for name in names if name] or list(known)
        missing = [name for name in names if name not in known]
        if missing:
            raise OptionError(
                f"frequency table {source} has no population {missing[0]!r}; choose from "
                f"{', '.join(known)}"
            )
        chosen = tuple(known[name] for name in names)
    minimum = _number(values, "minimum", float, None)
    return tuple(table.with_minimum(minimum) for table in chosen) if minimum else chosen


def _read(path: str) -> dict[str, Frequencies]:
    if not Path(path).is_file():
        raise OptionError(
            f"frequencies: {path!r} is neither a file nor one of "
            f"{', '.join(Frequencies.available())}"
        )
    return Frequencies.read_all(path)


DEFAULT_OPTIONS: Mapping[str, Any] = {}
"""Options given by nobody: moderate stringency, no mismatch, NIST 1036, theta 0.01."""
