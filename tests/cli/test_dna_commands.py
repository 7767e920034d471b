import csv
import io
import json

import pytest
from click.testing import CliRunner

from biomatch.cli.app import cli


@pytest.fixture
def run():
    def invoke(*arguments, code=0):
        result = CliRunner().invoke(cli, ["dna", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result.stdout

    return invoke


@pytest.fixture
def samples(fixtures):
    return fixtures / "dna"


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


LOCI = (
    *("D3S1358", "vWA", "D16S539", "CSF1PO", "TPOX", "D8S1179", "D21S11", "D18S51"),
    *("D2S441", "TH01", "FGA"),
)
COMMANDS = (
    "read",
    "match",
    "rmp",
    "kinship",
    "missing",
    "pedigree",
    "mixture",
    "kits",
    "frequencies",
    "rules",
    "search",
    "convert",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(run, command):
    assert f"biomatch dna {command}" in run(command, "--help").split("Examples:")[1]


def test_read(run, samples):
    found = json.loads(run("read", samples / "controls.csv", "--format", "json"))
    control = next(row for row in found if row["name"] == "2800M")
    assert control["loci"] == 20
    assert control["alleles"]["TH01"] == ["6", "9.3"]
    assert control["alleles"]["CSF1PO"] == ["12"]
    lines = rows(run("read", samples / "stain.csv", "--loci", "--format", "csv"))
    assert {
        "file": "stain.csv",
        "name": "STAIN-1",
        "locus": "D3S1358",
        "alleles": "16",
    }.items() <= (next(line for line in lines if line["locus"] == "D3S1358").items())


def test_read_goes_on_after_a_bad_file(run, samples, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("SampleName,Marker,Allele1,Allele2\nS,TH01,6,9..3\n")
    result = CliRunner().invoke(cli, ["dna", "read", str(bad), str(samples / "stain.csv")])
    assert result.exit_code == 1
    assert "line 2" in result.stderr
    assert "9..3" in result.stderr
    assert "STAIN-1" in result.stdout


def test_match_one_pair_locus_by_locus(run, samples):
    stain, database = samples / "stain.csv", samples / "database.csv"
    hits = json.loads(run("match", stain, database, "--format", "json"))
    assert [hit["hit"] for hit in hits] == ["identity-high"]
    name = hits[0]["reference"]
    shown = run("match", stain, database, "--reference", name)
    assert "identity-high" in shown
    assert "10 loci compared, 10 matched" in shown
    pruem = json.loads(run("match", stain, database, "--rules", "pruem-2008", "--format", "json"))
    assert [(hit["reference"], hit["quality"]) for hit in pruem] == [(name, 1)]
    everything = rows(run("match", stain, database, "--all", "--format", "csv"))
    assert len(everything) > 100


def test_rmp(run, samples):
    stain = samples / "stain.csv"
    row = json.loads(run("rmp", stain, "--records", 1000000, "--format", "json"))[0]
    assert row["formula"] == "nrc41"
    assert row["expected_adventitious"] == pytest.approx(row["rmp"] * 1e6)
    assert row["log10_rmp"] == max(row["populations"].values())
    floored = json.loads(run("rmp", stain, "--minimum", "5/2N", "--format", "json"))[0]
    assert floored["minimum_frequency"].endswith("for all alleles")
    one = json.loads(run("rmp", stain, "--population", "cauc", "--format", "json"))[0]
    assert one["table"] == "nist1036 Cauc"
    assert len(rows(run("rmp", stain, "--loci", "--format", "csv"))) == 10
    run("rmp", stain, "--minimum", "2", code=2)
    run("rmp", stain, "--frequencies", "nowhere", code=2)


def test_kinship(run, samples):
    family = samples / "family.csv"
    found = json.loads(run("kinship", family, "--a", "mother", "--b", "child1", "--format", "json"))
    assert found[0]["relation"] == "parent-child"
    assert found[0]["excluding"] == []
    pairs = rows(run("kinship", family, "--relation", "full-sib", "--format", "csv"))
    names = {frozenset((pair["a"], pair["b"])) for pair in pairs}
    assert len(names) == len(pairs)
    strong = rows(
        run("kinship", family, "--relation", "parent-child", "--min-log10-lr", 3, "--format", "csv")
    )
    assert all(float(row["log10_lr"]) >= 3 for row in strong)
    mutated = json.loads(
        run(
            *("kinship", family, "--a", "mother", "--b", "father", "--relation", "parent-child"),
            *("--mutation", "equal", "--format", "json"),
        )
    )[0]
    assert mutated["mutation"] == "equal"
    assert mutated["excluding"]
    assert mutated["log10_lr"] < 0
    ranked = rows(run("kinship", family, "--relation", "parent-child", "--format", "csv"))
    figures = [float(row["log10_lr"] or "-inf") for row in ranked]
    assert figures == sorted(figures, reverse=True)
    assert figures[-1] == float("-inf")
    same = ("kinship", family, "--a", "mother", "--b", "father", "--relation", "unrelated")
    assert float(rows(run(*same, "--min-log10-lr", 0, "--format", "csv"))[0]["log10_lr"]) == 0
    run("kinship", family, "--relation", "friend", code=2)
    run("kinship", family, "--a", "nobody", code=1)


def test_profiles_without_a_usable_locus_are_reported_and_the_rest_goes_on(run, samples, tmp_path):
    mixed = tmp_path / "mixed.csv"
    text = (samples / "stain.csv").read_text()
    mixed.write_text(text + "OTHER,DYS391,10,\n")
    for arguments in (
        ("rmp", mixed),
        ("kinship", samples / "controls.csv", mixed, "--relation", "full-sib"),
        ("mixture", samples / "stain.csv", mixed, "--dropout", 0.1),
    ):
        result = CliRunner().invoke(cli, ["dna", *map(str, arguments)])
        assert result.exit_code == 1
        assert "OTHER" in result.stderr
        assert "STAIN-1" in result.stdout


def test_missing(run, samples, tmp_path):
    pedigree = tmp_path / "family.ped"
    pedigree.write_text("child1 father mother\nMP father mother\n")
    people = rows((samples / "family.csv").read_text())
    relatives, remains = tmp_path / "relatives.csv", tmp_path / "remains.csv"
    for path, names in ((relatives, {"mother", "child1"}), (remains, {"father"})):
        with path.open("w", newline="") as lines:
            table = csv.DictWriter(lines, people[0].keys())
            table.writeheader()
            table.writerows(row for row in people if row["SampleName"] in names)
    with remains.open("a") as lines:
        lines.writelines((samples / "database.csv").read_text().splitlines(keepends=True)[1:61])
    found = json.loads(
        run("missing", pedigree, relatives, remains, "--missing", "father", "--format", "json")
    )
    assert found[0]["remains"] == "father"
    assert found[0]["log10_lr"] > 3
    mutated = json.loads(
        run(
            *("missing", pedigree, relatives, remains, "--missing", "father", "--theta", 0),
            *("--mutation", "stepwise", "--rate2", "1e-5", "--format", "json"),
        )
    )
    assert mutated[0]["mutation"] == "stepwise"
    run("missing", pedigree, relatives, remains, "--missing", "uncle", code=2)


def test_pedigree(run, samples, tmp_path):
    first, second = tmp_path / "first.ped", tmp_path / "second.ped"
    first.write_text("child1 father mother\n")
    second.write_text("child1 stranger mother\n")
    row = json.loads(run("pedigree", first, second, samples / "family.csv", "--format", "json"))[0]
    assert row["log10_lr"] > 3
    assert len(row["loci"]) == 20


def test_mixture(run, samples):
    stain, database = samples / "stain.csv", samples / "database.csv"
    found = json.loads(
        run(
            *("mixture", stain, database, "--contributors", 1, "--population", "Cauc"),
            *("--dropout", 0.05, "--format", "json"),
        )
    )
    assert found[0]["log10_lr"] > 5 > found[1]["log10_lr"]
    assert found[0]["dropout"] == 0.05
    loci = rows(
        run(
            *("mixture", stain, stain, "--contributors", 1, "--population", "Cauc"),
            *("--loci", "--format", "csv"),
        )
    )
    assert len(loci) == 10
    run("mixture", stain, stain, "--contributors", 5, code=2)


def test_lists(run):
    kits = rows(run("kits", "--format", "csv"))
    assert {"kit": "GlobalFiler", "autosomal": "21"}.items() <= next(
        kit for kit in kits if kit["kit"] == "GlobalFiler"
    ).items()
    assert rows(run("kits", "GlobalFiler", "--format", "csv"))[0]["locus"] == "D3S1358"
    run("kits", "nothing", code=2)
    tables = rows(run("frequencies", "--format", "csv"))
    assert {row["table"] for row in tables} == {"nist1036", "fbi2016", "uk-dna17", "norstr2023"}
    th01 = rows(
        run(
            *("frequencies", "nist1036", "--population", "Cauc", "--locus", "THO1"),
            *("--format", "csv"),
        )
    )
    assert sum(float(row["frequency"]) for row in th01) == pytest.approx(1.0, abs=1e-5)
    assert len(rows(run("frequencies", "uk-dna17", "--format", "csv"))) == 6 * 16
    assert "pruem-2008" in run("rules")
    assert "2008/616/JHA" in run("rules", "pruem-2008")
    run("rules", "strict", code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("kits", "NoSuchKit"),
        ("frequencies", "nowhere"),
        ("frequencies", "nist1036", "--locus", "D99S99"),
        ("frequencies", "nist1036", "--locus", "DYS19"),
        ("frequencies", "nist1036", "--population", "Martian"),
        ("rules", "nowhere"),
    ],
)
def test_a_name_that_nothing_has_is_wrong_usage(run, arguments):
    run(*arguments, code=2)


def test_the_families_of_a_project(run, tmp_path, shared):
    path = shared / "dna" / "samples" / "familias" / "Solution3_3.fam"
    found = json.loads(run("missing", path, "--no-mutation", "--format", "json"))
    assert found[0]["rank"] == 1
    assert found[0]["lr"] == max(row["lr"] for row in found)
    assert len({(row["family"], row["remains"]) for row in found}) == len(found) > 5
    (tmp_path / "family.ped").write_text("child father mother\n")
    run("missing", tmp_path / "family.ped", path, code=2)


def test_a_probe_that_can_find_nobody_is_no_silent_no_hit(tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("SampleName,Marker,Allele1,Allele2\nA,TH01,6,9.3\nA,vWA,14,17\n")
    for more in ((), ("--relation", "full-sib")):
        result = CliRunner().invoke(cli, ["dna", "search", str(path), "--in", str(path), *more])
        assert result.exit_code == 1
        assert "A: 2 loci can be compared, but the search asks for at least 8" in result.stderr
        some = [*("dna", "search", str(path), "--in", str(path), "--min-loci", "2"), *more]
        result = CliRunner().invoke(cli, some)
        assert result.exit_code == 0
        assert "1" in result.stdout


def test_a_database_search_that_can_find_nobody_fails_that_probe_only(tmp_path):
    path, db = tmp_path / "some.csv", str(tmp_path / "c.db")
    rows = [f"B,{locus},{n},{n + 1}" for n, locus in enumerate(LOCI, start=10)]
    few = ["A,TH01,6,9.3", "A,vWA,14,17"]
    path.write_text("\n".join(["SampleName,Marker,Allele1,Allele2", *few, *rows]) + "\n")
    enrolled = CliRunner().invoke(cli, ["enrol", str(path), "-m", "dna", "--db", db])
    assert enrolled.exit_code == 0
    command = ["search", str(path), "-m", "dna", "--db", db, "--format", "json"]
    found = CliRunner().invoke(cli, command)
    assert found.exit_code == 1
    assert "A: 2 loci can be compared, but the search asks for at least 8" in found.stderr
    assert [a["candidates"][0]["subject"] for a in json.loads(found.stdout)] == ["B"]
    found = CliRunner().invoke(cli, [*command, "--set", "min_loci=2"])
    assert found.exit_code == 0
    assert [a["candidates"][0]["subject"] for a in json.loads(found.stdout)] == ["A", "B"]


def test_a_search_for_relatives_shows_what_counts_there(run, samples):
    family = samples / "family.csv"
    found = json.loads(
        run("search", family, "--in", family, "--relation", "parent-child", "--format", "json")
    )
    pair = next(row for row in found if (row["probe"], row["candidate"]) == ("mother", "child1"))
    assert pair["relation"] == "parent-child"
    assert pair["excluding"] == []
    assert "hit" not in pair
    stain = json.loads(
        run(
            *("search", samples / "stain.csv", "--in", samples / "database.csv"),
            *("--contributors", "1", "--format", "json"),
        )
    )
    assert stain[0]["contributors"] == 1
    assert "hit" not in stain[0]
