"""Regression from latent to response: the method of this project (`axes.learner` fits it while samples come in)."""

from __future__ import annotations

from tlgan.axes.directions import Directions, Labelled


class Regression:
    """The move that changes a feature most for its length in the population's metric: covariance · slope."""

    def fit(self, samples: Labelled) -> Directions:
        """One direction a feature, from the slopes that the axes of the samples hold."""
        axes = samples.axes
        return Directions(axes.names, axes.whitened_slopes @ axes.metric.root.T, "regression")
