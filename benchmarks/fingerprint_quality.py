"""Quality against error: ``python -m benchmarks.fingerprint_quality``.

Data: ../shared/data/fingerprint, FVC2002 DB1_B and DB4_B, FVC2004 DB1_B and DB2_B (40 fingers,
8 impressions each). Error against discard (ISO/IEC 29794-1): a mated pair has the lower quality
of its two prints; the pairs of lowest quality are left out step by step, and FNMR is counted
among the rest at the one threshold that gives FMR 1e-3 over all sets. For both extractors: our
own measure and NFIQ 2 (extra ``nfiq2``), beside the best order there could be (missed pairs
first) and a random one.

LEADER's training data is not published and may contain these sets: its curve is flattered. A good
measure lowers the curve; with few missed pairs (printed) every step of it is one or two of them.

Printed too: Spearman's rank correlation of both measures with each other and with each print's
mean mated score. Picture: benchmarks/figures/fingerprint_quality.png.
"""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import spearmanr

from benchmarks.fingerprint_extraction import compare_sets, grey, pictures
from biomatch.errors import NoFeaturesError, OptionError
from biomatch.fingerprint import extract, quality

FIGURE = Path(__file__).resolve().parent / "figures" / "fingerprint_quality.png"
SHARES = np.linspace(0, 0.3, 61)
SHOWN = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)
EXTRACTORS = ("leader", "classical")


def scored(templates):
    """Mated pairs: which are missed, their score, and the two prints of each."""
    parts = list(compare_sets(templates, templates))
    scores, mated, first, second = (np.concatenate(c) for c in zip(*parts, strict=True))
    threshold = np.quantile(scores[~mated], 1 - 1e-3)
    return scores[mated] < threshold, scores[mated], first[mated], second[mated]


def curve(missed, worst):
    """FNMR after the given share of pairs, those of lowest `worst`, is left out."""
    order = np.argsort(worst, kind="stable")
    left = np.cumsum(missed[order][::-1])[::-1]
    dropped = np.floor(SHARES * len(missed)).astype(int)
    return left[dropped] / (len(missed) - dropped)


def nfiq2():
    """NFIQ 2 of every print, 0 where it fails; None without the extra."""
    values = []
    for key, path in pictures():
        try:
            values.append(quality.nfiq2(grey(path)))
        except OptionError as error:
            print(f"NFIQ 2 not measured: {error}")
            return None
        except NoFeaturesError as error:
            print(f"{key}: {error}")
            values.append(0)
    return np.array(values, float)


def draw(panels):
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(10, 4), sharex=True)
    for axis, (name, curves) in zip(axes, panels.items(), strict=True):
        for label, values in curves.items():
            style = {"best order": ":", "random order": "--"}.get(label, "-")
            axis.plot(100 * SHARES, 100 * values, style, label=label)
        axis.set(title=f"{name} minutiae", xlabel="mated pairs left out, lowest quality first, %")
        axis.set_ylim(bottom=0)
        axis.grid(visible=True, alpha=0.3)
    axes[0].set_ylabel("FNMR at FMR 0.1 %, %")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(FIGURE, dpi=110)


def main():
    nist = nfiq2()
    panels = {}
    for name in EXTRACTORS:
        templates = [extract(path, extractor=name) for _, path in pictures()]
        missed, scores, first, second = scored(templates)
        measures = {"own measure": np.array([t.quality for t in templates])}
        if nist is not None:
            measures["NFIQ 2"] = nist
            own = spearmanr(measures["own measure"], nist).statistic
            print(f"{name}: own measure and NFIQ 2, Spearman {own:.2f}")
        both = np.bincount(np.r_[first, second], np.r_[scores, scores], len(templates))
        curves = {}
        print(f"{name}: {missed.sum()} of {len(missed)} mated pairs missed")
        for label, values in measures.items():
            curves[label] = curve(missed, np.minimum(values[first], values[second]))
            rates = ", ".join(
                f"{share:.0%}: {100 * np.interp(share, SHARES, curves[label]):.2f}"
                for share in SHOWN
            )
            print(
                f"  {label}: with mean mated score Spearman {spearmanr(values, both).statistic:.2f}"
                f"; FNMR % when the worst are left out: {rates}"
            )
        curves["best order"] = curve(missed, -missed.astype(float))
        curves["random order"] = np.full(len(SHARES), missed.mean())
        panels[name] = curves
    draw(panels)


if __name__ == "__main__":
    main()
