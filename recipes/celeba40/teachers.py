"""The networks that teach: unlike each other, so that their mistakes differ and averaging removes them.

Neither ships. Beside the residual network of the package's own kind, one weighs its channels and
normalises before it convolves.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

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
        a = F.relu(self.norm1(x))
        y = self.conv2(F.relu(self.norm2(self.conv1(a))))
        weight = self.excite(F.relu(self.squeeze(y.mean(dim=(2, 3))))).sigmoid()
        shortcut = x if self.shortcut is None else self.shortcut(F.avg_pool2d(a, self.stride))
        return shortcut + y * weight[:, :, None, None]


class ExcitedNet(nn.Module):
    """Squeeze-and-excitation network, shallow where pictures are large."""

    def __init__(self, outputs: int, widths: tuple[int, ...] = (32, 56, 112, 208)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, 2, 1, bias=False)  # (n, widths[0], 32, 32)
        blocks: list[nn.Module] = [ExcitedBlock(widths[0], widths[0], 1)]
        for inner, width in pairwise(widths):
            blocks += [ExcitedBlock(inner, width, 2), ExcitedBlock(width, width, 1)]
        self.blocks = nn.Sequential(*blocks, nn.BatchNorm2d(widths[-1]), nn.ReLU())  # (n, widths[-1], 4, 4)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, 64, 64] -> [n, outputs]."""
        return self.head(self.dropout(self.blocks(self.stem(x)).mean(dim=(2, 3))))


TEACHERS: dict[str, Callable[[int], nn.Module]] = {"residual": ResidualNet, "excited": ExcitedNet}
