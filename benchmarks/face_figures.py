"""Draw the pictures of docs/guides/face.md: ``python -m benchmarks.face_figures``.

The portrait is Eileen Collins, NASA, public domain, from scikit-image; the others are those of
fixtures/faces, public domain too.
"""

import textwrap
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
from skimage import data

from biomatch.face import compare, extract
from biomatch.face.alignment import align
from biomatch.face.calibration import shipped
from biomatch.face.rotation import _turned

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
FACES = ROOT / "fixtures" / "faces"


def turned(picture, degrees):
    matrix, size = _turned((0, 0, *picture.shape[1::-1]), degrees, 1.0)
    return cv2.warpAffine(picture, matrix, size)


def pipeline():
    portrait = data.astronaut()
    views = {
        "as it is": portrait,
        "turned by 60 degrees": turned(portrait, 60),
        "on its head": turned(portrait, 180),
        "blurred": cv2.GaussianBlur(portrait, (0, 0), 6),
    }
    (reference,) = extract(portrait)
    figure, axes = plt.subplots(2, len(views), figsize=(12, 6.2), height_ratios=[2, 1])
    for (title, picture), (above, below) in zip(views.items(), axes.T, strict=True):
        face = extract(picture, max_faces=1)[0]
        x, y, width, height = face.box
        above.imshow(picture)
        above.add_patch(plt.Rectangle((x, y), width, height, fill=False, color="lime", lw=1.5))
        above.plot(*face.landmarks.T, "r.", markersize=5)
        above.set_title(title)
        below.imshow(align(np.ascontiguousarray(picture), face.landmarks, "arcface-112"))
        cosine = float(face.embedding @ reference.embedding)
        below.set_title(f"quality {face.quality.value:.0f}, cosine {cosine:.2f}", fontsize=10)
        above.axis("off")
        below.axis("off")
    save(figure, "face_pipeline.png")


def save(figure, name):
    FIGURES.mkdir(exist_ok=True)
    figure.tight_layout()
    figure.savefig(FIGURES / name, dpi=80)


def compared():
    """Show what `compare` and the calibration say of a probe and four references."""
    probe = extract(FACES / "probe.jpg", max_faces=1)[0]
    names = ["collins", "collins_turn", "collins_dark", "hopper"]
    references = [extract(FACES / "gallery" / f"{name}.jpg", max_faces=1)[0] for name in names]
    table = shipped(probe.model_id)
    scores = compare(probe, references)
    figure, axes = plt.subplots(1, 5, figsize=(12, 3.4))
    axes[0].imshow(plt.imread(FACES / "probe.jpg"))
    axes[0].set_title("probe", fontsize=10)
    ratios, rates = table.log10_lr(scores), table.false_match_rate(scores)
    for axis, name, *said in zip(axes[1:], names, scores, ratios, rates, strict=True):
        axis.imshow(plt.imread(FACES / "gallery" / f"{name}.jpg"), cmap="gray")
        title = "cosine {:.2f}\nlog10 LR {:+.1f}, FMR {:.0e}".format(*said)
        axis.set_title(title, fontsize=10)
    for axis in axes:
        axis.axis("off")
    save(figure, "face_compare.png")


def judged():
    """Spoil a portrait, and show what `quality` says."""
    portrait = np.ascontiguousarray(data.astronaut()[:250, 100:350])
    small = cv2.resize(portrait, (40, 40), interpolation=cv2.INTER_AREA)
    covered = portrait.copy()
    (face,) = extract(portrait)
    (left, high), (right, low) = (map(int, eye) for eye in face.landmarks[:2])
    cv2.rectangle(covered, (left - 24, high - 14), (right + 24, low + 14), (20, 20, 20), -1)
    views = {
        "as it is": portrait,
        "blurred": cv2.GaussianBlur(portrait, (0, 0), 3),
        "dark": (portrait * 0.2).astype(np.uint8),
        "small": small,
        "eyes covered": covered,
    }
    figure, axes = plt.subplots(1, len(views), figsize=(12, 4.2))
    for axis, (title, picture) in zip(axes, views.items(), strict=True):
        found = extract(picture, max_faces=1)[0].quality
        axis.imshow(picture)
        axis.set_title(f"{title}: {found.value:.0f}", fontsize=11)
        reasons = "\n".join(textwrap.fill(reason, 30) for reason in found.reasons)
        axis.text(0.5, -0.05, reasons or "nothing", transform=axis.transAxes, ha="center",
                  va="top", fontsize=8)  # fmt: skip
        axis.axis("off")
    save(figure, "face_quality.png")


def main():
    pipeline()
    compared()
    judged()


if __name__ == "__main__":
    main()
