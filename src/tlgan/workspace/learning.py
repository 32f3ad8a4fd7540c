"""Draw and learn, until every axis that can be learned is known.

Rows are learned from in lessons that end where the learner is asked and where a part ends. So a run that was cut off, and
parts that others wrote and learned from, give the same axes to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.axes import SURE, AxisLearner, population, priors
from tlgan.axes.learner import FIRST, Lesson
from tlgan.progress import Progress
from tlgan.samples import Source, draw, measure_part

if TYPE_CHECKING:
    from tlgan.hooks import SamplingEngine
    from tlgan.samples import Recipe

    from .workspace import Workspace

#: Rows that are painted together where axes may need but a few hundred.
PIECE = 50


def learn(
    workspace: Workspace, progress: Progress, sure: float = SURE, engine: SamplingEngine | None = None
) -> AxisLearner:
    """Draw and learn until every learnable axis is known or the cap is reached; parts already drawn count."""
    settings, store = workspace.settings, workspace.samples
    source = Source.of(workspace.generator, store.recipe)
    learner = AxisLearner(
        workspace.extractor.features,
        store.recipe.latent_dim,
        population=population(source, seed=settings.seed),
        priors=priors(source),
    )
    held = store.rows()
    measured = store.measured()
    if measured < held:
        progress.stage(f"measuring the {held - measured:,} samples that an added extractor has not seen")
        for number in range(measured // store.recipe.part_rows, -(-held // store.recipe.part_rows)):
            measure_part(workspace.generator, workspace.extractor, store, number)
    pupil = _Pupil(learner, store.recipe, settings.max_samples, sure, progress)
    if held:
        progress.stage(f"learning from the {held:,} samples that are already there")
        for latents, values in store.read_arrays():
            pupil.read(latents, values)
        progress.step("samples", held, settings.max_samples)
    if held >= settings.max_samples:
        pupil.finish()
    if held and (held >= settings.max_samples or pupil.asked(held)):
        learned = learner.progress(sure)
        progress.axes(learned)
        if learned.sure or held >= settings.max_samples:
            return learner
    progress.stage(f"drawing, painting and measuring samples{_hint(workspace)}")
    painted = held

    def count(more: int) -> None:
        nonlocal painted
        painted += more
        progress.step("samples", painted, settings.max_samples)

    draw(
        workspace.generator,
        workspace.extractor,
        store,
        stop=settings.max_samples,
        enough=pupil.enough,
        piece=PIECE if learner.shrunk else None,
        on_rows=count,
        engine=engine,
        cut=pupil.ends,
        digest=learner.study.digest,
        taken=pupil.taken,
        says=progress.stage,
    )
    return learner


class _Pupil:
    """Gives the learner its lessons, and asks it whether the axes are known."""

    def __init__(self, learner: AxisLearner, recipe: Recipe, most: int, sure: float, progress: Progress) -> None:
        self.learner, self.recipe, self.most, self.sure, self.progress = learner, recipe, most, sure, progress
        self.rows = 0
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []

    def asked(self, rows: int) -> bool:
        """Whether the learner is asked if `rows` are enough: always at the same rows, however a run was cut.

        Shrunk axes can be known after a few hundred rows, and are asked again after every quarter to eighth more.
        """
        if not self.learner.shrunk:
            return rows % self.recipe.part_rows == 0
        groups = len(self.recipe.groups)
        if groups:  # in some thousand dimensions the question takes longer than the samples: at every doubling
            first = FIRST * groups
            return rows >= first and rows % (first * 2 ** int(np.log2(rows / first))) == 0
        return rows >= FIRST and rows % (PIECE * 2 ** int(np.log2(rows / FIRST))) == 0

    def ends(self, rows: int) -> bool:
        """Whether a lesson ends after so many rows."""
        return rows % self.recipe.part_rows == 0 or rows == self.most or self.asked(rows)

    def read(self, latents: np.ndarray, values: np.ndarray) -> None:
        """Take in the next rows, latents [n, d] and feature values [n, f]; the last lesson may stay open."""
        first = 0
        for last in range(1, len(latents) + 1):
            if last == len(latents) or self.ends(self.rows + last - first):
                self._waiting.append((latents[first:last], values[first:last]))
                self.rows += last - first
                first = last
                if self.ends(self.rows):
                    self.finish()

    def finish(self) -> None:
        """Close the lesson that is open."""
        if self._waiting:
            latents, values = (np.concatenate(arrays) for arrays in zip(*self._waiting, strict=True))
            self._waiting.clear()
            self.learner.add(latents, values)

    def enough(self, latents: np.ndarray, values: np.ndarray) -> bool:
        """Take in the next rows; whether the axes are known."""
        self.read(latents, values)
        return self._known()

    def taken(self, digested: Any) -> bool:
        """Take in what came back of the next rows; whether the axes are known."""
        if not isinstance(digested, Lesson):
            return self.enough(*digested)
        self.learner.take(digested)
        self.rows += digested.rows
        return self._known()

    def _known(self) -> bool:
        if self.rows < self.most and not self.asked(self.rows):
            return False
        learned = self.learner.progress(self.sure)
        self.progress.axes(learned)
        return learned.sure


def _hint(workspace: Workspace) -> str:
    """Names a faster way where pictures are painted far larger than they are measured."""
    side, seen = workspace.generator.resolution, workspace.extractor.input_size
    if workspace.settings.resolution is not None or seen is None or side < 4 * seen:
        return ""
    small = min(power for power in (2**n for n in range(3, 12)) if power >= seen)
    return f", {side} px for extractors that look at {seen}: --resolution {small} may be much faster"
