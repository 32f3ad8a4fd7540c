"""From wishes to a latent: one linear solve, whatever the number and order of wishes.

Let B [f, d] be the slopes in standard deviations and t the wanted change of every moved (t), locked (0) or base (0)
feature. The smallest move of the latent that does all of it is B⁺t over those rows, smallest in the latents' own
metric: in z the plain length, in w the Mahalanobis length, so the move follows directions in which latents really
vary. A lock on one axis, or one base axis, is then exactly the projection of the moved axis off that one. Two things
keep the result a latent that the generator knows: the move is cut back where it would have to be longer than the
population is wide, and what no wish depends on is drawn towards the centre where the norm would leave the
population's 99 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tlgan.axes import Axes

from .edit import Edit

#: Singular values under this share of the largest are noise of the fit rather than a direction to move along.
RCOND = 1e-3


@dataclass(frozen=True, eq=False)
class Solution:
    """``latent`` float32 [d] and ``reached`` float32 [f]: the change of every feature it stands for, in sd.

    From `solve`, `reached` is what the axes promise; from a closed loop, what was measured. ``share`` in [0, 1]: the
    part of the wishes that could be granted before the move became longer than the population is wide.
    """

    latent: np.ndarray
    reached: np.ndarray
    share: float = 1.0


def constrained_rows(axes: Axes, edit: Edit) -> tuple[list[int], np.ndarray]:
    """Rows of the features that an edit speaks of and the wanted change of each [rows], in sd.

    Moved features first; locks keep theirs at 0 unless the feature itself is moved; so do the base axes, except
    while nothing is moved. The order of wishes and locks does not matter: rows are sorted.
    """
    wanted = {axes.index(name): 0.0 for name in edit.locks}
    moved = {axes.index(name): float(value) for name, value in edit.asked.items() if value != 0.0}
    if moved:
        wanted |= {axes.index(name): 0.0 for name in axes.base if name not in edit.asked}
    wanted |= moved
    rows = sorted(wanted)
    return rows, np.array([wanted[row] for row in rows])


def solve(axes: Axes, edit: Edit) -> Solution:
    """The latent that an edit asks for, by the axes alone. Microseconds; no picture is looked at.

    Raises TlganError where a feature is unknown.
    """
    rows, wanted = constrained_rows(axes, edit)
    if not np.any(wanted):
        return Solution(edit.latent.astype(np.float32), np.zeros(len(axes.features), dtype=np.float32))
    metric = axes.metric
    start = metric.whiten(edit.latent)
    slopes = axes.whitened_slopes  # (f, d): sd per whitened latent unit
    move, span = least_move(slopes[rows], wanted)
    share = min(1.0, metric.radius / max(float(np.linalg.norm(move)), 1e-12))
    end = stay_inside(start + share * move, span, max(metric.radius, float(np.linalg.norm(start))))
    latent = metric.colour(end)
    reached = slopes @ (end - start)
    return Solution(latent.astype(np.float32), reached.astype(np.float32), share)


def least_move(slopes: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shortest u [d] with slopes [r, d] @ u = wanted [r] (least squares where they contradict), and an orthonormal
    basis [k, d] of the directions that the rows depend on."""
    left, scale, right = np.linalg.svd(slopes, full_matrices=False)
    kept = scale > RCOND * scale.max(initial=0)
    move = right[kept].T @ ((left[:, kept].T @ wanted) / scale[kept])
    return move, right[kept]


def stay_inside(point: np.ndarray, span: np.ndarray, radius: float) -> np.ndarray:
    """Bring a whitened latent [d] into a ball by shrinking only what lies outside `span` [k, d], the directions that
    wishes and locks depend on; where those alone stand out too far, everything is scaled back."""
    length = float(np.linalg.norm(point))
    if length <= radius:
        return point
    bound = span.T @ (span @ point)
    free = point - bound
    bound_length = float(np.linalg.norm(bound))
    if bound_length >= radius:
        return point * (radius / length)
    return bound + free * np.sqrt(radius**2 - bound_length**2) / max(float(np.linalg.norm(free)), 1e-12)
