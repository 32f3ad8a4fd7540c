"""OpenVINO IR written by hand: a small MobileStyleGAN of random weights, a plain DCGAN, and a reader to check against.

The layers are those of OpenVINO's Model Optimizer (2021.4): broadcasting additions, the Haar step as transposed
convolutions along one axis at a time. `evaluate` computes a written graph operation by operation, by the operations'
definitions and without knowing what they make up.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

TYPES = {np.float32: "f32", np.float16: "f16", np.int64: "i64", np.int32: "i32"}
PRECISIONS = {"f32": "FP32", "f16": "FP16", "i64": "I64", "i32": "I32"}


ROOT = math.sqrt(0.5)


class Network:
    """Layers one after another; each call returns (layer, port, shape) for the next ones."""

    def __init__(self, seed: int = 0, version: int = 10, dtype=np.float32) -> None:
        self.rng = np.random.default_rng(seed)
        self.version, self.dtype = version, dtype
        self.layers: list[dict[str, Any]] = []
        self.edges: list[tuple[int, int, int, int]] = []
        self.weights = bytearray()

    def add(self, kind, inputs, shapes, **data):
        number = len(self.layers)
        first_output = len(inputs)
        self.layers.append({"kind": kind, "inputs": inputs, "shapes": shapes, "data": data, "opset": "opset1"})
        self.edges += [(source[0], source[1], number, port) for port, source in enumerate(inputs)]
        made = [(number, first_output + index, tuple(shape)) for index, shape in enumerate(shapes)]
        return made[0] if len(made) == 1 else made

    def constant(self, values):
        array = np.asarray(values)
        if array.dtype == np.float64:
            array = array.astype(self.dtype)
        offset, shape = len(self.weights), array.shape
        self.weights += array.tobytes()
        made = self.add(
            "Const", [], [shape], element_type=TYPES[array.dtype.type], shape=", ".join(map(str, shape)),
            offset=offset, size=array.nbytes,
        )  # fmt: skip
        if array.dtype == np.float16:  # compressed weights are widened where they are used
            made = self.add("Convert", [made], [shape], destination_type="f32")
        return made

    def random(self, *shape, scale=1.0, shift=0.0):
        return self.constant(shift + scale * self.rng.normal(size=shape))

    def binary(self, kind, a, b):
        return self.add(kind, [a, b], [np.broadcast_shapes(a[2], b[2])], auto_broadcast="numpy")

    def reshape(self, x, *shape):
        return self.add("Reshape", [x, self.constant(np.array(shape))], [shape], special_zero="true")

    def product(self, x, weight):
        return self.add("MatMul", [x, weight], [(*x[2][:-1], weight[2][0])], transpose_a="false", transpose_b="true")

    def convolve(self, x, weight, kind="Convolution"):
        pad = weight[2][-1] // 2
        shape = (x[2][0], weight[2][0], *x[2][2:])
        return self.add(
            kind, [x, weight], [shape], strides="1, 1", dilations="1, 1", pads_begin=f"{pad}, {pad}",
            pads_end=f"{pad}, {pad}", auto_pad="explicit",
        )  # fmt: skip

    def activate(self, x, slope=0.2):
        return self.add("PReLU", [x, self.constant([slope])], [x[2]])

    # -- parts of MobileStyleGAN -------------------------------------------------------------------------------

    def style(self, w, channels, *, gain=None):
        x = self.product(w, self.random(channels, w[2][1], scale=1 / math.sqrt(w[2][1])))
        x = self.reshape(self.binary("Add", x, self.random(1, channels, scale=0.1, shift=1.0)), 1, channels, 1, 1)
        return x if gain is None else self.binary("Multiply", x, self.constant(np.full((1, 1, 1, 1), gain)))

    def finish(self, x):
        """noise, bias, activation"""
        _, channels, side, _ = x[2]
        x = self.binary("Add", x, self.random(1, 1, side, side, scale=0.3))
        return self.activate(self.binary("Add", x, self.random(1, channels, 1, 1, scale=0.3)))

    def haar(self, x, low=ROOT):
        channels = x[2][1] // 4
        sides = x[2][2:]
        mean, rest = self.add(
            "VariadicSplit", [x, self.constant(np.array(1)), self.constant(np.array([channels, -1]))],
            [(1, channels, *sides), (1, 3 * channels, *sides)],
        )  # fmt: skip
        rest = self.reshape(rest, 1, channels, 3, *sides)
        parts = self.add(
            "VariadicSplit", [rest, self.constant(np.array(2)), self.constant(np.array([1, 1, 1]))],
            [(1, channels, 1, *sides)] * 3,
        )  # fmt: skip
        details = [self.add("Squeeze", [part, self.constant(np.array([2]))], [(1, channels, *sides)]) for part in parts]
        high = (low, -low)

        def spread(x, taps, vertical):
            kernel = np.broadcast_to(np.array(taps).reshape((1, 1, 1, 2, 1) if vertical else (1, 1, 1, 1, 2)),
                                     (channels, 1, 1, *((2, 1) if vertical else (1, 2))))  # fmt: skip
            shape = (1, channels, x[2][2] * (1 + vertical), x[2][3] * (2 - vertical))
            return self.add(
                "GroupConvolutionBackpropData", [x, self.constant(kernel)], [shape],
                strides="2, 1" if vertical else "1, 2", pads_begin="0, 0", pads_end="0, 0", dilations="1, 1",
                auto_pad="explicit", output_padding="0, 0",
            )  # fmt: skip

        columns = []
        for (a, b), taps in (((mean, details[0]), (low, low)), ((details[1], details[2]), high)):
            x = self.binary("Add", spread(a, (low, low), True), spread(b, high, True))
            columns.append(spread(x, taps, False))
        return self.binary("Add", *columns)

    # -- on the disk -------------------------------------------------------------------------------------------

    def xml(self) -> str:
        def port(number, shape, kind):
            dims = "".join(f"<dim>{size}</dim>" for size in shape)
            return f'<port id="{number}" precision="{kind}">{dims}</port>'

        lines = ['<?xml version="1.0" ?>', f'<net name="test" version="{self.version}">', "<layers>"]
        for number, layer in enumerate(self.layers):
            kind = PRECISIONS[layer["data"].get("element_type", "f32")]
            lines.append(
                f'<layer id="{number}" name="layer{number}" type="{layer["kind"]}" version="{layer["opset"]}">'
            )
            if layer["data"]:
                lines.append("<data " + " ".join(f"{k}={quoteattr(str(v))}" for k, v in layer["data"].items()) + "/>")
            if layer["inputs"]:
                ports = "".join(port(index, source[2], "FP32") for index, source in enumerate(layer["inputs"]))
                lines.append(f"<input>{ports}</input>")
            if layer["shapes"]:
                first = len(layer["inputs"])
                ports = "".join(port(first + index, shape, kind) for index, shape in enumerate(layer["shapes"]))
                lines.append(f"<output>{ports}</output>")
            lines.append("</layer>")
        lines.append("</layers><edges>")
        lines += [f'<edge from-layer="{a}" from-port="{p}" to-layer="{b}" to-port="{q}"/>' for a, p, b, q in self.edges]
        return "\n".join([*lines, "</edges><meta_data/></net>", ""])

    def write(self, path: Path) -> Path:
        path.write_text(self.xml(), "utf-8")
        path.with_suffix(".bin").write_bytes(bytes(self.weights))
        return path


def mapping(dim=12, depth=3, slope=0.2, **options) -> Network:
    """z [1, dim] -> w [1, dim]"""
    net = Network(**options)
    z = net.add("Parameter", [], [(1, dim)], shape=f"1, {dim}", element_type="f32")
    square = net.binary("Power", z, net.constant([[2.0]]))
    mean = net.add("ReduceMean", [square, net.constant(np.array([1]))], [(1, 1)], keep_dims="true")
    root = net.binary("Power", net.binary("Add", mean, net.constant([[1e-8]])), net.constant([[0.5]]))
    inverse = net.binary("Power", root, net.constant([[-1.0]]))
    x = net.binary("Multiply", z, net.binary("Multiply", net.constant([[1.0]]), inverse))
    for _ in range(depth):
        x = net.product(x, net.random(dim, dim, scale=1 / math.sqrt(dim)))
        x = net.binary("Add", x, net.reshape(net.random(dim, scale=0.1), 1, dim))
        x = net.binary("Multiply", net.activate(x, slope), net.constant([[math.sqrt(2)]]))
    net.add("Result", [x], [])
    return net


def synthesis(dim=12, widths=(16, 16, 8), channels=3, low=ROOT, **options) -> Network:
    """w [1, dim] -> a picture [1, channels, 8 * 2^b, ...], b blocks of `widths[1:]` channels each."""
    net = Network(**options)
    w = net.add("Parameter", [], [(1, dim)], shape=f"1, {dim}", element_type="f32")
    const = net.random(1, widths[0], 4, 4)
    const = net.add("Broadcast", [const, net.constant(np.array([1, widths[0], 4, 4]))], [const[2]], mode="numpy")
    const = net.add("Tile", [const, net.constant(np.array([1, 1, 1, 1]))], [const[2]])
    x = net.binary("Multiply", net.style(w, widths[0], gain=0.5), const)
    x = net.finish(net.convolve(x, net.random(widths[0], widths[0], 3, 3, scale=1 / math.sqrt(9 * widths[0]))))
    for width in widths[1:]:
        x = net.haar(net.binary("Multiply", net.style(w, x[2][1]), x), low)
        for _ in range(2):
            inner = x[2][1]
            x = net.binary("Multiply", net.style(w, inner, gain=2.0), x)
            x = net.convolve(x, net.random(inner, 1, 1, 3, 3, scale=0.5), "GroupConvolution")
            x = net.convolve(x, net.random(width, inner, 1, 1, scale=1 / math.sqrt(inner)))
            x = net.finish(x)
    x = net.binary("Multiply", net.style(w, x[2][1], gain=0.3), x)
    x = net.convolve(x, net.random(4 * channels, x[2][1], 1, 1, scale=0.2))
    x = net.binary("Add", x, net.random(1, 4 * channels, 1, 1, scale=0.1))
    net.add("Result", [net.haar(x)], [])
    return net


def write_pair(folder: Path, **options) -> Path:
    """Both networks in `folder`; -> the XML of the second."""
    mapping(seed=1, **{key: options[key] for key in ("version", "dtype") if key in options}).write(
        folder / "MappingNetwork.xml"
    )
    return synthesis(seed=2, **options).write(folder / "SynthesisNetwork.xml")


def plain(dim=6, channels=3, batch: int | str = 1, tanh=True, seed=0) -> Network:
    """z [batch, dim] -> [batch, channels, 8, 8] of two layers, as any exporter might write it."""
    net = Network(seed=seed)
    z = net.add("Parameter", [], [(batch, dim)], shape=f"{batch},{dim}", element_type="f32")
    x = net.product(z, net.random(channels * 64, dim, scale=0.3))
    x = net.reshape(x, batch if isinstance(batch, int) and batch > 0 else -1, channels, 8, 8)
    x = net.add("Tanh" if tanh else "Sigmoid", [x], [x[2]])
    net.add("Result", [x], [])
    return net


# -- the reader ------------------------------------------------------------------------------------------------


def evaluate(net: Network, latents: Tensor) -> Tensor:
    """What the network makes of latents [1, d], one operation after another."""
    values: dict[tuple[int, int], Tensor] = {}
    for number, layer in enumerate(net.layers):
        inputs = [values[source[0], source[1]] for source in layer["inputs"]]
        if layer["kind"] == "Result":
            return inputs[0]
        made = _compute(net, layer, inputs, latents)
        made = made if isinstance(made, tuple) else (made,)
        for index, value in enumerate(made):
            values[number, len(inputs) + index] = value
    raise AssertionError("no result")


def _compute(net: Network, layer: dict[str, Any], x: list[Tensor], latents: Tensor):
    data, shape = layer["data"], layer["shapes"][0]
    match layer["kind"]:
        case "Parameter":
            return latents
        case "Const":
            kind = {name: dtype for dtype, name in TYPES.items()}[data["element_type"]]
            raw = bytes(net.weights[data["offset"] : data["offset"] + data["size"]])
            return torch.from_numpy(np.frombuffer(raw, kind).reshape(shape).copy())
        case "Convert":
            return x[0].float()
        case "Add":
            return x[0] + x[1]
        case "Multiply":
            return x[0] * x[1]
        case "Power":
            return x[0] ** x[1]
        case "ReduceMean":
            return x[0].mean(dim=int(x[1]), keepdim=True)
        case "Reshape" | "Squeeze" | "Broadcast" | "Tile":
            return x[0].reshape(shape)
        case "MatMul":
            return x[0] @ x[1].T
        case "PReLU":
            return torch.where(x[0] < 0, x[0] * x[1], x[0])
        case "VariadicSplit":
            sizes = [size[int(x[1])] for size in layer["shapes"]]
            return tuple(torch.split(x[0], sizes, dim=int(x[1])))
        case "Convolution":
            return F.conv2d(x[0], x[1], padding=x[1].shape[-1] // 2)
        case "GroupConvolution":
            return F.conv2d(x[0], x[1][:, 0], padding=1, groups=len(x[1]))
        case "GroupConvolutionBackpropData":
            stride = [int(size) for size in data["strides"].split(",")]
            return F.conv_transpose2d(x[0], x[1][:, 0], stride=stride, groups=len(x[1]))
    raise AssertionError(layer["kind"])
