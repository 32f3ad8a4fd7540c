"""The networks of the extractors that ship, and of the teachers that they were distilled from.

All take float pictures [n, 3, 64, 64] in [-1, 1] and give raw outputs [n, f]: a logit for each probability, a
standardised value for each quantity. `embed` gives the pooled penultimate layer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al., 2016)."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outer)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inner != outer:
            # Averaging before the 1x1 convolution: a strided one would look at every fourth place only.
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(inner, outer, 1, bias=False),
                nn.BatchNorm2d(outer),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResidualNet(nn.Module):
    """A small residual network for 64-pixel pictures: a strided stem, then a stage a width."""

    def __init__(self, outputs: int, widths: tuple[int, ...] = (32, 64, 128, 224), depth: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 5, 2, 2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )  # (n, widths[0], 32, 32)
        blocks: list[nn.Module] = []
        inner = widths[0]
        for stage, width in enumerate(widths):
            for index in range(depth):
                blocks.append(ResidualBlock(inner, width, 2 if stage and not index else 1))
                inner = width
        self.blocks = nn.Sequential(*blocks)  # (n, widths[-1], 4, 4)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(inner, outputs)

    def embed(self, x: Tensor) -> Tensor:
        """[n, 3, 64, 64] -> [n, widths[-1]]."""
        pooled: Tensor = self.blocks(self.stem(x)).mean(dim=(2, 3))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, 64, 64] -> [n, outputs]."""
        outputs: Tensor = self.head(self.dropout(self.embed(x)))
        return outputs


class PlainNet(nn.Module):
    """Convolutions and pooling with no shortcut (Simonyan & Zisserman, 2015), read by mean and maximum together."""

    def __init__(self, outputs: int, widths: tuple[int, ...] = (32, 64, 128, 192)) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.GELU()]
        inner = 24
        for stage, width in enumerate(widths):
            if stage:
                layers.append(nn.MaxPool2d(2))
            for _ in range(3):
                layers += [nn.Conv2d(inner, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.GELU()]
                inner = width
        self.layers = nn.Sequential(*layers)  # (n, widths[-1], 4, 4)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(2 * inner, outputs)

    def embed(self, x: Tensor) -> Tensor:
        """[n, 3, 64, 64] -> [n, 2 * widths[-1]]."""
        y = self.layers(x)
        return torch.cat([y.mean(dim=(2, 3)), y.amax(dim=(2, 3))], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, 64, 64] -> [n, outputs]."""
        outputs: Tensor = self.head(self.dropout(self.embed(x)))
        return outputs


# What a weights file may name: outputs -> network.
ARCHITECTURES: dict[str, Callable[[int], nn.Module]] = {"residual": ResidualNet, "plain": PlainNet}


def folded(network: nn.Module) -> nn.Module:
    """A copy of one of these networks for looking alone: each normalisation is folded into the convolution before it,
    which spares a fifth of the time. Outputs and gradients are the same to rounding."""
    copy = deepcopy(network).eval()
    for part in list(copy.modules()):
        for (name, convolution), (after, norm) in itertools.pairwise(part.named_children()):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(part, name, fuse_conv_bn_eval(convolution, norm))
                setattr(part, after, nn.Identity())
    return copy.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
