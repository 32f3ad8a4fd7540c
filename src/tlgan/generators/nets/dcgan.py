"""DCGAN-like generators: a chain of transposed convolutions, known from nothing but its `state_dict`.

The shapes of the tensors, in the order of the file, tell the whole structure: a 2-d weight projects the latent, a
4-d weight is a transposed or a plain convolution by which of its sides fits the channels so far, running means are
batch normalisation. Each normalisation is folded into the convolution before it, and the first transposed
convolution, which sees one pixel, is a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.base import LatentGenerator
from tlgan.generators.blueprint import MAX_RESOLUTION, Blueprint
from tlgan.generators.checkpoint.state_dicts import State

_EPSILON = 1e-5  # torch's BatchNorm default; the file doesn't hold it
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "selu": F.selu,
}
_OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": lambda x: torch.sigmoid(x) * 2 - 1,
    "none": lambda x: x,
}


@dataclass
class Layer:
    """One convolution with what follows it folded in; `stride` 1 or 2."""

    weight: Tensor  # transposed: [in, out, k, k], plain: [out, in, k, k]
    bias: Tensor | None
    transposed: bool
    stride: int
    padding: int
    output_padding: int = 0

    def __call__(self, x: Tensor) -> Tensor:
        if self.transposed:
            return F.conv_transpose2d(x, self.weight, self.bias, self.stride, self.padding, self.output_padding)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


def is_dcgan(state: State) -> bool:
    """Does this state_dict look like a chain of transposed convolutions that ends in a picture?"""
    weights = [record.shape for name, record in state.items() if name.endswith("weight") and len(record.shape) != 1]
    if len(weights) < 2 or len(weights[0]) not in (2, 4) or any(len(shape) != 4 for shape in weights[1:]):
        return False
    return weights[0][-1] > 1 and (weights[-1][1] in (1, 3) or weights[-1][0] in (1, 3))


def read_dcgan(state: State) -> Blueprint:
    return Blueprint("dcgan", {"order": list(state)}, state, {"format": "state_dict of a DCGAN"})


class DCGAN(LatentGenerator):
    """z [n, d] -> pictures through transposed convolutions.

    `activation` ("relu", "leaky_relu", "elu", "selu") and `output` ("tanh", "sigmoid", "none") are not in a
    state_dict: the defaults are those of the paper (Radford et al., 2015).
    """

    load_options: ClassVar = ("activation", "output")

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        name: str,
        fingerprint: str,
        device: str = "cpu",
    ) -> None:
        options = blueprint.reader()
        activation = options.choice("activation", tuple(_ACTIVATIONS), "relu")
        output = options.choice("output", tuple(_OUTPUTS), "tanh")
        order = [name for name in options.texts("order") if not name.endswith("num_batches_tracked")]
        state = {name: blueprint.load(name, *blueprint.shape(name)) for name in order}
        project, bias, side, layers = _parse(_modules(state))
        self._project = project.to(device)  # [d, channels * side * side]
        self._bias = bias.to(device)
        self._side = side
        self._layers = layers
        for layer in layers:
            # A processor's convolutions are a quarter quicker with channels last; pictures follow their weights.
            layer.weight = layer.weight.to(device, memory_format=torch.channels_last)
            layer.bias = None if layer.bias is None else layer.bias.to(device)
        self._activation = _ACTIVATIONS[activation]
        self._output = _OUTPUTS[output]
        resolution = side
        for layer in layers:
            resolution *= layer.stride
        if resolution > MAX_RESOLUTION:
            raise TlganError(f"it paints {resolution} px: expected at most {MAX_RESOLUTION}")
        last = layers[-1]
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=project.shape[0],
            resolution=resolution,
            channels=last.weight.shape[1 if last.transposed else 0],
            device=device,
        )

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        x = torch.addmm(self._bias, latents, self._project)
        x = self._activation(x).view(-1, x.shape[1] // self._side**2, self._side, self._side)
        for layer in self._layers[:-1]:
            x = self._activation(layer(x))
        return self._output(self._layers[-1](x))


def _modules(state: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Tensors by the module that owns them, in the order of the file."""
    modules: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        owner, _, leaf = key.rpartition(".")
        modules.setdefault(owner, {})[leaf] = tensor
    return list(modules.values())


def _parse(modules: list[dict[str, Tensor]]) -> tuple[Tensor, Tensor, int, list[Layer]]:
    """-> projection [d, c * s * s], its bias [c * s * s], s, and the convolutions after it."""
    if not modules:
        raise TlganError("it has no layers")
    first, rest = modules[0], list(modules[1:])
    weight = first.get("weight")
    if weight is None or weight.ndim not in (2, 4):
        raise TlganError("the first layer has no weight: expected a linear layer or a transposed convolution")
    if weight.ndim == 4:
        project, side = weight.float().flatten(1), weight.shape[2]
        channels = weight.shape[1]
        bias = _bias(first, channels)
        scale, shift = _normalisation(rest, channels)
        bias = (bias * scale + shift).repeat_interleave(side * side)
        project = project * scale.repeat_interleave(side * side)
    else:
        project = weight.float().t()
        bias = _bias(first, project.shape[1])
        following = next((m["weight"] for m in rest if "weight" in m and m["weight"].ndim == 4), None)
        if following is None:
            raise TlganError("there is no transposed convolution after the linear layer")
        channels = following.shape[0]
        side = round((project.shape[1] / channels) ** 0.5)
        if channels * side * side != project.shape[1]:
            raise TlganError(
                f"the linear layer's {project.shape[1]} outputs don't make a square of {channels} channels"
            )
        norm = rest[0].get("running_mean") if rest else None
        if norm is not None and norm.numel() == project.shape[1]:
            scale, shift = _normalisation(rest, project.shape[1])
        else:
            scale, shift = (t.repeat_interleave(side * side) for t in _normalisation(rest, channels))
        project, bias = project * scale, bias * scale + shift
    layers = []
    while rest:
        module = rest.pop(0)
        if "weight" not in module or module["weight"].ndim != 4:
            raise TlganError("there is a layer that is neither a convolution nor a batch normalisation")
        layer = _convolution(module, channels)
        channels = layer.weight.shape[1 if layer.transposed else 0]
        if rest and "running_mean" in rest[0]:
            scale, shift = _normalisation(rest, channels)
            shape = (1, -1, 1, 1) if layer.transposed else (-1, 1, 1, 1)
            layer.weight = layer.weight * scale.view(shape)
            layer.bias = shift if layer.bias is None else layer.bias * scale + shift
        layers.append(layer)
    if not layers or channels not in (1, 3):
        raise TlganError(f"the last layer paints {channels} channels: expected 1 or 3")
    return project, bias, side, layers


def _convolution(module: dict[str, Tensor], channels: int) -> Layer:
    weight = module["weight"].float()
    kernel = weight.shape[2]
    fits_transposed, fits_plain = weight.shape[0] == channels, weight.shape[1] == channels
    if weight.shape[2] != weight.shape[3] or not (fits_transposed or fits_plain):
        raise TlganError(f"a convolution of shape {list(weight.shape)} doesn't follow {channels} channels")
    plain = fits_plain and kernel % 2 == 1 and not (fits_transposed and weight.shape[1] in (1, 3))
    bias = _bias(module, weight.shape[0 if plain else 1]) if "bias" in module else None
    if plain:
        return Layer(weight, bias, transposed=False, stride=1, padding=kernel // 2)
    if not fits_transposed:
        raise TlganError(f"a plain convolution with an even kernel ({kernel}) is not DCGAN-like")
    # stride 2 doubles the side for every kernel: padding (k - 2) / 2, or (k - 1) / 2 and one pixel of output padding
    return Layer(weight, bias, True, 2, (kernel - 1) // 2, output_padding=kernel % 2)


def _bias(module: dict[str, Tensor], channels: int) -> Tensor:
    """The bias of a layer, zeros where it has none: [channels]."""
    bias = module["bias"].float() if "bias" in module else torch.zeros(channels)
    if bias.shape != (channels,):
        raise TlganError(f"a bias of shape {list(bias.shape)} doesn't follow {channels} channels")
    return bias


def _normalisation(rest: list[dict[str, Tensor]], channels: int) -> tuple[Tensor, Tensor]:
    """Scale and shift of the batch normalisation that comes next, taken off `rest`; 1 and 0 where there is none."""
    if not rest or "running_mean" not in rest[0]:
        return torch.ones(channels), torch.zeros(channels)
    norm = {key: tensor.double() for key, tensor in rest.pop(0).items()}
    if "running_var" not in norm or any(tensor.shape != (channels,) for tensor in norm.values()):
        raise TlganError(f"a batch normalisation doesn't follow {channels} channels")
    scale = (norm["running_var"] + _EPSILON).rsqrt() * norm.get("weight", torch.tensor(1.0))
    shift = norm.get("bias", torch.tensor(0.0)) - norm["running_mean"] * scale
    return scale.float(), shift.float()
