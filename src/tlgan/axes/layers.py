"""Which layers of a generator belong together: found by changing one layer at a time and measuring what it does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .response import to_response

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from tlgan.extractors import Extractor
    from tlgan.samples import Source

#: Groups of layers: coarse, middle and fine, as style mixing has had them since Karras et al. (2019).
GROUPS = 3
#: Faces on which each layer is changed, and where in the latent stream they are taken.
FACES = 24
START = 2**42


def layer_effects(
    source: Source,
    extractor: Extractor,
    *,
    seed: int,
    faces: int = FACES,
    on_layer: Callable[[int, int], None] = lambda done, of: None,
) -> np.ndarray:
    """What each layer alone changes, float64 [layers, f]: the root mean square change of every response, in sd over the
    faces, when the layer gets the w of another face and all others keep theirs."""
    layers = source.generator.num_ws
    whole = replace(source, space="w+", groups=tuple(range(layers)))
    both = whole.sample(2 * faces, seed=seed, start=START)["w+"].reshape(2 * faces, layers, -1)
    own, other = both[:faces], both[faces:]

    def responses(latents: torch.Tensor) -> np.ndarray:
        seen = [extractor.extract(images).numpy(force=True) for images in whole.pictures(latents.flatten(1).numpy())]
        return to_response(extractor.features, np.concatenate(seen))

    measured = responses(both)
    before, sd = measured[:faces], np.maximum(measured.std(axis=0), 1e-12)
    effects = []
    for layer in range(layers):
        changed = own.clone()
        changed[:, layer] = other[:, layer]
        effects.append(np.sqrt((((responses(changed) - before) / sd) ** 2).mean(axis=0)))
        on_layer(layer + 1, layers)
    return np.stack(effects)


def groups_of(effects: np.ndarray, count: int = GROUPS) -> tuple[int, ...]:
    """The first layer of each of `count` runs of layers that are most alike in what they change: the contiguous
    partition of rows [layers, f] with the least squared distance to the mean of their run (Fisher 1958)."""
    layers = len(effects)
    count = min(count, layers)
    apart = np.full((layers + 1, layers + 1), np.inf)  # of the run [first, end)
    for first in range(layers):
        for end in range(first + 1, layers + 1):
            run = effects[first:end]
            apart[first, end] = ((run - run.mean(axis=0)) ** 2).sum()
    best, cut = apart[0].copy(), np.zeros((count + 1, layers + 1), dtype=int)
    for runs in range(2, count + 1):
        total = best[:, None] + apart
        cut[runs], best = total.argmin(axis=0), total.min(axis=0)
    starts, end = [], layers
    for runs in range(count, 0, -1):
        end = int(cut[runs, end])
        starts.append(end)
    return tuple(reversed(starts))
