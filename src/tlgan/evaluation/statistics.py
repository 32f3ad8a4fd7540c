"""Figures with their uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RESAMPLES = 400


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
