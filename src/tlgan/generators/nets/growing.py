"""Painting with a network that grew: any of its levels can paint, and between two of them pictures fade.

`lod`, the level of detail, is 0 where every detail is painted and rises by one with each halving of the picture, as in
training (Karras et al., 2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError


def grown(
    ground: Tensor,
    levels: int,
    block: Callable[[Tensor, int], Tensor],
    picture: Callable[[Tensor, int], Tensor],
    *,
    lod: float,
    resolution: int | None = None,
) -> Tensor:
    """Pictures [n, C, s, s] of `levels` blocks, the first of 4 px, that begin with `ground`.

    `block(x, level)` gives a level's features from those of the level before, `picture(x, level)` paints them. Nothing
    finer than `resolution` is computed; s is then the smallest side of a level that is not smaller.
    """
    if not 0 <= lod <= 32:
        raise TlganError(f"lod {lod} is out of range: expected 0 (every detail) to {levels - 1}")
    finest = levels - 1
    if resolution is not None:
        finest = min(finest, max(0, math.ceil(math.log2(resolution / 4))))
    depth = levels - 1 - max(lod, levels - 1 - finest)  # 0: 4x4 alone; 1.4: 40 % of 16x16 over 60 % of 8x8
    last = min(max(math.ceil(depth), 0), finest)
    x, coarse = ground, None
    for level in range(last + 1):
        before, x = x, block(x, level)
        if level == last and level > max(depth, 0):
            coarse = picture(before, level - 1)
    images = picture(x, last)
    if coarse is not None:
        images = images + (enlarge(coarse, 2) - images) * (last - depth)
    return enlarge(images, 2 ** (finest - last))


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Every pixel repeated `factor` times in both directions."""
    return x if factor == 1 else F.interpolate(x, scale_factor=float(factor), mode="nearest")


def doubling_kernel(weight: Tensor) -> Tensor:
    """[out, in, k, k] -> [in, out, k + 1, k + 1]: doubling each pixel, then a convolution, as one transposed convolution
    of stride 2 and padding (k - 1) / 2."""
    wide = F.pad(weight.transpose(0, 1), (1, 1, 1, 1))
    return wide[..., 1:, 1:] + wide[..., :-1, 1:] + wide[..., 1:, :-1] + wide[..., :-1, :-1]


def is_fused(given: Any, side: int) -> bool:
    """Whether the layer that doubles the picture to `side` pixels does so in its convolution, which mirrors its kernel.

    ``given`` is a file's or a person's `fused_scale`: true, false, "auto" (from 128 px on), or a list of sides.
    """
    if given == "auto":
        return side >= 128
    if isinstance(given, list):
        return side in given
    if not isinstance(given, bool):
        raise TlganError(f"fused_scale is {str(given)[:40]}: expected auto, true or false")
    return given
