"""The networks that teach: unlike each other, so that their mistakes differ and averaging removes them.

None of them ships. Beside the residual network of the package's own kind, one weighs its channels and starts at full
resolution, and one sees large neighbourhoods through depthwise convolutions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlgan.extractors.networks import ResidualNet


class ExcitedBlock(nn.Module):
    """Pre-activation residual block whose channels are weighed by the whole picture (Hu et al., 2018)."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inner)
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.squeeze = nn.Linear(outer, outer // 8)
        self.excite = nn.Linear(outer // 8, outer)
        self.shortcut = nn.Conv2d(inner, outer, 1, bias=False) if stride != 1 or inner != outer else None
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        a = F.silu(self.norm1(x))
        y = self.conv2(F.silu(self.norm2(self.conv1(a))))
        weight = self.excite(F.silu(self.squeeze(y.mean(dim=(2, 3))))).sigmoid()
        shortcut = x if self.shortcut is None else self.shortcut(F.avg_pool2d(a, self.stride))
        return shortcut + y * weight[:, :, None, None]


class ExcitedNet(nn.Module):
    """Squeeze-and-excitation network with a full-resolution stem."""

    def __init__(self, outputs: int, widths: tuple[int, ...] = (40, 80, 160, 240)) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU())
        blocks: list[nn.Module] = []
        inner = 16
        for width in widths:
            blocks += [ExcitedBlock(inner, width, 2), ExcitedBlock(width, width, 1)]
            inner = width
        self.blocks = nn.Sequential(*blocks, nn.BatchNorm2d(inner), nn.SiLU())  # (n, widths[-1], 4, 4)
        self.dropout = nn.Dropout(0.25)
        self.head = nn.Linear(inner, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, 64, 64] -> [n, outputs]."""
        return self.head(self.dropout(self.blocks(self.stem(x)).mean(dim=(2, 3))))


class DepthwiseBlock(nn.Module):
    """A 7x7 depthwise convolution, then a two-layer perceptron a place (Liu et al., 2022, with batch normalisation)."""

    def __init__(self, width: int, drop: float) -> None:
        super().__init__()
        self.mix = nn.Conv2d(width, width, 7, 1, 3, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.expand = nn.Conv2d(width, 3 * width, 1)
        self.project = nn.Conv2d(3 * width, width, 1, bias=False)
        self.scale = nn.Parameter(torch.full((width, 1, 1), 0.1))
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        y = self.scale * self.project(F.gelu(self.expand(self.norm(self.mix(x)))))
        if self.training:  # stochastic depth
            kept = torch.rand(len(x), 1, 1, 1) >= self.drop
            y = y * kept / (1 - self.drop)
        return x + y


class DepthwiseNet(nn.Module):
    """Large-kernel depthwise network."""

    def __init__(
        self, outputs: int, widths: tuple[int, ...] = (80, 160, 288), depths: tuple[int, ...] = (2, 4, 2)
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, 32, 3, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.GELU(),
            nn.Conv2d(32, widths[0], 2, 2),
            nn.BatchNorm2d(widths[0]),
        ]  # (n, widths[0], 16, 16)
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            if stage:
                layers += [nn.BatchNorm2d(widths[stage - 1]), nn.Conv2d(widths[stage - 1], width, 2, 2)]
            layers += [DepthwiseBlock(width, 0.05) for _ in range(depth)]
        self.layers = nn.Sequential(*layers, nn.BatchNorm2d(widths[-1]), nn.GELU())  # (n, widths[-1], 4, 4)
        self.dropout = nn.Dropout(0.25)
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, 64, 64] -> [n, outputs]."""
        return self.head(self.dropout(self.layers(x).mean(dim=(2, 3))))


TEACHERS: dict[str, Callable[[int], nn.Module]] = {
    "residual": ResidualNet,
    "excited": ExcitedNet,
    "depthwise": DepthwiseNet,
}
