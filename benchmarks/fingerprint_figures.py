"""Draw docs/figures/fingerprint_match.png: ``python -m benchmarks.fingerprint_figures``.

From drawn prints (fixtures/fingerprint), no person's: a print with its minutiae, as the classical
extractor filters it, and matched with another impression of the same finger.
"""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from biomatch import fingerprint
from biomatch.fingerprint.extraction import prepare

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures" / "fingerprint"
FIGURE = ROOT / "docs" / "figures" / "fingerprint_match.png"
COLOURS = ("#d62728", "#1f77b4", "#7f7f7f")
TAIL = 14


def mark(axis, minutiae, shift=0.0):
    """Minutiae as circles with their direction: endings red, bifurcations blue."""
    for x, y, angle, kind, _ in minutiae.rows():
        end = x + shift + TAIL * np.cos(angle), y - TAIL * np.sin(angle)
        colour = COLOURS[int(kind)]
        axis.plot((x + shift, end[0]), (y, end[1]), color=colour, linewidth=1)
        axis.plot(x + shift, y, "o", color=colour, markersize=4, fillstyle="none")


def show(axis, image, title):
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title, fontsize=9)
    axis.axis("off")


def main():
    paths = FIXTURES / "001_2.png", FIXTURES / "001_1.png"
    images = [prepare(path).image for path in paths]
    probe, reference = (fingerprint.extract(path) for path in paths)
    found = fingerprint.match(probe, reference)
    figure, axes = plt.subplots(
        1, 3, figsize=(11, 4), gridspec_kw={"width_ratios": [1, 1, 2.05]}, layout="constrained"
    )
    show(axes[0], images[0], f"extract: {len(probe)} minutiae, quality {probe.quality:.0f}")
    mark(axes[0], probe.minutiae)
    show(axes[1], fingerprint.enhance(paths[0]), "enhance")
    height = max(image.shape[0] for image in images)
    first, second = (
        np.pad(i, ((0, height - i.shape[0]), (0, 20)), constant_values=255) for i in images
    )
    show(
        axes[2],
        np.hstack([first, second]),
        f"match: {len(found.pairs)} pairs, score {found.score:.1f}, turned by "
        f"{np.degrees(found.rotation):.0f} degrees",
    )
    shift = first.shape[1]
    a, b = found.pairs.T
    mark(axes[2], probe.minutiae.take(a))
    mark(axes[2], reference.minutiae.take(b), shift)
    for i, j in found.pairs:
        axes[2].plot(
            (probe.minutiae.x[i], reference.minutiae.x[j] + shift),
            (probe.minutiae.y[i], reference.minutiae.y[j]),
            color="#2ca02c",
            linewidth=0.6,
            alpha=0.7,
        )
    figure.savefig(FIGURE, dpi=100)


if __name__ == "__main__":
    main()
