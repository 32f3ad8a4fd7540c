"""A generator seen from one photograph: w paints with the photograph's own offsets in every layer.

Inversion finds a latent for each layer, axes move one for all. So a photograph is the mean of its layers' latents,
which is moved as any face's, and what each layer differs from it, which stays. To all that edits, this is a generator
like any other, and the axes of the workspace fit it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tlgan.generators import Generator


def split(latent: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """A latent [d] or [layers, d] as the one that is moved [d], and the layers' offsets [layers, d] or None."""
    if latent.ndim == 1:
        return latent, None
    middle = latent.mean(axis=0)
    return middle, latent - middle


class OffsetGenerator:
    """`generator` whose pictures of w [n, d] are those of w + offsets [layers, d]; all else is its own."""

    def __init__(self, generator: Generator, offsets: np.ndarray) -> None:
        self._generator = generator
        self._offsets = torch.from_numpy(offsets.astype(np.float32))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_generator":
            raise AttributeError(name)
        return getattr(self._generator, name)

    def absolute(self, latent: np.ndarray) -> np.ndarray:
        """A latent [d] of this generator as the one [layers, d] with which the generator itself paints the same."""
        return np.asarray(latent + self._offsets.numpy(), dtype=np.float32)

    def synthesize(self, latents: Any, *, space: str = "z", **options: Any) -> Tensor:
        """As the generator's own; latents of w that are the same for all layers take the offsets."""
        rows = torch.as_tensor(latents, dtype=torch.float32)
        if space == "w" and rows.ndim == 2:
            rows, space = rows[:, None] + self._offsets.to(rows.device), "w+"
        return self._generator.synthesize(rows, space=space, **options)
