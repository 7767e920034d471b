"""Speed and accuracy of the two extractors: ``python -m benchmarks.fingerprint_extraction``.

Data: ../shared/data/fingerprint, FVC2002 DB1_B and DB4_B, FVC2004 DB1_B and DB2_B (40 fingers,
8 impressions each). What LEADER was trained on is not published and may contain these sets:
its figures are flattered to an unknown degree. The classical extractor is not trained; its
constants follow from ridge geometry, and the few that were chosen (see classical.py) were chosen
on these sets together, never one by one.

Printed, and written as JSON with ``--json FILE``:

speed
    CPU milliseconds a 388 x 374 print, one thread, of LEADER, of its literal conversion
    (``models.export.leader --plain``, made on the spot; needs the registry) and of the
    classical extractor, in turns, so that a busy machine slows all alike.
reference
    LEADER's minutiae against those of the authors' weights through a plain conversion.
accuracy
    EER and FNMR at FMR 1e-3, pairs pooled inside each set (280 mated, 2,880 non-mated), mean of
    sets: both extractors, and classical probes against LEADER references.
variants (``--variants``)
    The same network with weights rounded to float16, and with dynamic int8 quantisation of its
    convolutions, against the reference on every eighth print.
quality
    Error against discard: FNMR at the threshold of FMR 1e-3 when the prints of lowest quality
    are left out.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import onnxruntime

from biomatch import images, models
from biomatch.evaluation import metrics
from biomatch.fingerprint import classical, extract, leader, quality
from biomatch.fingerprint.gallery import FingerprintGallery
from biomatch.fingerprint.minutiae import Minutiae, angle_difference

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "fingerprint"
SETS = ("fvc2002_db1_b", "fvc2002_db4_b", "fvc2004_db1_b", "fvc2004_db2_b")
IMPRESSIONS = 8
PRINTS = 80
DISCARDED = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


def pictures():
    for name in SETS:
        for path in sorted(
            (DATA / name).glob("*.png"), key=lambda p: [int(n) for n in p.stem.split("_")]
        ):
            yield f"{name}/{path.stem}", path


def grey(path):
    return images.to_grey(images.read(path).pixels)


def plain_session():
    """Session of the literal conversion, or None where the wheel cannot be fetched."""
    try:
        from models.export.leader import MEMBER, WHEEL, Weights, plain_model

        model = plain_model(Weights(*WHEEL.members(MEMBER)))
    except Exception as error:  # noqa: BLE001 - the rest of the benchmark does not need it
        print(f"literal conversion not measured: {error}")
        return None
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plain.onnx"
        path.write_bytes(model.SerializeToString())
        return onnxruntime.InferenceSession(str(path), settings)


def speed(rounds):
    image = grey(DATA / SETS[0] / "101_1.png")
    padded, _, _ = leader.pad(image)
    tasks = {
        "leader": lambda: leader.find(image),
        "classical": lambda: classical.find(image),
        "ridge map and quality": lambda: quality.ridge_map(image),
    }
    if (plain := plain_session()) is not None:
        feed = {"image": padded[None, None].astype(np.float32)}
        tasks["leader, literal conversion"] = lambda: plain.run(None, feed)
    taken = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.process_time()
            task()
            taken[name].append(1e3 * (time.process_time() - start))
    return {
        name: {"min_ms": min(values), "median_ms": float(np.median(values))}
        for name, values in taken.items()
    }


def reference(found):
    expected = np.load(DATA / "leader_minutiae_dev.npz")
    worst = {"missing": 0, "surplus": 0, "other_type": 0, "quality": 0.0, "angle": 0.0}
    for key, minutiae in found.items():
        ours = {(int(x), int(y)): (a, t, q) for x, y, a, t, q in minutiae.rows()}
        theirs = {(int(x), int(y)): (a, t, q) for x, y, a, t, q in expected[key]}
        worst["missing"] += len(theirs.keys() - ours.keys())
        worst["surplus"] += len(ours.keys() - theirs.keys())
        for place in ours.keys() & theirs.keys():
            (a, t, q), (b, u, r) = ours[place], theirs[place]
            worst["other_type"] += int(t != u)
            worst["quality"] = max(worst["quality"], abs(float(q - r)))
            worst["angle"] = max(worst["angle"], abs(float(angle_difference(a, b))))
    return {"prints": len(found), **worst}


def variants():
    """Smaller weights: what they cost in minutiae and gain in time."""
    import onnx
    from onnx import numpy_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = models.load(leader.MODEL).path
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        half, int8 = Path(folder) / "half.onnx", Path(folder) / "int8.onnx"
        model = onnx.load(source)
        for constant in model.graph.initializer:
            value = numpy_helper.to_array(constant)
            if value.dtype == np.float32:
                rounded = value.astype(np.float16).astype(np.float32)
                constant.CopyFrom(numpy_helper.from_array(rounded, constant.name))
        onnx.save(model, half)
        quantize_dynamic(source, int8, weight_type=QuantType.QUInt8)
        for name, path in (("float16 weights", half), ("int8", int8)):
            result[name] = variant(path)
            print(f"{name:28s} {result[name]}")
    return result


def variant(path):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), settings)
    start, found = time.process_time(), {}
    for key, picture in list(pictures())[::8]:
        image = grey(picture)
        padded, top, left = leader.pad(image)
        rows = leader.run(session, padded, 0.2)
        rows[:, :2] -= (left, top)
        inside = (rows[:, :2] >= 0).all(axis=1) & (rows[:, :2] < image.shape[::-1]).all(axis=1)
        found[key] = Minutiae.from_rows(rows[inside])
    taken = 1e3 * (time.process_time() - start) / len(found)
    return {"mean_ms": taken, **reference(found)}


def compare_sets(probes, references):
    """Mated and non-mated scores of each set, and the two prints of every pair."""
    gallery = FingerprintGallery.build(references)
    for start in range(0, len(probes), PRINTS):
        rows = np.arange(start, start + PRINTS)
        scores = np.array(
            [gallery.compare(probe, rows) for probe in probes[start : start + PRINTS]]
        )
        a, b = np.nonzero(~np.eye(PRINTS, dtype=bool))
        if probes is references:
            a, b = np.triu_indices(PRINTS, 1)
        mated = a // IMPRESSIONS == b // IMPRESSIONS
        yield np.nan_to_num(scores[a, b], nan=-99, neginf=-99), mated, a + start, b + start


def accuracy(probes, references):
    rates = []
    for scores, mated, _, _ in compare_sets(probes, references):
        pair = scores[mated], scores[~mated]
        rates.append((metrics.eer(*pair), metrics.fnmr_at_fmr(*pair, 1e-3)))
    means = np.mean(rates, axis=0)
    return {
        "eer": float(means[0]),
        "fnmr_at_fmr_0.001": float(means[1]),
        "eer_by_set": dict(zip(SETS, (float(r[0]) for r in rates), strict=True)),
    }


def error_against_discard(templates):
    value = np.array([t.quality for t in templates])
    parts = list(compare_sets(templates, templates))
    scores, mated, a, b = (np.concatenate(column) for column in zip(*parts, strict=True))
    threshold = np.quantile(scores[~mated], 1 - 1e-3)
    worst = np.minimum(value[a], value[b])
    curve = {}
    for share in DISCARDED:
        kept = mated & (worst >= np.quantile(value, share))
        curve[f"{share:g}"] = float((scores[kept] < threshold).mean())
    return curve


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only-speed", action="store_true")
    parser.add_argument("--variants", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    result = {"cpu_ms_388x374": speed(options.rounds)}
    for name, value in result["cpu_ms_388x374"].items():
        print(f"{name:28s} {value['min_ms']:7.1f} ms least, {value['median_ms']:7.1f} median")
    if options.variants:
        result["variants"] = variants()
    if not options.only_speed:
        result |= everything()
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


def everything():
    paths = dict(pictures())
    found = {key: leader.find(grey(path)) for key, path in paths.items()}
    result = {"reference": reference(found)}
    print("LEADER against the reference:", result["reference"])
    of = {
        name: [extract(path, extractor=name) for path in paths.values()]
        for name in ("leader", "classical")
    }
    result["accuracy"] = {
        "leader": accuracy(of["leader"], of["leader"]),
        "classical": accuracy(of["classical"], of["classical"]),
        "classical against leader": accuracy(of["classical"], of["leader"]),
    }
    for name, value in result["accuracy"].items():
        sets = ", ".join(f"{100 * rate:.2f}" for rate in value["eer_by_set"].values())
        print(
            f"{name:28s} EER {100 * value['eer']:.2f} % ({sets}), "
            f"FNMR at FMR 0.1 % {100 * value['fnmr_at_fmr_0.001']:.2f} %"
        )
    result["error_against_discard"] = {k: error_against_discard(v) for k, v in of.items()}
    for name, curve in result["error_against_discard"].items():
        rates = ", ".join(f"{100 * float(k):g} %: {100 * v:.2f}" for k, v in curve.items())
        print(f"{name:28s} FNMR % when the worst are left out: {rates}")
    return result


if __name__ == "__main__":
    main()
