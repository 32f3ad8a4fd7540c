"""Smaller pictures, antialiased: what a generator does that can't stop painting at a smaller size."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate


def resize_images(images: Tensor, side: int) -> Tensor:
    """[n, C, H, W] -> [n, C, side, side]: box means for whole factors (exact, fast), else an antialiased bilinear."""
    height, width = images.shape[-2:]
    if (height, width) == (side, side):
        return images
    if height % side == 0 and width % side == 0:
        return adaptive_avg_pool2d(images, side)
    resized: Tensor = interpolate(images, (side, side), mode="bilinear", antialias=True, align_corners=False)
    return resized
