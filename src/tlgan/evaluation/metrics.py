"""The figures of an evaluation, each a function of what a judge measured. One of a package's own joins them by `tlgan.hooks`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .statistics import Estimate, bootstrap, frechet_distance

if TYPE_CHECKING:
    from .bench import Figures, Measurements, Tried
    from .judging import Judge
    from .together import Together

#: Neighbours whose distance is the radius of a picture's ball in precision and recall, as in the paper.
NEIGHBOURS = 3


@dataclass(frozen=True, eq=False)
class Seen:
    """Every edit of one method before one judge, n faces and k sliders: what was ``tried``, the judge's ``measured``, and
    the ``figures`` got, error and drift [n, k] of each edit."""

    tried: Tried
    measured: Measurements
    figures: Figures
    judge: Judge | Together

    @property
    def faces(self) -> int:
        """n."""
        return len(self.measured.identity)

    @cached_property
    def edited(self) -> np.ndarray:
        """The judge's embedding of all edited pictures, [n · k, e]."""
        return self.measured.embedding.reshape(-1, self.measured.embedding.shape[-1])


def got(seen: Seen) -> Estimate:
    """Mean change of what was asked, in the judge's sd."""
    return bootstrap(seen.faces, lambda rows: float(seen.figures.got[rows].mean()))


def error(seen: Seen) -> Estimate:
    """Mean distance from what was asked."""
    return bootstrap(seen.faces, lambda rows: float(seen.figures.error[rows].mean()))


def drift(seen: Seen) -> Estimate:
    """Mean change of everything else."""
    return bootstrap(seen.faces, lambda rows: float(seen.figures.drift[rows].mean()))


def leak(seen: Seen) -> Estimate:
    """Drift by change got."""
    return bootstrap(seen.faces, lambda rows: float(seen.figures.drift[rows].mean() / seen.figures.got[rows].mean()))


def identity(seen: Seen) -> Estimate:
    """Mean cosine in the judge's embedding between before and after."""
    return bootstrap(seen.faces, lambda rows: float(seen.measured.identity[rows].mean()))


def frechet(seen: Seen) -> float:
    """Fréchet distance between edited and plain pictures in the judge's embedding."""
    return frechet_distance(seen.edited, seen.judge.plain_embedding)


def precision(seen: Seen) -> Estimate:
    """Share of edited pictures that look like plain ones: that lie in the ball of one (Kynkäänniemi et al. 2019)."""
    like = within(seen.edited, seen.judge.plain_embedding).reshape(seen.faces, -1)
    return bootstrap(seen.faces, lambda rows: float(like[rows].mean()))


def recall(seen: Seen) -> Estimate:
    """Share of plain pictures that edited ones cover: that lie in the ball of one (Kynkäänniemi et al. 2019)."""
    covered = within(seen.judge.plain_embedding, seen.edited)
    return bootstrap(len(covered), lambda rows: float(covered[rows].mean()))


def within(points: np.ndarray, support: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """Which of `points` [n, e] lie in the ball around any of `support` [m, e], bool [n]; a ball's radius is the distance
    to the k-th nearest other one of the support."""
    radius = np.sort(_squared(support, support), axis=1)[:, min(neighbours, len(support) - 1)]  # the first is itself
    return np.asarray((_squared(points, support) <= radius * (1 + 1e-9) + 1e-12).any(axis=1))


def _squared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared distances [n, m]."""
    apart = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.asarray(np.maximum(apart, 0.0))
