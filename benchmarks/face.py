"""Print every figure of the face pipeline: ``python -m benchmarks.face [section ...]``.

BIOMATCH_PROBES and BIOMATCH_TURNS (degrees, comma-separated) shorten the rotation section.

Sections: accuracy, rotation, spoiled, sizes, speed, enrol, calibration, several, clusters.
Data: ../shared/data/face (research use only). Times are process CPU times, one thread. The peers
are measured by benchmarks/face_peers.py, which runs in an environment of its own.
"""

import csv
import dataclasses
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
from PIL import Image

from benchmarks import face_calibration
from biomatch.evaluation import metrics
from biomatch.evaluation.face import evaluate
from biomatch.face import calibration, clustering, embedding, extract, pictures
from biomatch.face.assessment import Quality
from biomatch.face.batch import extract_many
from biomatch.face.comparison import gallery_vectors
from biomatch.face.detection import detect
from biomatch.face.template import FaceTemplate

DATA = face_calibration.DATA
FIGURES = Path(__file__).parent / "figures"
SETS = ("default", "high")


def rows(name):
    with (DATA / name).open() as file:
        return list(csv.DictReader(file))


def accuracy():
    for name in SETS:
        found = evaluate(
            DATA,
            gallery="gallery.csv",
            probes="probes_mated.csv",
            nonmated="probes_nonmated.csv",
            pairs="pairs.csv",
            accuracy=name,
        )
        print(json.dumps(found))


class Searcher:
    """The shared gallery, and 300 of its mated probes."""

    def __init__(self, name):
        self.name = name
        gallery = rows("gallery.csv")
        files = [DATA / "lfw" / row["path"] for row in gallery]
        found = [faces for _, faces in extract_many(files, accuracy=name, max_faces=1)]
        self.score = gallery_vectors([[faces[0]] for faces in found])
        self.column = {row["subject"]: i for i, row in enumerate(gallery)}
        probes = rows("probes_mated.csv")
        count = int(os.environ.get("BIOMATCH_PROBES", "300"))
        chosen = np.random.default_rng(1).choice(len(probes), count, replace=False)
        self.probes = [(self.column[probes[i]["subject"]], self.read(probes[i])) for i in chosen]

    def read(self, row):
        """Read one picture as RGB."""
        return cv2.cvtColor(cv2.imread(str(DATA / "lfw" / row["path"])), cv2.COLOR_BGR2RGB)


def turned(degrees):
    """Turn a picture on a canvas that holds all of it."""

    def spoil(picture):
        height, width = picture.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        c, s = abs(matrix[0, 0]), abs(matrix[0, 1])
        size = int(np.ceil(height * s + width * c)), int(np.ceil(height * c + width * s))
        matrix[:, 2] += (np.array(size) - (width, height)) / 2
        return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR)

    return spoil


def rotation():
    searchers = [Searcher(name) for name in SETS]
    turns = os.environ.get("BIOMATCH_TURNS")
    for degrees in map(float, turns.split(",")) if turns else range(0, 360, 15):
        print(f"turned by {degrees}: {ranks(searchers, turned(degrees))}", flush=True)


def ranks(searchers, spoil):
    """Rank 1 of spoiled probes, both sets at once: they differ only in what is computed last."""
    hits, missed = dict.fromkeys(SETS, 0), 0
    for mate, picture in searchers[0].probes:
        spoilt = pictures.read(spoil(picture)).pixels
        try:
            (face,) = extract(spoilt, max_faces=1)
        except ValueError:
            missed += 1
            continue
        high = embedding.model_set("high")
        vectors, norms, _ = embedding.embed(spoilt, face.landmarks[None], high)
        both = dataclasses.replace(
            face,
            embedding=vectors[0],
            norms=tuple(map(float, norms[0])),
            model_set="high",
            model_id=high.model_id,
        )
        for searcher, one in zip(searchers, (face, both), strict=True):
            hits[searcher.name] += int(np.argmax(searcher.score(one)) == mate)
    count = len(searchers[0].probes)
    shares = ", ".join(f"{name} rank-1 {hits[name] / count:.4f}" for name in SETS)
    return f"{shares}, no face {missed} of {count}"


def jpeg(picture, quality):
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def reduced(picture, factor):
    size = picture.shape[1] // factor, picture.shape[0] // factor
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def dark(picture):
    noise = np.random.default_rng(0).normal(0, 5, picture.shape)
    return np.clip(picture * 0.25 + noise, 0, 255).astype(np.uint8)


def spoiled():
    kinds = {
        "as it is": lambda p: p,
        "JPEG quality 10": lambda p: jpeg(p, 10),
        "blur sigma 3": lambda p: cv2.GaussianBlur(p, (0, 0), 3),
        "half size": lambda p: reduced(p, 2),
        "quarter size": lambda p: reduced(p, 4),
        "grey": lambda p: cv2.cvtColor(p, cv2.COLOR_RGB2GRAY),
        "quarter light and noise": dark,
    }
    searchers = [Searcher(name) for name in SETS]
    for kind, spoil in kinds.items():
        print(f"{kind}: {ranks(searchers, spoil)}", flush=True)


def sizes():
    """One face of 20 to 4,000 pixels, in the corner of a larger picture where it fits."""
    picture = cv2.imread(str(DATA / "lfw" / rows("gallery.csv")[0]["path"]))[..., ::-1]
    picture = np.ascontiguousarray(picture[45:205, 45:205])
    (reference,) = extract(picture, max_faces=1)
    for width in (20, 30, 40, 60, 100, 500, 1000, 2000, 4000):
        factor = width / reference.box[2]
        size = max(16, round(160 * factor))
        scaled = cv2.resize(
            picture, (size, size), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        )
        canvas = np.full((max(size, 900), max(size, 1200), 3), 128, np.uint8)
        canvas[-size:, -size:] = scaled
        try:
            face = extract(canvas, max_faces=1)[0]
            cosine = float(face.embedding @ reference.embedding)
            print(f"face of {width} pixels: found {face.box[2]:.0f} wide, cosine {cosine:.3f}")
        except ValueError as error:
            print(f"face of {width} pixels: {error}")


def clocked(work, times):
    spent = []
    for _ in range(times):
        started = time.process_time()
        work()
        spent.append((time.process_time() - started) * 1e3)
    return f"min {min(spent):.1f}, median {np.median(spent):.1f} ms CPU"


def speed():
    files = [DATA / "lfw" / row["path"] for row in rows("probes_mated.csv")[:100]]
    for name in SETS:
        extract(files[0], accuracy=name)
        spent = []
        for file in files:
            spent.append(np.inf)
            for _ in range(3):
                started = time.process_time()
                extract(file, accuracy=name, max_faces=1)
                spent[-1] = min(spent[-1], (time.process_time() - started) * 1e3)
        print(
            f"{name}: 250x250 JPEG file to template, 100 files, best of 3 each: "
            f"median {np.median(spent):.1f}, mean {np.mean(spent):.1f} ms CPU"
        )
    wide = cv2.resize(cv2.imread(str(files[0]))[..., ::-1], (1080, 1080))
    frame = np.full((1080, 1920, 3), 90, np.uint8)
    frame[:, 420:1500] = wide
    print("1920x1080 detection:", clocked(lambda: detect(frame), 20))
    large = np.full((4000, 6000, 3), 90, np.uint8)
    large[:, 1000:5000] = cv2.resize(wide, (4000, 4000), interpolation=cv2.INTER_CUBIC)
    large = np.clip(large + np.random.default_rng(0).integers(-8, 9, large.shape), 0, 255)
    data = io.BytesIO()
    Image.fromarray(large.astype(np.uint8)).save(data, "JPEG", quality=90)
    blob = data.getvalue()
    for name in SETS:
        work = clocked(lambda name=name: extract(blob, accuracy=name), 8)
        print(f"{name}: 24-megapixel JPEG ({len(blob) / 1e6:.1f} MB) to template: {work}")


def enrol():
    """All 1,782 photographs into a fresh database: extraction, templates, audit trail."""
    import biomatch

    files = sorted((DATA / "lfw").rglob("*.jpg"))
    for workers in (1, 2):
        wall, spent = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as folder, biomatch.open(Path(folder) / "f.db") as db:
            samples = [
                biomatch.Sample("face", template=found[0], path=path, label=path.parent.name)
                for path, found in extract_many(files, workers=workers, max_faces=1)
            ]
            for sample in samples:
                db.enrol(sample, subject=sample.label)
        wall, spent = time.perf_counter() - wall, time.process_time() - spent
        print(
            f"enrol {len(files)} photographs, {workers} workers: {wall:.0f} s wall, {spent:.0f} CPU"
        )


def calibrated():
    import matplotlib.pyplot as plt

    labels, sface, dlib = face_calibration.read()
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    for axis, (name, weight) in zip(axes, (("default", 0.0), ("high", 1.5)), strict=True):
        vectors = face_calibration.fuse(sface, dlib, weight)
        mated, nonmated = held_out(vectors, labels)
        print(
            f"{name}: Cllr of identity-disjoint folds: {metrics.cllr(mated, nonmated):.4f}; "
            f"Cllr_min {metrics.cllr_min(mated, nonmated):.4f}"
        )
        for values, label in ((mated, "mated"), (nonmated, "non-mated")):
            ordered = np.sort(values)
            axis.plot(ordered, 1 - np.arange(len(ordered)) / len(ordered), label=label)
        axis.axvline(0, color="grey", linewidth=0.8)
        axis.set(title=f"{name} model set", xlabel="log10 LR greater than")
        axis.legend()
    axes[0].set_ylabel("proportion of comparisons")
    figure.suptitle("Tippett plot: identity-disjoint folds, Labeled Faces in the Wild")
    FIGURES.mkdir(exist_ok=True)
    figure.savefig(FIGURES / "face_tippett.png", dpi=110, bbox_inches="tight")


def held_out(vectors, labels):
    """log10 LRs of each fold's people under the calibration fitted on the other folds."""
    mated, nonmated, parts = [], [], face_calibration.folds(labels)
    for held in range(len(parts)):
        rest = np.concatenate([p for i, p in enumerate(parts) if i != held])
        rng = np.random.default_rng(held)
        scores = face_calibration.pairs(vectors, labels, rest, rng)
        table = calibration.fit(*scores, model_id="", source="")
        same, other = face_calibration.pairs(vectors, labels, parts[held], rng)
        mated.append(table.log10_lr(same))
        nonmated.append(table.log10_lr(other))
    return np.concatenate(mated), np.concatenate(nonmated)


def stored(name):
    """Templates of all 6,258 stored embeddings, and the names and people they belong to."""
    labels, sface, dlib = face_calibration.read()
    vectors = sface if name == "default" else face_calibration.fuse(sface, dlib, 1.5)
    with np.load(DATA / "lfw_embeddings_dev_f16.npz") as file:
        names = [str(path).split("/")[0] for path in file["path"]]
        norms = np.linalg.norm(file["sface"].astype(np.float32), axis=1) * file["det"][:, 14]
    chosen = embedding.model_set(name)
    curve = chosen.networks[0].quality_curve
    values = 100 / (1 + np.exp(-(curve[0] + curve[1] * norms)))
    box, points = np.zeros(4, np.float32), np.zeros((5, 2), np.float32)
    return [
        FaceTemplate(
            vector, (1.0,), box, points, 0.9, 0.0, 0, (250, 250),
            Quality(float(value), *[0.0] * 11), chosen.name, chosen.model_id,
        )
        for vector, value in zip(vectors, values, strict=True)
    ], names, labels  # fmt: skip


def several():
    """FNIR at FPIR 1 % with one, two and three enrolled photographs a person."""
    for name in SETS:
        templates, _, labels = stored(name)
        people, counts = np.unique(labels, return_counts=True)
        rng = np.random.default_rng(0)
        enrolled = [rng.permutation(np.flatnonzero(labels == p)) for p in people[counts >= 4]]
        strangers = [int(np.flatnonzero(labels == p)[0]) for p in people[counts < 4]]
        for size in (1, 2, 3):
            score = gallery_vectors([[templates[i] for i in r[:size]] for r in enrolled])
            ranks, mates = [], []
            for person, own in enumerate(enrolled):
                for row in own[3:13]:
                    scores = score(templates[row])
                    ranks.append(int((scores >= scores[person]).sum()))
                    mates.append(scores[person])
            top = [score(templates[row]).max() for row in strangers]
            missed = metrics.fnir_at_fpir(mates, ranks, top, 0.01)
            print(
                f"{name}: {size} enrolled a person ({len(enrolled)} people, {len(ranks)} mated "
                f"and {len(top)} non-mated searches): FNIR at FPIR 1 % {missed:.4f}"
            )


def clusters():
    errors = json.loads((DATA / "lfw_label_errors.json").read_text())
    for name in SETS:
        templates, names, labels = stored(name)
        known = {tuple(sorted(p)) for p in errors["alias_identities"]}
        known = {p for p in known if set(p) <= set(names)}
        found = clustering.suspicions(templates, names)
        pairs = {tuple(sorted((s.subject, s.other))) for s in found if s.other}
        print(
            f"{name}: {len(pairs)} suspicious pairs, {len(known & pairs)} of {len(known)} aliases"
        )
        groups = clustering.cluster(templates)
        print(f"{name}: {groups.max() + 1} clusters of {len(np.unique(labels))} people:", end=" ")
        joint = np.unique(np.stack([groups, labels]), axis=1, return_counts=True)[1]
        both = within(joint)
        print(
            f"pairwise precision {both / within(np.bincount(groups)):.4f}, "
            f"recall {both / within(np.bincount(labels - labels.min())):.4f}"
        )


def within(counts):
    return int((counts * (counts - 1) // 2).sum())


SECTIONS = {
    "accuracy": accuracy,
    "rotation": rotation,
    "spoiled": spoiled,
    "sizes": sizes,
    "speed": speed,
    "enrol": enrol,
    "calibration": calibrated,
    "several": several,
    "clusters": clusters,
}

if __name__ == "__main__":
    for section in sys.argv[1:] or SECTIONS:
        print(f"== {section}", flush=True)
        SECTIONS[section]()
