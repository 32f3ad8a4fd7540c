"""Generators that bring their own graph: what is common to ONNX, TorchScript, `torch.export` and a user's module.

Such a generator is a function from latents to pictures and says nothing else, so the rest is found by trying: the
latent's size, the range of the pictures, whether the batch is fixed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tlgan.errors import TlganError
from tlgan.generators.base import LatentGenerator
from tlgan.generators.latents import sample_latents

_STEADY = 0.01  # share of the pictures' own range by which two paintings of one latent may differ
PROBED = (2, 8)  # rows of the batches that such a generator is tried on
_RANGES = ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0))


class UnsteadyError(TlganError):
    """The same latent is painted differently when it is painted again, or beside other ones."""


class ForeignGenerator(LatentGenerator):
    """Paints through `_call(latents [n, d]) -> [n, C, H, W]` of a subclass, in batches of `_fixed` where that is set."""

    def __init__(
        self,
        *,
        name: str,
        fingerprint: str,
        latent_dim: int,
        picture_range: tuple[float, float] | None,
        fixed_batch: int | None = None,
        device: str = "cpu",
    ) -> None:
        self._fixed = fixed_batch
        self._range = (-1.0, 1.0)
        self.device = torch.device(device)
        with torch.no_grad():
            probe = torch.from_numpy(sample_latents(fixed_batch or PROBED[-1], latent_dim, seed=0)).to(self.device)
            images = self._call(probe)
            if images.ndim != 4 or images.shape[1] not in (1, 3) or images.shape[2] != images.shape[3]:
                raise TlganError(f"{name} paints {list(images.shape)}: expected [n, 1 or 3, side, side]")
            self._check_steady(probe, images, name)
            if picture_range is None:
                picture_range = found_range(images, name)
        if not picture_range[0] < picture_range[1]:
            raise TlganError(f"picture_range {picture_range} is not a range: expected (low, high) with low < high")
        self._range = (float(picture_range[0]), float(picture_range[1]))
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=latent_dim,
            resolution=images.shape[-1],
            channels=images.shape[1],
            device=device,
        )

    def _check_steady(self, probe: Tensor, images: Tensor, name: str) -> None:
        """Row i depends on latent i alone: paint the probe again, and its first latent beside others."""
        allowed = _STEADY * float(images.max() - images.min()) + 1e-6
        if not float((self._call(probe) - images).abs().max()) <= allowed and torch.isfinite(images).all():
            raise UnsteadyError(
                f"{name} paints another picture each time it is given the same latent: there is noise or dropout inside; "
                "take it out, or make it constant, before exporting"
            )
        if len(probe) > 1:
            others = torch.from_numpy(sample_latents(len(probe) - 1, probe.shape[1], seed=1)).to(probe)
            beside = self._call(torch.cat([probe[:1], others]))
            if not float((beside[:1] - images[:1]).abs().max()) <= allowed and torch.isfinite(images).all():
                raise UnsteadyError(
                    f"{name} paints another picture of the same latent when others are beside it: it was exported in "
                    "training mode; call .eval() on the module and export it again"
                )

    def _call(self, latents: Tensor) -> Tensor:
        raise NotImplementedError

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        if self._fixed is None:
            images = self._call(latents)
        else:
            short = -latents.shape[0] % self._fixed
            padded = torch.cat([latents, latents.new_zeros(short, latents.shape[1])])
            images = torch.cat([self._call(part) for part in torch.split(padded, self._fixed)])[: latents.shape[0]]
        low, high = self._range
        return images.float() if (low, high) == (-1.0, 1.0) else (images.float() - low) * (2 / (high - low)) - 1


def found_range(images: Tensor, name: str) -> tuple[float, float]:
    """The range that a few pictures are painted in: [-1, 1], [0, 1] or [0, 255]."""
    low, high = float(images.min()), float(images.max())
    if not torch.isfinite(images).all():
        raise TlganError(f"{name} paints pictures that are not finite numbers")
    if low < -0.05:
        return _RANGES[0]
    return _RANGES[1] if high <= 1.5 else _RANGES[2]
