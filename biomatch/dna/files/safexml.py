"""XML without surprises: no document types, no entities, limits on size and depth, line numbers.

Built on expat itself, which tells the line of every element (error messages need it) and can
refuse a document type declaration before anything in it is acted on. That shuts out entity
expansion, external entities and external DTDs.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from biomatch.errors import FormatError

__all__ = ["Node", "parse", "render"]

MAX_DEPTH = 64
MAX_NODES = 20_000_000


@dataclass(slots=True)
class Node:
    """An element.

    Attributes
    ----------
    tag, namespace
        Local name and namespace URI ("" = none).
    attributes
        By local name (namespaced attributes lose their prefix).
    children
        Child elements in document order.
    text
        Character data directly inside, as it stands.
    line, column
        Place of the start tag, both from 1.
    """

    tag: str
    namespace: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)
    text: str = ""
    line: int = 0
    column: int = 0

    @property
    def value(self) -> str:
        """Text without surrounding blanks."""
        return self.text.strip()

    def all(self, tag: str) -> list["Node"]:
        """Children with this local name."""
        return [child for child in self.children if child.tag == tag]

    def find(self, *path: str) -> "Node | None":
        """First descendant along a path of local names."""
        node = self
        for tag in path:
            below = next((child for child in node.children if child.tag == tag), None)
            if below is None:
                return None
            node = below
        return node

    def get(self, *path: str) -> str:
        """Text of the first descendant along a path; empty when it is absent."""
        node = self.find(*path)
        return node.value if node else ""

    def walk(self, tag: str) -> Iterator["Node"]:
        """All descendants with this local name, in document order."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.walk(tag)


class _Builder:
    """Receives expat's events."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.root: Node | None = None
        self.open: list[tuple[Node, list[str]]] = []
        self.count = 0
        # The encoding is said here: what a declaration names may be one that there is not.
        self.parser = expat.ParserCreate("utf-8", " ")
        self.parser.buffer_text = True
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.data
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.parser.EntityDeclHandler = self.refuse

    def refuse(self, *_: object) -> None:
        raise FormatError(
            f"{self.path}: line {self.parser.CurrentLineNumber}: document types and entities are "
            "refused; remove the DOCTYPE"
        )

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, tag = name.rpartition(" ")
        self.count += 1
        if len(self.open) >= MAX_DEPTH or self.count > MAX_NODES:
            raise FormatError(
                f"{self.path}: line {self.parser.CurrentLineNumber}: more than {MAX_DEPTH} levels "
                f"or {MAX_NODES:,} elements"
            )
        plain = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1
        node = Node(tag, namespace, plain, line=line, column=column)
        if self.open:
            self.open[-1][0].children.append(node)
        else:
            self.root = node
        self.open.append((node, []))

    def data(self, text: str) -> None:
        if self.open:
            self.open[-1][1].append(text)

    def end(self, _: str) -> None:
        node, pieces = self.open.pop()
        node.text = "".join(pieces)


def parse(text: str, path: str) -> Node:
    """Parse a document.

    Raises
    ------
    FormatError
        Not well-formed, a document type, too deep or too large; with the line.
    """
    builder = _Builder(path)
    try:
        builder.parser.Parse(_without_encoding(text).encode(), True)
    except expat.ExpatError as error:
        raise FormatError(
            f"{path}: line {error.lineno}: not well-formed XML ({expat.ErrorString(error.code)})"
        ) from error
    if builder.root is None:
        raise FormatError(f"{path}: line 1: no XML element")
    return builder.root


def _without_encoding(text: str) -> str:
    """Drop the declaration: the text is decoded already. Its line stays."""
    if text.startswith("<?xml") and (end := text.find("?>")) > 0:
        return "\n" * text.count("\n", 0, end) + text[end + 2 :]
    return text


_FORBIDDEN = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def render(node: Node, indent: int = 0) -> str:
    """Write an element with its children, two blanks a level.

    Raises
    ------
    FormatError
        A text holds a character that XML cannot carry.
    """
    lines: list[str] = []
    _render(node, indent, lines)
    text = "\n".join(lines) + "\n"
    if odd := _FORBIDDEN.search(text):
        around = text[max(0, odd.start() - 20) : odd.end() + 20]
        raise FormatError(f"XML cannot carry the character {odd[0]!r} (in {around!r}); remove it")
    return text


def _render(node: Node, level: int, lines: list[str]) -> None:
    pad = "  " * level
    names = "".join(f" {key}={quoteattr(value)}" for key, value in node.attributes.items())
    if node.children:
        lines.append(f"{pad}<{node.tag}{names}>")
        for child in node.children:
            _render(child, level + 1, lines)
        lines.append(f"{pad}</{node.tag}>")
    else:
        lines.append(f"{pad}<{node.tag}{names}>{escape(node.text)}</{node.tag}>")


def leaf(tag: str, text: str) -> Node:
    """Make an element that holds text."""
    return Node(tag, text=text)


def branch(tag: str, children: Iterable[Node], **attributes: str | None) -> Node:
    """Make an element that holds elements; attributes that are None are left out."""
    given = {key: value for key, value in attributes.items() if value is not None}
    return Node(tag, attributes=given, children=list(children))
