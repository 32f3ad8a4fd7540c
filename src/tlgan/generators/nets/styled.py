"""What networks with a mapping network share: the way from z to w, and the mean of w that truncation draws to."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from tlgan.generators.base import LatentGenerator
from tlgan.generators.blueprint import Blueprint
from tlgan.generators.latents import sample_latents

_DRAWN, _TOGETHER = 2**15, 2**12  # latents that the mean of w is computed from; rows that are mapped at once


class ToW(Protocol):
    """A mapping network."""

    z_dim: int
    c_dim: int
    w_dim: int

    def __call__(self, z: Tensor, label: Tensor | None) -> Tensor:
        """z [n, z_dim] and a label [n, c_dim] -> w [n, w_dim]."""
        ...


class Styled(LatentGenerator):
    """z -> w by a mapping network; w+ [n, num_ws, w_dim] -> pictures."""

    spaces = ("z", "w", "w+")
    _average: Tensor | None = None  # the mean of w [w_dim], or that of each class [label_dim, w_dim]

    def _open(self, mapping: ToW, blueprint: Blueprint, device: str, *, classes: bool = False) -> None:
        """Take the mapping network, and the file's mean of w where it has one; with `classes` it may have one for each."""
        self._mapping, self.w_dim, self.label_dim = mapping, mapping.w_dim, mapping.c_dim
        if blueprint.has("mapping.w_avg"):
            of_each = classes and self.label_dim and len(blueprint.shape("mapping.w_avg")) == 2
            rows = [self.label_dim] if of_each else []
            self._average = blueprint.load("mapping.w_avg", *rows, self.w_dim).to(device)

    def _map(self, z: Tensor, label: Tensor | None) -> Tensor:
        return self._mapping(z, label)

    def _w_mean(self) -> Tensor:
        if self._average is None:
            self._average = self._computed_average()
        return self._average if self._average.ndim == 1 else self._average.mean(dim=0)

    def _centre(self, label: Tensor | None) -> Tensor:
        if self._average is None or self._average.ndim == 1 or label is None:
            return self._w_mean()
        return self._average[label.argmax(dim=1)]

    def _computed_average(self) -> Tensor:
        """The mean of w over the latents of seed 0, for files that don't hold it; labels are all zero."""
        total = torch.zeros(self.w_dim, dtype=torch.float64, device=self.device)
        with torch.no_grad():
            for start in range(0, _DRAWN, _TOGETHER):
                z = torch.from_numpy(sample_latents(_TOGETHER, self.latent_dim, seed=0, start=start)).to(self.device)
                label = torch.zeros(len(z), self.label_dim, device=self.device) if self.label_dim else None
                total += self._mapping(z, label).double().sum(dim=0)
        return (total / _DRAWN).float()
