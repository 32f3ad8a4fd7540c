"""Fresh faces on which methods are tried, and the figures of what a judge saw.

Edits are made once; any number of judges can look at them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlgan.hooks import METRICS
from tlgan.samples.engines import mapped

from .judging import Judge
from .metrics import Seen
from .scores import Dependency, MethodScore, SliderScore
from .statistics import Estimate, bootstrap, cosine

if TYPE_CHECKING:
    from tlgan.editing import Canvas
    from tlgan.hooks import EvaluationMethod, SamplingEngine

#: Edges of the bins of measured change, in sd, in which attribute dependency is told.
DEPENDENCY_EDGES = (0.25, 0.75, 1.25, 1.75, 2.25, 3.0)

#: The metrics that every method is scored by.
STANDARD = ("got", "error", "drift", "leak", "identity", "frechet")


@dataclass(frozen=True, eq=False)
class Tried:
    """What one method made of n faces and k sliders: ``asked`` [k]; ``latents`` float32 [n, k, d]; changes along the
    ask by the extractor that made them, ``own`` [n, k, k] in sd (face, slider moved, feature); ``seconds`` of all."""

    method: EvaluationMethod
    asked: np.ndarray
    latents: np.ndarray
    own: np.ndarray
    seconds: float


@dataclass(frozen=True, eq=False)
class _Trial:
    """One slider on all faces, by one method."""

    canvas: Canvas
    method: EvaluationMethod
    starts: np.ndarray
    signs: np.ndarray
    names: tuple[str, ...]

    def __call__(self, item: tuple[str, float]) -> tuple[np.ndarray, np.ndarray, float]:
        """Of (name, ask): latents float32 [n, d], where all features then stand [n, f], and seconds."""
        name, ask = item
        began = time.perf_counter()
        latents = self.method.latents(self.canvas, self.starts, name, ask * self.signs, self.names)
        seconds = time.perf_counter() - began
        return latents, self.canvas.measure(latents), seconds


@dataclass(frozen=True, eq=False)
class Measurements:
    """What a judge saw of it: changes along the ask, ``changes`` [n, k, k] in its sd and ``rescored`` [n, k, k] in
    natural units; ``identity`` [n, k]; ``embedding`` [n, k, e]."""

    changes: np.ndarray
    rescored: np.ndarray
    identity: np.ndarray
    embedding: np.ndarray


class Bench:
    """Faces [n, d], each asked for more (every second one: less) of every feature in `names`."""

    def __init__(
        self,
        canvas: Canvas,
        names: Sequence[str],
        starts: np.ndarray,
        engine: SamplingEngine | None = None,
        says: Callable[[str], None] = lambda words: None,
    ) -> None:
        """``engine``: where one slider after another is tried, None for this process; ``says`` hears of its trouble."""
        self.canvas = canvas
        self._engine, self._says = engine, says
        self.names = tuple(names)
        self.rows = canvas.axes.indices(names)
        self.starts = starts
        self.signs = np.where(np.arange(len(starts)) % 2 == 0, 1.0, -1.0)
        self._before = canvas.measure(starts)[:, self.rows]

    def try_out(self, method: EvaluationMethod, amount: float | np.ndarray) -> Tried:
        """Every slider on every face, asked for ± `amount` (one number, or one for each slider)."""
        asked = np.broadcast_to(np.asarray(amount, dtype=float), (len(self.names),))
        trial = _Trial(self.canvas, method, self.starts, self.signs, self.names)
        done = mapped(self._engine, trial, zip(self.names, asked.tolist(), strict=True), self._says)
        latents, positions, seconds = zip(*done, strict=True)
        own = [(after[:, self.rows] - self._before) * self.signs[:, None] for after in positions]
        return Tried(method, asked, np.stack(latents, axis=1), np.stack(own, axis=1), sum(seconds))

    def measure(self, judge: Judge, tried: Tried) -> Measurements:
        """Let a judge look at what was tried."""
        before, along = judge.measure(self.starts), self.signs[:, None]
        parts = []
        sliders = (np.ascontiguousarray(tried.latents[:, k]) for k in range(len(self.names)))
        for after in mapped(self._engine, judge.measure, sliders, self._says):
            parts.append(
                (
                    (after.positions - before.positions) * along,
                    (after.values - before.values) * along,
                    cosine(after.embedding, before.embedding),
                    after.embedding,
                )
            )
        return Measurements(*(np.stack(part, axis=1) for part in zip(*parts, strict=True)))

    def score(self, judge: Judge, tried: Tried, measured: Measurements, metrics: Sequence[str] = ()) -> MethodScore:
        """The figures of a method before a judge; ``metrics``: names of further ones."""
        faces, sliders = measured.identity.shape
        metric = self.canvas.axes.metric
        norms = np.linalg.norm(metric.whiten(tried.latents), axis=-1) / metric.radius
        figures, own = Figures(measured.changes, tried.asked), Figures(tried.own, tried.asked)
        seen = Seen(tried, measured, figures, judge)
        got, error, drift, leak, identity, frechet = (METRICS.get(name)(seen) for name in STANDARD)
        return MethodScore(
            method=tried.method.name,
            words=tried.method.words,
            sliders=tuple(self._slider(tried, measured, figures, own, k) for k in range(sliders)),
            got=as_estimate(got),
            spread=float(figures.got.std(axis=0).mean()),
            error=as_estimate(error),
            drift=as_estimate(drift),
            leak=as_estimate(leak),
            own_got=float(own.got.mean()),
            own_drift=float(own.drift.mean()),
            identity=as_estimate(identity),
            norm=float(norms.mean()),
            furthest=float(norms.max()),
            frechet=as_estimate(frechet).value,
            dependency=_dependency(figures.got, figures.drift, measured.identity),
            seconds=tried.seconds / (faces * sliders),
            more={name: as_estimate(METRICS.get(name)(seen)) for name in metrics},
        )

    def _slider(self, tried: Tried, measured: Measurements, figures: Figures, own: Figures, k: int) -> SliderScore:
        got, error, drift = figures.got[:, k], figures.error[:, k], figures.drift[:, k]
        return SliderScore(
            name=self.names[k],
            asked=float(tried.asked[k]),
            got=bootstrap(len(got), lambda rows: float(got[rows].mean())),
            spread=float(got.std()),
            error=bootstrap(len(got), lambda rows: float(error[rows].mean())),
            drift=bootstrap(len(got), lambda rows: float(drift[rows].mean())),
            leak=bootstrap(len(got), lambda rows: float(drift[rows].mean() / got[rows].mean())),
            own_got=float(own.got[:, k].mean()),
            own_drift=float(own.drift[:, k].mean()),
            effects=tuple(np.abs(measured.changes[:, k]).mean(axis=0).tolist()),
            signed=tuple(measured.changes[:, k].mean(axis=0).tolist()),
            rescored=tuple(measured.rescored[:, k].mean(axis=0).tolist()),
        )


def as_estimate(figure: Estimate | float) -> Estimate:
    """A figure that comes without an interval has both ends at itself."""
    return figure if isinstance(figure, Estimate) else Estimate(*[float(figure)] * 3)


class Figures:
    """From changes [n, k, k] (face, slider moved, feature): ``got``, ``error`` and ``drift``, each [n, k]."""

    def __init__(self, changes: np.ndarray, asked: np.ndarray) -> None:
        sliders = changes.shape[1]
        self.got = np.einsum("nkk->nk", changes)
        self.error = np.abs(self.got - asked)
        others = ~np.eye(sliders, dtype=bool)
        self.drift = (np.abs(changes) * others).sum(axis=2) / max(sliders - 1, 1)


def _dependency(got: np.ndarray, drift: np.ndarray, identity: np.ndarray) -> tuple[Dependency, ...]:
    """By how far the target itself changed: [n, k] each."""
    found = []
    for low, high in itertools.pairwise(DEPENDENCY_EDGES):
        inside = (np.abs(got) >= low) & (np.abs(got) < high)
        if inside.any():
            change, others, kept = (float(figure[inside].mean()) for figure in (np.abs(got), drift, identity))
            found.append(Dependency(change, others, kept, int(inside.sum())))
    return tuple(found)
