"""Axes of small pictures, corrected to what whole pictures measure.

Samples of a large generator are painted small, by its picture head. What an extractor measures on a small picture is
nearly what it measures on the whole one; the difference that is left is a line for every feature, found on some latents
that no axis was fitted on, painted both ways.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tlgan.axes import WEAK_R2, Axes
from tlgan.axes.estimate import Z95, r2_errors
from tlgan.progress import Progress

if TYPE_CHECKING:
    from tlgan.editing import Canvas


#: Latents that are painted both ways.
WHOLE = 96
_PIECE = 8  # painted between two reports of progress
_FIRST = 2**40  # index of the first of them in the stream of a seed: no sample is drawn so far on


def corrected(axes: Axes, small: Canvas, whole: Canvas, progress: Progress, *, count: int = WHOLE) -> Axes:
    """The axes as they are on whole pictures, with what they explain there.

    ``small`` and ``whole`` paint the same latents. For every feature the response on whole pictures is regressed on the
    one on small pictures; slopes, intercepts, means, spreads and quantiles follow that line. R² of small pictures is
    lowered by the squared correlation of the two (what small pictures can't show, no axis of theirs explains); the mean
    over features is measured on these whole pictures directly, and so is its interval.
    """
    latents, seen, true = [], [], []
    for start in range(0, count, _PIECE):
        rows = small.sample(min(_PIECE, count - start), seed=axes.seed, start=_FIRST + start)
        latents.append(rows)
        seen.append(_responses(small, rows))
        true.append(_responses(whole, rows))
        progress.step("whole pictures", start + len(rows), count)
    return _along_line(axes, np.concatenate(latents), np.concatenate(seen), np.concatenate(true))


def _responses(canvas: Canvas, latents: np.ndarray) -> np.ndarray:
    """Responses [n, f]: logits of probabilities, quantities as they are."""
    return np.asarray(canvas.measure(latents).astype(np.float64) * canvas.axes.sd + canvas.axes.mean)


def _along_line(axes: Axes, latents: np.ndarray, seen: np.ndarray, true: np.ndarray) -> Axes:
    """`corrected`, from responses [n, f] of the same latents [n, d] on small and on whole pictures."""
    middle, level = seen.mean(axis=0), true.mean(axis=0)
    variance = np.maximum(seen.var(axis=0), 1e-12)
    slope = ((seen - middle) * (true - level)).mean(axis=0) / variance
    left = (true - level - slope * (seen - middle)).var(axis=0)
    correlation = np.clip(slope * np.sqrt(variance / np.maximum(true.var(axis=0), 1e-12)), 0.0, 1.0)
    mean = level + slope * (axes.mean - middle)
    sd = np.sqrt(slope**2 * axes.sd.astype(np.float64) ** 2 + left)
    safe = np.where(sd > 0, sd, 1.0)
    slopes = axes.directions * slope[:, None]
    intercepts = level + slope * (axes.intercepts - middle)
    quantiles = mean[:, None] + (axes.quantiles - axes.mean[:, None]) / axes.sd[:, None] * safe[:, None]
    r2 = axes.r2 * correlation**2
    predicted = latents @ slopes.T + intercepts
    total = np.maximum(true.var(axis=0), 1e-12)
    direct = float(np.mean(1 - ((true - predicted) ** 2).mean(axis=0) / total))
    _, error = r2_errors(true, predicted)
    lowered = {} if axes.r2_interval is None else {"r2_interval": axes.r2_interval * (correlation**2)[:, None]}
    return replace(
        axes,
        directions=slopes.astype(np.float32),
        intercepts=intercepts.astype(np.float32),
        mean=mean.astype(np.float32),
        sd=safe.astype(np.float32),
        quantiles=quantiles.astype(np.float32),
        r2=r2.astype(np.float32),
        mean_r2=(direct, direct - Z95 * error, direct + Z95 * error),
        weak=axes.weak | (r2 < WEAK_R2),
        **{key: value.astype(np.float32) for key, value in lowered.items()},
    )
