"""After a warm-up, real work compiles nothing more."""

import json
import subprocess
import sys
from pathlib import Path

WORK = """
import json, sys
from pathlib import Path

import biomatch
from biomatch.fingerprint.gallery import FingerprintGallery
from biomatch.jobs.warming import kernels, warm_up

def compiled():
    return {name: {str(s) for s in kernel.signatures} for name, kernel in kernels().items()}

warmth = warm_up()
before = compiled()
fixtures, out = Path(sys.argv[1]), Path(sys.argv[2])
db = biomatch.open(out / "x.db")
for name in ("001_1", "002_1"):
    db.enrol(fixtures / "fingerprint" / f"{name}.png", modality="fingerprint", subject=name[:3])
db.enrol(fixtures / "dna" / "database.csv", modality="dna")
best = []
for _ in range(2):
    latent = fixtures / "fingerprint" / "latent_of_001.png"
    best.append(db.search(latent, modality="fingerprint")[0].subject)
    stain = fixtures / "dna" / "stain.csv"
    for options in ({"stringency": "moderate"}, {"relation": "parent-child"}):
        best.append(db.search(stain, modality="dna", options=options)[0].subject)
    db.index_rebuild()
biomatch.fingerprint.extract(fixtures / "fingerprint" / "001_2.png", extractor="classical")
after = compiled()
new = {name: sorted(after[name] - before.get(name, set())) for name in after}
print(json.dumps({
    "new": {name: kinds for name, kinds in new.items() if kinds},
    "best": best,
    "kernels": warmth.kernels,
    "cache": [str(folder) for folder in warmth.cache],
}))
"""


def test_real_work_finds_every_kernel_ready(fixtures: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORK, fixtures, tmp_path], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert told["new"] == {}
    assert told["kernels"] >= 20
    assert told["cache"]
    assert (told["best"][0], told["best"][1]) == ("001", "P137")


def test_the_command_says_what_is_ready(run: object, tmp_path: Path) -> None:
    result = run("-q", "warm-up", "--format", "json")  # type: ignore[operator]
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["pipelines"] == ["dna", "face", "fingerprint"]
    assert all(Path(folder).is_dir() for folder in told["cache"])
    again = run("warm-up")  # type: ignore[operator]
    assert "- fingerprint" in again.stderr
    assert "all was ready" in again.stderr
