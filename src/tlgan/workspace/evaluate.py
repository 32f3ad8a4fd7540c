"""Evaluate workspaces by the same judges, and record the results in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

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
    workspaces: Workspace | Sequence[Workspace],
    *,
    judges: Sequence[str | Extractor | Evaluator] = ("judge40",),
    methods: Sequence[str | EvaluationMethod] = ("plain", "conditioned", "joint", "exact"),
    features: Sequence[str] | None = None,
    faces: int = 50,
    amount: float = 1.5,
    metrics: Sequence[str] = (),
    plain: int = PLAIN,
    progress: ProgressLike = None,
    engine: SamplingEngine | None = None,
) -> list[Evaluation]:
    """Measure what edits change, with extractors that had no part in finding the axes.

    Each of ``features`` (None: all that are not weak) is moved by ± ``amount`` population standard deviations on
    ``faces`` faces by each of ``methods``, and every judge (an extractor, an evaluator, or a reference as `load_extractor`
    takes it) measures the pictures, in units of its own spread over ``plain`` unedited ones; ``metrics``: names of further
    figures; ``engine``: where edits are tried. Returns one `Evaluation` for each judge and workspace, judges first, on the
    sliders that all workspaces have; the first judge's are written into `evaluation.json` and `report.html` of each
    workspace. Raises TlganError where a judge is one of a workspace's own extractors or lacks a feature.
    """
    several = [workspaces] if isinstance(workspaces, Workspace) else list(workspaces)
    if not several or not judges:
        raise TlganError("nothing to evaluate: give at least one workspace and one judge")
    options: Any = {
        "features": features,
        "methods": methods,
        "faces": faces,
        "amount": amount,
        "metrics": metrics,
        "plain": plain,
        "progress": progress,
        "engine": engine,
    }
    found: list[Evaluation] = []
    for judge in judges:
        judged = _evaluated(several, judge, **options)
        for workspace, evaluation in zip(several, judged, strict=True) if not found else ():
            _record(workspace, evaluation, as_progress(progress).stage)
        found += judged
    return found


def _evaluated(
    workspaces: Sequence[Workspace],
    judge: str | Extractor | Evaluator,
    *,
    features: Sequence[str] | None,
    methods: Sequence[str | EvaluationMethod],
    progress: ProgressLike,
    **options: Any,
) -> list[Evaluation]:
    from tlgan.extractors import load_extractor

    says = as_progress(progress).stage
    name = judge if isinstance(judge, str) else judge.name
    for workspace in workspaces:
        workspace.check_judge(name)
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
        one = evaluate(workspace.canvas, evaluator, features=names, methods=methods, progress=progress, **options)
        found.append(one)
    return found


def _record(workspace: Workspace, evaluation: Evaluation, says: Callable[[str], None]) -> None:
    with writing_into(workspace.path, says), Step(workspace.path) as step:
        judged = {name: slope_digest(workspace.axes, name) for name in evaluation.features}
        workspace = workspace.refreshed()
        if judged != {name: slope_digest(workspace.axes, name) for name in evaluation.features}:
            raise TlganError(f"{workspace.path} got other axes while these were judged: evaluate again")
        workspace = keep(workspace, evaluation, step)
        says(f"writing {workspace.path / 'report.html'}")
        write_report(workspace, step, evaluation)
