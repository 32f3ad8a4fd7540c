"""MobileStyleGAN as OpenVINO IR: recognised by its structure, from the picture back to the latent.

The two networks (mapping and synthesis) lie in files of their own. Names of layers are not relied on: every operation
on the way, its strides and its constants must be those of the architecture, else the file is of another kind.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import numpy as np

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_LAYERS, Blueprint
from tlgan.generators.checkpoint import TensorRecord
from tlgan.generators.checkpoint.openvino_ir import Graph, Layer, Output, read_ir
from tlgan.generators.checkpoint.state_dicts import reshaped

_SLOPE = 0.2  # of the leaky ReLUs
_NEAR = 1e-3  # how near a constant must be to what it should be: it may have been rounded to float16
_EPSILON = 1e-6  # beneath the mean square of z, at most: what is that small makes no difference
_SAME_SHAPE = ("Reshape", "Unsqueeze", "Squeeze", "Convert")  # operations that keep the numbers
_REPEATING = (*_SAME_SHAPE, "Tile", "Broadcast")  # operations that at most repeat a constant over the batch
_HALF = 0.5 * np.array([[[1, 1], [1, 1]], [[1, 1], [-1, -1]], [[1, -1], [1, -1]], [[1, -1], [-1, 1]]])
_OTHER_FILES = 64  # looked at for the other half


class Unlike(Exception):
    """A network is built in another way."""


@dataclass(slots=True)
class Style:
    """gain * (weight w + bias): factors of the channels of one layer."""

    weight: TensorRecord
    bias: TensorRecord
    gain: float


@dataclass(slots=True)
class Parts:
    """What one of the two networks is made of."""

    tensors: dict[str, TensorRecord] = field(default_factory=dict)
    styles: list[Style] = field(default_factory=list)
    blocks: int = 0
    depth: int = 0
    dim: int = 0  # of its input


# -- the pair of networks --------------------------------------------------------------------------------------


def is_mobilestylegan(graph: Graph) -> bool:
    """Whether it is one of the two networks of a MobileStyleGAN."""
    return _parts(graph) is not None


def read_mobilestylegan(graph: Graph) -> Blueprint:
    """The blueprint of a MobileStyleGAN, given either of its two networks; the other is looked for beside it."""
    parts = _parts(graph)
    assert parts is not None
    other = _other_half(graph, parts)
    mapping, synthesis = (parts, other) if parts.depth else (other, parts)
    options = {
        "z_dim": mapping.dim,
        "w_dim": synthesis.dim,
        "mapping": [{"weight_gain": 1.0, "bias_gain": 1.0, "activation": "lrelu"}] * mapping.depth,
        "blocks": synthesis.blocks,
        "style_gains": [style.gain for style in synthesis.styles],
    }
    tensors = mapping.tensors | synthesis.tensors
    for index, style in enumerate(synthesis.styles):
        tensors |= {f"styles.{index}.weight": style.weight, f"styles.{index}.bias": style.bias}
    return Blueprint("mobilestylegan", options, tensors, {"format": "OpenVINO IR"})


def _parts(graph: Graph) -> Parts | None:
    for read in (_read_mapping, _read_synthesis):
        try:
            return read(graph)
        except Unlike:
            continue
    return None


def _other_half(graph: Graph, parts: Parts) -> Parts:
    """The other of the two networks, in the same folder: the one whose name says so, else the only one that fits."""
    path, wanted = graph.path, "synthesis" if parts.depth else "mapping"
    swapped = re.sub("mapping|synthesis", wanted, path.name.lower())
    beside = sorted(file for file in path.parent.glob("*.xml") if file.name != path.name)[:_OTHER_FILES]
    named = [file for file in beside if file.name.lower() == swapped]
    found = []
    for file in named or beside:
        try:
            other_graph = read_ir(file)
        except (TlganError, OSError) as error:
            if named:
                raise TlganError(f"{file.name}, beside {path.name}, can't be read: {error}") from error
            continue
        other = _parts(other_graph)
        if other is not None and bool(other.depth) != bool(parts.depth):
            found.append((other_graph, other))
    if len(found) != 1:
        given = "mapping" if parts.depth else "synthesis"
        has = "there is none" if not found else f"there are {', '.join(graph.path.name for graph, _ in found[:4])}"
        raise TlganError(
            f"{path.name} is the {given} network of a MobileStyleGAN: expected its {wanted} network beside it, {has}"
        )
    return found[0][1]


# -- the two networks ------------------------------------------------------------------------------------------


def _read_mapping(graph: Graph) -> Parts:
    """z / rms(z), then layers of sqrt(2) leaky_relu(W x + b)."""
    walk, parts = _Walk(graph), Parts()
    at = walk.result()
    layers: list[tuple[TensorRecord, TensorRecord]] = []
    while len(layers) < MAX_LAYERS and (scaled := walk.maybe_with_constant(at, "Multiply")) is not None:
        _near(walk.number(scaled[1]), math.sqrt(2))
        at, bias = walk.with_constant(walk.activation(scaled[0]), "Add")
        at, weight = walk.product(at)
        layers.append((weight, bias))
    for index, (weight, bias) in enumerate(reversed(layers)):
        parts.tensors[f"mapping.fc{index}.weight"] = weight
        parts.tensors[f"mapping.fc{index}.bias"] = reshaped(bias, bias.numel)
    parts.depth = len(layers)
    parts.dim = walk.normalised_input(at)
    if not layers:
        raise Unlike
    return parts


def _read_synthesis(graph: Graph) -> Parts:
    """A constant, a convolution, blocks of an inverse Haar step and two separable convolutions, a picture."""
    walk, parts = _Walk(graph), Parts()
    at = walk.haar(walk.result())
    at, bias = walk.with_constant(at, "Add")
    at, weight = walk.convolution(at, 1)
    at, style = walk.modulated(at)
    parts.styles.append(style)
    pictures = weight.shape[0]
    parts.tensors |= {
        "picture.weight": reshaped(weight, *weight.shape[:2]),
        "picture.bias": reshaped(bias, pictures),
    }
    found: list[list[dict[str, TensorRecord]]] = []
    while True:
        at, last = walk.activated(at)
        if walk.kernel(at) == 3:
            break
        if len(found) > MAX_LAYERS:
            raise Unlike
        block = []
        for second in (True, False):
            if not second:
                at, last = walk.activated(at)
            at, pointwise = walk.convolution(at, 1)
            at, depthwise = walk.depthwise(at)
            at, style = walk.modulated(at)
            last |= {"pointwise": reshaped(pointwise, *pointwise.shape[:2]), "depthwise": depthwise}
            block.append(last)
            parts.styles.append(style)
        at, style = walk.modulated(walk.haar(at))
        parts.styles.append(style)
        found.append(block)
    at, weight = walk.convolution(at, 3)
    at, style = walk.modulated(at)
    constant = walk.constant(at)
    if constant is None or constant.shape[:1] != (1,) or len(constant.shape) != 4:
        raise Unlike
    parts.styles.append(style)
    parts.styles.reverse()
    parts.tensors |= {"const": reshaped(constant, *constant.shape[1:]), "start.weight": weight}
    parts.tensors |= {f"start.{key}": tensor for key, tensor in last.items()}
    for index, block in enumerate(reversed(found)):
        for layer, tensors in enumerate(reversed(block)):
            parts.tensors |= {f"blocks.{index}.{layer}.{key}": tensor for key, tensor in tensors.items()}
    parts.blocks, parts.dim = len(found), parts.styles[0].weight.shape[1]
    return parts


class _Walk:
    """Steps from a network's result towards its input. Each takes where it is and returns where it came to; it raises
    `Unlike` where the operation is another."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._parameters = graph.of_type("Parameter")
        if len(self._parameters) != 1 or len(graph.of_type("Result")) != 1:
            raise Unlike

    def at(self, output: Output, *types: str) -> Layer:
        layer = self._graph.layers[output[0]]
        if types and layer.type not in types:
            raise Unlike
        return layer

    def result(self) -> Output:
        return self._only(self._graph.of_type("Result")[0])

    def constant(self, output: Output) -> TensorRecord | None:
        """The constant behind an output, if it is one."""
        shape = self.at(output).outputs[output[1]]
        while (layer := self.at(output)).type in _REPEATING:
            output = layer.sources[0]
        if layer.type != "Const":
            return None
        record = self._graph.constant(layer)
        return record if math.prod(shape) in (record.numel, -record.numel) else None

    def number(self, record: TensorRecord) -> float:
        if record.numel != 1:
            raise Unlike
        return float(record.load().reshape(()))

    def with_constant(self, output: Output, kind: str) -> tuple[Output, TensorRecord]:
        """An operation of something and a constant."""
        found = self.maybe_with_constant(output, kind)
        if found is None:
            raise Unlike
        return found

    def maybe_with_constant(self, output: Output, kind: str) -> tuple[Output, TensorRecord] | None:
        """As `with_constant`; None where neither side is one."""
        sides = self.at(output, kind).sources
        for index in range(len(sides) == 2 and 2):
            if (constant := self.constant(sides[index])) is not None:
                return sides[1 - index], constant
        return None

    def activation(self, output: Output) -> Output:
        layer = self.at(output, "PReLU")
        slope = self.constant(layer.sources[1])
        if slope is None:
            raise Unlike
        _near(self.number(slope), _SLOPE)
        return layer.sources[0]

    def activated(self, output: Output) -> tuple[Output, dict[str, TensorRecord]]:
        """leaky_relu(x + noise + bias)"""
        at, first = self.with_constant(self.activation(output), "Add")
        at, second = self.with_constant(at, "Add")
        bias, noise = (first, second) if first.shape[-1:] == (1,) else (second, first)
        if len(noise.shape) != 4 or noise.shape[:2] != (1, 1) or bias.shape != (1, bias.numel, 1, 1):
            raise Unlike
        return at, {"bias": reshaped(bias, bias.numel), "noise": reshaped(noise, *noise.shape[2:])}

    def product(self, output: Output) -> tuple[Output, TensorRecord]:
        """x times the transpose of a constant [outputs, inputs]"""
        layer = self.at(output, "MatMul")
        weight = self.constant(layer.sources[1])
        ways = layer.data.get("transpose_a", "false"), layer.data.get("transpose_b", "false")
        if weight is None or len(weight.shape) != 2 or ways != ("false", "true"):
            raise Unlike
        return layer.sources[0], weight

    def kernel(self, output: Output) -> int:
        weight = self.constant(self.at(output, "Convolution").sources[1])
        return weight.shape[-1] if weight is not None and weight.shape else 0

    def convolution(self, output: Output, side: int) -> tuple[Output, TensorRecord]:
        layer = self.at(output, "Convolution")
        weight = self.constant(layer.sources[1])
        self._plain(layer, side // 2)
        if weight is None or len(weight.shape) != 4 or weight.shape[2:] != (side, side):
            raise Unlike
        return layer.sources[0], weight

    def depthwise(self, output: Output) -> tuple[Output, TensorRecord]:
        layer = self.at(output, "GroupConvolution")
        weight = self.constant(layer.sources[1])
        self._plain(layer, 1)
        if weight is None or len(weight.shape) != 5 or weight.shape[1:] != (1, 1, 3, 3):
            raise Unlike
        return layer.sources[0], reshaped(weight, weight.shape[0], 3, 3)

    def modulated(self, output: Output) -> tuple[Output, Style]:
        """Features times an affine map of w, one factor a channel."""
        sides = self.at(output, "Multiply").sources
        for index in range(2):
            try:
                return sides[1 - index], self._style(sides[index])
            except Unlike:
                continue
        raise Unlike

    def _style(self, output: Output) -> Style:
        gain = 1.0
        while self.at(output).type in ("Multiply", *_SAME_SHAPE):
            if self.at(output).type == "Multiply":
                output, factor = self.with_constant(output, "Multiply")
                gain *= self.number(factor)
            else:
                output = self.at(output).sources[0]
        output, bias = self.with_constant(output, "Add")
        output, weight = self.product(output)
        if self.at(output) is not self._parameters[0] or bias.numel != weight.shape[0]:
            raise Unlike
        return Style(weight, reshaped(bias, bias.numel), gain)

    def haar(self, output: Output) -> Output:
        """The inverse Haar step: its four inputs, and what each spreads over a square of 2x2 pixels."""
        spread: dict[Output, np.ndarray] = {}
        self._spread(output, np.ones((1, 1)), spread, 0)
        if len(spread) != 4:
            raise Unlike
        parts = [source for source in spread if self.at(source).type == "VariadicSplit"]
        low = [source for source in parts if self._first_port(source) == 0]
        if len(parts) != 4 or len(low) != 1:
            raise Unlike
        split = self.at(low[0])
        details = sorted((source for source in parts if source != low[0]), key=lambda source: source[1])
        inner = self.at(details[0])
        channels = self.at(output).outputs[output[1]][1]
        self._split(split, 1, [channels, 3 * channels])
        self._split(inner, 2, [1, 1, 1])
        if any(self.at(source) is not inner for source in details):
            raise Unlike
        grouped = self.at(inner.sources[0], "Reshape")
        rest = grouped.sources[0]
        shape = grouped.outputs[inner.sources[0][1]]
        if self.at(rest) is not split or self._rank(rest) != 1 or shape[1:3] != (channels, 3):
            raise Unlike
        for source, expected in zip([low[0], *details], _HALF, strict=True):
            if not np.allclose(spread[source], expected, atol=_NEAR):
                raise Unlike
        return split.sources[0]

    def _spread(self, output: Output, square: np.ndarray, found: dict[Output, np.ndarray], depth: int) -> None:
        layer = self.at(output)
        if depth > 8:
            raise Unlike
        if layer.type == "Add":
            for source in layer.sources:
                self._spread(source, square, found, depth + 1)
        elif layer.type == "GroupConvolutionBackpropData":
            kernel = self.constant(layer.sources[1])
            if kernel is None or len(kernel.shape) != 5 or kernel.shape[1:3] != (1, 1):
                raise Unlike
            taps = kernel.load().float().reshape(kernel.shape[0], *kernel.shape[3:]).numpy()
            strides = tuple(_numbers(layer, "strides"))
            plain = all(not any(_numbers(layer, key)) for key in ("pads_begin", "pads_end", "output_padding"))
            if not plain or strides != taps.shape[1:] or np.ptp(taps, axis=0).max() > 1e-6 or taps.shape[0] == 0:
                raise Unlike
            self._spread(layer.sources[0], np.kron(taps[0], square), found, depth + 1)
        else:
            while self.at(output).type in ("Squeeze", "Reshape"):
                output = self.at(output).sources[0]
            if output in found:
                raise Unlike
            found[output] = square

    def normalised_input(self, output: Output) -> int:
        """x (mean(x^2) + 1e-8)^-1/2 -> the size of x"""
        entry = self._parameters[0]
        sides = [self.at(source) for source in self.at(output, "Multiply").sources]
        if len(sides) != 2 or entry not in sides:
            raise Unlike
        at = next(s for s in self.at(output).sources if self.at(s) is not entry)
        power = 1.0
        while self.at(at).type in ("Power", "Sqrt", "Divide", "Multiply"):
            layer = self.at(at)
            if layer.type == "Sqrt":
                at, exponent = layer.sources[0], 0.5
            elif layer.type == "Power":
                at, constant = self.with_constant(at, "Power")
                exponent = self.number(constant)
            else:  # 1 / x, or 1 times it
                at, constant = self.with_constant(at, layer.type)
                _near(self.number(constant), 1.0)
                exponent = -1.0 if layer.type == "Divide" else 1.0
            power *= exponent
        at, epsilon = self.with_constant(at, "Add")
        mean = self.at(at, "ReduceMean")
        squared, exponent_of = self.with_constant(mean.sources[0], "Power")
        _near(power, -0.5)
        _near(self.number(exponent_of), 2.0)
        axes = self.constant(mean.sources[1])
        shape = entry.outputs[min(entry.outputs)]
        if not 0 <= self.number(epsilon) <= _EPSILON:
            raise Unlike
        if axes is None or self.number(axes) not in (1.0, -1.0) or self.at(squared) is not entry or len(shape) != 2:
            raise Unlike
        return shape[1]

    # -- checks ------------------------------------------------------------------------------------------------

    @staticmethod
    def _only(layer: Layer) -> Output:
        if len(layer.sources) != 1:
            raise Unlike
        return layer.sources[0]

    @staticmethod
    def _plain(layer: Layer, padding: int) -> None:
        """A convolution with a stride of one and that padding on every side."""
        if layer.data.get("auto_pad", "explicit") not in ("explicit", "notset"):
            raise Unlike
        pads = _numbers(layer, "pads_begin"), _numbers(layer, "pads_end")
        if (
            _numbers(layer, "strides") != [1, 1]
            or _numbers(layer, "dilations") != [1, 1]
            or pads != ([padding] * 2,) * 2
        ):
            raise Unlike

    def _rank(self, output: Output) -> int:
        """Which of the outputs of its layer it is."""
        return sorted(self.at(output).outputs).index(output[1])

    def _first_port(self, output: Output) -> int:
        """0 for the first output of the outer split, else 1."""
        layer = self.at(output)
        return 0 if len(layer.outputs) == 2 and self._rank(output) == 0 else 1

    def _split(self, layer: Layer, axis: int, lengths: list[int]) -> None:
        found = [self.constant(source) for source in layer.sources[1:]]
        if layer.type != "VariadicSplit" or len(found) != 2 or found[0] is None or found[1] is None:
            raise Unlike
        sizes = found[1].load().reshape(-1).tolist()
        if len(sizes) == len(lengths):
            sizes = [length if size == -1 else size for size, length in zip(sizes, lengths, strict=True)]
        if self.number(found[0]) != axis or sizes != lengths:
            raise Unlike


def _numbers(layer: Layer, key: str) -> list[int]:
    try:
        return [int(part) for part in layer.data.get(key, "").split(",") if part.strip()]
    except ValueError:
        raise Unlike from None


def _near(value: float, expected: float) -> None:
    if not math.isclose(value, expected, rel_tol=_NEAR):
        raise Unlike
