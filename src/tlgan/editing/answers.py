"""Measures how features respond to a move along a direction: this gives an imported direction its scale and its name."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas

#: Length of a move, as a share of the population's 99 % norm: about what a slider moves for one sd.
STEP = 0.1
FACES = 12
#: Seed of the faces.
SEED = 2**40 + 2


def answers(canvas: Canvas, units: np.ndarray, *, faces: int = FACES) -> np.ndarray:
    """Mean change of every feature in sd for each whitened unit of moves, float64 [k, f], for unit moves [k, d] in whitened
    coordinates: each face is moved both ways by `STEP`."""
    metric = canvas.axes.metric
    starts = metric.whiten(canvas.sample(faces, seed=SEED))
    step = STEP * metric.radius
    table = []
    for unit in units:
        ends = np.concatenate([starts + step * unit, starts - step * unit])
        seen = canvas.measure(metric.colour(ends).astype(np.float32)).astype(np.float64)
        table.append((seen[:faces] - seen[faces:]).mean(axis=0) / (2 * step))
    return np.stack(table) if table else np.zeros((0, len(canvas.axes.features)))


def best_for(table: np.ndarray) -> np.ndarray:
    """For each feature the move [f] that changes it most by what it changes of the others, from a table [k, f]: by the
    feature's share of the mean |change|."""
    size = np.abs(table)
    return np.asarray((size / np.maximum(size.mean(axis=1, keepdims=True), 1e-12)).argmax(axis=0))
