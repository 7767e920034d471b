"""Draw the pictures of docs/guides/face.md: ``python -m benchmarks.face_figures``.

The portrait is Eileen Collins, NASA, public domain, from scikit-image.
"""

from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
from skimage import data

from biomatch.face import extract
from biomatch.face.alignment import align
from biomatch.face.rotation import _turned

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures"


def turned(picture, degrees):
    matrix, size = _turned((0, 0, *picture.shape[1::-1]), degrees, 1.0)
    return cv2.warpAffine(picture, matrix, size)


def main():
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
    FIGURES.mkdir(exist_ok=True)
    figure.tight_layout()
    figure.savefig(FIGURES / "face_pipeline.png", dpi=80)


if __name__ == "__main__":
    main()
