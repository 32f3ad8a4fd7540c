"""`embedder:made`, an extractor with an embedding that tests can name by reference."""

from __future__ import annotations

import torch

from tests.worlds import HalvesExtractor


class HalvesEmbedder(HalvesExtractor):
    """The halves' extractor with an embedding: both levels, their squares, and ten numbers about nothing."""

    def embedding(self, images: torch.Tensor) -> torch.Tensor:
        """[n, 3, H, W] -> [n, 14]."""
        half = images.shape[-1] // 2
        left, right = images[..., :half].mean((1, 2, 3)), images[..., half:].mean((1, 2, 3))
        nothing = torch.sin(left[:, None] * torch.arange(1000, 1010) * 7919)
        return torch.cat([torch.stack([left, right, left**2, right**2], dim=1), nothing], dim=1)


made = HalvesEmbedder()
