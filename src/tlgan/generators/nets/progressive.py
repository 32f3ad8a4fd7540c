"""Progressive GANs of two PyTorch code bases: akanimax's pro-gan-pth (both formats) and pytorch_GAN_zoo.

Both grow as Karras et al. (2018) do, with nearest upsampling, a leaky slope of 0.2 and weights scaled as they are used. They
differ in what is normalised, and in whether biases are scaled too.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.base import LatentGenerator
from tlgan.generators.blueprint import MAX_LAYERS, Blueprint
from tlgan.generators.checkpoint.state_dicts import State
from tlgan.generators.interrupt import still_wanted

_EPSILON = 1e-8
_SLOPE = 0.2
# which tensors: the dense one, convolutions of the first block, of block k, and what makes pictures of level k
_NAMES = {
    "pro-gan-pth": ("initial_block.conv_1", "initial_block.conv_2", "layers.{0}.conv_1", "layers.{0}.conv_2", "rgb_converters.{0}"),
    "pro-gan-pth 3": ("layers.0.conv_1", "layers.0.conv_2", "layers.{1}.conv_1", "layers.{1}.conv_2", "rgb_converters.{0}"),
    "pytorch_GAN_zoo": (
        "formatLayer.module", "groupScale0.0.module", "scaleLayers.{0}.0.module", "scaleLayers.{0}.1.module",
        "toRGBLayers.{0}.module",
    ),
}  # fmt: skip


def progressive_kind(state: State) -> str | None:
    """Which code base wrote these names; None for none of them."""
    for kind, (dense, first, *_, rgb) in _NAMES.items():
        if all(f"{name.format(0, 1)}.weight" in state for name in (dense, first, rgb)):
            shape = state[f"{dense}.weight"].shape
            if len(shape) == (2 if kind == "pytorch_GAN_zoo" else 4) and shape[2:] in ((), (4, 4)):
                return kind
    return None


def read_progressive(state: State) -> Blueprint:
    kind = progressive_kind(state)
    return Blueprint("progressive", {"kind": kind}, state, {"format": f"pg-GAN ({kind})"})


class Progressive(LatentGenerator):
    """z [n, latent_dim] -> pictures. `depth`, 0 for 4 pixels, 1 for 8 ...: how far a network was grown that holds more
    layers than were trained; `output`: "none" or "tanh", which pytorch_GAN_zoo's loss decides; `equalized`: false where
    weights are used as they are."""

    load_options: ClassVar = ("depth", "output", "equalized")

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        options = blueprint.reader()
        kind = options.choice("kind", tuple(_NAMES))
        self._zoo = kind == "pytorch_GAN_zoo"
        dense, first, one, two, rgb = _NAMES[kind]
        self._equalized = options.truth("equalized", True)
        self._output = options.choice("output", ("none", "tanh"), "none")
        levels = sum(blueprint.has(f"{rgb.format(k)}.weight") for k in range(MAX_LAYERS))
        self._depth = options.whole("depth", 0, levels - 1, levels - 1)
        self._normalize_latents = kind != "pro-gan-pth"
        self._between = self._zoo  # whether what the dense layer gives is normalised

        def layer(name: str) -> tuple[Tensor, Tensor]:
            weight = blueprint.load(f"{name}.weight", *(None for _ in blueprint.shape(f"{name}.weight")))
            bias = blueprint.load(f"{name}.bias", None)
            if self._equalized:
                fan_in = weight.shape[0] if name == dense and not self._zoo else math.prod(weight.shape[1:])
                gain = math.sqrt(2 / max(1, fan_in))
                weight, bias = weight * gain, bias * gain if self._zoo else bias
            return weight.to(device), bias.to(device)

        weight, bias = layer(dense)
        if self._zoo:
            if weight.shape[0] % 16:
                raise TlganError(f"tensor {dense}.weight is {list(weight.shape)}: expected 16 numbers a channel")
            self._dense, self._dense_bias = weight.t().contiguous(), bias
        else:
            self._dense, self._dense_bias = weight.flatten(1), bias.repeat_interleave(16)
        self._blocks = [[layer(first)]]
        self._blocks += [[layer(part.format(k, k + 1)) for part in (one, two)] for k in range(self._depth)]
        self._rgb = layer(rgb.format(self._depth))
        channels = self._rgb[0].shape[0]
        if channels not in (1, 3):
            raise TlganError(f"its last layer paints {channels} channels: expected 1 or 3")
        open_now: dict[str, object] = {"equalized": True} if "equalized" not in options else {}
        open_now |= {"output": "none"} if self._zoo and "output" not in options else {}
        open_now |= {"depth": self._depth} if "depth" not in options else {}
        self.assumed = tuple(f"{key}={str(value).lower()}" for key, value in open_now.items())
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=self._dense.shape[0],
            resolution=4 << self._depth,
            channels=channels,
            device=device,
        )

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        x = _unit(latents) if self._normalize_latents else latents
        x = F.leaky_relu(torch.addmm(self._dense_bias, x, self._dense), _SLOPE).view(len(x), -1, 4, 4)
        x = _unit(x) if self._between else x
        for level, block in enumerate(self._blocks):
            still_wanted()
            x = F.interpolate(x, scale_factor=2, mode="nearest") if level else x
            for weight, bias in block:
                x = _unit(F.leaky_relu(F.conv2d(x, weight, bias, padding=1), _SLOPE))
        images = F.conv2d(x, *self._rgb)
        return torch.tanh(images) if self._output == "tanh" else images


def _unit(x: Tensor) -> Tensor:
    """Each pixel's channels at a mean square of one."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + _EPSILON)
