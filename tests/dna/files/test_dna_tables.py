"""Long and wide tables: what they hold, and what is wrong with them."""

import csv
from pathlib import Path

import pytest
from dna_samples import GENEMAPPER, LONG, SMARTRANK, WIDE

from biomatch.dna import DnaProfile
from biomatch.dna.files import WRITERS, parse_profiles, read
from biomatch.errors import FormatError, ProfileError


def test_long_table_with_heights() -> None:
    stain, suspect = parse_profiles(LONG, "x.csv")
    assert dict(stain.loci) == {
        "AMEL": ("X", "Y"),
        "TH01": ("6", "9.3"),
        "D3S1358": ("14", "15", "17"),
    }
    assert stain.heights["D3S1358"] == (310.0, 290.0, 88.0)
    assert suspect.loci["TH01"] == ("9.3",)
    assert not suspect.heights


def test_wide_tables() -> None:
    first, second = parse_profiles(WIDE, "x")
    assert dict(first.loci) == {"AMEL": ("X",), "TH01": ("6", "9.3"), "vWA": ("17",)}
    assert second.loci["vWA"] == ("14", "16")
    a, b = parse_profiles(SMARTRANK, "x")
    assert dict(a.loci) == {"TH01": ("6", "9.3"), "vWA": ("17",)}
    assert dict(b.loci) == {"vWA": ("14", "15", "16")}


def test_genemapper_wide_with_heights_and_off_ladder() -> None:
    first, second = parse_profiles(GENEMAPPER, "x.txt")
    assert first.heights["TH01"] == (101.0, 99.0)
    assert second.loci["TH01"] == ("9.3", "OL")
    assert second.heights["TH01"] == (101.0, 12.0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, delimiter: str, end: str) -> None:
    text = LONG.replace("stain", "stäin").replace(",", delimiter).replace("\n", end)
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    assert read(path)[0].name == "stäin"
    assert read(path)[0].loci["TH01"] == ("6", "9.3")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("SampleName,Allele1,Allele2\nS,6,7\n", FormatError, "no marker column"),
        ("Marker,Allele1\nTH01,6\n", FormatError, "no column names the specimen"),
        ("SampleName,Marker,Allele1\nS,TH09,6\n", ProfileError, "line 2, column 2.*TH09"),
        ("SampleName,Marker,Allele1\nS,TH01,9..3\n", ProfileError, "line 2, column 3.*9..3"),
        (
            "SampleName,Marker,Allele1,Allele2\nS,TH01,6,7\nS,vWA,14,17.5\n",
            ProfileError,
            "line 3, column 4.*17.5",
        ),
        ("SampleName,Marker,Allele1\nS,TH01,6\nS,THO1,6\n", FormatError, "line 3.*line 2"),
        ("SampleName,Marker,Allele1,Height1\nS,TH01,6,tall\n", FormatError, "column 4.*tall"),
        ("SampleName,Marker,Allele1\n,TH01,6\n", FormatError, "line 2, column 1"),
        ("SampleName,Marker,Allele1\nS,TH01,6,7\n", FormatError, "4 cells"),
        ("SampleName,Marker,Allele1\n", FormatError, "no rows"),
        ("SampleName,TH01_1,THX1_1\nS,6,7\n", ProfileError, "column 3.*THX1_1"),
        ("SampleName,TH01\nS,6\nS,7\n", FormatError, "line 3.*line 2"),
        ("TH01,vWA\n6,7\n", FormatError, "no column names the specimen"),
        ("Sample,TH01_1,TH01_2\nS,6 7,9\n", FormatError, "line 2, column 2.*several alleles"),
        ("SampleName,Marker,Allele1\nS,DYS385a,11\nS,DYS385a,14\n", FormatError, "line 3.*line 2"),
        ("a,b\n1,2\n", FormatError, "not a DNA table"),
        ("Allele,TH01\n6,0.2\n", FormatError, "allele frequencies"),
        ("prose without any table\n", FormatError, "not a table"),
        ('{"a": 1}', FormatError, "JSON is no DNA format"),
        ('{"a": 1', FormatError, "line 1: not well-formed JSON"),
        ('{"a":' * 100_000, FormatError, "nested too deeply"),
        ('SampleName,TH01\n"S,6\n', FormatError, "line"),
        ("Sample Name\tTH01\tHeight\nS\t6, 7\t100\n", FormatError, "1 heights for 2 alleles"),
        (
            "SampleName,Marker," + ",".join(f"Allele{n}" for n in range(1, 10)) + "\n"
            "S,D21S11," + ",".join(str(n) for n in range(24, 33)) + "\n",
            ProfileError,
            "9 alleles",
        ),
    ],
)
def test_errors_name_place_and_value(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=rf"(?s)file\.csv: .*{says}"):
        parse_profiles(text, "file.csv")


def test_empty_missing_and_binary_files(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with pytest.raises(FormatError, match="cannot be read"):
        read(path)
    path.write_bytes(b" \n")
    with pytest.raises(FormatError, match="empty"):
        read(path)
    path.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(FormatError, match="not a text file"):
        read(path)


def test_one_allele_a_row_and_joined_alleles() -> None:
    rows = "sample\tlocus\tallele\nS\tTH01\t6\nS\tTH01\t9.3\n"
    joined = "specimenId,locus,alleles\nS,TH01,6 9.3\n"
    for text in (rows, joined):
        assert dict(parse_profiles(text, "x")[0].loci) == {"TH01": ("6", "9.3")}


DECIMAL_COMMA = [
    "SampleName;Marker;Allele1;Allele2;Height1\nS;TH01;6;9,3;120,5\n",
    'SampleName,Marker,Allele1,Allele2\nS,TH01,6,"9,3"\n',
    "Sample;TH01_1;TH01_2\nS;6;9,3\n",
    "Sample\tTH01\tTH01\nS\t6\t9,3\n",
    "Sample;TH01\nS;6/9,3\n",
    "sample;locus;allele\nS;TH01;6\nS;TH01;9,3\n",
]


@pytest.mark.parametrize("text", DECIMAL_COMMA)
def test_decimal_commas_are_no_separators_where_a_cell_holds_one_allele(text: str) -> None:
    assert dict(parse_profiles(text, "x")[0].loci) == {"TH01": ("6", "9.3")}


@pytest.mark.parametrize("cell", ["6,9.3", "6, 9.3,", "6/9.3", "6 9.3", "6|9.3", "6-9.3"])
def test_separators_within_a_cell(cell: str) -> None:
    text = f"Sample\tTH01\nS\t{cell}\n"
    assert dict(parse_profiles(text, "x")[0].loci) == {"TH01": ("6", "9.3")}


@pytest.mark.parametrize(
    "text",
    [
        "SampleName,Marker,Allele1\nS,DYS385a,11\nS,DYS385b,14\n",
        "SampleName,Marker,Allele1,Allele2\nS,DYS385 a/b,11,14\n",
        "SampleName,DYS385a,DYS385b\nS,11,14\n",
    ],
)
def test_parts_of_a_duplicated_marker_are_one_locus(text: str) -> None:
    assert dict(parse_profiles(text, "x")[0].loci) == {"DYS385": ("11", "14")}


def test_the_file_of_a_sample_names_it_when_nothing_else_does() -> None:
    text = "Sample File\tMarker\tAllele 1\nrun1.fsa\tTH01\t6\n"
    assert parse_profiles(text, "x")[0].name == "run1.fsa"


def test_sequenced_alleles_keep_their_name() -> None:
    text = "SampleName,Marker,Allele1,Allele2\nS,TH01,6_6,9.3_6_1_0\n"
    profile = parse_profiles(text, "x")[0]
    assert profile.loci["TH01"] == ("6", "9.3")
    assert "9.3_6_1_0" in (profile.comment or "")


def test_quality_sensors_are_no_loci() -> None:
    text = "Sample Name\tMarker\tAllele 1\nS\tQS1\tQ1\nS\tTH01\t6\n"
    assert dict(parse_profiles(text, "x")[0].loci) == {"TH01": ("6",)}


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_written_profiles_are_read_back(form: str) -> None:
    profiles = [
        DnaProfile.from_alleles(
            {"TH01": ("6", "9.3"), "vWA": ("17",), "PentaD": ("2.2", "9"), "AMEL": ("X", "Y")},
            name="A 1",
        ),
        DnaProfile.from_alleles({"TH01": ("6", "7", ">9"), "D21S11": ("28", "OL")}, name="B&<2>"),
    ]
    again = parse_profiles(WRITERS[form](profiles), "x")
    assert [(p.name, dict(p.loci)) for p in again] == [(p.name, dict(p.loci)) for p in profiles]


def control_profiles(shared: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    with (shared / "dna" / "control_profiles_osiris.csv").open() as lines:
        for row in csv.DictReader(lines):
            tokens = tuple(v for v in (row["allele1"], row["allele2"], row["allele3"]) if v)
            found.setdefault(row["sample"], {})[row["locus"]] = tokens
    return found


@pytest.mark.parametrize("wide", [False, True])
def test_control_profiles_come_out_right_from_genemapper_text(shared: Path, wide: bool) -> None:
    controls = control_profiles(shared)
    known = {"2800M", "9947A", "9948", "K562", "DNA007"}
    assert known <= set(controls)
    text = _wide(controls) if wide else _long(controls)
    profiles = {profile.name: profile for profile in parse_profiles(text, "export.txt")}
    for name, loci in controls.items():
        for locus, tokens in loci.items():
            assert set(profiles[name].alleles(locus)) == set(tokens), (name, locus)
    m2800 = profiles["2800M"]
    expected = {
        "D3S1358": ("17", "18"),
        "D18S51": ("16", "18"),
        "D21S11": ("29", "31.2"),
        "FGA": ("20", "23"),
        "TH01": ("6", "9.3"),
    }
    assert {locus: m2800.loci[locus] for locus in expected} == expected


def _long(controls: dict[str, dict[str, tuple[str, ...]]]) -> str:
    lines = ["Sample Name\tMarker\tDye\tAllele 1\tAllele 2\tAllele 3\tHeight 1\tHeight 2\tHeight 3"]
    for name, loci in controls.items():
        for locus, tokens in loci.items():
            cells = [*tokens, *[""] * (3 - len(tokens))]
            tall = [*["812"] * len(tokens), *[""] * (3 - len(tokens))]
            lines.append("\t".join([name, locus, "B", *cells, *tall]))
    return "\r\n".join(lines) + "\r\n"


def _wide(controls: dict[str, dict[str, tuple[str, ...]]]) -> str:
    loci = sorted({locus for table in controls.values() for locus in table})
    lines = ["\t".join(["Sample File", "Sample Name", *loci]) + "\t"]
    for name, table in controls.items():
        cells = [", ".join([*table.get(locus, ()), *[" "] * 4]) for locus in loci]
        lines.append("\t".join([f"{name}.fsa", name, *cells]) + "\t")
    return "\r\n".join(lines) + "\r\n"


def test_a_sample_injected_twice_is_two_profiles() -> None:
    rows = (
        "Sample File\tSample Name\tMarker\tAllele 1\tAllele 2\n"
        "a1.fsa\tS1\tTH01\t6\t9.3\na1.fsa\tS1\tvWA\t14\t17\n"
        "a2.fsa\tS1\tTH01\t6\t?\nb1.fsa\tS2\tTH01\t7\t7\n"
    )
    found = {profile.name: dict(profile.loci) for profile in parse_profiles(rows, "x.txt")}
    assert found == {
        "S1 (a1.fsa)": {"TH01": ("6", "9.3"), "vWA": ("14", "17")},
        "S1 (a2.fsa)": {"TH01": ("6", "OL")},
        "S2": {"TH01": ("7",)},
    }
    with pytest.raises(
        FormatError, match=r"line 3, column 3 .Marker.: marker TH01 of specimen 'S1'"
    ):
        parse_profiles(rows.replace("\tvWA\t", "\tTH01\t"), "x.txt")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("first", ["sep=;", "SEP=;"])
def test_the_first_line_that_excel_reads(first: str, end: str) -> None:
    text = end.join([first, "SampleName;Marker;Allele1;Allele2", "S;TH01;6;9,3", "S;vWA;14;x"])
    with pytest.raises(ProfileError, match="line 4, column 4"):
        parse_profiles(text, "x.csv")
    (profile,) = parse_profiles(text.replace("x", "17"), "y.csv")
    assert dict(profile.loci) == {"TH01": ("6", "9.3"), "vWA": ("14", "17")}


def test_a_file_with_nothing_but_a_mark_of_its_encoding_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbf\r\n")
    with pytest.raises(FormatError, match="the file is empty"):
        read(path)


def test_columns_about_family_and_origin_are_no_loci() -> None:
    text = "id\tfid\tmid\tsex\tlab\tTH01\tvWA\nA\t0\t0\t1\tX\t6/9.3\t-\n"
    (profile,) = parse_profiles(text, "x.txt")
    assert dict(profile.loci) == {"TH01": ("6", "9.3")}
