"""Axes of other methods as methods of evaluation, so that one run and one judge measure them all on the same faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tlgan.axes.directions import Directions, Labelled, axes_by, measured, turned
from tlgan.editing import Canvas
from tlgan.editing.answers import answers, best_for
from tlgan.errors import TlganError

from .cache import digest, digest_of_axes

if TYPE_CHECKING:
    from tlgan.axes import Axes
    from tlgan.hooks import AxisMethod, EvaluationMethod


@dataclass(frozen=True, eq=False)
class OnAxes:
    """An evaluation ``method`` carried out on other ``axes`` of the same generator: those of z or w on a canvas of the same
    space, those of w+ on one in w. ``samples`` and ``seconds``: what finding them took beside the workspace's own."""

    name: str
    words: str
    axes: Axes
    method: EvaluationMethod
    samples: int = 0
    seconds: float = field(default=0.0, compare=False)

    @property
    def key(self) -> str:
        """All that its edits depend on besides canvas, starts and asks; "" where the method doesn't tell."""
        return digest(getattr(self.method, "key", ""), digest_of_axes(self.axes))

    def latents(
        self, canvas: Canvas, starts: np.ndarray, name: str, asks: np.ndarray, others: Sequence[str]
    ) -> np.ndarray:
        """As `tlgan.hooks.EvaluationMethod`; [n, layers, d] where the axes are by groups of layers."""
        own = Canvas(canvas.generator, canvas.extractor, self.axes, resolution=canvas.source.resolution)
        groups = len(self.axes.groups)
        if not groups:
            if self.axes.space != canvas.axes.space:
                raise TlganError(f"axes in {self.axes.space} can't be compared on faces in {canvas.axes.space}")
            return self.method.latents(own, starts, name, asks, others)
        if canvas.axes.space != "w":
            raise TlganError("axes by layers can only be compared with those in w")
        moved = self.method.latents(own, np.tile(starts, (1, groups)), name, asks, others)
        return np.repeat(moved.reshape(len(moved), groups, -1), own.source.layers, axis=1)


def fitted(method: AxisMethod, samples: Labelled, canvas: Canvas) -> Axes:
    """The axes that a method finds from samples; of directions that were found without labels each feature gets the one
    that changes it most by what it changes of the others, as measured on pictures of the canvas."""
    directions = method.fit(samples)
    if set(directions.names) & set(samples.axes.names):
        return axes_by(method, samples, halves=False)
    units = directions.whitened(samples.axes)
    table = answers(canvas, units)
    chosen = best_for(table)
    names = samples.axes.names
    picked = Directions(names, directions.moves[chosen], directions.method)
    return measured(turned(samples.axes, picked, table[chosen, np.arange(len(names))]), samples, names)
