"""The axes of samples in memory, in scikit-learn's manners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from tlgan.samples import Samples

from .axes import Axes
from .learner import AxisLearner
from .population import population, priors
from .response import from_response, to_response


class AxisRegression(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Linear regression from latents to features: least squares in a small white z, ridge regression elsewhere.

    Parameters
    ----------
    base : names of features that every other axis is kept clear of when it is moved.

    Attributes
    ----------
    axes_ : after `fit`, as all below: `Axes`, with everything that editing needs; `axes_.save(path)` writes them.
    coef_ : float32 of shape (f, d), slopes: logits or units of a feature for each unit of a latent coordinate.
    intercept_ : float32 of shape (f,).
    r2_ : float32 of shape (f,), share of the variance explained on rows that a fit has not seen.
    agreement_ : float32 of shape (f,), correlation of the axes of two halves of the samples, in [-1, 1].
    feature_names_out_ : the f names.
    n_samples_ : rows that were fitted.
    """

    def __init__(self, *, base: Sequence[str] = ()) -> None:
        self.base = base

    def fit(self, samples: Samples, y: object = None) -> Self:
        """Fit the axes of `samples`; `y` is ignored. Raises TlganError for too few rows and an unknown name in `base`."""
        source = samples.source
        learner = AxisLearner(
            samples.features,
            samples.latents.shape[1],
            population=population(source, seed=samples.seed),
            priors=priors(source),
        )
        learner.add(samples.latents, samples.values)
        self.axes_: Axes = learner.axes(
            generator=source.generator.fingerprint,
            space=source.space,
            base=tuple(self.base),
            seed=samples.seed,
            truncation=source.truncation,
            label=source.label,
            extractors=samples.extractors,
        )
        self.axes_.indices(self.base)
        self.coef_, self.intercept_ = self.axes_.directions, self.axes_.intercepts
        self.r2_, self.agreement_ = self.axes_.r2, self.axes_.agreement
        self.feature_names_out_ = np.array(self.axes_.names, dtype=object)
        self.n_samples_ = len(samples)
        return self

    def predict(self, latents: np.ndarray) -> np.ndarray:
        """Expected features of latents of shape (n, d): shape (n, f), probabilities in [0, 1], quantities in their unit."""
        if not hasattr(self, "axes_"):
            raise NotFittedError("this AxisRegression is not fitted yet: call fit(samples) first")
        return from_response(self.axes_.features, np.asarray(latents) @ self.coef_.T + self.intercept_)

    def score(self, samples: Samples, y: object = None) -> float:
        """Mean R² over the features on `samples`: 1 is perfect, 0 what the means alone explain."""
        from sklearn.metrics import r2_score

        if not hasattr(self, "axes_"):
            raise NotFittedError("this AxisRegression is not fitted yet: call fit(samples) first")
        true = to_response(samples.features, samples.values)
        return float(r2_score(true, samples.latents @ self.coef_.T + self.intercept_))
