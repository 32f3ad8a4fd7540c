"""`report.html`: what was found, in one file that opens anywhere, offline.

It shows every axis as pictures, how sure it is and what it is tied to, and says what all of it was made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.editing.claims import claim_of
from tlgan.io.files import replacing

from .evaluations import kept
from .section import colour, data_url, evaluation_section, small

if TYPE_CHECKING:
    from tlgan.axes import Axes
    from tlgan.editing import Canvas
    from tlgan.evaluation.scores import Evaluation
    from tlgan.io.step import Step

    from .workspace import Workspace

STEPS = 7
PIXELS = 2**22  # painted together
SPAN = 3.0
FACES = 2


@dataclass(frozen=True)
class AxisRow:
    """One axis as the report shows it."""

    name: str
    label: str
    low: str
    high: str
    group: str
    weak: bool
    r2: float
    r2_half: float | None
    auc: float | None
    agreement: float
    population: str
    ties: str
    strips: list[str]


def write_report(workspace: Workspace, step: Step, evaluation: Evaluation | None = None) -> None:
    """Paint and write `report.html`, as a part of `step`; `evaluation`: a new one, in place of that which is kept."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    from tlgan.editing import Canvas

    axes = workspace.axes
    environment = Environment(loader=PackageLoader("tlgan.workspace"), autoescape=select_autoescape(default=True))
    order = np.argsort(-axes.r2, kind="stable")
    # as small as the samples were: who asked for small samples can't wait for hundreds of large pictures
    canvas = Canvas(workspace.generator, workspace.extractor, axes, resolution=workspace.settings.resolution)
    faces = _typical_faces(workspace)
    strips = _strips(canvas, [axes.names[row] for row in order], faces)
    rows = [_axis_row(axes, int(row), pictures) for row, pictures in zip(order, strips, strict=True)]
    evaluation = evaluation or kept(workspace)
    page = environment.get_template("report.html.j2").render(
        workspace=workspace,
        axes=axes,
        about=workspace.about,
        strong=[row for row in rows if not row.weak],
        weak=[row for row in rows if row.weak],
        span=SPAN,
        maps=[
            ("As measured on the pictures", heat_map(axes, axes.correlation)),
            ("As the axes point", heat_map(axes, axes.correlation_of_axes())),
        ],
        judged=evaluation and evaluation_section(workspace.canvas, evaluation),
        gallery=[data_url(small(picture), claim_of(canvas)) for picture in canvas.paint(canvas.sample(24, seed=0))],
    )
    with replacing(step.path("report.html")) as temporary:
        temporary.write_text(page, encoding="utf-8")


def heat_map(axes: Axes, correlation: np.ndarray) -> dict[str, Any]:
    """A correlation matrix [f, f] ordered by group, as cells for the template: colour, words, value."""
    groups = list(dict.fromkeys(feature.group for feature in axes.features))
    order = sorted(
        range(len(axes.features)), key=lambda row: (axes.weak[row], groups.index(axes.features[row].group), row)
    )
    names = [axes.names[row] for row in order]
    cells = [
        [{"colour": colour(float(correlation[a, b])), "value": f"{correlation[a, b]:+.2f}"} for b in order]
        for a in order
    ]
    return {"names": names, "cells": cells}


def _typical_faces(workspace: Workspace) -> np.ndarray:
    """The sampled latents [FACES, d] nearest to the population's mean in every feature."""
    axes = workspace.axes
    strong = [name for row, name in enumerate(axes.names) if not axes.weak[row]] or list(axes.names)
    found = workspace.nearest(dict.fromkeys(strong, 0.0), FACES)
    return np.stack([latent for _, latent in found])


def _strips(canvas: Canvas, names: Sequence[str], faces: np.ndarray) -> Iterator[list[str]]:
    """For every feature a strip for each of the faces [FACES, d], as data: URLs.

    Many small pictures are painted together, which keeps the cores busy; large ones a feature at a time.
    """
    from tlgan.editing import Edit, path

    side = canvas.source.resolution or canvas.generator.resolution
    together = max(1, PIXELS // (len(faces) * STEPS * side**2))
    asks = np.linspace(-SPAN, SPAN, STEPS)
    claim = claim_of(canvas)
    for first in range(0, len(names), together):
        some = names[first : first + together]
        latents = np.concatenate([path(canvas, Edit(face), name, asks) for name in some for face in faces])
        pictures = canvas.paint(latents)
        for strips in pictures.reshape(len(some), len(faces), STEPS, *pictures.shape[1:]):
            rows = [np.concatenate([small(picture) for picture in strip], axis=1) for strip in strips]
            yield [data_url(row, claim) for row in rows]


def _axis_row(axes: Axes, row: int, strips: list[str]) -> AxisRow:
    feature = axes.features[row]
    half = None if axes.r2_interval is None else np.ptp(axes.r2_interval[row]) / 2
    return AxisRow(
        name=feature.name,
        label=feature.label or feature.name,
        low=feature.low,
        high=feature.high,
        group=feature.group,
        weak=bool(axes.weak[row]),
        r2=float(axes.r2[row]),
        r2_half=None if half is None or np.isnan(half) else float(half),
        auc=None if np.isnan(axes.auc[row]) else float(axes.auc[row]),
        agreement=float(axes.agreement[row]),
        population=_population(axes, row),
        ties=_ties(axes, row),
        strips=strips,
    )


def _population(axes: Axes, row: int) -> str:
    """The middle of the population and where 95 % of it lie, in natural units."""
    feature = axes.features[row]
    low, middle, high = (
        axes.values(np.full(len(axes.features), _place(axes, row, level)))[row] for level in (0.025, 0.5, 0.975)
    )
    if feature.kind == "probability":
        return f"{middle:.0%} ({low:.0%} to {high:.0%})"
    return f"{middle:.3g} ({low:.3g} to {high:.3g}) {feature.unit}".strip()


def _place(axes: Axes, row: int, level: float) -> float:
    column = int(np.argmin(np.abs(axes.quantile_levels - level)))
    return float((axes.quantiles[row, column] - axes.mean[row]) / axes.sd[row])


def _ties(axes: Axes, row: int) -> str:
    """The three features that this one goes together with most in the generator's population."""
    tied = np.abs(axes.correlation[row]).copy()
    tied[row] = -1
    best = np.argsort(-tied)[:3]
    return ", ".join(f"{axes.names[b]} {axes.correlation[row, b]:+.2f}" for b in best if tied[b] >= 0.2)
