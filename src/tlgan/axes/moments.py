"""Sufficient statistics of a linear model over any number of rows: count, mean and scatter.

Moments add up over parts, workers and interrupted runs, so that slopes, held-out R² and split-half agreement of
millions of rows cost the memory of one (d + f)² matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Moments:
    """Running first and second moments of joint rows (latent [d], response [f]) in float64.

    ``count`` rows, their ``mean`` [d + f] and centred ``scatter`` [d + f, d + f] (sum of outer products). Updates and
    merges follow Chan, Golub and LeVeque (1983), which loses no digits to large means.
    """

    latent_dim: int
    response_dim: int
    count: int = 0
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scatter: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    def __post_init__(self) -> None:
        if self.count == 0:
            size = self.latent_dim + self.response_dim
            self.mean = np.zeros(size)
            self.scatter = np.zeros((size, size))

    def add(self, latents: np.ndarray, responses: np.ndarray) -> None:
        """Take in latents [n, d] and responses [n, f]."""
        if len(latents) == 0:
            return
        rows = np.concatenate([latents, responses], axis=1, dtype=np.float64)
        mean = rows.mean(axis=0)
        rows -= mean
        self._combine(len(rows), mean, rows.T @ rows)

    def __add__(self, other: Moments) -> Moments:
        """Moments of both sets of rows together."""
        total = Moments(self.latent_dim, self.response_dim, self.count, self.mean.copy(), self.scatter.copy())
        total.merge(other)
        return total

    def merge(self, other: Moments) -> None:
        """Take in the rows of `other`, which stays as it is."""
        if other.count:
            self._combine(other.count, other.mean, other.scatter)

    def _combine(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        total = self.count + count
        shift = mean - self.mean
        between = np.outer(shift, shift)
        between *= self.count * count / total
        self.scatter += scatter
        self.scatter += between
        self.mean += shift * (count / total)
        self.count = total

    @property
    def latent_mean(self) -> np.ndarray:
        """Mean latent [d]."""
        return self.mean[: self.latent_dim]

    @property
    def response_mean(self) -> np.ndarray:
        """Mean response [f]."""
        return self.mean[self.latent_dim :]

    @property
    def latent_scatter(self) -> np.ndarray:
        """Centred scatter of the latents [d, d]."""
        return self.scatter[: self.latent_dim, : self.latent_dim]

    @property
    def cross_scatter(self) -> np.ndarray:
        """Centred scatter of latents with responses [d, f]."""
        return self.scatter[: self.latent_dim, self.latent_dim :]

    @property
    def response_scatter(self) -> np.ndarray:
        """Centred scatter of the responses [f, f]."""
        return self.scatter[self.latent_dim :, self.latent_dim :]
