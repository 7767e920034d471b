"""Recognisers: golden embeddings, batches, and models that a user brings."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from biomatch import models
from biomatch.errors import ModelError, OptionError
from biomatch.face import embedding, extract
from biomatch.face.calibration import shipped
from biomatch.face.modality import MODALITY


def cosines(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.shared
def test_golden_embeddings(shared: Path) -> None:
    # The stored landmarks are float16 (steps of 1/16 to 1/8 pixel here), which alone costs
    # about 1e-4 of cosine; the weights cost less than 1e-5.
    from biomatch.face.pictures import read

    networks = embedding.model_set("high")
    with np.load(shared / "face" / "lfw_embeddings_dev_f16.npz") as file:
        stored = {key: file[key] for key in file.files}
    there = [i for i, p in enumerate(stored["path"]) if (shared / "face/lfw" / str(p)).exists()]
    rows = there[::90]
    ours = []
    for row in rows:
        pixels = read(shared / "face/lfw" / str(stored["path"][row])).pixels
        landmarks = stored["det"][row, 4:14].astype(np.float32).reshape(1, 5, 2)
        ours.append(embedding.embed(pixels, landmarks, networks)[0][0])
    for part, name in ((slice(0, 128), "sface"), (slice(128, 256), "dlib")):
        found = cosines(np.stack(ours)[:, part], stored[name][rows].astype(np.float32))
        assert np.median(found) >= 0.9999
        assert found.min() > 0.999


@pytest.mark.parametrize("name", ["default", "high"])
def test_batches_equal_single_faces(astronaut: NDArray[np.uint8], name: str) -> None:
    (face,) = extract(astronaut, accuracy=name)
    networks = embedding.model_set(name)
    points = np.stack([face.landmarks, face.landmarks + 2, face.landmarks - 3])
    together, norms, chips = embedding.embed(astronaut, points, networks)
    assert together.shape == (3, networks.dimension)
    assert norms.shape == (3, len(networks.networks))
    assert chips.shape == (3, 112, 112, 3)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    for row in range(3):
        alone = embedding.embed(astronaut, points[row : row + 1], networks)[0][0]
        assert float(alone @ together[row]) > 0.99999


def test_high_is_the_weighted_pair(astronaut: NDArray[np.uint8]) -> None:
    (plain,) = extract(astronaut)
    (fused,) = extract(astronaut, accuracy="high")
    first = fused.embedding[:128] / np.linalg.norm(fused.embedding[:128])
    assert float(first @ plain.embedding) > 0.99999
    ratio = np.linalg.norm(fused.embedding[128:]) / np.linalg.norm(fused.embedding[:128])
    assert ratio == pytest.approx(1.5, abs=1e-4)
    assert plain.model_id != fused.model_id


def test_unknown_accuracy() -> None:
    with pytest.raises(OptionError, match="accuracy 'best' is unknown; there are: default, high"):
        embedding.model_set("best")


ENTRY = """
[own]
file = "own.onnx"
sha256 = "{sha256}"
licence = "unknown"
origin = "made in this test"
made_by = "this test"
[own.contract]
task = "face-embedding"
template = "{template}"
channels = "bgr"
mean = {mean}
std = {std}
dimension = {dimension}
metric = "{metric}"
{more}
"""
PLAIN = {
    "template": "arcface-112",
    "mean": [127.5] * 3,
    "std": [128.0] * 3,
    "dimension": 147,
    "metric": "cosine",
    "more": "",
}


def bring(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, batch: str | int = "N", **changes: object
) -> None:
    """Register a recogniser that pools 112 x 112 pixels to 7 x 7 x 3 = 147 numbers."""
    import hashlib

    onnx = pytest.importorskip("onnx")
    pool = onnx.helper.make_node(
        "AveragePool", ["x"], ["y"], kernel_shape=[16] * 2, strides=[16] * 2
    )
    flat = onnx.helper.make_node("Flatten", ["y"], ["z"])
    one = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [pool, flat],
        "own",
        [onnx.helper.make_tensor_value_info("x", one, [batch, 3, 112, 112])],
        [onnx.helper.make_tensor_value_info("z", one, [batch, 147])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    data = model.SerializeToString()
    (folder / "own.onnx").write_bytes(data)
    entry = ENTRY.format(sha256=hashlib.sha256(data).hexdigest(), **{**PLAIN, **changes})
    (folder / "models.toml").write_text(entry)
    monkeypatch.setenv("BIOMATCH_MODELS", str(folder))
    models._registry.cache_clear()
    models.session.cache_clear()
    embedding.model_set.cache_clear()


@pytest.fixture
def clean_registry() -> object:
    yield
    models._registry.cache_clear()
    models.session.cache_clear()
    embedding.model_set.cache_clear()


@pytest.mark.usefixtures("clean_registry")
def test_a_users_own_model(
    astronaut: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(tmp_path, monkeypatch)
    assert "own" in embedding.model_sets()
    (face,) = extract(astronaut, accuracy="own")
    _, _, chips = embedding.embed(astronaut, face.landmarks[None], embedding.model_set("own"))
    cells = chips[0].astype(float).reshape(7, 16, 7, 16, 3).mean(axis=(1, 3))
    expected = ((cells[..., ::-1].transpose(2, 0, 1) - 127.5) / 128).ravel()
    assert face.embedding == pytest.approx(expected / np.linalg.norm(expected), abs=1e-4)
    assert np.isnan(face.quality.value)
    assert shipped(face.model_id) is None
    options = MODALITY.options({"accuracy": "own"})
    meaning = MODALITY.calibrate(np.array([0.5]), options=options)
    assert np.isnan(meaning.fmr).all()
    assert "biomatch calibrate" in meaning.source


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.usefixtures("clean_registry")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dimension": 146}, "dimension 146"),
        ({"dimension": '"many"'}, "dimension 'many' must be a whole number"),
        ({"dimension": 0}, "dimension 0 must be a whole number"),
        ({"template": "square"}, "template 'square'"),
        ({"template": "dlib-150"}, r"chips of shape \(1, 3, 150, 150\) .*Expected: 112"),
        ({"mean": 127.5}, "mean in models.toml is 127.5; it must be a list of 3 numbers"),
        ({"mean": ["x", 1, 2]}, "mean in models.toml"),
        ({"std": [128.0]}, "std in models.toml"),
        ({"std": [1.0, 0.0, 1.0]}, r"std \[1.0, 0.0, 1.0\] must be above 0"),
        ({"std": [1e-44] * 3}, "the output is not finite; check mean and std"),
        ({"more": "quality_curve = [1]"}, "quality_curve in models.toml"),
        ({"metric": "euclid"}, "metric 'euclid' is not 'cosine'"),
    ],
)
def test_a_wrong_entry_is_explained(
    astronaut: NDArray[np.uint8],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    words: str,
) -> None:
    bring(tmp_path, monkeypatch, **change)
    with pytest.raises(ModelError, match=words):
        extract(astronaut, accuracy="own")


@pytest.mark.usefixtures("clean_registry")
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_model_with_a_fixed_batch_sees_any_number_of_faces(
    astronaut: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    (face,) = extract(astronaut)
    points = np.stack([face.landmarks + shift for shift in (0, 5, -7)])
    found = []
    for size in ("N", batch):
        bring(tmp_path, monkeypatch, batch=size)
        found.append(embedding.embed(astronaut, points, embedding.model_set("own"))[0])
    assert found[1] == pytest.approx(found[0], abs=1e-6)
    assert abs(found[0][0] - found[0][1]).max() > 1e-3


@pytest.mark.usefixtures("clean_registry")
def test_the_names_of_our_sets_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(tmp_path, monkeypatch)
    listing = tmp_path / "models.toml"
    listing.write_text(listing.read_text().replace("[own", "[high"))
    with pytest.raises(ModelError, match="'high' is a model set of biomatch"):
        embedding.model_set("default")


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.usefixtures("clean_registry")
def test_devices(astronaut: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    assert len(extract(astronaut, device="CPU")) == 1
    assert len(extract(astronaut, device="CPUExecutionProvider")) == 1
    with pytest.raises(ModelError, match=r"'abacus' is not offered .* there are: .*cpu"):
        extract(astronaut, device="abacus")
    # A build for CUDA on a machine without it: onnxruntime goes on with the CPU in silence.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    if "CUDAExecutionProvider" in onnxruntime.get_all_providers():
        with pytest.raises(ModelError, match="device 'cuda' did not start"):
            models.session("yunet_2023mar", device="cuda")


@pytest.mark.usefixtures("clean_registry")
def test_a_users_own_model_from_enrolment_to_calibration(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner, Result

    from biomatch.cli.app import cli

    bring(tmp_path, monkeypatch)
    faces, pairs, own = fixtures / "faces", tmp_path / "pairs.csv", tmp_path / "own.json"
    ours, database = ("--option", "accuracy=own"), ("--db", str(tmp_path / "faces.db"))

    def run(*arguments: object) -> Result:
        words = ["-q", *map(str, arguments)]
        return CliRunner().invoke(cli, words, prog_name="biomatch", catch_exceptions=False)

    gallery = ("enrol", faces / "gallery", "-m", "face", "--subject-from", "prefix")
    assert run(*gallery, *ours, *database).exit_code == 0
    search = ("search", faces / "probe.jpg", "-m", "face", *database)
    bare = run(*search, *ours)
    assert bare.exit_code == 0
    assert "not calibrated" in bare.stdout
    assert "biomatch calibrate" in run(*search, *ours, "--fmr", 0.1).stderr
    mixed = run(*search)
    assert mixed.exit_code == 4
    assert "biomatch re-enrol" in mixed.stderr

    names = sorted(path.name for path in (faces / "gallery").glob("*.jpg"))
    rows = [f"{a},{b},{int(a[:3] == b[:3])}" for i, a in enumerate(names) for b in names[i + 1 :]]
    pairs.write_text("\n".join(["path_a,path_b,same", *rows]))
    fit = ("calibrate", "face", pairs, "--folder", faces / "gallery", "--out", own)
    assert run(*fit, "--accuracy", "own").exit_code == 0
    meant = run(*search, *ours, "--set", f"calibration={own}", "--fmr", 0.5)
    assert meant.exit_code == 0
    assert "not calibrated" not in meant.stdout
    assert "was fitted for" in run(*search, "--set", f"calibration={own}").stderr
