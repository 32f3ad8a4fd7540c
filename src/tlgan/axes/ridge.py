"""Ridge regression for spaces of hundreds of dimensions, where samples are few: its strength and its prior are those
that predict rows not seen best, and all of it is found from moments.

A penalty says what slopes are expected before anything is measured. In whitened coordinates the slope of a feature is
taken to be a draw from a normal distribution with some covariance (Hoerl and Kennard 1970; as a prior, Lindley and
Smith 1972): equal along all principal components, or larger along those in which the latents vary more, or whatever a
caller knows of the generator. Rows go into folds whose moments add up. One eigen-decomposition for each fold that is left
out gives the slopes of every strength, and the moments of that fold their errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .estimate import Estimate, summed
from .glm import LinearFit, residual_scatter
from .moments import Moments

#: Folds of rows; an even number, so that every second fold is a half.
FOLDS = 6
#: Penalties to choose from, in rows: each row adds 1 to the mean scatter of the coordinates that are penalised.
STRENGTHS = np.geomspace(1.0, 1e5, 16)


@dataclass(frozen=True)
class _Path:
    """Slopes for every strength: (basis · scale · basisᵀ + strength)⁻¹ cross, in the coordinates of the prior."""

    scale: np.ndarray
    basis: np.ndarray
    target: np.ndarray
    latent_mean: np.ndarray
    response_mean: np.ndarray

    @classmethod
    def of(cls, moments: Moments, root: np.ndarray, kind: type = np.float32) -> _Path:
        """``root`` [d] or [d, d]: slopes = root · (normal numbers of equal variance). Single precision is enough to choose
        by, and takes half the time."""
        scatter: np.ndarray = _left(root, _left(root, moments.latent_scatter).T).astype(kind)
        scale, basis = np.linalg.eigh(scatter)
        target = basis.T @ _left(root, moments.cross_scatter)
        back = root[:, None] * basis if root.ndim == 1 else root @ basis
        return cls(np.maximum(scale, 0), back, target, moments.latent_mean, moments.response_mean)

    def fit(self, strength: np.ndarray) -> LinearFit:
        """The fit with a strength [f] for each feature."""
        slopes = (self.basis @ (self.target / (self.scale[:, None] + strength))).T
        return LinearFit(slopes, self.response_mean - slopes @ self.latent_mean)

    def errors(self, held_out: Moments) -> np.ndarray:
        """Squared errors [s, f] of every strength, summed over held-out rows."""
        d, f = self.target.shape
        shrunk = self.target[:, None, :] / (self.scale[:, None, None] + STRENGTHS[:, None])
        single = np.float32
        slopes = (self.basis.astype(single) @ shrunk.astype(single).reshape(d, -1)).T  # (s f, d)
        offset = (
            held_out.response_mean
            - self.response_mean
            - (slopes @ (held_out.latent_mean - self.latent_mean)).reshape(-1, f)
        )
        explained = (slopes @ held_out.latent_scatter.astype(single) * slopes).sum(axis=1).reshape(-1, f)
        joint = (slopes.reshape(-1, f, d) * held_out.cross_scatter.T.astype(single)).sum(axis=2)
        return np.asarray(np.diag(held_out.response_scatter) - 2 * joint + explained + held_out.count * offset**2)


def ridge(folds: Sequence[Moments], priors: Mapping[str, np.ndarray]) -> Estimate:
    """Slopes of all folds' rows, of each fold's rows left out, and of every second fold's, in whitened coordinates.

    ``priors``: root [d] or [d, d] of the slopes' covariance by name. The prior with which each half predicts the other
    best is taken. Strengths are one for all features or one for each, whichever predicts the folds better; a fold's own
    rows have no say in the strength that it is predicted with.
    """
    one, other = summed(folds[0::2]), summed(folds[1::2])
    halves = {name: (_Path.of(one, _unit(root)), _Path.of(other, _unit(root))) for name, root in priors.items()}
    total = _variance(one + other)
    prior = min(halves, key=lambda name: _best(halves[name][0].errors(other) + halves[name][1].errors(one), total))
    root = _unit(priors[prior])

    paths = [_Path.of(summed([*folds[:k], *folds[k + 1 :]]), root) for k in range(len(folds))]
    errors = np.stack([path.errors(fold) for path, fold in zip(paths, folds, strict=True)])  # (k, s, f)
    strength, without = _strengths(errors / total)
    unseen = tuple(path.fit(without[k]) for k, path in enumerate(paths))
    fits = halves[prior][0].fit(strength), halves[prior][1].fit(strength)

    misses = np.stack([residual_scatter(fit, fold) for fit, fold in zip(unseen, folds, strict=True)]) / total  # (k, f)
    halved = np.stack([residual_scatter(fits[(k + 1) % 2], fold) for k, fold in enumerate(folds)]) / total
    return Estimate(
        whole=_Path.of(one + other, root, np.float64).fit(strength),
        unseen=unseen,
        halves=fits,
        r2=np.where(np.isfinite(total), 1 - misses.sum(axis=0), 0.0),
        calibration=_calibration(unseen, folds),
        gains=len(folds) * (halved - misses) / np.log2(2 * (len(folds) - 1) / len(folds)),
        strength=strength,
        prior=prior,
    )


def _strengths(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strength [f] by errors [k, s, f] (shares of the variance) in all folds, and [k, f] by those in all but one."""
    every = errors.sum(axis=0)
    others = every - errors
    own, own_without = every.argmin(axis=0), others.argmin(axis=1)
    shared = np.full_like(own, every.mean(axis=1).argmin())
    shared_without = np.repeat(others.mean(axis=2).argmin(axis=1)[:, None], len(own), axis=1)

    def missed(chosen: np.ndarray) -> float:
        return float(np.take_along_axis(errors, chosen[:, None, :], axis=1).sum())

    if missed(own_without) < missed(shared_without):
        return STRENGTHS[own], STRENGTHS[own_without]
    return STRENGTHS[shared], STRENGTHS[shared_without]


def _best(errors: np.ndarray, total: np.ndarray) -> float:
    """The smallest mean error that one strength for all features reaches."""
    return float((errors / total).mean(axis=1).min())


def _variance(moments: Moments) -> np.ndarray:
    """Squared deviations [f] of the responses; infinite where they never change, so that nothing is explained."""
    total = np.diag(moments.response_scatter)
    return np.where(total > 0, total, np.inf)


def _calibration(unseen: Sequence[LinearFit], folds: Sequence[Moments]) -> np.ndarray:
    """Slope [f] of the measured on the predicted response, over the rows of all folds."""
    pairs = list(zip(unseen, folds, strict=True))
    predicted = sum((fit.slopes @ fold.latent_scatter * fit.slopes).sum(axis=1) for fit, fold in pairs)
    joint = sum(np.einsum("fd,df->f", fit.slopes, fold.cross_scatter) for fit, fold in pairs)
    return np.asarray(np.where(predicted > 0, joint / np.where(predicted > 0, predicted, 1), 0.0))


def _unit(root: np.ndarray) -> np.ndarray:
    """A root [d] or [d, d] scaled so that the penalised coordinates of the population have unit mean variance."""
    return np.asarray(root / np.sqrt((root**2).sum() / len(root)))


def _left(root: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """rootᵀ · matrix [d, m], for a diagonal [d] or a whole root [d, d]."""
    return np.asarray(root[:, None] * matrix if root.ndim == 1 else root.T @ matrix)
