"""Figures with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 400
#: Standard normal quantile of a 95 % interval.
Z95 = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def bootstrap(faces: int, figure: Callable[[np.ndarray], float], *, seed: int = 0) -> Estimate:
    """A figure of `faces` independent faces: `figure(rows)` is computed on resampled rows (percentile bootstrap,
    Efron 1979). Whatever was done with one face is resampled together."""
    rng = np.random.default_rng(seed)
    values = [figure(rng.integers(0, faces, faces)) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(values, (0.025, 0.975))
    return Estimate(float(figure(np.arange(faces))), float(low), float(high))


def wilson(yes: int, of: int) -> Estimate:
    """The share `yes` of `of` independent ones, with its score interval (Wilson 1927); 0 to 1 where there are none."""
    if of == 0:
        return Estimate(float("nan"), 0.0, 1.0)
    share, weight = yes / of, Z95**2 / of
    middle = (share + weight / 2) / (1 + weight)
    half = Z95 / (1 + weight) * math.sqrt(share * (1 - share) / of + weight / (4 * of))
    return Estimate(share, max(middle - half, 0.0), min(middle + half, 1.0))


def difference(yes: int, of: int, other_yes: int, other_of: int) -> Estimate:
    """The difference of two shares, with the hybrid score interval (Newcombe 1998, method 10)."""
    one, other = wilson(yes, of), wilson(other_yes, other_of)
    gap = one.value - other.value
    low = gap - math.hypot(one.value - one.low, other.high - other.value)
    high = gap + math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(gap, low, high)


def holm(p: Sequence[float]) -> list[float]:
    """p values adjusted for their number, so that the chance of any false alarm stays what one of them promises
    (Holm 1979)."""
    order = sorted(range(len(p)), key=lambda k: p[k])
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min(1.0, p[k] * (len(p) - rank)))
        adjusted[k] = largest
    return adjusted


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Fréchet distance between Gaussians fitted to points [n, e] and [m, e]: |Δmean|² + tr(A + B - 2 (AB)^½), the form
    of the Fréchet Inception Distance (Heusel et al. 2017), in whatever embedding the points are given."""
    a, b = np.atleast_2d(np.cov(one, rowvar=False)), np.atleast_2d(np.cov(other, rowvar=False))
    gap = one.mean(axis=0) - other.mean(axis=0)
    scale, basis = np.linalg.eigh(a)
    root = basis * np.sqrt(np.maximum(scale, 0)) @ basis.T
    # tr (AB)^½ = tr (A^½ B A^½)^½, which is symmetric.
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0)).sum()
    return float(gap @ gap + np.trace(a) + np.trace(b) - 2 * cross)


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cosines [n] between the rows of [n, e] and [n, e]."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / np.maximum(lengths, 1e-12))
