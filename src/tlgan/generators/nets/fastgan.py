"""FastGAN (Liu et al., 2021), and as Projected GANs use it (Sauer et al., 2021): small skip-layer generators.

z, in Projected GANs brought to a mean square of one, becomes a 4x4 picture of features; blocks double it, with gated linear units; features of
4 to 32 px excite the channels of those sixteen times larger. Every weight is divided by its spectral norm, which
follows from the vectors kept beside it; noise is drawn anew for each picture, so a fixed one of ours takes its place.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.base import LatentGenerator
from tlgan.generators.blueprint import Blueprint
from tlgan.generators.checkpoint.state_dicts import State, missing
from tlgan.generators.interrupt import still_wanted
from tlgan.generators.latents import sample_latents

from .growing import enlarge
from .mapping import normalize_2nd_moment

_EPSILON = 1e-5  # of the normalisations
_SIDES = (8, 16, 32, 64, 128, 256, 512, 1024)
_SMALLEST = 128  # side of the pictures
_PREFIX = "synthesis."


# -- from the file ---------------------------------------------------------------------------------------------


def is_fastgan(state: State) -> bool:
    return any(f"{prefix}init.init.0.weight_orig" in state for prefix in (_PREFIX, ""))


def read_fastgan(state: State) -> Blueprint:
    """The blueprint of the generator of a snapshot, or of its `state_dict`."""
    first = f"{_PREFIX}init.init.0.weight_orig" not in state
    prefix = "" if first else _PREFIX
    tensors = {
        name.removeprefix(prefix): record
        for name, record in state.items()
        if name.startswith(prefix) and not name.endswith("num_batches_tracked")
    }
    side = max((side for side in _SIDES if any(name.startswith(f"feat_{side}.") for name in tensors)), default=0)
    if side == 256 and "to_big.weight_orig" in tensors and len(tensors["to_big.weight_orig"].shape) == 4:
        # a network of 128 px or less holds the block of 256 px too, and doesn't use it
        width = tensors["to_big.weight_orig"].shape[1]
        outputs = {s: _width(tensors, s) for s in (256, 128)}
        side = next((s for s in (256, 128) if outputs[s] == width), side)
    if side < _SMALLEST:
        raise missing(f"feat_{_SMALLEST}.1.weight_orig", "FastGAN")
    blueprint = Blueprint("fastgan", {"resolution": side}, tensors, {"format": "FastGAN (Projected GAN)"})
    if first:
        blueprint.options["normalize_z"], blueprint.source["format"] = False, "FastGAN"
        blueprint.assume(FastGAN, output="tanh" if side == 1024 else "none")
    return blueprint


def _width(tensors: State, side: int) -> int:
    """Channels of the features of one side."""
    found = [
        record.shape[0]
        for name, record in tensors.items()
        if re.fullmatch(rf"feat_{side}\.(\d+|conv2?)\.weight_orig", name)
    ]
    return found[-1] // 2 if found else 0


# -- the network -----------------------------------------------------------------------------------------------


def spectral(blueprint: Blueprint, name: str, axis: int, device: str) -> Tensor:
    """A weight divided by its largest singular value as the kept vectors u, v estimate it; `axis` is that of the outputs."""
    weight = blueprint.load(f"{name}.weight_orig", *[None] * len(blueprint.shape(f"{name}.weight_orig")))
    matrix = weight.transpose(0, axis).flatten(1)
    u, v = blueprint.load(f"{name}.weight_u", len(matrix)), blueprint.load(f"{name}.weight_v", matrix.shape[1])
    sigma = torch.dot(u, matrix @ v)
    if not bool(torch.isfinite(sigma)) or not float(sigma):
        raise TlganError(f"tensor {name}.weight_orig has no spectral norm by the vectors beside it: damaged")
    return (weight / sigma).to(device)


class _Norm:
    """Batch normalisation by kept statistics, its scale and shift learnt or, with classes, linear in an embedding."""

    def __init__(self, blueprint: Blueprint, name: str, channels: int, device: str) -> None:
        self._classes = blueprint.has(f"{name}.stored_mean")
        mean, var = ("stored_mean", "stored_var") if self._classes else ("running_mean", "running_var")
        self._mean = blueprint.load(f"{name}.{mean}", channels).to(device)
        self._var = blueprint.load(f"{name}.{var}", channels).to(device)
        if self._classes:
            self._weights = [spectral(blueprint, f"{name}.{part}", 0, device) for part in ("gain", "bias")]
            self._biases = [blueprint.load(f"{name}.{part}.bias", channels).to(device) for part in ("gain", "bias")]
        else:
            self._scale = blueprint.load(f"{name}.weight", channels).to(device)
            self._shift = blueprint.load(f"{name}.bias", channels).to(device)

    def __call__(self, x: Tensor, embedded: Tensor | None) -> Tensor:
        if not self._classes:
            return F.batch_norm(x, self._mean, self._var, self._scale, self._shift, eps=_EPSILON)
        if embedded is None:
            raise TlganError("its layers are normalised by class and it holds no classes: damaged")
        gain, bias = (
            F.linear(embedded, w, b)[:, :, None, None] for w, b in zip(self._weights, self._biases, strict=True)
        )
        return F.batch_norm(x, self._mean, self._var, eps=_EPSILON) * (1 + gain) + bias


class _Layer:
    """conv, noise where there is one, normalisation, gated linear unit."""

    def __init__(
        self, blueprint: Blueprint, conv: str, noise: str, norm: str, side: int, inner: int, device: str
    ) -> None:
        self.weight = spectral(blueprint, conv, 0, device)
        if self.weight.ndim != 4 or self.weight.shape[1:] != (inner, 3, 3) or len(self.weight) % 2:
            raise TlganError(f"tensor {conv}.weight_orig is {list(self.weight.shape)}: expected [even, {inner}, 3, 3]")
        self.channels = len(self.weight) // 2
        self._strength = float(blueprint.load(f"{noise}.weight", 1)) if blueprint.has(f"{noise}.weight") else 0.0
        self._norm = _Norm(blueprint, norm, len(self.weight), device)
        drawn = sample_latents(1, side * side, seed=side) if self._strength else None
        self._noise = None if drawn is None else (torch.from_numpy(drawn).view(side, side) * self._strength).to(device)

    def __call__(self, x: Tensor, embedded: Tensor | None, noise: str) -> Tensor:
        x = F.conv2d(x, self.weight, padding=1)
        if self._noise is not None and noise == "random":
            x = x + torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device) * self._strength
        elif self._noise is not None and noise == "const":
            x = x + self._noise
        return F.glu(self._norm(x, embedded), dim=1)


def _block(blueprint: Blueprint, side: int, inner: int, device: str) -> list[_Layer]:
    """The layers that double features of `inner` channels to `side` pixels: one (`lite`) or two."""
    name = f"feat_{side}"
    if blueprint.has(f"{name}.conv1.weight_orig"):
        names = [(f"{name}.conv{part}", f"{name}.noise", f"{name}.bn{part}") for part in (1, 2)]
    elif blueprint.has(f"{name}.conv.weight_orig"):
        names = [(f"{name}.conv", "", f"{name}.bn")]
    elif blueprint.has(f"{name}.5.weight_orig"):
        names = [(f"{name}.1", f"{name}.2", f"{name}.3"), (f"{name}.5", f"{name}.6", f"{name}.7")]
    else:
        names = [(f"{name}.1", "", f"{name}.2")]
    layers = []
    for conv, noise, norm in names:
        layers.append(_Layer(blueprint, conv, noise, norm, side, inner, device))
        inner = layers[-1].channels
    return layers


class FastGAN(LatentGenerator):
    """z [n, latent_dim], and a class where it was trained with some -> pictures. `output` ("none" or "tanh") is what the first
    code applies last: tanh at 1024 px alone."""

    load_options: ClassVar = ("output",)

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        options = blueprint.reader()
        resolution = options.whole("resolution", _SMALLEST, 1024)
        self._normalize = options.truth("normalize_z", True)
        self._tanh = options.choice("output", ("none", "tanh"), "none") == "tanh"
        self._init = spectral(blueprint, "init.init.0", 1, device)
        if self._init.ndim != 4 or self._init.shape[2:] != (4, 4) or self._init.shape[1] % 2:
            raise TlganError(f"tensor init.init.0.weight_orig is {list(self._init.shape)}: expected [z, even, 4, 4]")
        latent_dim, channels = self._init.shape[:2]
        self._init_norm = _Norm(blueprint, "init.init.1", channels, device)
        channels //= 2
        self._embedding: Tensor | None = None
        if blueprint.has("embed.weight"):
            self._embedding = blueprint.load("embed.weight", None, None).to(device)
            self.label_dim = len(self._embedding)
        widths = {4: channels}
        self._blocks: dict[int, list[_Layer]] = {}
        self._gates: dict[int, tuple[Tensor, Tensor]] = {}
        for side in (side for side in _SIDES if side <= resolution):
            self._blocks[side] = _block(blueprint, side, channels, device)
            channels = widths[side] = self._blocks[side][-1].channels
            if 64 <= side <= 512:
                gate = (
                    spectral(blueprint, f"se_{side}.main.1", 0, device),
                    spectral(blueprint, f"se_{side}.main.3", 0, device),
                )
                if gate[0].shape != (channels, widths[side // 16], 4, 4) or gate[1].shape != (channels, channels, 1, 1):
                    raise TlganError(
                        f"tensor se_{side}.main.1.weight_orig is {list(gate[0].shape)}: it fits no features"
                    )
                self._gates[side] = gate
        self._to_rgb = spectral(blueprint, "to_big", 0, device)
        if self._to_rgb.ndim != 4 or self._to_rgb.shape[1:] != (channels, 3, 3) or len(self._to_rgb) not in (1, 3):
            raise TlganError(
                f"tensor to_big.weight_orig is {list(self._to_rgb.shape)}: expected [1 or 3, {channels}, 3, 3]"
            )
        self._rgb_bias: Tensor | None = None
        if self._normalize:  # the first code has none
            self._rgb_bias = blueprint.load("to_big.bias", len(self._to_rgb)).to(device)
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=latent_dim,
            resolution=resolution,
            channels=len(self._to_rgb),
            device=device,
        )

    @property
    def feature_sides(self) -> tuple[int, ...]:
        return (4, *self._blocks)

    def _features(self, latents: Tensor, *, label: Tensor | None, noise: str, side: int) -> Tensor:
        embedded = None
        if self._embedding is not None and label is not None:
            embedded = self._embedding[label.argmax(dim=1)]
        z = normalize_2nd_moment(latents) if self._normalize else latents
        x = F.conv_transpose2d(z[:, :, None, None], self._init)
        x = F.glu(self._init_norm(x, None), dim=1)
        by_side = {4: x}
        for larger in (larger for larger in self._blocks if larger <= side):
            still_wanted()
            x = enlarge(x, 2)
            for layer in self._blocks[larger]:
                x = layer(x, embedded, noise)
            if larger in self._gates:
                first, second = self._gates[larger]
                gate = F.silu(F.conv2d(F.adaptive_avg_pool2d(by_side[larger // 16], 4), first))
                x = x * torch.sigmoid(F.conv2d(gate, second))
            by_side[larger] = x
        return by_side[side]

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        x = self._features(latents, label=label, noise=noise, side=self.resolution)
        x = F.conv2d(x, self._to_rgb, self._rgb_bias, padding=1)
        return torch.tanh(x) if self._tanh else x
