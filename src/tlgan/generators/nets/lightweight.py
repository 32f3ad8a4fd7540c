"""lucidrains' lightweight-gan: "Towards Faster and Stabilized GAN Training" (Liu et al., 2021) as its package writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.base import LatentGenerator
from tlgan.generators.blueprint import Blueprint
from tlgan.generators.checkpoint.state_dicts import State
from tlgan.generators.interrupt import still_wanted

from .attention import read_attention
from .filtering import over_white

_REACH = 4  # doublings between where excitation is taken and where it acts
_EPSILON = 1e-5


def is_lightweight(state: State) -> bool:
    return all(name in state for name in ("initial_conv.0.weight", "layers.0.0.0.net.0.weight", "out_conv.weight"))


def read_lightweight(state: State) -> Blueprint:
    """Raises TlganError for variants that have other layers."""
    if "layers.0.0.2.1.weight" not in state or "layers.0.0.3.weight" not in state:
        raise TlganError("it is a lightweight-gan of another version, whose layers are not known: use its own code")
    return Blueprint("lightweight", {}, state, {"format": "lightweight-gan (lucidrains)"})


class LightweightGAN(LatentGenerator):
    """z [n, latent_dim] -> pictures, painted in [0, 1] by the network and brought to [-1, 1]. Each level adds a random
    field, which `noise` leaves out unless it is "random"."""

    load_options: ClassVar = ()

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        def load(tensor: str) -> Tensor:
            return blueprint.load(tensor, *(None for _ in blueprint.shape(tensor))).to(device)

        def conv(layer: str) -> tuple[Tensor, Tensor | None]:
            bias = f"{layer}.bias"
            return load(f"{layer}.weight"), load(bias) if blueprint.has(bias) else None

        def norm(layer: str) -> Callable[[Tensor], Tensor]:
            mean, variance, weight, bias = (
                load(f"{layer}.{n}") for n in ("running_mean", "running_var", "weight", "bias")
            )
            return lambda x: F.batch_norm(x, mean, variance, weight, bias, False, 0.0, _EPSILON)

        self._start, self._start_norm = conv("initial_conv.0"), norm("initial_conv.1")
        self._levels: list[dict[str, Any]] = []
        while blueprint.has(f"layers.{len(self._levels)}.0.0.net.0.weight") and len(self._levels) < 11:
            stem = f"layers.{len(self._levels)}"
            kernel = load(f"{stem}.0.1.f")
            kernel = kernel[None, :] * kernel[:, None]
            level: dict[str, Any] = {
                "up": conv(f"{stem}.0.0.net.0"),
                "blur": kernel / kernel.sum(),
                "conv": conv(f"{stem}.0.2.1"),
                "noise": load(f"{stem}.0.3.weight"),
                "norm": norm(f"{stem}.0.4"),
            }
            if blueprint.has(f"{stem}.2.norm.g"):
                level["attention"] = read_attention(blueprint, f"{stem}.2", device)
            if blueprint.has(f"{stem}.1.net.0.weight"):
                level["excite"] = (conv(f"{stem}.1.net.0"), conv(f"{stem}.1.net.2"))
                level["key"] = (
                    load(f"{stem}.1.dct_weights") if blueprint.has(f"{stem}.1.dct_weights") else conv(f"{stem}.1.to_k")
                )
            self._levels.append(level)
        self._out = conv("out_conv")
        self.painted = self._out[0].shape[0]
        if self.painted not in (1, 3, 4) or not self._levels:
            raise TlganError(f"its last layer paints {self.painted} channels: expected 1, 3 or 4")
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=self._start[0].shape[0],
            resolution=4 << len(self._levels),
            channels=min(self.painted, 3),
            device=device,
        )

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        x = F.conv_transpose2d(latents[..., None, None], *self._start)
        x = F.normalize(F.glu(self._start_norm(x), dim=1), dim=1)
        excitations: dict[int, Tensor] = {}
        for index, level in enumerate(self._levels):
            still_wanted()
            if "attention" in level:
                x = x + level["attention"](x)
            x = F.pixel_shuffle(F.silu(F.conv2d(x, *level["up"])), 2)
            channels = x.shape[1]
            blurred = F.pad(x, (1, 1, 1, 1), mode="reflect")
            x = F.conv2d(blurred, level["blur"].expand(channels, 1, 3, 3), groups=channels)
            x = F.conv2d(F.pad(x, (2, 1, 2, 1)), *level["conv"])
            if noise == "random":
                x = x + level["noise"] * torch.randn_like(x[:, :1])
            x = F.glu(level["norm"](x), dim=1)
            if "excite" in level:
                excitations[index + _REACH - 1] = self._excitation(level, x)
            if index in excitations:
                x = x * excitations[index]
        return over_white(F.conv2d(x, *self._out, padding=1) * 2 - 1)

    def _excitation(self, level: dict[str, Any], x: Tensor) -> Tensor:
        """Factors [n, c, 1, 1] for a later level, from attention over all pixels, or from their frequencies."""
        if isinstance(level["key"], tuple):
            weights = F.conv2d(x, *level["key"]).flatten(2).softmax(dim=-1)
            pooled = (x.flatten(2) @ weights.transpose(1, 2))[..., None]
        else:
            pooled = (x * level["key"]).sum(dim=(2, 3), keepdim=True)
        first, second = level["excite"]
        return torch.sigmoid(F.conv2d(F.leaky_relu(F.conv2d(pooled, *first), 0.1), *second))
