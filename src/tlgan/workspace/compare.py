"""`tlgan compare`: axis methods of the field beside each other, on the same faces, before the same judges.

Every method sees the workspace's own samples. What it finds is moved as the workspace's sliders are, so that the directions
alone differ; exact mode, and the axes of other workspaces of the same generator (by layers, say), stand beside them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tlgan.axes import Axes
from tlgan.errors import TlganError
from tlgan.evaluation.evaluate import as_evaluator, evaluate, judged_features
from tlgan.evaluation.scores import Evaluation
from tlgan.evaluation.variants import OnAxes, fitted
from tlgan.hooks import AXIS_METHODS, EVALUATION_METHODS, EvaluationMethod, SamplingEngine
from tlgan.io.files import replacing
from tlgan.io.step import Step
from tlgan.progress import ProgressLike, as_progress

from .discover import labelled
from .section import evaluation_section
from .workspace import Workspace, writing_into

JSON_FILE = "comparison.json"
PAGE_FILE = "comparison.html"
METHODS = ("regression", "svm", "svm-conditional", "mean-difference", "pca", "sefa")


@dataclass(frozen=True, eq=False)
class Comparison:
    """One `Evaluation` a judge, whose methods are the variants; ``samples`` and ``seconds`` that finding each variant's
    directions took, beside what regression needs anyway; ``skipped``: methods that this generator can't have, and why."""

    evaluations: tuple[Evaluation, ...]
    samples: dict[str, int]
    seconds: dict[str, float]
    skipped: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        judged = [evaluation.to_json() for evaluation in self.evaluations]
        return {"evaluations": judged, "samples": self.samples, "seconds": self.seconds, "skipped": self.skipped}


def compare(
    workspace: Workspace,
    *,
    methods: Sequence[str] = METHODS,
    judges: Sequence[str] = ("judge40",),
    features: Sequence[str] | None = None,
    moved: str = "plain",
    exact: bool = True,
    beside: Sequence[Workspace] = (),
    faces: int = 50,
    amount: float = 1.5,
    plain: int = 2000,
    metrics: Sequence[str] = (),
    progress: ProgressLike = None,
    engine: SamplingEngine | None = None,
) -> Comparison:
    """Judge axis `methods` on a workspace, and write `comparison.json` and `comparison.html` into it.

    ``moved``: the evaluation method by which all of them are moved, and ``exact``: exact mode on the workspace's own axes
    too; ``judges``: references as `load_extractor` takes them; ``beside``: workspaces of the same generator, whose axes are
    shown too; the rest as for `evaluate`. A method that this generator can't have is skipped and said. Raises TlganError
    where nothing is left to compare.
    """
    from tlgan.extractors import load_extractor

    says = as_progress(progress).stage
    evaluators = [as_evaluator(load_extractor(ref)) for ref in judges]
    names = judged_features(workspace.canvas, evaluators[0], features)
    way, skipped = EVALUATION_METHODS.get(moved), {}
    variants: list[EvaluationMethod] = []
    samples = None
    for ref in methods:
        try:
            began = time.perf_counter()
            if ref in ("regression", workspace.settings.method):
                axes, rows = workspace.axes, workspace.axes.samples
            else:
                method = AXIS_METHODS.make(ref)
                says(f"finding directions by {ref}")
                samples = samples or labelled(workspace, workspace.axes)
                axes, rows = fitted(method, samples, _small(workspace)), len(samples.latents)
            variants.append(OnAxes(ref, _words(axes, ref), axes, way, rows, time.perf_counter() - began))
        except TlganError as error:
            if len(methods) == 1:
                raise
            skipped[ref] = str(error)
            says(f"{ref} is left out: {error}")
    for other in beside:
        if other.axes.generator != workspace.axes.generator:
            raise TlganError(f"{other.path} is of another generator than {workspace.path}: they can't be compared")
        label = "layered" if other.axes.groups else other.name
        variants.append(OnAxes(label, f"the axes of {other.path}", other.axes, way, other.axes.samples))
    if exact:
        variants.append(EVALUATION_METHODS.get("exact"))
    if not variants:
        raise TlganError(f"nothing is left to compare: {'; '.join(skipped.values())}")
    evaluations = tuple(
        evaluate(
            _small(workspace), evaluator, features=names, methods=variants, faces=faces, amount=amount, plain=plain,
            metrics=metrics, progress=progress, engine=engine,
        )
        for evaluator in evaluators
    )  # fmt: skip
    fits = [variant for variant in variants if isinstance(variant, OnAxes)]
    found = Comparison(
        evaluations, {fit.name: fit.samples for fit in fits}, {fit.name: fit.seconds for fit in fits}, skipped
    )
    with writing_into(workspace.path, says), Step(workspace.path) as step:
        _write(workspace, found, variants, step)
    return found


def _small(workspace: Workspace) -> Any:
    """The canvas of the size that the samples have: hundreds of edits by many methods are painted."""
    from tlgan.editing import Canvas

    size = workspace.settings.resolution
    return Canvas(workspace.generator, workspace.extractor, workspace.axes, resolution=size)


def _words(axes: Axes, ref: str) -> str:
    return {
        "regression": "this project's: regression from latent to feature",
        "svm": "InterFaceGAN: normal of a linear support vector machine",
        "svm-conditional": "InterFaceGAN with conditional projection off the base features",
        "mean-difference": "mean latent with the feature less the mean without",
        "pca": "GANSpace: the principal component that fits the feature best",
        "sefa": "SeFa: the closed-form direction that fits the feature best",
        "gradient": "mean gradient of the feature",
    }.get(ref, f"{ref}, in {axes.space}")


def _write(workspace: Workspace, found: Comparison, variants: Sequence[EvaluationMethod], step: Step) -> None:
    from jinja2 import Environment, PackageLoader, select_autoescape

    environment = Environment(loader=PackageLoader("tlgan.workspace"), autoescape=select_autoescape(default=True))
    sections = [
        evaluation_section(_small(workspace), evaluation, {variant.name: variant for variant in variants})
        for evaluation in found.evaluations
    ]
    page = environment.get_template("comparison.html.j2").render(
        workspace=workspace, sections=sections, found=found, about=workspace.about
    )
    with replacing(step.path(PAGE_FILE)) as temporary:
        temporary.write_text(page, encoding="utf-8")
    with replacing(step.path(JSON_FILE)) as temporary:
        temporary.write_text(json.dumps(found.to_json(), indent=1), encoding="utf-8")
