"""SmartRank search criteria: the evidence, the hypotheses and the model's parameters.

An XML file, or the same in JSON: `from_json` makes the one of the other.

Source: the ``SmartRankImportFile`` schema 1.0 and the SmartRank manual (defaults: LR threshold
1000, 250 results). Databases of SmartRank are wide CSV tables: `biomatch.dna.files.wide`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any

from biomatch.dna.files.safexml import Node
from biomatch.dna.files.schema import Check, Element, decimal, text, validate
from biomatch.dna.files.text import Cell, build_profile
from biomatch.dna.loci import find
from biomatch.dna.mixture import Convention, MixtureModel
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError, OptionError, ProfileError

__all__ = ["Hypothesis", "SearchCriteria", "from_json", "is_smartrank", "read_criteria"]


def _dropout(value: str) -> str | None:
    if value.strip() == "automatic":
        return None
    wrong = decimal(0.0, 0.999999)(value)
    return wrong and "is neither 'automatic' nor a probability below 1"


_ANY: Check = text(1_000_000, 0)
_SHARE = decimal(0.0, 0.9999999)


def _named(name: str, *children: Element, least: int = 1) -> Element:
    """Make an element with a name attribute, any number of times."""
    return Element(
        name,
        children=children,
        attributes={"name": _ANY},
        needed=("name",),
        least=least,
        most=None,
    )


def _people(plural: str, single: str) -> Element:
    one = Element(
        single,
        attributes={"name": _ANY, "dropout": _dropout},
        needed=("name", "dropout"),
        least=0,
        most=None,
    )
    return Element(plural, children=(one,), least=0)


def _sides() -> tuple[Element, ...]:
    unknowns = Element(
        "Unknowns",
        attributes={"count": decimal(0, 4, 0), "dropout": _dropout},
        needed=("count", "dropout"),
    )
    return (
        _people("Contributors", "Contributor"),
        _people("NonContributors", "NonContributor"),
        unknowns,
    )


def _specimens() -> tuple[Element, Element]:
    """Evidence and reference profiles, and the allele statistics."""
    allele = Element("Allele", attributes={"value": text(10)}, needed=("value",), most=None)
    known = Element(
        "Allele",
        attributes={"value": text(10), "probability": _SHARE},
        needed=("value", "probability"),
        most=None,
    )
    statistics = Element(
        "Statistics",
        children=(_named("Locus", known),),
        attributes={"rareAlleleFrequency": _SHARE},
        least=0,
    )
    # the schema asks for a locus, but the program itself writes empty specimens
    return _named("Specimen", _named("Locus", allele, least=0)), statistics


def _schema() -> Element:
    """Say what a search criteria file holds; only the order of the schema is kept strictly."""
    specimen, statistics = _specimens()
    prop = Element("Property", attributes={"name": _ANY, "value": _ANY}, least=0, most=None)
    properties = Element("Properties", children=(prop,), least=0)
    whole = decimal(0, 2**31 - 1, 0)
    hp = Element(
        "HP",
        children=_sides(),
        attributes={"candidateDropout": _dropout},
        needed=("candidateDropout",),
    )
    children = (
        Element("CaseFolder", _ANY, least=0),
        Element("userid", _ANY, least=0),
        Element("dateTime", _ANY, least=0),
        Element("Replicates", children=(_named("Replicate"),)),
        Element("Dropin", _SHARE, least=0),
        Element("Theta", _SHARE, least=0),
        Element("LrThreshold", whole, least=0),
        Element("MaximumNumberOfResults", whole, least=0),
        Element("RareAlleleFrequency", _SHARE, least=0),
        properties,
        hp,
        Element("HD", children=_sides()),
        specimen,
        statistics,
        properties,
    )
    version: dict[str, Check] = {"version": decimal(0.0, 9.9, 1)}
    return Element("SmartRankImportFile", children=children, attributes=version)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One hypothesis.

    Attributes
    ----------
    contributors
        Known contributors: specimen name -> drop-out probability; None = estimate it.
    non_contributors
        Typed persons who did not contribute.
    unknowns
        Number of unknown contributors.
    dropout
        Their drop-out probability; None = estimate it.
    """

    contributors: Mapping[str, float | None]
    non_contributors: tuple[str, ...]
    unknowns: int
    dropout: float | None


@dataclass(frozen=True, slots=True)
class SearchCriteria:
    """What SmartRank is asked.

    Attributes
    ----------
    replicates
        Evidence profiles, one an amplification.
    specimens
        All profiles of the file by name.
    dropin, theta
        Model parameters.
    candidate_dropout
        Drop-out probability of the candidate under the prosecution's hypothesis; None = estimate.
    prosecution, defence
        The hypotheses; the candidate is not listed in them.
    threshold
        Least LR of a result.
    max_results
        Number of results wanted.
    rare_frequency
        Frequency of alleles that the statistics do not list; None = the program's.
    statistics
        Locus -> allele -> frequency, empty when the file brings none.
    """

    replicates: tuple[DnaProfile, ...]
    specimens: Mapping[str, DnaProfile]
    dropin: float
    theta: float
    candidate_dropout: float | None
    prosecution: Hypothesis
    defence: Hypothesis
    threshold: float = 1000.0
    max_results: int = 250
    rare_frequency: float | None = None
    statistics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def evidence(self) -> DnaProfile:
        """The replicates as one profile."""
        tables = [replicate.loci for replicate in self.replicates]
        name = self.replicates[0].name
        return DnaProfile.from_alleles({}, name=name, replicates=tables)

    @property
    def known(self) -> tuple[DnaProfile, ...]:
        """Known contributors under both hypotheses."""
        return tuple(self.specimens[name] for name in self.prosecution.contributors)

    def model(self, convention: Convention | str = Convention.SMARTRANK) -> MixtureModel:
        """Return the mixture model that the criteria describe.

        Raises
        ------
        OptionError
            The hypotheses differ in their known contributors, these have different drop-out
            probabilities, or one of the probabilities is to be estimated.
        """
        hp, hd = self.prosecution, self.defence
        shares = {*hp.contributors.values(), *hd.contributors.values()}
        if set(hp.contributors) != set(hd.contributors) or len(shares) > 1:
            raise OptionError("the hypotheses' known contributors or their drop-out differ")
        if hp.dropout is None or hd.dropout is None or None in shares:
            raise OptionError("a drop-out probability is 'automatic'; estimate it first")
        return MixtureModel(
            contributors=len(hp.contributors) + 1 + hp.unknowns,
            contributors_hd=len(hd.contributors) + hd.unknowns,
            dropout=hp.dropout,
            candidate_dropout=self.candidate_dropout,
            known_dropout=next(iter(shares), None),
            dropout_hd=hd.dropout,
            dropin=self.dropin,
            theta=self.theta,
            convention=Convention(convention),
        )


def is_smartrank(root: Node) -> bool:
    """Tell whether a document is a SmartRank search criteria file."""
    return root.tag == "SmartRankImportFile"


_ROOT = "SmartRankImportFile"
_ATTRIBUTES = frozenset(
    {"name", "value", "dropout", "count", "probability", "candidateDropout", "version"}
)
_LOWER_CASE = frozenset({"userid", "dateTime"})


def from_json(text: str, path: str) -> Node:
    """Turn search criteria in JSON into the element that the XML form has.

    Objects are elements and lists repeated ones; null says that there is none.

    Raises
    ------
    FormatError
        No JSON, or no search criteria.
    """
    try:
        values = json.loads(text, parse_float=Decimal)
    except RecursionError as error:
        raise FormatError(f"{path}: the JSON is nested too deeply") from error
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise FormatError(f"{path}: line {line}: not well-formed JSON ({error})") from error
    if not isinstance(values, dict) or not {"replicates", "specimen"} <= set(values):
        raise FormatError(f"{path}: line 1: this JSON is no DNA format that is known")
    return _element(_ROOT, values)


def _element(tag: str, values: Mapping[str, Any]) -> Node:
    node = Node(tag, line=1)
    for key, value in values.items():
        statistic = tag == "Statistics" and key == "rareAlleleFrequency"
        if value is not None and (key in _ATTRIBUTES or statistic):
            node.attributes[key] = _shown(value)
        elif value is not None:
            node.children += _children(key, value)
    node.children.sort(key=lambda child: _order().get(child.tag, len(_order())))
    return node


@cache
def _order() -> dict[str, int]:
    """Places of the elements in the schema; the members of a JSON object have no order."""
    whole = _schema()
    sides = next(child.children for child in whole.children if child.name == "HP")
    names = [child.name for child in (*whole.children, *sides)]
    return {name: place for place, name in reversed(list(enumerate(names)))}


def _children(key: str, value: Any) -> list[Node]:
    tag = key if key in _LOWER_CASE else key.upper() if len(key) == 2 else key[:1].upper() + key[1:]
    values = value if isinstance(value, list) else [value]
    return [
        _element(tag, one) if isinstance(one, dict) else Node(tag, text=_shown(one), line=1)
        for one in values
    ]


def _shown(value: Any) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def read_criteria(root: Node, path: str) -> SearchCriteria:
    """Read search criteria.

    Raises
    ------
    FormatError
        The file breaks the schema, or names a specimen that it does not hold.
    ProfileError
        Unknown locus or impossible allele.
    """
    validate(root, _schema(), path)
    specimens: dict[str, DnaProfile] = {}
    for node in root.all("Specimen"):
        name = node.attributes["name"]
        if name in specimens:
            raise FormatError(f"{path}: line {node.line}: specimen {name!r} is given twice")
        specimens[name] = _specimen(node, path)
    replicates = root.find("Replicates")
    names = [node.attributes["name"] for node in replicates.all("Replicate")] if replicates else []
    missing = [name for name in names if name not in specimens]
    if missing:
        raise FormatError(f"{path}: replicate {missing[0]!r} is not among the file's specimens")
    hp, hd = root.find("HP"), root.find("HD")
    return SearchCriteria(
        replicates=tuple(specimens[name] for name in names),
        specimens=MappingProxyType(specimens),
        dropin=float(root.get("Dropin") or 0.05),
        theta=float(root.get("Theta") or 0.01),
        candidate_dropout=_probability(hp.attributes["candidateDropout"] if hp else "automatic"),
        prosecution=_hypothesis(hp or root, specimens, path),
        defence=_hypothesis(hd or root, specimens, path),
        threshold=float(root.get("LrThreshold") or 1000),
        max_results=int(root.get("MaximumNumberOfResults") or 250),
        rare_frequency=_rare(root),
        statistics=MappingProxyType(_statistics(root)),
    )


def _rare(root: Node) -> float | None:
    statistics = root.find("Statistics")
    stated = root.get("RareAlleleFrequency") or (
        statistics.attributes.get("rareAlleleFrequency", "") if statistics else ""
    )
    return float(stated) if stated else None


def _probability(value: str) -> float | None:
    return None if value.strip() == "automatic" else float(value)


def _hypothesis(node: Node, specimens: Mapping[str, DnaProfile], path: str) -> Hypothesis:
    def people(plural: str, single: str) -> list[Node]:
        group = node.find(plural)
        found = group.all(single) if group else []
        for one in found:
            if one.attributes["name"] not in specimens:
                raise FormatError(
                    f"{path}: line {one.line}: {single} {one.attributes['name']!r} is not among "
                    "the file's specimens"
                )
        return found

    unknowns = node.find("Unknowns")
    stated = unknowns.attributes if unknowns else {"count": "0", "dropout": "automatic"}
    return Hypothesis(
        contributors=MappingProxyType(
            {
                one.attributes["name"]: _probability(one.attributes["dropout"])
                for one in people("Contributors", "Contributor")
            }
        ),
        non_contributors=tuple(
            one.attributes["name"] for one in people("NonContributors", "NonContributor")
        ),
        unknowns=int(stated["count"]),
        dropout=_probability(stated["dropout"]),
    )


def _specimen(node: Node, path: str) -> DnaProfile:
    calls: dict[str, list[tuple[str, float | None]]] = {}
    where: dict[str, list[Cell]] = {}
    for locus in node.all("Locus"):
        spelled = locus.attributes["name"]
        known = find(spelled)
        at = Cell.of(locus).where
        if known is None:
            raise ProfileError(f"{path}: {at}: unknown locus {spelled!r}")
        if known.name in calls:
            raise FormatError(f"{path}: {at}: locus {spelled} is given twice")
        alleles = locus.all("Allele")
        calls[known.name] = [(one.attributes["value"].strip(), None) for one in alleles]
        where[known.name] = [Cell.of(one) for one in alleles]
    return build_profile(path, node.attributes["name"], calls, where=where)


def _statistics(root: Node) -> dict[str, dict[str, float]]:
    node = root.find("Statistics")
    if node is None:
        return {}
    table: dict[str, dict[str, float]] = {}
    for locus in node.all("Locus"):
        known = find(locus.attributes["name"])
        name = known.name if known else locus.attributes["name"]
        table[name] = {
            one.attributes["value"]: float(one.attributes["probability"])
            for one in locus.all("Allele")
        }
    return table
