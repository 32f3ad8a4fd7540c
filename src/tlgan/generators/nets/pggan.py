"""Progressive GANs (Karras et al., 2018) as TensorFlow 1 pickled them: a triple of `tfutil.Network`.

A latent becomes a 4x4 picture of features, every block doubles it, and `ToRGB_lod<n>` can paint after each of them;
`lod` (level of detail) fades between two sizes as it did in training. The variables keep TensorFlow's layouts: a
plain kernel is [k, k, in, out]; a fused upscaling one is [k, k, out, in], to be widened by one pixel and used
transposed. Equalised learning rate: each stored weight is to be multiplied by gain / sqrt(fan-in).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_RESOLUTION, Blueprint
from tlgan.generators.checkpoint.state_dicts import missing
from tlgan.generators.interrupt import still_wanted

from .growing import Grown, doubling_kernel, enlarge
from .tensorflow import number_of, static_options, variables

_DEFAULTS: dict[str, Any] = {
    "normalize_latents": True,
    "use_wscale": True,
    "use_pixelnorm": True,
    "pixelnorm_epsilon": 1e-8,
    "use_leakyrelu": True,
    "label_size": 0,
}


# -- from the file ---------------------------------------------------------------------------------------------


def is_pggan(state: Mapping[str, Any]) -> bool:
    """Whether it is the state of a progressive GAN: what its network has no parts is one."""
    return not isinstance(state.get("components"), dict) or not state["components"]


def read_pggan(state: Mapping[str, Any], network: str | None) -> Blueprint:
    """The blueprint of a pickled network of TensorFlow."""
    static = static_options(state)
    tensors = variables(state)
    lod = number_of(tensors.pop("lod", None))
    options = {key: static.get(key, default) for key, default in _DEFAULTS.items()}
    source = {"format": "pg-GAN (TensorFlow 1)", "network": network or "Gs"}
    return Blueprint("pggan", options | {"lod": lod}, tensors, source)


# -- the network -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Layer:
    weight: Tensor  # plain: [out, in, k, k]; upscaling: [in, out, 4, 4]
    bias: Tensor
    upscaling: bool = False


class PGGAN(Grown):
    """z [n, latent_dim] and labels [n, label_dim] -> pictures. `lod` 0 paints every detail, 1 half the size, ..."""

    load_options: ClassVar = ("lod",)

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        options = blueprint.reader()
        self._normalize = options.truth("normalize_latents", True)
        self._pixelnorm = options.truth("use_pixelnorm", True)
        self._epsilon = options.number("pixelnorm_epsilon", 1e-8, low=0, high=1)
        self._of_root = options.truth("pixelnorm_of_root", False)
        self._slope = 0.2 if options.truth("use_leakyrelu", True) else 0.0
        self._wscale = options.truth("use_wscale", True)
        self._fused_fan_out = options.truth("fused_fan_out", False)
        self.label_dim = options.whole("label_size", 0, 4096, 0)
        dense = _dense(blueprint, options.truth("dense_flipped", False))
        inputs, units = dense.shape
        self._dense = self._scaled(dense, math.sqrt(2) / 4, inputs).to(device)
        self._dense_bias = blueprint.load("4x4/Dense/bias", units // 16).to(device)
        if units % 16 or inputs <= self.label_dim:
            raise TlganError(f"tensor 4x4/Dense/weight is [{inputs}, {units}], with {self.label_dim} labels: damaged")
        self._blocks: list[list[_Layer]] = []
        side, channels = 4, units // 16
        while side <= MAX_RESOLUTION and blueprint.has(_first_layer(blueprint, side)):
            block, channels = self._load_block(blueprint, side, channels, device)
            self._blocks.append(block)
            side *= 2
        resolution = side // 2
        if not self._blocks:
            raise missing("4x4/Conv/weight", "pggan")
        self._to_rgb = [self._load_to_rgb(blueprint, level, device) for level in range(len(self._blocks))]
        self._levels = len(self._blocks)
        self.lod = options.number("lod", 0.0, low=0, high=32)
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=inputs - self.label_dim,
            resolution=resolution,
            channels=self._to_rgb[0].weight.shape[0],
            device=device,
        )
        if any(layer.weight.shape[0] != self.channels for layer in self._to_rgb) or self.channels not in (1, 3):
            raise TlganError(f"its ToRGB layers paint {self.channels} channels: expected 1 or 3")

    def _scaled(self, weight: Tensor, gain: float, fan_in: int) -> Tensor:
        return weight * (gain / math.sqrt(fan_in)) if self._wscale else weight

    def _load_block(self, blueprint: Blueprint, side: int, channels: int, device: str) -> tuple[list[_Layer], int]:
        names = ("Conv",) if side == 4 else (_first_layer(blueprint, side).split("/")[1], "Conv1")
        block = []
        for name in names:
            key = f"{side}x{side}/{name}"
            fused = name == "Conv0_up"
            shape = (None, None, None, channels) if fused else (None, None, channels, None)
            weight = blueprint.load(f"{key}/weight", *shape)
            kernel = weight.shape[0]
            if kernel != weight.shape[1] or kernel % 2 == 0 or (fused and kernel != 3):
                raise TlganError(f"tensor {key}/weight has a {kernel}x{weight.shape[1]} kernel: expected 3x3")
            fan = weight.shape[2] if fused and self._fused_fan_out else channels
            weight = self._scaled(weight, math.sqrt(2), kernel * kernel * fan)
            weight = weight.permute(3, 2, 0, 1)  # fused: [in, out, k, k]; plain: [out, in, k, k]
            channels = weight.shape[1 if fused else 0]
            if fused:
                weight = doubling_kernel(weight.transpose(0, 1))
            bias = blueprint.load(f"{key}/bias", channels)
            block.append(_Layer(weight.contiguous().to(device), bias.to(device), fused))
        return block, channels

    def _load_to_rgb(self, blueprint: Blueprint, level: int, device: str) -> _Layer:
        lod = len(self._blocks) - 1 - level
        last = self._blocks[level][-1]
        channels = last.weight.shape[0]
        weight = blueprint.load(f"ToRGB_lod{lod}/weight", 1, 1, channels, None)
        weight = self._scaled(weight, 1.0, channels).permute(3, 2, 0, 1).contiguous()
        bias = blueprint.load(f"ToRGB_lod{lod}/bias", weight.shape[0])
        return _Layer(weight.to(device), bias.to(device))

    # -- painting ----------------------------------------------------------------------------------------------

    def first_maps(self) -> list[Tensor]:
        return [self._dense[: self.latent_dim].T]

    def _ground(self, latents: Tensor, label: Tensor | None) -> Tensor:
        """What the first block begins with, [n, c, 4, 4]."""
        x = latents if label is None else torch.cat([latents, label], dim=1)
        if self._normalize:
            x = self._unit(x)
        x = (x @ self._dense).view(-1, self._dense.shape[1] // 16, 4, 4)
        return self._activate(x + self._dense_bias[:, None, None])

    def _block(self, x: Tensor, level: int, latents: Tensor, noise: str) -> Tensor:
        still_wanted()
        for index, layer in enumerate(self._blocks[level]):
            if layer.upscaling:
                x = F.conv_transpose2d(x, layer.weight, layer.bias, stride=2, padding=1)
            else:
                if level and not index:
                    x = enlarge(x, 2)
                x = F.conv2d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)
            x = self._activate(x)
        return x

    def _rgb(self, x: Tensor, level: int) -> Tensor:
        return F.conv2d(x, self._to_rgb[level].weight, self._to_rgb[level].bias)

    def _activate(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(x, self._slope)
        return self._unit(x) if self._pixelnorm else x

    def _unit(self, x: Tensor) -> Tensor:
        """Every pixel's channels at a mean square of one; the epsilon is added to it, or to its root."""
        mean = x.square().mean(dim=1, keepdim=True)
        return x / (mean.sqrt() + self._epsilon) if self._of_root else x * torch.rsqrt(mean + self._epsilon)


def _dense(blueprint: Blueprint, flipped: bool) -> Tensor:
    """The first weight [inputs, channels * 16]; from [inputs, channels, 4, 4], the kernel of a convolution of one pixel
    with a padding of 3, where code keeps it so."""
    if not flipped:
        return blueprint.load("4x4/Dense/weight", None, None)
    return blueprint.load("4x4/Dense/weight", None, None, 4, 4).flip(2, 3).flatten(1)


def _first_layer(blueprint: Blueprint, side: int) -> str:
    """Name of the first weight of the block that paints `side` pixels."""
    if side == 4:
        return "4x4/Conv/weight"
    fused = f"{side}x{side}/Conv0_up/weight"
    return fused if blueprint.has(fused) else f"{side}x{side}/Conv0/weight"
