"""One slider at several places: what a strip or a film is painted from.

In exact mode every picture continues from the one before it, outwards from the face as it is. So the feature follows
what was asked of it all along and locks hold all along, and neighbouring pictures come from neighbouring latents.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .canvas import Canvas
from .edit import Edit
from .exact import refine
from .solve import Wishes, solve

#: Looks a picture, from the answer to the one before it: with gradients, and where slopes have to be learned.
LOOKS, BLIND_LOOKS = 2, 5


def path(canvas: Canvas, edit: Edit, name: str, asks: Sequence[float] | np.ndarray) -> np.ndarray:
    """Latents float32 [n, d] of an edit with feature `name` asked to change by each of `asks` [n] sd, its other wishes
    kept."""
    edits = [edit.ask({name: float(ask)}) for ask in asks]
    if not edit.exact:
        return np.stack([solve(canvas.axes, each).latent for each in edits])
    latents = np.empty((len(edits), canvas.axes.latent_dim), dtype=np.float32)
    looks = LOOKS if canvas.differentiable(Wishes.of(canvas.axes, edits[0]).rows) else BLIND_LOOKS
    outwards = np.argsort(np.abs(np.asarray(asks)), kind="stable")
    for side in (1, -1):
        before: np.ndarray | None = None
        for number in (n for n in outwards if (asks[n] >= 0) == (side > 0)):
            before = refine(canvas, edits[number], looks, begin=before).latent
            latents[number] = before
    return latents
