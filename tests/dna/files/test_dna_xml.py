"""Hostile XML, and the formats in XML other than CODIS."""

from pathlib import Path

import pytest
from dna_samples import CMF, CRITERIA, NIEM, STRIDER

from biomatch.dna import DnaProfile
from biomatch.dna.files import WRITERS, parse_profiles, read, read_frequencies
from biomatch.dna.files.niem import read_pedigrees
from biomatch.dna.files.safexml import Node, parse, render
from biomatch.dna.files.smartrank import from_json, read_criteria
from biomatch.dna.files.strider import read_strider
from biomatch.errors import FormatError, ProfileError

LAUGHS = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;&l;">]>
<a>&m;</a>"""
EXTERNAL = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'


@pytest.mark.parametrize("text", [LAUGHS, EXTERNAL, "<!DOCTYPE html><html/>"])
def test_document_types_are_refused(text: str) -> None:
    with pytest.raises(FormatError, match="DOCTYPE"):
        parse(text, "x")


def test_depth_is_limited_and_errors_have_lines() -> None:
    with pytest.raises(FormatError, match="levels"):
        parse("<a>" * 100 + "</a>" * 100, "x")
    with pytest.raises(FormatError, match="line 2"):
        parse("<a>\n<b></a>", "x")
    with pytest.raises(FormatError, match="line 1"):
        parse("<a>&unknown;</a>", "x")


def test_rendered_text_is_parsed_back() -> None:
    node = Node("a", attributes={"n": "<\"'&>"}, children=[Node("b", text="x < y & z")])
    again = parse(render(node), "x")
    assert again.attributes == node.attributes
    assert again.children[0].text == "x < y & z"


def test_niem_records_and_pedigree() -> None:
    (profile,) = parse_profiles(NIEM, "x")
    assert profile.name == "PROFILE-1"
    assert dict(profile.loci) == {"D8S1179": ("10", "12", ">18")}
    assert dict(profile.required) == {"D8S1179": ("12",)}
    members = read_pedigrees(parse(NIEM, "x"), "x")["FAM"]
    assert [(m.name, m.typed, m.sex, m.mother) for m in members] == [
        ("PROFILE-1", True, "female", None),
        ("p2", False, "male", "PROFILE-1"),
    ]
    with pytest.raises(FormatError, match="refers to 'p9'"):
        read_pedigrees(parse(NIEM.replace('metadata="p1"', 'metadata="p9"'), "x"), "x")
    with pytest.raises(ProfileError, match=r"line \d+.*D8S9"):
        parse_profiles(NIEM.replace("D8S1179", "D8S9"), "x")
    with pytest.raises(FormatError, match="no STR profile"):
        parse_profiles(NIEM.replace("DNASTRData", "DNASNPData"), "x")


def test_smartrank_criteria() -> None:
    criteria = read_criteria(parse(CRITERIA, "x"), "x")
    assert [profile.name for profile in criteria.replicates] == ["E"]
    assert dict(criteria.replicates[0].loci) == {"TH01": ("6", "7", "9.3")}
    assert (criteria.dropin, criteria.theta, criteria.threshold) == (0.05, 0.01, 500.0)
    assert criteria.candidate_dropout == 0.1
    assert criteria.max_results == 250
    assert criteria.rare_frequency == 1e-4
    assert dict(criteria.defence.contributors) == {"V": 0.0}
    assert (criteria.defence.unknowns, criteria.defence.dropout) == (1, 0.2)
    assert criteria.prosecution.dropout is None
    assert criteria.statistics["TH01"] == {"6": 0.2}


def test_smartrank_criteria_in_json() -> None:
    text = """{"replicates": {"replicate": [{"name": "E"}]}, "dropin": 0, "theta": 1.5E-2,
      "lrThreshold": null, "rareAlleleFrequency": 1.0E-5,
      "hp": {"candidateDropout": "automatic", "unknowns": {"count": 0, "dropout": "0.1"},
             "contributors": {"contributor": [{"name": "V", "dropout": "0.00"}]}},
      "hd": {"unknowns": {"count": 1, "dropout": "0.2"}},
      "specimen": [{"name": "E", "locus": [{"name": "THO1", "allele": [{"value": "9.3"}]}]},
                   {"name": "V", "locus": []}], "version": 1.0}"""
    criteria = read_criteria(from_json(text, "x"), "x")
    assert dict(criteria.replicates[0].loci) == {"TH01": ("9.3",)}
    assert (criteria.dropin, criteria.theta, criteria.rare_frequency) == (0.0, 0.015, 1e-5)
    assert (criteria.threshold, criteria.candidate_dropout) == (1000.0, None)
    assert dict(criteria.prosecution.contributors) == {"V": 0.0}
    assert criteria.defence.unknowns == 1
    with pytest.raises(FormatError, match="'Q' is not among"):
        parse_profiles(text.replace('{"name": "E"}', '{"name": "Q"}', 1), "x")
    with pytest.raises(ProfileError, match="THO9"):
        parse_profiles(text.replace("THO1", "THO9"), "x")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CMF.replace(">11.1<", ">11.9<"), r"line \d+, column \d+ \(ALLELEVALUE\): .*'11.9'"),
        (NIEM.replace(">18<", ">1x<"), r"line 24, column 9 \(DNAAllele\): .*'>1x'"),
        (
            CRITERIA.replace('value="9.3"', 'value="9.x"'),
            r"line 17, column 62 \(Allele\): .*'9.x'",
        ),
    ],
)
def test_bad_alleles_in_xml_are_named_with_their_place(text: str, says: str) -> None:
    with pytest.raises(ProfileError, match=says):
        parse_profiles(text, "x")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('Replicate name="E"', 'Replicate name="Q"', "'Q' is not among"),
        ('Contributor name="V"', 'Contributor name="W"', "'W' is not among"),
        ('Specimen name="V"', 'Specimen name="E"', "given twice"),
        ("<Theta>0.01", "<Theta>2", "Theta '2'"),
        ('count="1"', 'count="9"', "count='9'"),
        ('dropout="0.20"', 'dropout="often"', "dropout='often'"),
        ('<HP candidateDropout="0.10">', "<HP>", "candidateDropout"),
    ],
)
def test_broken_criteria(old: str, new: str, says: str) -> None:
    assert old in CRITERIA
    with pytest.raises(FormatError, match=says):
        read_criteria(parse(CRITERIA.replace(old, new), "x"), "x")


def test_strider_tables(tmp_path: object) -> None:
    tables = read_strider(parse(STRIDER, "x"), "x")
    assert list(tables) == ["NORTH", "SOUTH"]
    assert tables["NORTH"].frequency("TH01", "9.3") == 0.75
    assert tables["NORTH"].n_alleles("TH01") == 200
    with pytest.raises(FormatError, match=r"line \d+.*'many'"):
        read_strider(parse(STRIDER.replace("0.75", "many"), "x"), "x")
    with pytest.raises(FormatError, match="allele frequencies"):
        parse_profiles(STRIDER, "x")


def test_frequencies_of_other_files(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "a.xml").write_text(STRIDER)
    (folder / "b.xml").write_text(CRITERIA)
    (folder / "c.xml").write_text(NIEM)
    assert set(read_frequencies(folder / "a.xml")) == {"NORTH", "SOUTH"}
    assert read_frequencies(folder / "b.xml")[""].frequency("TH01", "6") == 0.2
    with pytest.raises(FormatError, match="no allele frequencies"):
        read_frequencies(folder / "c.xml")


def test_a_second_declaration_of_an_encoding_that_there_is_not() -> None:
    """Found by fuzzing: it ended as a LookupError."""
    text = '<?xml version="1.0" encoding="UTF-8"?><?xml version="1.0" encoding="UTF-0"?><a/>'
    with pytest.raises(FormatError):
        parse_profiles(text, "x.xml")


@pytest.mark.parametrize("encoding", ["ISO-8859-2", "windows-1251", "UTF-8", "UTF-16"])
def test_the_declared_encoding_is_used(tmp_path: Path, encoding: str) -> None:
    name = "Пётр" if encoding == "windows-1251" else "Łódź"
    profile = DnaProfile.from_alleles({"TH01": ("6", "9.3")}, name=name)
    text = WRITERS["niem"]([profile]).replace("UTF-8", encoding)
    path = tmp_path / "x.xml"
    path.write_bytes(text.encode(encoding))
    assert read(path)[0].name == name
