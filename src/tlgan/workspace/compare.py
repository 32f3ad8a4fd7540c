"""`tlgan compare`: axis methods of the field on the same faces, measured by the same judges.

Every method sees the workspace's own samples. What it finds is moved as the workspace's sliders are, so that the directions
alone differ; exact mode, and the axes of other workspaces of the same generator (by layers, say), stand beside them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

import tlgan
from tlgan import languages
from tlgan.axes import Axes
from tlgan.errors import TlganError
from tlgan.evaluation.cache import Cache, digest, digest_of_axes
from tlgan.evaluation.evaluate import as_evaluator, evaluate_by, judged_features
from tlgan.evaluation.scores import Evaluation
from tlgan.evaluation.together import Noise
from tlgan.evaluation.variants import OnAxes, fitted
from tlgan.hooks import AXIS_METHODS, EVALUATION_METHODS, EvaluationMethod, SamplingEngine
from tlgan.io.files import replacing, to_read, to_write, writing
from tlgan.io.step import Step
from tlgan.languages import Language
from tlgan.progress import ProgressLike, as_progress

from .discover import labelled
from .section import environment, evaluation_section
from .terms import about
from .workspace import Workspace, writing_into

if TYPE_CHECKING:
    import torch

    from tlgan.axes.directions import Labelled
    from tlgan.editing import Canvas
    from tlgan.evaluation import Evaluator
    from tlgan.extractors import Feature
    from tlgan.hooks import AxisMethod

JSON_FILE = "comparison.json"
PAGE_FILE = "comparison.html"
MEASURED_FOLDER = "measured"  # what was painted and judged, by digest: may be deleted, and is then measured again
IDENTITY = "identity-distance"
METHODS = ("regression", "svm", "svm-conditional", "mean-difference", "pca", "sefa")

#: What the methods that ship are.
WORDS = {
    "regression": "this project's: regression from latent to feature",
    "svm": "InterFaceGAN: normal of a linear support vector machine",
    "svm-conditional": "InterFaceGAN with conditional projection off the base features",
    "mean-difference": "mean latent with the feature less the mean without",
    "pca": "GANSpace: the principal component that fits the feature best",
    "sefa": "SeFa: the closed-form direction that fits the feature best",
    "gradient": "mean gradient of the feature",
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """One `Evaluation` a judge, whose methods are the variants; ``samples`` and ``seconds`` that finding each variant's
    directions took, beside what regression needs anyway; ``skipped``: methods that this generator can't have, and why;
    ``noise``: how far two judges' words on the same edits are apart, by variant. Of several judges the last evaluation is
    by what they say on average."""

    evaluations: tuple[Evaluation, ...]
    samples: dict[str, int]
    seconds: dict[str, float]
    skipped: dict[str, str]
    noise: dict[str, Noise] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        judged = [evaluation.to_json() for evaluation in self.evaluations]
        noise = {name: asdict(value) for name, value in self.noise.items()}
        return {
            "evaluations": judged, "samples": self.samples, "seconds": self.seconds, "skipped": self.skipped, "noise": noise,
        }  # fmt: skip


def compare(
    workspace: Workspace,
    *,
    methods: Sequence[str] = METHODS,
    judges: Sequence[str] = ("judge40",),
    features: Sequence[str] | None = None,
    moved: str = "plain",
    exact: bool | str = True,
    beside: Sequence[Workspace] = (),
    faces: int | Mapping[str, int] = 50,
    amount: float = 1.5,
    plain: int = 2000,
    metrics: Sequence[str] = (),
    language: str = "en",
    progress: ProgressLike = None,
    engine: SamplingEngine | None = None,
) -> Comparison:
    """Judge axis `methods` on a workspace, and write `comparison.json` and `comparison.html` into it.

    ``moved``: the evaluation method by which all of them are moved, and ``exact``: exact mode on the workspace's own axes
    too, or that evaluation method in its place; ``judges``: references as `load_extractor` takes them; ``beside``:
    workspaces of the same generator, whose axes are shown too; ``metrics``: as for `evaluate`, and names of `OUTSIDE`;
    ``language``: of the page, "en" or a code of `tlgan.languages`; ``faces`` and the rest as for `evaluate_by`. What was found, painted and measured is kept in the
    workspace and not done twice. A method that this generator can't have is skipped and said. Raises TlganError where
    nothing is left to compare.
    """
    from tlgan.extractors import load_extractor

    say, says = languages.language(language), as_progress(progress).stage
    evaluators = [as_evaluator(load_extractor(ref)) for ref in judges]
    canvas = _small(workspace)
    names = judged_features(canvas, evaluators[0], features)
    cache = Cache(to_write(workspace.path, MEASURED_FOLDER))
    way, skipped = EVALUATION_METHODS.get(moved), {}
    variants: list[EvaluationMethod] = []
    samples = None
    for ref in methods:
        try:
            if ref in ("regression", workspace.settings.method):
                axes, rows, seconds = workspace.axes, workspace.axes.samples, 0.0
            else:
                samples = samples or labelled(workspace, workspace.axes)
                (axes, seconds), rows = _fitted(ref, samples, canvas, cache, says), len(samples.latents)
            variants.append(OnAxes(ref, _words(axes, ref), axes, way, rows, seconds))
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
        variants.append(EVALUATION_METHODS.get(exact if isinstance(exact, str) else "exact"))
    if not variants:
        raise TlganError(f"nothing is left to compare: {'; '.join(skipped.values())}")
    evaluations, noise, shown = evaluate_by(
        canvas, evaluators, features=names, methods=variants, faces=faces, amount=amount, plain=plain,
        metrics=[name for name in metrics if name not in OUTSIDE],
        outside={name: OUTSIDE[name]() for name in metrics if name in OUTSIDE}, cache=cache, progress=progress,
        engine=engine,
    )  # fmt: skip
    fits = [variant for variant in variants if isinstance(variant, OnAxes)]
    found = Comparison(
        tuple(evaluations),
        {fit.name: fit.samples for fit in fits},
        {fit.name: fit.seconds for fit in fits},
        skipped,
        noise,
    )
    with writing_into(workspace.path, says), Step(workspace.path) as step:
        _write(workspace, found, shown, step, say)
    return found


def _small(workspace: Workspace) -> Any:
    """The canvas of the size that the samples have: hundreds of edits by many methods are painted."""
    from tlgan.editing import Canvas

    size = workspace.settings.resolution
    return Canvas(workspace.generator, workspace.extractor, workspace.axes, resolution=size)


class FaceIdentity:
    """dlib's embedding of faces as an evaluator without features: pictures of one person lie within .6 of one another."""

    name = IDENTITY
    features: tuple[Feature, ...] = ()
    fingerprint = "dlib face recognition"

    def measure(self, latents: np.ndarray, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """[n, 0], and the embedding [n, 128]."""
        from tlgan.photographs.identity import load_identity

        return np.zeros((len(latents), 0)), load_identity()(images).double().numpy(force=True)


def _fitted(
    ref: str, samples: Labelled, canvas: Canvas, cache: Cache, says: Callable[[str], None]
) -> tuple[Axes, float]:
    """The axes that a method finds, and the seconds that it took; kept where the method is one of the package's."""
    method: AxisMethod = AXIS_METHODS.make(ref)
    folder = cache.folder if ref.partition(":")[0] in AXIS_METHODS.built_in else None
    key = digest(ref, digest_of_axes(samples.axes), len(samples.latents), canvas.side, tlgan.__version__)
    timed = cache.find(key)
    if folder is not None and timed is not None and (folder / f"{key}.axes").is_file():
        return Axes.load(to_read(folder, f"{key}.axes")), float(timed["seconds"][0])
    says(f"finding directions by {ref}")
    began = time.perf_counter()
    axes = fitted(method, samples, canvas)
    seconds = time.perf_counter() - began
    if folder is not None:
        path = to_write(folder, f"{key}.axes")
        with writing(path):
            folder.mkdir(parents=True, exist_ok=True)
        axes.save(path)
        cache.keep(key, {"seconds": np.array([seconds])})
    return axes, seconds


#: Embeddings of networks from outside, by the name of the figure that they give.
OUTSIDE: dict[str, Callable[[], Evaluator]] = {IDENTITY: FaceIdentity}


def _words(axes: Axes, ref: str) -> str:
    return WORDS.get(ref, f"{ref}, in {axes.space}")


def _write(workspace: Workspace, found: Comparison, shown: Mapping[str, np.ndarray], step: Step, say: Language) -> None:
    sections = [
        evaluation_section(
            _small(workspace), evaluation, shown if number == 0 else {}, say
        )  # all saw the same pictures
        for number, evaluation in enumerate(found.evaluations)
    ]
    page = (
        environment(say)
        .get_template("comparison.html.j2")
        .render(
            workspace=workspace, sections=sections, found=found, about=about(workspace.settings, workspace.axes, say)
        )
    )
    with replacing(step.path(PAGE_FILE)) as temporary:
        temporary.write_text(page, encoding="utf-8")
    with replacing(step.path(JSON_FILE)) as temporary:
        temporary.write_text(json.dumps(found.to_json(), indent=1), encoding="utf-8")
