"""Evaluate workspaces by the same judge, and keep what was found in them."""

from __future__ import annotations

from collections.abc import Sequence

from tlgan.errors import TlganError
from tlgan.evaluation.evaluate import Says, as_witness, evaluate, judged_features
from tlgan.evaluation.scores import Evaluation
from tlgan.hooks import EVALUATION_METHODS, EvaluationMethod
from tlgan.io.step import Step

from .evaluations import keep, slope_digest
from .report import write_report
from .workspace import Workspace, writing_into


def evaluate_workspaces(
    workspaces: Sequence[Workspace],
    judge: str,
    *,
    features: Sequence[str] | None = None,
    methods: Sequence[str | EvaluationMethod] = ("plain", "conditioned", "joint", "exact"),
    faces: int = 50,
    amount: float = 1.5,
    metrics: Sequence[str] = (),
    says: Says = lambda words: None,
) -> list[Evaluation]:
    """`evaluate` for each workspace, on the sliders that all of them have; `evaluation.json` and `report.html` are
    written into each.

    ``judge``: a reference as `load_extractor` takes it. Raises TlganError where it is one of a workspace's own
    extractors: what found the axes can't judge them.
    """
    from tlgan.extractors import load_extractor

    for workspace in workspaces:
        if judge in workspace.settings.extractors:
            raise TlganError(
                f"{judge} found the axes of {workspace.path}, so it can't judge them: give another extractor as --judge"
            )
    witness = as_witness(load_extractor(judge))
    names = list(judged_features(workspaces[0].canvas, witness, features))
    for other in workspaces[1:]:
        theirs = judged_features(other.canvas, witness, features)
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
                witness,
                features=names,
                methods=methods,
                faces=faces,
                amount=amount,
                metrics=metrics,
                says=says,
            )
        )
    for workspace, evaluation in zip(workspaces, found, strict=True):
        with writing_into(workspace.path, says), Step(workspace.path) as step:
            judged = {name: slope_digest(workspace.axes, name) for name in evaluation.features}
            workspace.refresh()
            if judged != {name: slope_digest(workspace.axes, name) for name in evaluation.features}:
                raise TlganError(f"{workspace.path} got other axes while these were judged: evaluate again")
            keep(workspace, evaluation, step)
            says(f"writing {workspace.path / 'report.html'}")
            write_report(workspace, step, evaluation)
    return found
