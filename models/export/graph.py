"""Small building blocks for ONNX graphs that we write ourselves.

Weights may be stored small (float16, or int8 with a scale a block) and are turned into float32
by constant nodes that ONNX Runtime folds once, when the session is made.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["OPSET", "Graph", "bent", "write"]

OPSET = 17
CONTRIB = "com.microsoft"
"""Domain of ONNX Runtime's own operators."""
IR_VERSION = 8
Array = NDArray[Any]


@dataclass(slots=True)
class Graph:
    """An ONNX graph under construction: nodes, and constants as initialisers."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: Array) -> str:
        """Add a constant as it is and return its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def half(self, name: str, value: Array) -> str:
        """Add a constant stored in float16, used as float32."""
        return self.node("Cast", self.constant(f"{name}_f16", value.astype(np.float16)), to=1)

    def blocks(
        self, name: str, codes: Array, scales: Array, zeros: Array, shape: tuple[int, ...]
    ) -> str:
        """Add an int8 weight with one scale and zero point a block, used as float32.

        Parameters
        ----------
        codes
            (rows, length) int8.
        scales
            (rows, length / block) float32.
        zeros
            (rows, length / block) int8.
        shape
            Shape of the weight that the consumer sees.
        """
        rows, count = scales.shape
        small = self.constant(f"{name}_i8", codes.reshape(rows, count, -1))
        scale = self.constant(f"{name}_scale", scales.reshape(rows, count, 1).astype(np.float32))
        zero = self.constant(f"{name}_zero", zeros.reshape(rows, count, 1))
        centred = self.node("Sub", *(self.node("Cast", part, to=1) for part in (small, zero)))
        full = self.node("Mul", centred, scale)
        return self.node("Reshape", full, self.constant(f"{name}_shape", np.array(shape, np.int64)))

    def coded_product(self, name: str, x: str, codes: Array, scales: Array, zeros: Array) -> str:
        """Append ``x @ weight.T`` by ONNX Runtime's operator that multiplies int8 codes.

        Parameters are those of `blocks`. Level 4: the features are rounded to eight bits with a
        scale a block as well, and the products of codes are summed as integers.
        """
        rows, count = scales.shape
        block = codes.shape[1] // count
        moved = [(part.astype(np.int16) + 128).astype(np.uint8) for part in (codes, zeros)]
        stored = [
            self.constant(f"{name}_u8", moved[0].reshape(rows, count, block)),
            self.constant(f"{name}_scale", scales.ravel().astype(np.float32)),
            self.constant(f"{name}_zero", moved[1].ravel()),
        ]
        sizes = {"K": codes.shape[1], "N": rows, "bits": 8, "block_size": block}
        return self.node("MatMulNBits", x, *stored, domain=CONTRIB, accuracy_level=4, **sizes)

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node with one output and return the output's name."""
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def bend(self, x: str, factor: Array) -> str:
        """Append ``relu(x) + factor x``, one factor a channel.

        The factors are a depthwise 1 x 1 convolution, which ONNX Runtime computes in the blocked
        layout of the convolutions around it and fuses with the addition: a third of the time
        of its own PRelu. See `bent` for how one becomes the other.
        """
        stem = f"bend_{len(self.nodes)}"
        name = self.constant(stem, factor.reshape(-1, 1, 1, 1).astype(np.float32))
        scaled = self.node("Conv", x, name, group=factor.size, kernel_shape=[1, 1])
        return self.node("Add", self.node("Relu", x), scaled)

    def model(
        self,
        name: str,
        inputs: dict[str, tuple[int | str, ...]],
        outputs: dict[str, tuple[int | str, ...]],
    ) -> onnx.ModelProto:
        """Close the graph: float32 inputs and outputs of the given shapes."""
        proto = helper.make_graph(
            self.nodes, name, _values(inputs), _values(outputs), self.constants
        )
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == CONTRIB for node in self.nodes):
            opsets.append(helper.make_opsetid(CONTRIB, 1))
        model = helper.make_model(proto, opset_imports=opsets, producer_name="biomatch")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model


def bent(slope: Array) -> tuple[Array, Array, Array]:
    """Write PReLU with scales around `Graph.bend`: ``prelu(x) = sign bend(scale x, factor)``.

    With ``scale = |1 - a|`` and ``factor = a / (1 - a)`` the sum ``relu(scale x) + factor scale x``
    has slope ``|1 - a| + sign a = sign`` above zero, and ``sign a`` below it, where `sign` is
    that of ``1 - a``. Scale and sign fold into the layers before and after.

    Returns
    -------
    scale, factor, sign
        One value a channel, float64.
    """
    a = slope.astype(np.float64).ravel()
    return np.abs(1 - a), a / (1 - a), np.sign(1 - a)


def _values(shapes: dict[str, tuple[int | str, ...]]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
        for name, shape in shapes.items()
    ]


def write(model: onnx.ModelProto, path: Path) -> None:
    """Write a model, the same bytes every time, and print size and sha256."""
    data = model.SerializeToString(deterministic=True)
    path.write_bytes(data)
    print(f"{path.name}  {len(data):,} bytes  sha256 {hashlib.sha256(data).hexdigest()}")
