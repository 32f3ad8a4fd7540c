"""From an edit to a latent: one linear solve, whatever the number and order of wishes.

Let B [r, d] be the slopes of the features that an edit speaks of, in standard deviations per whitened latent unit, and
t [r] their wanted changes: the request for a moved feature, 0 for a locked or base one. The move is

    u = argmin |u|² + Σ weight_r (B_r u - t_r)²  =  Bᵀ (B Bᵀ + diag(1 / weight))⁻¹ t,

where an infinite weight is a constraint and a finite one a soft lock. Locks are constraints, unless so much is locked that the
move would be many times as long as with soft ones (`FAR`). It is smallest in the latents' own metric (in z
the plain length, in w the Mahalanobis length), so it follows directions in which latents really vary. A lock on one
axis, or one base axis, is then exactly the projection of the moved axis off that one. The point reached is kept among
the latents that the generator knows: a move longer than `TRUST` allows is cut back, and what no wish depends on is
scaled to bring the norm into the population's range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tlgan.axes import Axes

from .edit import HOLD, Edit

#: Eigenvalues of B Bᵀ under this share of the largest are noise of the fit rather than a direction to move along.
NOISE = 1e-6
#: Longest move, as a share of the population's 99 % norm. In many dimensions the way to another, unrelated face is
#: sqrt(2) of it: beyond half of that way little is left of the face.
TRUST = 0.7
#: What was granted to less than this share is worth a word about what stands in the way.
NEARLY_ALL = 0.99
#: Where more than half of the features are locked, and constraints make the move more than this many times as long as soft ones of
#: weight `HOLD` would, they become such. What a long move does to a picture the axes do not tell: on `faces1024` 46 locks that
#: are constraints let twice as much drift as soft ones.
FAR = 5.0
#: A lock stands in the way of a cut-back move where the move would be shorter by more than this share without it.
IN_THE_WAY = 0.1


@dataclass(frozen=True, eq=False)
class Solution:
    """``latent`` float32 [d] and ``reached`` float32 [f]: the change of every feature it stands for, in sd.

    From `solve`, `reached` is what the axes promise; from `refine`, what was measured. ``share``: the part of the
    wishes that was granted, 1 for all of it; where it is less, ``in_the_way`` holds the locks that cost most, each
    with the share of the way that it alone accounts for, the costliest first. ``own`` float32 [f], from `refine` alone:
    where the features of the face without edits were measured to stand; ``by``: as in `Reached`.
    """

    latent: np.ndarray
    reached: np.ndarray
    share: float = 1.0
    in_the_way: Mapping[str, float] = field(default_factory=dict)
    own: np.ndarray | None = None
    by: str = "axes"


@dataclass(frozen=True, eq=False)
class Wishes:
    """The rows of an edit's features, sorted; ``wanted`` change [r] in sd; ``weight`` [r], infinite for constraints;
    ``moved`` bool [r], the features asked to change."""

    rows: np.ndarray
    wanted: np.ndarray
    weight: np.ndarray
    moved: np.ndarray

    @classmethod
    def of(cls, axes: Axes, edit: Edit) -> Wishes:
        """Moved features; locks at 0 unless the feature itself is moved; the base axes likewise while anything is.

        Raises TlganError where a feature is unknown.
        """
        moved = {axes.index(name): value for name, value in edit.asked.items() if value != 0.0}
        weight = {axes.index(name): weight for name, weight in edit.soft.items()}
        weight |= dict.fromkeys(axes.indices(edit.locks), np.inf)
        if moved:
            weight |= dict.fromkeys(axes.indices(name for name in axes.base if name not in edit.asked), np.inf)
        weight |= dict.fromkeys(moved, np.inf)
        rows = sorted(weight)
        return cls(
            rows=np.array(rows, dtype=np.int64),
            wanted=np.array([moved.get(row, 0.0) for row in rows]),
            weight=np.array([weight[row] for row in rows]),
            moved=np.array([row in moved for row in rows], dtype=bool),
        )


def solve(axes: Axes, edit: Edit) -> Solution:
    """The latent that an edit asks for, by the axes alone. Takes microseconds and renders nothing.

    Raises TlganError where a feature is unknown.
    """
    wishes = Wishes.of(axes, edit)
    if not wishes.moved.any():
        return Solution(edit.latent.astype(np.float32), np.zeros(len(axes.features), dtype=np.float32))
    metric = axes.metric
    start = metric.whiten(edit.latent)
    slopes = axes.whitened_slopes[wishes.rows]
    move = settled(axes, slopes, wishes)
    longest = TRUST * metric.radius
    share = min(1.0, longest / max(float(np.linalg.norm(move)), 1e-12))
    end = keep_inside(start, share * move, slopes, shell(axes, start))
    return _promise(axes, wishes, metric.colour(end).astype(np.float32), end - start)


def settled(axes: Axes, slopes: np.ndarray, wishes: Wishes) -> np.ndarray:
    """The least move [d] of wishes whose rows have the slopes [r, d], with soft locks where too many lead too far."""
    move = least_move(slopes, wishes.wanted, wishes.weight)
    locked = np.isinf(wishes.weight) & ~wishes.moved
    if 2 * locked.sum() <= (~axes.weak).sum():
        return move
    softly = least_move(slopes, wishes.wanted, np.where(locked, HOLD, wishes.weight))
    return move if np.linalg.norm(move) <= FAR * np.linalg.norm(softly) else softly


def promised(axes: Axes, edit: Edit, latent: np.ndarray, by: str = "axes") -> Solution:
    """A `latent` [d] or [layers, d] as the answer to an edit, found `by`: what the axes promise of it."""
    whole = axes.metric.whiten(latent.reshape(-1, axes.latent_dim)).mean(axis=0)
    return replace(_promise(axes, Wishes.of(axes, edit), latent, whole - axes.metric.whiten(edit.latent)), by=by)


def _promise(axes: Axes, wishes: Wishes, latent: np.ndarray, move: np.ndarray) -> Solution:
    """What the axes promise of a whitened move [d]."""
    slopes = axes.whitened_slopes[wishes.rows]
    share = granted(wishes, slopes @ move) if wishes.moved.any() else 1.0
    return Solution(
        latent=latent,
        reached=(axes.whitened_slopes @ move).astype(np.float32),
        share=share,
        in_the_way=in_the_way(axes, wishes, slopes) if share < NEARLY_ALL else {},
    )


def least_move(slopes: np.ndarray, wanted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The move [..., d] that minimises |u|² + Σ weight (slopes u - wanted)², slopes [..., r, d], wanted [..., r].

    Where constraints contradict one another, or agree up to noise, their least-squares solution is taken.
    """
    gram = _gram(slopes, weight)
    scale, basis = np.linalg.eigh(gram)
    kept = scale > NOISE * scale[..., -1:]
    inverse = np.where(kept, 1 / np.where(kept, scale, 1.0), 0.0)
    along = np.einsum("...ij,...i->...j", basis, wanted) * inverse
    multipliers = np.einsum("...ij,...j->...i", basis, along)
    return np.asarray(np.einsum("...rd,...r->...d", slopes, multipliers))


def shell(axes: Axes, start: np.ndarray) -> tuple[float, float]:
    """The least and largest whitened norm for an edit of `start` [d].

    Normal latents fill a thin shell: in z the norm stays within the population's 98 % (and a start outside of it is
    moved no further out). The inner bound is dropped in w, which is no normal distribution: there an ellipsoid is left.
    """
    radius, length = axes.metric.radius, float(np.linalg.norm(start))
    inner = 0.0 if axes.latent_covariance is not None else 2 * np.sqrt(axes.latent_dim) - radius
    return max(0.0, min(inner, length)), max(radius, length)


def keep_inside(start: np.ndarray, move: np.ndarray, slopes: np.ndarray, norms: tuple[float, float]) -> np.ndarray:
    """`start + move` [d], brought to a whitened norm within `norms` by scaling only what lies outside the span of
    `slopes` [r, d], so that no wish feels it; where that is not enough, the move is cut back until it is."""
    inner, outer = norms
    point: np.ndarray = start + move
    length = float(np.linalg.norm(point))
    if inner <= length <= outer:
        return point
    basis = _span(slopes)
    bound = basis.T @ (basis @ point)
    free = point - bound
    target = inner if length < inner else outer
    left = target**2 - float(bound @ bound)
    free_length = float(np.linalg.norm(free))
    # Scaling the free part by more than this would make another face of it: a shorter move is the better answer.
    if left > 0 and 0.5 * free_length < np.sqrt(left) < 2 * free_length:
        return np.asarray(bound + free * (np.sqrt(left) / free_length))
    a, b, c = float(move @ move), 2 * float(start @ move), float(start @ start) - target**2
    root = np.sqrt(max(b * b - 4 * a * c, 0.0))
    ways = [way for way in ((-b - root) / (2 * a), (-b + root) / (2 * a)) if 0 <= way <= 1]
    return np.asarray(start + (max(ways) if ways else 0.0) * move)


def granted(wishes: Wishes, changed: np.ndarray) -> float:
    """The part in [0, 1] of the wanted change that `changed` [r] holds, along the direction that was wanted."""
    wanted = wishes.wanted[wishes.moved]
    part = float(wanted @ changed[wishes.moved]) / max(float(wanted @ wanted), 1e-12)
    return float(np.clip(part, 0.0, 1.0))


def share_of(axes: Axes, edit: Edit, change: np.ndarray) -> float:
    """The part in [0, 1] of an edit's wishes that a measured `change` [f] holds; 1 where nothing is asked."""
    wishes = Wishes.of(axes, edit)
    return granted(wishes, change[wishes.rows]) if wishes.moved.any() else 1.0


def in_the_way(axes: Axes, wishes: Wishes, slopes: np.ndarray) -> dict[str, float]:
    """The locks without which the move would be shorter by more than `IN_THE_WAY`, and by which share.

    |u|² is tᵀK⁻¹t with K = B Bᵀ; leaving row r out lowers it by exactly α_r² / (K⁻¹)_rr, α = K⁻¹t its multiplier.
    """
    gram = _gram(slopes, wishes.weight)
    inverse = np.linalg.pinv(gram, rcond=NOISE, hermitian=True)
    multipliers = inverse @ wishes.wanted
    squared = float(wishes.wanted @ multipliers)
    saved = np.clip(multipliers**2 / np.maximum(np.diag(inverse), 1e-12) / max(squared, 1e-12), 0.0, 1.0)
    shorter = 1 - np.sqrt(1 - saved)
    found = {axes.names[row]: float(shorter[k]) for k, row in enumerate(wishes.rows) if not wishes.moved[k]}
    return dict(sorted(((n, s) for n, s in found.items() if s > IN_THE_WAY), key=lambda pair: -pair[1]))


def _gram(slopes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        slack = 1 / weight  # a weight of 0 is no wish at all
    return np.asarray(slopes @ np.swapaxes(slopes, -1, -2) + np.diag(np.minimum(slack, 1e12)))


def _span(slopes: np.ndarray) -> np.ndarray:
    _, scale, right = np.linalg.svd(slopes, full_matrices=False)
    return np.asarray(right[scale > np.sqrt(NOISE) * scale.max(initial=0)])
