"""The same MobileStyleGAN, quicker: on a CPU, where nobody asks for gradients.

Nearly all of a plain picture's time goes into moving features between memory and processor: at 512 pixels one layer's
are 67 MB, and each of its steps reads and writes them once. Here

- a block is painted in strips of rows that stay in the caches, from its Haar step to its last activation, and the last
  block up to the picture; the two rows that the next strip needs again are computed twice;
- channels come last, so that a pointwise convolution is one product of matrices, and depthwise ones need no reordering;
- styles are drawn into the Haar step's coefficients and into kernels; the picture's Haar step into its weights;
- the first convolution, of a constant, is a table: style times table.

`MobileStyleGAN` is the readable version, and what this is tested against.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.generators.interrupt import still_wanted

_SLOPE = 0.2
_STRIP = 2**20  # numbers in the widest tensor of a strip: 4 MB
_ALONE = 64  # pixels: from this side on pictures are painted one by one


@dataclass(slots=True)
class _Layer:
    depthwise: Tensor  # [c, 1, 3, 3], channels last
    pointwise: Tensor  # [c, out]
    noise: Tensor  # [s + 2, s], rows of zeros around it
    bias: Tensor  # [out]


class FastSynthesis:
    """w+ and what a `MobileStyleGAN` holds -> features and pictures. Channels before a Haar step are reordered: the
    means, then the details of all rows, of all columns, and the diagonal ones."""

    def __init__(
        self,
        const: Tensor,
        layers: Sequence[tuple[Tensor | None, Tensor, Tensor, Tensor]],
        styles: Sequence[tuple[Tensor, Tensor]],
        picture: tuple[Tensor, Tensor],
    ) -> None:
        """`layers` are (depthwise [c, 1, 3, 3], kernel, noise, bias) in order, `styles` (weight, bias) in order, `picture`
        is (kernel [4 C, c, 1, 1], bias)."""
        self._side = const.shape[-1]
        _, kernel, noise, bias = layers[0]
        last = haar_order(len(bias))
        neighbours = F.unfold(const[:, None], 3, padding=1)  # [c, 9, side * side]
        table = torch.einsum("ock,ckp->cpo", kernel[last].flatten(2), neighbours)
        self._table = table.flatten(1).contiguous()  # [c, side * side * out]
        self._start = (noise.reshape(-1, 1), bias[last])
        self._layers: list[_Layer] = []
        for index, (depthwise, kernel, noise, bias) in enumerate(layers[1:]):
            assert depthwise is not None
            before_haar = index % 2 and index < len(layers) - 2
            order = haar_order(len(bias)) if before_haar else torch.arange(len(bias))
            self._layers.append(
                _Layer(
                    depthwise.contiguous(memory_format=torch.channels_last),
                    kernel[order, :, 0, 0].t().contiguous(),
                    F.pad(noise, (0, 0, 1, 1)),
                    bias[order],
                )
            )
        ordered = []
        for index, (weight, bias) in enumerate(styles):
            before_haar = index % 3 == 1 and index < len(styles) - 1
            order = haar_order(len(bias)) if before_haar else torch.arange(len(bias))
            ordered.append((weight[order], bias[order]))
        self._styles = ordered
        # back to the usual order of channels, after every number of blocks
        self._order = [torch.argsort(haar_order(len(bias))) for _, bias in styles[1:-1:3]]
        self._order.append(torch.arange(len(styles[-1][1])))
        mix = _mixing(len(picture[1]))
        self._picture = mix @ picture[0][:, :, 0, 0]  # [4 C, c]
        self._picture_bias = (mix @ picture[1])[:, None]

    @property
    def blocks(self) -> int:
        return len(self._layers) // 2

    def features(self, latents: Tensor, *, noise: str, blocks: int) -> Tensor:
        """w+ [n, num_ws, w_dim] -> features after that many blocks, [n, C, s, s], channels in their usual order."""
        x = self._run(latents, noise, blocks)
        return x[..., self._order[blocks]].permute(0, 3, 1, 2)

    def pictures(self, latents: Tensor, *, noise: str) -> Tensor:
        """w+ [n, num_ws, w_dim] -> pictures [n, C, S, S]."""
        coarse = self._run(latents, noise, self.blocks - 1)
        weights = self._picture * self._style(latents, len(self._styles) - 1)[:, None]  # [n, 4 C, c]
        colours, side = len(self._picture) // 4, 2 * coarse.shape[1]
        images = coarse.new_empty(len(coarse), colours, side, 2, side, 2)
        for row in range(len(latents)):
            strips = self._strips(coarse[row : row + 1], latents[row : row + 1], noise, self.blocks - 1, None)
            for start, x in strips:
                rows = x.shape[1]
                y = torch.addmm(self._picture_bias, weights[row], x.view(-1, x.shape[-1]).t())  # [4 C, rows * side]
                y = y.view(colours, 2, 2, rows, side).permute(0, 3, 1, 4, 2)
                images[row, :, start : start + rows] = y
        return images.view(len(coarse), colours, 2 * side, 2 * side)

    # -- blocks ------------------------------------------------------------------------------------------------

    def _run(self, latents: Tensor, noise: str, blocks: int) -> Tensor:
        """Features [n, s, s, C] after that many blocks."""
        own, bias = self._start
        x = (self._style(latents, 0) @ self._table).view(len(latents), -1, len(bias))
        x = _activate(x, own if noise == "const" else None, bias).view(len(latents), self._side, self._side, -1)
        for block in range(blocks):
            x = self._block(x, latents, noise, block)
        return x

    def _block(self, x: Tensor, latents: Tensor, noise: str, block: int) -> Tensor:
        """[n, h, w, 4 c] -> [n, 2 h, 2 w, out]"""
        n, side, width = len(x), 2 * x.shape[1], len(self._layers[2 * block + 1].bias)
        out = x.new_empty(n, side, side, width)
        if side < _ALONE:
            for _ in self._strips(x, latents, noise, block, out):
                pass
        else:
            for row in range(n):
                for _ in self._strips(x[row : row + 1], latents[row : row + 1], noise, block, out[row : row + 1]):
                    pass
        return out

    def _strips(
        self, x: Tensor, latents: Tensor, noise: str, block: int, out: Tensor | None
    ) -> Iterator[tuple[int, Tensor]]:
        """A block's output [n, 2 h, 2 w, out], one strip after another: its first row and [n, rows, 2 w, out].

        The strips are parts of `out` where it is given; else one piece of memory, used again for each.
        """
        first, second = self._layers[2 * block], self._layers[2 * block + 1]
        n, side = len(x), 2 * x.shape[1]
        inner = self._style(latents, 3 * block + 2)  # [n, c]
        coefficients = self._style(latents, 3 * block + 1).view(n, 4, -1) * (0.5 * inner[:, None])
        style = self._style(latents, 3 * block + 3)
        widest = max(x.shape[3] // 4, len(first.bias), len(second.bias))
        rows = side if side < _ALONE else min(side, max(2, _STRIP // (side * widest) // 2 * 2))
        between = x.new_empty(n, rows + 2, side, len(first.bias))
        kept = None if out is not None else x.new_empty(n, rows, side, len(second.bias))
        for start in range(0, side, rows):
            still_wanted()
            stop = min(side, start + rows)
            y = self._haar(x, coefficients, start, stop)  # rows start - 2 to stop + 2
            middle = between[:, : stop - start + 2]  # rows start - 1 to stop + 1
            self._layer(y, first, None, noise, start, middle)
            if start == 0:
                middle[:, 0] = 0
            if stop == side:
                middle[:, -1] = 0
            strip = kept[:, : stop - start] if kept is not None else cast(Tensor, out)[:, start:stop]
            self._layer(middle, second, style, noise, start + 1, strip)
            yield start, strip

    def _haar(self, x: Tensor, coefficients: Tensor, start: int, stop: int) -> Tensor:
        """Rows `start` - 2 to `stop` + 2 of the inverse Haar step of x [n, h, w, 4 c], zeros beyond the border."""
        n, height, width, _ = x.shape
        channels = coefficients.shape[2]
        out = x.new_empty(n, (stop - start) // 2 + 2, 2, width, 2, channels)
        low, high = start // 2 - 1, stop // 2 + 1
        if low < 0:
            out[:, 0] = 0
        if high > height:
            out[:, -1] = 0
        inside = out[:, max(0, low) - low : min(height, high) - low]
        mean, rows, columns, diagonal = x[:, max(0, low) : min(height, high)].view(n, -1, width, 4, channels).unbind(3)
        factors = coefficients[:, None, None].unbind(3)  # [n, 1, 1, c] each
        mean, columns = mean * factors[0], columns * factors[2]
        upper, lower = (torch.addcmul(mean, rows, factors[1], value=sign) for sign in (1, -1))
        plus, minus = (torch.addcmul(columns, diagonal, factors[3], value=sign) for sign in (1, -1))
        torch.add(upper, plus, out=inside[:, :, 0, :, 0])
        torch.sub(upper, plus, out=inside[:, :, 0, :, 1])
        torch.add(lower, minus, out=inside[:, :, 1, :, 0])
        torch.sub(lower, minus, out=inside[:, :, 1, :, 1])
        return out.view(n, -1, 2 * width, channels)

    def _layer(self, x: Tensor, layer: _Layer, style: Tensor | None, noise: str, start: int, out: Tensor) -> None:
        """x [n, rows + 2, side, c] -> out [n, rows, side, out]; `start` is the first of its rows in the padded noise."""
        kernel = layer.depthwise
        if style is not None and len(x) == 1:
            kernel = kernel * style.view(-1, 1, 1, 1)
        elif style is not None:
            x = x * style[:, None, None]
        y = F.conv2d(x.permute(0, 3, 1, 2), kernel, padding=(0, 1), groups=x.shape[3]).permute(0, 2, 3, 1)
        torch.mm(y.reshape(-1, y.shape[3]), layer.pointwise, out=out.view(-1, out.shape[3]))
        _activate(out, layer.noise[start : start + out.shape[1], :, None] if noise == "const" else None, layer.bias)

    def _style(self, latents: Tensor, index: int) -> Tensor:
        return F.linear(latents[:, index], *self._styles[index])


def _activate(x: Tensor, noise: Tensor | None, bias: Tensor) -> Tensor:
    """leaky_relu(x + noise + bias), in place"""
    if noise is not None:
        x += noise
    x += bias
    return F.leaky_relu_(x, _SLOPE)


def haar_order(channels: int) -> Tensor:
    """Where the channels of a Haar step (means, then groups of three details) come from when sorted by kind."""
    quarter = channels // 4
    details = quarter + torch.arange(3 * quarter).view(quarter, 3).t().flatten()
    return torch.cat([torch.arange(quarter), details])


def _mixing(channels: int) -> Tensor:
    """The Haar step as a matrix: coefficients [4 C] -> pixels [C, 2, 2], flattened."""
    signs = torch.tensor([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) * 0.5  # pixel x kind
    quarter = channels // 4
    mix = torch.zeros(quarter, 4, channels)
    for colour in range(quarter):
        mix[colour, :, colour] = signs[:, 0]
        mix[colour, :, quarter + 3 * colour : quarter + 3 * colour + 3] = signs[:, 1:]
    return mix.view(4 * quarter, channels)
