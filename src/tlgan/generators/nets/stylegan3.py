"""StyleGAN3 (Karras et al., 2021), t and r, and StyleGAN-XL (Sauer et al., 2022), which grew from it: synthesis as the processing of continuous signals.

The input is a set of sinusoids that a 3x3 `transform` moves and turns in the plane; every layer's nonlinearity runs
at a higher sampling rate, between two low-pass filters, so that nothing aliases. Each layer's sampling rates, padding
and filters are read from the file.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_LAYERS, MAX_RESOLUTION, Blueprint, Options
from tlgan.generators.checkpoint.persistence import Module
from tlgan.generators.interrupt import still_wanted

from .filtering import Filter
from .mapping import Dense, Mapping
from .styled import Styled
from .stylegan2 import load_filter, set_mapping_rate
from .stylegan2_ada import mapping_options

_EPSILON = 1e-8
_MAX_SIDE = 2 * MAX_RESOLUTION
_CHANNELS = 8  # filtered at a time on a processor: what is upsampled stays in its caches
_DENSE = ("weight_gain", "bias_gain", "activation")
_LAYER = ("is_torgb", "up_factor", "down_factor", "padding", "conv_clamp", "in_size", "out_size")


# -- from the file ---------------------------------------------------------------------------------------------


def is_stylegan3_module(module: Module) -> bool:
    return "mapping" in module and "synthesis" in module and "input" in module.child("synthesis")


def read_stylegan3_module(module: Module) -> Blueprint:
    """The blueprint of a pickled `Generator` whose synthesis is an input and layers L0_..., L1_..."""
    synthesis = module.child("synthesis")
    names = synthesis.attribute("layer_names") or [name for name in synthesis.children if name != "input"]
    if not isinstance(names, list) or len(names) > MAX_LAYERS or not all(isinstance(name, str) for name in names):
        raise TlganError("its synthesis network has no list of layers")
    layers = []
    for name in names:
        layer = synthesis.child(name)
        affine = layer.child("affine").attributes(*_DENSE)
        layers.append({"name": name, **layer.attributes(*_LAYER), "affine": affine})
    source = synthesis.child("input")
    options = mapping_options(module) | {
        "layers": layers,
        "output_scale": synthesis.attribute("output_scale", 1.0),
        "input": source.attributes("size", "sampling_rate", "bandwidth")
        | {"affine": source.child("affine").attributes(*_DENSE)},
    }
    tensors = {name.removeprefix("synthesis."): tensor for name, tensor in module.tensors().items()}
    return Blueprint("stylegan3", options, tensors, {"format": "StyleGAN3 (official PyTorch)"})


# -- the network -----------------------------------------------------------------------------------------------


class FourierInput:
    """w [n, w_dim] -> a picture of sinusoids [n, channels, size, size], moved by `transform` and by w itself."""

    def __init__(self, blueprint: Blueprint, options: Options, device: str, w_dim: int) -> None:
        weight = blueprint.load("input.weight", None, None)
        self.channels = len(weight)
        if weight.shape[1] != self.channels:
            raise TlganError(f"tensor input.weight is {list(weight.shape)}: expected a square")
        self._weight = (weight / math.sqrt(self.channels)).t().contiguous().to(device)
        self._frequencies = blueprint.load("input.freqs", self.channels, 2).to(device)
        self._phases = blueprint.load("input.phases", self.channels).to(device)
        self.transform = blueprint.load("input.transform", 3, 3).to(device)
        self._affine = Dense(blueprint, "input.affine", options.section("affine"), device, w_dim, 4)
        self.width, self.height = options.wholes("size", 2, 1, _MAX_SIDE)
        self._rate = options.number("sampling_rate", low=1e-3)
        self._bandwidth = options.number("bandwidth", low=0, high=self._rate / 2)

    def __call__(self, w: Tensor, transform: Tensor) -> Tensor:
        """`transform` is [3, 3] or [n, 3, 3]."""
        moved = self._own_transform(w) @ transform  # [n, 3, 3]
        phases = self._phases + (self._frequencies @ moved[:, :2, 2:]).squeeze(2)  # [n, c]
        frequencies = self._frequencies @ moved[:, :2, :2]  # [n, c, 2]
        highest, band = self._rate / 2, self._bandwidth
        amplitudes = (1 - (frequencies.norm(dim=2) - band) / (highest - band)).clamp(0, 1)  # [n, c]
        x = _centres(self.width, w.device) * (self.width / (2 * self._rate))
        y = _centres(self.height, w.device) * (self.height / (2 * self._rate))
        turns = (
            x[None, None, :, None] * frequencies[:, None, None, :, 0]
            + y[None, :, None, None] * frequencies[:, None, None, :, 1]
            + phases[:, None, None, :]
        )  # [n, h, w, c]
        waves = torch.sin(turns * (2 * math.pi)) * amplitudes[:, None, None, :]
        features: Tensor = waves @ self._weight
        return features.permute(0, 3, 1, 2)

    def _own_transform(self, w: Tensor) -> Tensor:
        """The rotation and shift that w asks for, [n, 3, 3]."""
        t = self._affine(w)  # [n, 4]: cosine, sine, x, y
        t = t / t[:, :2].norm(dim=1, keepdim=True)
        cosine, sine, x, y = t.unbind(dim=1)
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        rotation = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], dim=1).view(-1, 3, 3)
        shift = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1).view(-1, 3, 3)
        return rotation @ shift


def _centres(size: int, device: torch.device) -> Tensor:
    """Centres of `size` pixels of the interval [-1, 1]."""
    return (torch.arange(size, device=device) * 2 + 1) / size - 1


class FilteredLayer:
    """affine(w) -> style; modulated convolution, then a leaky ReLU between two filters."""

    def __init__(self, blueprint: Blueprint, options: Options, device: str, *, channels: int, w_dim: int) -> None:
        name = options.text("name")
        to_rgb = options.truth("is_torgb", False)
        weight = blueprint.load(f"{name}.weight", None, channels, None, None)
        self.channels, _, self._kernel, other = weight.shape
        if self._kernel != other or self._kernel % 2 == 0:
            raise TlganError(f"tensor {name}.weight has a {self._kernel}x{other} kernel: expected an odd square")
        self.affine = Dense(blueprint, f"{name}.affine", options.section("affine"), device, w_dim, channels)
        input_gain = blueprint.load(f"{name}.magnitude_ema").clamp(min=1e-30).rsqrt()
        self._style_gain = 1 / math.sqrt(channels * self._kernel**2) if to_rgb else 1.0
        self._demodulate = not to_rgb
        if not to_rgb:
            weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
        self._energy = weight.square().sum(dim=(2, 3)).t().contiguous().to(device)  # [in, out]
        self._weight = (weight * input_gain).to(device)
        self._bias = blueprint.load(f"{name}.bias", self.channels).to(device)
        self._gain, self._slope = (1.0, 1.0) if to_rgb else (math.sqrt(2), 0.2)
        self._clamp = options.optional_number("conv_clamp", low=0)
        self._up = options.whole("up_factor", 1, 8, 1)
        self._down = options.whole("down_factor", 1, 8, 1)
        left, right, top, bottom = options.wholes("padding", 4, -_MAX_SIDE, _MAX_SIDE)
        self._padding = (left, right, top, bottom)
        self._up_filter = self._load(blueprint, f"{name}.up_filter", float(self._up**2), device)
        self._down_filter = self._load(blueprint, f"{name}.down_filter", 1.0, device)

    @staticmethod
    def _load(blueprint: Blueprint, name: str, gain: float, device: str) -> Filter | None:
        return Filter(load_filter(blueprint, name), gain, device) if blueprint.has(name) else None

    def __call__(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w) * self._style_gain
        if self._demodulate:
            style = style * style.square().mean(dim=1, keepdim=True).rsqrt()  # cancels below but for its rounding
        x = F.conv2d(x * style[:, :, None, None], self._weight, padding=self._kernel - 1)
        if self._demodulate:
            x = x * ((style.square() @ self._energy) + _EPSILON).rsqrt()[:, :, None, None]
        x = x + self._bias[:, None, None]
        together = _CHANNELS if x.device.type == "cpu" else x.shape[1]
        return torch.cat([self._shape(part) for part in torch.split(x, together, dim=1)], dim=1)

    def _shape(self, x: Tensor) -> Tensor:
        """The nonlinearity between its two filters."""
        x = _resample(x, self._up_filter, up=self._up, pad=self._padding)
        if self._slope != 1:
            x = F.leaky_relu(x, self._slope)
        if self._gain != 1:
            x = x * self._gain
        if self._clamp is not None:
            x = x.clamp(-self._clamp, self._clamp)
        return _resample(x, self._down_filter, down=self._down)


def _resample(
    x: Tensor, fir: Filter | None, *, up: int = 1, down: int = 1, pad: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> Tensor:
    if fir is not None:
        return fir(x, up=up, down=down, pad=pad)
    if up != 1:
        raise TlganError("a layer upsamples without a filter: expected one")
    return F.pad(x, pad)[:, :, ::down, ::down] if any(pad) or down != 1 else x


class StyleGAN3(Styled):
    """z -> w by a mapping network; w+ [n, num_ws, w_dim] -> pictures. `transform` [3, 3] moves and turns them."""

    load_options: ClassVar = ("conv_clamp", "output_scale", "mapping_lr")
    paint_options: ClassVar = ("transform",)

    @classmethod
    def set_option(cls, options: dict[str, Any], key: str, value: Any) -> None:
        if key == "output_scale":
            options[key] = value
        elif key == "mapping_lr":
            set_mapping_rate(options, value)
        else:
            layers = options.get("layers")
            for layer in layers if isinstance(layers, list) else []:
                if isinstance(layer, dict):
                    layer.pop(key, None)
                    layer |= {key: value} if value else {}

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        options = blueprint.reader()
        mapping = Mapping(blueprint, options, device)
        self._open(mapping, blueprint, device, classes=True)  # StyleGAN-XL has a mean of w for each class
        self._input = FourierInput(blueprint, options.section("input"), device, self.w_dim)
        self._layers: list[FilteredLayer] = []
        channels = self._input.channels
        for section in options.sections("layers"):
            self._layers.append(FilteredLayer(blueprint, section, device, channels=channels, w_dim=self.w_dim))
            channels = self._layers[-1].channels
        self._scale = options.number("output_scale", 1.0)
        self.num_ws = 1 + len(self._layers)
        if channels not in (1, 3) or not self._layers:
            raise TlganError(f"its last layer paints {channels} channels: expected 1 or 3")
        sizes = [section.wholes("out_size", 2, 1, MAX_RESOLUTION) for section in options.sections("layers")]
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=self._mapping.z_dim,
            resolution=sizes[-1][0],
            channels=channels,
            device=device,
        )
        # by the side of a square of features: the last layer that has it, margins included
        self._pyramid = {size[0]: layer for layer, size in enumerate(sizes[:-1]) if size[0] == size[1]}

    @property
    def feature_sides(self) -> tuple[int, ...]:
        return tuple(sorted(self._pyramid))

    def _features(self, latents: Tensor, *, label: Tensor | None, noise: str, side: int) -> Tensor:
        return self._run(latents, self._input.transform, self._pyramid[side] + 1)

    def style_maps(self) -> list[Tensor]:
        return [layer.affine.weight for layer in self._layers]

    def _paint(
        self,
        latents: Tensor,
        *,
        label: Tensor | None,
        noise: str,
        resolution: int | None,
        transform: Any = None,
        **options: Any,
    ) -> Tensor:
        matrix = self._input.transform
        if transform is not None:
            matrix = torch.as_tensor(transform, dtype=torch.float32, device=self.device)
            if matrix.shape not in ((3, 3), (1, 3, 3), (len(latents), 3, 3)):
                raise TlganError(f"transform of shape {list(matrix.shape)} doesn't fit: expected [3, 3] or [n, 3, 3]")
        x = self._run(latents, matrix, len(self._layers))
        return x * self._scale if self._scale != 1 else x

    def _run(self, latents: Tensor, transform: Tensor, count: int) -> Tensor:
        """What comes out of the first `count` layers."""
        x = self._input(latents[:, 0], transform)
        for index, layer in enumerate(self._layers[:count]):
            still_wanted()
            x = layer(x, latents[:, index + 1])
        return x
