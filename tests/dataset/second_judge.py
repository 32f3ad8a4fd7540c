"""A judge of the two-halves world that is not the extractor that its axes come from."""

from __future__ import annotations

import torch

from tlgan.extractors import Feature


class Judge:
    """Measures the same halves by their middle rows, and with a scale of its own."""

    name = "another"
    input_size = 16
    features: tuple[Feature, ...] = (Feature("right_bright", "probability"), Feature("left", "quantity"))

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        left, right = images[:, :, 4:12, :8].mean((1, 2, 3)), images[:, :, 4:12, 8:].mean((1, 2, 3))
        return torch.stack([torch.sigmoid(3 * right), left], dim=1)
