"""What the commands do, from the shell's point of view."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import biomatch

Run = Callable[..., Any]


def test_enrolling_again_changes_nothing(run: Run, database: Path, fixtures: Path) -> None:
    gallery = fixtures / "faces" / "gallery"
    again = run(
        "-q", "enrol", gallery, "-m", "face", "--subject-from", "prefix", "--resume",
        "--db", database, "--format", "json",
    )  # fmt: skip
    told = json.loads(again.stdout)
    assert (again.exit_code, told["enrolled"], told["already_there"]) == (0, 0, 12)


def test_dry_run_enrols_nothing(run: Run, tmp_path: Path, fixtures: Path) -> None:
    path = tmp_path / "none.db"
    shown = run(
        "enrol", fixtures / "faces" / "gallery", "-m", "face", "--dry-run", "--db", path,
        "--format", "csv",
    )  # fmt: skip
    assert len(shown.stdout.splitlines()) == 13
    assert not path.exists()


@pytest.mark.parametrize(
    ("probe", "modality", "subject"),
    [("faces/probe.jpg", "face", "collins"), ("dna/stain.csv", "dna", "P137")],
)
def test_search_finds_the_right_person(
    run: Run, enrolled: Path, fixtures: Path, probe: str, modality: str, subject: str
) -> None:
    found = run("search", fixtures / probe, "-m", modality, "--db", enrolled, "--format", "json")
    (answer,) = json.loads(found.stdout)
    assert found.exit_code == 0
    assert answer["candidates"][0]["subject"] == subject
    assert answer["coverage"]["records_searched"] == answer["coverage"]["records_total"]
    table = run("search", fixtures / probe, "-m", modality, "--db", enrolled).stdout
    assert "candidates, not identifications" in table
    assert subject in table


def test_search_writes_reports_and_resumes(
    run: Run, database: Path, fixtures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    probes = tmp_path / "probes.csv"
    probes.write_text(
        f"path,modality\n{fixtures / 'faces' / 'probe.jpg'},face\n"
        f"{fixtures / 'faces' / 'no_face.jpg'},face\n{fixtures / 'dna' / 'stain.csv'},dna\n"
    )
    arguments = ("-q", "search", probes, "--db", database, "--out", out, "--format", "json")
    first = run(*arguments, "--overlays")
    told = json.loads(first.stdout)
    assert (first.exit_code, told["searched"], told["failed"]) == (1, 2, 1)
    pages = sorted(path.name for path in out.iterdir())
    assert {"index.html", "errors.csv"} <= set(pages)
    assert sum(name.endswith(".html") for name in pages) == 3
    assert any(name.endswith("-1.png") for name in pages)
    with (out / "errors.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["kind"] == "NoFeaturesError"
    second = json.loads(run(*arguments, "--resume").stdout)
    assert (second["searched"], second["already_there"], second["failed"]) == (0, 2, 1)
    result = next(out.glob("probe-*.json"))
    result.write_text(result.read_text().replace('"complete": true', '"complete": false'))
    third = json.loads(run(*arguments, "--resume").stdout)
    assert (third["searched"], third["already_there"], third["failed"]) == (1, 1, 1)
    assert '"complete": false' not in result.read_text()
    index = (out / "index.html").read_text()
    assert index.count('data-label="Probe"') == 2
    assert "no_face.jpg" in index


def test_redacted_reports_have_no_pictures(
    run: Run, database: Path, fixtures: Path, tmp_path: Path
) -> None:
    run(
        "-q", "search", fixtures / "faces" / "probe.jpg", "-m", "face", "--db", database,
        "--out", tmp_path, "--redact", "--overlays",
    )  # fmt: skip
    page = next(path for path in tmp_path.glob("probe-*.html"))
    assert "data:image" not in page.read_text()
    assert not list(tmp_path.glob("*.png"))


def test_filters_and_owners_narrow_a_search(run: Run, enrolled: Path, fixtures: Path) -> None:
    arguments = ("search", fixtures / "faces" / "probe.jpg", "-m", "face", "--db", enrolled)
    nobody = run(*arguments, "--owners", "XB", "--format", "json")
    assert json.loads(nobody.stdout)[0]["candidates"] == []
    assert nobody.exit_code == 0
    own = run(*arguments, "--owners", "XA", "--top", "1", "--format", "json")
    assert len(json.loads(own.stdout)[0]["candidates"]) == 1


def test_several_probes_of_one_person_are_fused(run: Run, database: Path, fixtures: Path) -> None:
    gallery = fixtures / "faces" / "gallery"
    found = run(
        "search", gallery / "hopper_dark.jpg", gallery / "hopper_blur.jpg", "-m", "face",
        "--together", "--db", database, "--format", "json",
    )  # fmt: skip
    (answer,) = json.loads(found.stdout)
    assert answer["candidates"][0]["subject"] == "hopper"
    assert len(answer["candidates"]) == 2


def test_verify_tells_people_apart(run: Run, enrolled: Path, fixtures: Path) -> None:
    gallery = fixtures / "faces" / "gallery"
    pairs = enrolled.parent / "pairs.csv"
    pairs.write_text(
        f"path_a,path_b\n{gallery / 'hopper.jpg'},{gallery / 'hopper_turn.jpg'}\n"
        f"{gallery / 'hopper.jpg'},{gallery / 'collins.jpg'}\n"
        f"{gallery / 'hopper.jpg'},{gallery / 'none.jpg'}\n"
    )
    result = run("-q", "verify", pairs, "-m", "face", "--format", "json")
    same, other, failed = json.loads(result.stdout)
    assert same["log10_lr"] > 2 > -2 > other["log10_lr"]
    assert "none.jpg" in failed["error"]
    assert result.exit_code == 1


def test_records_are_shown_and_deleted(run: Run, database: Path) -> None:
    shown = json.loads(run("show", "hopper", "--db", database, "--format", "json").stdout)
    assert (shown["id"], shown["owner"], len(shown["samples"])) == ("hopper", "XA", 6)
    deleted = run(
        "delete", "hopper", "P001", "--yes", "--db", database, "--format", "json",
        "--purpose", "test",
    )  # fmt: skip
    assert json.loads(deleted.stdout) == {"deleted_samples": 7}
    assert run("show", "hopper", "--db", database).exit_code == 1
    rows = run("list", "--db", database, "--format", "csv").stdout.splitlines()
    assert len(rows) == 1 + 200


def test_deleting_asks_first(run: Run, database: Path) -> None:
    assert run("delete", "hopper", "--db", database).exit_code == 1
    assert run("show", "hopper", "--db", database).exit_code == 0


def test_two_examiners_conclude_and_reports_say_so(
    run: Run, database: Path, fixtures: Path, tmp_path: Path
) -> None:
    arguments = (
        "-q", "search", fixtures / "faces" / "probe.jpg", "-m", "face", "--case", "C-1",
        "--db", database, "--out", tmp_path / "r",
    )  # fmt: skip
    run(*arguments)
    for examiner in ("weber", "ito"):
        decided = run(
            "decide", "C-1", "collins", "identification", "--examiner", examiner,
            "--db", database, "--format", "json",
        )  # fmt: skip
        assert decided.exit_code == 0
    assert json.loads(decided.stdout)["verifies"]
    run(*arguments)
    page = next((tmp_path / "r").glob("probe-*.html")).read_text()
    assert "Second examiner ito: identification" in page
    out = tmp_path / "case.json"
    run("case", "export", "C-1", "--out", out, "--db", database)
    content = json.loads(out.read_text())
    assert [d["examiner"] for d in content["decisions"]] == ["weber", "ito"]
    assert content["searches"][0]["candidates"][0]["subject"] == "collins"
    assert "Conclusions" in run("case", "show", "C-1", "--db", database).stdout
    assert json.loads(run("case", "list", "--db", database, "--format", "json").stdout)
    assert run("audit", "verify", "--db", database).exit_code == 0


def test_a_batch_runs_its_steps_and_resumes(run: Run, fixtures: Path, tmp_path: Path) -> None:
    script = tmp_path / "job.toml"
    script.write_text(
        'db = "job.db"\npurpose = "night"\n[[step]]\nrun = "enrol"\n'
        f'sources = ["{fixtures / "faces" / "gallery"}"]\nmodality = "face"\n'
        'subject_from = "prefix"\n[[step]]\nrun = "search"\n'
        f'sources = ["{fixtures / "faces" / "probe.jpg"}"]\nmodality = "face"\nout = "out"\n'
    )
    dry = run("batch", script, "--dry-run")
    assert "step 2 of 2" in dry.stderr
    assert not (tmp_path / "job.db").exists()
    assert run("-q", "batch", script).exit_code == 0
    assert (tmp_path / "out" / "index.html").exists()
    again = run("-q", "batch", script, "--resume")
    assert again.exit_code == 0
    assert "already there  12" in again.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "no step"), ("step = 1", "no step"), ('[[step]]\nrun = "fly"', "run is 'fly'"),
     ("x =", "not valid TOML"), ('[[step]]\nrun = "enrol"\nsources = "x"', "list of paths"),
     ('[[step]]\nrun = "enrol"\nsources = ["x"]\ncolour = 1', "no option 'colour'"),
     ('prupose = "p"\n[[step]]\nrun = "enrol"\nsources = ["x"]', "option 'prupose'"),
     ('[[step]]\nrun = "enrol"\nsources = ["x"]\nattach = "yes"', "must be true or false"),
     ('[[step]]\nrun = "search"\nsources = ["x"]\nout = 1', "must be a path, in quotes"),
     ('[[step]]\nrun = "evaluate face"\nsources = ["x"]\npairs = 1', "must be a path, in quotes"),
     ('[[step]]\nrun = "search"\nsources = ["x"]\ntop = {a = 1}', "must be a text or a number"),
     ('[[step]]\nrun = "evaluate"\nsources = ["x"]', "run is 'evaluate'")],
)  # fmt: skip
def test_bad_batches_are_refused(run: Run, tmp_path: Path, text: str, says: str) -> None:
    script = tmp_path / "job.toml"
    script.write_text(text)
    result = run("batch", script)
    assert result.exit_code in {1, 2}
    assert says in result.stderr


def test_a_batch_is_checked_before_its_first_step(run: Run, fixtures: Path, tmp_path: Path) -> None:
    script = tmp_path / "job.toml"
    script.write_text(
        f'db = "job.db"\n[[step]]\nrun = "enrol"\nsources = ["{fixtures / "dna" / "stain.csv"}"]\n'
        '[[step]]\nrun = "search"\nsources = ["x y.csv"]\ncolour = 1\n'
    )
    result = run("batch", script)
    assert result.exit_code == 2
    assert "step 1" not in result.stderr
    assert not (tmp_path / "job.db").exists()


def test_a_batch_evaluates(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my scores.csv").write_text("mated,score\n" + "1,2.5\n0,0.5\n" * 20)
    script = tmp_path / "job.toml"
    script.write_text(
        'db = "job.db"\n[[step]]\nrun = "evaluate scores"\nsources = ["my scores.csv"]\n'
        'json = "table.json"\ndraws = 0\n'
    )
    result = run("batch", script)
    assert result.exit_code == 0, result.output
    assert f"biomatch evaluate scores '{tmp_path / 'my scores.csv'}'" in result.stderr
    assert json.loads((tmp_path / "table.json").read_text())[0]["eer"] == 0


def test_other_files_in_the_results_folder_are_left_alone(
    run: Run, enrolled: Path, fixtures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.json").write_text('{"mine": 1}')
    (out / "list.json").write_text("[1]")
    (out / "torn.json").write_text("{")
    probe = tmp_path / "-probe.jpg"
    probe.write_bytes((fixtures / "faces" / "probe.jpg").read_bytes())
    result = run("-q", "search", probe, "-m", "face", "--out", out, "--db", enrolled)
    assert result.exit_code == 0, result.output
    assert "Searches" in (out / "index.html").read_text()
    assert (out / "notes.json").read_text() == '{"mine": 1}'
    assert not [path for path in out.iterdir() if path.name.startswith("-")]


def test_many_answers_are_one_csv_table(run: Run, enrolled: Path, fixtures: Path) -> None:
    gallery = fixtures / "faces" / "gallery"
    result = run(
        "search", gallery / "hopper.jpg", gallery / "collins.jpg", "-m", "face", "--top", 1,
        "--format", "csv", "--db", enrolled,
    )  # fmt: skip
    first, *rows = list(csv.reader(io.StringIO(result.stdout)))
    assert first[:3] == ["probe", "rank", "subject"]
    assert [(row[1], row[2]) for row in rows] == [("1", "hopper"), ("1", "collins")]


def test_a_file_may_be_enrolled_twice_on_purpose(run: Run, database: Path, fixtures: Path) -> None:
    photograph = fixtures / "faces" / "gallery" / "hopper.jpg"
    arguments = ("enrol", photograph, "-m", "face", "--subject", "other", "--db", database)
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert f"{photograph}: this source was enrolled before" in refused.stderr
    assert run(*arguments, "--duplicates", "allow").exit_code == 0


def test_flags_come_before_environment_before_configuration(
    run: Run, enrolled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "biomatch.toml"
    config.write_text(f'db = "{enrolled}"\n[list]\nlimit = 3\n')
    monkeypatch.chdir(tmp_path)

    def count(*arguments: str) -> int:
        return len(json.loads(run("list", "--format", "json", *arguments).stdout))

    assert count() == 3
    monkeypatch.setenv("BIOMATCH_LIST_LIMIT", "4")
    assert count() == 4
    assert count("--limit", "5") == 5
    config.write_text("colour = 1\n")
    assert run("list").exit_code == 2
    config.write_text("[list]\nlimitt = 1\n")
    refused = run("list")
    assert refused.exit_code == 2
    assert "no option 'limitt'" in refused.stderr


def test_settings_have_the_names_of_their_flags(
    run: Run, database: Path, fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "biomatch.toml").write_text(f'db = "{database}"\n[search]\ncase = "C-9"\n')
    monkeypatch.chdir(tmp_path)
    probe = fixtures / "faces" / "probe.jpg"
    assert run("search", probe, "-m", "face").exit_code == 0
    monkeypatch.setenv("BIOMATCH_SEARCH_CASE", "C-10")
    assert run("search", probe, "-m", "face").exit_code == 0
    cases = json.loads(run("search", probe, "-m", "face", "--dry-run", "--format", "json").stdout)
    assert len(cases) == 1
    with biomatch.open(database) as db:
        assert [search.case for search in db.searches()][-2:] == ["C-9", "C-10"]


def test_index_commands(run: Run, database: Path) -> None:
    status = json.loads(run("index", "status", "--db", database, "--format", "json").stdout)
    assert {row["modality"]: row["records"] for row in status} == {"dna": 200, "face": 12}
    for command in ("compact", "verify", "rebuild"):
        assert run("index", command, "--db", database).exit_code == 0
    measured = run(
        "-q", "index", "recall", "-m", "face", "--probes", "5", "--db", database,
        "--format", "json",
    )  # fmt: skip
    (told,) = json.loads(measured.stdout)
    assert (told["probes"], told["same_first"], told["recall"]) == (5, 1.0, 1.0)


def test_models_are_intact_and_licensed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BIOMATCH_MODELS", raising=False)
    assert run("models", "verify").exit_code == 0
    licences = run("models", "licences").stdout
    assert "Apache License" in licences
    assert "no licence text" not in licences
    (tmp_path / "models.toml").write_text(
        '[own]\nfile = "own.onnx"\nsha256 = "00"\nlicence = "x"\norigin = "x"\nmade_by = "x"\n'
    )
    (tmp_path / "own.onnx").write_bytes(b"damaged")
    monkeypatch.setenv("BIOMATCH_MODELS", "")  # what --models sets is undone with it
    broken = run("--models", tmp_path, "models", "verify", "--format", "json")
    assert broken.exit_code == 3
    assert not next(row for row in json.loads(broken.stdout) if row["name"] == "own")["intact"]


def test_info_tells_what_is_there(run: Run, enrolled: Path) -> None:
    told = json.loads(run("info", "--db", enrolled, "--format", "json").stdout)
    assert told["records"] == {"dna": 200, "face": 12}
    assert "leader" in told["models"]


def test_dedup_finds_a_person_under_two_names(run: Run, database: Path, fixtures: Path) -> None:
    probe = fixtures / "faces" / "probe.jpg"
    run("-q", "enrol", probe, "-m", "face", "--subject", "alias", "--db", database)
    pairs = json.loads(
        run("-q", "dedup", "-m", "face", "--db", database, "--format", "json").stdout
    )
    assert [{pair["subject"], pair["other"]} for pair in pairs] == [{"alias", "collins"}]


def test_re_enrol_leaves_what_fits_and_renews_the_rest(run: Run, database: Path) -> None:
    fits = run("re-enrol", "-m", "face", "--db", database, "--format", "json")
    assert json.loads(fits.stdout)["already_there"] == 12
    renewed = run(
        "re-enrol", "-m", "face", "--option", "accuracy=high", "--db", database,
        "--format", "json",
    )  # fmt: skip
    told = json.loads(renewed.stdout)
    assert (renewed.exit_code, told["enrolled"]) == (0, 12)
    shown = json.loads(run("show", "hopper", "--db", database, "--format", "json").stdout)
    assert len(shown["samples"]) == 6
    assert len({sample["model_id"] for sample in shown["samples"]}) == 1


def test_convert_changes_and_shows_files(run: Run, fixtures: Path, tmp_path: Path) -> None:
    source = fixtures / "fingerprint" / "001_1.png"
    assert run("convert", source, tmp_path / "x.tif").exit_code == 0
    shown = run("convert", "--inspect", tmp_path / "x.tif", "--format", "json")
    assert json.loads(shown.stdout)
    assert run("convert", source).exit_code == 2


def test_score_files_are_compared_and_drawn(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("mated,score\n" + "".join(f"{i % 2},{i % 2 * 2 + i / 50}\n" for i in range(60)))
    result = run(
        "evaluate", "scores", path, path, "--plots", tmp_path / "p", "--json", tmp_path / "t.json",
        "--format", "json",
    )  # fmt: skip
    assert result.exit_code == 0
    assert len(json.loads((tmp_path / "t.json").read_text())) == 2
    assert (tmp_path / "p" / "det.png").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(run: Run, shell: str) -> None:
    assert "_BIOMATCH_COMPLETE" in run("completion", shell).stdout


def test_dna_searches_are_evaluated(run: Run, fixtures: Path, tmp_path: Path) -> None:
    database = fixtures / "dna" / "database.csv"
    out = tmp_path / "r.json"
    result = run("evaluate", "dna", database, "--probes", database, "--json", out)
    assert result.exit_code == 0
    told = json.loads(out.read_text())
    assert (told["database"], told["rank_1_0_mismatches"]) == (200, 1.0)


def test_hit_or_no_hit_from_the_shell(run: Run, fixtures: Path, tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    faces = fixtures / "faces"
    shared = ("--owner", "XA", "--sharing", "all", "--disclosure", "hit")
    assert run("gallery", "set", "wanted", *shared, "--db", path).exit_code == 0
    enrolled = run(
        "--as", "XA", "enrol", faces / "gallery" / "collins.jpg", "-m", "face",
        "--subject", "collins", "--gallery", "wanted", "--db", path,
    )  # fmt: skip
    assert enrolled.exit_code == 0
    search = ("search", faces / "probe.jpg", "-m", "face", "--db", path, "--format", "json")
    own = json.loads(run("--as", "XA", *search).stdout)[0]["candidates"][0]
    assert own["subject"] == "collins"
    foreign = json.loads(run("--as", "XB", *search).stdout)[0]["candidates"][0]
    assert (foreign["owner"], foreign["sample"]) == ("XA", "")
    assert foreign["subject"] != "collins"
    assert foreign["score"] == own["score"]
    assert run("--as", "XB", "show", "collins", "--db", path).exit_code == 1
    listed = run("--as", "XB", "list", "--db", path, "--format", "json")
    assert json.loads(listed.stdout) == []
    refused = run("--as", "XB", "gallery", "set", "wanted", "--sharing", "nobody", "--db", path)
    assert refused.exit_code == 1
    run("gallery", "set", "wanted", "--sharing", "nobody", "--db", path)
    assert json.loads(run("--as", "XB", *search).stdout)[0]["candidates"] == []

    compare = ["verify", faces / "probe.jpg", own["sample"], "-m", "face", "--db", path]
    assert run(*compare, "--as", "XA").exit_code == 0
    refused = run(*compare, "--as", "XB")
    assert refused.exit_code == 1
    assert "XB has no sample" in refused.stderr


def test_a_flag_before_the_command_overrules_the_environment(
    run: Run, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.db"
    assert run("--as", "XA", "gallery", "set", "mine", "--db", other).exit_code == 0
    monkeypatch.setenv("BIOMATCH_DB", str(database))
    monkeypatch.setenv("BIOMATCH_AS", "XB")
    listed = run("--db", other, "--as", "XA", "gallery", "list", "--format", "json")
    assert "mine" in {gallery["name"] for gallery in json.loads(listed.stdout)}
    assert run("--db", other, "--as", "XA", "gallery", "enlist", "mine", "x").exit_code == 1
    refused = run("--db", other, "--as", "XA", "delete", "x", "--yes")
    assert "XA has no" in refused.stderr
    assert "XB has no" in run("delete", "x", "--yes").stderr


def test_alerts_from_the_shell(run: Run, fixtures: Path, tmp_path: Path) -> None:
    path = tmp_path / "watched.db"
    probe = fixtures / "faces" / "probe.jpg"
    person = fixtures / "faces" / "gallery" / "collins.jpg"
    run("gallery", "set", "arrivals", "--watched", "yes", "--alert", "1", "--db", path)
    assert run("case", "file", "K-1", probe, "-m", "face", "--db", path).exit_code == 0
    done = run(
        "enrol", person, "-m", "face", "--subject", "collins", "--gallery", "arrivals",
        "--db", path,
    )  # fmt: skip
    assert "1 alerts: somebody may solve a case" in done.stderr
    told = run("gallery", "alerts", "--case", "K-1", "--db", path, "--format", "json")
    (alert,) = json.loads(told.stdout)
    assert (alert["subject"], alert["gallery"]) == ("collins", "arrivals")
    assert run("gallery", "enlist", "arrivals", "collins", "--db", path).exit_code == 0
    shown = json.loads(run("show", "collins", "--db", path, "--format", "json").stdout)
    assert shown["galleries"] == ["arrivals"]
