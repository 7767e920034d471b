"""Building blocks of the exported recogniser, against plain arithmetic."""

import numpy as np
import pytest

pytest.importorskip("onnx")

from models.export.graph import Graph


def test_a_product_of_codes_is_the_product_of_the_weights() -> None:
    import onnxruntime

    rng = np.random.default_rng(3)
    rows, blocks, block = 8, 6, 64
    codes = rng.integers(-128, 128, (rows, blocks * block)).astype(np.int8)
    zeros = rng.integers(-9, 9, (rows, blocks)).astype(np.int8)
    scales = rng.uniform(0.5, 2, (rows, blocks))
    graph = Graph()
    raw = graph.coded_product("last", "x", codes, scales, zeros)
    graph.node("Identity", raw, output="y")
    length = blocks * block
    model = graph.model("product", {"x": ("N", length)}, {"y": ("N", rows)})
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = rng.normal(size=(3, length)).astype(np.float32)
    whole = (codes - zeros.repeat(block, 1).astype(float)) * scales.repeat(block, 1)
    expected = x @ whole.T
    found = session.run(None, {"x": x})[0]
    error = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert error.max() < 0.01  # features are rounded to eight bits
    assert error.max() > 0
