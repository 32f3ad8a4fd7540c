"""Are the edits clean? Fresh faces, every slider, every method, and a judge that had no part in finding the axes.

Each face is asked to change in one feature by `amount` standard deviations, half of them upwards and half downwards, and
the judge says what changed: the feature itself, and everything that should not have.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.errors import TlganError

from .judging import ExtractorWitness, Judge, Witness
from .methods import Method, method_named
from .statistics import Estimate, bootstrap, cosine, frechet_distance

if TYPE_CHECKING:
    from tlgan.editing import Canvas
    from tlgan.extractors import Extractor

#: Seed of the faces that are judged: no axis was found on them, whatever the seed of the samples.
SEED = 2**40 + 1
#: Plain pictures that give the judge its scale and the Fréchet distance its reference.
PLAIN = 2000
#: Edges of the bins of measured change, in sd, in which attribute dependency is told.
DEPENDENCY_EDGES = (0.25, 0.75, 1.25, 1.75, 2.25, 3.0)

#: Called with a sentence on what is being done now.
Says = Callable[[str], None]


@dataclass(frozen=True)
class SliderScore:
    """One slider by one method, changes in sd of the judge and counted along what was asked.

    ``got`` with ``spread`` (sd over faces) against ``asked``; ``error``, mean |got - asked|; ``drift``, mean |change|
    of the others; ``leak``, drift / got; ``own_got`` and ``own_drift``, by the extractor that made the edit;
    ``effects``, mean |change| of every feature evaluated, and ``signed``, mean change; ``rescored``, mean change in
    natural units (probabilities), as InterFaceGAN and HiGAN re-score their edits.
    """

    name: str
    asked: float
    got: Estimate
    spread: float
    error: Estimate
    drift: Estimate
    leak: Estimate
    own_got: float
    own_drift: float
    effects: tuple[float, ...]
    signed: tuple[float, ...]
    rescored: tuple[float, ...]


@dataclass(frozen=True)
class MethodScore:
    """All sliders by one method.

    ``identity``: mean cosine in the judge's embedding between before and after; ``norm``: mean whitened norm of the
    edited latents in units of the population's 99 % quantile, ``furthest`` the largest; ``frechet``: distance between
    edited and plain pictures in the judge's embedding; ``dependency``: (change of the target, mean |change| of the
    others, edits) by bins of the change measured; ``seconds``: of an edit, in batches.
    """

    method: str
    words: str
    sliders: tuple[SliderScore, ...]
    got: Estimate
    spread: float
    error: Estimate
    drift: Estimate
    leak: Estimate
    own_got: float
    own_drift: float
    identity: Estimate
    norm: float
    furthest: float
    frechet: float
    dependency: tuple[tuple[float, float, int], ...]
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """Methods beside each other on the same faces, by one judge. ``frechet_floor``: the distance between two sets of
    plain pictures, of the sizes compared; ``agreement``: correlation of judge and extractor on plain pictures."""

    judge: str
    extractor: str
    generator: str
    features: tuple[str, ...]
    amount: float
    faces: int
    agreement: tuple[float, ...]
    frechet_floor: float
    methods: tuple[MethodScore, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    def __getitem__(self, method: str) -> MethodScore:
        for score in self.methods:
            if score.method == method:
                return score
        raise KeyError(method)


@dataclass(frozen=True, eq=False)
class Trial:
    """What one method made of n faces and k sliders: ``latents`` [n, k, d]; changes along the ask by judge and by the
    extractor, ``judged`` and ``own`` [n, k, k] in sd, ``rescored`` [n, k, k] in natural units; ``identity`` [n, k];
    ``embedding`` [n, k, e]; ``seconds`` of all edits."""

    method: Method
    asked: np.ndarray
    latents: np.ndarray
    judged: np.ndarray
    own: np.ndarray
    rescored: np.ndarray
    identity: np.ndarray
    embedding: np.ndarray
    seconds: float


def evaluate(
    canvas: Canvas,
    judge: Extractor | Witness,
    *,
    features: Sequence[str] | None = None,
    methods: Sequence[str | Method] = ("plain", "conditioned", "joint", "exact"),
    faces: int = 200,
    amount: float = 1.5,
    seed: int = SEED,
    says: Says = lambda words: None,
) -> Evaluation:
    """Try every method on `faces` fresh faces and every slider of `features` (all that both extractor and judge know
    and that are not weak), and let the `judge` say what changed.

    Raises TlganError where there is nothing to judge, or the judge lacks a feature.
    """
    witness = as_witness(judge)
    names = _features(canvas, witness, features)
    if faces < 4:
        raise TlganError(f"{faces} faces are too few for a confidence interval: give at least 4")
    says(f"{witness.name} looks at {PLAIN} plain pictures")
    plain = canvas.sample(PLAIN, seed=seed, start=faces)
    bench = Bench(canvas, Judge(canvas, witness, names, plain), names, canvas.sample(faces, seed=seed))
    scores = []
    for method in methods:
        method = method if isinstance(method, Method) else method_named(method)
        says(f"{method.name}: {method.words}")
        scores.append(bench.score(bench.try_out(method, amount)))
    half = PLAIN // 2
    rows = canvas.axes.indices(names)
    own = canvas.measure(plain)[:, rows]
    return Evaluation(
        judge=witness.name,
        extractor=canvas.extractor.name,
        generator=canvas.generator.name,
        features=names,
        amount=amount,
        faces=faces,
        agreement=tuple(
            float(np.corrcoef(a, b)[0, 1]) for a, b in zip(own.T, bench.judge.plain_positions.T, strict=True)
        ),
        frechet_floor=frechet_distance(bench.judge.plain_embedding[:half], bench.judge.plain_embedding[half:]),
        methods=tuple(scores),
    )


class Bench:
    """The faces [n, d] and the judge before which methods are tried."""

    def __init__(self, canvas: Canvas, judge: Judge, names: tuple[str, ...], starts: np.ndarray) -> None:
        self.canvas = canvas
        self.judge = judge
        self.names = names
        self.rows = canvas.axes.indices(names)
        self.starts = starts
        self.signs = np.where(np.arange(len(starts)) % 2 == 0, 1.0, -1.0)
        self._before = judge.judge(starts)
        self._own_before = canvas.measure(starts)[:, self.rows]

    def try_out(self, method: Method, amount: float | np.ndarray) -> Trial:
        """Every slider on every face, asked for ± `amount` (one number, or one for each slider)."""
        asked = np.broadcast_to(np.asarray(amount, dtype=float), (len(self.names),))
        parts = []
        seconds = 0.0
        for name, ask in zip(self.names, asked, strict=True):
            began = time.perf_counter()
            latents = method.latents(self.canvas, self.starts, name, ask * self.signs, self.names)
            seconds += time.perf_counter() - began
            verdict = self.judge.judge(latents)
            along = self.signs[:, None]
            parts.append(
                (
                    latents,
                    (verdict.positions - self._before.positions) * along,
                    (self.canvas.measure(latents)[:, self.rows] - self._own_before) * along,
                    (verdict.values - self._before.values) * along,
                    cosine(verdict.embedding, self._before.embedding),
                    verdict.embedding,
                )
            )
        latents, judged, own, rescored, identity, embedding = (
            np.stack(part, axis=1) for part in zip(*parts, strict=True)
        )
        return Trial(method, asked, latents, judged, own, rescored, identity, embedding, seconds)

    def score(self, trial: Trial) -> MethodScore:
        """The figures of a trial."""
        faces, sliders = trial.identity.shape
        metric = self.canvas.axes.metric
        norms = np.linalg.norm(metric.whiten(trial.latents), axis=-1) / metric.radius
        figures = _Figures(trial.judged, trial.asked)
        own = _Figures(trial.own, trial.asked)
        return MethodScore(
            method=trial.method.name,
            words=trial.method.words,
            sliders=tuple(self._slider(trial, figures, own, k) for k in range(sliders)),
            got=bootstrap(faces, lambda rows: float(figures.got[rows].mean())),
            spread=float(figures.got.std(axis=0).mean()),
            error=bootstrap(faces, lambda rows: float(figures.error[rows].mean())),
            drift=bootstrap(faces, lambda rows: float(figures.drift[rows].mean())),
            leak=bootstrap(faces, lambda rows: float(figures.drift[rows].mean() / figures.got[rows].mean())),
            own_got=float(own.got.mean()),
            own_drift=float(own.drift.mean()),
            identity=bootstrap(faces, lambda rows: float(trial.identity[rows].mean())),
            norm=float(norms.mean()),
            furthest=float(norms.max()),
            frechet=frechet_distance(trial.embedding.reshape(faces * sliders, -1), self.judge.plain_embedding),
            dependency=_dependency(figures.got, figures.drift),
            seconds=trial.seconds / (faces * sliders),
        )

    def _slider(self, trial: Trial, figures: _Figures, own: _Figures, k: int) -> SliderScore:
        got, error, drift = figures.got[:, k], figures.error[:, k], figures.drift[:, k]
        return SliderScore(
            name=self.names[k],
            asked=float(trial.asked[k]),
            got=bootstrap(len(got), lambda rows: float(got[rows].mean())),
            spread=float(got.std()),
            error=bootstrap(len(got), lambda rows: float(error[rows].mean())),
            drift=bootstrap(len(got), lambda rows: float(drift[rows].mean())),
            leak=bootstrap(len(got), lambda rows: float(drift[rows].mean() / got[rows].mean())),
            own_got=float(own.got[:, k].mean()),
            own_drift=float(own.drift[:, k].mean()),
            effects=tuple(np.abs(trial.judged[:, k]).mean(axis=0).tolist()),
            signed=tuple(trial.judged[:, k].mean(axis=0).tolist()),
            rescored=tuple(trial.rescored[:, k].mean(axis=0).tolist()),
        )


class _Figures:
    """From changes [n, k, k] (face, slider moved, feature): ``got``, ``error`` and ``drift``, each [n, k]."""

    def __init__(self, changes: np.ndarray, asked: np.ndarray) -> None:
        sliders = changes.shape[1]
        self.got = np.einsum("nkk->nk", changes)
        self.error = np.abs(self.got - asked)
        others = ~np.eye(sliders, dtype=bool)
        self.drift = (np.abs(changes) * others).sum(axis=2) / max(sliders - 1, 1)


def as_witness(judge: Extractor | Witness) -> Witness:
    """A judge given as an extractor, or as what can testify already."""
    return judge if isinstance(judge, Witness) else ExtractorWitness(judge)


def _features(canvas: Canvas, witness: Witness, wanted: Sequence[str] | None) -> tuple[str, ...]:
    axes = canvas.axes
    if wanted is not None:
        axes.indices(wanted)
        return tuple(wanted)
    judged = {feature.name for feature in witness.features}
    names = tuple(name for row, name in enumerate(axes.names) if name in judged and not axes.weak[row])
    if len(names) < 2:
        raise TlganError(
            f"the judge {witness.name} knows fewer than two of this workspace's sliders that are not weak: "
            "give a judge of the same features"
        )
    return names


def _dependency(got: np.ndarray, drift: np.ndarray) -> tuple[tuple[float, float, int], ...]:
    """Attribute dependency (Wu et al. 2021): mean |change| of the others by how far the target itself changed."""
    found = []
    for low, high in itertools.pairwise(DEPENDENCY_EDGES):
        inside = (np.abs(got) >= low) & (np.abs(got) < high)
        if inside.any():
            found.append((float(np.abs(got)[inside].mean()), float(drift[inside].mean()), int(inside.sum())))
    return tuple(found)
