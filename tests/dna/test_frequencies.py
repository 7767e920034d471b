import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch.dna.frequencies import Frequencies
from biomatch.dna.loci import BY_NAME
from biomatch.errors import FormatError, OptionError, ProfileError


def test_shipped_tables_sum_to_one_and_know_their_loci():
    for tables in Frequencies.available().values():
        for table in tables.values():
            assert all(locus in BY_NAME for locus in table.loci)
            for locus in table.loci:
                assert sum(table.table[locus].values()) == pytest.approx(1.0, abs=2e-5)


def test_shipped_nist_is_the_researched_one(shared):
    ours = Frequencies.available()["nist1036"]
    theirs = Frequencies.read_all(shared / "dna" / "freq_nist1036.csv")
    assert set(ours) == set(theirs) == {"AA", "All", "Asian", "Cauc", "Hisp"}
    assert ours["Cauc"].table == theirs["Cauc"].table
    assert ours["Cauc"].n_alleles("TH01") == 722


def test_load_names_what_is_there():
    assert str(Frequencies.load("nist1036", "cauc")) == "nist1036 Cauc"
    with pytest.raises(OptionError, match="unknown frequency table 'nist'; known are nist1036"):
        Frequencies.load("nist")
    with pytest.raises(OptionError, match="has several populations; choose one of AA"):
        Frequencies.load("nist1036")
    with pytest.raises(OptionError, match="has no population 'Martian'"):
        Frequencies.load("nist1036", "Martian")


def test_minimum():
    table = Frequencies.from_dict(
        {"THO1": {"6": 0.4, "7": 0.599, "8": 0.001}}, sample_sizes={"TH01": 500}
    )
    assert table.frequency("TH01", "8") == 0.001
    assert table.frequency("TH01", "9.3") == 5 / 500
    floored = table.with_minimum(None)
    assert floored.frequency("TH01", "8") == 5 / 500
    assert floored.frequency("TH01", "6") == 0.4
    assert table.with_minimum(0.02).frequency("TH01", "8") == 0.02
    assert table.with_minimum(0.02, floor=False).frequency("TH01", "8") == 0.001
    assert Frequencies.from_dict({"TH01": {"6": 1.0}}).frequency("TH01", "7") == 0.001


def test_minimum_rule_is_said():
    table = Frequencies.from_dict({"TH01": {"6": 1.0}})
    assert table.minimum_rule == "5/2N (0.001 where N is unknown) for unlisted alleles"
    assert table.with_minimum(0.01).minimum_rule == "0.01 for all alleles"


def test_open_ended_alleles_take_the_tail():
    table = Frequencies.from_dict({"FGA": {"18": 0.1, "19": 0.2, "20": 0.7}})
    assert table.frequency("FGA", "<20") == pytest.approx(0.3)
    assert table.frequency("FGA", ">20") == 0.001
    listed = Frequencies.from_dict({"D18S51": {"27": 0.9, ">27": 0.1}})
    assert listed.frequency("D18S51", ">27") == 0.1


def test_travels_between_processes():
    table = Frequencies.load("nist1036", "Cauc").with_minimum(0.01)
    assert pickle.loads(pickle.dumps(table)) == table


def test_names_of_tables_are_folded():
    assert Frequencies.find("UK_DNA17") == Frequencies.find("uk-dna17")
    assert Frequencies.find("NIST1036", ["Cauc"]) == Frequencies.find("nist1036", ["Cauc"])


def test_unknown_locus_is_an_error():
    with pytest.raises(ProfileError, match="FGA: not in the frequency table custom"):
        Frequencies.from_dict({"TH01": {"6": 1.0}}).frequency("FGA", "20")


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_shares_are_checked(bad):
    with pytest.raises(OptionError):
        Frequencies.from_dict({"TH01": {"6": bad}})


@pytest.mark.parametrize("bad", [0.0, -1.0, 2.0])
def test_minimum_is_checked(bad):
    with pytest.raises(OptionError, match="minimum allele frequency"):
        Frequencies.from_dict({"TH01": {"6": 1.0}}, minimum=bad)


def test_reads_wide_tables(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("\ufeffAllele;TH 01;VWA\n6;0,2;\n9.3;0,8;NA\n14;;1\nN;200;\n", "utf-8")
    table = Frequencies.read(path)
    assert table.table == {"TH01": {"6": 0.2, "9.3": 0.8}, "vWA": {"14": 1.0}}
    assert table.n_alleles("TH01") == 400


def test_reads_long_tables_with_populations(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("locus,allele,population,frequency,n\nTH01,6,A,1,20\nTH01,6,B,0.5,\n")
    assert Frequencies.read(path, "A").n_alleles("TH01") == 20
    assert [t.population for t in Frequencies.find(path)] == ["A", "B"]
    with pytest.raises(OptionError, match="several populations"):
        Frequencies.read(path)


@pytest.mark.parametrize(
    "text",
    [
        "Allele,TH01,vWA\n6.00,0.3,\n9.30,0.7,\n14.00,,1\n",  # a spreadsheet's two decimals
        "Allele;TH01;vWA\n6;0,3;\n9,3;0,7;\n14;;1,0\n",  # decimal commas, in alleles as well
        ",TH01,vWA\n6,0.3,\n9.3,0.7,NA\n14,,1\n",  # no title above the alleles
        "TH01\tvWA\n6\t0.3\tNA\n9.3\t0.7\tNA\n14\tNA\t1\n",  # R's row names
        "TH01\n6\t0.3\n9.3\t0.7\n\nVWA\n14\t1\n",  # Familias' list
        "THO1\n6 0.3\n9.3 0.7\nvWA\n14 1\n",
        "sep=;\r\nAllele;TH01;vWA\r\n6;0.3;\r\n9.3;0.7;\r\n14;;1\r\n",  # Excel's first line
    ],
)
def test_the_ways_in_which_programs_write_a_table(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text, newline="")
    table = Frequencies.read(path)
    assert table.table == {"TH01": {"6": 0.3, "9.3": 0.7}, "vWA": {"14": 1.0}}


def test_lists_know_loci_of_two_words(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("Penta D\n9 0.5\n10 0.5\nD3S1358\n15 1\n")
    assert Frequencies.read(path).loci == ("D3S1358", "PentaD")


def test_one_allele_under_two_spellings_is_refused():
    with pytest.raises(OptionError, match=r"TH01 allele 9\.3 is given twice"):
        Frequencies.from_dict({"TH01": {"9.3": 0.3, "9.30": 0.3}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TH01\n6 0.3\nTH01\n7 0.3\n", "line 3: locus TH01 is given twice"),
        ("TH01\n6 0.3\n9.3\n", "line 3: expected a locus' name, or an allele"),
        ("Allele,TH01\n-6,0.5\n", "TH01: allele '-6' is not a repeat number"),
        ("Allele,TH01,THO1\n6,0.5,0.5\n", "broken.csv.*locus TH01 is given twice"),
        ("", "empty"),
        ("a,b\n1,2\n", "line 1: expected the columns"),
        ("locus,allele,frequency\nTH01,6,2\n", "line 2: frequency '2'"),
        ("locus,allele,frequency\nTH01,6,x\n", "line 2: frequency 'x'"),
        ("locus,allele,frequency,n\nTH01,6,1,many\n", "line 2: number of alleles 'many'"),
        ("Allele,TH01\n6,0.5\n7,1.5\n", "line 3: frequency '1.5'"),
        ("Allele,TH01\n6,0.5\n6,0.2\n", "line 3: TH01 allele 6 is given twice"),
        ("Marker,Allele,Freq\nTH01,6,0.5\nTH01,7,0.8\n", "line 3: the frequencies of TH01 add up"),
    ],
)
def test_broken_files_name_the_line(tmp_path, text, message):
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        Frequencies.read(path)


@given(st.text(max_size=300))
def test_noise_is_refused_or_read(text):
    from biomatch.dna.frequencies import _parse
    from biomatch.errors import BiomatchError

    try:
        tables = _parse(text, "noise", "noise")
    except BiomatchError:
        return
    assert all(isinstance(table, Frequencies) for table in tables.values())


def test_euroformix_tables(shared):
    folder = shared / "dna" / "samples" / "euroformix"
    for name in ("ESX17_Norway.csv", "SGMPlus_freq.csv", "test_freq.csv"):
        table = Frequencies.read(folder / name)
        assert "vWA" in table
        assert sum(table.table["vWA"].values()) == pytest.approx(1.0, abs=6e-3)
