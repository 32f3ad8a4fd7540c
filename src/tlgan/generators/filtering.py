"""Zero-insertion, FIR filtering and decimation of pictures: how StyleGANs change size without aliasing.

`upfirdn(x, f, up, down, pad)` is the operation of Karras et al. (StyleGAN2, 2020): insert `up - 1` zeros after every
pixel, pad, convolve with `f`, keep every `down`-th pixel. Here the zeros are never written down: upsampling is a
transposed convolution, decimation a strided one, and a separable filter runs along one axis at a time.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

Padding = tuple[int, int, int, int]  # left, right, top, bottom, in pixels after zero-insertion; negative crops


def separate(kernel: Tensor) -> tuple[Tensor, Tensor] | None:
    """(column, row) whose outer product is the 2-d `kernel`, or None where there are none."""
    if kernel.ndim == 1:
        return kernel, kernel
    u, s, v = torch.linalg.svd(kernel.double())
    if len(s) > 1 and s[1] > 1e-6 * s[0]:
        return None
    column, row = u[:, 0] * s[0].sqrt(), v[0] * s[0].sqrt()
    return column.float(), row.float()


class Filter:
    """A FIR filter ready for use on any number of channels; `kernel` is [k] (separable) or [k, k]."""

    def __init__(self, kernel: Tensor, gain: float = 1.0, device: torch.device | str = "cpu") -> None:
        self.height, self.width = kernel.shape[0], kernel.shape[-1]
        parts = separate(kernel)
        if parts is None:
            self._passes = [(kernel * gain).to(device)]
        else:
            column, row = parts
            self._passes = [(row[None, :] * gain).to(device), column[:, None].to(device)]

    def __call__(self, x: Tensor, *, up: int = 1, down: int = 1, pad: Padding = (0, 0, 0, 0)) -> Tensor:
        """[n, c, h, w] -> [n, c, h', w'] with h' = (h * up + top + bottom - k + 1) // down, rounded up."""
        for kernel in self._passes:
            tall, wide = kernel.shape[0] > 1 or len(self._passes) == 1, kernel.shape[1] > 1 or len(self._passes) == 1
            x = _filter(
                x,
                kernel,
                (up if tall else 1, up if wide else 1),
                (down if tall else 1, down if wide else 1),
                (pad[0] if wide else 0, pad[1] if wide else 0, pad[2] if tall else 0, pad[3] if tall else 0),
            )
        return x


def _filter(x: Tensor, kernel: Tensor, up: tuple[int, int], down: tuple[int, int], pad: Padding) -> Tensor:
    channels, (height, width) = x.shape[1], kernel.shape
    left, right, top, bottom = pad
    if up == (1, 1):
        weight = kernel.flip(0, 1).expand(channels, 1, height, width)
        if left == right >= 0 and top == bottom >= 0:
            return F.conv2d(x, weight, stride=down, padding=(top, left), groups=channels)
        return F.conv2d(F.pad(x, pad), weight, stride=down, groups=channels)
    # The transposed convolution gives the full convolution; what padding adds or crops is at its ends. Its last
    # up - 1 zeros are not written by it, but count in the definition.
    x_full = F.conv_transpose2d(x, kernel.expand(channels, 1, height, width), stride=up, groups=channels)
    x_full = F.pad(
        x_full,
        (
            left - (width - 1),
            right - (width - 1) + up[1] - 1,
            top - (height - 1),
            bottom - (height - 1) + up[0] - 1,
        ),
    )
    return x_full[:, :, :: down[0], :: down[1]]
