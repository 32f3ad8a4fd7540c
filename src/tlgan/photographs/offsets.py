"""A generator seen from one photograph: w paints with the photograph's own offsets in every layer.

Inversion finds a latent for each layer, axes move one for all. So a photograph is the mean of its layers' latents,
which is moved as any face's, and what each layer differs from it, which stays. To all that edits, this is a generator
like any other, and the axes of the workspace fit it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tlgan.generators import Generator


def split(latent: np.ndarray, groups: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray]:
    """A latent [layers, d] as the one that is moved, and the layers' offsets [layers, d].

    ``groups``: how many layers move together, each group having a part [d] of its own in what is moved.
    """
    sizes = list(groups) or [len(latent)]
    means = np.stack([part.mean(axis=0) for part in np.split(latent, np.cumsum(sizes)[:-1])])
    return means.ravel(), latent - means.repeat(sizes, axis=0)


class OffsetGenerator:
    """`generator` whose pictures of w [n, d] are those of w + offsets [layers, d]; all else is its own. ``layered``: it is
    asked for latents [n, layers, d], of groups of layers, which take the offsets too."""

    def __init__(self, generator: Generator, offsets: np.ndarray, *, layered: bool = False) -> None:
        self._generator, self._layered = generator, layered
        self._offsets = torch.from_numpy(offsets.astype(np.float32))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_generator":
            raise AttributeError(name)
        return getattr(self._generator, name)

    def absolute(self, latent: np.ndarray) -> np.ndarray:
        """A latent [d] of this generator as the one [layers, d] with which the generator itself paints the same; one of
        groups of layers as it is, without the offsets."""
        if self._layered:
            return latent
        return np.asarray(latent + self._offsets.numpy(), dtype=np.float32)

    def synthesize(self, latents: Any, *, space: str = "z", **options: Any) -> Tensor:
        """As the generator's own; latents of w that are the same for all layers take the offsets."""
        rows = torch.as_tensor(latents, dtype=torch.float32)
        if space == "w" and rows.ndim == 2:
            rows, space = rows[:, None] + self._offsets.to(rows.device), "w+"
        elif self._layered and space == "w+":
            rows = rows + self._offsets.to(rows.device)
        return self._generator.synthesize(rows, space=space, **options)
