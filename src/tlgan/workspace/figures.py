"""What figures of a workspace show, as plain numbers: drawn into the report, and by `tlgan.plot`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlgan.axes.learner import AxisLearner
from tlgan.axes.population import population, priors
from tlgan.samples import Source

if TYPE_CHECKING:
    from tlgan.axes import Axes
    from tlgan.extractors import Feature

    from .workspace import Workspace

#: How often the number of samples is halved, at most, below all of them.
HALVINGS = 5
BINS = 24


@dataclass(frozen=True)
class LearningCurve:
    """R² by number of samples: ``samples`` int64 [k], ascending, and ``r2`` [k, f] on rows that a fit has not seen."""

    samples: np.ndarray
    r2: np.ndarray


def learning_curve(workspace: Workspace) -> LearningCurve:
    """Fit axes by regression on the first n samples, n halved at most `HALVINGS` times; no entries where there are too few."""
    store = workspace.samples
    source = Source.of(workspace.generator, store.recipe)
    learner = AxisLearner(
        workspace.extractor.features,
        store.recipe.latent_dim,
        population=population(source, seed=workspace.settings.seed),
        priors=priors(source),
    )
    total = store.measured()
    counts = [total >> halving for halving in range(HALVINGS, -1, -1) if total >> halving >= 2 * learner.fewest]
    r2, before = [], 0
    for count in counts:
        for latents, values in store.read_arrays(start=before, stop=count):
            learner.add(latents, values)
        r2.append(learner.progress().r2)
        before = count
    return LearningCurve(np.array(counts, dtype=np.int64), np.array(r2).reshape(len(counts), -1))


def histogram(feature: Feature, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares [b] of values [n] in bins, and their edges [b + 1]: all of [0, 1] for a probability, else the middle 99.8 %.

    What lies beyond the outer bins counts into them.
    """
    low, high = (0.0, 1.0) if feature.kind == "probability" else np.quantile(values, [0.001, 0.999]).tolist()
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    return counts / max(len(values), 1), edges


def by_group(axes: Axes) -> list[int]:
    """Rows of the features as a map shows them: by group, weak ones last."""
    groups = list(dict.fromkeys(feature.group for feature in axes.features))
    return sorted(range(len(axes.names)), key=lambda row: (axes.weak[row], groups.index(axes.features[row].group), row))
