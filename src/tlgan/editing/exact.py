"""Edits that do what they say: look at the picture, see what the move really did, correct.

Neither generator nor extractor is linear, so a straight move overshoots and leaks. Each look linearises the features
where the latent now is and solves again for the shortest whole move,

    u ← argmin |u - a|² + Σ weight_r (m_r(p) - m_r(start) + J_r (u - (p - start)) - t_r)²,    p = start + u,

which is Gauss and Newton's method for the smallest move that measurably does what was asked: the whole move is solved
for, not a correction on top, so what an earlier look added in vain is taken back. A look that finds the last step did
harm goes back and tries a shorter one.

Where generator and extractor can be differentiated, J is the gradient of the measured features. A gradient is three
times as steep as an axis, and a purely gradient-based move is adversarial: it changes this extractor's output without a
visible change. So the iteration starts at the picture that the axes lead to, `a` is their move, which other extractors
confirm, and gradients correct it; the weights of the locks grow from look to look. After every look J gets Broyden's
update (1965). In quality "live" gradients are taken once and J only updated afterwards; without gradients `a` is 0 and J
starts as the global slopes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlgan.errors import TlganError

from .canvas import Canvas
from .edit import Edit
from .solve import TRUST, Solution, Wishes, granted, in_the_way, keep_inside, least_move, shell
from .views import AveragedViews

#: Trust region: longest change of the move in one look, in whitened latent units.
STEP = 2.5
#: Weight of locks at the first look by gradients, and the factor by which it grows at every further one.
FIRST_WEIGHT, FIRMER = 3.0, 2.0
#: Weight of a target's residual, relative to 1 for a hard lock's: there are few targets and many locks.
TARGET = 4.0
#: Below this share of the wishes, the solution names the locks that cost most.
ENOUGH = 0.9
MAX_LOOKS = 64


def refine(canvas: Canvas, edit: Edit, looks: int = 3, *, gradients: int = MAX_LOOKS) -> Solution:
    """The latent at which the picture, measured, shows what an edit asks for: `looks` looks and corrections.

    ``gradients``: at most so many looks take them, where there are any, and the others learn from what they see. What
    comes back is the best of the points looked at. Raises TlganError where a feature is unknown or the identity is to be
    kept and the extractor has no embedding.
    """
    return refine_all(canvas, [edit], looks, gradients=gradients)[0]


def refine_all(canvas: Canvas, edits: Sequence[Edit], looks: int = 3, *, gradients: int = MAX_LOOKS) -> list[Solution]:
    """`refine` for many edits at once; those that move and lock the same features share their looks."""
    if not 1 <= looks <= MAX_LOOKS:
        raise TlganError(f"{looks} looks were asked for: expected 1 to {MAX_LOOKS}")
    wishes = [Wishes.of(canvas.axes, edit) for edit in edits]
    alike: dict[tuple[object, ...], list[int]] = {}
    for number, (edit, wish) in enumerate(zip(edits, wishes, strict=True)):
        key = (wish.rows.tobytes(), wish.weight.tobytes(), wish.moved.tobytes(), edit.identity)
        alike.setdefault(key, []).append(number)
    found: dict[int, Solution] = {}
    for numbers in alike.values():
        some, their = [edits[n] for n in numbers], [wishes[n] for n in numbers]
        solutions = _refine_alike(canvas, some, their, looks, gradients)
        found |= dict(zip(numbers, solutions, strict=True))
    return [found[number] for number in range(len(edits))]


def _refine_alike(
    canvas: Canvas, edits: list[Edit], wishes: list[Wishes], looks: int, gradients: int
) -> list[Solution]:
    """Edits with the same rows, side by side."""
    axes = canvas.axes
    latents = np.stack([edit.latent for edit in edits]).astype(np.float32)
    if not wishes[0].moved.any():
        return [Solution(latent, np.zeros(len(axes.features), dtype=np.float32)) for latent in latents]
    views = AveragedViews(canvas, wishes[0].rows, keep=latents if edits[0].identity else None)
    wanted = np.stack([wish.wanted for wish in wishes])
    ends, slopes = _approach(views, latents, wanted, wishes[0].weight, looks, gradients)
    both = views.whole(np.concatenate([latents, ends]))
    own, reached = both[: len(ends)], both[len(ends) :] - both[: len(ends)]
    by = "gradients" if views.differentiable and gradients else "looks"
    solutions = []
    for end, start, change, wish, local in zip(ends, own, reached, wishes, slopes, strict=True):
        share = granted(wish, change[wish.rows])
        blocked = in_the_way(axes, wish, local[: len(wish.rows)]) if share < ENOUGH else {}
        solutions.append(Solution(end, change, share, blocked, start, by))
    return solutions


def _approach(
    views: AveragedViews,
    latents: np.ndarray,
    wanted: np.ndarray,
    weight: np.ndarray,
    looks: int,
    gradients: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The best latents float32 [n, d] seen on the way from `latents` [n, d], and the last slopes [n, r, d]."""
    axes = views.canvas.axes
    start = axes.metric.whiten(latents)
    norms = [shell(axes, row) for row in start]
    wanted, weight = views.with_identity(wanted, weight)
    own = views.measure(latents)
    # What is known where each edit stands best so far: the point, what is seen there, its slopes and its miss.
    best, seen = start, own
    slopes = np.repeat(views.global_slopes[None], len(start), axis=0)
    least = np.full(len(start), np.inf)
    believed = np.full(len(start), STEP)
    longest = np.full(len(start), TRUST * axes.metric.radius)
    anchor = np.zeros_like(start)
    moved = np.abs(wanted).max(axis=0) > 0
    counts = np.where(moved, TARGET, np.minimum(weight, 1.0))
    if views.differentiable:
        anchor = _shortened(least_move(slopes[:, moved], wanted[:, moved], weight[moved]), longest)

    def corrected(firmness: int) -> np.ndarray:
        so_far = best - start
        goal = wanted - (seen - own) + np.einsum("nrd,nd->nr", slopes, so_far - anchor)
        gentle = np.where(moved, np.inf, FIRST_WEIGHT * FIRMER**firmness) if views.differentiable else np.inf
        move = _shortened(anchor + least_move(slopes, goal, np.minimum(weight, gentle)), longest)
        move = so_far + _shortened(move - so_far, believed)
        return np.stack([keep_inside(*each) for each in zip(start, move, slopes, norms, strict=True)])

    if views.differentiable:
        point = np.stack([keep_inside(*each) for each in zip(start, anchor, slopes, norms, strict=True)])
    else:
        point = corrected(0)
    for look in range(looks + 1):
        rows = axes.metric.colour(point).astype(np.float32)
        if views.differentiable and look < min(looks, gradients):
            now, local = views.slopes(rows)
        else:
            now, local = views.measure(rows), slopes
        # Broyden's update for gradients too: a gradient is valid at the end of the step, and the response is nonlinear.
        local = _learned(local, point - best, now - seen)
        miss = (counts * (now - own - wanted) ** 2).sum(axis=1)
        better = miss < least
        best = np.where(better[:, None], point, best)
        seen = np.where(better[:, None], now, seen)
        # A step that failed still teaches what the slopes are; a gradient there says nothing of the best place.
        learned = better | (not views.differentiable or look >= gradients)
        slopes = np.where(learned[:, None, None], local, slopes)
        least = np.minimum(miss, least)
        believed = np.where(better, np.minimum(1.5 * believed, STEP), believed / 3)
        if look < looks:
            point = corrected(look)
    return axes.metric.colour(best).astype(np.float32), slopes


def _shortened(moves: np.ndarray, longest: np.ndarray) -> np.ndarray:
    """Moves [n, d], none longer than its `longest` [n]."""
    length = np.linalg.norm(moves, axis=1)
    return np.asarray(moves * np.minimum(1.0, longest / np.maximum(length, 1e-12))[:, None])


def _learned(slopes: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Slopes [n, r, d] changed least so that they explain the measured `change` [n, r] of a `step` [n, d]."""
    unexplained = change - np.einsum("nrd,nd->nr", slopes, step)
    squared = np.maximum((step**2).sum(axis=1), 1e-12)
    return np.asarray(slopes + unexplained[:, :, None] * (step / squared[:, None])[:, None, :])
