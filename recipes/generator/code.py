"""A picture's code: where it stands among the training pictures, as the first numbers of a latent.

The code is the picture's whitened principal components: of how it looks from afar (a 16x16 miniature) and, where there
is a frozen network, of what that network says of it. Nothing is learned, and the codes of photographs have mean 0 and
covariance 1, as latents do. So the generator has an encoder before its first step: half of each batch it repaints
photographs from their codes, half it paints from drawn latents, whose codes it should then hit. That asks for the
whole variety of the photographs at once, so nothing collapses, and it spares the tens of thousands of pictures that
a GAN needs to find out what a face is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.generators.nets.modulated import SKETCH

from .knowledge import Knowledge

MINIATURE = SKETCH  # pixels


def miniature(x: Tensor) -> Tensor:
    """[n, C, S, S] -> [n, C, 16, 16]."""
    return F.adaptive_avg_pool2d(x.float(), MINIATURE)


@dataclass(frozen=True)
class Code:
    """`mean` and `scale` [p] of what is seen; `components` [p, k], whitening included; `weights` [k], 1 on average."""

    mean: Tensor
    scale: Tensor
    components: Tensor
    weights: Tensor

    @staticmethod
    @torch.no_grad()
    def fit(batches: Iterable[Tensor], size: int, knowledge: Knowledge | None) -> tuple[Code, Tensor]:
        """The code of `size` numbers of these photographs [n, 3, S, S], and their codes [N, size].

        Looks and what the network says count half of the variance each.
        """
        seen = torch.cat([_seen(x, knowledge.sees(x)[1] if knowledge else None) for x in batches])
        mean, looks = seen.mean(dim=0), 3 * MINIATURE**2
        scale = torch.empty_like(mean)
        scale[:looks] = (seen[:, :looks] - mean[:looks]).square().sum(dim=1).mean().sqrt()
        scale[looks:] = (seen[:, looks:] - mean[looks:]).square().mean(dim=0).sqrt() * (len(mean) - looks) ** 0.5
        centred = (seen - mean) / scale
        variance, vectors = torch.linalg.eigh(centred.t() @ centred / len(centred))
        order = variance.argsort(descending=True)[:size]
        deviation = variance[order].clamp(min=1e-12).sqrt()
        components = vectors[:, order] / deviation
        return Code(mean, scale, components, deviation / deviation.mean()), centred @ components

    def of(self, x: Tensor, said: Tensor | None) -> Tensor:
        """Pictures [n, 3, S, S] and the network's raw outputs [n, f] -> [n, k], differentiable."""
        return (_seen(x, said) - self.mean) / self.scale @ self.components

    def distance(self, codes: Tensor, latents: Tensor) -> Tensor:
        """How far `codes` [n, k] are from the first numbers of `latents` [n, d]; components of large variance count more."""
        wanted = latents[:, : codes.shape[1]]
        return (F.smooth_l1_loss(codes, wanted, reduction="none").mean(dim=0) * self.weights).mean()


def _seen(x: Tensor, said: Tensor | None) -> Tensor:
    looks = miniature(x).flatten(1)
    return looks if said is None else torch.cat([looks, said.float()], dim=1)
