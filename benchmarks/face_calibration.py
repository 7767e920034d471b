"""Fit the calibration that biomatch ships: ``python benchmarks/face_calibration.py``.

Reads the embeddings of ../shared/data/face (6,258 photographs of 2,836 people of Labeled Faces
in the Wild, labels cleaned), compares in balance (at most 20 mated pairs a person; non-mated:
one photograph a person), and writes biomatch/face/calibration.json. Before that it prints, from
five folds over people, the Cllr and the weight of the fused set that each fold would choose.
"""

import json
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import numpy as np

from biomatch.face import calibration, embedding, parameters

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "face"
TARGET = ROOT / "biomatch" / "face" / "calibration.json"
WEIGHTS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def read():
    with np.load(DATA / "lfw_embeddings_dev_f16.npz") as file:
        labels = file["label"].astype(int)
        return labels, unit(file["sface"].astype(np.float32)), unit(file["dlib"].astype(np.float32))


def fuse(sface, dlib, weight):
    return sface if weight == 0 else unit(np.hstack([sface, weight * dlib]))


def pairs(vectors, labels, people, rng):
    """Scores of mated (at most 20 a person) and non-mated (one photograph a person) pairs."""
    mated, first = [], []
    for person in people:
        rows = np.flatnonzero(labels == person)
        first.append(rng.choice(rows))
        both = np.array(list(combinations(rows, 2)), int).reshape(-1, 2)
        if len(both) > 20:
            both = both[rng.choice(len(both), 20, replace=False)]
        mated.append((vectors[both[:, 0]] * vectors[both[:, 1]]).sum(axis=1))
    chosen = vectors[first]
    return np.concatenate(mated), (chosen @ chosen.T)[np.triu_indices(len(first), 1)]


def cllr(table, mated, nonmated):
    scale = np.log(2)
    same = np.logaddexp(0, -table.log10_lr(mated) * np.log(10)).mean() / scale
    return (same + np.logaddexp(0, table.log10_lr(nonmated) * np.log(10)).mean() / scale) / 2


def folds(labels, count=5):
    people = np.unique(labels)
    return np.array_split(np.random.default_rng(7).permutation(people), count)


def cross_validated(vectors, labels):
    """Mean Cllr of identity-disjoint folds: fitted on four, measured on the fifth."""
    values, parts = [], folds(labels)
    for held in range(len(parts)):
        rest = np.concatenate([p for i, p in enumerate(parts) if i != held])
        rng = np.random.default_rng(held)
        table = calibration.fit(*pairs(vectors, labels, rest, rng), model_id="", source="")
        values.append(cllr(table, *pairs(vectors, labels, parts[held], rng)))
    return float(np.mean(values)), float(np.std(values))


def chosen_weights(labels, sface, dlib):
    """Weight with the least Cllr on the four training folds of each split."""
    parts = folds(labels)
    picks = []
    for held in range(len(parts)):
        rest = np.concatenate([p for i, p in enumerate(parts) if i != held])
        costs = []
        for weight in WEIGHTS:
            scores = pairs(fuse(sface, dlib, weight), labels, rest, np.random.default_rng(held))
            costs.append(cllr(calibration.fit(*scores, model_id="", source=""), *scores))
        picks.append(WEIGHTS[int(np.argmin(costs))])
    return picks


def main():
    labels, sface, dlib = read()
    print("weight chosen on the training folds:", chosen_weights(labels, sface, dlib))
    entries = []
    for name, weight in (("default", 0.0), ("high", parameters.FUSED_WEIGHT)):
        vectors = fuse(sface, dlib, weight)
        mean, deviation = cross_validated(vectors, labels)
        people = np.unique(labels)
        mated, nonmated = pairs(vectors, labels, people, np.random.default_rng(0))
        source = (
            f"fitted on {len(mated):,} mated and {len(nonmated):,} non-mated pairs of "
            f"{len(people):,} people of Labeled Faces in the Wild (news photographs of public "
            "figures); other cameras, poses, ages and populations differ: run "
            "`biomatch calibrate face` on your own pairs"
        )
        identity = embedding.model_set(name).model_id
        table = calibration.fit(mated, nonmated, model_id=identity, source=source)
        entries.append(asdict(table))
        print(
            f"{name}: Cllr of identity-disjoint folds {mean:.4f} (sd {deviation:.4f}); "
            f"ln LR = {table.slope:.2f} s {table.offset:+.2f}; thresholds "
            + ", ".join(f"FMR {f:g}: {table.threshold(f):.3f}" for f in (1e-3, 1e-4, 1e-5))
        )
    TARGET.write_text(json.dumps(entries, indent=None) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
