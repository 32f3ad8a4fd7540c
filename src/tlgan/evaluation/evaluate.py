"""Evaluates edits: every method on every slider and fresh faces, measured by a judge that was not used to fit the axes.

Each face is asked to change in one feature by `amount` standard deviations, half of them upwards and half downwards, and
the judge says what changed: the feature itself, and everything that should not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError
from tlgan.hooks import EVALUATION_METHODS, METRICS, EvaluationMethod, SamplingEngine
from tlgan.progress import ProgressLike, as_progress

from .bench import Bench, OwnEvaluator, as_estimate
from .cache import Cache, Panel
from .judging import Evaluator, ExtractorEvaluator, Judge
from .scores import Evaluation, MethodScore
from .statistics import frechet_distance
from .together import Noise, Together

if TYPE_CHECKING:
    from tlgan.editing import Canvas
    from tlgan.extractors import Extractor

#: Seed of the faces that are judged: no axis was found on them, whatever the seed of the samples.
SEED = 2**40 + 1
#: Plain pictures that give the judge its scale and the Fréchet distance its reference.
PLAIN = 2000
#: Where in the stream of latents they begin: behind the most faces that anybody evaluates, so that the two never meet.
PLAIN_START = 10_000
#: Faces that a page shows: the first that are asked for more.
SHOWN = (0, 2)
FEWEST_FACES = 4


def evaluate(
    canvas: Canvas,
    judge: Extractor | Evaluator,
    *,
    features: Sequence[str] | None = None,
    methods: Sequence[str | EvaluationMethod] = ("plain", "conditioned", "joint", "exact"),
    faces: int = 200,
    amount: float = 1.5,
    plain: int = PLAIN,
    seed: int = SEED,
    metrics: Sequence[str] = (),
    progress: ProgressLike = None,
    engine: SamplingEngine | None = None,
) -> Evaluation:
    """Try every method on `faces` fresh faces and every slider of `features` (all that both extractor and judge know
    and that are not weak), and let the `judge` say what changed, on a scale from `plain` pictures. ``metrics``: names of
    further figures, see `tlgan.hooks.METRICS`. ``engine``: where sliders are tried, None for this process.

    Raises TlganError where there is nothing to judge, or the judge lacks a feature.
    """
    (found, *_), _, _ = evaluate_by(
        canvas, [judge], features=features, methods=methods, faces=faces, amount=amount, plain=plain, seed=seed,
        metrics=metrics, progress=progress, engine=engine,
    )  # fmt: skip
    return found


def evaluate_by(
    canvas: Canvas,
    judges: Sequence[Extractor | Evaluator],
    *,
    features: Sequence[str] | None = None,
    methods: Sequence[str | EvaluationMethod],
    faces: int | Mapping[str, int] = 200,
    amount: float = 1.5,
    plain: int = PLAIN,
    seed: int = SEED,
    metrics: Sequence[str] = (),
    outside: Mapping[str, Evaluator] | None = None,
    cache: Cache | None = None,
    progress: ProgressLike = None,
    engine: SamplingEngine | None = None,
) -> tuple[list[Evaluation], dict[str, Noise], dict[str, np.ndarray]]:
    """`evaluate` by several judges of the same pictures: one `Evaluation` each and, of several, one by what they say
    on average; and by method's name, how far their measurements of the same edits are apart, and the edited latents
    [len(SHOWN), k, ...] of the faces `SHOWN`, to show.

    ``faces``: a number by method's name where they differ (the first faces are the same, "" gives the number of all
    others); ``outside``: further embeddings, by the name under which the mean distance that an edit moves a face in it
    is told; ``cache``: keeps what was painted and measured; ``engine``: where sliders are moved, None for this process.
    """
    says = as_progress(progress).stage
    evaluators = [as_evaluator(judge) for judge in judges]
    names = judged_features(canvas, evaluators[0], features)
    count = dict(faces) if isinstance(faces, Mapping) else {"": faces}
    if min(count.values()) < FEWEST_FACES:
        raise TlganError(
            f"{min(count.values())} faces are too few for a confidence interval: give at least {FEWEST_FACES}"
        )
    chosen = [EVALUATION_METHODS.get(method) if isinstance(method, str) else method for method in methods]
    for metric in metrics:
        METRICS.get(metric)
    most, outside = max(count.values()), outside or {}
    panel = Panel(canvas, [OwnEvaluator(canvas), *evaluators, *outside.values()], cache)
    says(f"{' and '.join(evaluator.name for evaluator in evaluators)} look at {plain:,} plain pictures")
    latents = canvas.sample(plain, seed=seed, start=PLAIN_START)
    asked = [Judge(canvas, evaluator, names, latents, panel) for evaluator in evaluators]
    again = canvas.sample(min(most * len(names), plain), seed=seed, start=PLAIN_START + plain)
    seen = [judge.measure(again).embedding for judge in asked]
    scales: list[Judge | Together] = list(asked)
    if len(asked) > 1:
        scales.append(Together(asked))
        seen.append(np.concatenate(seen, axis=1))
    floors = [frechet_distance(one, scale.plain_embedding) for one, scale in zip(seen, scales, strict=True)]
    scores: list[list[MethodScore]] = [[] for _ in scales]
    noise, shown = {}, {}
    for method in chosen:
        says(f"{method.name}: {method.words}")
        starts = canvas.sample(count.get(method.name, count.get("", most)), seed=seed)
        bench = Bench(canvas, names, starts, panel, engine=engine, says=says)
        tried = bench.try_out(method, amount)
        shown[method.name] = tried.latents[list(SHOWN)]
        measured = [bench.measure(judge, tried) for judge in asked]
        if len(asked) > 1:
            noise[method.name] = Noise.between(measured[0].changes, measured[1].changes)
            measured.append(Together.of(measured))
        moved = {name: as_estimate(bench.moved(evaluator, tried)) for name, evaluator in outside.items()}
        for scale, word, rows in zip(scales, measured, scores, strict=True):
            score = bench.score(scale, tried, word, metrics)
            rows.append(replace(score, more={**score.more, **moved}))
    own = bench.own(latents)
    evaluations = [
        Evaluation(
            judge=scale.name,
            extractor=canvas.extractor.name,
            generator=canvas.generator.name,
            features=names,
            amount=amount,
            faces=most,
            agreement=tuple(
                float(np.corrcoef(a, b)[0, 1]) for a, b in zip(own.T, scale.plain_positions.T, strict=True)
            ),
            frechet_floor=floor,
            methods=tuple(rows),
        )
        for scale, floor, rows in zip(scales, floors, scores, strict=True)
    ]
    return evaluations, noise, shown


def as_evaluator(judge: Extractor | Evaluator) -> Evaluator:
    """A judge given as an extractor, or as what can measure already."""
    return judge if isinstance(judge, Evaluator) else ExtractorEvaluator(judge)


def judged_features(canvas: Canvas, evaluator: Evaluator, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """The features to evaluate: those wanted, or all that are not weak and known to the evaluator.

    Raises TlganError for an unknown one, one given twice, and where fewer than two are left.
    """
    axes = canvas.axes
    if wanted is not None:
        axes.indices(wanted)
        names = tuple(dict.fromkeys(wanted))
        if len(names) < 2:
            raise TlganError(
                f"{', '.join(names) or 'nothing'} was given to evaluate: name at least two features, "
                "so that one can be moved and another kept"
            )
        return names
    judged = {feature.name for feature in evaluator.features}
    names = tuple(name for row, name in enumerate(axes.names) if name in judged and not axes.weak[row])
    if len(names) < 2:
        raise TlganError(
            f"the judge {evaluator.name} knows fewer than two of this workspace's sliders that are not weak: "
            "give a judge of the same features"
        )
    return names
