"""Antialiased downsampling, for generators that can't paint at a smaller size."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate


def resize_images(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """[n, C, H, W] -> [n, C, *size] (a side, or height and width): box means for whole factors (exact, fast), else an
    antialiased bilinear."""
    height, width = images.shape[-2:]
    rows, columns = (size, size) if isinstance(size, int) else size
    if (height, width) == (rows, columns):
        return images
    if height % rows == 0 and width % columns == 0:
        return adaptive_avg_pool2d(images, (rows, columns))
    resized: Tensor = interpolate(images, (rows, columns), mode="bilinear", antialias=True, align_corners=False)
    return resized
