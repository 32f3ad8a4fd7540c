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
from tlgan.generators.nets.filtering import over_white

from .ends import chosen_output, pictures

_STEADY = 0.01  # share of the pictures' own range by which two paintings of one latent may differ
PROBED = (2, 8)  # rows of the batches that such a generator is tried on
USUAL = (512, 100, 128, 64, 256, 120, 140, 48)  # latent sizes tried where nothing tells
_RANGES = ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0))


class UnsteadyError(TlganError):
    """The same latent is painted differently when it is painted again, or beside other ones."""


class ForeignGenerator(LatentGenerator):
    """Paints through `_call(latents [n, d], label) -> outputs by name` of a subclass, in batches of `fixed_rows` where
    that is set. Which output holds the pictures, in which layout and range, is found on a few latents."""

    def __init__(
        self,
        *,
        name: str,
        fingerprint: str,
        latent_dim: int,
        picture_range: tuple[float, float] | None,
        fixed_batch: int | None = None,
        output: str | None = None,
        label_dim: int = 0,
        device: str = "cpu",
    ) -> None:
        self.fixed_rows = fixed_batch
        self.picture_range = (-1.0, 1.0)
        self.label_dim = label_dim
        self.device = torch.device(device)
        with torch.no_grad():
            probe = torch.from_numpy(sample_latents(fixed_batch or PROBED[-1], latent_dim, seed=0)).to(self.device)
            self._first = self._labels(0, len(probe)) if label_dim else None
            outputs = self._call(probe, self._first)
            self.painted_output = chosen_output(outputs, len(probe), name, output)
            self.layout = _layout(outputs[self.painted_output], len(probe))
            images = self._painted(probe)
            self._check_steady(probe, images, name)
            if picture_range is None:
                picture_range = found_range(images, name)
        if not picture_range[0] < picture_range[1]:
            raise TlganError(f"picture_range {picture_range} is not a range: expected (low, high) with low < high")
        self.picture_range = (float(picture_range[0]), float(picture_range[1]))
        self.painted_channels = images.shape[1]
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=latent_dim,
            resolution=max(images.shape[2:]),
            channels=min(images.shape[1], 3),
            device=device,
            size=(images.shape[2], images.shape[3]),
        )

    def _check_steady(self, probe: Tensor, images: Tensor, name: str) -> None:
        """Row i depends on latent i alone: paint the probe again, and its first latent beside others."""
        allowed = _STEADY * float(images.max() - images.min()) + 1e-6
        if not float((self._painted(probe) - images).abs().max()) <= allowed and torch.isfinite(images).all():
            raise UnsteadyError(
                f"{name} paints another picture each time it is given the same latent: there is noise or dropout inside; "
                "take it out, or make it constant, before exporting"
            )
        if len(probe) > 1:
            others = torch.from_numpy(sample_latents(len(probe) - 1, probe.shape[1], seed=1)).to(probe)
            beside = self._painted(torch.cat([probe[:1], others]))
            if not float((beside[:1] - images[:1]).abs().max()) <= allowed and torch.isfinite(images).all():
                raise UnsteadyError(
                    f"{name} paints another picture of the same latent when others are beside it: it was exported in "
                    "training mode; call .eval() on the module and export it again"
                )

    def _call(self, latents: Tensor, label: Tensor | None) -> dict[str, Any]:
        """Outputs by name for latents [n, d] and one-hot labels [n, label_dim]."""
        raise NotImplementedError

    def _painted(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """[n, C, H, W] as they come, C 1, 3 or 4."""
        if label is None and self._first is not None:
            label = self._first[: len(latents)]
        found = pictures(self._call(latents, label)[self.painted_output], len(latents), self.layout)
        if found is None:
            raise TlganError("its pictures have another shape for other latents: it can't be used")
        return found

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        if self.fixed_rows is None:
            images = self._painted(latents, label)
        else:
            short = -latents.shape[0] % self.fixed_rows
            padded = torch.cat([latents, latents.new_zeros(short, latents.shape[1])])
            labels = (
                None if label is None else torch.split(torch.cat([label, label[:1].expand(short, -1)]), self.fixed_rows)
            )
            parts = enumerate(torch.split(padded, self.fixed_rows))
            images = torch.cat([self._painted(part, labels[k] if labels else None) for k, part in parts])
            images = images[: latents.shape[0]]
        low, high = self.picture_range
        return over_white(images if (low, high) == (-1.0, 1.0) else (images - low) * (2 / (high - low)) - 1)


def _layout(raw: Tensor, n: int) -> str:
    """Where a graph's pictures have their channels: "first" or "last"."""
    found = pictures(raw, n)
    return "first" if found is not None and found.shape[1:] == raw.shape[-3:] else "last"


def found_range(images: Tensor, name: str) -> tuple[float, float]:
    """The range that a few pictures are painted in: [-1, 1], [0, 1] or [0, 255]."""
    low, high = float(images.min()), float(images.max())
    if not torch.isfinite(images).all():
        raise TlganError(f"{name} paints pictures that are not finite numbers")
    if low < -0.05:
        return _RANGES[0]
    return _RANGES[1] if high <= 1.5 else _RANGES[2]
