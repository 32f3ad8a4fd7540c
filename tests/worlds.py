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
    features = (
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
    return Settings(**{"generator": "halves", "extractors": ("halves",), "base": (), "max_samples": 4000, **changes})  # type: ignore[arg-type]


def halves_workspace(path: Path, **changes: object) -> Workspace:
    """A finished workspace of this world."""
    return discover(path, halves_settings(**changes), **halves_networks())


def reopen(path: Path, *, trust: bool = False) -> Workspace:
    """The workspace opened again, with this world's networks."""
    return open_workspace(path, trust=trust).changed(**halves_networks())
