"""The way from one face to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlgan.axes import Axes

from .edit import stacked


def between(axes: Axes, start: np.ndarray, end: np.ndarray, places: Sequence[float]) -> np.ndarray:
    """Latents float32 [n, d] at `places` in [0, 1] on the way from `start` [d] to `end` [d]; layer by layer, and
    [n, layers, d], where one of them is [layers, d].

    The straight line passes nearer to the middle of the population than any face lies: in many dimensions two draws
    are nearly at right angles, and halfway between them the norm is only 1/sqrt(2) of theirs. So the direction is
    interpolated and the whitened norm is too, which keeps every picture on the way as likely as its ends.
    """
    a, b = axes.metric.whiten(stacked([start, end]))
    t = np.asarray(places, dtype=np.float64).reshape(-1, *[1] * a.ndim)
    line = (1 - t) * a + t * b
    wanted = (1 - t) * np.linalg.norm(a, axis=-1, keepdims=True) + t * np.linalg.norm(b, axis=-1, keepdims=True)
    length = np.linalg.norm(line, axis=-1, keepdims=True)
    return np.asarray(axes.metric.colour(line * wanted / np.maximum(length, 1e-12)), dtype=np.float32)
