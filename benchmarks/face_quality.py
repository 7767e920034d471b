"""Fit the curve from norm times detection score to quality: ``python -m benchmarks.face_quality``.

Quality is the expected percentage of mates found at FMR 1e-4 when the other sample is good.
The data are mated pairs of ../shared/data/face: photographs as they are (embeddings of 6,258),
and 300 of them blurred, reduced, darkened and turned, each against a good photograph of the same
person. A logistic curve is fitted to hits over the worse of both utilities; five folds over
people show how far it moves. It also prints the error-versus-discard curve.
"""

import csv
from itertools import combinations, pairwise

import cv2
import numpy as np

from benchmarks.face_calibration import DATA, read
from biomatch.face import calibration, embedding
from biomatch.face.detection import detect
from biomatch.face.faces import prominent


def stored_pairs():
    labels, sface, _ = read()
    with np.load(DATA / "lfw_embeddings_dev_f16.npz") as file:
        norms = np.linalg.norm(file["sface"].astype(np.float32), axis=1)
        utility = norms * file["det"][:, 14].astype(np.float32)
    rng, rows = np.random.default_rng(0), []
    for person in np.unique(labels):
        both = np.array(list(combinations(np.flatnonzero(labels == person), 2)), int)
        if len(both) > 20:
            both = both[rng.choice(len(both), 20, replace=False)]
        for a, b in both:
            rows.append((person, min(utility[a], utility[b]), sface[a] @ sface[b]))
    return np.array(rows)


def spoiled(image):
    height, width = image.shape[:2]
    for sigma in (2, 3, 4, 6):
        yield cv2.GaussianBlur(image, (0, 0), sigma)
    for factor in (3, 5, 7):
        small = cv2.resize(image, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
        yield cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 8, image.shape)
    yield np.clip(image * 0.2 + noise, 0, 255).astype(np.uint8)
    for degrees in (30, 40, 50, 180):
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        yield cv2.warpAffine(image, turn, (width, height))


def spoiled_pairs(count=300):
    def picture(path):
        return cv2.cvtColor(cv2.imread(str(DATA / "lfw" / path)), cv2.COLOR_BGR2RGB)

    def face(image):
        found = prominent(detect(image, threshold=0.5), image.shape)
        if not len(found):
            return None
        vectors, norms, _ = embedding.embed(image, found.landmarks[:1], networks)
        return vectors[0], norms[0, 0] * found.scores[0]

    networks = embedding.model_set("default")
    with (DATA / "gallery.csv").open() as file:
        gallery = {row["subject"]: row["path"] for row in csv.DictReader(file)}
    with (DATA / "probes_mated.csv").open() as file:
        probes = list(csv.DictReader(file))
    chosen = np.random.default_rng(1).choice(len(probes), count, replace=False)
    rows = []
    for number in chosen:
        row = probes[number]
        mate, good = face(picture(gallery[row["subject"]]))
        for image in spoiled(picture(row["path"])):
            found = face(image)
            if found:
                person = -1 - sorted(gallery).index(row["subject"])
                rows.append((person, min(found[1], good), found[0] @ mate))
    return np.array(rows)


def fit(utility, hit):
    """Offset and slope of ``P(hit) = 1 / (1 + exp(-(offset + slope utility)))``, unweighted."""
    x, beta = np.stack([np.ones_like(utility), utility - 9.0], axis=1), np.array([2.0, 1.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ beta))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2)
        beta = beta + np.linalg.solve(hessian, x.T @ (hit - p))
    return beta[0] - 9.0 * beta[1], beta[1]


def main():
    threshold = calibration.shipped(embedding.model_set("default").model_id).threshold(1e-4)
    clean, worse = stored_pairs(), spoiled_pairs()
    for share in (0, 0.02, 0.05, 0.1, 0.2):
        kept = clean[:, 1] >= np.quantile(clean[:, 1], share)
        print(f"worst {share:.0%} discarded: FNMR {(clean[kept, 2] < threshold).mean():.4f}")
    every = np.vstack([clean, worse])
    hit = every[:, 2] >= threshold
    folds = np.abs(every[:, 0].astype(int)) % 5
    for fold in range(5):
        print(
            "fold",
            fold,
            fit(every[folds != fold, 1], hit[folds != fold]),
        )
    offset, slope = fit(every[:, 1], hit)
    print(f"quality_curve = [{offset:.2f}, {slope:.3f}]")
    edges = np.array([0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20])
    for low, high in pairwise(edges):
        inside = (every[:, 1] >= low) & (every[:, 1] < high)
        said = 1 / (1 + np.exp(-(offset + slope * every[inside, 1])))
        print(
            f"utility {low}-{high}: {inside.sum()} pairs, "
            f"hit {hit[inside].mean():.3f}, said {said.mean():.3f}"
        )


if __name__ == "__main__":
    main()
