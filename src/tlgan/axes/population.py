"""What is known before any sampling: the distribution of the latents, and the prior covariance of slopes.

Pictures are dear and latents are not: ten thousand z go through a mapping network in the time of a few pictures. So
the mean and covariance of w don't wait for the samples, and are as good for 300 of them as for 10,000.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .metric import Metric
from .moments import Moments

if TYPE_CHECKING:
    import torch

    from tlgan.samples import Source

#: Latents that are mapped: in 512 dimensions the variance along any direction is then known to about 1 %, those of
#: principal components to some 20 %.
ROWS = 10_000
#: Where in the latent stream they are taken: far from the rows that samples and gradients are drawn from.
START = 2**41
_BATCH = 2_000


def population(source: Source, *, seed: int, rows: int = ROWS) -> Metric | None:
    """The geometry of a source's latents; None where it is white and needs no telling.

    A z that truncation has shortened has the covariance psi² exactly, a w that of `rows` mapped latents. The same source
    and seed give the same metric.
    """
    if source.white:
        return None
    if source.space == "w+":  # groups that are independent, each as w is; ordinary faces have the same w in all of them
        of_w, groups = population(replace(source, space="w", groups=()), seed=seed, rows=rows), len(source.groups)
        assert of_w is not None
        covariance = np.kron(np.eye(groups), of_w.covariance)
        return Metric.of(np.tile(of_w.mean, groups), covariance, of_w.radius * np.sqrt(groups))
    d = source.latent_dim
    if source.space == "z":
        from scipy.special import chdtri

        return Metric.of(np.zeros(d), np.eye(d) * source.truncation**2, float(np.sqrt(chdtri(d, 0.01))))
    moments, kept = Moments(d, 0), []
    for start in range(0, rows, _BATCH):
        drawn = source.sample(min(_BATCH, rows - start), seed=seed, start=START + start)["w"]
        latents = drawn.numpy().astype(np.float32)
        moments.add(latents, np.zeros((len(latents), 0)))
        kept.append(latents)
    return Metric.around(np.concatenate(kept), moments.latent_mean, moments.latent_scatter / moments.count)


def priors(source: Source) -> dict[str, np.ndarray]:
    """Covariances [d, d] that the generator itself expects of slopes, by name; none where it gives none.

    Where w enters through styles alone (affine maps A of the layers), a feature's slope is the sum of Aᵀ · (its slope in the
    styles). Style slopes of equal variance in every layer make that of w vary as the sum of Aᵀ A: what moves no style
    moves no feature. (Eigenvectors of the same matrix are the directions of SeFa, Shen and Zhou 2021.)
    """
    named: Callable[[], list[torch.Tensor]] = getattr(source.generator, "style_maps", list)
    maps = named() if source.space in ("w", "w+") else []
    if not maps or (source.groups and len(maps) != source.generator.num_ws):
        return {}
    layers = [weight.detach().double().cpu().numpy() for weight in maps]
    squares = [layer.T @ layer / len(layer) for layer in layers]
    if not source.groups:
        return {"styles": np.asarray(sum(squares))}
    from scipy.linalg import block_diag

    ends = [*source.groups[1:], len(squares)]
    return {"styles": block_diag(*(sum(squares[a:b]) for a, b in zip(source.groups, ends, strict=True)))}
