"""Fit ``biomatch/fingerprint/calibration.json`` and check it on sets that were left out.

    python benchmarks/fingerprint_calibration.py [--write] [--classical] [DIR]

Data: LEADER's minutiae of 320 prints (four FVC B sets, 40 fingers x 8 impressions). Mated: the
1,120 pairs of impressions of one finger. Non-mated: all 49,920 pairs of impressions of
different fingers, inside and across the sets. Every figure printed is leave-one-set-out: the
weights that score a set were fitted without any pair that has a print of that set. With
`--classical` the prints are extracted by the classical extractor too, and compared with each
other and with LEADER's minutiae under the same left-out weights.
"""

import argparse
import json
import math
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from biomatch.evaluation import metrics  # noqa: E402
from biomatch.fingerprint import (  # noqa: E402
    FingerprintTemplate,
    Minutiae,
    calibration,
    comparison,
    extract,
)
from biomatch.fingerprint.packing import pack  # noqa: E402

SOURCE = (
    "logistic regression on 1,120 mated and 49,920 non-mated comparisons of LEADER minutiae "
    "from four FVC2002/2004 B sets (40 fingers, plain prints, 10 of them synthetic); LR capped "
    "at the number of non-mated comparisons; FMR: the largest of all comparisons' and of each "
    "set's own, extrapolated by an exponential tail but never below one in that number; "
    "latents, rolled prints and palms are not covered"
)


def load(folder: Path) -> tuple[list[str], list[FingerprintTemplate]]:
    data = np.load(folder / "leader_minutiae_dev.npz")
    keys = sorted(data.files)
    return keys, [
        FingerprintTemplate(Minutiae.from_rows(data[key]), 640, 640, extractor="leader")
        for key in keys
    ]


def all_pairs(templates: list[FingerprintTemplate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    packed = pack(templates)
    first, second = np.triu_indices(len(templates), 1)
    features = np.zeros((len(first), comparison.N_FEATURES), np.float32)
    start = 0
    for row in range(len(templates) - 1):
        rows = np.arange(row + 1, len(templates))
        part = features[start : start + len(rows)]
        comparison.compare_rows(packed.arrays, row, packed.arrays, rows, comparison.MAX_TURN, part)
        start += len(rows)
    return first, second, features


def classical(folder: Path, keys: list[str]) -> list[FingerprintTemplate]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [extract(next(folder.glob(f"{key}.*")), 500, extractor="classical") for key in keys]


def pairs_of(
    probes: list[FingerprintTemplate],
    references: list[FingerprintTemplate],
    first: np.ndarray,
    second: np.ndarray,
) -> np.ndarray:
    """Features of each probe `first` against its reference `second`."""
    a, b = pack(probes), pack(references)
    features = np.zeros((len(first), comparison.N_FEATURES), np.float32)
    for row in np.unique(first):
        own = np.flatnonzero(first == row)
        part = np.zeros((len(own), comparison.N_FEATURES), np.float32)
        comparison.compare_rows(a.arrays, row, b.arrays, second[own], comparison.MAX_TURN, part)
        features[own] = part
    return features


def report_transfer(
    name: str, features: np.ndarray, mated: np.ndarray, group: np.ndarray, models: list
) -> None:
    """Print error rates of other templates under the models fitted on LEADER's, a set left out."""
    rows = []
    for number, model in enumerate(models):
        own = group == number
        scores = comparison.score(features[own], model)
        genuine, impostor = scores[mated[own]], scores[~mated[own]]
        said = model.false_match_rate(impostor)
        rows.append(
            [
                metrics.eer(genuine, impostor),
                metrics.fnmr_at_fmr(genuine, impostor, 0.001),
                metrics.cllr(genuine, impostor),
                (said <= 1e-2).mean(),
                (said <= 1e-3).mean(),
            ]
        )
    print(
        "{}: EER {:.2%}  FMR1000 {:.2%}  Cllr {:.3f}; where the FMR is said to be 1e-2 it is "
        "{:.2g}, where 1e-3 {:.2g};".format(name, *np.mean(rows, axis=0)),
        "EER by set",
        ", ".join(f"{row[0]:.2%}" for row in rows),
    )


def fitted(features: np.ndarray, mated: np.ndarray, groups: np.ndarray) -> calibration.ScoreModel:
    return calibration.fit(
        comparison.design(features),
        lambda model: comparison.score(features, model),
        mated,
        features[:, comparison.PAIRS] > 0,
        source=SOURCE,
        groups=groups,
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", nargs="?", default=ROOT.parent / "shared/data/fingerprint")
    options.add_argument("--write", action="store_true")
    options.add_argument("--classical", action="store_true")
    chosen = options.parse_args()
    keys, templates = load(Path(chosen.folder))
    sets = np.unique([key.split("/")[0] for key in keys], return_inverse=True)[1]
    fingers = np.unique([key.rsplit("_", 1)[0] for key in keys], return_inverse=True)[1]
    first, second, features = all_pairs(templates)
    mated = fingers[first] == fingers[second]
    groups = np.where(sets[first] == sets[second], sets[first], -1)
    scores = np.full(len(first), np.nan)
    rates = np.ones(len(first))
    models = []
    for left_out in range(sets.max() + 1):
        inside = (sets[first] == left_out) & (sets[second] == left_out)
        outside = (sets[first] != left_out) & (sets[second] != left_out)
        model = fitted(features[outside], mated[outside], groups[outside])
        models.append(model)
        scores[inside] = comparison.score(features[inside], model)
        rates[inside] = model.false_match_rate(scores[inside])
    rows = []
    for number in range(sets.max() + 1):
        own = (sets[first] == number) & (sets[second] == number)
        genuine, impostor = scores[own & mated], scores[own & ~mated]
        rows.append(
            [
                metrics.eer(genuine, impostor),
                metrics.fnmr_at_fmr(genuine, impostor, 0.001),
                metrics.cllr(genuine, impostor),
            ]
        )
        print(
            f"set {number}: EER {rows[-1][0]:.2%}  FMR1000 {rows[-1][1]:.2%}  "
            f"Cllr {rows[-1][2]:.3f}"
        )
    print("mean: EER {:.2%}  FMR1000 {:.2%}  Cllr {:.3f}".format(*np.mean(rows, axis=0)))
    judged = np.isfinite(scores)
    final = fitted(features, mated, groups)
    for wanted in (1e-2, 1e-3, 1e-4):
        grid = np.linspace(final.levels[0], 12, 5000)
        threshold = grid[np.argmax(final.false_match_rate(grid) <= wanted)]
        alarms = [(rates[(groups == k) & ~mated] <= wanted).mean() for k in range(sets.max() + 1)]
        print(
            f"FMR said {wanted:g} (score {threshold:.2f}): on sets left out {np.mean(alarms):.2g}, "
            f"worst set {max(alarms):.2g}, FNMR {(rates[judged & mated] > wanted).mean():.2%}"
        )
    print(
        "weights",
        np.round(final.weights, 3),
        "bias",
        round(final.bias, 3),
        "dismissed",
        final.dismissed,
    )
    if chosen.classical:
        light = classical(Path(chosen.folder), keys)
        own = groups >= 0
        of = first[own], second[own]
        judged_pairs = mated[own], groups[own], models
        report_transfer("classical", pairs_of(light, light, *of), *judged_pairs)
        report_transfer("classical and LEADER", pairs_of(light, templates, *of), *judged_pairs)
    if chosen.write:
        plain = {
            name: np.round(value, 6).tolist() if isinstance(value, np.ndarray) else value
            for name, value in asdict(final).items()
        }
        target = ROOT / "biomatch/fingerprint/calibration.json"
        target.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {target.name}; cap at log10 LR {math.log10((~mated).sum()):.2f}")


if __name__ == "__main__":
    main()
