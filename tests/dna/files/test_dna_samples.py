"""Every sample file of other tools is read, or refused for the right reason."""

from pathlib import Path

import pytest

from biomatch.dna import DnaProfile
from biomatch.dna.files import parse_profiles, read, read_frequencies
from biomatch.dna.files.safexml import parse
from biomatch.dna.files.smartrank import from_json, read_criteria
from biomatch.errors import BiomatchError

REFUSED = {
    "SNP_evids.csv": "unknown locus 'rs1490413'",
    "SNP_refs.csv": "unknown locus 'rs1490413'",
    "SMARTRANK-42-database.csv": r"line 28, column 2 \(TH01_1\).*'INVALID'",
    "CMF32.txt": "not a table",
    "CODIS_Rapid_CMF.txt": "not a table",
    "Expected result for P15.txt": "not a table",
    "CmfList.xml": "CmfList is no DNA format",
}
FREQUENCIES = ("_freq.csv", "_Norway.csv", "_NorwayAMEL.csv", "-p15.csv", "str_base")


def _files(shared: Path) -> list[Path]:
    return sorted(p for p in (shared / "dna" / "samples").rglob("*") if p.is_file())


def _expected(path: Path) -> str | None:
    """What the refusal says; None when the file is to be read."""
    if path.name in REFUSED:
        return REFUSED[path.name]
    if path.suffix == ".xsd":
        return "schema is no DNA format"
    if path.name.endswith("expectedresults.txt"):
        return "not a table"
    if any(mark in path.name for mark in FREQUENCIES) and "sample" not in path.name:
        return None if "suspect" in path.name else "allele frequencies"
    return None


def test_every_sample_file(shared: Path) -> None:
    count = 0
    for path in _files(shared):
        reason = _expected(path)
        if reason is None:
            profiles = read(path)
            assert profiles, path
            for profile in profiles:
                assert DnaProfile.loads(profile.dumps()) == profile
            count += len(profiles)
        else:
            with pytest.raises(BiomatchError, match=reason) as error:
                read(path)
            assert str(path) in str(error.value)
    assert count > 300


def test_alleles_of_some_samples(shared: Path) -> None:
    folder = shared / "dna" / "samples"
    stain = read(folder / "euroformix" / "stain.txt")[0]
    assert stain.loci["TH01"] == ("6", "7", "9.3")
    assert stain.heights["TH01"] == (419.0, 282.0, 1871.0)
    database = read(folder / "smartrank" / "SMARTRANK-49-database.csv")
    assert "vWA" in database[0].loci
    niem = read(folder / "niem" / "NIEM5.1_DNA_Crime_Scene_Mixture.xml")[0]
    assert niem.name == "XX23487676"
    assert niem.required["D8S1179"] == ("12", "13")
    family = read(folder / "familias" / "halfsib-test.fam")[0]
    assert len(family.loci) == 8
    names = [profile.name for profile in read(folder / "lrmix" / "case-10" / "sample.csv")]
    assert names == ["Rep1", "Rep2", "Rep3"]


def test_smartrank_criteria_are_the_same_in_json_and_xml(shared: Path) -> None:
    folder = shared / "dna" / "samples" / "smartrank"
    pairs = [(path, path.with_suffix(".xml")) for path in sorted(folder.glob("*.json"))]
    assert len(pairs) > 5
    for in_json, in_xml in pairs:
        assert read(in_json) == read(in_xml)
        one = read_criteria(from_json(in_json.read_text(), "x"), "x")
        other = read_criteria(parse(in_xml.read_text(), "x"), "x")
        assert one == other, in_json
    table = folder / "SmartRankImportFile-sample-statistics.json"
    assert read_frequencies(table)[""].frequency("TH01", "6") == 0.2098321343


def test_frequency_files(shared: Path) -> None:
    folder = shared / "dna" / "samples"
    strider = read_frequencies(folder / "smartrank" / "str_base_validation_file.xml")
    assert strider["Entire Database"].frequency("TH01", "9.3") == pytest.approx(0.299730)
    norway = read_frequencies(folder / "euroformix" / "ESX17_NorwayAMEL.csv")[""]
    assert norway.frequency("TH01", "6") == pytest.approx(0.209274435)
    familias = read_frequencies(folder / "familias" / "KETPex497.fam")[""]
    assert familias.frequency("D3S1358", "15") == pytest.approx(0.2635090535)


def test_every_written_sample_is_read_back(shared: Path) -> None:
    """Long tables hold whatever was read from any format."""
    from biomatch.dna.files.long import write_long

    for path in _files(shared):
        if _expected(path) is None and path.suffix != ".fam":
            profiles = read(path)
            again = parse_profiles(write_long(profiles), "again.csv")
            typed = [
                {locus: tokens for locus, tokens in profile.loci.items() if tokens}
                for profile in profiles
            ]
            back = [{k: v for k, v in p.loci.items() if v} for p in again]
            assert back == [table for table in typed if table], path
