"""Options of a DNA search, checked by name."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biomatch.dna.frequencies import Frequencies
from biomatch.dna.identity import ERROR_RATE, identity_scores
from biomatch.dna.kinship import ibd_coefficients
from biomatch.dna.mixture import Convention, MixtureModel
from biomatch.dna.profile import DnaProfile
from biomatch.dna.query import LocusScore
from biomatch.dna.rules import RuleSet, rule_set
from biomatch.dna.statistics import Formula, check_theta
from biomatch.errors import OptionError

__all__ = ["MUTATION_RATE", "DnaOptions", "parse_options"]

MUTATION_RATE = 0.002
"""Likelihood ratio of a locus that excludes parent and child, when exclusions are allowed.

A convention of the order of magnitude of an STR mutation per meiosis, not a measured rate.
"""

_KEPT = 256


class Prepared:
    """What was made ready for the last probes of a search, so that its parts need not do it again.

    It is left behind when options are sent to another process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[tuple[str, int], tuple[DnaProfile, Any]] = {}

    def __reduce__(self) -> tuple[type["Prepared"], tuple[()]]:
        return Prepared, ()

    def of(self, what: str, probe: DnaProfile, make: Callable[[], Any]) -> Any:
        """Return what `make` returned for this very probe, now or before."""
        key = what, id(probe)
        known = self._made.get(key)
        if known is not None and known[0] is probe:
            return known[1]
        made = make()
        with self._lock:
            self._made[key] = probe, made
            while len(self._made) > _KEPT:
                self._made.pop(next(iter(self._made)))
        return made


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
    mixture
        Search contributors to a mixed stain under this model, instead of the same person.
    known
        Known contributors of the stain.
    scores
        log10 LR of one locus for *same person*, one function a population table; made once, so
        that all parts of a database share what it remembers.
    prepared
        Tables and figures of the last probes, shared likewise.
    """

    rules: RuleSet
    tables: tuple[Frequencies, ...]
    theta: float = 0.01
    formula: Formula = Formula.NRC410
    relation: str | None = None
    max_exclusions: int = 1
    min_log10_lr: float = 0.0
    min_loci: int = 8
    mixture: MixtureModel | None = None
    known: tuple[DnaProfile, ...] = ()
    scores: tuple[LocusScore, ...] = field(init=False, compare=False, repr=False)
    prepared: Prepared = field(default_factory=Prepared, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Make the score functions."""
        made = identity_scores(self.tables, self.theta, self.formula, self.rules.stringency)
        object.__setattr__(self, "scores", made)

    def shortage(self, probe: DnaProfile) -> str:
        """Say that a probe types too few loci for anybody to be found; empty when it does not."""
        if self.mixture is not None:
            return ""
        least = self.min_loci if self.relation else self.rules.min_loci
        allowed = () if self.relation else self.rules.loci
        typed = sum(not allowed or locus in allowed for locus in probe.autosomal)
        if typed >= least:
            return ""
        return (
            f"{typed} loci can be compared, but the search asks for at least {least}: it can find "
            "nobody (min_loci sets another limit)"
        )

    @property
    def sentence(self) -> str:
        """Say in one sentence what scores mean."""
        tables = ", ".join(str(table) for table in self.tables)
        return (
            f"log10 LR of {self._hypothesis} against unrelated, theta {self.theta:g}"
            f"{self._conventions}, least favourable of {tables} (minimum allele frequency "
            f"{self.tables[0].minimum_rule})"
        )

    @property
    def _hypothesis(self) -> str:
        if self.mixture is not None:
            return f"contribution to a stain of {self.mixture.contributors}"
        return f"relation {self.relation}" if self.relation else "same person"

    @property
    def _conventions(self) -> str:
        """What else the figure rests on, for `sentence`."""
        if self.mixture is not None:
            model = self.mixture
            return (
                f", drop-out {model.dropout:g}, drop-in {model.dropin:g}, convention "
                f"{model.convention}"
            )
        if self.relation:
            excludes = ibd_coefficients(self.relation)[0] == 0.0
            return f", LR {MUTATION_RATE:g} for a locus that excludes" if excludes else ""
        rules = self.rules
        tolerated = f" with LR {ERROR_RATE:g} each" if rules.max_mismatches else ""
        return (
            f", formula {self.formula.value}, rule {rules.name} (at least {rules.min_loci} loci "
            f"compared, at most {rules.max_mismatches} mismatched{tolerated})"
        )


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
    "contributors",
    "dropout",
    "dropin",
    "convention",
    "known",
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
        ``max_exclusions`` (1, parent and child); ``min_log10_lr`` (relatives 0, contributors 3);
        ``contributors``: search contributors to a stain of so many persons, with ``dropout``
        (0.1), ``dropin`` (0.05), ``convention`` (lrmix) and ``known``: a file of known
        contributors.

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
    known = _known(values.get("known"))
    mixture = _mixture(values, theta, len(known))
    if mixture and relation is not None:
        raise OptionError("search either for a relation or for contributors, not for both")
    return DnaOptions(
        rules=_rules(values),
        tables=_tables(values),
        theta=theta,
        formula=Formula(formula),
        relation=None if relation is None else str(relation),
        max_exclusions=_count(values, "max_exclusions", 1),
        min_log10_lr=_number(values, "min_log10_lr", float, 3.0 if mixture else 0.0),
        min_loci=_count(values, "min_loci", 8),
        mixture=mixture,
        known=known,
    )


def _known(source: Any) -> tuple[DnaProfile, ...]:
    if not source:
        return ()
    if isinstance(source, str | Path):
        from biomatch.dna import files

        return tuple(files.read(source))
    return tuple(source)


def _mixture(values: Mapping[str, Any], theta: float, known: int) -> MixtureModel | None:
    if values.get("contributors") is None:
        for name in ("dropout", "dropin", "convention", "known"):
            if values.get(name) is not None:
                raise OptionError(f"DNA option {name} needs the option contributors")
        return None
    convention = str(values.get("convention") or "lrmix")
    if convention not in set(Convention):
        raise OptionError(f"unknown convention {convention!r}; known are {', '.join(Convention)}")
    return MixtureModel(
        contributors=_count(values, "contributors", 2),
        dropout=_number(values, "dropout", float, 0.1),
        dropin=_number(values, "dropin", float, 0.05),
        theta=theta,
        convention=Convention(convention),
    ).checked(known)


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
    chosen = rule_set(stringency if name == "codis" else name)
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
        names = [name.strip() for name in str(values.get("population") or "").split(",")]
        chosen = Frequencies.find(str(source), [name for name in names if name])
    minimum = _number(values, "minimum", float, None)
    return tuple(table.with_minimum(minimum) for table in chosen) if minimum else chosen
