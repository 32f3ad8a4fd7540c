"""Find, among the rows already drawn, those nearest to a wish."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from .store import SampleStore


def nearest(store: SampleStore, distance: Callable[[np.ndarray], np.ndarray], n: int) -> list[tuple[int, np.ndarray]]:
    """The `n` rows with the smallest `distance(features float32 [rows, f]) -> [rows]`, nearest first.

    Returns (index, latent float32 [d]) pairs; memory is that of one part and n latents.
    """
    best: list[tuple[float, int, np.ndarray]] = []
    start = 0
    for latents, features in store.read_arrays():
        far = distance(features)
        candidates = np.argsort(far, kind="stable")[:n]
        best = heapq.nsmallest(
            n,
            [*best, *((float(far[row]), start + int(row), latents[row].copy()) for row in candidates)],
            key=lambda b: b[:2],
        )
        start += len(latents)
    return [(index, latent) for _, index, latent in best]
