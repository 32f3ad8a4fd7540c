"""Directions and responses: what a method finds, and what is measured of it afterwards.

A direction is a move in latent space. How far a feature answers it, how much of the feature it explains, and whether
two halves of the samples lead to the same one is measured here, the same way whoever found it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError

from .axes import Axes
from .learner import WEAK_R2, axis_auc
from .response import to_response

if TYPE_CHECKING:
    from tlgan.extractors import Extractor
    from tlgan.hooks import AxisMethod
    from tlgan.samples import Source

#: A feature that answers a direction by less than this, in sd a whitened unit, counts as answering by so much.
LEAST_GAIN = 1e-3


@dataclass(frozen=True, eq=False)
class Labelled:
    """Samples as a method sees them: ``latents`` float32 [n, d] and feature ``values`` float32 [n, f] of the features of
    ``axes``, which are those that regression found and hold the population (`axes.metric`). ``source`` paints latents,
    ``extractors`` measure pictures, for methods that want to; None and () where there are only numbers."""

    axes: Axes
    latents: np.ndarray
    values: np.ndarray
    source: Source | None = None
    extractors: tuple[Extractor, ...] = ()

    @cached_property
    def responses(self) -> np.ndarray:
        """Responses float64 [n, f]: logits of probabilities, quantities as they are."""
        return to_response(self.axes.features, self.values)

    def half(self, which: int) -> Labelled:
        """Every second row, from row `which`."""
        return replace(self, latents=self.latents[which::2], values=self.values[which::2])


@dataclass(frozen=True, eq=False)
class Directions:
    """``moves`` float64 [k, d] in latent units, of any length, and their ``names``; ``method``: who found them.

    A name that is a feature's says which feature a move is meant to change; other names are of directions that were found
    without labels.
    """

    names: tuple[str, ...]
    moves: np.ndarray
    method: str

    def __post_init__(self) -> None:
        if self.moves.ndim != 2 or len(self.moves) != len(self.names):
            raise TlganError(
                f"{self.method} gave moves of shape {list(self.moves.shape)} for {len(self.names)} names: expected "
                "one row a name"
            )
        if not np.isfinite(self.moves).all():
            raise TlganError(f"{self.method} gave moves that are not finite numbers")

    def whitened(self, axes: Axes) -> np.ndarray:
        """Unit moves float64 [k, d] in whitened coordinates; zero where a move is."""
        if self.moves.shape[1] != axes.latent_dim:
            raise TlganError(f"moves of {self.moves.shape[1]} numbers don't fit a space of {axes.latent_dim}")
        moves = self.moves @ axes.metric.inverse.T
        return np.asarray(moves / np.maximum(np.linalg.norm(moves, axis=1, keepdims=True), 1e-30))


def axes_by(method: AxisMethod, samples: Labelled, *, halves: bool = True) -> Axes:
    """The axes of `samples` with the directions of a method in place of regression's, and what is measured of them; the
    agreement too, with ``halves``, for which the method goes to work twice more.

    Features that the method has no direction for keep regression's axis and say so (`Axes.found_by`).
    """
    directions = method.fit(samples)
    if not set(directions.names) & set(samples.axes.names):
        raise TlganError(
            f"{directions.method} finds directions without labels ({', '.join(directions.names[:3])} ...), which belong to no "
            f"feature: make them sliders of their own with tlgan add WORKSPACE --directions {shlex.quote(directions.method)}"
        )
    known = [number for number, name in enumerate(directions.names) if name in samples.axes.names]
    directions = Directions(
        tuple(directions.names[number] for number in known), directions.moves[known], directions.method
    )
    found = [method.fit(samples.half(which)) for which in (0, 1)] if halves else []
    return measured(turned(samples.axes, directions), samples, directions.names, found)


def turned(axes: Axes, directions: Directions, gains: np.ndarray | None = None) -> Axes:
    """The axes with those of the named features moving along `directions`.

    ``gains`` [k]: by how many sd each feature changes a whitened unit of its move, as measured on pictures; None takes what
    the axes that are there expect of it (for a linear response the two are the same).
    """
    rows = axes.indices(directions.names)
    unit = directions.whitened(axes)
    if gains is None:
        gains = (unit * axes.whitened_slopes[rows]).sum(axis=1)
    gains = np.where(gains < 0, -1.0, 1.0) * np.maximum(np.abs(gains), LEAST_GAIN)
    slopes = axes.directions.astype(np.float64)
    slopes[rows] = axes.sd[rows, None].astype(np.float64) * (gains[:, None] * unit) @ axes.metric.inverse
    intercepts = axes.intercepts.astype(np.float64)
    intercepts[rows] = axes.mean[rows] - slopes[rows] @ axes.metric.mean
    by = list(axes.found_by or ("",) * len(axes.features))
    for row in rows:
        by[row] = directions.method
    forgotten = {}  # what was measured of the directions before
    for key in ("effects", "r2_interval"):
        if (array := getattr(axes, key)) is not None:
            forgotten[key] = array.copy()
            forgotten[key][rows] = np.nan
    return replace(
        axes,
        directions=slopes.astype(np.float32),
        intercepts=intercepts.astype(np.float32),
        found_by=tuple(by),
        mean_r2=None,
        **forgotten,
    )


def measured(axes: Axes, samples: Labelled, names: Sequence[str], halves: Sequence[Directions] = ()) -> Axes:
    """The axes with R², AUC and calibration of the rows `names` measured on samples: those of the line of the response on
    the place along the move. ``halves``: directions from two halves of the samples, for the agreement."""
    rows = axes.indices(names)
    place = samples.latents @ axes.directions[rows].T + axes.intercepts[rows]  # (n, k)
    responses = samples.responses[:, rows]
    centred, deviation = place - place.mean(axis=0), responses - responses.mean(axis=0)
    variance = np.maximum((centred**2).mean(axis=0), 1e-30)
    slope = (centred * deviation).mean(axis=0) / variance
    total = (deviation**2).mean(axis=0)
    r2 = np.where(total > 0, slope**2 * variance / np.where(total > 0, total, 1), 0.0)
    arrays = {key: getattr(axes, key).copy() for key in ("r2", "auc", "calibration", "agreement", "weak")}
    arrays["r2"][rows], arrays["calibration"][rows] = r2, slope
    arrays["auc"][rows] = axis_auc([axes.features[row] for row in rows], responses, place)
    arrays["weak"][rows] = (r2 < WEAK_R2) | (total <= 0)
    if halves:
        one, other = (_in_order(half, names).whitened(axes) for half in halves)
        arrays["agreement"][rows] = np.abs((one * other).sum(axis=1))
    return replace(axes, **arrays)


def _in_order(directions: Directions, names: Sequence[str]) -> Directions:
    order = [directions.names.index(name) for name in names]
    return Directions(tuple(names), directions.moves[order], directions.method)
