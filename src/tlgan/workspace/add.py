"""New sliders for a workspace, from the samples that are there already.

The new extractor looks at kept pictures, part by part, until its axes are known; where gradients flow from its numbers
back to the latent, averaging some hundred of those is the other way to the same axes (Stein), and the cheaper of the
two is taken. The old sliders stay exactly as they are. Killed at any moment, the workspace is as it was, and the same
command goes on with the parts that are not measured yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from tlgan.axes import SURE, AxisLearner, priors
from tlgan.axes.extend import extended, with_slopes
from tlgan.axes.gradients import differentiable, mean_gradients
from tlgan.axes.learner import FIRST
from tlgan.editing import side_effects
from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.extractors.combined import CombinedExtractor
from tlgan.io.step import Step
from tlgan.progress import Progress, ProgressLike, as_progress
from tlgan.samples import SampleStore, Source, measured

from .importing import import_extractor, import_loaded
from .settings import AXES_FILE, REPORT_FILE, located
from .workspace import Workspace, open_workspace, recorded_extractors, writing_into

if TYPE_CHECKING:
    from tlgan.axes.directions import Directions
    from tlgan.extractors import Extractor
    from tlgan.generators import Generator
    from tlgan.hooks import SamplingEngine

Method = Literal["auto", "samples", "gradients"]
EXPECTED_GRADIENTS = 256  # about as good as 5,000 samples on a 64-pixel face generator
MOST_GRADIENTS = 1024
_BATCH = 24


@dataclass(frozen=True)
class Added:
    """What `add_extractor` did: the grown workspace, the new sliders' names and how good they are, how they were found,
    and at what cost."""

    workspace: Workspace
    extractor: str
    features: tuple[str, ...]
    method: str
    why: str
    samples: int
    gradients: int
    r2: tuple[float, ...]
    agreement: tuple[float, ...]
    weak: tuple[bool, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For programs: all but the workspace."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "workspace"}


def add_extractor(
    workspace: Workspace | str | Path,
    extractor: str | Extractor | Callable[..., Any] = "",
    *,
    texts: Sequence[str] = (),
    model: str = "",
    labels: str | Path | Sequence[str] | None = None,
    kind: str = "",
    size: int = 0,
    make: Callable[[Step], str] | None = None,
    method: Method = "auto",
    directions: Directions | None = None,
    sure: float = SURE,
    progress: ProgressLike = None,
    engine: SamplingEngine | None = None,
) -> Added:
    """Add an extractor's features to a workspace as sliders.

    ``extractor`` is one, loaded, or its reference; ``texts`` are sentences in its place; ``labels``, ``kind``, ``size``
    and ``model`` say more of it (`import_extractor`). ``make(step)`` writes it into the workspace, in place of both, and returns the reference to store.
    ``directions``: moves for the new features, in place of what regression finds, see `add_directions`.
    ``method``: "samples", "gradients", or "auto" for the cheaper one. ``sure``: split-half cosine at which an axis
    counts as known; ``engine``: where samples are measured, None for this process. Raises TlganError where the workspace has no samples or has a feature of that name already.
    """
    started = time.perf_counter()
    progress = as_progress(progress)
    workspace = workspace if isinstance(workspace, Workspace) else open_workspace(workspace)
    with writing_into(workspace.path, progress.stage), Step(workspace.path) as step:
        workspace = workspace.refreshed()
        old = workspace.axes
        if not isinstance(extractor, str):
            stored, added = import_loaded(step.path, load_extractor(extractor))
        elif make is not None:
            stored = make(step)
            added = load_extractor(located(stored, step.stage))
        else:
            progress.stage(f"loading {extractor or 'the text-image model'}")
            described: Any = {"texts": texts, "model": model, "labels": labels, "kind": kind, "size": size}
            stored, added = import_extractor(workspace.path, extractor, step=step, **described)
        if stored in workspace.settings.extractors:
            raise TlganError(f"{workspace.path} has this extractor already ({stored}): there is nothing to add")
        clash = [feature.name for feature in added.features if feature.name in old.names]
        if clash:
            raise TlganError(
                f"{workspace.path} has a slider {clash[0]!r} already: give the new one another name (in a TOML beside "
                "the model, or other words), or add it to another workspace"
            )
        grown = _grown(workspace, stored, added)
        progress.stage(
            f"measuring {', '.join(feature.name for feature in added.features)} on the samples that are there"
        )
        search = _Search(grown, added, len(old.features), sure, progress, engine)
        search.run(method)
        axes = extended(old, search.axes())
        if directions is not None:
            from .unnamed import along

            axes = along(grown, axes, directions)
        if axes.effects is not None:
            progress.stage("moving the new sliders to see what else changes")
            canvas = grown.canvas_as_sampled(axes)
            effects = side_effects(canvas, axes.names[len(old.features) :])
            axes = replace(axes, effects=np.concatenate([axes.effects[: len(old.features)], effects]))
        grown = grown.changed(axes=axes)
        axes.save(step.path(AXES_FILE))
        grown.save_settings(step)
        if (workspace.path / REPORT_FILE).exists():
            progress.stage("writing the report")
            from .report import write_report

            write_report(grown, step)
    new = slice(len(old.features), None)
    return Added(
        workspace=grown,
        extractor=stored,
        features=axes.names[new],
        method=search.method,
        why=search.why,
        samples=search.rows,
        gradients=search.gradients,
        r2=tuple(float(value) for value in axes.r2[new]),
        agreement=tuple(float(value) for value in axes.agreement[new]),
        weak=tuple(bool(value) for value in axes.weak[new]),
        seconds=time.perf_counter() - started,
    )


def _grown(workspace: Workspace, ref: str, extractor: Extractor) -> Workspace:
    """The workspace with one extractor more, not yet written."""
    settings = replace(workspace.settings, extractors=(*workspace.settings.extractors, ref))
    combined = CombinedExtractor([*workspace.extractor.parts, extractor])
    settings = recorded_extractors(settings, combined)
    return workspace.changed(settings=settings, extractor=combined, generator=workspace.generator)


@dataclass(frozen=True, eq=False)
class _PartMeasured:
    """All pieces of a part, `measured` somewhere."""

    generator: Generator
    extractor: CombinedExtractor
    store: SampleStore

    def __call__(self, number: int) -> list[tuple[np.ndarray, np.ndarray]]:
        return list(measured(self.generator, self.extractor, self.store, number))


class _Search:
    """The axes of all features from as many rows (and gradients of the new ones) as they need."""

    def __init__(
        self,
        workspace: Workspace,
        extractor: Extractor,
        first: int,
        sure: float,
        progress: Progress,
        engine: SamplingEngine | None,
    ) -> None:
        self.engine = engine
        self.workspace, self.extractor, self.first, self.sure, self.report = workspace, extractor, first, sure, progress
        self.store: SampleStore = workspace.samples
        self.held = self.store.rows()
        if not self.held:
            raise TlganError(f"{workspace.path} has no samples: run `tlgan discover` first")
        axes = workspace.axes
        population = None if axes.latent_covariance is None else axes.metric
        self.plain = population is None and axes.truncation == 1.0  # gradients are taken in a z that nothing shortens
        known = priors(Source.of(workspace.generator, self.store.recipe))
        self.learner = AxisLearner(workspace.extractor.features, axes.latent_dim, population=population, priors=known)
        self.rows, self.gradients = 0, 0
        self.method, self.why = "samples", ""
        self._slopes: np.ndarray | None = None
        self._agreement = np.zeros(0)

    def run(self, method: Method) -> None:
        started = time.perf_counter()
        # One whole part (a few hundred rows of shrunk axes), or as much as there is, under which little is known of an axis.
        part = FIRST if self.learner.shrunk else self.store.recipe.part_rows
        asked = min(max(part, self.learner.fewest), self.held)
        compared = method == "samples"
        for latents, values in self._pieces():
            self.learner.add(latents, values)
            self.rows += len(latents)
            self.report.step("samples", self.rows, self.held)
            if self.rows < asked:
                continue
            if self.learner.shrunk:  # which takes a second or two
                asked = min(self.rows + self.rows // 5, self.held)
            progress = self.learner.progress(self.sure, first=self.first)
            self.report.axes(progress)
            if not compared:
                compared = True
                if self._prefer_gradients(method, time.perf_counter() - started, progress.r2[self.first :]):
                    self._average_gradients()
                    return
            if progress.sure:
                break
        self.why = self.why or "gradients do not flow from this extractor to this generator's latents"
        if method == "samples":
            self.why = "as asked"

    def axes(self) -> Any:
        """Axes of all features; the new ones' slopes from gradients where those were taken."""
        axes = self.learner.axes(generator=self.workspace.generator.fingerprint, **self.workspace.settings.origin)
        if self._slopes is not None:
            return with_slopes(axes, self.learner, self._slopes, self._agreement, self.first)
        return axes

    def _pieces(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Latents and features of the samples that are there, a few hundred at a time."""
        parts = range(-(-self.held // self.store.recipe.part_rows))
        task = _PartMeasured(self.workspace.generator, self.workspace.extractor, self.store)
        if not hasattr(self.engine, "map"):  # here a part need not be measured to its end
            for number in parts:
                yield from measured(task.generator, task.extractor, task.store, number)
            return
        with closing(cast(Any, self.engine).map(task, iter(parts), self.report.stage)) as found:
            for pieces in found:
                yield from pieces

    def _prefer_gradients(self, method: Method, seconds: float, r2: np.ndarray) -> bool:
        """Compare what is left to do both ways, in seconds of this machine."""
        generator, settings = self.workspace.generator, self.workspace.settings
        if not self.plain or not differentiable(
            Source(generator, label=settings.label), self.extractor, seed=settings.seed
        ):
            if method == "gradients":
                raise TlganError(
                    "gradients can't be used here: they need a differentiable extractor and generator, and latents in z"
                )
            return False
        clock = time.perf_counter()
        self._stream = self._gradient_stream()
        self._taken = [next(self._stream)]
        by_gradients = (time.perf_counter() - clock) / _BATCH * EXPECTED_GRADIENTS
        rows = min(rows_needed(float(np.median(r2)), self.store.recipe.latent_dim, self.sure), self.held)
        by_samples = max(rows - self.rows, 0) * seconds / self.rows
        cheaper = by_gradients < by_samples
        self.why = (
            f"about {by_samples:.1f} s for {max(rows - self.rows, 0):,} more samples, "
            f"{by_gradients:.1f} s for {EXPECTED_GRADIENTS} gradients"
        )
        if method == "gradients":
            self.why = "as asked"
        return cheaper or method == "gradients"

    def _gradient_stream(self) -> Iterator[np.ndarray]:
        settings = self.workspace.settings
        source = Source(self.workspace.generator, label=settings.label)
        return mean_gradients(source, self.extractor, seed=settings.seed, batch=_BATCH)

    def _average_gradients(self) -> None:
        self.report.stage("averaging gradients")
        self.method = "gradients"
        while True:
            self.gradients = len(self._taken) * _BATCH
            stacked = np.concatenate(self._taken)  # (n, f, d)
            halves = stacked[::2].mean(axis=0), stacked[1::2].mean(axis=0)
            lengths = np.linalg.norm(halves[0], axis=1) * np.linalg.norm(halves[1], axis=1)
            self._agreement = np.einsum("fd,fd->f", *halves) / np.maximum(lengths, 1e-30)
            self._slopes = stacked.mean(axis=0)
            done = self.gradients >= EXPECTED_GRADIENTS / 2 and (self._agreement >= self.sure).all()
            if done or self.gradients >= MOST_GRADIENTS:
                return
            self._taken.append(next(self._stream))


def rows_needed(r2: float, dim: int, sure: float = SURE) -> int:
    """How many samples bring the split-half cosine of a least-squares axis in d dimensions to `sure`.

    A half of n / 2 rows has an expected cosine of 1 / sqrt(1 + x) to the truth with x = d (1 - R²) / (R² n / 2), two
    halves 1 / (1 + x) to each other.
    """
    r2 = float(np.clip(r2, 0.02, 0.999))
    return int(np.ceil(2 * dim * (1 - r2) / r2 * sure / (1 - sure)))
