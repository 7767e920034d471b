"""Measure peers on the pairs of ../shared/data/face, in environments of their own.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install 'opencv-python-headless<5' numpy
    /tmp/peer/bin/python benchmarks/face_peers.py opencv YUNET.onnx SFACE.onnx
    python -m venv /tmp/deep && /tmp/deep/bin/pip install deepface flask
    /tmp/deep/bin/python benchmarks/face_peers.py deepface

opencv: FaceDetectorYN and FaceRecognizerSF with OpenCV Zoo's own files (those that the exporter
starts from). DeepFace: detector yunet, recogniser SFace, the same two files in its home's
``weights`` folder. Both on 600 of the pairs, best threshold on them.
"""

import csv
import random
import sys
import time
from pathlib import Path

import cv2
import numpy as np

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "face"
PAIRS = 600


def pairs():
    with (DATA / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    random.Random(3).shuffle(rows)
    same = [row for row in rows if row["same"] == "1"][: PAIRS // 2]
    return same + [row for row in rows if row["same"] == "0"][: PAIRS // 2]


def opencv(detector_file, recogniser_file):
    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(detector_file, "", (250, 250), 0.6, 0.3, 5000)
    recogniser = cv2.FaceRecognizerSF.create(recogniser_file, "")

    def embed(path):
        picture = cv2.imread(str(path))
        detector.setInputSize(picture.shape[1::-1])
        _, faces = detector.detect(picture)
        if faces is None:
            return None
        middle = faces[:, :2] + faces[:, 2:4] / 2 - 125
        face = faces[np.argmin((middle**2).sum(axis=1))]
        vector = recogniser.feature(recogniser.alignCrop(picture, face))[0]
        return vector / np.linalg.norm(vector)

    return embed


def deepface():
    from deepface import DeepFace

    def embed(path):
        try:
            found = DeepFace.represent(str(path), model_name="SFace", detector_backend="yunet")
        except ValueError:
            return None
        best = max(found, key=lambda face: face["facial_area"]["w"] * face["facial_area"]["h"])
        vector = np.array(best["embedding"])
        return vector / np.linalg.norm(vector)

    return embed


def biomatch():
    from biomatch.face import extract

    return lambda path: extract(path, max_faces=1)[0].embedding


def main():
    embed = {"opencv": opencv, "deepface": deepface, "biomatch": biomatch}[sys.argv[1]](
        *sys.argv[2:]
    )
    rows = pairs()
    names = sorted({row[key] for row in rows for key in ("path_a", "path_b")})
    embed(DATA / "lfw" / names[0])
    started = time.process_time()
    vectors = {name: embed(DATA / "lfw" / name) for name in names}
    spent = (time.process_time() - started) / len(names) * 1e3
    scores, same = [], []
    for row in rows:
        a, b = vectors[row["path_a"]], vectors[row["path_b"]]
        scores.append(-1.0 if a is None or b is None else float(a @ b))
        same.append(row["same"] == "1")
    scores, same = np.array(scores), np.array(same)
    accuracy = max(((scores >= t) == same).mean() for t in scores)
    gap = min(scores, key=lambda t: abs((scores[~same] >= t).mean() - (scores[same] < t).mean()))
    equal = ((scores[~same] >= gap).mean() + (scores[same] < gap).mean()) / 2
    missed = sum(vector is None for vector in vectors.values())
    print(
        f"{sys.argv[1]}: {len(rows)} pairs, accuracy {accuracy:.4f}, EER {equal:.4f}, no face "
        f"{missed} of {len(names)}, {spent:.1f} ms CPU a picture"
    )


if __name__ == "__main__":
    main()
