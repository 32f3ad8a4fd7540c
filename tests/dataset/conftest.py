"""The two-halves world with a judge of its own."""

from __future__ import annotations

import pytest
import torch

from tlgan.extractors import Feature
from tlgan.workspace import Workspace
from worlds import halves_workspace


class Judge:
    """Measures the same halves by their middle rows, and with a scale of its own."""

    name = "another"
    input_size = 16
    features = (Feature("right_bright", "probability"), Feature("left", "quantity"))

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        left, right = images[:, :, 4:12, :8].mean((1, 2, 3)), images[:, :, 4:12, 8:].mean((1, 2, 3))
        return torch.stack([torch.sigmoid(3 * right), left], dim=1)


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of the two-halves world, only read."""
    return halves_workspace(tmp_path_factory.mktemp("world") / "ws")
