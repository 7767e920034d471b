"""Fit the quality of classical minutiae: ``python -m benchmarks.fingerprint_classical``.

Data: ../shared/data/fingerprint, FVC2002 DB1_B and DB4_B, FVC2004 DB1_B and DB2_B (40 fingers,
8 impressions each). A candidate of the classical extractor counts as a minutia where LEADER
(quality 0.3 and more) sees one within 10 px and 0.5 rad, each used once, nearest first. LEADER's
minutiae are no ground truth, and its training data are not published; they are the best that
can be had without an examiner.

Printed: for each set the share of LEADER's minutiae among the candidates, the average precision
of the quality, EER and FNMR at FMR 1e-3 (280 mated and 2,880 non-mated pairs a set), both with
LEADER's templates as references too. Every set is scored by weights fitted to the other three.
The last lines are the weights of all four sets, which classical.py holds.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from benchmarks.fingerprint_extraction import DATA, PRINTS, SETS, accuracy, grey, pictures
from biomatch.fingerprint import FingerprintTemplate, Minutiae, classical
from biomatch.fingerprint.minutiae import angle_difference

NEAR, TURNED = 10.0, 0.5
SEEN = 0.3
RIDGE = 1.0


@dataclass(frozen=True)
class Candidates:
    """What was found in one print, and which of it LEADER sees as well."""

    marks: np.ndarray
    evidence: np.ndarray
    real: np.ndarray
    missed: int
    size: tuple[int, int]


def agreed(marks, minutiae):
    """Which marks have a minutia of their own, nearest first."""
    distance = np.hypot(
        np.subtract.outer(marks[:, 0], minutiae.x), np.subtract.outer(marks[:, 1], minutiae.y)
    )
    turned = np.abs(angle_difference(marks[:, 2, None], minutiae.angle[None]))
    distance[turned > TURNED] = np.inf
    real = np.zeros(len(marks), bool)
    while distance.size and (least := distance.min()) <= NEAR:
        i, j = np.argwhere(distance == least)[0]
        real[i] = True
        distance[i], distance[:, j] = np.inf, np.inf
    return real


def collect(path, minutiae):
    image = grey(path)
    marks, evidence = classical.candidates(classical.enhance(image))
    real = agreed(marks, minutiae)
    return Candidates(
        marks, np.stack(evidence, axis=1), real, len(minutiae) - int(real.sum()), image.shape
    )


def fit(prints):
    """Ridge logistic regression: weights and bias for the evidence as it is."""
    evidence = np.concatenate([p.evidence for p in prints])
    real = np.concatenate([p.real for p in prints])
    mean, spread = evidence.mean(axis=0), evidence.std(axis=0)
    design = np.column_stack([(evidence - mean) / spread, np.ones(len(evidence))])
    sign = np.where(real, 1.0, -1.0)

    def loss(w):
        margin = sign * (design @ w)
        penalty = RIDGE / 2 * (w[:-1] @ w[:-1])
        slope = -design.T @ (sign / (1 + np.exp(margin)))
        return np.logaddexp(0, -margin).sum() + penalty, slope + RIDGE * np.append(w[:-1], 0)

    w = minimize(loss, np.zeros(design.shape[1]), jac=True).x
    weights = w[:-1] / spread
    return weights, float(w[-1] - weights @ mean)


def template(found, weights, bias):
    quality = 1 / (1 + np.exp(-(found.evidence @ weights + bias)))
    kept = quality >= classical.LEAST_QUALITY
    minutiae = Minutiae.from_rows(np.column_stack([found.marks, quality])[kept])
    return FingerprintTemplate(minutiae, *found.size[::-1], extractor="classical"), quality


def average_precision(real, quality, missed):
    order = real[np.argsort(-quality, kind="stable")]
    precision = np.cumsum(order) / np.arange(1, len(order) + 1)
    return float(precision[order].sum() / (order.sum() + missed))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=DATA)
    seen = np.load(parser.parse_args().folder / "leader_minutiae_dev.npz")
    leaders = {key: Minutiae.from_rows(seen[key]) for key, _ in pictures()}
    prints = [collect(path, leaders[key].above(SEEN)) for key, path in pictures()]
    templates = []
    for number, name in enumerate(SETS):
        own = slice(number * PRINTS, (number + 1) * PRINTS)
        weights, bias = fit(prints[: own.start] + prints[own.stop :])
        made = [template(found, weights, bias) for found in prints[own]]
        templates += [t for t, _ in made]
        real = np.concatenate([found.real for found in prints[own]])
        missed = sum(found.missed for found in prints[own])
        quality = np.concatenate([q for _, q in made])
        print(
            f"{name}: {real.sum() / (real.sum() + missed):.1%} of LEADER's minutiae are "
            f"candidates, average precision {average_precision(real, quality, missed):.3f}"
        )
    references = [
        FingerprintTemplate(leaders[key], *found.size[::-1], extractor="leader")
        for (key, _), found in zip(pictures(), prints, strict=True)
    ]
    for name, other in (("classical", templates), ("classical against LEADER", references)):
        rates = accuracy(templates, other)
        sets = ", ".join(f"{100 * rate:.2f}" for rate in rates["eer_by_set"].values())
        print(
            f"left-out sets, {name}: EER {100 * rates['eer']:.2f} % ({sets}), "
            f"FNMR at FMR 0.1 % {100 * rates['fnmr_at_fmr_0.001']:.2f} %"
        )
    weights, bias = fit(prints)
    print("WEIGHTS =", tuple(np.round(weights, 3).tolist()))
    print("BIAS =", round(bias, 3))


if __name__ == "__main__":
    main()
