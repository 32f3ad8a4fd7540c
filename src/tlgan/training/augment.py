"""Data augmentation: random views of a picture that keep its labels.

Flip, zoom, shift and turn in one resampling from a picture kept somewhat larger than the network's input; then light,
colour, and now and then a blur. Mild, since nobody knows what the labels are about.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.io.pixels import resampled, to_images

ROOM = 1.25  # kept pictures are this much larger than the network's input


def plain_view(pictures: Tensor, size: int) -> Tensor:
    """uint8 [n, H, W, 3] -> float32 [n, 3, size, size] in [-1, 1], the whole picture."""
    return resampled(to_images(pictures), (size, size))


def random_view(pictures: Tensor, size: int, rng: torch.Generator, *, flip: bool = True) -> Tensor:
    """uint8 [n, H, W, 3] -> a random view of each, float32 [n, 3, size, size] in [-1, 1]."""
    n = len(pictures)
    zoom = 0.86 + 0.2 * torch.rand(n, generator=rng)
    angle = 0.14 * _both_ways(n, rng)  # radians: eight degrees
    mirror = torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0) if flip else torch.ones(n)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, 0.1 * _both_ways(n, rng)], dim=1),
            torch.stack([sin * mirror, cos, 0.1 * _both_ways(n, rng)], dim=1),
        ],
        dim=1,
    )  # (n, 2, 3)
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    x = F.grid_sample(to_images(pictures), grid, padding_mode="border", align_corners=False)
    return _blurred(_lit(x, rng), rng).clamp(-1, 1)


def _lit(x: Tensor, rng: torch.Generator) -> Tensor:
    n = len(x)
    contrast = torch.exp(0.2 * _both_ways(n, rng)).view(n, 1, 1, 1)
    brightness = 0.15 * _both_ways(n, rng).view(n, 1, 1, 1)
    tint = 0.05 * (2 * torch.rand(n, 3, 1, 1, generator=rng) - 1)
    return x * contrast + brightness + tint


def _blurred(x: Tensor, rng: torch.Generator) -> Tensor:
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = 0.9 * torch.rand(len(x), generator=rng) * (torch.rand(len(x), generator=rng) < 0.25)
    return torch.lerp(x, soft, share.view(-1, 1, 1, 1))


def _both_ways(n: int, rng: torch.Generator) -> Tensor:
    return 2 * torch.rand(n, generator=rng) - 1
