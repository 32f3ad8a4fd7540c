"""Generators of Keras: Sequential and functional models of the usual layers, run by torch.

Pictures are kept as [n, c, h, w] throughout; where Keras reshapes or flattens, the channels go last for that moment. "same"
padding is TensorFlow's: what does not divide evenly goes to the right and the bottom.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.base import LatentGenerator
from tlgan.generators.blueprint import MAX_RESOLUTION, Blueprint, Options
from tlgan.generators.interrupt import still_wanted

from .filtering import over_white

_MOST = 2**27  # numbers in what one layer gives for one picture
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x, "relu": torch.relu, "relu6": F.relu6, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "elu": F.elu,
    "selu": F.selu, "gelu": F.gelu, "swish": F.silu, "silu": F.silu, "softplus": F.softplus, "softsign": F.softsign,
    "mish": F.mish, "exponential": torch.exp, "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
}  # fmt: skip
_RANGES = {"tanh": [-1.0, 1.0], "sigmoid": [0.0, 1.0]}
Op = Callable[..., Tensor]


class Keras(LatentGenerator):
    """z [n, latent_dim], and a class where the model takes one -> pictures.

    `label_input` names the input that takes classes, where two might; `classes` says how many of the numbers at the end
    of a single input are a one-hot class; `picture_range` is what black and white are, where no tanh or sigmoid says so.
    """

    load_options: ClassVar = ("classes", "label_input", "picture_range")

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        options = blueprint.reader()
        self._ops: list[tuple[Op | None, list[int]]] = []  # None for an input
        self._weights: dict[str, Tensor] = {}
        self._inputs: dict[int, tuple[str, list[int]]] = {}
        self._embedded: dict[int, int] = {}  # input that goes into an embedding: how many classes that has
        ends: list[Options] = []
        for index, node in enumerate(options.sections("nodes", 2000)):
            ends.append(node)
            self._ops.append(self._op(blueprint, node, index))
        self._output = options.whole("output", 0, len(ends) - 1)
        self._choose_inputs(options)
        self._check(name)
        images = self._painted(torch.zeros(1, self._z_dim, device="meta"), None, meta=True)
        channels, height, width = images.shape[1:]
        if channels not in (1, 3, 4) or not 4 <= max(height, width) <= MAX_RESOLUTION:
            raise TlganError(
                f"it gives {height} x {width} pixels of {channels} channels: expected pictures of 1, 3 or 4"
            )
        last = self._output
        while ends[last].text("op") in ("Reshape", "Flatten", "Cropping2D", "UpSampling2D"):  # which keep the range
            last = self._ops[last][1][0]
        self._low, self._high = self._range(options, ends[last])
        self._weights = {key: blueprint.load(key, *value.shape).to(device) for key, value in self._weights.items()}
        super().__init__(
            name=name, fingerprint=fingerprint, latent_dim=self._z_dim, resolution=max(height, width),
            channels=min(channels, 3), device=device, size=(height, width),
        )  # fmt: skip

    # -- reading -----------------------------------------------------------------------------------------------

    def _op(self, blueprint: Blueprint, node: Options, index: int) -> tuple[Op | None, list[int]]:
        kind, title = node.text("op"), node.text("name")
        if kind == "Input":
            shape = [part if type(part) is int and part > 0 else 0 for part in node.values("shape", 4)]
            self._inputs[index] = title, shape
            return None, []
        sources = [number for number in node.values("in", 64) if type(number) is int and 0 <= number < index]
        if not sources or len(sources) != len(node.values("in", 64)):
            raise TlganError(f"its layer {title[:60]} is joined to what doesn't come before it: damaged")
        make = _MAKERS.get(kind)
        if make is None:
            raise TlganError(f"its layer {title[:60]} is of the kind {kind[:40]}, which is not known")
        for leaf in ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "alpha", "embeddings"):
            if blueprint.has(key := f"{title}/{leaf}"):
                self._weights[key] = torch.empty(blueprint.shape(key), device="meta")
        if kind == "Embedding":
            self._embedded[sources[0]] = blueprint.shape(f"{title}/embeddings")[0]
        return make(node, lambda leaf: self._weights.get(f"{title}/{leaf}")), sources

    def _choose_inputs(self, options: Options) -> None:
        """Which input takes the latents, and which the class."""
        wanted = options.text("label_input") if "label_input" in options else None
        names = ", ".join(f"{title[:40]} {shape}" for title, shape in self._inputs.values())
        labels = [
            at
            for at, (title, _) in self._inputs.items()
            if title == wanted or (wanted is None and at in self._embedded)
        ]
        rest = [at for at in self._inputs if at not in labels]
        if wanted is None and not labels and len(rest) == 2:
            said = [
                at for at in rest if any(word in self._inputs[at][0].lower() for word in ("label", "class", "cond"))
            ]
            labels, rest = (said, [at for at in rest if at not in said]) if len(said) == 1 else (labels, rest)
        if len(rest) != 1 or len(labels) > 1:
            raise TlganError(
                f"it takes {names or 'nothing'}: expected latents, and at most one input of classes, which "
                "-g label_input=NAME names"
            )
        self._z_at, self._label_at = rest[0], labels[0] if labels else None
        title, self._z_shape = self._inputs[self._z_at]
        if not self._z_shape or 0 in self._z_shape or math.prod(self._z_shape[:-1]) != 1:
            raise TlganError(
                f"its input {title[:40]} is {self._z_shape}: expected one row of latents of a fixed length"
            )
        self._z_dim, self.label_dim, self._joined = self._z_shape[-1], 0, False
        if self._label_at is not None:
            shape = self._inputs[self._label_at][1]
            self.label_dim = self._embedded.get(self._label_at) or (shape[-1] if shape else 0)
            if self._label_at not in self._embedded and (len(shape) != 1 or self.label_dim < 2):
                raise TlganError(
                    f"its input of classes is {shape}: expected one number for each class, or an embedding"
                )
        elif "classes" in options:
            self.label_dim, self._joined = options.whole("classes", 2, self._z_dim - 1), True
            self._z_dim -= self.label_dim

    def _check(self, name: str) -> None:
        if not 1 <= self._z_dim <= 65536:
            raise TlganError(f"it takes {self._z_dim} latents: expected 1 to 65536")

    def _range(self, options: Options, last: Options) -> tuple[float, float]:
        said = _RANGES.get(last.text("activation")) if last.text("op") == "Activation" else None
        if "picture_range" in options:
            said = options.numbers("picture_range", 2)
        elif said is None:
            self.assumed = ("picture_range=-1,1",)
        low, high = said or (-1.0, 1.0)
        if not low < high:
            raise TlganError(f"picture_range is {low:g},{high:g}: expected what black is, then what white is")
        return low, high

    # -- painting ----------------------------------------------------------------------------------------------

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        return over_white((self._painted(latents, label) - self._low) * (2 / (self._high - self._low)) - 1)

    def _painted(self, latents: Tensor, label: Tensor | None, *, meta: bool = False) -> Tensor:
        """Pictures [n, c, h, w] as the model gives them."""
        n = len(latents)
        if label is None:
            label = torch.zeros(n, max(self.label_dim, 1), device=latents.device)
        z = torch.cat([latents, label], dim=1) if self._joined else latents
        results: list[Tensor] = []
        for index, (op, sources) in enumerate(self._ops):
            if index == self._z_at:
                x = z.view(n, *self._z_shape)
                results.append(x.permute(0, 3, 1, 2) if x.ndim == 4 else x)
            elif op is None:
                x = label
                if index in self._embedded:
                    x = label.argmax(dim=1).view(n, *(1 for _ in self._inputs[index][1]))
                results.append(x)
            else:
                still_wanted()
                results.append(self._applied(op, [results[at] for at in sources], index, meta))
            if index == self._output:
                break
        x = results[-1]
        if x.ndim == 2:  # a network of dense layers that leaves the shape to its caller
            channels = next(
                (c for c in (1, 3) if x.shape[1] % c == 0 and math.isqrt(x.shape[1] // c) ** 2 * c == x.shape[1]), 0
            )
            if not channels:
                raise TlganError(f"it gives {x.shape[1]} numbers, which are no square picture")
            side = math.isqrt(x.shape[1] // channels)
            x = x.view(n, side, side, channels).permute(0, 3, 1, 2)
        return x[:, None] if x.ndim == 3 else x

    def _applied(self, op: Op, given: list[Tensor], index: int, meta: bool) -> Tensor:
        if not meta:
            return op(*given)
        try:
            made = op(*given)
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            raise TlganError(f"its layer {index} doesn't fit what comes before it: damaged") from error
        if made.numel() > _MOST:
            raise TlganError(f"its layer {index} gives {list(made.shape)}: more than any picture needs")
        return made


# -- layers: each maker takes options and where weights are found, and gives a function of earlier results --------------

Weights = Callable[[str], Tensor | None]


def _need(weights: Weights, leaf: str) -> Tensor:
    found = weights(leaf)
    if found is None:
        raise TlganError(f"a layer has no weight {leaf}: damaged")
    return found


def _pair(node: Options, key: str, default: int, low: int = 1) -> tuple[int, int]:
    value = node.raw(key)
    value = [value, value] if type(value) is int else value or [default, default]
    if not isinstance(value, list) or len(value) != 2 or not all(type(v) is int and low <= v <= 4096 for v in value):
        raise TlganError(f"a layer's {key} is {str(value)[:40]}: expected whole numbers from {low}")
    return value[0], value[1]


def _borders(node: Options, key: str) -> tuple[int, int, int, int]:
    """((top, bottom), (left, right)), (vertical, horizontal) or one number -> left, right, top, bottom."""
    value = node.raw(key)
    value = [value, value] if type(value) is int else value
    value = [[part, part] if type(part) is int else part for part in value] if isinstance(value, list) else []
    numbers = [number for part in value if isinstance(part, list) for number in part]
    if len(value) != 2 or len(numbers) != 4 or not all(type(n) is int and 0 <= n <= 4096 for n in numbers):
        raise TlganError(f"a layer's {key} is {str(node.raw(key))[:40]}: expected whole numbers of pixels")
    return numbers[2], numbers[3], numbers[0], numbers[1]


def _channels(x: Tensor, values: Tensor) -> Tensor:
    """Values [c] so that they meet the channels of x."""
    return values[:, None, None] if x.ndim == 4 else values


def _dense(node: Options, weights: Weights) -> Op:
    def op(x: Tensor) -> Tensor:
        kernel, bias = _need(weights, "kernel"), weights("bias")
        if x.ndim == 4:  # of every pixel's channels
            return F.conv2d(x, kernel.t()[:, :, None, None], bias)
        return F.linear(x, kernel.t(), bias)

    return op


def _conv(node: Options, weights: Weights) -> Op:
    stride, dilation = _pair(node, "strides", 1), _pair(node, "dilation_rate", 1)
    same, groups = node.choice("padding", ("same", "valid"), "valid") == "same", node.whole("groups", 1, 65536, 1)

    def op(x: Tensor) -> Tensor:
        weight = _need(weights, "kernel").permute(3, 2, 0, 1)
        if same:
            x = F.pad(x, _same(x, weight.shape[2:], stride, dilation))
        return F.conv2d(x, weight, weights("bias"), stride=stride, dilation=dilation, groups=groups)

    return op


def _same(
    x: Tensor, kernel: tuple[int, ...], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Left, right, top, bottom."""
    padding: list[int] = []
    for side, k, s, d in zip(
        reversed(x.shape[2:]), reversed(kernel), reversed(stride), reversed(dilation), strict=True
    ):
        total = max((math.ceil(side / s) - 1) * s + (k - 1) * d + 1 - side, 0)
        padding += [total // 2, total - total // 2]
    return padding[0], padding[1], padding[2], padding[3]


def _transposed(node: Options, weights: Weights) -> Op:
    stride, same = _pair(node, "strides", 1), node.choice("padding", ("same", "valid"), "valid") == "same"
    further = _pair(node, "output_padding", 0, 0) if node.raw("output_padding") is not None else None
    if _pair(node, "dilation_rate", 1) != (1, 1) or node.whole("groups", 1, 65536, 1) != 1:
        raise TlganError("a transposed convolution with dilation or groups is not read")

    def op(x: Tensor) -> Tensor:
        kernel = _need(weights, "kernel")
        whole = F.conv_transpose2d(x, kernel.permute(3, 2, 0, 1), stride=stride)
        borders: list[int] = []
        for axis in (1, 0):  # the picture's size is told first; what is cut off follows from the convolution it undoes
            side, k, s = x.shape[2 + axis], kernel.shape[axis], stride[axis]
            if further is not None:
                wanted = (side - 1) * s + k - (2 * (k // 2) if same else 0) + further[axis]
            else:
                wanted = side * s if same else side * s + max(k - s, 0)
            before = max((math.ceil(wanted / s) - 1) * s + k - wanted, 0) // 2 if same else 0
            borders += [-before, wanted + before - whole.shape[2 + axis]]
        x, bias = F.pad(whole, borders), weights("bias")
        return x if bias is None else x + bias[:, None, None]

    return op


def _is_last(node: Options) -> None:
    axis = node.raw("axis")
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (None, -1, 1, 2, 3):
        raise TlganError(f"a normalisation's axis is {str(axis)[:20]}: expected the channels")


def _affine(x: Tensor, weights: Weights) -> Tensor:
    gamma, beta = weights("gamma"), weights("beta")
    x = x if gamma is None else x * _channels(x, gamma)
    return x if beta is None else x + _channels(x, beta)


def _batch_norm(node: Options, weights: Weights) -> Op:
    _is_last(node)
    epsilon = node.number("epsilon", 1e-3, low=0, high=1)

    def op(x: Tensor) -> Tensor:
        mean, variance = _need(weights, "moving_mean"), _need(weights, "moving_variance")
        return _affine((x - _channels(x, mean)) * _channels(x, torch.rsqrt(variance + epsilon)), weights)

    return op


def _layer_norm(node: Options, weights: Weights) -> Op:
    _is_last(node)
    epsilon = node.number("epsilon", 1e-3, low=0, high=1)

    def op(x: Tensor) -> Tensor:
        dim = 1 if x.ndim == 4 else -1
        x = x - x.mean(dim=dim, keepdim=True)
        return _affine(x * torch.rsqrt(x.square().mean(dim=dim, keepdim=True) + epsilon), weights)

    return op


def _group_norm(node: Options, weights: Weights) -> Op:
    _is_last(node)
    epsilon, groups = node.number("epsilon", 1e-3, low=0, high=1), node.whole("groups", -1, 65536, 32)
    return lambda x: _affine(F.group_norm(x, x.shape[1] if groups == -1 else groups, eps=epsilon), weights)


def _prelu(node: Options, weights: Weights) -> Op:
    def op(x: Tensor) -> Tensor:
        slopes = _need(weights, "alpha")
        slopes = slopes.permute(2, 0, 1) if slopes.ndim == 3 else slopes
        return torch.where(x >= 0, x, x * slopes)

    return op


def _relu(node: Options, weights: Weights) -> Op:
    slope, least = node.number("negative_slope", 0.0), node.number("threshold", 0.0)
    most = node.optional_number("max_value")

    def op(x: Tensor) -> Tensor:
        y = torch.where(x >= least, x, slope * (x - least))
        return y if most is None else y.clamp(max=most)

    return op


def _activation(node: Options, weights: Weights) -> Op:
    name = node.text("activation")
    if name not in _ACTIVATIONS:
        raise TlganError(f"its activation {name[:40]!r} is not known here: export it to ONNX")
    return _ACTIVATIONS[name]


def _leaky(node: Options, weights: Weights) -> Op:
    slope = node.number("negative_slope" if "negative_slope" in node else "alpha", 0.3)
    return lambda x: F.leaky_relu(x, slope)


def _elu(node: Options, weights: Weights) -> Op:
    alpha = node.number("alpha", 1.0)
    return lambda x: F.elu(x, alpha)


def _last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


def _reshape(node: Options, weights: Weights) -> Op:
    shape = node.values("target_shape", 3)
    if not all(type(part) is int and -1 <= part <= 2**24 for part in shape):
        raise TlganError(f"a layer reshapes to {str(shape)[:60]}: expected up to three sizes")

    def op(x: Tensor) -> Tensor:
        x = _last(x).reshape(len(x), *shape)
        return x.permute(0, 3, 1, 2) if x.ndim == 4 else x

    return op


def _upsampling(node: Options, weights: Weights) -> Op:
    factor = _pair(node, "size", 2)
    mode = node.choice("interpolation", ("nearest", "bilinear"), "nearest")
    scale = (float(factor[0]), float(factor[1]))
    if mode == "nearest":
        return lambda x: F.interpolate(x, scale_factor=scale, mode="nearest")
    return lambda x: F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


def _padding(node: Options, weights: Weights) -> Op:
    borders = _borders(node, "padding")
    return lambda x: F.pad(x, borders)


def _cropping(node: Options, weights: Weights) -> Op:
    borders = tuple(-number for number in _borders(node, "cropping"))
    return lambda x: F.pad(x, borders)


def _pooling(node: Options, weights: Weights) -> Op:
    size = _pair(node, "pool_size", 2)
    stride = _pair(node, "strides", 2) if node.raw("strides") is not None else size
    if node.choice("padding", ("valid", "same"), "valid") == "same":
        raise TlganError("pooling with same padding is not read: export it to ONNX")
    return lambda x: F.avg_pool2d(x, size, stride)


def _rescaling(node: Options, weights: Weights) -> Op:
    scale, offset = node.number("scale"), node.number("offset", 0.0)
    return lambda x: x * scale + offset


def _concatenate(node: Options, weights: Weights) -> Op:
    axis = node.raw("axis")
    axis = -1 if axis is None else axis
    if type(axis) is not int or not -4 <= axis <= 3:
        raise TlganError(f"a layer joins along axis {str(axis)[:20]}: expected a whole number")

    def op(*given: Tensor) -> Tensor:
        joined = torch.cat([_last(x) for x in given], dim=axis)
        return joined.permute(0, 3, 1, 2) if joined.ndim == 4 else joined

    return op


def _merge(way: Callable[[Tensor, Tensor], Tensor], mean: bool = False) -> Callable[[Options, Weights], Op]:
    def op(*given: Tensor) -> Tensor:
        if len({x.ndim for x in given}) != 1:
            raise TlganError("a layer joins results of different dimensions, which is not read: export it to ONNX")
        total = given[0]
        for x in given[1:]:
            total = way(total, x)
        return total / len(given) if mean else total

    return lambda node, weights: op


_MAKERS: dict[str, Callable[[Options, Weights], Op]] = {
    "Dense": _dense, "Conv2D": _conv, "Conv2DTranspose": _transposed, "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm, "GroupNormalization": _group_norm, "PReLU": _prelu, "LeakyReLU": _leaky,
    "ReLU": _relu, "ELU": _elu, "Activation": _activation, "Reshape": _reshape, "UpSampling2D": _upsampling,
    "ZeroPadding2D": _padding, "Cropping2D": _cropping, "AveragePooling2D": _pooling, "Rescaling": _rescaling,
    "Concatenate": _concatenate, "Add": _merge(torch.add), "Multiply": _merge(torch.mul), "Subtract": _merge(torch.sub),
    "Average": _merge(torch.add, mean=True),
    "Embedding": lambda node, weights: lambda x: F.embedding(x, _need(weights, "embeddings")),
    "Flatten": lambda node, weights: lambda x: _last(x).flatten(1),
    "GlobalAveragePooling2D": lambda node, weights: lambda x: x.mean(dim=(2, 3)),
}  # fmt: skip
