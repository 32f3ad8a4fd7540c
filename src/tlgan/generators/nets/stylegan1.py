"""StyleGAN (Karras et al., 2019): w sets the mean and spread of every channel after each convolution.

A layer is a convolution (doubling the picture where it is the first of its size), a blur, noise, bias, activation, then
instance normalisation, and a scale and a shift of every channel that are affine in w. Networks grew, so every size has a
layer that paints, and `lod` fades between them.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_RESOLUTION, Blueprint, Options
from tlgan.generators.interrupt import still_wanted
from tlgan.generators.latents import sample_latents

from .filtering import Filter
from .growing import Grown, doubling_kernel, enlarge, is_fused
from .mapping import Dense, Mapping
from .styled import Styled
from .stylegan2 import load_filter

_EPSILON = 1e-8
_SLOPES = {"lrelu": 0.2, "relu": 0.0}


class StyledLayer:
    """One layer: from the features before it and its row of w+ to its features."""

    def __init__(
        self,
        blueprint: Blueprint,
        name: str,
        options: Options,
        network: Options,
        device: str,
        sizes: tuple[int, int, int],
    ) -> None:
        channels, side, w_dim = sizes
        self.kind = options.choice("kind", ("const", "plain", "doubled", "fused"))
        self._weight: Tensor | None = None
        self._blur: Filter | None = None
        if self.kind == "const":
            self.const = blueprint.load(f"{name}.const", None, side, side).to(device)
            self.channels = len(self.const)
        else:
            weight = blueprint.load(f"{name}.weight", None, channels, None, None) * options.number("weight_gain")
            self.channels, _, kernel, other = weight.shape
            if kernel != other or kernel % 2 == 0:
                raise TlganError(f"tensor {name}.weight has a {kernel}x{other} kernel: expected an odd square")
            self._padding = kernel // 2
            self._weight = (doubling_kernel(weight) if self.kind == "fused" else weight).contiguous().to(device)
            if blueprint.has(f"{name}.blur"):
                fir = load_filter(blueprint, f"{name}.blur")
                if fir.shape[0] != fir.shape[-1] or len(fir) % 2 == 0:
                    raise TlganError(f"tensor {name}.blur is {list(fir.shape)}: expected an odd square")
                self._blur = Filter(fir.flip(*range(fir.ndim)), device=device)  # it is correlated with
                self._blur_padding = len(fir) // 2
        self._bias: Tensor | None = None
        if blueprint.has(f"{name}.bias") or self.kind != "const":
            self._bias = blueprint.load(f"{name}.bias", self.channels)[:, None, None].to(device)
        self._bias_first = options.truth("bias_before_blur", False)
        self._activated_first = options.truth("activation_before_blur", False)
        self._strength: Tensor | None = None
        if blueprint.has(f"{name}.noise_strength"):
            strength = blueprint.load(f"{name}.noise_strength", self.channels) * options.number("noise_gain", 1.0)
            self._strength = strength[:, None, None].to(device)
            if blueprint.has(f"{name}.noise"):
                noise = blueprint.load(f"{name}.noise", side, side)
            else:  # code that draws noise anew for each picture keeps none: a fixed one of our own
                noise = torch.from_numpy(sample_latents(1, side * side, seed=side)).view(side, side)
            self._noise = noise.to(device)
        self.style = Dense(blueprint, f"{name}.style", options.section("style"), device, w_dim, 2 * self.channels)
        self._shift = network.number("style_shift", 0.0)
        self._slope = _SLOPES[network.choice("activation", tuple(_SLOPES), "lrelu")]
        self._pixel_norm = network.truth("pixel_norm", False)
        self._instance_norm = network.truth("instance_norm", True)
        self._epsilon = network.number("epsilon", _EPSILON, low=0, high=1)

    def __call__(self, x: Tensor, w: Tensor, noise: str) -> Tensor:
        if self._weight is None:
            x = self.const.expand(w.shape[0], -1, -1, -1)
        elif self.kind == "fused":
            x = F.conv_transpose2d(x, self._weight, stride=2, padding=self._padding)
        else:
            x = F.conv2d(enlarge(x, 2) if self.kind == "doubled" else x, self._weight, padding=self._padding)
        if self._bias is not None and self._bias_first:
            x = x + self._bias
        if self._activated_first:
            x = F.leaky_relu(x, self._slope)
        if self._blur is not None:
            x = self._blur(x, pad=(self._blur_padding,) * 4)
        if self._strength is not None and noise != "none":
            drawn = torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device) if noise == "random" else self._noise
            x = x + drawn * self._strength
        if self._bias is not None and not self._bias_first:
            x = x + self._bias
        x = F.leaky_relu(x, self._slope)
        if self._pixel_norm:
            x = x * (x.square().mean(dim=1, keepdim=True) + _EPSILON).rsqrt()
        if self._instance_norm:
            x = x - x.mean(dim=(2, 3), keepdim=True)
            x = x * (x.square().mean(dim=(2, 3), keepdim=True) + self._epsilon).rsqrt()
        scale, shift = self.style(w)[:, :, None, None].chunk(2, dim=1)
        return x * (scale + self._shift) + shift


class StyleGAN1(Grown, Styled):
    """z -> w by a mapping network; w+ [n, num_ws, w_dim], one row a layer -> pictures. `lod` as in `growing`."""

    load_options: ClassVar = ("lod", "fused_scale", "resolution")

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        options = blueprint.reader()
        self._open(Mapping(blueprint, options, device), blueprint, device)
        self._layers: list[StyledLayer] = []
        channels = 0
        sections = list(options.sections("layers", 24))
        if "resolution" in options:
            sections = sections[: self._wanted(options, len(sections))]
        for index, section in enumerate(sections):
            sizes = channels, 4 << (index // 2), self.w_dim
            layer = StyledLayer(blueprint, f"layers.{index}", section, options, device, sizes)
            if (layer.kind == "const") != (index == 0) or (layer.kind in ("doubled", "fused")) != (
                index > 1 and index % 2 == 0
            ):
                raise TlganError(
                    f"its layer {index} is {layer.kind}: expected two layers a size, the first doubling it"
                )
            self._layers.append(layer)
            channels = layer.channels
        levels, self.num_ws = len(self._layers) // 2, len(self._layers)
        resolution = 2 << levels
        if not levels or self.num_ws % 2 or resolution > MAX_RESOLUTION:
            raise TlganError(f"it has {self.num_ws} layers: expected two a size, from 4x4 on")
        self._pictures: list[tuple[Tensor, Tensor]] = []
        for level, section in zip(range(levels), options.sections("pictures", 12), strict=False):
            weight = blueprint.load(f"pictures.{level}.weight", None, self._layers[2 * level + 1].channels, 1, 1)
            bias = blueprint.load(f"pictures.{level}.bias", len(weight)).to(device)
            self._pictures.append(((weight * section.number("weight_gain")).to(device), bias))
        painted = {len(bias) for _, bias in self._pictures}
        if painted not in ({1}, {3}) or len(self._pictures) != levels:
            raise TlganError(f"its ToRGB layers paint {sorted(painted)} channels: expected 1 or 3 in each of {levels}")
        self._levels = levels
        self.lod = options.number("lod", 0.0, low=0, high=32)
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=self._mapping.z_dim,
            resolution=resolution,
            channels=painted.pop(),
            device=device,
        )

    @staticmethod
    def _wanted(options: Options, count: int) -> int:
        """How many of `count` layers a smaller `resolution` takes."""
        side = options.whole("resolution", 4, MAX_RESOLUTION)
        layers = next((2 * level for level in range(1, 12) if 2 << level == side), 0)
        if not 0 < layers <= count:
            raise TlganError(f"resolution {side} is none of its sizes: expected 4, 8, ... or {2 << (count // 2)}")
        return layers

    @classmethod
    def set_option(cls, options: dict[str, Any], key: str, value: Any) -> None:
        if key != "fused_scale":
            options[key] = value
            return
        layers = options.get("layers")
        for index, layer in enumerate(layers if isinstance(layers, list) else []):
            if index and index % 2 == 0 and isinstance(layer, dict):
                layer["kind"] = "fused" if is_fused(value, 4 << (index // 2)) else "doubled"

    def style_maps(self) -> list[Tensor]:
        return [layer.style.weight for layer in self._layers]

    def _rgb(self, x: Tensor, level: int) -> Tensor:
        return F.conv2d(x, *self._pictures[level])

    def _block(self, x: Tensor, level: int, latents: Tensor, noise: str) -> Tensor:
        still_wanted()
        for index in (2 * level, 2 * level + 1):
            x = self._layers[index](x, latents[:, index], noise)
        return x
