"""lucidrains' StyleGAN2 (`stylegan2-pytorch`): the ideas of StyleGAN2 in fewer parts.

Features and pictures are doubled bilinearly, and pictures blurred by [1, 2, 1]; one row of w steers both convolutions of a
size and its ToRGB; styles are scaled by 1 + affine(w). Noise is uniform in [0, 1], one picture of the largest size that each
layer cuts its own from; it is drawn anew for each picture, so a fixed one of ours takes its place, and without noise its
mean, 0.5. Pictures are in [0, 1].
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_LAYERS, MAX_RESOLUTION, Blueprint
from tlgan.generators.checkpoint import TensorRecord
from tlgan.generators.checkpoint.state_dicts import State
from tlgan.generators.interrupt import still_wanted
from tlgan.generators.latents import sample_latents

from .attention import Layer, read_attention_and_mlp
from .filtering import over_white
from .mapping import Mapping, read_mapping
from .styled import Styled

_EPSILON = 1e-8
_SLOPE = 0.2
_SQRT2 = math.sqrt(2)


# -- from the file ---------------------------------------------------------------------------------------------


def is_lucidrains(state: State) -> bool:
    return "blocks.0.to_style1.weight" in state and "S.net.0.weight" in state


def read_lucidrains(state: State) -> Blueprint:
    """The blueprint of a generator whose mapping network's tensors lie under `S.`."""
    tensors: dict[str, TensorRecord] = {}
    # z is brought to length one, not to a mean square of one; and its leaky ReLU has no gain
    options = read_mapping(
        state,
        tensors,
        ("S.net.{}.weight", "S.net.{}.bias"),
        range(0, 2 * MAX_LAYERS, 2),
        lambda _: 1 / _SQRT2,
        1 / _SQRT2,
    )
    options["mapping"][0]["weight_gain"] = 1 / math.sqrt(2 * max(options["z_dim"], 1))
    tensors |= {name: record for name, record in state.items() if not name.startswith("S.")}
    blueprint = Blueprint("lucidrains", options, tensors, {"format": "StyleGAN2 (lucidrains)"})
    blueprint.assume(Lucidrains, mapping_lr=0.1)
    return blueprint


# -- the network -----------------------------------------------------------------------------------------------


class _Modulated:
    """conv(x * (1 + affine(w))), demodulated but for ToRGB."""

    def __init__(self, blueprint: Blueprint, conv: str, style: str, device: str, channels: int, w_dim: int) -> None:
        self.weight = blueprint.load(f"{conv}.weight", None, channels, None, None).to(device)
        self.channels, _, self.kernel, other = self.weight.shape
        if self.kernel != other or self.kernel % 2 == 0:
            raise TlganError(f"tensor {conv}.weight has a {self.kernel}x{other} kernel: expected an odd square")
        self.style = blueprint.load(f"{style}.weight", channels, w_dim).to(device)
        self._style_bias = blueprint.load(f"{style}.bias", channels).to(device)
        self._energy = self.weight.square().sum(dim=(2, 3)).t().contiguous()

    def __call__(self, x: Tensor, w: Tensor, *, demodulate: bool = True) -> Tensor:
        style = 1 + F.linear(w, self.style, self._style_bias)
        x = F.conv2d(x * style[:, :, None, None], self.weight, padding=self.kernel // 2)
        return x * (style.square() @ self._energy + _EPSILON).rsqrt()[:, :, None, None] if demodulate else x


class _Block:
    """One size: two convolutions with noise, and what it adds to the picture."""

    def __init__(self, blueprint: Blueprint, index: int, device: str, channels: int, w_dim: int) -> None:
        name = f"blocks.{index}"
        self.layers: list[_Modulated] = []
        self._noise: list[tuple[Tensor, Tensor]] = []
        for part in (1, 2):
            layer = _Modulated(blueprint, f"{name}.conv{part}", f"{name}.to_style{part}", device, channels, w_dim)
            self.layers.append(layer)
            channels = layer.channels
            strength = blueprint.load(f"{name}.to_noise{part}.weight", channels, 1)[..., None].to(device)
            self._noise.append(
                (strength, blueprint.load(f"{name}.to_noise{part}.bias", channels)[:, None, None].to(device))
            )
        self.to_rgb = _Modulated(blueprint, f"{name}.to_rgb.conv", f"{name}.to_rgb.to_style", device, channels, w_dim)

    def features(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """`noise` is [n or 1, 1, s, s], of the largest size."""
        cut = noise[:, :, : x.shape[2], : x.shape[3]]
        for layer, (strength, bias) in zip(self.layers, self._noise, strict=True):
            x = F.leaky_relu(layer(x, w) + cut * strength + bias, _SLOPE)
        return x


class Lucidrains(Styled):
    """z -> w by a mapping network; w+ [n, num_ws, w_dim], one row a size -> pictures.

    `mapping_lr` scales the mapping network's weights and biases (0.1 in the code's `StyleVectorizer`).
    """

    load_options: ClassVar = ("mapping_lr",)

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        options = blueprint.reader()
        self._open(Mapping(blueprint, options, device), blueprint, device)
        self._from_w = blueprint.has("to_initial_block.weight")  # --no-const: the first features come from w
        const = (
            blueprint.load("to_initial_block.weight", self.w_dim, None, 4, 4)
            if self._from_w
            else blueprint.load("initial_block", 1, None, 4, 4)
        )
        self._const, channels = const.to(device), const.shape[1]
        self._first = blueprint.load("initial_conv.weight", None, channels, 3, 3).to(device)
        self._first_bias = blueprint.load("initial_conv.bias", len(self._first)).to(device)
        self._blocks: list[_Block] = []
        self._attention: list[Layer | None] = []  # before each block
        channels = len(self._first)
        while len(self._blocks) < 12 and blueprint.has(f"blocks.{len(self._blocks)}.conv1.weight"):
            attention = f"attns.{len(self._blocks)}"
            self._attention.append(
                read_attention_and_mlp(blueprint, attention, device)
                if blueprint.has(f"{attention}.0.fn.norm.g")
                else None
            )
            self._blocks.append(_Block(blueprint, len(self._blocks), device, channels, self.w_dim))
            channels = self._blocks[-1].layers[-1].channels
        self.num_ws, resolution = len(self._blocks), 2 << len(self._blocks)
        painted = {block.to_rgb.channels for block in self._blocks}
        if painted not in ({3}, {4}) or resolution > MAX_RESOLUTION:
            raise TlganError(f"its {len(self._blocks)} sizes paint {sorted(painted)} channels: expected 3 or 4")
        uniform = torch.from_numpy(sample_latents(1, resolution**2, seed=resolution)).view(1, 1, resolution, resolution)
        self._noise = (0.5 * (1 + torch.erf(uniform / _SQRT2))).to(device)
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=self._mapping.z_dim,
            resolution=resolution,
            channels=3,
            device=device,
        )

    @classmethod
    def set_option(cls, options: dict[str, Any], key: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:
            raise TlganError(f"mapping_lr is {str(value)[:40]}: expected a number from 0 to 100")
        before = options.get(key, 1.0)
        for layer in options["mapping"]:
            layer |= {gain: layer[gain] * value / before for gain in ("weight_gain", "bias_gain")}
        options[key] = value

    def style_maps(self) -> list[Tensor]:
        return [layer.style for block in self._blocks for layer in (*block.layers, block.to_rgb)]

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        x, picture = self._ground(latents), None
        drawn = self._drawn(latents, noise)
        for index, block in enumerate(self._blocks):
            x = self._block(x, index, latents, drawn)
            painted = block.to_rgb(x, latents[:, index], demodulate=False)
            picture = painted if picture is None else _doubled_and_blurred(picture) + painted
            if resolution is not None and x.shape[-1] >= resolution:
                break
        assert picture is not None
        return over_white(picture * 2 - 1)

    @property
    def feature_sides(self) -> tuple[int, ...]:
        return tuple(4 << index for index in range(len(self._blocks)))

    def _features(self, latents: Tensor, *, label: Tensor | None, noise: str, side: int) -> Tensor:
        x, drawn = self._ground(latents), self._drawn(latents, noise)
        for index in range(self.feature_sides.index(side) + 1):
            x = self._block(x, index, latents, drawn)
        return x

    def _ground(self, latents: Tensor) -> Tensor:
        if self._from_w:
            x = F.conv_transpose2d(latents.mean(dim=1)[:, :, None, None], self._const)
        else:
            x = self._const.expand(latents.shape[0], -1, -1, -1)
        return F.conv2d(x, self._first, self._first_bias, padding=1)

    def _drawn(self, latents: Tensor, noise: str) -> Tensor:
        if noise == "random":
            return torch.rand(latents.shape[0], 1, self.resolution, self.resolution, device=latents.device)
        return self._noise if noise == "const" else torch.full_like(self._noise, 0.5)

    def _block(self, x: Tensor, index: int, latents: Tensor, noise: Tensor) -> Tensor:
        still_wanted()
        if (attention := self._attention[index]) is not None:
            x = attention(x)
        if index:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self._blocks[index].features(x, latents[:, index], noise)


def _doubled_and_blurred(picture: Tensor) -> Tensor:
    """Bilinearly twice as large, then blurred by [1, 2, 1] both ways, mirrored at its borders."""
    larger = F.interpolate(picture, scale_factor=2.0, mode="bilinear", align_corners=False)
    taps = torch.tensor([0.25, 0.5, 0.25], device=picture.device, dtype=picture.dtype)
    kernel = torch.outer(taps, taps).expand(picture.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(larger, (1, 1, 1, 1), mode="reflect"), kernel, groups=picture.shape[1])
