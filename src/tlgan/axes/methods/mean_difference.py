"""The vector from the mean latent of those without a feature to the mean of those with it (Larsen et al. 2016)."""

from __future__ import annotations

import numpy as np

from tlgan.axes.directions import Directions, Labelled

#: Fewest samples on either side of one half of a probability; else the median divides them.
FEWEST = 20


class MeanDifference:
    """A probability divides its samples at one half where both sides are there, everything else at the median."""

    def fit(self, samples: Labelled) -> Directions:
        """One direction a feature."""
        latents = samples.latents.astype(np.float64)
        moves = []
        for feature, response in zip(samples.axes.features, samples.responses.T, strict=True):
            shown = response > 0
            if feature.kind != "probability" or min(shown.sum(), (~shown).sum()) < FEWEST:
                shown = response > np.median(response)
            both = 0 < shown.sum() < len(shown)
            moves.append(latents[shown].mean(axis=0) - latents[~shown].mean(axis=0) if both else 0 * latents[0])
        return Directions(samples.axes.names, np.stack(moves), "mean-difference")
