"""Fresh faces on which methods are tried, and the figures of what a judge measured.

Edits are made once; any number of judges can look at them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlgan.axes import to_response
from tlgan.hooks import METRICS
from tlgan.samples.engines import mapped

from .cache import PIECE, Arrays, Panel, digest, digest_of, digest_of_axes
from .judging import Evaluator, Judge
from .metrics import Seen
from .scores import Dependency, MethodScore, SliderScore
from .statistics import Estimate, bootstrap, cosine

if TYPE_CHECKING:
    import torch

    from tlgan.editing import Canvas
    from tlgan.hooks import EvaluationMethod, SamplingEngine

    from .together import Together

#: Edges of the bins of measured change, in sd, in which attribute dependency is told.
DEPENDENCY_EDGES = (0.25, 0.75, 1.25, 1.75, 2.25, 3.0)

#: Edits that take longer, in seconds, are kept; quicker ones are made again.
SLOW = 0.1

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
    """One slider on some faces, by one method: wherever an engine runs it."""

    canvas: Canvas
    method: EvaluationMethod
    names: tuple[str, ...]

    def __call__(self, item: tuple[str, np.ndarray, np.ndarray]) -> Arrays:
        """Of (name, asks [n], starts [n, d]): latents float32 [n, d], and seconds [1]."""
        name, asks, starts = item
        began = time.perf_counter()
        edited = self.method.latents(self.canvas, starts, name, asks, self.names)
        return {"latents": np.asarray(edited, dtype=np.float32), "seconds": np.array([time.perf_counter() - began])}


@dataclass(frozen=True, eq=False)
class Measurements:
    """A judge's measurements of it: changes along the ask, ``changes`` [n, k, k] in its sd and ``rescored`` [n, k, k] in
    natural units; ``identity`` [n, k]; ``embedding`` [n, k, e]."""

    changes: np.ndarray
    rescored: np.ndarray
    identity: np.ndarray
    embedding: np.ndarray


class OwnEvaluator:
    """Measurements by the extractor of a canvas itself: responses, one view, no embedding."""

    def __init__(self, canvas: Canvas) -> None:
        self.extractor, self.name, self.features = canvas.extractor, canvas.extractor.name, canvas.axes.features
        known = digest_of(canvas.extractor)
        self.fingerprint = known and digest("own", known)

    def measure(self, latents: np.ndarray, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Responses [n, f], and [n, 0]."""
        values = self.extractor.extract(images).numpy(force=True)
        return to_response(self.features, values), np.zeros((len(values), 0))


class Bench:
    """Faces [n, d], each asked for more (every second one: less) of every feature in `names`.

    ``panel``: what looks at pictures, a canvas' own extractor by `OwnEvaluator` among them; None for that alone.
    ``engine``: where sliders are moved, None for this process; ``says`` is told of its trouble.
    """

    def __init__(
        self,
        canvas: Canvas,
        names: Sequence[str],
        starts: np.ndarray,
        panel: Panel | None = None,
        *,
        engine: SamplingEngine | None = None,
        says: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.canvas = canvas
        self._engine, self._says = engine, says
        self.names = tuple(names)
        self.rows = canvas.axes.indices(names)
        self.starts = starts
        self.signs = np.where(np.arange(len(starts)) % 2 == 0, 1.0, -1.0)
        self.panel = panel or Panel(canvas, [OwnEvaluator(canvas)])
        self._own = next(one for one in self.panel.evaluators if isinstance(one, OwnEvaluator))
        self._before = self.own(starts)

    def own(self, latents: np.ndarray) -> np.ndarray:
        """Where the features stand by the extractor itself, [n, k] in population sd."""
        axes = self.canvas.axes
        responses, _ = self.panel.measure(self._own, latents)
        return np.asarray(((responses - axes.mean) / axes.sd)[:, self.rows])

    def try_out(self, method: EvaluationMethod, amount: float | np.ndarray) -> Tried:
        """Every slider on every face, asked for ± `amount` (one number, or one for each slider)."""
        asked = np.broadcast_to(np.asarray(amount, dtype=float), (len(self.names),))
        pieces = [
            (name, ask * self.signs[at : at + PIECE], self.starts[at : at + PIECE])
            for name, ask in zip(self.names, asked, strict=True)
            for at in range(0, len(self.starts), PIECE)
        ]
        parts, each = self._edited(method, pieces), len(pieces) // len(self.names)
        latents = [
            np.concatenate([part["latents"] for part in parts[at : at + each]]) for at in range(0, len(parts), each)
        ]
        own = [(self.own(rows) - self._before) * self.signs[:, None] for rows in latents]
        seconds = float(sum(part["seconds"][0] for part in parts))
        return Tried(method, asked, np.stack(latents, axis=1), np.stack(own, axis=1), seconds)

    def _edited(self, method: EvaluationMethod, pieces: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> list[Arrays]:
        """Each of (name, asks, starts) edited: what is kept already, and the rest by the engine."""
        canvas, cache = self.canvas, self.panel.cache
        known = (
            getattr(method, "key", ""),
            digest_of(canvas.extractor),
            digest_of_axes(canvas.axes),
            canvas.source.resolution,
        )
        keys = [digest(*known, name, self.names, asks, starts) for name, asks, starts in pieces]
        found = [cache.find(key) for key in keys]
        missing = [k for k, part in enumerate(found) if part is None]
        trial = _Trial(canvas, method, self.names)
        for k, part in zip(missing, mapped(self._engine, trial, (pieces[k] for k in missing), self._says), strict=True):
            cache.keep(keys[k], part, on_disk=part["seconds"][0] > SLOW * len(part["latents"]))
            found[k] = part
        return [part for part in found if part is not None]

    def measure(self, judge: Judge, tried: Tried) -> Measurements:
        """Let a judge look at what was tried."""
        before, along = judge.measure(self.starts), self.signs[:, None]
        parts = []
        for k in range(len(self.names)):
            after = judge.measure(tried.latents[:, k])
            parts.append(
                (
                    (after.positions - before.positions) * along,
                    (after.values - before.values) * along,
                    cosine(after.embedding, before.embedding),
                    after.embedding,
                )
            )
        return Measurements(*(np.stack(part, axis=1) for part in zip(*parts, strict=True)))

    def moved(self, evaluator: Evaluator, tried: Tried) -> Estimate:
        """Mean distance between before and after in the embedding of an evaluator of the panel."""
        _, before = self.panel.measure(evaluator, self.starts)
        after = [self.panel.measure(evaluator, tried.latents[:, k])[1] for k in range(len(self.names))]
        apart = np.linalg.norm(np.stack(after, axis=1) - before[:, None], axis=-1)
        return bootstrap(len(apart), lambda rows: float(apart[rows].mean()))

    def score(
        self, judge: Judge | Together, tried: Tried, measured: Measurements, metrics: Sequence[str] = ()
    ) -> MethodScore:
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
