"""Small worlds with known truths, shared by the tests: a generator that paints two grey levels, what measures them.

The left half of a picture has the level tanh(a·z), the right half tanh(b·z); a and b are known, so the true axes are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tlgan.extractors import Feature
from tlgan.generators import Generator, wrap_generator
from tlgan.workspace import Settings, Workspace, open_workspace
from tlgan.workspace.discover import discover

DIM = 8
SIDE = 16
BARS = 12


class HalvesModule(torch.nn.Module):
    """z [n, DIM] -> pictures [n, 3, SIDE, SIDE] of two flat halves."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__()
        directions = np.random.default_rng(seed).normal(size=(2, DIM)).astype(np.float32) * 0.2
        self.directions = torch.nn.Parameter(torch.from_numpy(directions), requires_grad=False)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        levels = torch.tanh(z @ self.directions.T)  # (n, 2)
        columns = levels.repeat_interleave(SIDE // 2, dim=1)  # (n, SIDE)
        return columns[:, None, None, :].expand(-1, 3, SIDE, -1).contiguous()


class HalvesExtractor:
    """Measures the two halves exactly, and one feature that no latent moves."""

    name = "halves"
    input_size = SIDE
    features: tuple[Feature, ...] = (
        Feature("left", "quantity", label="Left", low="dark", high="bright", group="Light"),
        Feature("right_bright", "probability", label="Right bright", low="dark", high="bright", group="Light"),
        Feature("noise", "quantity", label="Noise", group="Other"),
    )

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        half = images.shape[-1] // 2
        left = images[..., :half].mean((1, 2, 3))
        right = images[..., half:].mean((1, 2, 3))
        unrelated = torch.remainder(left.double() * 12345.678, 1).float()
        return torch.stack([left, torch.sigmoid(2 * right), unrelated], dim=1)


def halves_generator(seed: int = 1) -> Generator:
    """The generator of the world."""
    return wrap_generator(HalvesModule(seed), latent_dim=DIM)


def halves_networks(seed: int = 1) -> dict[str, Any]:
    """The world's networks as `discover` takes loaded ones."""
    return {"generator": halves_generator(seed), "loaded": {"halves": HalvesExtractor()}}


def halves_settings(**changes: object) -> Settings:
    """Settings of a workspace of this world."""
    return Settings(**{"generator": "halves", "extractors": ("halves",), "base": (), "max_samples": 4000, **changes})


def halves_workspace(path: Path, **changes: object) -> Workspace:
    """A finished workspace of this world."""
    return discover(path, halves_settings(**changes), **halves_networks())


class Bars(torch.nn.Module):
    """z [n, BARS] -> four bars whose levels are entangled, bent functions of z."""

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(3)
        self.mix = torch.nn.Parameter(torch.randn(4, BARS, generator=rng) / BARS**0.5)
        self.bend = torch.nn.Parameter(torch.randn(4, BARS, generator=rng) / BARS**0.5)

    def levels(self, z: torch.Tensor) -> torch.Tensor:
        """What the bars show, [n, 4]."""
        common = z[:, :1] * 0.5
        return torch.tanh(0.6 * (z @ self.mix.T + common) + 0.3 * torch.sin(1.5 * z @ self.bend.T))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.levels(z).repeat_interleave(8, dim=1)[:, None, None, :].expand(-1, 3, 32, -1)


class Ruler:
    """Measures the four bars; without gradients."""

    name = "ruler"
    input_size = 32
    features: tuple[Feature, ...] = (
        *(Feature(f"bar{k}", "quantity") for k in range(3)),
        Feature("bar3", "probability"),
    )

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            values = self.raw(images)
        return torch.cat([values[:, :3], values[:, 3:].sigmoid()], dim=1)

    def raw(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((1, 2)).unflatten(1, (4, 8)).mean(2) * 2


class DifferentiableRuler(Ruler):
    """The same with its gradient, and an embedding."""

    logits = Ruler.raw

    def embedding(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((1, 2)).unflatten(1, (4, 8)).mean(2)


def reopen(path: Path, *, trust: bool = False) -> Workspace:
    """The workspace opened again, with this world's networks."""
    return open_workspace(path, trust=trust).changed(**halves_networks())
