"""A night's batch: 5,000 samples enrolled, 200 probes searched with reports, killed and resumed.

``python benchmarks/night.py WORKDIR [SCALE]`` makes the material from the fixtures (2 % of it
broken on purpose), runs the batch undisturbed, runs it again on a second database with ``kill
-9`` in the middle of enrolment and of searching, resumes, and compares both end states: samples by
sha256, candidate lists, error reports, summaries. The memory of the processes is sampled.

The material: DNA tables of one profile, ISO minutiae records (jittered copies of the synthetic
prints), views of the two photographs under many names, and parts of the print images. It is made
for load: its candidate lists say nothing about accuracy.
"""

import csv
import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from biomatch import dna, fingerprint
from biomatch.dna.files.long import write_long
from biomatch.fingerprint.minutiae import Minutiae
from biomatch.formats import fmr, templates
from biomatch.formats.minutiae_record import Standard

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"
SAMPLES = {"dna": 1400, "records": 400, "faces": 2400, "prints": 800}
PROBES = {"dna": 60, "records": 20, "faces": 80, "prints": 40}
BROKEN_EVERY = 50
SEED = 5000


def profiles(rng: np.random.Generator) -> Iterator[tuple[str, str, bytes]]:
    """Yield tables of one profile: alleles re-drawn from the fixtures' people."""
    people = dna.read(FIXTURES / "dna" / "database.csv")
    loci = list(people[0].autosomal)
    number = 0
    while True:
        alleles = {}
        for locus in loci:
            first, second = rng.integers(0, len(people), 2)
            pair = (people[first].autosomal[locus][0], people[second].autosomal[locus][-1])
            alleles[locus] = pair
        name = f"D{number:05d}"
        profile = dna.DnaProfile.from_alleles(alleles, name=name)
        yield f"{name}.csv", name, write_long([profile]).encode()
        number += 1


def records(rng: np.random.Generator) -> Iterator[tuple[str, str, bytes]]:
    """Yield ISO/IEC 19794-2 records: jittered, thinned minutiae of the synthetic prints."""
    files = sorted((FIXTURES / "fingerprint").glob("0*_1.png"))
    originals = [fingerprint.extract(path) for path in files]
    number = 0
    while True:
        one = originals[number % len(originals)]
        kept = np.sort(rng.permutation(len(one.minutiae))[: int(0.85 * len(one.minutiae))])
        chosen = one.minutiae.take(kept)
        shifted = Minutiae(
            np.clip(chosen.x + rng.normal(0, 2, len(chosen)), 1, one.width - 2),
            np.clip(chosen.y + rng.normal(0, 2, len(chosen)), 1, one.height - 2),
            chosen.angle,
            chosen.type,
            chosen.quality,
        )
        record = templates.from_templates([replace(one, minutiae=shifted)], Standard.ISO_2005)
        yield f"R{number:05d}.iso", f"R{number:05d}", fmr.write(record)
        number += 1


def photographs(rng: np.random.Generator) -> Iterator[tuple[str, str, bytes]]:
    """Yield crops of the two photographs, brighter or darker."""
    import io

    heads = [Image.open(FIXTURES / "faces" / "gallery" / f"{n}.jpg") for n in ("collins", "hopper")]
    number = 0
    while True:
        head = heads[number % 2]
        left, top = rng.integers(0, 24, 2)
        picture = head.crop((left, top, head.width - 8, head.height - 8)).resize((200, 240))
        picture = ImageEnhance.Brightness(picture).enhance(float(rng.uniform(0.6, 1.3)))
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=int(rng.integers(70, 95)))
        yield f"F{number:05d}.jpg", f"F{number:05d}", stream.getvalue()
        number += 1


def prints(rng: np.random.Generator) -> Iterator[tuple[str, str, bytes]]:
    """Yield parts of the synthetic prints as pictures."""
    import io

    files = sorted((FIXTURES / "fingerprint").glob("0*.png"))
    number = 0
    while True:
        whole = Image.open(files[number % len(files)]).convert("L")
        left, top = (int(v) for v in rng.integers(0, 40, 2))
        stream = io.BytesIO()
        whole.crop((left, top, left + 260, top + 300)).save(stream, "PNG", dpi=(500, 500))
        yield f"P{number:05d}.png", f"P{number:05d}", stream.getvalue()
        number += 1


KINDS = {
    "dna": ("dna", profiles),
    "records": ("fingerprint", records),
    "faces": ("face", photographs),
    "prints": ("fingerprint", prints),
}


def damaged(data: bytes, number: int) -> bytes:
    """Break a file in one of four ways."""
    ways = (b"", data[: len(data) // 3], b"\x00" * 200, b"this is no sample\n" + bytes(range(256)))
    return ways[number % len(ways)]


def write(folder: Path, amounts: dict[str, int], seed: int, *, broken: bool) -> Path:
    """Write one manifest and its files, kinds mixed; returns the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    sources = {kind: KINDS[kind][1](rng) for kind in amounts}
    order = rng.permutation([kind for kind, count in amounts.items() for _ in range(count)])
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "subject", "modality"])
        for number, kind in enumerate(order):
            name, subject, data = next(sources[kind])
            if broken and number % BROKEN_EVERY == BROKEN_EVERY // 2:
                data = damaged(data, number // BROKEN_EVERY)
            (folder / name).write_bytes(data)
            table.writerow([name, subject, KINDS[kind][0]])
    return manifest


@dataclass
class Run:
    """One process: exit code, wall seconds, and (items done, its own memory in MiB) over time."""

    code: int = 0
    seconds: float = 0.0
    memory: list[tuple[int, float]] = field(default_factory=list)
    told: dict[str, object] = field(default_factory=dict)

    def quarters(self) -> list[int]:
        """Memory when a quarter, a half, three quarters and all of this run's items were done."""
        if not self.memory:
            return []
        first, last = self.memory[0][0], self.memory[-1][0]
        marks = [first + (last - first) * part / 4 for part in (1, 2, 3, 4)]
        return [round(next(size for count, size in self.memory if count >= mark)) for mark in marks]


def owned(pid: int) -> float:
    """Resident memory of a process in MiB, mapped files (libraries, segments) left out."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"RssAnon:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0


def biomatch(*arguments: object, watch: Path | None = None, kill_at: int = 0) -> Run:
    """Run the command, watching `watch` fill; with `kill_at`, kill -9 at that many items."""
    run, began = Run(), time.monotonic()
    command = [sys.executable, "-m", "biomatch", "-q", *map(str, arguments), "--format", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
    while process.poll() is None:
        time.sleep(0.5)
        if watch is None:
            continue
        count, size = done(watch), owned(process.pid)
        if size:
            run.memory.append((count, size))
        if kill_at and count >= kill_at:
            process.send_signal(signal.SIGKILL)
    out = process.stdout.read() if process.stdout else b""
    run.code, run.seconds = process.returncode, time.monotonic() - began
    run.told = json.loads(out) if out.strip() else {}
    return run


def done(path: Path) -> int:
    """Count samples in a database, or result files in a folder."""
    if path.is_dir():
        return len(list(path.glob("*.json")))
    if not path.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM samples").fetchone()[0])
    except sqlite3.Error:
        return 0


def state(work: Path) -> dict[str, object]:
    """Return what both runs must agree on."""
    with sqlite3.connect(work / "night.db") as connection:
        samples = connection.execute(
            "SELECT u.id, s.modality, s.sha256, s.part FROM samples s "
            "JOIN subjects u ON u.key = s.subject_key ORDER BY 1, 2, 3, 4"
        ).fetchall()
    lists = {}
    for path in sorted((work / "results").glob("*.json")):
        lists[path.name] = [
            [
                (c["candidate"]["subject"], round(c["candidate"]["score"], 6))
                for c in a["report"]["lines"]
            ]
            for a in json.loads(path.read_text())["answers"]
        ]
    pages = sorted(path.name for path in (work / "results").glob("*.html"))
    errors = (work / "errors.csv").read_text() + (work / "results" / "errors.csv").read_text()
    return {"samples": samples, "lists": lists, "pages": pages, "errors": errors}


def night(work: Path, gallery: Path, probes: Path, *, disturbed: bool) -> dict[str, Run]:
    """Enrol and search; disturbed = each killed once in the middle and started again."""
    work.mkdir()
    db, results = work / "night.db", work / "results"
    enrol = ("enrol", gallery, "--db", db, "--resume", "--errors", work / "errors.csv")
    search = ("search", probes, "--db", db, "--out", results, "--top", 20, "--resume")
    runs = {}
    if disturbed:
        results.mkdir()
        runs["enrol, killed"] = biomatch(*enrol, watch=db, kill_at=sum(SAMPLES.values()) // 2)
    runs["enrol"] = biomatch(*enrol, watch=db)
    if disturbed:
        half = sum(PROBES.values()) // 2
        runs["search, killed"] = biomatch(*search, watch=results, kill_at=half)
    runs["search"] = biomatch(*search, watch=results)
    return runs


def main() -> None:
    """Run both nights and print what came of them."""
    work = Path(sys.argv[1])
    scale = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    for amounts in (SAMPLES, PROBES):
        amounts |= {kind: max(1, round(count * scale)) for kind, count in amounts.items()}
    gallery = write(work / "gallery", SAMPLES, SEED, broken=True)
    probes = write(work / "probes", PROBES, SEED + 1, broken=False)
    quiet = night(work / "quiet", gallery, probes, disturbed=False)
    killed = night(work / "killed", gallery, probes, disturbed=True)
    for title, runs in (("undisturbed", quiet), ("killed and resumed", killed)):
        print(title)
        for name, run in runs.items():
            print(
                f"  {name:15} exit {run.code:3}  {run.seconds:7.1f} s  "
                f"MiB at the quarters {run.quarters()}  {run.told}"
            )
    one, other = state(work / "quiet"), state(work / "killed")
    for key in one:
        print(f"{key}: {'the same' if one[key] == other[key] else 'DIFFERENT'} ({len(one[key])})")
    audit = biomatch("audit", "verify", "--db", work / "killed" / "night.db")
    print(f"audit trail of the killed run: exit {audit.code}, {audit.told.get('rows')} rows")
    sys.exit(0 if one == other and audit.code == 0 else 1)


if __name__ == "__main__":
    main()
