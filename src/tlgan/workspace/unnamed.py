"""Directions that were found without labels, as sliders: measured, named by what they change, and shown.

`pca` and `sefa` say where a generator's pictures vary, and nothing of what that means. Each direction is tried on some
faces, named by the features and the place in the picture that it changes, and given a reader that measures it.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import numpy as np

from tlgan.axes import Axes
from tlgan.axes.directions import Directions, measured, turned
from tlgan.editing import Canvas
from tlgan.editing.answers import SEED, STEP, answers
from tlgan.errors import TlganError
from tlgan.extractors import Feature
from tlgan.hooks import AXIS_METHODS
from tlgan.io.step import Step
from tlgan.progress import ProgressLike, as_progress

from .discover import labelled
from .settings import EXTRACTORS_FOLDER
from .workspace import Workspace

if TYPE_CHECKING:
    from .add import Added

#: Samples whose kept pictures a reader is fitted to.
READ = 4000
#: A feature is a part of a direction's name where it answers by so much, in sd a whitened unit, and half of the most.
WORTH_A_WORD = 0.05
FACES = 6
#: Parts of a picture, and their rows and columns in thirds.
PLACES = {
    "the top": (0, None), "the bottom": (2, None), "the left side": (None, 0), "the right side": (None, 2),
    "the middle": (1, 1),
}  # fmt: skip


def add_directions(workspace: Workspace, ref: str, *, progress: ProgressLike = None) -> Added:
    """Make the directions that the axis method `ref` finds without labels into sliders of a workspace.

    Raises TlganError where the method goes by labels: then `discover --method` is meant.
    """
    from .add import add_extractor

    progress = as_progress(progress)
    samples = labelled(workspace, workspace.axes, READ)
    progress.stage(f"finding directions by {ref}")
    found = AXIS_METHODS.make(ref).fit(samples)
    if set(found.names) <= set(workspace.axes.names):
        raise TlganError(f"{ref} finds directions of named features: use tlgan discover --method {shlex.quote(ref)}")
    canvas = workspace.canvas_as_sampled()
    units = found.whitened(workspace.axes)
    progress.stage(f"moving along {len(units)} directions to see what they change")
    table = answers(canvas, units)
    features = [
        Feature(name, "quantity", "sd", f"Unnamed {number + 1}: {words}", "less", "more", "Unnamed")
        for number, (name, words) in enumerate(
            zip(
                found.names, (described(canvas, unit, row) for unit, row in zip(units, table, strict=True)), strict=True
            )
        )
    ]

    def make(step: Step) -> str:
        return _reader(workspace, features, samples.latents, units, step)

    return add_extractor(workspace, make=make, method="samples", directions=found, progress=progress)


def along(grown: Workspace, axes: Axes, directions: Directions) -> Axes:
    """The axes with those of the directions' names moving along them, as far as is measured on pictures."""
    rows = axes.indices(directions.names)
    table = answers(grown.canvas_as_sampled(axes), directions.whitened(axes))
    gains = table[np.arange(len(rows)), rows]
    return measured(turned(axes, directions, gains), labelled(grown, axes), directions.names)


def described(canvas: Canvas, unit: np.ndarray, row: np.ndarray) -> str:
    """What a direction changes, in words: the features that answer it most, from their answers [f], and where in the
    picture it is seen."""
    axes = canvas.axes
    size = np.where(axes.weak, 0.0, np.abs(row))
    most = [k for k in np.argsort(-size, kind="stable")[:2] if size[k] >= max(WORTH_A_WORD, size.max() / 2)]
    words = [f"{'more' if row[k] > 0 else 'less'} {(axes.features[k].label or axes.names[k]).lower()}" for k in most]
    return ", ".join([*words, f"in {place(canvas, unit)}"])


def place(canvas: Canvas, unit: np.ndarray) -> str:
    """The part of the picture that a direction changes most by what an even change would, or "all of it"."""
    metric = canvas.axes.metric
    starts = metric.whiten(canvas.sample(FACES, seed=SEED))
    ends = [metric.colour(starts + sign * STEP * metric.radius * unit).astype(np.float32) for sign in (1, -1)]
    one, other = (canvas.paint(end).astype(np.float64) for end in ends)
    thirds = np.abs(one - other).mean(axis=(0, 3))
    thirds = np.stack([[part.mean() for part in np.array_split(band, 3, axis=1)] for band in np.array_split(thirds, 3)])
    share = {
        name: thirds[slice(None) if i is None else i, slice(None) if j is None else j].mean()
        / max(thirds.mean(), 1e-12)
        for name, (i, j) in PLACES.items()
    }
    best = max(share, key=lambda name: share[name])
    return best if share[best] >= 1.25 else "all of it"


def _reader(workspace: Workspace, features: list[Feature], latents: np.ndarray, units: np.ndarray, step: Step) -> str:
    """Fit a reader to the kept pictures of the first samples, and write it; the reference to store."""
    import torch

    from tlgan.extractors.reader import fit_reader, save_reader
    from tlgan.samples.measure import kept_pictures

    count = min(READ, len(latents))
    images = torch.cat(list(kept_pictures(workspace.samples, count)))
    places = workspace.axes.metric.whiten(latents[:count]) @ units.T
    stored = f"{EXTRACTORS_FOLDER}/{features[0].name.rpartition('_')[0]}.safetensors"
    save_reader(step.path(stored), features, *fit_reader(images, places))
    return stored
