"""BigGAN (Brock et al., 2019) in its two published PyTorch forms: class-conditional, with normalisations that the class steers.

`pytorch-pretrained-biggan` is BigGAN-deep with bottlenecks and keeps the statistics of its normalisations for 51
truncations; ajbrock's BigGAN-PyTorch has plain residual blocks, and feeds each a part of z where it is hierarchical. The
class acts through an embedding; axes live in z, under one class.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.base import LatentGenerator
from tlgan.generators.blueprint import MAX_LAYERS, Blueprint
from tlgan.generators.checkpoint.state_dicts import State
from tlgan.generators.interrupt import still_wanted

from .spectral import effective_shape, effective_weight

_DEEP_EPSILON, _EPSILON = 1e-4, 1e-5
Condition = tuple[Tensor, Tensor]  # scale and shift


def is_biggan(state: State) -> bool:
    named = ("linear.weight", "linear.bias", "blocks.0.0.conv1.weight")
    return _is_deep(state) or (
        all(name in state for name in named) and any(name.startswith("output_layer.") for name in state)
    )


def _is_deep(state: State) -> bool:
    return "embeddings.weight" in state and "generator.gen_z.weight_orig" in state


def read_biggan(state: State) -> Blueprint:
    """The blueprint of a state_dict. Raises TlganError for the variants whose layers have no names here."""
    if _is_deep(state):
        return Blueprint("biggan", {"deep": True}, state, {"format": "BigGAN-deep (pytorch-pretrained-biggan)"})
    if "blocks.0.0.conv3.weight" in state or "shared.weight" not in state:
        raise TlganError(
            "it is a BigGAN-PyTorch without a shared embedding, or its deep variant, which is not read: paint it with its "
            "own code, in a function that you name as module:function"
        )
    if "blocks.0.0.bn1.stored_mean" not in state:
        raise TlganError(
            "it is a BigGAN-PyTorch whose normalisations keep no plain statistics (no tensor blocks.0.0.bn1.stored_mean: mybn, cross_replica or another "
            "norm_style): name a function that paints with its own code as module:function"
        )
    return Blueprint("biggan", {"deep": False}, state, {"format": "BigGAN (ajbrock's BigGAN-PyTorch)"})


class BigGAN(LatentGenerator):
    """z [n, latent_dim] and a class -> pictures. `truncation` scales z, and in BigGAN-deep it chooses the statistics too."""

    load_options: ClassVar = ()
    statistics_at: float | None = None  # the truncation whose statistics count, where the latents come scaled by it

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        self._blueprint, self._device = blueprint, torch.device(device)
        self._deep = blueprint.reader().truth("deep")
        self._cache: dict[str, Tensor] = {}
        make = self._make_deep if self._deep else self._make_plain
        latent_dim, side = make()
        super().__init__(
            name=name, fingerprint=fingerprint, latent_dim=latent_dim, resolution=side, channels=3, device=device
        )
        del self._blueprint

    # -- reading -----------------------------------------------------------------------------------------------

    def _weight(self, layer: str) -> Tensor:
        return effective_weight(self._blueprint, layer).to(self._device)

    def _vector(self, name: str) -> Tensor:
        return self._blueprint.load(name, None).to(self._device)

    def _conv(self, layer: str, padding: int) -> Callable[[Tensor], Tensor]:
        weight = self._weight(layer)
        bias = self._vector(f"{layer}.bias") if self._blueprint.has(f"{layer}.bias") else None
        return lambda x: F.conv2d(x, weight, bias, padding=padding)

    def _norm(self, layer: str) -> Callable[..., Tensor]:
        """Normalise [n, c, h, w] by statistics of the file, then scale and shift as the condition [n, k] says."""
        if self._deep:
            means = self._blueprint.load(f"{layer}.running_means", None, None).to(self._device)
            variances = self._blueprint.load(f"{layer}.running_vars", *means.shape).to(self._device)
            epsilon = _DEEP_EPSILON
            steered = self._blueprint.has(f"{layer}.scale.weight_orig")
            names = ("scale", "offset") if steered else ("weight", "bias")
        else:
            means = self._vector(f"{layer}.stored_mean")[None]
            variances = self._vector(f"{layer}.stored_var")[None]
            epsilon = _EPSILON
            steered = self._blueprint.has(f"{layer}.gain.weight")
            names = ("gain", "bias")
        parts = [self._weight(f"{layer}.{n}") if steered else self._vector(f"{layer}.{n}") for n in names]

        def normalise(x: Tensor, condition: Tensor, psi: float) -> Tensor:
            mean, variance = at_truncation(means, psi), at_truncation(variances, psi)
            scale, shift = (condition @ part.t() for part in parts) if steered else (part[None] for part in parts)
            scale = (1 + scale if steered else scale) * torch.rsqrt(variance + epsilon)
            return x * scale[..., None, None] + (shift - mean * scale)[..., None, None]

        return normalise

    def _attention(self, layer: str, names: tuple[str, str, str, str]) -> Callable[[Tensor], Tensor]:
        theta, phi, values, out = (self._weight(f"{layer}.{n}") for n in names)
        gamma = self._blueprint.load(f"{layer}.gamma", *(None for _ in self._blueprint.shape(f"{layer}.gamma")))
        gamma = gamma.reshape(()).to(self._device)

        def attend(x: Tensor) -> Tensor:
            n, _, height, width = x.shape
            query = F.conv2d(x, theta).flatten(2)
            key, value = (F.max_pool2d(F.conv2d(x, part), 2).flatten(2) for part in (phi, values))
            weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)
            return x + gamma * F.conv2d((value @ weights.transpose(1, 2)).view(n, -1, height, width), out)

        return attend

    def _make_deep(self) -> tuple[int, int]:
        self._embedding = self._blueprint.load("embeddings.weight", None, None).t().contiguous().to(self._device)
        self.label_dim, z_dim = self._embedding.shape
        self._first = self._weight("generator.gen_z")
        self._first_bias = self._vector("generator.gen_z.bias")
        if self._first.shape[1] != 2 * z_dim:
            raise TlganError(f"its first layer takes {self._first.shape[1]} numbers: expected {2 * z_dim}")
        self._blocks: list[Callable[..., Tensor]] = []
        side, index = 4, 0
        channels = self._first.shape[0] // 16
        while index < MAX_LAYERS:
            layer = f"generator.layers.{index}"
            if not any(self._blueprint.has(f"{layer}.{name}") for name in ("gamma", "conv_0.weight_orig")):
                break
            if self._blueprint.has(f"{layer}.gamma"):
                names = ("snconv1x1_theta", "snconv1x1_phi", "snconv1x1_g", "snconv1x1_o_conv")
                attention = self._attention(layer, names)
                self._blocks.append(lambda x, c, psi, attention=attention: attention(x))
            else:
                gives = effective_shape(self._blueprint, f"{layer}.conv_3")[0]
                larger = self._number_of_blocks() % 2 == 1  # every second block enlarges, in all released networks
                self._blocks.append(self._deep_block(layer, channels, gives, larger))
                side, channels = side * (2 if larger else 1), gives
            index += 1
        self._norm_out = self._norm("generator.bn")
        self._out = self._conv("generator.conv_to_rgb", 1)
        return z_dim, side

    def _number_of_blocks(self) -> int:
        return sum(getattr(block, "residual", False) for block in self._blocks)

    def _deep_block(self, layer: str, takes: int, gives: int, larger: bool) -> Callable[..., Tensor]:
        norms = [self._norm(f"{layer}.bn_{k}") for k in range(4)]
        convs = [self._conv(f"{layer}.conv_{k}", 0 if k in (0, 3) else 1) for k in range(4)]

        def block(x: Tensor, condition: Tensor, psi: float) -> Tensor:
            y = x
            for k in range(4):
                y = torch.relu(norms[k](y, condition, psi))
                if k == 1 and larger:
                    y = _doubled(y)
                y = convs[k](y)
            kept = x[:, : x.shape[1] // 2] if takes != gives else x
            return y + (_doubled(kept) if larger else kept)

        block.residual = True  # type: ignore[attr-defined]
        return block

    def _make_plain(self) -> tuple[int, int]:
        blueprint = self._blueprint
        self._embedding = blueprint.load("shared.weight", None, None).to(self._device)
        self.label_dim, shared = self._embedding.shape
        self._first = self._weight("linear")
        self._first_bias = self._vector("linear.bias")
        count = sum(blueprint.has(f"blocks.{k}.0.conv1.weight") for k in range(MAX_LAYERS))
        chunk = effective_shape(blueprint, "blocks.0.0.bn1.gain")[1] - shared
        if chunk not in (0, self._first.shape[1]) or not 1 <= count < 10:
            raise TlganError(f"its class embedding has {shared} numbers, its blocks take {chunk} more: damaged")
        self._chunk = chunk
        channels = blueprint.shape("blocks.0.0.bn1.stored_mean")[0]
        bottom = math.isqrt(self._first.shape[0] // channels)
        if bottom * bottom * channels != self._first.shape[0]:
            raise TlganError(f"its first layer gives {self._first.shape[0]} numbers: expected squares of {channels}")
        self._bottom = bottom
        self._blocks = []
        for index in range(count):
            self._blocks.append(self._plain_block(f"blocks.{index}.0"))
            if blueprint.has(f"blocks.{index}.1.gamma"):
                attention = self._attention(f"blocks.{index}.1", ("theta", "phi", "g", "o"))
                before = self._blocks.pop()
                self._blocks.append(lambda x, c, psi, b=before, attention=attention: attention(b(x, c, psi)))
        self._norm_out = self._norm("output_layer.0")
        last = "output_layer.2" if blueprint.has("output_layer.2.weight") else "output_layer.1"
        self._out = self._conv(last, 1)
        return self._first.shape[1] * (1 + count if chunk else 1), bottom << count

    def _plain_block(self, layer: str) -> Callable[..., Tensor]:
        norms = [self._norm(f"{layer}.bn{k}") for k in (1, 2)]
        one, two, straight = (self._conv(f"{layer}.{n}", p) for n, p in (("conv1", 1), ("conv2", 1), ("conv_sc", 0)))

        def block(x: Tensor, condition: Tensor, psi: float) -> Tensor:
            y = one(_doubled(torch.relu(norms[0](x, condition, psi))))
            return two(torch.relu(norms[1](y, condition, psi))) + straight(_doubled(x))

        return block

    # -- painting ----------------------------------------------------------------------------------------------

    def _prepared(
        self, latents: Tensor, space: str, label: Any, truncation: float | None, cutoff: int | None
    ) -> tuple[Tensor, Tensor | None]:
        self._psi_now = min(1.0, max(0.0, self._psi(truncation)))
        return super()._prepared(latents, space, label, truncation, cutoff)

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        psi = self._psi_now if self.statistics_at is None else self.statistics_at
        assert label is not None
        embedded = label @ self._embedding
        if self._deep:
            condition = torch.cat([latents, embedded], dim=1)
            x = torch.addmm(self._first_bias, condition, self._first.t())
            x = x.view(len(x), 4, 4, -1).permute(0, 3, 1, 2)
            conditions = [condition] * len(self._blocks)
        else:
            first, *rest = torch.split(latents, self._chunk, dim=1) if self._chunk else (latents,)
            x = torch.addmm(self._first_bias, first, self._first.t()).view(len(latents), -1, self._bottom, self._bottom)
            conditions = [torch.cat([embedded, z], dim=1) for z in rest] or [embedded] * len(self._blocks)
        for block, condition in zip(self._blocks, conditions, strict=True):
            still_wanted()
            x = block(x, condition, psi)
        x = torch.relu(self._norm_out(x, conditions[-1], psi))
        return torch.tanh(self._out(x)[:, :3])


def at_truncation(statistics: Tensor, psi: float) -> Tensor:
    """Row `psi` (0 to 1) of statistics [k, c] that were taken at k truncations, [c]: between two as the released code
    weighs them, the further one with the fraction's complement."""
    if len(statistics) == 1:
        return statistics[0]
    share, start = math.modf(psi / (1.0 / (len(statistics) - 1)))
    if share == 0.0:
        return statistics[int(start)]
    return statistics[int(start)] * share + statistics[int(start) + 1] * (1 - share)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
