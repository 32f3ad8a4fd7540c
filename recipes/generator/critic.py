"""The discriminator: strided convolutions under spectral norm (Miyato et al., 2018), and its hinge losses."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class Critic(nn.Module):
    """Pictures [n, 3, S, S] -> verdicts [n, 1]: above 0 for photographs, below for made ones."""

    def __init__(self, side: int, width: int = 24, most: int = 256) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(3, width, 3), nn.LeakyReLU(0.2)]
        while side > 4:
            wider = min(2 * width, most)
            if side <= 32:  # the largest pictures are looked at once only: most of the time would go there
                layers += [_conv(width, width, 3), nn.LeakyReLU(0.2)]
            layers += [_conv(width, wider, 4, stride=2), nn.LeakyReLU(0.2)]
            side, width = side // 2, wider
        self.body = nn.Sequential(*layers)
        self.last = nn.Sequential(_conv(width + 1, width, 3), nn.LeakyReLU(0.2))
        self.verdict = spectral_norm(nn.Linear(width * side**2, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        x = self.last(torch.cat([x, _spread(x)], dim=1))
        verdict: Tensor = self.verdict(x.flatten(1))
        return verdict


def critic_loss(real: Tensor, made: Tensor) -> Tensor:
    return F.relu(1 - real.float()).mean() + F.relu(1 + made.float()).mean()


def maker_loss(made: Tensor) -> Tensor:
    return -made.float().mean()


def _conv(inner: int, outer: int, kernel: int, *, stride: int = 1) -> nn.Module:
    return spectral_norm(nn.Conv2d(inner, outer, kernel, stride, (kernel - 1) // 2))


def _spread(x: Tensor, group: int = 8) -> Tensor:
    """How much pictures of a group differ, as one more channel (Karras et al., 2018): collapse shows."""
    n, _, height, width = x.shape
    group = group if n % group == 0 else n
    deviation = x.float().reshape(group, n // group, -1).var(dim=0, unbiased=False).add(1e-8).sqrt().mean(dim=1)
    return deviation.repeat(group).view(n, 1, 1, 1).expand(n, 1, height, width).to(x.dtype)
