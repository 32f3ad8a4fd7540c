"""Estimates from a fit: the axes of all rows so far, and their quality on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .glm import LinearFit, calibration, explained, fit
from .moments import Moments

#: Half the width of a 95 % interval in standard errors.
Z95 = 1.96


@dataclass(frozen=True)
class Estimate:
    """``whole``: the fit to all rows; ``unseen``: for each fold the fit that has not seen its rows; ``halves``: those of
    every second fold. ``r2`` and ``calibration`` [f] over the rows not seen; ``gains`` [k, f]: how much R² the last
    doubling of the rows has brought, as each fold tells, None where nobody asked; ``strength`` [f] of the penalty and
    name of the ``prior`` where the fit is shrunk."""

    whole: LinearFit
    unseen: tuple[LinearFit, ...]
    halves: tuple[LinearFit, LinearFit]
    r2: np.ndarray
    calibration: np.ndarray
    gains: np.ndarray | None = None
    strength: np.ndarray | None = None
    prior: str = ""

    def gain(self, which: np.ndarray) -> float:
        """The most that the last doubling of the rows can have brought to the mean R² of the features `which` [f] bool:
        the upper end of its one-sided 95 % interval over folds; infinite where that is not known."""
        if self.gains is None or not which.any():
            return np.inf
        folds = self.gains[:, which].mean(axis=1)
        return float(folds.mean() + T95 * folds.std(ddof=1) / np.sqrt(len(folds)))


#: One-sided 95 % of Student's t with the five degrees of freedom of six folds.
T95 = 2.015


def least_squares(folds: Sequence[Moments]) -> Estimate:
    """Least squares on two halves: each half's fit is tried on the other."""
    one, other = folds
    fits = fit(one), fit(other)
    return Estimate(
        whole=fit(one + other),
        unseen=fits[::-1],
        halves=fits,
        r2=(explained(fits[0], other) + explained(fits[1], one)) / 2,
        calibration=(calibration(fits[0], other) + calibration(fits[1], one)) / 2,
    )


def summed(moments: Sequence[Moments]) -> Moments:
    """Moments of the rows of several sets together."""
    total = moments[0]
    for more in moments[1:]:
        total = total + more
    return total


def in_latents(fitted: LinearFit, mean: np.ndarray, inverse: np.ndarray) -> LinearFit:
    """A fit to whitened latents, inverse [d, d] · (latent - mean [d]), as one to the latents themselves."""
    slopes = fitted.slopes @ inverse
    return LinearFit(slopes, fitted.intercepts - slopes @ mean)


def r2_errors(responses: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, float]:
    """Standard errors of R², of each feature [f] and of the mean over features, from rows [n, f] not seen.

    By the infinitesimal jackknife over rows (Efron 1981): the influence of a row on 1 - SSE / SST.
    """
    missed = (responses - predicted) ** 2
    spread = (responses - responses.mean(axis=0)) ** 2
    total = np.where(spread.mean(axis=0) > 0, spread.mean(axis=0), np.inf)
    influence = (missed - spread * (missed.mean(axis=0) / total)) / total
    rows = len(responses)
    return influence.std(axis=0) / np.sqrt(rows), float(influence.mean(axis=1).std() / np.sqrt(rows))
