"""Parsers of text files that people write: tables, manifests, settings, DNA files by format.

They read from disk, so each input is written to a file of a temporary folder first.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from biomatch import models
from biomatch.cli.app import cli
from biomatch.dna.files import WRITERS, parse_profiles, read_frequencies
from biomatch.dna.profile import DnaProfile
from biomatch.errors import BiomatchError, FormatError
from biomatch.evaluation import scores
from biomatch.formats import manifest
from biomatch.jobs import script
from biomatch.search import segments
from biomatch.types import Sample

sys.path.append(str(Path(__file__).resolve().parents[1] / "dna" / "files"))
from dna_samples import FAMILIAS

__all__ = ["PATTERNS", "SEEDS", "TARGETS"]

Seeds = Callable[[], Iterator[bytes]]
DNA_FORMS = {
    "codis": "cmf",
    "euroformix": "long",
    "familias": "familias",
    "genemapper": "long",
    "lrmix": "wide",
    "niem": "niem",
    "smartrank": "smartrank",
}
"""Folder of samples -> the format of `biomatch.dna.files.write` to make a seed in; Familias
projects are only read."""

_folder = tempfile.TemporaryDirectory(prefix="biomatch-fuzz-", dir=os.environ.get("TMPDIR"))


def written(data: bytes, name: str) -> Path:
    """Write an input to a file of that name."""
    path = Path(_folder.name) / name
    path.write_bytes(data)
    return path


def refused(problems: list[str]) -> None:
    """Raise what a job says of its first bad row: it must be one sentence, too."""
    if problems:
        raise FormatError(problems[0])


def manifest_table(data: bytes) -> None:
    items = manifest.read(written(data, "m.csv"), Sample("face"))
    refused([item.problem for item in items if item.problem])


def manifest_lines(data: bytes) -> None:
    items = manifest.read(written(data, "m.jsonl"), Sample("face"))
    for item in items:
        (item.subject or "").encode()
    refused([item.problem for item in items if item.problem])


def pairs(data: bytes) -> None:
    found = manifest.read_pairs(written(data, "pairs.csv"))
    refused([str(pair) for pair in found if isinstance(pair, FormatError)])


def score_file(data: bytes) -> None:
    scores.summary(scores.read(written(data, "scores.csv")), draws=5)


def model_list(data: bytes) -> None:
    models._read(written(data, "models.toml").parent)


def job(data: bytes) -> None:
    script.read(written(data, "job.toml"))


def configuration(data: bytes) -> None:
    """Settings may make the command line refuse, with a usage error and nothing else."""
    path = written(data, "settings.toml")
    stdout = sys.stdout
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as sys.stdout:
            cli.main(["--config", str(path), "models", "list"], standalone_mode=False)
    except click.ClickException as error:
        raise BiomatchError(str(error).partition("\n")[0]) from error
    finally:
        sys.stdout = stdout


def segment(data: bytes) -> None:
    folder = Path(_folder.name) / "segment"
    folder.mkdir(exist_ok=True)
    (folder / segments.MANIFEST).write_bytes(data)
    segments._check_files(folder, segments.read_manifest(folder))


def frequencies(data: bytes) -> None:
    read_frequencies(written(data, "table.csv"))


def dna_text(data: bytes) -> None:
    parse_profiles(data.decode("utf-8", "replace").replace("\0", ""), "fuzz")


TARGETS: dict[str, Callable[[bytes], object]] = {
    "manifest_table": manifest_table,
    "manifest_lines": manifest_lines,
    "pairs": pairs,
    "score_file": score_file,
    "model_list": model_list,
    "job": job,
    "configuration": configuration,
    "segment": segment,
    "frequencies": frequencies,
    **{f"dna_{name}": dna_text for name in DNA_FORMS},
}


def _profiles(form: str) -> Seeds:
    alleles = {"TH01": ("6", "9.3"), "D3S1358": ("15", "16"), "FGA": ("20", "21")}
    profile = DnaProfile.from_alleles(alleles, name="A1")
    made = FAMILIAS if form == "familias" else WRITERS[form]([profile])
    return lambda: iter([made.encode()])


def _lines() -> Iterator[bytes]:
    row = {"path": "a.png", "subject": "A", "finger": 2, "ppi": 500, "impression": "plain"}
    yield (json.dumps(row) + "\n" + json.dumps({"path": "b.png", "year_of_birth": 1970})).encode()


SEEDS: dict[str, Seeds] = {
    "manifest_table": lambda: iter(
        [b"path,subject,finger,ppi,owner,category\na.png,A,2,500,X,Y\nb.png,B,,,,\n"]
    ),
    "manifest_lines": _lines,
    "pairs": lambda: iter([b"path_a,path_b\na.png,b.png\nc.png,d.png\n"]),
    "score_file": lambda: iter(
        [
            b"probe,reference,score\na,a,3.5\na,b,1\nb,b,2\nb,a,0.25\n",
            b"score,mated\n3.5,1\n1e-3,0\n-2,0\n",
        ]
    ),
    "model_list": lambda: iter(
        [
            (
                b'[m]\nfile = "m.onnx"\nsha256 = "00"\nlicence = "MIT"\n'
                b'origin = "o"\nmade_by = "x"\n[m.contract]\ntask = "face"\nmean = [1.5, 2.0]\n'
            )
        ]
    ),
    "job": lambda: iter(
        [
            (
                b'db = "a.db"\npurpose = "p"\n[[step]]\nrun = "enrol"\nsources = ["m.csv"]\n'
                b'[[step]]\nrun = "search"\nsources = ["p"]\nout = "r"\nerrors = "e.csv"\ntop = 5\n'
            )
        ]
    ),
    "configuration": lambda: iter([b'db = "a.db"\nthreads = 1\nquiet = true\n[search]\ntop = 5\n']),
    "segment": lambda: iter([json.dumps({"format": segments.FORMAT, "files": {}}).encode()]),
    "frequencies": lambda: iter(
        [
            b"Allele,TH01,FGA\n6,0.25,\n9.3,0.75,\n20,,0.5\n21,,0.5\n",
            (
                b"<frequencies><marker><name>TH01</name><alleles>6</alleles>"
                b'<origin name="X" n="20"><frequency allele="6">0.25</frequency></origin>'
                b"</marker></frequencies>"
            ),
        ]
    ),
    **{f"dna_{name}": _profiles(form) for name, form in DNA_FORMS.items()},
}
PATTERNS: dict[str, tuple[str, ...]] = {
    "frequencies": ("dna/samples/*/*freq*", "dna/samples/familias/*"),
    **{f"dna_{name}": (f"dna/samples/{name}/**/*",) for name in DNA_FORMS},
}
"""Research data to mutate as well."""
