"""CODIS messages: our verdict is the schema's, and what is read is written back."""

from pathlib import Path
from typing import Any

import pytest
from dna_samples import CMF, RAPID
from hypothesis import given, settings
from hypothesis import strategies as st

from biomatch.dna import DnaProfile
from biomatch.dna.files import parse_profiles, read, write
from biomatch.dna.files.cmf import CmfMessage, check_message
from biomatch.dna.files.safexml import parse
from biomatch.errors import FormatError

etree = pytest.importorskip("lxml.etree")


def xsd(shared: Path, name: str, folder: str = "codis") -> Any:
    return etree.XMLSchema(etree.parse(str(shared / "dna" / "samples" / folder / name)))


def accepts(text: str) -> bool:
    try:
        check_message(parse(text, "x"), "x")
    except FormatError:
        return False
    return True


def test_profiles_of_a_message() -> None:
    first, second = parse_profiles(CMF, "x.xml")
    assert first.name == "S-1"
    assert first.category == "Forensic Mixture"
    assert dict(first.loci) == {"CSF1PO": ("<6", "10", "11.1"), "PentaD": ("9",)}
    assert dict(first.required) == {"CSF1PO": ("10",)}
    assert first.comment == "off-ladder at FGA & more"
    assert dict(second.loci) == {"TH01": ("6", "9.3")}
    assert second.kit == "PowerPlex 16"
    (rapid,) = parse_profiles(RAPID, "x.xml")
    assert dict(rapid.loci) == {"FGA": ("20", "24"), "YINDEL": ("2",)}


@pytest.mark.parametrize("text", [CMF, RAPID])
def test_round_trip_loses_nothing(text: str) -> None:
    message = CmfMessage.loads(parse(text, "x"), "x")
    again = CmfMessage.loads(parse(message.dumps(), "y"), "y")
    assert again == message
    assert again.dumps() == message.dumps()


def test_messages_validate_against_the_schemas_before_and_after(shared: Path) -> None:
    for text, name in ((CMF, "CMF-2017.xsd"), (RAPID, "CODIS-R-CMF-Interface-Spec.xsd")):
        schema = xsd(shared, name)
        schema.assertValid(etree.fromstring(text.encode()))
        written = CmfMessage.loads(parse(text, "x"), "x").dumps()
        schema.assertValid(etree.fromstring(written.encode()))


def test_the_shared_message_is_read_and_written_valid(shared: Path, tmp_path: Path) -> None:
    """Its header breaks the schema (a laboratory name of 12 characters); its profile is fine."""
    source = shared / "dna" / "samples" / "codis" / "Codis-Single-Profile.xml"
    text = source.read_text("utf-8")
    schema = xsd(shared, "CMF-2017.xsd")
    assert schema.validate(etree.fromstring(text.encode())) == accepts(text) is False
    fixed = text.replace("NO-SOURCELAB", "SOURCELAB")
    schema.assertValid(etree.fromstring(fixed.encode()))
    message = CmfMessage.loads(parse(fixed, "x"), "x")
    assert CmfMessage.loads(parse(message.dumps(), "x"), "x") == message
    profiles = read(source)
    assert profiles == message.profiles("x")
    write(tmp_path / "out.xml", profiles, "cmf")
    schema.assertValid(etree.parse(str(tmp_path / "out.xml")))
    assert dict(read(tmp_path / "out.xml")[0].loci) == dict(profiles[0].loci)


BREAKS = {
    "unknown category": ("Convicted Offender", "Convicted offender"),
    "unknown locus": ("<LOCUSNAME>TH01<", "<LOCUSNAME>TH09<"),
    "locus spelled otherwise": ("<LOCUSNAME>Penta D<", "<LOCUSNAME>PentaD<"),
    "unknown kit": ("PowerPlex 1.2", "PowerPlex 1.3"),
    "name too long": ("S-2", "S" * 25),
    "same specimen twice": ("S-2", "S-1"),
    "same locus twice": ("Penta D", "CSF1PO"),
    "bad date": ("2024-05-06T07:08:09", "06/05/2024"),
    "impossible date": ("2024-05-06T07:08:09", "2024-13-06T07:08:09"),
    "date too early": ("2024-05-06T07:08:09", "1899-01-01T00:00:00"),
    "source id": ('SOURCEID="Yes"', 'SOURCEID="yes"'),
    "not boolean": ('PARTIAL="true"', 'PARTIAL="maybe"'),
    "unknown attribute": ('PARTIAL="true"', 'PARTIAL="true" RUSH="1"'),
    "other namespace": ("urn:CODISImportFile-schema", "urn:other"),
    "allele too long": ("11.1", "11.11111111"),
    "element missing": ("<MESSAGETYPE>Import</MESSAGETYPE>", ""),
    "element unknown": ("<KIT>PowerPlex 16</KIT>", "<KIT>PowerPlex 16</KIT><RUN>1</RUN>"),
    "order": (
        "<SPECIMENID>S-2</SPECIMENID>\n    <SPECIMENCATEGORY>Convicted Offender</SPECIMENCATEGORY>",
        "<SPECIMENCATEGORY>Convicted Offender</SPECIMENCATEGORY>\n    <SPECIMENID>S-2</SPECIMENID>",
    ),
    "no specimen": (CMF[CMF.index("  <SPECIMEN ") : CMF.index("</CODISImportFile>")], ""),
    "version": ("<HEADERVERSION>3.2<", "<HEADERVERSION>three<"),
    "text between": ("<SPECIMEN>", "<SPECIMEN>stray"),
    "nine alleles": (
        "<ALLELE><ALLELEVALUE>9</ALLELEVALUE></ALLELE>",
        "".join(f"<ALLELE><ALLELEVALUE>{n}</ALLELEVALUE></ALLELE>" for n in range(5, 14)),
    ),
}


@pytest.mark.parametrize("what", sorted(BREAKS))
def test_what_the_schema_refuses_is_refused_with_its_line(shared: Path, what: str) -> None:
    old, new = BREAKS[what]
    assert old in CMF
    broken = CMF.replace(old, new, 1) if what != "other namespace" else CMF.replace(old, new)
    document = etree.fromstring(broken.encode())
    schemas = xsd(shared, "CMF-2017.xsd"), xsd(shared, "codis.xsd", "smartrank")
    assert not schemas[0].validate(document)
    if schemas[1].validate(document):  # the schema of 2006 lets any locus name pass
        assert accepts(broken)
        return
    with pytest.raises(FormatError, match=r"x\.xml: line \d+"):
        check_message(parse(broken, "x.xml"), "x.xml")


def test_only_one_allele_of_a_locus_may_be_required() -> None:
    """The specification's text says so; the schema cannot."""
    two = CMF.replace("<ALLELE><ALLELEVALUE>&lt;6", '<ALLELE ALLELEREQUIRED="1"><ALLELEVALUE>&lt;6')
    with pytest.raises(FormatError, match="more than one ALLELEREQUIRED"):
        parse_profiles(two, "x")


def test_a_category_of_2006_is_accepted() -> None:
    assert accepts(CMF.replace("Convicted Offender", "Deduced Victim Known"))


CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="￾￿")


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(CHARACTERS, min_size=1, max_size=30).map(str.strip).filter(bool),
        st.lists(st.sampled_from(("6", "9.3", "<5", ">10", "7")), min_size=1, max_size=8),
        min_size=1,
        max_size=4,
    )
)
def test_written_messages_are_valid_or_refused(shared: Path, table: dict[str, list[str]]) -> None:
    profiles = [
        DnaProfile.from_alleles({"TH01": tokens, "PentaE": ("12",)}, name=name)
        for name, tokens in table.items()
    ]
    schema = xsd(shared, "CMF-2017.xsd")
    if any(len(name) > 24 for name in table):
        with pytest.raises(FormatError, match="SPECIMENID"):
            CmfMessage.of(profiles).dumps()
        return
    text = CmfMessage.of(profiles).dumps()
    schema.assertValid(etree.fromstring(text.encode()))
    assert [dict(p.loci) for p in parse_profiles(text, "x")] == [dict(p.loci) for p in profiles]
