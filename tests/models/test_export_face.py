"""The exporters' own parts; the downloads themselves need a registry and are not tested."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnx")

from models.export import dlib
from models.export.graph import Graph, bent
from models.export.wheels import check


@given(st.integers(-(2**40), 2**40))
def test_dlib_integers(value: int) -> None:
    size = max(1, (abs(value).bit_length() + 7) // 8)
    head = size | (0x80 if value < 0 else 0)
    reader = dlib.Reader(bytes([head]) + abs(value).to_bytes(size, "little") + b"\xff")
    assert reader.integer() == value
    assert reader.at == size + 1


def test_dlib_tensors_and_tags() -> None:
    values = np.arange(6, dtype="<f4")
    shape = b"".join(bytes([1, n]) for n in (1, 2, 3, 1))
    reader = dlib.Reader(b"junk\x01\x05con_4" + b"\x01\x02" + shape + values.tobytes())
    assert reader.seek(b"con_4", b"fc_2") == b"con_4"
    assert reader.tensor().tolist() == values.tolist()
    assert reader.seek(b"con_4") is None
    with pytest.raises(SystemExit, match="version 2"):
        dlib.Reader(b"\x01\x01").tensor()


@given(
    st.lists(st.floats(-2, 2).filter(lambda a: abs(a - 1) > 1e-3), min_size=1, max_size=9),
    st.floats(-50, 50),
)
def test_bent_lines_are_prelu(slopes: list[float], value: float) -> None:
    a = np.array(slopes)
    scale, factor, sign = bent(a)
    scaled = scale * value
    written = sign * (np.maximum(scaled, 0) + factor * scaled)
    assert written == pytest.approx(np.where(value > 0, value, a * value), abs=1e-9)


def test_weights_are_restored_at_load() -> None:
    import onnxruntime as ort

    graph = Graph()
    codes = np.arange(-6, 6, dtype=np.int8).reshape(2, 6)
    scales, zeros = np.array([[0.5, 2], [1, 3]]), np.array([[1, 0], [0, -1]], np.int8)
    weight = graph.blocks("w", codes, scales, zeros, (2, 6))
    small = graph.half("h", np.array([[0.5, 0.25]]))
    graph.node("MatMul", graph.node("MatMul", "x", small), weight, output="y")
    model = graph.model("test", {"x": ("N", 1)}, {"y": ("N", 6)})
    session = ort.InferenceSession(model.SerializeToString())
    full = (codes.reshape(2, 2, 3) - zeros[:, :, None].astype(float)) * scales[:, :, None]
    expected = np.array([[0.5, 0.25]]) @ full.reshape(2, 6)
    assert session.run(None, {"x": np.ones((1, 1), np.float32)})[0] == pytest.approx(expected)


def test_a_wrong_digest_stops_the_export() -> None:
    with pytest.raises(SystemExit, match=r"weights\.bin: sha256 is e3b0c442"):
        check(b"", "weights.bin", "00")
