"""Zero-insertion, FIR filtering and decimation of pictures: how StyleGANs change size without aliasing.

`upfirdn(x, f, up, down, pad)` is the operation of Karras et al. (StyleGAN2, 2020): insert `up - 1` zeros after every
pixel, pad, convolve with `f`, keep every `down`-th pixel. Here the zeros are never written down. Along one axis all of
it together is a matrix that is zero off a narrow band, and on a processor a long separable filter runs fastest as
products with the blocks of that band. Short filters, those that don't separate, and all of them on a GPU are
convolutions: transposed to upsample, strided to decimate.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_SHORT = 6  # taps up to which a convolution is as fast as a product of matrices
_SQUARE = 4  # taps up to which a square filter is faster in one pass than along one axis at a time
_BLOCK = 64  # rows of a block of the band

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
        # one pass over a large picture costs more than the few products that two would save
        parts = None if kernel.ndim == 2 and max(kernel.shape) <= _SQUARE else separate(kernel)
        self._taps: tuple[np.ndarray, np.ndarray] | None = None  # column, row; for matrices
        self._bands: dict[tuple[int, ...], list[Band]] = {}
        if parts is None:
            self._passes = [((kernel * gain).to(device), True, True)]
        else:
            column, row = parts
            self._taps = (column.numpy(), row.numpy() * gain)
            self._passes = [((row[None, :] * gain).to(device), True, False), (column[:, None].to(device), False, True)]

    def __call__(self, x: Tensor, *, up: int = 1, down: int = 1, pad: Padding = (0, 0, 0, 0)) -> Tensor:
        """[n, c, h, w] -> [n, c, h', w'] with h' = (h * up + top + bottom - k + 1) // down, rounded up."""
        if self._taps is not None and max(self.height, self.width) > _SHORT and x.device.type == "cpu":
            x = _product(x, self._band(1, x.shape[3], up, down, pad[0], pad[1]), -1)
            return _product(x, self._band(0, x.shape[2], up, down, pad[2], pad[3]), -2)
        for kernel, wide, tall in self._passes:
            x = _filter(
                x,
                kernel,
                (up if tall else 1, up if wide else 1),
                (down if tall else 1, down if wide else 1),
                (pad[0] if wide else 0, pad[1] if wide else 0, pad[2] if tall else 0, pad[3] if tall else 0),
            )
        return x

    def _band(self, axis: int, *key: int) -> list[Band]:
        assert self._taps is not None
        if (axis, *key) not in self._bands:
            self._bands[axis, *key] = band(self._taps[axis], *key)
        return self._bands[axis, *key]


Band = tuple[int, int, np.ndarray]  # first and last input, and what [outputs, inputs] they contribute


def band(taps: np.ndarray, size: int, up: int, down: int, before: int, after: int) -> list[Band]:
    """`upfirdn` along an axis of `size` pixels as a matrix: the blocks of its band, in the order of the outputs."""
    count = len(taps)
    outputs = -(-(size * up + before + after - count + 1) // down)
    blocks = []
    for start in range(0, outputs, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, outputs))
        # output r sees the pixels of the zero-inserted, padded row from r * down on; of those, every up-th is an input
        first = max(0, -(-(start * down - before) // up))
        last = max(first + 1, min(size, (int(rows[-1]) * down + count - 1 - before) // up + 1))
        first = min(first, size - 1)
        place = np.arange(first, min(last, size)) * up + before - rows[:, None] * down  # which tap, if any
        inside = (place >= 0) & (place < count)
        # a true convolution: the first pixel seen meets the last tap
        matrix = np.where(inside, taps[count - 1 - np.clip(place, 0, count - 1)], 0).astype(np.float32)
        blocks.append((first, first + matrix.shape[1], matrix))
    return blocks


def _product(x: Tensor, blocks: list[Band], axis: int) -> Tensor:
    parts = []
    for first, last, block in blocks:
        matrix = torch.from_numpy(block)
        if axis == -1:
            parts.append(x[..., first:last] @ matrix.T)
        else:
            parts.append(matrix @ x[..., first:last, :])
    return torch.cat(parts, dim=axis)


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


def over_white(images: Tensor) -> Tensor:
    """Pictures [n, 4, h, w] in [-1, 1] whose last channel is opacity, over white: [n, 3, h, w]; others as they are."""
    if images.shape[1] != 4:
        return images
    opacity = ((images[:, 3:] + 1) / 2).clamp(0, 1)
    return images[:, :3] * opacity + (1 - opacity)
