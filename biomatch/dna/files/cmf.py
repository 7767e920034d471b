"""CODIS Common Message Format 3.2, in its 2006 and 2017 schemas, and the Rapid variant.

Sources: FBI, *CODIS Interface Specification (CMF 3.2)*, revision 9 (2006); CMF-2017 schema; FBI,
*CODIS Rapid Import CMF Interface Specification* (2017). The lists below are those of the schemas.
A locus has at most eight alleles, a homozygote is written once, at most one allele of a locus is
required, and comments do not begin with a blank.

`check_message` applies the schema to the letter. Reading profiles is milder in one point: the
names of laboratories and users in the header may be longer than the schema's 10 and 20
characters, since files that do so are about and nothing in a profile depends on it. Messages are
written to the letter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from biomatch.dna.files.safexml import Node, branch, leaf, render
from biomatch.dna.files.schema import (
    Check,
    Element,
    boolean,
    date_time,
    decimal,
    one_of,
    text,
    validate,
)
from biomatch.dna.files.text import Cell, build_profile
from biomatch.dna.loci import find
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError, ProfileError

__all__ = [
    "CmfLocus",
    "CmfMessage",
    "CmfSpecimen",
    "check_message",
    "is_cmf",
    "read_cmf",
    "write_cmf",
]

_NAMESPACE = "urn:CODISImportFile-schema"
_RAPID = "urn:CODISRapidImportFile-schema"

CATEGORIES_2017 = (
    "Alleged Father",
    "Alleged Mother",
    "Arrestee",
    "Biological Child",
    "Biological Father",
    "Biological Mother",
    "Biological Sibling",
    "CO Duplicate",
    "Convicted Offender",
    "Deceased",
    "Deduced Missing Person",
    "Deduced Suspect",
    "Detainee",
    "Elimination, Known",
    "Forensic Mixture",
    "Forensic Partial",
    "Forensic Targeted",
    "Forensic, Unknown",
    "Juvenile",
    "Legal",
    "Maternal Relative",
    "Missing Person",
    "Multi-allelic Offender",
    "Other",
    "Paternal Relative",
    "Population",
    "Proficiency",
    "Spouse",
    "Staff",
    "Suspect, Known",
    "Unidentified Person",
    "Unreviewed Offender",
    "Victim, Known",
    "Volunteer",
)
CATEGORIES_2006 = (
    *(
        name
        for name in CATEGORIES_2017
        if name
        not in {
            "Deduced Missing Person",
            "Detainee",
            "Forensic Partial",
            "Forensic Targeted",
            "Multi-allelic Offender",
            "Unreviewed Offender",
        }
    ),
    "Deduced Victim Known",
)
CATEGORIES_RAPID = ("Arrestee", "Convicted Offender", "Detainee", "Juvenile", "Legal")

KITS_2017 = (
    "AmpFLSTR NGM",
    "AmpFLSTR NGM SElect",
    "AmpFlSTR Yfiler Plus",
    "COfiler",
    "GlobalFiler",
    "GlobalFiler Express",
    "Identifiler",
    "Identifiler Direct",
    "Identifiler Plus",
    "Investigator 24plex GO! Kit",
    "Investigator 24plex QS Kit",
    "MiniFiler",
    "Monoplex CSF1PO",
    "Monoplex D13S317",
    "Monoplex D16S539",
    "Monoplex D5S818",
    "Monoplex D7S820",
    "Monoplex TH01",
    "Monoplex TPOX",
    "Monoplex vWA",
    "PowerPlex 1.1",
    "PowerPlex 1.2",
    "PowerPlex 16",
    "PowerPlex 16 HS",
    "PowerPlex 2.1",
    "PowerPlex ESI 16",
    "PowerPlex ESI 17 Pro",
    "PowerPlex ESX 16",
    "PowerPlex ESX 17",
    "PowerPlex Fusion",
    "PowerPlex Fusion 6C",
    "Powerplex Y",
    "Powerplex Y23",
    "Profiler Plus",
    "SGM Plus",
    "Y-PLEX 5",
    "Y-PLEX 6",
    "Yfiler",
)
KITS_2006 = (
    "COfiler",
    "Identifiler",
    "Profiler Plus",
    "PowerPlex 1.1",
    "PowerPlex 1.2",
    "PowerPlex 2.1",
    "PowerPlex 16",
    "Monoplex D5S818",
    "Monoplex D7S820",
    "Monoplex D13S317",
    "Monoplex D16S539",
    "Monoplex TH01",
    "Monoplex TPOX",
    "Monoplex CSF1PO",
    "Monoplex vWA",
    "SGM Plus",
)
KITS_RAPID = ("GlobalFiler", "GlobalFiler Express", "PowerPlex Fusion")

_AUTOSOMAL = (
    "CSF1PO D10S1248 D12S391 D13S317 D16S539 D18S51 D19S433 D1S1656 D21S11 D22S1045 D2S1338 "
    "D2S441 D3S1358 D5S818 D7S820 D8S1179 FGA SE33 TH01 TPOX vWA"
)
_Y_BOTH = (
    "DYS19 DYS385 DYS390 DYS391 DYS392 DYS393 DYS437 DYS438 DYS439 DYS448 DYS456 DYS458 DYS481 "
    "DYS533 DYS549 DYS570 DYS576 DYS635 DYS643 YGATAH4 Yindel"
)
LOCI_RAPID = (
    *f"Amelogenin {_AUTOSOMAL} {_Y_BOTH}".split(),
    "Penta D",
    "Penta E",
    "DYS389 I",
    "DYS389 II",
)
LOCI_2017 = (
    *LOCI_RAPID,
    "AMEL",
    "THO1",
    "TP0X",
    "DYF387S1",
    "DYS449",
    "DYS460",
    "DYS518",
    "DYS627",
)
_SPELLING = {
    "AMEL": "Amelogenin",
    "PentaD": "Penta D",
    "PentaE": "Penta E",
    "DYS389I": "DYS389 I",
    "DYS389II": "DYS389 II",
    "YINDEL": "Yindel",
}


def _schema(year: int, *, mild: bool = False) -> Element:
    """Say what a CMF 3.2 message holds under the schema of that year."""
    long = 235 if mild else 0
    header = (
        Element("HEADERVERSION", decimal(0.0, 9.9, 1)),
        Element("MESSAGETYPE", one_of(("Import",), "message type")),
        Element("DESTINATIONORI", text(10 + long)),
        Element("SOURCELAB", text(10 + long)),
        Element("SUBMITBYUSERID", text(20 + long)),
        Element("SUBMITDATETIME", date_time(1900, 2079)),
        Element("BATCHID", text(32, 0), least=0),
        Element("KIT", _kit_type(year), least=0),
    )
    return Element("CODISImportFile", children=(*header, _specimen_element(year)))


def _kit_type(year: int) -> Check:
    return one_of(KITS_2017 if year >= 2017 else KITS_2006, "CODIS kit")


def _specimen_element(year: int) -> Element:
    categories = CATEGORIES_2017 if year >= 2017 else CATEGORIES_2006
    return Element(
        "SPECIMEN",
        children=(
            Element("SPECIMENID", text(24)),
            Element("SPECIMENCATEGORY", one_of(categories, "CODIS specimen category")),
            Element("SPECIMENCOMMENT", text(255, 0), least=0),
            _locus_element(year),
        ),
        attributes={
            "SOURCEID": one_of(("Yes", "No", "N/A"), "source identification"),
            "CASEID": text(32, 0),
            "PARTIAL": boolean,
        },
        most=None,
        unique="SPECIMENID",
    )


def _locus_element(year: int) -> Element:
    allele = Element(
        "ALLELE",
        children=(Element("ALLELEVALUE", text(10)),),
        attributes={"ALLELEREQUIRED": boolean},
        most=8,
    )
    return Element(
        "LOCUS",
        children=(
            Element(
                "LOCUSNAME", one_of(LOCI_2017, "CODIS locus name") if year >= 2017 else text(20)
            ),
            Element("READINGBY", text(20)),
            Element("READINGDATETIME", date_time(1900, 2079)),
            allele,
        ),
        attributes={"BATCHID": text(32, 0), "KIT": _kit_type(year)},
        most=64 if year >= 2017 else 32,
        unique="LOCUSNAME",
    )


def _optional(name: str, longest: int) -> Element:
    return Element(name, text(longest, 0), least=0)


def _rapid_schema() -> Element:
    """Say what a Rapid message holds."""
    header = Element(
        "HEADER",
        children=(
            Element("MESSAGEVERSION", decimal(0.0, 99.9, 1)),
            Element("MESSAGETYPE", one_of(("Rapid Import",), "message type")),
            Element("MESSAGEID", decimal(1, 1e18, 0)),
            Element("MESSAGEDATETIME", date_time(1900, 9999)),
            Element("MSGCREATORUSERID", text(20)),
            Element("DESTINATIONORI", text(10)),
            Element("SOURCEORI", text(10)),
            Element("ALTSOURCEORI", text(10), least=0),
        ),
    )
    device = Element(
        "DEVICE",
        children=(
            Element("INSTRUMENTID", text(32)),
            Element("MANUFACTURER", text(32), least=0),
            Element("MODEL", text(32), least=0),
            Element("SOFTWAREVERSION", text(32), least=0),
        ),
    )
    return Element("CODISRapidImportFile", children=(header, device, _rapid_specimen()))


def _rapid_specimen() -> Element:
    locus = Element(
        "LOCUS",
        children=(
            Element("LOCUSNAME", one_of(LOCI_RAPID, "CODIS locus name")),
            Element("KIT", one_of(KITS_RAPID, "Rapid kit"), least=0),
            _optional("BATCHID", 32),
            Element("ALLELE", children=(Element("ALLELEVALUE", text(10)),), most=8),
        ),
        most=64,
        unique="LOCUSNAME",
    )
    when = date_time(1900, 9999)
    return Element(
        "SPECIMEN",
        children=(
            Element("SPECIMENID", text(24)),
            Element("SPECIMENCATEGORY", one_of(CATEGORIES_RAPID, "Rapid specimen category")),
            _optional("SID", 32),
            _optional("FBI_NUMBER_UCN", 9),
            Element("UNIQUEEVENTID", text(32, 0)),
            _optional("BOOKINGCUSTOMID", 32),
            _optional("ARRESTINGCUSTOMID", 32),
            Element("ARRESTDATE", when, least=0),
            Element("FINGERPRINTDATE", when),
            Element("ARRESTOFFENSECATEGORY", text(300, 0)),
            _optional("SPECIMENCOMMENT", 512),
            locus,
        ),
        most=None,
        unique="SPECIMENID",
    )


@dataclass(frozen=True, slots=True)
class CmfLocus:
    """One locus of a specimen as the message spells it.

    Attributes
    ----------
    name
        CODIS spelling.
    alleles
        Values in the message's order.
    required
        Values marked ALLELEREQUIRED.
    read_by, read_at
        Who read it and when; None in Rapid messages.
    kit, batch
        Where they differ from the message's.
    cells
        Where the locus name and each allele stand in the file; empty when made in memory.
    """

    name: str
    alleles: tuple[str, ...]
    required: tuple[str, ...] = ()
    read_by: str | None = None
    read_at: str | None = None
    kit: str | None = None
    batch: str | None = None
    cells: tuple[Cell, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CmfSpecimen:
    """One specimen.

    Attributes
    ----------
    name, category, comment
        SPECIMENID, SPECIMENCATEGORY, SPECIMENCOMMENT.
    loci
        Its loci.
    attributes
        SOURCEID, CASEID, PARTIAL as given.
    details
        Rapid: arrest and booking fields, element name -> text.
    """

    name: str
    category: str
    loci: tuple[CmfLocus, ...]
    comment: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CmfMessage:
    """A whole message; `dumps` writes what `loads` read.

    Attributes
    ----------
    header
        Header elements in order, name -> text.
    specimens
        The specimens.
    device
        Rapid: DEVICE elements; empty otherwise.
    rapid
        True for the Rapid variant.
    """

    header: Mapping[str, str]
    specimens: tuple[CmfSpecimen, ...]
    device: Mapping[str, str] = field(default_factory=dict)
    rapid: bool = False

    @classmethod
    def loads(cls, root: Node, path: str, *, mild: bool = False) -> "CmfMessage":
        """Validate a parsed message and take it in; `mild` as in `check_message`.

        Raises
        ------
        FormatError
            It breaks its schema; the message names line, element and value.
        """
        check_message(root, path, mild=mild)
        rapid = root.tag == "CODISRapidImportFile"
        top = root.find("HEADER") if rapid else root
        device = root.find("DEVICE")
        return cls(
            header={n.tag: n.text for n in (top or root).children if n.tag != "SPECIMEN"},
            specimens=tuple(_specimen(node) for node in root.all("SPECIMEN")),
            device={n.tag: n.text for n in device.children} if device else {},
            rapid=rapid,
        )

    @classmethod
    def of(
        cls,
        profiles: Sequence[DnaProfile],
        *,
        destination: str = "UNKNOWN",
        source: str = "UNKNOWN",
        user: str = "biomatch",
        category: str = "Forensic, Unknown",
        moment: datetime | None = None,
    ) -> "CmfMessage":
        """Make a message of profiles.

        Parameters
        ----------
        profiles
            Their names become SPECIMENID; category and kit are theirs where given.
        destination, source, user
            DESTINATIONORI, SOURCELAB, SUBMITBYUSERID (also READINGBY).
        category
            SPECIMENCATEGORY of profiles without one.
        moment
            Date of submission and reading; None = now.
        """
        at = (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S")
        header = {
            "HEADERVERSION": "3.2",
            "MESSAGETYPE": "Import",
            "DESTINATIONORI": destination,
            "SOURCELAB": source,
            "SUBMITBYUSERID": user,
            "SUBMITDATETIME": at,
        }
        specimens = [_of_profile(profile, category, user, at) for profile in profiles]
        return cls(header, tuple(specimens))

    def profiles(self, path: str) -> list[DnaProfile]:
        """Return the specimens as profiles.

        Raises
        ------
        ProfileError
            Unknown locus or impossible allele.
        """
        return [_profile(specimen, self.header.get("KIT"), path) for specimen in self.specimens]

    def dumps(self) -> str:
        """Write the message; it is validated first.

        Raises
        ------
        FormatError
            It breaks the schema (a name too long, an unknown category, ...).
        """
        node = self._rapid_node() if self.rapid else self._node()
        try:
            check_message(node, "CMF message")
        except FormatError as error:  # nothing has a line before it is written
            told = str(error).replace(": line 0", "").replace(", in line 0", "")
            raise FormatError(told) from None
        for specimen in self.specimens:
            if (specimen.comment or "").startswith(" "):
                raise FormatError(
                    f"specimen {specimen.name!r}: the comment begins with a blank; CMF forbids it"
                )
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + render(node)

    def _node(self) -> Node:
        children = [leaf(name, value) for name, value in self.header.items()]
        for one in self.specimens:
            inner = [leaf("SPECIMENID", one.name), leaf("SPECIMENCATEGORY", one.category)]
            if one.comment is not None:
                inner.append(leaf("SPECIMENCOMMENT", one.comment))
            inner += [_locus_node(locus) for locus in one.loci]
            children.append(branch("SPECIMEN", inner, **one.attributes))
        return branch("CODISImportFile", children, xmlns=_NAMESPACE)

    def _rapid_node(self) -> Node:
        children = [
            branch("HEADER", [leaf(name, value) for name, value in self.header.items()]),
            branch("DEVICE", [leaf(name, value) for name, value in self.device.items()]),
        ]
        for one in self.specimens:
            inner = [leaf("SPECIMENID", one.name), leaf("SPECIMENCATEGORY", one.category)]
            inner += [leaf(name, value) for name, value in one.details.items()]
            if one.comment is not None:
                inner.append(leaf("SPECIMENCOMMENT", one.comment))
            inner += [_rapid_locus_node(locus) for locus in one.loci]
            children.append(branch("SPECIMEN", inner))
        return branch("CODISRapidImportFile", children, xmlns=_RAPID)


def is_cmf(root: Node) -> bool:
    """Tell whether a document is a CMF message of either kind."""
    return root.tag in {"CODISImportFile", "CODISRapidImportFile"}


def check_message(root: Node, path: str, *, mild: bool = False) -> None:
    """Validate a message against its schema: the one of 2017, or that of 2006 if it fits only that.

    Parameters
    ----------
    root, path
        The document and its name for messages.
    mild
        Let header names be longer than the schema allows.

    Raises
    ------
    FormatError
        The first deviation from the 2017 (or Rapid) schema.
    """
    rapid = root.tag == "CODISRapidImportFile"
    namespace = _RAPID if rapid else _NAMESPACE
    if (root.namespace or root.attributes.get("xmlns", "")) != namespace:
        raise FormatError(f"{path}: line {root.line}: the namespace is not {namespace}")
    root = Node(root.tag, root.namespace, {}, root.children, root.text, root.line)
    if rapid:
        validate(root, _rapid_schema(), path)
    else:
        try:
            validate(root, _schema(2017, mild=mild), path)
        except FormatError as error:
            try:
                validate(root, _schema(2006, mild=mild), path)
            except FormatError:
                raise error from None
    for specimen in root.all("SPECIMEN"):
        for locus in specimen.all("LOCUS"):
            _check_required(locus, path)


def _check_required(locus: Node, path: str) -> None:
    required = [allele for allele in locus.all("ALLELE") if _is_required(allele)]
    if len(required) > 1:
        raise FormatError(
            f"{path}: line {required[1].line}: locus {locus.get('LOCUSNAME')} has more than one "
            "ALLELEREQUIRED; CODIS allows one"
        )


def _is_required(allele: Node) -> bool:
    return allele.attributes.get("ALLELEREQUIRED", "").strip() in {"true", "1"}


def _specimen(node: Node) -> CmfSpecimen:
    fixed = {"SPECIMENID", "SPECIMENCATEGORY", "SPECIMENCOMMENT", "LOCUS"}
    comment = node.find("SPECIMENCOMMENT")
    return CmfSpecimen(
        name=_text(node, "SPECIMENID") or "",
        category=_text(node, "SPECIMENCATEGORY") or "",
        loci=tuple(_locus(child) for child in node.all("LOCUS")),
        comment=comment.text if comment else None,
        attributes=dict(node.attributes),
        details={child.tag: child.text for child in node.children if child.tag not in fixed},
    )


def _text(node: Node, tag: str) -> str | None:
    child = node.find(tag)
    return child.text if child else None


def _locus(node: Node) -> CmfLocus:
    alleles = node.all("ALLELE")
    return CmfLocus(
        name=_text(node, "LOCUSNAME") or "",
        alleles=tuple(_text(allele, "ALLELEVALUE") or "" for allele in alleles),
        required=tuple(_text(a, "ALLELEVALUE") or "" for a in alleles if _is_required(a)),
        read_by=_text(node, "READINGBY"),
        read_at=_text(node, "READINGDATETIME"),
        kit=_text(node, "KIT") if node.find("KIT") else node.attributes.get("KIT"),
        batch=_text(node, "BATCHID") if node.find("BATCHID") else node.attributes.get("BATCHID"),
        cells=tuple(Cell.of(child) for child in (*node.all("LOCUSNAME"), *_values(alleles))),
    )


def _values(alleles: Sequence[Node]) -> list[Node]:
    return [allele.find("ALLELEVALUE") or allele for allele in alleles]


def _locus_node(locus: CmfLocus) -> Node:
    alleles = [
        branch(
            "ALLELE",
            [leaf("ALLELEVALUE", value)],
            ALLELEREQUIRED="true" if value in locus.required else None,
        )
        for value in locus.alleles
    ]
    inner = [
        leaf("LOCUSNAME", locus.name),
        leaf("READINGBY", locus.read_by or ""),
        leaf("READINGDATETIME", locus.read_at or ""),
        *alleles,
    ]
    return branch("LOCUS", inner, BATCHID=locus.batch, KIT=locus.kit)


def _rapid_locus_node(locus: CmfLocus) -> Node:
    inner = [leaf("LOCUSNAME", locus.name)]
    inner += [leaf("KIT", locus.kit)] if locus.kit is not None else []
    inner += [leaf("BATCHID", locus.batch)] if locus.batch is not None else []
    inner += [branch("ALLELE", [leaf("ALLELEVALUE", value)]) for value in locus.alleles]
    return branch("LOCUS", inner)


def _profile(specimen: CmfSpecimen, kit: str | None, path: str) -> DnaProfile:
    calls: dict[str, list[tuple[str, float | None]]] = {}
    required: dict[str, tuple[str, ...]] = {}
    where: dict[str, list[Cell]] = {}
    kits = {locus.kit or kit for locus in specimen.loci}
    for locus in specimen.loci:
        known = find(locus.name)
        if known is None:
            at = f"{locus.cells[0].where}: " if locus.cells else ""
            raise ProfileError(
                f"{path}: {at}specimen {specimen.name!r}: unknown locus {locus.name!r}"
            )
        where[known.name] = list(locus.cells[1:])
        calls[known.name] = [(value.strip(), None) for value in locus.alleles]
        if locus.required:
            required[known.name] = tuple(value.strip() for value in locus.required)
    return build_profile(
        path,
        specimen.name,
        calls,
        where=where,
        category=specimen.category,
        required=required,
        comment=specimen.comment,
        kit=_known_kit(kits, calls),
    )


def _known_kit(kits: set[str | None], calls: Mapping[str, object]) -> str | None:
    """Return the kit when there is a single one that types all these loci."""
    from biomatch.dna.kits import find_kit

    names = [name for name in kits if name]
    found = find_kit(names[0]) if len(names) == 1 and len(kits) == 1 else None
    return names[0] if found is not None and set(calls) <= set(found.loci) else None


def _of_profile(profile: DnaProfile, category: str, user: str, at: str) -> CmfSpecimen:
    loci = []
    kit = profile.kit if profile.kit in KITS_2017 else None
    for name, tokens in profile.loci.items():
        if not tokens:
            continue
        spelled = _SPELLING.get(name, name)
        if spelled not in LOCI_2017:
            raise FormatError(
                f"specimen {profile.name!r}: {name} is no CODIS locus; leave it out of the message"
            )
        required = tuple(token for token in profile.required.get(name, ()) if token in tokens)
        loci.append(CmfLocus(spelled, tokens, required, user, at, kit))
    comment = profile.comment.strip()[:255] if profile.comment else None
    return CmfSpecimen(profile.name, profile.category or category, tuple(loci), comment)


def read_cmf(root: Node, path: str) -> list[DnaProfile]:
    """Validate a message (mildly) and return its profiles.

    Raises
    ------
    FormatError, ProfileError
        It breaks its schema, or holds an unknown locus or impossible allele.
    """
    return CmfMessage.loads(root, path, mild=True).profiles(path)


def write_cmf(profiles: Sequence[DnaProfile]) -> str:
    """Write profiles as a CMF 3.2 message (schema of 2017).

    Raises
    ------
    FormatError
        A name, category or locus that CMF does not allow.
    """
    return CmfMessage.of(profiles).dumps()
