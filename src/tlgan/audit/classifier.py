"""Audit of a classifier: how its output changes when each slider is moved and all others are held.

An edit that is asked for one feature changes others a little. A judge that had no part in it measures all of them, and
what the classifier does is shared out among them. With M [k, k] the mean change, along the ask, that the judge saw of feature
j when slider i was moved, and y [k] the mean change of the classifier's output, the effects β solve M β = y: the instruments
are the asks, whose sign is set by the face's number and by nothing in it (two-stage least squares, just identified). The
judge's noise on single pictures averages out of M. Intervals resample faces.

Faces are moved by the axes alone, all equally far. An exact edit stops where the extractor reads enough, so it goes
furthest on faces where a network's reading saturates, and the output's does too: β then weighs most those faces whose
output changes least a sd, and comes out too small (benchmarks/audit.py --quality quick).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.editing import Edit, resolve_all
from tlgan.editing.edit import HOLD
from tlgan.errors import TlganError
from tlgan.evaluation.bench import Bench
from tlgan.evaluation.evaluate import as_evaluator, judged_features
from tlgan.evaluation.judging import Evaluator, ExtractorEvaluator, Judge, seen_as_it_is
from tlgan.evaluation.statistics import Z95, Estimate, holm, wilson

if TYPE_CHECKING:
    from tlgan.editing import Canvas
    from tlgan.extractors import Extractor
    from tlgan.hooks import SamplingEngine

SEED = 2**40 + 3
#: Resampled sets of faces.
RESAMPLES = 500
#: An edit counts where the judge saw at least this part of what was asked, and the others changed by less than `DRIFT` sd.
GOT, DRIFT = 0.25, 0.6
#: A slider of which fewer edits count than this share tells nothing.
VERIFIED = 0.25
#: Effects smaller than this do not matter in practice: sd of the output a sd of the slider.
LEAST = 0.1
#: Chance with which an effect of `LEAST` above it is to be found (power analysis), as a normal quantile: 80 %.
POWER = 0.841621
#: Faces that an audit takes: fewer give no intervals.
FEWEST, MOST = 12, 10_000
PAIRS = 4


@dataclass(frozen=True)
class Effect:
    """What one slider does to one output.

    ``effect``: change of the output in its own sd over plain pictures, a sd of the slider, everything else as it was, with
    its 95 % interval; ``p`` adjusted for all sliders and outputs (Holm); ``natural``: the same in the output's unit
    (probability); ``flips``: share of verified edits by the asked amount that change the decision; ``verdict``: "found"
    (the effect is surely larger than what matters), "clear" (surely smaller), "open" (the faces do not tell), or "not moved"
    (too few edits did what they should); ``verified``: share of edits that count; ``faces``: how many faces would tell;
    ``pairs``: rows of the faces, those that change most first.
    """

    output: str
    slider: str
    effect: Estimate
    natural: float
    p: float
    flips: Estimate
    verdict: str
    verified: float
    faces: int
    pairs: tuple[int, ...]


@dataclass(frozen=True)
class Interaction:
    """How much more one slider does where the other is up: sd of the output, a sd of each."""

    output: str
    sliders: tuple[str, str]
    effect: Estimate


@dataclass(frozen=True)
class ClassifierAudit:
    """Effects of every slider on every output of a classifier, the largest first; ``expected`` sliders are what it is meant to
    look at, and no finding."""

    classifier: str
    judge: str
    generator: str
    faces: int
    amount: float
    least: float
    expected: tuple[str, ...]
    effects: tuple[Effect, ...]
    interactions: tuple[Interaction, ...] = ()

    @property
    def found(self) -> tuple[Effect, ...]:
        """Effects that were found and not expected."""
        return tuple(e for e in self.effects if e.verdict == "found" and e.slider not in self.expected)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Held:
    """Every other slider held by a soft lock; ``quality`` of exact edits, "" to move by the axes alone."""

    quality: str
    name: str = "audit"
    words: str = "all others held"

    def latents(
        self, canvas: Canvas, starts: np.ndarray, name: str, asks: np.ndarray, others: Sequence[str]
    ) -> np.ndarray:
        """As `tlgan.hooks.EvaluationMethod` says."""
        return self.moved(canvas, starts, [{name: float(ask)} for ask in asks], others)

    def moved(
        self, canvas: Canvas, starts: np.ndarray, asks: Sequence[Mapping[str, float]], names: Sequence[str]
    ) -> np.ndarray:
        """Latents float32 [n, d] of starts [n, d] with what each is asked for."""
        exact = bool(self.quality)
        edits = [
            Edit(start, exact=exact).lock(set(names) - set(ask), HOLD).ask(ask)
            for start, ask in zip(starts, asks, strict=True)
        ]
        return np.stack([s.latent for s in resolve_all(canvas, edits, self.quality or "final")])


@dataclass(frozen=True, eq=False)
class Moved:
    """Starts [n, d] and each of them moved along every slider, latents [n, k, d], in the order of the audit's sliders."""

    sliders: tuple[str, ...]
    starts: np.ndarray
    latents: np.ndarray


def audit_classifier(
    canvas: Canvas,
    classifier: Extractor,
    judge: Extractor | Evaluator,
    *,
    features: Sequence[str] | None = None,
    expected: Sequence[str] = (),
    interact: Sequence[tuple[str, str]] = (),
    faces: int = 60,
    amount: float = 1.5,
    least: float = LEAST,
    quality: str = "",
    plain: int = 500,
    seed: int = SEED,
    says: Callable[[str], None] = lambda words: None,
    engine: SamplingEngine | None = None,
) -> tuple[ClassifierAudit, Moved]:
    """Move every slider of `features` (all that extractor and judge know) on `faces` fresh faces, half up and half down by
    `amount` sd with the others held, and tell what each does to every output of `classifier`.

    ``expected``: sliders that the classifier is meant to look at; ``quality``: of exact edits, "" to move by the axes alone;
    ``engine``: where sliders are moved, None for this process. Raises TlganError for an unknown feature, too few faces, and
    a classifier whose outputs do not vary over plain pictures.
    """
    evaluator = as_evaluator(judge)
    names = judged_features(canvas, evaluator, features)
    canvas.axes.indices([*expected, *(name for pair in interact for name in pair)])
    for what, given, low, high in (
        ("faces", faces, FEWEST, MOST),
        ("amount", amount, 0.1, 5),
        ("least", least, 0.01, 2),
    ):
        if not low <= given <= high:
            raise TlganError(f"{what} {given:g} is out of range: expected {low:g} to {high:g}")
    says(f"{evaluator.name} and {classifier.name} look at {plain:,} plain pictures")
    latents = canvas.sample(plain, seed=seed, start=faces)
    judged = Judge(canvas, evaluator, names, latents)
    outputs = [feature.name for feature in classifier.features]
    asked = Judge(canvas, ExtractorEvaluator(classifier, views=[seen_as_it_is]), outputs, latents)
    dead = [name for name, sd in zip(outputs, asked.sd, strict=True) if sd < 1e-6]
    if dead:
        raise TlganError(
            f"{classifier.name} says the same of every picture ({dead[0]}): is it made for pictures like these?"
        )
    says(f"moving {len(names)} sliders on {faces} faces, everything else locked")
    bench = Bench(canvas, names, canvas.sample(faces, seed=seed), engine=engine, says=says)
    tried = bench.try_out(_Held(quality), amount)
    seen, changed = bench.measure(judged, tried).changes, bench.measure(asked, tried)
    before = asked.measure(bench.starts).values
    after = before[:, None] + changed.rescored * bench.signs[:, None, None]
    counts = _verified(seen, amount)
    effects = effects_of(seen, changed.changes, counts)
    natural = effects_of(seen, changed.rescored, counts)
    found = []
    p = holm([value for row in effects.p for value in row])
    for k, name in enumerate(names):
        for o, output in enumerate(outputs):
            used = counts[:, k]
            if classifier.features[o].kind == "probability":
                flipped = (after[:, k, o] >= 0.5) != (before[:, o] >= 0.5)
                flips = wilson(int(flipped[used].sum()), int(used.sum()))
            else:
                flips = wilson(0, 0)
            estimate = Estimate(*(float(part[k, o]) for part in (effects.value, effects.low, effects.high)))
            adjusted = p[k * len(outputs) + o]
            strength = np.where(used, np.abs(changed.changes[:, k, o]), -1.0)
            order = [int(row) for row in np.argsort(-strength)[:PAIRS] if used[row]]
            found.append(
                Effect(
                    output=output,
                    slider=name,
                    effect=estimate,
                    natural=float(natural.value[k, o]),
                    p=adjusted,
                    flips=flips,
                    verdict=_verdict(estimate, adjusted, least, float(used.mean())),
                    verified=float(used.mean()),
                    faces=_needed(float(effects.spread[k, o]), least, len(names) * len(outputs)),
                    pairs=tuple(order),
                )
            )
    pairs = tuple(
        i for pair in interact for i in _interactions(canvas, asked, pair, names, bench.starts, amount, quality)
    )
    audit = ClassifierAudit(
        classifier=classifier.name,
        judge=evaluator.name,
        generator=canvas.generator.name,
        faces=faces,
        amount=amount,
        least=least,
        expected=tuple(expected),
        effects=tuple(sorted(found, key=lambda e: -abs(e.effect.value))),
        interactions=pairs,
    )
    return audit, Moved(names, bench.starts, tried.latents)


@dataclass(frozen=True, eq=False)
class Effects:
    """``value``, ends of the 95 % interval, two-sided ``p`` and ``spread`` (standard error times √faces), each [k, o]."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    spread: np.ndarray


def effects_of(seen: np.ndarray, changes: np.ndarray, counts: np.ndarray, *, seed: int = 0) -> Effects:
    """The effects β [k, o] that solve M β = y, from the judge's changes [n, k, k], those of outputs [n, k, o], both along the
    ask, and which edits count, bool [n, k].

    Standard errors by a bootstrap over faces (Efron 1979); p from the normal distribution. A slider none of whose edits counts
    has the effect 0 with an infinite interval.
    """
    from scipy.special import ndtr

    n = len(counts)
    told = counts.mean(axis=0) >= VERIFIED

    def solved(weights: np.ndarray) -> np.ndarray:
        """β [b, k, o] for b weightings of the faces, [b, n]."""
        total = np.maximum(weights @ counts, 1e-9)[:, :, None]
        table = np.einsum("bn,nij->bij", weights, seen * counts[:, :, None], optimize=True) / total
        mean = np.einsum("bn,nio->bio", weights, changes * counts[:, :, None], optimize=True) / total
        value = np.zeros(mean.shape)
        if told.any():
            value[:, told] = np.linalg.pinv(table[:, told][:, :, told]) @ mean[:, told]
        return value

    value = solved(np.ones((1, n)))[0]
    draws = solved(np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(float))
    error = draws.std(axis=0, ddof=1)
    # the resampled spread of few faces is short by n / (n - 1)
    error *= np.sqrt(n / (n - 1))
    error[~told] = np.inf
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * ndtr(-np.abs(value) / np.maximum(error, 1e-12))
    return Effects(value, value - Z95 * error, value + Z95 * error, p, error * np.sqrt(n))


def _verified(seen: np.ndarray, amount: float) -> np.ndarray:
    """Which edits did what they should by the judge's word, bool [n, k], from its changes [n, k, k] along the ask."""
    sliders = seen.shape[1]
    got = np.einsum("nkk->nk", seen)
    others = (np.abs(seen) * ~np.eye(sliders, dtype=bool)).sum(axis=2) / max(sliders - 1, 1)
    return np.asarray((got >= GOT * amount) & (others <= DRIFT))


def _verdict(effect: Estimate, p: float, least: float, verified: float) -> str:
    if verified < VERIFIED:
        return "not moved"
    if p < 0.05 and (effect.low > least or effect.high < -least):
        return "found"
    return "clear" if -least <= effect.low and effect.high <= least else "open"


def _needed(spread: float, least: float, tests: int) -> int:
    """Faces with which an effect of twice `least` is told from `least` with 80 % power at 5 % over all `tests` (Bonferroni)."""
    from scipy.special import ndtri

    if not np.isfinite(spread):
        return 0
    return int(np.ceil(((-ndtri(0.025 / tests) + POWER) * spread / least) ** 2))


def _interactions(
    canvas: Canvas,
    asked: Judge,
    pair: tuple[str, str],
    names: Sequence[str],
    starts: np.ndarray,
    amount: float,
    quality: str,
) -> list[Interaction]:
    """Both sliders up or down, all four ways on every face: (y₊₊ - y₊₋ - y₋₊ + y₋₋) / 4 amount²."""
    said = {}
    for a in (1, -1):
        for b in (1, -1):
            asks = [{pair[0]: a * amount, pair[1]: b * amount}] * len(starts)
            said[a, b] = asked.measure(_Held(quality).moved(canvas, starts, asks, names)).positions
    each = (said[1, 1] - said[1, -1] - said[-1, 1] + said[-1, -1]) / (4 * amount**2)
    error = each.std(axis=0, ddof=1) / np.sqrt(len(starts))
    return [
        Interaction(f.name, pair, Estimate(float(m), float(m - Z95 * e), float(m + Z95 * e)))
        for f, m, e in zip(asked.features, each.mean(axis=0), error, strict=True)
    ]
