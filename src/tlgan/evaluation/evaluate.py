"""Are the edits clean? Fresh faces, every slider, every method, and a judge that had no part in finding the axes.

Each face is asked to change in one feature by `amount` standard deviations, half of them upwards and half downwards, and
the judge says what changed: the feature itself, and everything that should not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError
from tlgan.hooks import EVALUATION_METHODS, METRICS, EvaluationMethod, SamplingEngine
from tlgan.progress import ProgressLike, as_progress

from .bench import Bench
from .judging import Evaluator, ExtractorEvaluator, Judge
from .scores import Evaluation
from .statistics import frechet_distance

if TYPE_CHECKING:
    from tlgan.editing import Canvas
    from tlgan.extractors import Extractor

#: Seed of the faces that are judged: no axis was found on them, whatever the seed of the samples.
SEED = 2**40 + 1
#: Plain pictures that give the judge its scale and the Fréchet distance its reference.
PLAIN = 2000
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
    says = as_progress(progress).stage
    evaluator = as_evaluator(judge)
    names = judged_features(canvas, evaluator, features)
    if faces < FEWEST_FACES:
        raise TlganError(f"{faces} faces are too few for a confidence interval: give at least {FEWEST_FACES}")
    chosen = [EVALUATION_METHODS.get(method) if isinstance(method, str) else method for method in methods]
    for metric in metrics:
        METRICS.get(metric)
    says(f"{evaluator.name} looks at {plain:,} plain pictures")
    bench = Bench(canvas, names, canvas.sample(faces, seed=seed), engine, says)
    latents = canvas.sample(plain, seed=seed, start=faces)
    scale = Judge(canvas, evaluator, names, latents)
    own = canvas.measure(latents)[:, bench.rows]
    again = canvas.sample(min(faces * len(names), plain), seed=seed, start=faces + plain)
    floor = frechet_distance(scale.measure(again).embedding, scale.plain_embedding)
    scores = []
    for method in chosen:
        says(f"{method.name}: {method.words}")
        tried = bench.try_out(method, amount)
        scores.append(bench.score(scale, tried, bench.measure(scale, tried), metrics))
    return Evaluation(
        judge=evaluator.name,
        extractor=canvas.extractor.name,
        generator=canvas.generator.name,
        features=names,
        amount=amount,
        faces=faces,
        agreement=tuple(float(np.corrcoef(a, b)[0, 1]) for a, b in zip(own.T, scale.plain_positions.T, strict=True)),
        frechet_floor=floor,
        methods=tuple(scores),
    )


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
