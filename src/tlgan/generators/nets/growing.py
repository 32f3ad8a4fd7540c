"""Painting with a network that grew: any of its levels can paint, and between two of them pictures fade.

`lod`, the level of detail, is 0 where every detail is painted and rises by one with each halving of the picture, as in
training (Karras et al., 2018).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.base import LatentGenerator


class Grown(LatentGenerator):
    """A network that grew. A subclass has `_levels`, `_ground` and `_block`, and `_rgb`, which paints a level's features."""

    paint_options: ClassVar = ("lod",)
    lod = 0.0
    _levels = 0

    def _ground(self, latents: Tensor, label: Tensor | None) -> Tensor:
        """What the first block begins with."""
        return latents

    @abstractmethod
    def _block(self, x: Tensor, level: int, latents: Tensor, noise: str) -> Tensor:
        """The features of a level from those of the level before."""

    @abstractmethod
    def _rgb(self, x: Tensor, level: int) -> Tensor:
        """A level's picture."""

    def _paint(
        self,
        latents: Tensor,
        *,
        label: Tensor | None,
        noise: str,
        resolution: int | None,
        lod: float | None = None,
        **options: Any,
    ) -> Tensor:
        lod = self.lod if lod is None else float(lod)
        if not 0 <= lod <= 32:
            raise TlganError(f"lod {lod} is out of range: expected 0 (every detail) to {self._levels - 1}")
        finest = self._levels - 1
        if resolution is not None:  # nothing finer is computed
            finest = min(finest, max(0, math.ceil(math.log2(resolution / 4))))
        depth = (
            self._levels - 1 - max(lod, self._levels - 1 - finest)
        )  # 0: 4x4 alone; 1.4: 40 % of 16x16 over 60 % of 8x8
        last = min(max(math.ceil(depth), 0), finest)
        x, coarse = self._ground(latents, label), None
        for level in range(last + 1):
            before, x = x, self._block(x, level, latents, noise)
            if level == last and level > max(depth, 0):
                coarse = self._rgb(before, level - 1)
        images = self._rgb(x, last)
        if coarse is not None:
            images = images + (enlarge(coarse, 2) - images) * (last - depth)
        return enlarge(images, 2 ** (finest - last))

    @property
    def feature_sides(self) -> tuple[int, ...]:
        return tuple(4 << level for level in range(self._levels))

    def _features(self, latents: Tensor, *, label: Tensor | None, noise: str, side: int) -> Tensor:
        x = self._ground(latents, label)
        for level in range(self.feature_sides.index(side) + 1):
            x = self._block(x, level, latents, noise)
        return x


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
