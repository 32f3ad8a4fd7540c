"""From z to w: the mapping network that all StyleGANs share, and the fully connected layer it is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_LAYERS, Blueprint, Options
from tlgan.generators.checkpoint import TensorRecord
from tlgan.generators.checkpoint.state_dicts import State, sizes_of, taken

from .activations import ACTIVATIONS, bias_act

_EPSILON = 1e-8


def normalize_2nd_moment(x: Tensor) -> Tensor:
    """[n, d] with a mean square of one in each row."""
    return x * (x.square().mean(dim=1, keepdim=True) + _EPSILON).rsqrt()


class Dense:
    """act(x W + b): the gains of the equalised learning rate are folded into W and b."""

    def __init__(
        self, blueprint: Blueprint, name: str, options: Options, device: str, inputs: int | None, outputs: int | None
    ) -> None:
        weight = blueprint.load(f"{name}.weight", outputs, inputs)
        self.weight = (weight * options.number("weight_gain")).to(device)
        self.outputs, self.inputs = weight.shape
        self.activation = options.choice("activation", tuple(ACTIVATIONS), "linear")
        self.bias: Tensor | None = None
        if blueprint.has(f"{name}.bias"):
            bias = blueprint.load(f"{name}.bias", self.outputs)
            self.bias = (bias * options.number("bias_gain", 1.0) + options.number("bias_shift", 0.0)).to(device)

    def __call__(self, x: Tensor) -> Tensor:
        return bias_act(F.linear(x, self.weight, self.bias), None, self.activation)


def read_mapping(
    state: State,
    tensors: dict[str, TensorRecord],
    names: tuple[str, str],
    numbers: range,
    gain: Callable[[int], float],
    bias_gain: float,
) -> dict[str, Any]:
    """The options of a mapping network whose weights and biases in a `state_dict` are called `names`, each with one of
    `numbers` in it; its tensors are added to `tensors`. ``gain``: of a weight, by how many numbers it takes."""
    weight, bias = names
    layers: list[dict[str, Any]] = []
    for number in numbers[:MAX_LAYERS]:
        if layers and weight.format(number) not in state:
            break
        name = f"mapping.fc{len(layers)}"
        w_dim, inputs = sizes_of(state, weight.format(number), 2)
        tensors[f"{name}.weight"] = taken(state, weight.format(number))
        tensors[f"{name}.bias"] = taken(state, bias.format(number))
        layers.append({"weight_gain": gain(max(inputs, 1)), "bias_gain": bias_gain, "activation": "lrelu"})
    _, z_dim = sizes_of(state, weight.format(numbers[0]), 2)
    return {"z_dim": z_dim, "c_dim": 0, "w_dim": w_dim, "mapping": layers}


def equalized(rate: float) -> Callable[[int], float]:
    """The gain of a weight under an equalised learning rate."""
    return lambda inputs: rate / math.sqrt(inputs)


class Mapping:
    """z [n, z_dim] and a label [n, c_dim] -> w [n, w_dim], before truncation.

    z and the embedded label are each normalised before they are joined; with `normalize_with_label`, as in the first
    StyleGANs, together and after that. With a table of embeddings (StyleGAN-XL) a label counts by its largest entry.
    """

    def __init__(self, blueprint: Blueprint, options: Options, device: str) -> None:
        self.z_dim = options.whole("z_dim", 0, 65536)
        self.c_dim = options.whole("c_dim", 0, 65536, 0)
        self.w_dim = options.whole("w_dim", 1, 65536)
        self._embed: Dense | None = None
        self._normalize = options.truth("normalize_z", True)
        self._joined = options.truth("normalize_with_label", False)
        width = self.z_dim
        self._classes: Tensor | None = None
        if self.c_dim and blueprint.has("mapping.embed_proj.weight"):
            classes = blueprint.load("mapping.embed.weight", None, None)
            if len(classes) < self.c_dim:
                raise TlganError(f"tensor mapping.embed.weight has {len(classes)} rows: expected {self.c_dim} or more")
            self._classes = classes.to(device)
            section = options.section("embed_proj")
            self._embed = Dense(blueprint, "mapping.embed_proj", section, device, classes.shape[1], None)
        elif self.c_dim:
            self._embed = Dense(blueprint, "mapping.embed", options.section("embed"), device, self.c_dim, None)
        if self._embed is not None:
            width += self._embed.outputs
        if self.z_dim == 0:
            raise TlganError("it has no latent: expected a z of at least one dimension")
        self._layers = []
        for index, layer in enumerate(options.sections("mapping", MAX_LAYERS)):
            self._layers.append(Dense(blueprint, f"mapping.fc{index}", layer, device, width, None))
            width = self._layers[-1].outputs
        if width != self.w_dim:
            raise TlganError(f"its mapping network ends in {width} dimensions: expected {self.w_dim}")

    def __call__(self, z: Tensor, label: Tensor | None) -> Tensor:
        x = normalize_2nd_moment(z) if self._normalize and not self._joined else z
        if self._embed is not None and label is not None:
            y = self._embed(label if self._classes is None else self._classes[label.argmax(dim=1)])
            x = torch.cat([x, y if self._joined else normalize_2nd_moment(y)], dim=1)
        if self._normalize and self._joined:
            x = normalize_2nd_moment(x)
        for layer in self._layers:
            x = layer(x)
        return x
