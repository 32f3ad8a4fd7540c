"""GANSpace (Härkönen et al. 2020): principal components of w; where there is no w, of the first features on the way to a
picture, brought back to the latent by regression.
"""

from __future__ import annotations

import numpy as np

from tlgan.axes.directions import Directions, Labelled
from tlgan.errors import TlganError

COUNT = 10
#: Latents whose features are decomposed where there is no w.
ROWS = 2000
_BATCH = 100


class PrincipalComponents:
    """The first `count` components, found without labels and named pca_1, pca_2, ..."""

    def __init__(self, count: str | int = COUNT) -> None:
        self.count = int(count)
        if self.count < 1:
            raise ValueError(f"{count} components: expected at least 1")

    def fit(self, samples: Labelled) -> Directions:
        """Moves of one population sd each, the largest component first."""
        metric = samples.axes.metric
        white = samples.axes.latent_covariance is None
        moves = self._of_features(samples) if white else metric.root.T[::-1]
        count = min(self.count, len(moves))
        return Directions(tuple(f"pca_{number + 1}" for number in range(count)), moves[:count], "pca")

    def _of_features(self, samples: Labelled) -> np.ndarray:
        source = samples.source
        sides = getattr(source.generator, "feature_sides", ()) if source is not None else ()
        if source is None or not sides:
            raise TlganError(
                "the latents are white and the generator shows no features, so there are no principal components to find: "
                "use sefa, or a method that goes by labels"
            )
        import torch

        z = source.sample(ROWS, seed=samples.axes.seed)["z"]
        parts = torch.split(z, _BATCH)
        features = np.concatenate(
            [
                source.generator.features(part, side=sides[0], label=source.labels(len(part)))  # type: ignore[attr-defined]
                .flatten(1)
                .numpy(force=True)
                for part in parts
            ]
        ).astype(np.float64)
        left, scale, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
        count = min(self.count, int((scale > 1e-9 * scale[0]).sum()))
        # Coordinates of unit variance: the regression of z on them is their mean product.
        return np.asarray(left[:, :count].T @ z.double().numpy(force=True) / np.sqrt(ROWS))
