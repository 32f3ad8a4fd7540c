"""The measured side effects of each slider.

An axis is fitted to one feature; what else it moves shows only on pictures. So every slider is moved on a few faces
and all features are looked at, before and after.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .canvas import Canvas
from .edit import Edit
from .solve import solve

#: Change that sliders are asked for, in sd: as far as people move one, and counted back to one sd.
ASKED = 1.5
FEWEST, MOST = 4, 32
#: Pictures looked at, as a share of the samples that the axes were learned from.
SHARE = 0.2
#: Seed of the faces.
SEED = 2**40


def side_effects(canvas: Canvas, names: Sequence[str] | None = None, *, faces: int = 0) -> np.ndarray:
    """Mean change of every feature when a slider is asked for one sd more: float32 [len(names), f].

    ``names``: the sliders moved, None for all; `faces` for each of them, half moved up and half down, where 0 takes as
    many as cost a fifth of the sampling of all, from 4 to 32.
    """
    axes = canvas.axes
    count = len(axes.features)
    names = axes.names if names is None else names
    faces = faces or int(np.clip(SHARE * axes.samples / max(count, 1), FEWEST, MOST))
    starts = canvas.sample(faces, seed=SEED)
    signs = np.where(np.arange(faces) % 2 == 0, 1.0, -1.0)
    before = canvas.measure(starts)
    table = np.empty((len(names), count), dtype=np.float32)
    for row, name in enumerate(names):
        edits = [Edit(start, asked={name: ASKED * sign}) for start, sign in zip(starts, signs, strict=True)]
        change = canvas.measure(np.stack([solve(axes, edit).latent for edit in edits])) - before
        table[row] = (change * signs[:, None]).mean(axis=0) / ASKED
    return table
