"""The latents' own geometry.

In whitened coordinates the population is a ball, whatever the space: z already is one, w becomes one through its
covariance. Lengths, angles and "how far from what the generator knows" are all meant in these coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

#: Directions of w whose variance is under this share of the largest are flat: they are floored, not divided by.
FLOOR = 1e-8


@dataclass(frozen=True, eq=False)
class Metric:
    """latent = mean + root @ whitened: ``mean`` [d], ``root`` and its ``inverse`` [d, d], float64; ``radius``, the 99 %
    quantile of the whitened norm over the population."""

    mean: np.ndarray
    root: np.ndarray
    inverse: np.ndarray
    radius: float

    @classmethod
    def of(cls, mean: np.ndarray, covariance: np.ndarray | None, radius: float) -> Metric:
        """From the population's mean [d] and covariance [d, d]; None is the identity, exactly."""
        mean = mean.astype(np.float64)
        if covariance is None:
            identity = np.eye(len(mean))
            return cls(mean, identity, identity, radius)
        scale, basis = np.linalg.eigh(covariance.astype(np.float64))
        deviation = np.sqrt(np.maximum(scale, max(scale.max(), 1e-30) * FLOOR))
        return cls(mean, basis * deviation, (basis / deviation).T, radius)

    @classmethod
    def around(cls, latents: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> Metric:
        """From mean [d] and covariance [d, d], rounded to float32 as a file keeps them; the radius is that of `latents`
        [n, d]."""
        geometry = cls.of(mean.astype(np.float32), covariance.astype(np.float32), 0.0)
        return replace(geometry, radius=float(np.quantile(np.linalg.norm(geometry.whiten(latents), axis=1), 0.99)))

    @classmethod
    def around_zero(cls, latents: np.ndarray) -> Metric:
        """Of a white space; the radius is that of `latents` [n, d]."""
        geometry = cls.of(np.zeros(latents.shape[1]), None, 0.0)
        return replace(geometry, radius=float(np.quantile(np.linalg.norm(geometry.whiten(latents), axis=1), 0.99)))

    @property
    def covariance(self) -> np.ndarray:
        """Covariance [d, d] of the population, float64."""
        return np.asarray(self.root @ self.root.T)

    def whiten(self, latents: np.ndarray) -> np.ndarray:
        """Latents [..., d] in whitened coordinates, float64 [..., d]."""
        return np.asarray((latents.astype(np.float64) - self.mean) @ self.inverse.T)

    def colour(self, whitened: np.ndarray) -> np.ndarray:
        """The inverse of `whiten`."""
        return np.asarray(whitened @ self.root.T + self.mean)
