"""The generalized linear model from latent to feature, fitted in constant memory.

With the link taken (`response.py`) the model is linear and Gaussian, and a least-squares fit depends on the rows only
through their moments: the normal equations are all that is kept of them. For Gaussian latents the direction found is
that of the GLM under any link (Brillinger 1982), and the slope is the average gradient of the feature (Stein 1981).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .moments import Moments

#: Ridge penalty as a share of the latents' mean variance: nothing where z is white, and what keeps the slopes finite
#: in a mapped space w whose covariance is nearly singular.
RIDGE = 1e-5


@dataclass(frozen=True)
class LinearFit:
    """response ≈ intercepts + latents @ slopes.T; ``slopes`` float64 [f, d], ``intercepts`` [f]."""

    slopes: np.ndarray
    intercepts: np.ndarray


def fit(moments: Moments) -> LinearFit:
    """Least-squares slopes of every response on the latent, from moments alone."""
    scale, basis = np.linalg.eigh(moments.latent_scatter)
    kept = scale > scale.max(initial=0) * 1e-12
    scale, basis = scale[kept], basis[:, kept]
    penalty = RIDGE * float(np.trace(moments.latent_scatter)) / max(moments.latent_dim, 1)
    slopes = (basis @ ((basis.T @ moments.cross_scatter) / (scale + max(penalty, 1e-12))[:, None])).T
    return LinearFit(slopes, moments.response_mean - slopes @ moments.latent_mean)


def explained(fitted: LinearFit, held_out: Moments) -> np.ndarray:
    """R² [f] of a fit on rows it has not seen: 1 - SSE / SST about the held-out mean. A constant response gets 0."""
    residual = residual_scatter(fitted, held_out)
    total = np.diag(held_out.response_scatter)
    return np.asarray(np.where(total > 0, 1 - residual / np.where(total > 0, total, 1), 0.0))


def calibration(fitted: LinearFit, held_out: Moments) -> np.ndarray:
    """Slope [f] of the measured on the predicted response in held-out rows: 1 where predictions keep their promise."""
    predicted = (fitted.slopes @ held_out.latent_scatter * fitted.slopes).sum(axis=1)
    joint = np.einsum("fd,df->f", fitted.slopes, held_out.cross_scatter)
    return np.asarray(np.where(predicted > 0, joint / np.where(predicted > 0, predicted, 1), 0.0))


def agreement(one: LinearFit, other: LinearFit, covariance: np.ndarray) -> np.ndarray:
    """Cosine [f] between two fits' axes in the metric of the latents' covariance [d, d].

    That is the correlation, over the population, of what the two axes predict; in white z the plain cosine.
    """
    seen = one.slopes @ covariance
    cross = (seen * other.slopes).sum(axis=1)
    lengths = (seen * one.slopes).sum(axis=1) * (other.slopes @ covariance * other.slopes).sum(axis=1)
    return np.asarray(np.where(lengths > 0, cross / np.sqrt(np.where(lengths > 0, lengths, 1)), 0.0))


def residual_scatter(fitted: LinearFit, held_out: Moments) -> np.ndarray:
    """Squared errors [f] of a fit, summed over held-out rows."""
    b = fitted.slopes
    centred = (
        np.diag(held_out.response_scatter)
        - 2 * np.einsum("fd,df->f", b, held_out.cross_scatter)
        + (b @ held_out.latent_scatter * b).sum(axis=1)
    )
    offset = held_out.response_mean - fitted.intercepts - b @ held_out.latent_mean
    return np.asarray(centred + held_out.count * offset**2)
