"""The mean gradient of a feature in the latent: for Gaussian latents it is the least-squares slope (Stein 1981)."""

from __future__ import annotations

import numpy as np

from tlgan.axes.directions import Directions, Labelled
from tlgan.axes.gradients import mean_gradients
from tlgan.errors import TlganError

#: Latents at which gradients are taken: about as good as 5,000 samples of a 64-pixel face generator.
LATENTS = 256
_BATCH = 16


class MeanGradient:
    """Needs a generator and extractors that can be differentiated."""

    def fit(self, samples: Labelled) -> Directions:
        """One direction a feature of an extractor that has gradients: covariance · mean gradient."""
        if samples.source is None or not samples.source.generator.differentiable:
            raise TlganError("the gradient method needs a generator that can be differentiated: use regression")
        names, gradients = [], []
        for extractor in samples.extractors:
            if extractor.differentiable:
                stream = mean_gradients(samples.source, extractor, seed=samples.axes.seed, batch=_BATCH)
                taken = [next(stream) for _ in range(-(-LATENTS // _BATCH))]
                gradients.append(np.concatenate(taken).mean(axis=0))
                names += [feature.name for feature in extractor.features]
        if not names:
            raise TlganError("the gradient method needs an extractor with gradients, and none has: use regression")
        return Directions(tuple(names), np.concatenate(gradients) @ samples.axes.metric.covariance, "gradient")
