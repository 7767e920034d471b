"""Cost of the whole engine by size of the gallery, and what a nation's load would take.

    export OMP_NUM_THREADS=1
    python benchmarks/scale.py build face 1000000 FOLDER        # fill, index, keep in FOLDER
    python benchmarks/scale.py measure face 1000000 FOLDER [segments]
    python benchmarks/scale.py change 1000000 FOLDER            # add and delete 1 %, faces
    python benchmarks/scale.py plan FOLDER                      # fit, table, picture

Everything runs through `biomatch.open`, with audit rows and recorded searches; templates are
made up (see `galleries.py`), so only costs are measured here, not accuracy. CPU time is the
process's own, one thread.

``plan`` fits, for each modality, CPU time a search = fixed + row * records + segment * segments
to what ``measure`` found (by non-negative least squares on the relative errors). A search has a
fixed part (Python, SQL, audit row); stage 1 grows with the records; stage 2 compares a shortlist
in each segment, so it grows with the segments. INTERPOL's load is then laid out over segments
of the size that biomatch builds, with one core searching one part of the gallery at a time.
"""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import biomatch  # noqa: E402
from benchmarks import distractors, dna_profiles  # noqa: E402
from benchmarks.dedup import again  # noqa: E402
from benchmarks.faces import face  # noqa: E402
from benchmarks.galleries import faces, fill, print_of, profiles  # noqa: E402
from benchmarks.vector_index import identities, resident  # noqa: E402
from biomatch.search.index import SEGMENT_ROWS  # noqa: E402

LOAD = 212.0
"""Searches a second: INTERPOL's 5e9 in nine months."""
RECORDS = 128e6
FIGURE = Path(__file__).parent / "figures" / "scale.png"
PROBES = {"face": (200, 1000), "fingerprint": (20, 40), "dna": (50, 100)}
"""Searches one by one, and in one batch."""


def timed(call: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


# Galleries


def templates(modality: str, count: int) -> Iterator[Any]:
    if modality == "face":
        return faces(identities(count, 128)[0])
    if modality == "dna":
        return profiles(dna_profiles.database(count)[1])
    offsets, points = distractors.generate(count, 5)
    return (print_of(points[a:b]) for a, b in itertools.pairwise(offsets))


def probes(modality: str, count: int, wanted: int) -> list[Any]:
    """Other samples of the gallery's first people (DNA: their profiles)."""
    if modality == "face":
        return [face(v) for v in identities(min(count, 100_000), 128)[1][:wanted]]
    if modality == "dna":
        return list(itertools.islice(profiles(dna_profiles.database(count)[1]), wanted))
    rng = np.random.default_rng(3)
    offsets, points = distractors.generate(wanted, 5)
    return [print_of(again(points[a:b], rng)) for a, b in itertools.pairwise(offsets)]


def build(modality: str, count: int, folder: Path) -> None:
    path = folder / f"{modality}-{count}.db"
    out: dict[str, float] = {"records": count}
    with biomatch.open(path) as db:
        out["fill_cpu_s"] = timed(lambda: fill(db, templates(modality, count), modality))
        out["index_cpu_s"] = timed(lambda: db.index_rebuild(modality))
    out["sql_bytes"] = path.stat().st_size
    out["index_bytes"] = size_of(path)
    keep(folder / f"{modality}-{count}-build.json", out)


def size_of(path: Path) -> int:
    return sum(p.stat().st_size for p in Path(f"{path}.index").rglob("*") if p.is_file())


def keep(path: Path, out: dict[str, Any]) -> None:
    path.write_text(json.dumps(out), encoding="utf-8")
    for name, value in out.items():
        print(f"{name:28} {value:.4g}" if isinstance(value, float) else f"{name:28} {value}")


# Searches


def measure(modality: str, count: int, folder: Path, segments: int | None) -> None:
    """Let a fresh process search; `segments` builds the index anew in so many segments."""
    path = folder / f"{modality}-{count}.db"
    if segments is not None:
        with biomatch.open(path) as db:
            db.index_rebuild(modality, segments=segments)
    done = subprocess.run(
        [sys.executable, __file__, "open", modality, str(count), str(path)],
        stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    out = json.loads(done.stdout.splitlines()[-1])
    keep(folder / f"{modality}-{count}-{out['segments']}-search.json", out)


def opened(modality: str, count: int, path: str) -> None:
    """Print what a fresh process pays: opening, searching one by one and in a batch, memory."""
    singly, together = PROBES[modality]
    questions = probes(modality, count, together)
    db = biomatch.open(path)
    before = resident()
    out: dict[str, Any] = {"records": count}
    out["open_cpu_s"] = timed(lambda: db.index(modality).view())
    out["segments"] = len(db.index(modality).view().parts)
    settings: dict[str, Any] = {"modality": modality, "explain": 0}
    for question in questions[:3]:
        db.search(question, **settings)
    few = questions[:singly]
    out["single_ms"] = timed(lambda: [db.search(q, **settings) for q in few]) / len(few) * 1e3
    answers: list[Any] = []
    cost = timed(lambda: answers.extend(db.search_many(questions, **settings)))
    out["batch_ms"] = cost / len(questions) * 1e3
    out["rank1"] = float(
        np.mean([[c.subject for c in a[:1]] == [f"p{i}"] for i, a in enumerate(answers)])
    )
    out["memory_mb"] = resident() - before
    print(json.dumps(out))


# Changes


def change(count: int, folder: Path) -> None:
    """Add 1 %, delete 1 %, then compare with a rebuild, in cost and in results."""
    rng = np.random.default_rng(9)
    new = rng.standard_normal((count // 100, 128)).astype(np.float32)
    old = sorted(rng.choice(count, count // 100, replace=False).tolist())
    questions = [face(v) for v in new[:100]] + probes("face", count, 200)
    out: dict[str, Any] = {"records": count}
    with biomatch.open(folder / f"face-{count}.db") as db:
        index = db.index("face")
        index.view()
        tag = f"x{time.time_ns()}-"
        items = ({"source": face(v), "subject": f"{tag}{i}"} for i, v in enumerate(new))
        out["enrol_cpu_s"] = timed(lambda: db.enrol_many(items, modality="face", commit_every=5000))
        out["add_index_cpu_s"] = timed(index.view) + timed(index.flush)
        present = [f"p{i}" for i in old if f"p{i}" in db]
        out["deleted"] = len(present)
        out["delete_cpu_s"] = timed(lambda: db.delete(*present))
        out["delete_index_cpu_s"] = timed(index.view)

        before, exact = found(db, questions), found(db, questions[::6], exhaustive=True)
        out["rebuild_cpu_s"] = timed(lambda: db.index_rebuild("face"))
        after = found(db, questions)
        for depth in (1, 5, 10, 20):
            same = [a[:depth] == b[:depth] for a, b in zip(before, after, strict=True)]
            out[f"same_first_{depth}"] = f"{sum(same)} of {len(same)}"
        likely = [[c for c in answer if c[2] > 0] for answer in before]
        again = [[c for c in answer if c[2] > 0] for answer in after]
        out["same_with_lr_above_1"] = f"{sum(map(list.__eq__, likely, again))} of {len(again)}"
        same = [
            a == b for a, b in zip(exact, found(db, questions[::6], exhaustive=True), strict=True)
        ]
        out["same_exhaustive"] = f"{sum(same)} of {len(same)}"
        assert all(status.sound for status in db.index_verify("face"))
    part = (out["add_index_cpu_s"] + out["delete_index_cpu_s"]) / out["rebuild_cpu_s"]
    out["percent_of_rebuild"] = 100 * part
    keep(folder / f"face-{count}-change.json", out)


def found(db: biomatch.Database, questions: list, **settings: Any) -> list[list[tuple]]:
    answers = db.search_many(questions, modality="face", k=20, **settings)
    return [[(c.subject, c.score, c.log10_lr) for c in answer] for answer in answers]


# Planning


def fitted(points: list[dict[str, Any]], name: str) -> np.ndarray:
    """Fit the fixed part, the part a record and the part a segment to the relative errors."""
    from scipy.optimize import nnls

    cost = np.array([p[name] for p in points])
    terms = np.array([[1.0, p["records"], p["segments"]] for p in points])
    scale = np.array([1.0, 1e6, 1.0])
    found, _ = nnls(terms / scale / cost[:, None], np.ones(len(points)))
    return found / scale


def plan(folder: Path) -> None:
    segments = RECORDS / SEGMENT_ROWS
    print(
        f"{RECORDS / 1e6:.0f} M records in {segments:.0f} segments, {LOAD:.0f} searches a second\n"
        "| modality | sizes measured | CPU-ms a search: fixed | a million records | a segment "
        "| worst misfit | one search of 128 M, CPU-s | cores | index, GB | resident, GB |\n"
        "|---|---|---|---|---|---|---|---|---|---|"
    )
    drawn = {}
    for modality in PROBES:
        points = [
            json.loads(p.read_text()) for p in sorted(folder.glob(f"{modality}-*-search.json"))
        ]
        builds = [
            json.loads(p.read_text()) for p in sorted(folder.glob(f"{modality}-*-build.json"))
        ]
        if len(points) < 3 or not builds:
            continue
        for name in ("single_ms", "batch_ms"):
            row(modality, name, points, builds, segments)
        drawn[modality] = points
    picture(drawn)


def row(modality: str, name: str, points: list, builds: list, segments: float) -> None:
    fit = fitted(points, name)
    misfit = max(abs(predicted(fit, p["records"], p["segments"]) / p[name] - 1) for p in points)
    search = predicted(fit, RECORDS, segments) / 1e3
    largest = max(builds, key=lambda b: b["records"])
    # Memory of the smallest and the largest gallery, each in as few segments as were measured.
    ends = sorted(points, key=lambda p: (p["records"], -p["segments"]))
    grown = (ends[-1]["memory_mb"] - ends[0]["memory_mb"]) * 1e6
    held = grown / (ends[-1]["records"] - ends[0]["records"])
    held = min(held, largest["index_bytes"] / largest["records"])
    resident = f"{RECORDS * held / 1e9:,.0f}" if held > 0 else "not resolved"
    sizes = ", ".join(f"{n:,}" for n in sorted({p["records"] for p in points}))
    print(
        f"| {modality}, {name.removesuffix('_ms')} | {sizes} | {fit[0]:.2f} | {fit[1] * 1e6:.2f} "
        f"| {fit[2]:.2f} | {misfit:.0%} | {search:.2f} | {search * LOAD:,.0f} "
        f"| {RECORDS * largest['index_bytes'] / largest['records'] / 1e9:,.0f} "
        f"| {resident} |"
    )


def predicted(fit: np.ndarray, records: float, segments: float) -> float:
    return float(fit @ [1.0, records, segments])


def picture(measured: dict[str, list]) -> None:
    """Draw CPU time a search against the records, measured and fitted."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    for colour, (modality, points) in zip(("C0", "C1", "C2"), measured.items(), strict=False):
        fit = fitted(points, "batch_ms")
        size = np.geomspace(1e4, RECORDS, 60)
        parts = np.maximum(1, size / SEGMENT_ROWS)
        line = [predicted(fit, n, s) for n, s in zip(size, parts, strict=True)]
        axes.loglog(size, line, colour, label=modality)
        axes.loglog(
            [p["records"] for p in points], [p["batch_ms"] for p in points], colour + "o", ms=4
        )
    axes.axvline(RECORDS, color="grey", lw=0.8, ls=":")
    axes.set(xlabel="records", ylabel="CPU ms a search, in a batch, one thread")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(FIGURE, dpi=110)


def main(command: str, *arguments: str) -> None:
    if command == "plan":
        plan(Path(arguments[0]))
    elif command == "change":
        change(int(float(arguments[0])), Path(arguments[1]))
    elif command == "open":
        opened(arguments[0], int(arguments[1]), arguments[2])
    else:
        modality, count, folder = arguments[0], int(float(arguments[1])), Path(arguments[2])
        folder.mkdir(parents=True, exist_ok=True)
        if command == "build":
            build(modality, count, folder)
        else:
            measure(modality, count, folder, int(arguments[3]) if arguments[3:] else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
