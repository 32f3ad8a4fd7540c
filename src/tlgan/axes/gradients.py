"""Axes from gradients: for Gaussian z, E[∇f(z)] = E[z f(z)] (Stein, 1981), so the mean gradient of a feature *is* its
least-squares slope, and a few hundred gradients say as much as some thousands of samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .response import LIMIT

if TYPE_CHECKING:
    from tlgan.extractors import Extractor
    from tlgan.samples import Source

#: Where in the latent stream gradients are taken: far from the rows that samples are drawn from.
START = 2**40


def differentiable(source: Source, extractor: Extractor, *, seed: int) -> bool:
    """Whether gradients of every feature flow back to the latent."""
    if not extractor.differentiable:
        return False
    try:
        next(mean_gradients(source, extractor, seed=seed, batch=1))
    except (RuntimeError, TypeError, AttributeError, NotImplementedError):
        return False
    return True


def mean_gradients(source: Source, extractor: Extractor, *, seed: int, batch: int = 16) -> Iterator[np.ndarray]:
    """Gradients of the responses (logits, quantities) of every feature in the latents of a source, float64 [batch, f, d], without end.

    A saturated logit does not count, as it does not in a fit. Raises RuntimeError where no gradient flows.
    """
    import torch

    bound = torch.tensor([LIMIT if feature.kind == "probability" else np.inf for feature in extractor.features])
    start = START
    while True:
        z = source.sample(batch, seed=seed, start=start)[source.space].detach().requires_grad_(True)
        start += batch
        with torch.enable_grad():
            images = source.synthesize(z)
            responses = extractor.logits(images.clamp(-1, 1))
            responses = torch.minimum(torch.maximum(responses, -bound), bound)
            columns = [
                torch.autograd.grad(responses[:, column].sum(), z, retain_graph=column + 1 < len(bound))[0]
                for column in range(len(bound))
            ]
        yield torch.stack(columns, dim=1).double().cpu().numpy()
