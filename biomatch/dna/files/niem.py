"""NIEM biometrics domain (3.x to 6.x): DNARecord elements with STR data.

The reader takes every ``DNARecord`` below the document's root, whatever the root is: exchanges
wrap them in elements of their own. Source: NIEM 5.1 biom domain (release.niem.gov) and its DNA
sample instances. Pedigrees in the same document are read by `read_pedigrees`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from biomatch.dna.files.safexml import Node, branch, leaf, render
from biomatch.dna.files.text import Cell, build_profile
from biomatch.dna.loci import BY_NAME, LocusKind, find
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError, ProfileError

__all__ = ["NiemMember", "is_niem", "read_niem", "read_pedigrees", "write_niem"]

_BIOM = "http://release.niem.gov/niem/domains/biometrics/"
_DOMAIN = "/domains/biometrics/"  # of NIEM's own namespaces up to 5.2 and OASIS' from 6.0 on
_CORE = "http://release.niem.gov/niem/niem-core/5.0/"
_PROFILE_ID = "DNA Profile ID"


@dataclass(frozen=True, slots=True)
class NiemMember:
    """One member of a NIEM pedigree.

    Attributes
    ----------
    name
        Profile identifier of a typed member; else the document's internal identifier.
    typed
        True when a profile is stated for the member.
    sex
        ``"male"``, ``"female"`` or None.
    father, mother
        Names of the parents, None when not stated.
    """

    name: str
    typed: bool
    sex: str | None = None
    father: str | None = None
    mother: str | None = None


def is_niem(root: Node) -> bool:
    """Tell whether the document holds DNA records of NIEM's biometrics domain."""
    return any(_DOMAIN in node.namespace for node in root.walk("DNARecord")) or (
        root.tag == "DNARecord" and _DOMAIN in root.namespace
    )


def read_niem(root: Node, path: str) -> list[DnaProfile]:
    """Read all records with STR data.

    Raises
    ------
    FormatError
        A record lacks loci, alleles or a name.
    ProfileError
        Unknown locus or impossible allele, with its line.
    """
    records = [root] if root.tag == "DNARecord" else list(root.walk("DNARecord"))
    profiles = []
    for number, record in enumerate(records, 1):
        data = list(record.walk("DNASTRData"))
        if not data:
            raise FormatError(
                f"{path}: line {record.line}: the DNA record has no DNASTRData: no STR profile"
            )
        profiles.append(_record(record, data, number, path))
    return profiles


def _record(record: Node, data: list[Node], number: int, path: str) -> DnaProfile:
    calls: dict[str, list[tuple[str, float | None]]] = {}
    required: dict[str, list[str]] = {}
    where: dict[str, list[Cell]] = {}
    loci = [node for block in data for node in block.all("DNALocus")]
    if not loci:
        raise FormatError(f"{path}: line {data[0].line}: DNASTRData has no DNALocus")
    for locus in loci:
        spelled = locus.get("DNALocusName")
        known = find(spelled)
        at = Cell.of(locus.find("DNALocusName") or locus).where
        if known is None:
            raise ProfileError(f"{path}: {at}: unknown locus {spelled!r}")
        if known.name in calls:
            raise FormatError(f"{path}: {at}: locus {spelled} is given twice")
        calls[known.name], where[known.name] = [], []
        for allele in locus.all("DNAAllele"):
            tokens = _allele(allele, path)
            calls[known.name] += [(token, None) for token in tokens]
            where[known.name] += [Cell.of(allele)] * len(tokens)
            if allele.get("DNAAlleleRequiredIndicator") in {"true", "1"}:
                required.setdefault(known.name, []).extend(tokens)
    return build_profile(
        path,
        _name(record) or f"record {number}",
        calls,
        where=where,
        required={name: tuple(tokens) for name, tokens in required.items()},
        category=record.get("DNACategoryCode") or None,
        kit=_kit(data[0], calls),
    )


def _allele(node: Node, path: str) -> list[str]:
    """Tokens of one DNAAllele: up to three calls, with the operator of an open-ended one."""
    operator = node.get("DNAAlleleOperatorCode")
    sign = {"Greater Than": ">", "GreaterThan": ">", "Less Than": "<", "LessThan": "<"}
    texts = [node.get(f"DNAAlleleCall{place}Text") for place in (1, 2, 3)]
    tokens = [sign.get(operator, "") + text for text in texts if text]
    if not tokens:
        raise FormatError(f"{path}: line {node.line}: DNAAllele has no DNAAlleleCall1Text")
    return tokens


def _name(record: Node) -> str | None:
    """Profile identifier, else the sample's, else any identifier of the record."""
    found = {
        node.get("IdentificationCategoryDescriptionText"): node.get("IdentificationID")
        for node in record.all("DNADataIdentification")
    }
    source = next((n.get("IdentificationID") for n in record.walk("DNASourceIdentification")), "")
    return found.get(_PROFILE_ID) or source or next(iter(found.values()), None)


def _kit(data: Node, calls: dict[str, list[tuple[str, float | None]]]) -> str | None:
    from biomatch.dna.kits import find_kit

    name = data.get("DNAKit", "DNAKitName")
    kit = find_kit(name) if name else None
    return name if kit is not None and set(calls) <= set(kit.loci) else None


def read_pedigrees(root: Node, path: str) -> dict[str, tuple[NiemMember, ...]]:
    """Read the pedigrees of a document: identifier -> members.

    Raises
    ------
    FormatError
        A parent refers to nobody.
    """
    found = {}
    for number, pedigree in enumerate(root.walk("Pedigree"), 1):
        nodes = pedigree.all("PedigreeMember")
        names = {
            node.attributes.get("id", f"#{place}"): _member_name(node, place)
            for place, node in enumerate(nodes)
        }
        label = pedigree.get("PedigreeIdentification", "IdentificationID") or f"pedigree {number}"
        found[label] = tuple(
            _member(node, name, names, path)
            for node, name in zip(nodes, names.values(), strict=True)
        )
    return found


def _member_name(node: Node, place: int) -> str:
    stated = node.get("PedigreeMemberIdentification", "IdentificationID")
    return stated or node.attributes.get("id", f"member {place + 1}")


def _member(node: Node, name: str, names: dict[str, str], path: str) -> NiemMember:
    def parent(tag: str) -> str | None:
        link = node.find(tag)
        if link is None:
            return None
        target = link.attributes.get("metadata") or link.attributes.get("ref") or ""
        if target not in names:
            raise FormatError(f"{path}: line {link.line}: {tag} refers to {target!r}: no member")
        return names[target]

    return NiemMember(
        name=name,
        typed=node.find("PedigreeMemberIdentification") is not None,
        sex=node.get("PersonSexText").lower() or None,
        father=parent("PedigreeFatherIdentification"),
        mother=parent("PedigreeMotherIdentification"),
    )


def write_niem(profiles: Sequence[DnaProfile]) -> str:
    """Write profiles as DNA records of NIEM 5.1 in one transaction element."""
    root = branch(
        "DNADataTransaction",
        [_record_node(profile) for profile in profiles],
        **{"xmlns:biom": _BIOM + "5.1/", "xmlns:nc": _CORE},
    )
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + render(root)


def _record_node(profile: DnaProfile) -> Node:
    identity = branch(
        "biom:DNADataIdentification",
        [
            leaf("nc:IdentificationID", profile.name),
            leaf("nc:IdentificationCategoryDescriptionText", _PROFILE_ID),
        ],
    )
    kit = [branch("biom:DNAKit", [leaf("biom:DNAKitName", profile.kit)])] if profile.kit else []
    loci = [
        _locus_node(name, tokens, profile.required.get(name, ()))
        for name, tokens in profile.loci.items()
        if tokens
    ]
    category = [leaf("biom:DNACategoryCode", profile.category)] if profile.category else []
    encoding = branch(
        "biom:DNAEncoding",
        [
            leaf("biom:DNATypingTechnologyCode", "STR"),
            branch("biom:DNASTRData", [*kit, *loci]),
        ],
    )
    return branch("biom:DNARecord", [*category, identity, encoding])


def _locus_node(name: str, tokens: Sequence[str], required: Sequence[str]) -> Node:
    known = BY_NAME.get(name)
    y_linked = known is not None and known.kind is LocusKind.Y
    x_linked = known is not None and known.kind is LocusKind.X
    kind = "Y-STR" if y_linked else "X-STR" if x_linked else "Autosomal"
    signs = {"<": "Less Than", ">": "Greater Than"}
    alleles = []
    for token in tokens:
        inner = [
            leaf("biom:DNAAlleleOperatorCode", signs.get(token[0], "Equal")),
            leaf("biom:DNAAlleleCall1Text", token.lstrip("<>")),
        ]
        if token in required:
            inner.append(leaf("biom:DNAAlleleRequiredIndicator", "true"))
        alleles.append(branch("biom:DNAAllele", inner))
    return branch(
        "biom:DNALocus",
        [
            leaf("biom:DNALocusName", name),
            leaf("biom:DNALocusCategoryCode", kind),
            leaf("biom:DNALocusQualityStatusCode", "Normal"),
            *alleles,
        ],
    )
