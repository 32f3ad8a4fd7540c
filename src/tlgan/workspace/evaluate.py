"""Evaluate workspaces by the same judge, and keep what was found in them."""

from __future__ import annotations

from collections.abc import Sequence

from tlgan.errors import TlganError
from tlgan.evaluation.evaluate import PLAIN, as_evaluator, evaluate, judged_features
from tlgan.evaluation.judging import Evaluator
from tlgan.evaluation.scores import Evaluation
from tlgan.extractors import Extractor
from tlgan.hooks import EVALUATION_METHODS, EvaluationMethod, SamplingEngine
from tlgan.io.step import Step
from tlgan.progress import ProgressLike, as_progress

from .evaluations import keep, slope_digest
from .report import write_report
from .workspace import Workspace, writing_into


def evaluate_workspaces(
    workspaces: Sequence[Workspace],
    judge: str | Extractor | Evaluator,
    *,
    features: Sequence[str] | None = None,
    methods: Sequence[str | EvaluationMethod] = ("plain", "conditioned", "joint", "exact"),
    faces: int = 50,
    amount: float = 1.5,
    metrics: Sequence[str] = (),
    plain: int = PLAIN,
    record: bool = True,
    progress: ProgressLike = None,
    engine: SamplingEngine | None = None,
) -> list[Evaluation]:
    """`evaluate` for each workspace, on the sliders that all of them have; with `record`, `evaluation.json` and
    `report.html` are written into each.

    ``judge``: an extractor, a evaluator, or a reference as `load_extractor` takes it. Raises TlganError where it is one of a
    workspace's own extractors: what found the axes can't judge them.
    """
    from tlgan.extractors import load_extractor

    says = as_progress(progress).stage
    name = judge if isinstance(judge, str) else judge.name
    for workspace in workspaces:
        if name in workspace.settings.extractors:
            raise TlganError(
                f"{name} found the axes of {workspace.path}, so it can't judge them: give another extractor as --judge"
            )
    evaluator = as_evaluator(load_extractor(judge) if isinstance(judge, str) else judge)
    names = list(judged_features(workspaces[0].canvas, evaluator, features))
    for other in workspaces[1:]:
        theirs = judged_features(other.canvas, evaluator, features)
        names = [name for name in names if name in theirs]
    for method in methods:  # so that the report, which goes by names, can show what an object did
        if not isinstance(method, str) and method.name not in EVALUATION_METHODS:
            EVALUATION_METHODS.register(method.name, method)
    found = []
    for workspace in workspaces:
        if len(workspaces) > 1:
            says(f"{workspace.path}:")
        found.append(
            evaluate(
                workspace.canvas,
                evaluator,
                features=names,
                methods=methods,
                faces=faces,
                amount=amount,
                metrics=metrics,
                plain=plain,
                progress=progress,
                engine=engine,
            )
        )
    for workspace, evaluation in zip(workspaces, found, strict=True) if record else ():
        with writing_into(workspace.path, says), Step(workspace.path) as step:
            judged = {name: slope_digest(workspace.axes, name) for name in evaluation.features}
            workspace = workspace.refreshed()
            if judged != {name: slope_digest(workspace.axes, name) for name in evaluation.features}:
                raise TlganError(f"{workspace.path} got other axes while these were judged: evaluate again")
            workspace = keep(workspace, evaluation, step)
            says(f"writing {workspace.path / 'report.html'}")
            write_report(workspace, step, evaluation)
    return found
