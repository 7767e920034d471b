"""Export LEADER, the minutiae network, from its published weights to ONNX.

LEADER (R. Cappelli and M. Ferrara, "LEADER: Lightweight End-to-End Attention-Gated Dual
Autoencoder for Robust Minutiae Extraction", 2026, arXiv:2602.15493) maps a grey print at
500 ppi to minutiae. Its weights are published under the MIT licence in the wheel of PyPI
``pyfing`` 0.7.3; that wheel is fetched with its hash pinned, only the weight file is taken out
of it and nothing in it is imported. What the network was trained on is not published and may
contain public FVC sets: figures on those sets flatter it.

The graph written here computes the published network with less work, and exactly so but for
the rounding of float32:

* the last two pointwise convolutions of an inverse bottleneck have nothing non-linear between
  them and are multiplied out to one;
* what a head does between its bottleneck and its 5 x 5 convolution is pointwise, so it is done
  before the doubling of size instead of after it, and the 5 x 5 convolution of a doubled map
  becomes a 3 x 3 convolution with one output a pixel of the 2 x 2 group;
* direction and type are only asked for at minutiae, so their heads see 9 x 9 patches around
  the maxima of the position head, not the whole map.

Weights are stored in float32: in float16 6 of 1,680 minutiae of 40 prints move, and int8
loses more than a third of them and takes twice the time
(``benchmarks.fingerprint_extraction --variants``).

``--plain`` writes the literal layer-by-layer conversion instead, to compare with.

Usage: python -m models.export.leader [--plain] [--output FILE]
"""

import argparse
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.export.graph import write
from models.export.wheels import Wheel

WHEEL = Wheel("pyfing==0.7.3", "4e11f7abd61d0782746161892862e554d845d73725e2a9822c13adf9231fd138")
MEMBER = {
    "pyfing/models/LEADER.weights.h5": (
        "0cbf12af936482d10ba54b23f40a9b192ab767df2f81bc96c5954585735fefe6"
    )
}
OPSET = 20
EPSILON = 1e-3
"""Keras' default for LayerNormalization, which the published model uses."""
NMS_SIZE = 7
ALIGNMENT = 4
"""ONNX Runtime keeps maps in its blocked layout only if their channels are a multiple of this."""
Array = NDArray[np.float32]


# --------------------------------------------------------------------------- weights


class Weights:
    """Reads LEADER's weight file; Keras numbers layers of each class in order of depth."""

    def __init__(self, data: bytes) -> None:
        self.layers = h5py.File(io.BytesIO(data))["layers"]

    def _arrays(self, kind: str, number: int) -> list[Array]:
        variables = self.layers[f"{kind}_{number}" if number else kind]["vars"]
        return [np.array(variables[str(i)], np.float32) for i in range(len(variables))]

    def conv(self, number: int) -> tuple[Array, Array]:
        """Kernel (out, in, k, k) and bias (out,) of a Conv2D."""
        kernel, bias = self._arrays("conv2d", number)
        return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), bias

    def blur(self) -> Array:
        """Kernel (1, 1, 5, 5) of the fixed Gaussian before the search for maxima."""
        return np.ascontiguousarray(self._arrays("conv2d", 47)[0].transpose(3, 2, 0, 1))

    def depthwise(self, number: int) -> Array:
        """Kernel (channels, 1, k, k) of a DepthwiseConv2D."""
        return np.ascontiguousarray(
            self._arrays("depthwise_conv2d", number)[0].transpose(2, 3, 0, 1)
        )

    def separable(self, number: int) -> tuple[Array, Array, Array]:
        """Depthwise kernel, pointwise kernel and bias of a SeparableConv2D."""
        depth, point, bias = self._arrays("separable_conv2d", number)
        return (
            np.ascontiguousarray(depth.transpose(2, 3, 0, 1)),
            np.ascontiguousarray(point.transpose(3, 2, 0, 1)),
            bias,
        )

    def norm(self, number: int) -> tuple[Array, Array]:
        """Scale and shift of a LayerNormalization over channels."""
        scale, shift = self._arrays("layer_normalization", number)
        return scale, shift


@dataclass(frozen=True)
class Bottleneck:
    """Layer numbers of an inverse bottleneck block."""

    depthwise: int
    norm: int
    expand: int
    reduce: int
    adjust: int


@dataclass(frozen=True)
class Head:
    """Layer numbers of a head."""

    block: Bottleneck
    conv1: int
    norm: int
    conv2: int
    out: int


STEM_MAX, STEM_MEAN = (0, 1, 0), (2, 3, 9)
"""Plain convolution, dilated convolution, norm."""
CONTEXT_NORMS = (1, 2, 3, 4, 5, 6, 7, 8)
ATTENTION = ((4, 1), (5, 3), (6, 6))
"""Convolution and its dilation."""
GATE = 7
REFINEMENT = tuple(Bottleneck(k, 10 + k, 8 + 3 * k, 9 + 3 * k, 10 + 3 * k) for k in range(8))
POSITION = Head(Bottleneck(8, 18, 32, 33, 35), 40, 21, 42, 44)
DIRECTION = Head(Bottleneck(9, 19, 34, 36, 39), 43, 22, 46, 48)
TYPE = Head(Bottleneck(10, 20, 37, 38, 41), 45, 23, 49, 50)


# --------------------------------------------------------------------------- graph


@dataclass
class Network:
    """Collects nodes and constants; every method returns the name of its result."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        """Add a constant."""
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def ints(self, *values: int) -> str:
        """Add a vector of whole numbers."""
        return self.const(values, np.int64)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation with one result."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def split(self, x: str, sizes: tuple[int, int]) -> tuple[str, str]:
        """Split the channels in two."""
        first, second = f"split_{len(self.nodes)}a", f"split_{len(self.nodes)}b"
        self.nodes.append(
            helper.make_node("Split", [x, self.ints(*sizes)], [first, second], axis=1, name=first)
        )
        return first, second

    def conv(
        self,
        x: str,
        kernel: Array,
        bias: Array | None = None,
        *,
        groups: int = 1,
        dilation: int = 1,
        same: bool = True,
    ) -> str:
        """Add a convolution; `same` keeps the size by zeros around the map."""
        size = kernel.shape[-1]
        inputs = [x, self.const(kernel)] + ([] if bias is None else [self.const(bias)])
        return self.op(
            "Conv",
            *inputs,
            kernel_shape=[size, size],
            pads=[(size - 1) // 2 * dilation * same] * 4,
            dilations=[dilation, dilation],
            group=groups,
        )

    def max_pool(self, x: str) -> str:
        """Halve the size by maxima."""
        return self.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def mean_pool(self, x: str) -> str:
        """Halve the size by means."""
        return self.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])

    def double(self, x: str) -> str:
        """Double the size by repetition."""
        return self.op(
            "Resize",
            x,
            "",
            self.const([1, 1, 2, 2]),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def gelu(self, x: str) -> str:
        """GELU in its tanh form, as the published model was trained."""
        return self.op("Gelu", x, approximate="tanh")

    def norm(self, x: str, scale: Array, shift: Array) -> str:
        """Normalise over channels."""
        rows = self.norm_rows(self.op("Transpose", x, perm=[0, 2, 3, 1]), scale, shift)
        return self.op("Transpose", rows, perm=[0, 3, 1, 2])

    def norm_rows(self, rows: str, scale: Array, shift: Array) -> str:
        """Normalise over the last axis."""
        names = self.const(scale), self.const(shift)
        return self.op("LayerNormalization", rows, *names, axis=-1, epsilon=EPSILON)

    def bottleneck(self, x: str, weights: Weights, block: Bottleneck, fresh: int = 0) -> str:
        """Depthwise, norm, expand, GELU, reduce, add, adjust.

        When the first `fresh` channels of `x` come from another bottleneck, zeros that align
        them follow.
        """
        missing = -fresh % ALIGNMENT
        depth = insert(weights.depthwise(block.depthwise), fresh, missing, axis=0)
        channels = len(depth)
        y = self.conv(x, depth, groups=channels)
        adjust, bias = weights.conv(block.adjust)
        if missing:
            y = self.folded_norm(y, weights, block, fresh)
        else:
            y = self.norm(y, *weights.norm(block.norm))
            y = self.conv(y, *weights.conv(block.expand))
        y = self.gelu(y)
        if len(adjust) > channels and not missing:
            y = self.op("Add", x, self.conv(y, *weights.conv(block.reduce)))
            return self.conv(y, adjust, bias)
        kernel, bias = multiply_out(weights.conv(block.reduce), (adjust, bias))
        extra = -len(adjust) % ALIGNMENT
        kernel = insert(kernel, len(kernel), extra, axis=0)
        y = self.conv(y, kernel, insert(bias, len(bias), extra, axis=0))
        adjust = insert(insert(adjust, len(adjust), extra, axis=0), fresh, missing, axis=1)
        return self.op("Add", y, self.conv(x, adjust))

    def folded_norm(self, y: str, weights: Weights, block: Bottleneck, fresh: int) -> str:
        """Norm and expansion of a map with zeros after its first `fresh` channels.

        ``expand(scale (y - mean) / spread + shift)``: only the division by the spread is left
        as an operation, the rest goes into the kernel of the expansion.
        """
        scale, shift = weights.norm(block.norm)
        channels = len(scale)
        missing = -fresh % ALIGNMENT
        average = np.full((1, channels, 1, 1), 1 / channels, np.float32)
        average = insert(average, fresh, missing, axis=1)
        mean = self.conv(y, average)
        square = self.conv(self.op("Mul", y, y), average, np.array([EPSILON], np.float32))
        spread = self.op("Sqrt", self.op("Sub", square, self.op("Mul", mean, mean)))
        kernel, bias = weights.conv(block.expand)
        matrix = kernel[:, :, 0, 0].astype(np.float64)
        scaled = matrix * scale
        centred = scaled - scaled.mean(axis=1, keepdims=True)
        folded = centred[:, :, None, None].astype(np.float32)
        return self.conv(
            self.op("Div", y, spread),
            insert(folded, fresh, missing, axis=1),
            (matrix @ shift + bias).astype(np.float32),
        )


class PlainNetwork(Network):
    """The literal conversion: each layer by itself, GELU and norm in elementary operations."""

    def gelu(self, x: str) -> str:
        """GELU in six operations."""
        cube = self.op("Mul", self.op("Mul", x, x), x)
        inner = self.op("Add", x, self.op("Mul", cube, self.const(0.044715)))
        tanh = self.op("Tanh", self.op("Mul", inner, self.const(np.sqrt(2 / np.pi))))
        half = self.op("Mul", x, self.const(0.5))
        return self.op("Mul", half, self.op("Add", tanh, self.const(1)))

    def norm(self, x: str, scale: Array, shift: Array) -> str:
        """Normalise over channels, in nine operations between two transpositions."""
        rows = self.op("Transpose", x, perm=[0, 2, 3, 1])
        axis = self.ints(3)
        centred = self.op("Sub", rows, self.op("ReduceMean", rows, axis))
        variance = self.op("ReduceMean", self.op("Mul", centred, centred), axis)
        spread = self.op("Sqrt", self.op("Add", variance, self.const(EPSILON)))
        rows = self.op("Mul", self.op("Div", centred, spread), self.const(scale))
        rows = self.op("Add", rows, self.const(shift))
        return self.op("Transpose", rows, perm=[0, 3, 1, 2])

    def bottleneck(self, x: str, weights: Weights, block: Bottleneck, fresh: int = 0) -> str:
        """Depthwise, norm, expand, GELU, reduce, add, adjust."""
        del fresh  # nothing is padded here
        channels = len(weights.depthwise(block.depthwise))
        y = self.conv(x, weights.depthwise(block.depthwise), groups=channels)
        y = self.norm(y, *weights.norm(block.norm))
        y = self.gelu(self.conv(y, *weights.conv(block.expand)))
        y = self.op("Add", x, self.conv(y, *weights.conv(block.reduce)))
        return self.conv(y, *weights.conv(block.adjust))


def insert(array: Array, place: int, zeros: int, *, axis: int) -> Array:
    """Insert zeros along one axis."""
    return np.insert(array, [place] * zeros, 0, axis=axis)


def multiply_out(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    """One pointwise convolution that does what two in a row do."""
    (a, bias_a), (b, bias_b) = first, second
    product = b[:, :, 0, 0].astype(np.float64) @ a[:, :, 0, 0]
    shift = b[:, :, 0, 0].astype(np.float64) @ bias_a + bias_b
    return product[:, :, None, None].astype(np.float32), shift.astype(np.float32)


# --------------------------------------------------------------------------- network


def features(graph: Network, weights: Weights, context: str, detail: str) -> str:
    """From the two stems' maps at half size to the 52 channels that the heads share."""
    context = context_network(graph, weights, context)
    gates = [
        graph.gelu(graph.conv(context, *weights.conv(number), dilation=dilation))
        for number, dilation in ATTENTION
    ]
    gate = graph.conv(graph.op("Concat", *gates, axis=1), *weights.conv(GATE))
    context = graph.op("Mul", context, graph.op("Sigmoid", gate))
    return refinement_network(graph, weights, graph.op("Concat", context, detail, axis=1))


def plain_stem(graph: Network, weights: Weights, image: str, layers: tuple[int, int, int]) -> str:
    """Two 5 x 5 convolutions of the image, one dilated, normalised together."""
    near = graph.conv(image, *weights.conv(layers[0]))
    far = graph.conv(image, *weights.conv(layers[1]), dilation=2)
    both = graph.op("Concat", near, far, axis=1)
    return graph.gelu(graph.norm(both, *weights.norm(layers[2])))


def stem_rows(
    graph: Network, weights: Weights, groups: str, layers: tuple[int, int, int]
) -> tuple[str, int]:
    """Do the same on 2 x 2 groups of pixels: rows (pixel groups, 4, channels) and channels."""
    near, near_bias = weights.conv(layers[0])
    far, far_bias = weights.conv(layers[1])
    channels = len(near_bias) + len(far_bias)
    kernel = np.concatenate([group_kernel(near, 1), group_kernel(far, 2)], axis=1)
    bias = np.tile(np.concatenate([near_bias, far_bias]), 4)
    y = graph.conv(groups, kernel.reshape(4 * channels, 4, 5, 5), bias)
    y = graph.op("Transpose", y, perm=[0, 2, 3, 1])
    y = graph.op("Reshape", y, graph.ints(-1, 4, channels))
    return graph.gelu(graph.norm_rows(y, *weights.norm(layers[2]))), channels


def stems(graph: Network, weights: Weights, image: str) -> tuple[str, str]:
    """Both stems with their pooling, at half size."""
    groups = graph.op("SpaceToDepth", image, blocksize=2)
    shape = graph.op("Gather", graph.op("Shape", groups), graph.ints(0, 2, 3))
    rows, channels = stem_rows(graph, weights, groups, STEM_MAX)
    rows = graph.op("ReduceMax", rows, graph.ints(1), keepdims=0)
    context = rows_to_map(graph, rows, shape, channels)
    rows, channels = stem_rows(graph, weights, groups, STEM_MEAN)
    rows = graph.op("Reshape", rows, graph.ints(-1, 4 * channels))
    rows = graph.op("MatMul", rows, graph.const(np.tile(np.eye(channels) / 4, (4, 1))))
    return context, rows_to_map(graph, rows, shape, channels)


def rows_to_map(graph: Network, rows: str, shape: str, channels: int) -> str:
    """Bring rows (n h w, channels) to a map (n, channels, h, w); `shape` is (n, h, w)."""
    shape = graph.op("Concat", shape, graph.ints(channels), axis=0)
    return graph.op("Transpose", graph.op("Reshape", rows, shape), perm=[0, 3, 1, 2])


def group_kernel(kernel: Array, dilation: int) -> Array:
    """Kernel (4, out, 4, 5, 5) that acts on 2 x 2 groups of pixels as a 5 x 5 one on pixels.

    `kernel` has one input channel. The output pixel in row a of its group sees, at offset u,
    the pixel in row c of the group i rows further down, where 2 i + c = a + u.
    """
    grouped = np.zeros((2, 2, len(kernel), 2, 2, 5, 5), np.float32)
    for a in range(2):
        for b in range(2):
            for u in range(5):
                for v in range(5):
                    i, c = divmod(a + (u - 2) * dilation, 2)
                    j, d = divmod(b + (v - 2) * dilation, 2)
                    grouped[a, b, :, c, d, i + 2, j + 2] = kernel[:, 0, u, v]
    return grouped.reshape(4, len(kernel), 4, 5, 5)


def halve(graph: Network, x: str, channels: int) -> str:
    """Halve the size: maxima of the first half of the channels, means of the second."""
    first, second = graph.split(x, (channels // 2, channels - channels // 2))
    return graph.op("Concat", graph.max_pool(first), graph.mean_pool(second), axis=1)


def context_network(graph: Network, weights: Weights, x: str) -> str:
    """First encoder and decoder, of separable convolutions."""

    def block(x: str, number: int) -> tuple[str, int]:
        depth, point, bias = weights.separable(number)
        x = graph.conv(graph.conv(x, depth, groups=len(depth)), point, bias)
        return graph.gelu(graph.norm(x, *weights.norm(CONTEXT_NORMS[number]))), len(point)

    skips = []
    for number in range(4):
        x, channels = block(x, number)
        skips.append(x)
        x = halve(graph, x, channels)
    for number in range(4, 8):
        x, _ = block(x, number)
        x = graph.op("Concat", graph.double(x), skips.pop(), axis=1)
    return x


def refinement_network(graph: Network, weights: Weights, x: str) -> str:
    """Second encoder and decoder, of inverse bottlenecks."""
    skips = []
    for block in REFINEMENT[:4]:
        x = graph.bottleneck(x, weights, block)
        skips.append(x)
        x = halve(graph, x, len(weights.conv(block.adjust)[1]))
    fresh = 0
    for block in REFINEMENT[4:]:
        x = graph.bottleneck(x, weights, block, fresh)
        fresh = len(weights.conv(block.adjust)[1])
        x = graph.op("Concat", graph.double(x), skips.pop(), axis=1)
    return x


def maxima(graph: Network, weights: Weights, position: str) -> tuple[str, str]:
    """Smoothed position map, and where it is the largest of its 7 x 7 neighbourhood."""
    smooth = graph.conv(position, weights.blur())
    pad = NMS_SIZE // 2
    rows = graph.op(
        "MaxPool", smooth, kernel_shape=[NMS_SIZE, 1], strides=[1, 1], pads=[pad, 0, pad, 0]
    )
    largest = graph.op(
        "MaxPool", rows, kernel_shape=[1, NMS_SIZE], strides=[1, 1], pads=[0, pad, 0, pad]
    )
    return smooth, graph.op("Equal", smooth, largest)


def plain_head(graph: Network, weights: Weights, x: str, head: Head) -> str:
    """One head as published, at full size."""
    x = graph.double(graph.bottleneck(x, weights, head.block))
    x = graph.norm(graph.conv(x, *weights.conv(head.conv1)), *weights.norm(head.norm))
    x = graph.gelu(graph.conv(x, *weights.conv(head.conv2)))
    return graph.conv(x, *weights.conv(head.out))


def head_stem(graph: Network, weights: Weights, y: str, x: str, head: Head) -> str:
    """From a head's depthwise map `y` and its input `x` to its four channels, all pointwise."""
    y = graph.norm(y, *weights.norm(head.block.norm))
    y = graph.gelu(graph.conv(y, *weights.conv(head.block.expand)))
    adjust = multiply_out(weights.conv(head.block.adjust), weights.conv(head.conv1))
    kernel, bias = multiply_out(weights.conv(head.block.reduce), adjust)
    y = graph.op("Add", graph.conv(y, kernel, bias), graph.conv(x, adjust[0]))
    y = graph.norm(y, *weights.norm(head.norm))
    return graph.gelu(graph.conv(y, *weights.conv(head.conv2)))


def phases(kernel: Array) -> Array:
    """Kernels (2, 2, out, in, 3, 3) that act on a map as `kernel` (5 x 5) on its double.

    The pixel (2 i + a, 2 j + b) of the doubled map sees the rows (2 i + a - 2 … 2 i + a + 2),
    which are the rows (i - 1, i, i + 1) of the map; the columns alike.
    """
    folded = np.zeros((2, 2, *kernel.shape[:2], 3, 3), np.float64)
    for a in range(2):
        for b in range(2):
            for u in range(5):
                for v in range(5):
                    row, column = (a + u - 2) // 2 + 1, (b + v - 2) // 2 + 1
                    folded[a, b, :, :, row, column] += kernel[:, :, u, v]
    return folded.astype(np.float32)


def position_head(graph: Network, weights: Weights, x: str) -> str:
    """Probability that a pixel of the image is a minutia."""
    depth = weights.depthwise(POSITION.block.depthwise)
    y = graph.conv(x, depth, groups=len(depth))
    y = head_stem(graph, weights, y, x, POSITION)
    kernel, bias = weights.conv(POSITION.out)
    y = graph.conv(y, phases(kernel).reshape(4, 4, 3, 3), np.repeat(bias, 4))
    return graph.op("Sigmoid", graph.op("DepthToSpace", y, blocksize=2, mode="CRD"))


# --------------------------------------------------------------------------- heads at minutiae


def windows(graph: Network, x: str, where: str) -> tuple[str, str, str]:
    """Cut 9 x 9 windows of the shared features around minutiae.

    Parameters
    ----------
    x
        Features (n, 52, h, w).
    where
        Image, row and column at full size, (m, 3).

    Returns
    -------
    patches
        (m, 52, 9, 9), zero beyond the border.
    inside
        1 where the middle 3 x 3 lies inside the map, else 0: (m, 1, 3, 3).
    phase
        2 (row mod 2) + column mod 2, (m,).
    """
    shape = graph.op("Shape", x)
    height, width = (graph.op("Gather", shape, graph.const(i, np.int64)) for i in (2, 3))
    two = graph.const(2, np.int64)
    image, row, column = (graph.op("Gather", where, graph.ints(i), axis=1) for i in range(3))
    parity = graph.op("Mul", graph.op("Mod", row, two), two)
    phase = graph.op("Add", parity, graph.op("Mod", column, two))
    rows, row_inside = around(graph, graph.op("Div", row, two), height)
    columns, column_inside = around(graph, graph.op("Div", column, two), width)
    rows = graph.op("Add", graph.op("Mul", image, height), rows)
    rows = graph.op("Unsqueeze", graph.op("Mul", rows, width), graph.ints(2))
    flat = graph.op("Add", rows, graph.op("Unsqueeze", columns, graph.ints(1)))
    inside = graph.op(
        "Mul",
        graph.op("Unsqueeze", row_inside, graph.ints(1, 3)),
        graph.op("Unsqueeze", column_inside, graph.ints(1, 2)),
    )
    channels = graph.op("Transpose", x, perm=[1, 0, 2, 3])
    channels = graph.op("Reshape", channels, graph.ints(52, -1))
    patches = graph.op("Transpose", graph.op("Gather", channels, flat, axis=1), perm=[1, 0, 2, 3])
    patches = graph.op("Mul", patches, inside)
    return patches, middle(graph, inside), graph.op("Reshape", phase, graph.ints(-1))


def middle(graph: Network, cut: str) -> str:
    """Middle 3 x 3 of 9 x 9 windows."""
    return graph.op("Slice", cut, graph.ints(3, 3), graph.ints(6, 6), graph.ints(2, 3))


def around(graph: Network, centre: str, size: str) -> tuple[str, str]:
    """Nine positions around each centre (m, 1), kept inside, and 1 where they were, else 0."""
    positions = graph.op("Add", centre, graph.ints(*range(-4, 5)))
    zero = graph.const(0, np.int64)
    last = graph.op("Sub", size, graph.const(1, np.int64))
    kept = graph.op("Max", graph.op("Min", positions, last), zero)
    same = graph.op("Cast", graph.op("Equal", kept, positions), to=TensorProto.FLOAT)
    return kept, same


def patch_head(graph: Network, weights: Weights, cut: tuple[str, str, str], head: Head) -> str:
    """Value of one head at each minutia, (m, outputs)."""
    patches, inside, phase = cut
    depth = weights.depthwise(head.block.depthwise)
    y = graph.conv(patches, depth, groups=len(depth), same=False)
    y = head_stem(graph, weights, y, middle(graph, patches), head)
    y = graph.op("Mul", y, inside)
    kernel, bias = weights.conv(head.out)
    folded = phases(kernel).reshape(4 * len(bias), 4, 3, 3)
    y = graph.conv(y, folded, np.tile(bias, 4), same=False)
    y = graph.op("Reshape", y, graph.ints(-1, 4, len(bias)))
    one_hot = graph.op("OneHot", phase, graph.const(4, np.int64), graph.const([0, 1]), axis=-1)
    y = graph.op("Mul", y, graph.op("Unsqueeze", one_hot, graph.ints(2)))
    return graph.op("ReduceSum", y, graph.ints(1), keepdims=0)


# --------------------------------------------------------------------------- models


def plain_model(weights: Weights) -> onnx.ModelProto:
    """Build the literal conversion: image -> maps (position, cos, sin, ending, quality)."""
    graph = PlainNetwork()
    context = graph.max_pool(plain_stem(graph, weights, "image", STEM_MAX))
    detail = graph.mean_pool(plain_stem(graph, weights, "image", STEM_MEAN))
    x = features(graph, weights, context, detail)
    position = graph.op("Sigmoid", plain_head(graph, weights, x, POSITION))
    direction = plain_head(graph, weights, x, DIRECTION)
    ending = graph.op("Sigmoid", plain_head(graph, weights, x, TYPE))
    smooth, largest = maxima(graph, weights, position)
    quality = graph.op("Mul", smooth, graph.op("Cast", largest, to=TensorProto.FLOAT))
    maps = graph.op("Concat", position, direction, ending, quality, axis=1)
    return finish(graph, {maps: ("maps", TensorProto.FLOAT, ["n", 5, "h", "w"])})


def fast_model(weights: Weights) -> onnx.ModelProto:
    """Build the network with less work: image and threshold -> minutiae."""
    graph = Network()
    x = features(graph, weights, *stems(graph, weights, "image"))
    smooth, largest = maxima(graph, weights, position_head(graph, weights, x))
    found = graph.op("And", largest, graph.op("GreaterOrEqual", smooth, "threshold"))
    found = graph.op("Transpose", graph.op("NonZero", found), perm=[1, 0])
    quality = graph.op("GatherND", smooth, found)
    where = graph.op("Gather", found, graph.ints(0, 2, 3), axis=1)
    cut = windows(graph, x, where)
    direction = patch_head(graph, weights, cut, DIRECTION)
    ending = graph.op("Sigmoid", patch_head(graph, weights, cut, TYPE))
    outputs = {
        where: ("where", TensorProto.INT64, ["m", 3]),
        direction: ("direction", TensorProto.FLOAT, ["m", 2]),
        ending: ("ending", TensorProto.FLOAT, ["m", 1]),
        quality: ("quality", TensorProto.FLOAT, ["m"]),
    }
    threshold = helper.make_tensor_value_info("threshold", TensorProto.FLOAT, [])
    return finish(graph, outputs, [threshold])


def finish(
    graph: Network,
    outputs: dict[str, tuple[str, int, list[str | int]]],
    more_inputs: list[onnx.ValueInfoProto] | None = None,
) -> onnx.ModelProto:
    """Name inputs and outputs and check the model."""
    for node in graph.nodes:
        renamed = [outputs[name][0] if name in outputs else name for name in node.output]
        read = [outputs[name][0] if name in outputs else name for name in node.input]
        node.output[:], node.input[:] = renamed, read
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, "h", "w"])
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "leader",
            [image, *(more_inputs or [])],
            [helper.make_tensor_value_info(*output) for output in outputs.values()],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
        producer_name="biomatch",
    )
    onnx.checker.check_model(model)
    return model


def main() -> None:
    """Write the model and print what the registry needs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", action="store_true", help="literal conversion, to compare")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    name = "leader_plain.onnx" if options.plain else "leader.onnx"
    weights = Weights(*WHEEL.members(MEMBER))
    model = plain_model(weights) if options.plain else fast_model(weights)
    write(model, options.output or Path(__file__).resolve().parent.parent / name)
    print(f"{len(model.graph.node)} nodes")


if __name__ == "__main__":
    main()
