"""Several judges of the same edits: the mean of their scores, and how far apart these lie.

Each errs in ways of its own, so their mean errs less than either; what they differ by on one and the same edit is the noise
over which any figure is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .bench import Measurements
from .judging import Judge


class Together:
    """Judges on average: positions are means, and the embedding is all of theirs side by side."""

    def __init__(self, judges: Sequence[Judge]) -> None:
        self.name = f"{' and '.join(judge.name for judge in judges)} on average"
        self.plain_embedding = np.concatenate([judge.plain_embedding for judge in judges], axis=1)
        self.plain_positions = np.mean([judge.plain_positions for judge in judges], axis=0)

    @staticmethod
    def of(measured: Sequence[Measurements]) -> Measurements:
        """What they saw of the same edits, on average."""
        changes, rescored, identity = (
            np.mean([getattr(one, key) for one in measured], axis=0) for key in ("changes", "rescored", "identity")
        )
        return Measurements(changes, rescored, identity, np.concatenate([one.embedding for one in measured], axis=-1))


@dataclass(frozen=True)
class Noise:
    """Mean |difference| in sd of two judges' words on the same edits: of the ``target`` and of the ``others``; and the
    ``correlation`` of their measurements over all edits, of the target."""

    target: float
    others: float
    correlation: float

    @classmethod
    def between(cls, one: np.ndarray, other: np.ndarray) -> Noise:
        """From changes [n, k, k] each."""
        apart, diagonal = np.abs(one - other), np.eye(one.shape[1], dtype=bool)
        correlation = float(np.corrcoef(one[:, diagonal].ravel(), other[:, diagonal].ravel())[0, 1])
        return cls(float(apart[:, diagonal].mean()), float(apart[:, ~diagonal].mean()), correlation)
