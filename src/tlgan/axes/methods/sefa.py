"""SeFa (Shen and Zhou 2021): the directions in which a generator's first affine maps answer most, in closed form.

They are the eigenvectors of AᵀA, A the weights through which the latent enters: the first layer of a generator without a
mapping, the styles of all layers of one with it. No sample is drawn and no picture is painted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlgan.axes.directions import Directions, Labelled
from tlgan.errors import TlganError

if TYPE_CHECKING:
    from torch import Tensor

COUNT = 10


class SeFa:
    """The first `count` directions, found without labels and named sefa_1, sefa_2, ..."""

    def __init__(self, count: str | int = COUNT) -> None:
        self.count = int(count)
        if self.count < 1:
            raise ValueError(f"{count} directions: expected at least 1")

    def fit(self, samples: Labelled) -> Directions:
        """Unit moves, the one that is answered most first."""
        weights = latent_maps(samples)
        normed = weights / np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-30)
        _, basis = np.linalg.eigh(normed.T @ normed)
        count = min(self.count, basis.shape[1])
        return Directions(tuple(f"sefa_{number + 1}" for number in range(count)), basis.T[::-1][:count], "sefa")


def latent_maps(samples: Labelled) -> np.ndarray:
    """The weights [outputs, d] through which latents of the space enter the generator, float64.

    Raises TlganError where the generator does not say.
    """
    source = samples.source
    if source is not None and source.space in ("z", "w"):
        name = "style_maps" if source.space == "w" else "first_maps"
        maps: list[Tensor] = getattr(source.generator, name, list)()
        if maps:
            return np.concatenate([weight.double().numpy(force=True) for weight in maps])
    raise TlganError(
        "sefa needs the weights through which the latent enters, and this generator does not show them in this space: "
        "use pca, or a method that goes by labels"
    )
