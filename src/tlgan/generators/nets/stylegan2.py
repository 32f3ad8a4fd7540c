"""StyleGAN2 (Karras et al., 2020): w steers every convolution by scaling its input channels.

The architectures `skip`, `resnet` and `orig` differ in how blocks are joined. Modulating the features rather than the
weights makes a batch one convolution with shared weights: conv(x, w * s) = conv(x * s, w), and demodulation, which
divides by the norm of w * s, is a factor of each output channel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_RESOLUTION, Blueprint, Options
from tlgan.generators.interrupt import still_wanted
from tlgan.generators.latents import sample_latents

from .activations import ACTIVATIONS, bias_act
from .filtering import Filter
from .mapping import Dense, Mapping
from .styled import Styled

_EPSILON = 1e-8


class ModulatedLayer:
    """affine(w) -> style; modulated convolution, noise, bias, activation. `up` 2 doubles the picture."""

    def __init__(
        self,
        blueprint: Blueprint,
        name: str,
        options: Options,
        device: str,
        *,
        channels: int,
        w_dim: int,
        side: int,
        to_rgb: bool = False,
    ) -> None:
        self.up = options.whole("up", 1, 2, 1)
        self.weight = blueprint.load(f"{name}.weight", None, channels, None, None).to(device)  # [out, in, k, k]
        self.channels, _, self.kernel, other = self.weight.shape
        if self.kernel != other or self.kernel % 2 == 0:
            raise TlganError(f"tensor {name}.weight has a {self.kernel}x{other} kernel: expected an odd square")
        affine = options.section("affine")
        self.affine = Dense(blueprint, f"{name}.affine", affine, device, w_dim, channels)
        self._bias = blueprint.load(f"{name}.bias", self.channels).to(device)
        self._activation = options.choice("activation", tuple(ACTIVATIONS), "linear" if to_rgb else "lrelu")
        self._gain = options.number("act_gain", ACTIVATIONS[self._activation][1])
        self._clamp = options.optional_number("conv_clamp", low=0)
        self._demodulate = not to_rgb
        gain = options.number("weight_gain", 1.0)
        self.weight = self.weight * gain
        if options.truth("flipped", False):  # stored for a correlation where a true convolution is computed
            self.weight = self.weight.flip(2, 3)
        self._energy = self.weight.square().sum(dim=(2, 3)).t().contiguous()  # [in, out]
        self._side = side
        self._noise_strength = 0.0
        self._noise: Tensor | None = None
        if not to_rgb and options.truth("use_noise", True) and blueprint.has(f"{name}.noise_strength"):
            self._noise_strength = float(blueprint.load(f"{name}.noise_strength"))
            if blueprint.has(f"{name}.noise_const"):
                noise = blueprint.load(f"{name}.noise_const", side, side)
            else:  # an old file without its noise: a fixed one of our own
                noise = torch.from_numpy(sample_latents(1, side * side, seed=side + self.up)).view(side, side)
            self._noise = (noise * self._noise_strength).to(device)
        self._filter: Filter | None = None
        if self.up == 2:
            kernel = load_filter(blueprint, f"{name}.resample_filter")
            self._filter = Filter(kernel, options.number("filter_gain", 4.0), device)

    def __call__(self, x: Tensor, w: Tensor, *, noise: str = "none", gain: float = 1.0) -> Tensor:
        style = self.affine(w)
        x = self._convolve(x * style[:, :, None, None])
        if self._demodulate:
            x = x * ((style.square() @ self._energy) + _EPSILON).rsqrt()[:, :, None, None]
        if noise == "random":
            x = x + torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device) * self._noise_strength
        elif noise == "const" and self._noise is not None:
            x = x + self._noise
        clamp = None if self._clamp is None else self._clamp * gain
        return bias_act(x, self._bias, self._activation, self._gain * gain, clamp)

    def _convolve(self, x: Tensor) -> Tensor:
        if self._filter is None:
            return F.conv2d(x, self.weight, padding=self.kernel // 2)
        return upsampling_convolution(x, self.weight, self._filter)


def upsampling_convolution(x: Tensor, weight: Tensor, fir: Filter) -> Tensor:
    """Zero-insertion by 2, a true convolution with `weight` [out, in, k, k], then the low-pass filter: [n, out, 2h, 2w]."""
    kernel = weight.shape[-1]
    if kernel == 1:
        return fir(F.conv2d(x, weight), up=2, pad=filter_padding(fir, 0, 2))
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    left, right, top, bottom = filter_padding(fir, kernel // 2, 2)
    low, high = kernel - 1, kernel - 2  # what the transposed convolution has padded already
    return fir(x, pad=(left - low, right - high, top - low, bottom - high))


def filter_padding(fir: Filter, padding: int, up: int) -> tuple[int, int, int, int]:
    """Padding that keeps a picture centred while it is upsampled."""
    horizontal = padding + (fir.width + up - 1) // 2, padding + (fir.width - up) // 2
    vertical = padding + (fir.height + up - 1) // 2, padding + (fir.height - up) // 2
    return (*horizontal, *vertical)


def set_mapping_rate(options: dict[str, Any], rate: Any) -> None:
    """Scale a mapping network by another learning rate: what is stored is divided by it."""
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 100:
        raise TlganError(f"mapping_lr is {str(rate)[:40]}: expected a number from 0 to 100")
    layers = options.get("mapping")
    for layer in layers if isinstance(layers, list) else []:
        if isinstance(layer, dict) and all(
            isinstance(layer.get(key), int | float) for key in ("weight_gain", "bias_gain")
        ):
            layer["weight_gain"] *= rate / layer["bias_gain"]
            layer["bias_gain"] = rate


def load_filter(blueprint: Blueprint, name: str) -> Tensor:
    if not blueprint.has(name) and "resample_kernel" in blueprint.options:
        given = blueprint.options["resample_kernel"]
        count = len(given) if isinstance(given, list) and len(given) <= 16 else 4
        taps = torch.tensor(blueprint.reader().numbers("resample_kernel", count))
        if not count or not float(taps.sum()):
            raise TlganError("resample_kernel has a sum of zero: expected the taps of a low-pass filter")
        return torch.outer(taps, taps) / taps.sum().square()
    shape = blueprint.shape(name)
    if len(shape) not in (1, 2) or not all(1 <= size <= 64 for size in shape):
        raise TlganError(f"tensor {name} is {list(shape)}: expected a filter of one or two dimensions")
    kernel = blueprint.load(name, *shape)
    if not bool(torch.isfinite(kernel).all()):
        raise TlganError(f"tensor {name} holds values that are not finite numbers")
    return kernel


class Block:
    """One size of the synthesis: two convolutions (one at 4x4), and ToRGB where the architecture paints here."""

    def __init__(
        self, blueprint: Blueprint, options: Options, device: str, *, side: int, channels: int, w_dim: int, last: bool
    ) -> None:
        name = f"b{side}"
        self.architecture = options.choice("architecture", ("orig", "skip", "resnet"), "skip")
        self.const: Tensor | None = None
        self.conv0: ModulatedLayer | None = None
        self._skip: Tensor | None = None
        common: dict[str, Any] = {"device": device, "w_dim": w_dim, "side": side}
        if side == 4:
            self.const = blueprint.load(f"{name}.const", None, 4, 4).to(device)
            channels = len(self.const)
        else:
            self.conv0 = ModulatedLayer(
                blueprint, f"{name}.conv0", options.section("conv0"), channels=channels, **common
            )
            self._fir = Filter(
                load_filter(blueprint, f"{name}.resample_filter"), options.number("filter_gain", 4.0), device
            )
            if self.architecture == "resnet":
                section = options.section("skip")
                weight = blueprint.load(f"{name}.skip.weight", self.conv0.channels, channels, 1, 1)
                self._skip = (weight * section.number("weight_gain", 1 / math.sqrt(channels))).to(device)
                self._skip_clamp = section.optional_number("conv_clamp", low=0)
                self._skip_fir = Filter(load_filter(blueprint, f"{name}.skip.resample_filter"), 4.0, device)
            channels = self.conv0.channels
        self.conv1 = ModulatedLayer(blueprint, f"{name}.conv1", options.section("conv1"), channels=channels, **common)
        self.channels = self.conv1.channels
        self.to_rgb: ModulatedLayer | None = None
        if last or self.architecture == "skip":
            section = options.section("torgb")
            self.to_rgb = ModulatedLayer(
                blueprint, f"{name}.torgb", section, channels=self.channels, to_rgb=True, **common
            )

    def features(self, x: Tensor, ws: Iterator[Tensor], noise: str) -> Tensor:
        """[n, c, side / 2, side / 2] (the constant at 4x4) -> [n, channels, side, side]; takes what it needs of `ws`."""
        if self.conv0 is None:
            x = self.conv1(x, next(ws), noise=noise)
        elif self._skip is not None:
            y = upsampling_convolution(x, self._skip, self._skip_fir) * math.sqrt(0.5)
            if self._skip_clamp is not None:
                y = y.clamp(-self._skip_clamp * math.sqrt(0.5), self._skip_clamp * math.sqrt(0.5))
            x = self.conv0(x, next(ws), noise=noise)
            x = y + self.conv1(x, next(ws), noise=noise, gain=math.sqrt(0.5))
        else:
            x = self.conv0(x, next(ws), noise=noise)
            x = self.conv1(x, next(ws), noise=noise)
        return x

    def picture(self, x: Tensor, image: Tensor | None, w: Tensor) -> Tensor | None:
        """The picture so far, and what this block's features add to it."""
        if image is not None:
            image = self._fir(image, up=2, pad=filter_padding(self._fir, 0, 2))
        if self.to_rgb is not None:
            painted = self.to_rgb(x, w)
            image = painted if image is None else image + painted
        return image


class StyleGAN2(Styled):
    """z -> w by a mapping network; w+ [n, num_ws, w_dim], one row a layer -> pictures.

    What a `state_dict` does not tell can be given: `conv_clamp` (0: none) of all layers, `activation` of the convolutions,
    `mapping_lr`, the learning rate by which the mapping network's weights are scaled, `resample_kernel`, the taps of the
    low-pass filters.
    """

    load_options: ClassVar = ("conv_clamp", "activation", "mapping_lr", "resample_kernel")

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        name: str,
        fingerprint: str,
        device: str = "cpu",
    ) -> None:
        options = blueprint.reader()
        self._open(Mapping(blueprint, options, device), blueprint, device)
        sections = list(options.sections("blocks", 12))
        if not sections or 4 << (len(sections) - 1) > MAX_RESOLUTION:
            raise TlganError(f"it has {len(sections)} blocks: expected 1 to 12, from 4x4 on")
        self._blocks: list[Block] = []
        channels = 0
        for index, section in enumerate(sections):
            last = index == len(sections) - 1
            block = Block(blueprint, section, device, side=4 << index, channels=channels, w_dim=self.w_dim, last=last)
            self._blocks.append(block)
            channels = block.channels
        self.num_ws = 2 * len(self._blocks)  # one a convolution, and one for the last ToRGB
        painted = {block.to_rgb.channels for block in self._blocks if block.to_rgb is not None}
        if painted not in ({1}, {3}):
            raise TlganError(f"its ToRGB layers paint {sorted(painted)} channels: expected 1 or 3")
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=self._mapping.z_dim,
            resolution=4 << (len(sections) - 1),
            channels=painted.pop(),
            device=device,
        )

    @classmethod
    def set_option(cls, options: dict[str, Any], key: str, value: Any) -> None:
        if key == "resample_kernel":
            options[key] = value
        elif key == "mapping_lr":
            set_mapping_rate(options, value)
        else:
            blocks = options.get("blocks")
            for block in blocks if isinstance(blocks, list) else []:
                for name in ("conv0", "conv1", "torgb") if key == "conv_clamp" else ("conv0", "conv1"):
                    if isinstance(block, dict) and isinstance(block.get(name), dict):
                        block[name].pop(key, None)
                        block[name] |= {key: value} if value else {}

    def style_maps(self) -> list[Tensor]:
        layers = [layer for block in self._blocks for layer in (block.conv0, block.conv1, block.to_rgb)]
        return [layer.affine.weight for layer in layers if layer is not None]

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        image: Tensor | None = None
        for index, (block, x) in enumerate(self._walk(latents, noise)):
            image = block.picture(x, image, latents[:, 2 * index + 1])
            if image is not None and resolution is not None and image.shape[-1] >= resolution:
                break
        assert image is not None
        return image

    @property
    def feature_sides(self) -> tuple[int, ...]:
        return tuple(4 << index for index in range(len(self._blocks)))

    def _features(self, latents: Tensor, *, label: Tensor | None, noise: str, side: int) -> Tensor:
        return next(x for _, x in self._walk(latents, noise) if x.shape[-1] == side)

    def _walk(self, latents: Tensor, noise: str) -> Iterator[tuple[Block, Tensor]]:
        """Every block and its features, as far as they are asked for. Block i ends before row 2 i + 1 of w+."""
        const = self._blocks[0].const
        assert const is not None
        x = const.expand(latents.shape[0], -1, -1, -1)
        for index, block in enumerate(self._blocks):
            still_wanted()
            ws = (latents[:, number] for number in range(max(0, 2 * index - 1), self.num_ws))
            x = block.features(x, ws, noise)
            yield block, x
