"""A small schema language: sequences of elements, simple types, unique names.

It says of an XML message what an XSD says, and names the line and the remedy.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from biomatch.dna.files.safexml import Node
from biomatch.errors import FormatError

__all__ = [
    "Check",
    "Element",
    "boolean",
    "date_time",
    "decimal",
    "one_of",
    "text",
    "validate",
]

Check = Callable[[str], str | None]
"""Returns what is wrong with a value, or None."""

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?")


@dataclass(frozen=True, slots=True)
class Element:
    """What an element may hold.

    Attributes
    ----------
    name
        Local name.
    check
        Type of its text; None for elements that hold elements.
    children
        Elements in their order.
    attributes
        Name -> type; all optional but those in `needed`.
    needed
        Attributes that must be there.
    least, most
        How often it may occur in its place; most None = any number.
    unique
        Path of a child whose text no two siblings may share.
    """

    name: str
    check: Check | None = None
    children: Sequence["Element"] = ()
    attributes: Mapping[str, Check] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    least: int = 1
    most: int | None = 1
    unique: str | None = None


def text(longest: int, shortest: int = 1) -> Check:
    """Text of limited length."""

    def check(value: str) -> str | None:
        if shortest <= len(value) <= longest:
            return None
        return f"has {len(value)} characters; {shortest} to {longest} are allowed"

    return check


def one_of(values: Sequence[str], what: str) -> Check:
    """One of a list of values, in exactly this spelling."""
    allowed = frozenset(values)

    def check(value: str) -> str | None:
        if value in allowed:
            return None
        close = next((item for item in values if item.lower() == value.strip().lower()), None)
        return f"is no {what}" + (f"; write {close!r}" if close else "")

    return check


def boolean(value: str) -> str | None:
    """xsd:boolean."""
    return None if value.strip() in {"true", "false", "1", "0"} else "is neither true nor false"


def decimal(low: float, high: float, digits: int | None = None) -> Check:
    """Decimal number within bounds, with at most so many decimals."""

    def check(value: str) -> str | None:
        shape = re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", value.strip())
        if shape is None or not low <= float(value) <= high:
            return f"is not a number from {low:g} to {high:g}"
        decimals = len(value.strip().partition(".")[2].rstrip("0"))
        if digits is not None and decimals > digits:
            return f"has more than {digits} decimals"
        return None

    return check


def date_time(first: int, last: int) -> Check:
    """xsd:dateTime in years `first` to `last`."""

    def check(value: str) -> str | None:
        match = _DATE.fullmatch(value.strip())
        wrong = "is not a date and time such as 2026-01-31T13:45:00"
        if match is None:
            return wrong
        try:
            moment = datetime.strptime("".join(match.groups()[:6]), "%Y%m%d%H%M%S")
        except ValueError:
            return wrong
        return None if first <= moment.year <= last else f"is outside the years {first} to {last}"

    return check


def validate(node: Node, element: Element, path: str) -> None:
    """Check an element and all it holds.

    Raises
    ------
    FormatError
        The first deviation, with its line.
    """
    _attributes(node, element, path)
    if element.check is not None:
        if node.children:
            raise FormatError(f"{path}: line {node.line}: {node.tag} holds text, no elements")
        wrong = element.check(node.text)
        if wrong:
            raise FormatError(f"{path}: line {node.line}: {node.tag} {node.text!r} {wrong}")
        return
    if node.value:
        raise FormatError(f"{path}: line {node.line}: text {node.value[:20]!r} inside {node.tag}")
    _sequence(node, element, path)


def _attributes(node: Node, element: Element, path: str) -> None:
    for name, value in node.attributes.items():
        if name not in element.attributes:
            if name == "schemaLocation":
                continue
            raise FormatError(f"{path}: line {node.line}: {node.tag} has no attribute {name}")
        wrong = element.attributes[name](value)
        if wrong:
            raise FormatError(f"{path}: line {node.line}: {node.tag} {name}={value!r} {wrong}")
    for name in element.needed:
        if name not in node.attributes:
            raise FormatError(f"{path}: line {node.line}: {node.tag} needs the attribute {name}")


def _sequence(node: Node, element: Element, path: str) -> None:
    place = 0
    for expected in element.children:
        group = []
        while place < len(node.children) and node.children[place].tag == expected.name:
            group.append(node.children[place])
            place += 1
        _amount(node, group, expected, path)
        for child in group:
            validate(child, expected, path)
        if expected.unique:
            _unique(group, expected.unique, path)
    if place < len(node.children):
        odd = node.children[place]
        known = any(odd.tag == expected.name for expected in element.children)
        why = "is out of order" if known else "is not allowed here"
        raise FormatError(f"{path}: line {odd.line}: {odd.tag} in {node.tag} {why}")


def _amount(node: Node, group: list[Node], expected: Element, path: str) -> None:
    if len(group) < expected.least:
        raise FormatError(
            f"{path}: line {node.line}: {node.tag} lacks {expected.name}, or has it out of order"
        )
    if expected.most is not None and len(group) > expected.most:
        raise FormatError(
            f"{path}: line {group[expected.most].line}: {node.tag} has {len(group)} "
            f"{expected.name}; at most {expected.most} are allowed"
        )


def _unique(group: list[Node], child: str, path: str) -> None:
    seen: dict[str, int] = {}
    for node in group:
        name = node.get(child)
        if name in seen:
            raise FormatError(
                f"{path}: line {node.line}: {child} {name!r} was used before, in line {seen[name]}"
            )
        seen[name] = node.line
