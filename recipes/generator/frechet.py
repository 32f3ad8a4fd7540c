"""The Fréchet distance between two heaps of feature vectors, each taken for a Gaussian (Heusel et al., 2017)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """`mean` [e] and `covariance` [e, e] in double precision."""

    mean: Tensor
    covariance: Tensor

    @staticmethod
    def of(batches: Iterable[Tensor]) -> Moments:
        """From batches of vectors [n, e]."""
        vectors = torch.cat([batch.double() for batch in batches])
        return Moments(vectors.mean(dim=0), torch.cov(vectors.t()))


def frechet_distance(a: Moments, b: Moments) -> float:
    """|mean - mean|² + tr(A + B - 2 (A B)^½), through the symmetric form of the root."""
    values, vectors = torch.linalg.eigh(a.covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.t()
    cross = torch.linalg.eigvalsh(root @ b.covariance @ root).clamp(min=0).sqrt().sum()
    shift = (a.mean - b.mean).square().sum()
    return float(shift + a.covariance.trace() + b.covariance.trace() - 2 * cross)
