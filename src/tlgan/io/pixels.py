"""Pictures as numbers: between tensors in [-1, 1] and bytes, and to another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def levels_of(images: Tensor) -> Tensor:
    """Numbers in nominal [-1, 1] as grey levels, uint8 of the same shape; what lies outside is clipped."""
    import torch

    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def to_bytes(images: Tensor) -> NDArray[np.uint8]:
    """Pictures [n, C, H, W] in nominal [-1, 1] as uint8 [n, H, W, C]."""
    return levels_of(images).permute(0, 2, 3, 1).numpy(force=True)


def in_colour(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures uint8 [n, H, W, C] with three channels: grey ones have three equal ones."""
    return np.repeat(pictures, 3, axis=3) if pictures.shape[3] == 1 else pictures


def to_images(pictures: NDArray[np.uint8] | Tensor) -> Tensor:
    """Pictures uint8 [..., H, W, C] as float32 [..., C, H, W] in [-1, 1]."""
    import torch

    if isinstance(pictures, np.ndarray) and not pictures.flags.writeable:
        pictures = pictures.copy()  # torch warns of numbers that it could write over
    return torch.as_tensor(pictures).movedim(-1, -3).float() / 127.5 - 1


def rounded(levels: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Grey levels as whole ones, 0 to 255."""
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def fitted(size: Sequence[int], side: int) -> tuple[int, ...]:
    """`size` with its larger length `side`, its shape kept."""
    return tuple(max(1, round(length * side / max(size))) for length in size)


def scaled(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture uint8 [H, W, 3] with its larger side `side` (Lanczos)."""
    from PIL import Image

    image = Image.fromarray(picture)
    width, height = fitted(image.size, side)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def resampled(images: Tensor, size: Sequence[int]) -> Tensor:
    """Pictures [n, C, H, W] as [n, C, *size], bilinear with antialiasing; as they are where they have that size.

    Differentiable. Without the filter a smaller picture has edges that the larger one has not.
    """
    import torch

    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return torch.nn.functional.interpolate(images, tuple(size), mode="bilinear", antialias=True, align_corners=False)
