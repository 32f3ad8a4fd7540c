"""MobileStyleGAN (Belousov, 2021, arXiv 2104.04767): a StyleGAN2 slimmed for phones.

Three things differ from StyleGAN2. Features are wavelet coefficients: a block begins with an inverse Haar step, which
turns four channels into one of twice the side, without a multiplication by weights. Convolutions are separable,
depthwise 3x3 then pointwise. And there is one picture at the end: its coefficients, and one more step. Styles scale
the input channels of every convolution and of every Haar step; there is no demodulation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_RESOLUTION, Blueprint
from tlgan.generators.interrupt import still_wanted
from tlgan.generators.latents import sample_latents

from .mapping import Mapping as MappingNetwork
from .mobilestylegan_fast import FastSynthesis
from .styled import Styled

_EPSILON = 1e-8  # of the demodulation
_SLOPE = 0.2  # of the leaky ReLUs
_TUNABLE = ("depthwise", "kernel", "bias", "noise")
_MAX_BLOCKS = 11  # 4 px doubled so often, and once more by the picture's own step


@dataclass(slots=True)
class Layer:
    """x -> leaky_relu(pointwise(depthwise(x)) + noise + bias); the first layer has a full 3x3 kernel instead."""

    depthwise: Tensor | None  # [c, 1, 3, 3]
    kernel: Tensor  # [out, c, 1, 1]; the first layer's [out, c, 3, 3]
    noise: Tensor  # [s, s]
    bias: Tensor  # [out]

    def __call__(self, x: Tensor, noise: Tensor | None) -> Tensor:
        """x [n, c, s, s], its style applied; `noise` [s, s] or [n, 1, s, s] -> [n, out, s, s]"""
        if self.depthwise is not None:
            x = F.conv2d(x, self.depthwise, padding=1, groups=x.shape[1])
        x = F.conv2d(x, self.kernel, self.bias, padding=self.kernel.shape[-1] // 2)
        return F.leaky_relu(x if noise is None else x + noise, _SLOPE)


class MobileStyleGAN(Styled):
    """z -> w by a mapping network; w+ [n, num_ws, w_dim] -> pictures.

    The rows of w+ are, in order: the first convolution; for every block its Haar step and its two convolutions; the
    picture.
    """

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        options = blueprint.reader()
        self._open(MappingNetwork(blueprint, options, device), blueprint, device)
        blocks = options.whole("blocks", 1, _MAX_BLOCKS)
        self.num_ws = 2 + 3 * blocks
        gains = options.numbers("style_gains", self.num_ws)
        self._const = blueprint.load("const", None, None, None).to(device)
        channels, side = self._const.shape[:2]
        resolution = side << (blocks + 1)
        if self._const.shape[2] != side or not 1 <= side <= resolution <= MAX_RESOLUTION:
            raise TlganError(f"tensor const of this mobilestylegan is {list(self._const.shape)}: expected [c, 4, 4]")
        inputs = [channels]  # of every style
        start = blueprint.load("start.weight", None, channels, 3, 3)
        self._layers = [_layer(blueprint, "start", start, None, side)]
        channels = start.shape[0]
        for index in range(blocks):
            inputs.append(channels)
            side, channels = 2 * side, _quarter(channels)
            for part in range(2):
                key = f"blocks.{index}.{part}"
                inputs.append(channels)
                depthwise = blueprint.load(f"{key}.depthwise", channels, 3, 3)
                pointwise = blueprint.load(f"{key}.pointwise", None, channels)
                self._layers.append(_layer(blueprint, key, pointwise[..., None, None], depthwise[:, None], side))
                channels = pointwise.shape[0]
        inputs.append(channels)
        picture = blueprint.load("picture.weight", None, channels)
        self._picture = picture[..., None, None].to(device)
        self._picture_bias = blueprint.load("picture.bias", len(picture)).to(device)
        painted = _quarter(len(picture))
        if painted not in (1, 3):
            raise TlganError(f"its last layer paints {painted} channels: expected 1 or 3")
        self._styles = []
        for index, (width, gain) in enumerate(zip(inputs, gains, strict=True)):
            weight = blueprint.load(f"styles.{index}.weight", width, self.w_dim) * gain
            bias = blueprint.load(f"styles.{index}.bias", width) * gain
            self._styles.append((weight.to(device), bias.to(device)))
        for layer in self._layers:
            layer.depthwise = None if layer.depthwise is None else layer.depthwise.to(device)
            layer.kernel, layer.noise, layer.bias = (t.to(device) for t in (layer.kernel, layer.noise, layer.bias))
        self._quick: FastSynthesis | None = None
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=self._mapping.z_dim,
            resolution=resolution,
            channels=painted,
            device=device,
        )

    def style_maps(self) -> list[Tensor]:
        return [weight for weight, _ in self._styles]

    def tunable(self) -> dict[str, tuple[int, Tensor]]:
        return {
            f"layers.{index}.{part}": (layer.noise.shape[-1], tensor)
            for index, layer in enumerate(self._layers)
            for part in _TUNABLE
            if (tensor := getattr(layer, part)) is not None
        }

    def tuned(self, weights: Mapping[str, Tensor]) -> Self:
        other = copy(self)
        other._layers = [
            replace(layer, **{part: weights[key] for part in _TUNABLE if (key := f"layers.{index}.{part}") in weights})
            for index, layer in enumerate(self._layers)
        ]
        other._quick = None
        return other

    @property
    def feature_sides(self) -> tuple[int, ...]:
        return tuple(self._const.shape[-1] << index for index in range(len(self._layers) // 2 + 1))

    def _features(self, latents: Tensor, *, label: Tensor | None, noise: str, side: int) -> Tensor:
        if (quick := self._in_strips(latents, noise)) is not None:
            return quick.features(latents, noise=noise, blocks=self.feature_sides.index(side))
        x = self._const * self._style(latents, 0)
        x = self._layers[0](x, self._noise(0, x, noise))
        for block in range(self.feature_sides.index(side)):
            still_wanted()
            x = inverse_haar(x * self._style(latents, 3 * block + 1))
            for layer in (2 * block + 1, 2 * block + 2):
                x = x * self._style(latents, block + layer + 1)
                x = self._layers[layer](x, self._noise(layer, x, noise))
        return x

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: object
    ) -> Tensor:
        if (quick := self._in_strips(latents, noise)) is not None:
            return quick.pictures(latents, noise=noise)
        x = self._features(latents, label=label, noise=noise, side=self.feature_sides[-1])
        still_wanted()
        x = x * self._style(latents, self.num_ws - 1)
        return inverse_haar(F.conv2d(x, self._picture, self._picture_bias))

    def _in_strips(self, latents: Tensor, noise: str) -> FastSynthesis | None:
        """The quick way to the same pictures, where it can be taken: on a CPU, in full precision, without gradients, and
        not while the network is being exported."""
        special = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu") or torch.onnx.is_in_onnx_export()
        if special or torch.compiler.is_compiling() or noise == "random" or latents.device.type != "cpu":
            return None
        if self._quick is None:
            layers = [(layer.depthwise, layer.kernel, layer.noise, layer.bias) for layer in self._layers]
            picture = self._picture, self._picture_bias
            with torch.inference_mode(False), torch.no_grad():  # else it could only be used in inference mode
                self._quick = FastSynthesis(self._const, layers, self._styles, picture)
        return self._quick

    def _style(self, latents: Tensor, index: int) -> Tensor:
        """Factors of channels [n, c, 1, 1]."""
        return F.linear(latents[:, index], *self._styles[index])[..., None, None]

    def _noise(self, index: int, x: Tensor, noise: str) -> Tensor | None:
        """What is added to every channel of a layer; random noise is as strong as the file's own."""
        own = self._layers[index].noise
        if noise == "random":
            return torch.randn(x.shape[0], 1, *own.shape, device=x.device) * own.std()
        return own if noise == "const" else None


def inverse_haar(x: Tensor) -> Tensor:
    """Wavelet coefficients [n, 4c, h, w] -> [n, c, 2h, 2w].

    The first c channels are means, then come c groups of the details (rows, columns, diagonal), all halved.
    """
    n, quarter, (height, width) = x.shape[0], x.shape[1] // 4, x.shape[2:]
    mean, details = (x * 0.5).tensor_split([quarter], dim=1)
    rows, columns, diagonal = details.view(n, quarter, 3, height, width).unbind(2)
    upper, lower = mean + rows, mean - rows
    left, right = columns + diagonal, columns - diagonal
    pixels = torch.stack([upper + left, upper - left, lower + right, lower - right], dim=2)  # [n, c, 4, h, w]
    return F.pixel_shuffle(pixels.flatten(1, 2), 2)


def _layer(blueprint: Blueprint, key: str, kernel: Tensor, depthwise: Tensor | None, side: int) -> Layer:
    if blueprint.has(f"{key}.noise"):
        noise = blueprint.load(f"{key}.noise", side, side)
    else:  # a training checkpoint, whose code draws it anew for each picture: a fixed one of our own
        drawn = torch.from_numpy(sample_latents(1, side * side, seed=side + int(key.endswith(".1")))).view(side, side)
        noise = drawn * blueprint.load(f"{key}.noise_strength", 1)
    if blueprint.has(f"{key}.style_inv"):  # a fixed style stands for all in the demodulation
        whole = kernel if depthwise is None else depthwise.transpose(0, 1) * kernel
        style = blueprint.load(f"{key}.style_inv", 1, 1, whole.shape[1], 1, 1)[0] / math.sqrt(whole[0].numel())
        kernel = kernel * ((style * whole).square().sum(dim=(1, 2, 3), keepdim=True) + _EPSILON).rsqrt()
    return Layer(depthwise, kernel, noise, blueprint.load(f"{key}.bias", len(kernel)))


def _quarter(channels: int) -> int:
    if channels % 4:
        raise TlganError(f"a Haar step has {channels} channels: expected a multiple of four")
    return channels // 4
