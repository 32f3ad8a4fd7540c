"""Differentiable augmentation (Zhao et al., 2020): what the discriminator sees, real or made, is disturbed alike.

With a few thousand pictures a discriminator soon knows them by heart; shifted, tinted and partly hidden ones it can't.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def disturb(x: Tensor, strength: float = 1.0) -> Tensor:
    """[n, C, H, W] in [-1, 1] -> the same, moved by up to an eighth of its side, in other light, contrast and
    saturation, a third of its side greyed in every second picture; with ``strength`` below 1 less of each."""
    n, side = x.shape[0], x.shape[-1]
    x = x + 0.25 * strength * _both_ways(n)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * (1 + 0.6 * strength * _both_ways(n))
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = mean + (x - mean) * (1 + 0.3 * strength * _both_ways(n))
    return _hide(moved(x, round(0.125 * strength * side)), side // 3, 0.5 * strength**2)


def moved(x: Tensor, most: int) -> Tensor:
    """Each picture moved by up to ``most`` pixels along each side, its border going on."""
    n, _, height, width = x.shape
    padded = F.pad(x, (most, most, most, most), mode="replicate")
    rows = torch.arange(height) + torch.randint(0, 2 * most + 1, (n, 1))
    columns = torch.arange(width) + torch.randint(0, 2 * most + 1, (n, 1))
    picked = padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # (n, H, W, C)
    return picked.permute(0, 3, 1, 2)


def _hide(x: Tensor, size: int, share: float) -> Tensor:
    n, _, height, width = x.shape
    top = torch.randint(-size // 2, height - size // 2, (n, 1))
    left = torch.randint(-size // 2, width - size // 2, (n, 1))
    chosen = torch.rand(n, 1) < share
    rows, columns = torch.arange(height), torch.arange(width)
    inside_rows = (rows >= top) & (rows < top + size) & chosen
    inside_columns = (columns >= left) & (columns < left + size)
    return x * ~(inside_rows[:, :, None] & inside_columns[:, None, :])[:, None]


def _both_ways(n: int) -> Tensor:
    return 2 * torch.rand(n, 1, 1, 1) - 1
