"""`report.html`: what was found, in one file that opens anywhere, offline.

It shows every axis as pictures, how sure it is and what it is tied to, and says what all of it was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan import languages
from tlgan.editing.claims import claim_of
from tlgan.io.files import replacing
from tlgan.io.step import Step
from tlgan.languages import ENGLISH, Language
from tlgan.progress import ProgressLike, as_progress

from .evaluations import kept
from .figures import LearningCurve, by_group, histogram, learning_curve
from .section import colour, data_url, environment, evaluation_section, small
from .terms import about, foreign
from .workspace import writing_into

if TYPE_CHECKING:
    from tlgan.axes import Axes
    from tlgan.editing import Canvas, Face
    from tlgan.evaluation.scores import Evaluation

    from .workspace import Workspace

STEPS = 7
PIXELS = 2**22  # painted together
SPAN = 3.0
FACES = 2
#: Sizes of charts, in pixels.
HISTOGRAM_WIDTH, HISTOGRAM_HEIGHT = 240, 40
CURVE_WIDTH, CURVE_HEIGHT = 420, 200


@dataclass(frozen=True)
class Distribution:
    """A feature over the population: the ``outline`` of its bars as an SVG path, its two ends in words, and where a face
    stands, as the line's place in pixels and in words."""

    outline: str
    low: str
    high: str
    mark: float | None = None
    marked: str = ""


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
    distribution: Distribution | None
    strips: list[str]


def report(
    workspace: Workspace, *, face: Face | None = None, language: str = "", progress: ProgressLike = None
) -> Path:
    """Write `report.html` anew, with the learning curve, and with where `face` stands in every distribution; its path.

    ``language``: "en" or a code of `tlgan.languages`, which the workspace keeps for reports to come; "" for the one that it
    has kept. Raises TlganError for another one.
    """
    languages.language(language or ENGLISH.code)  # an unknown one is told before anything is done
    told = as_progress(progress)
    with writing_into(workspace.path, told.stage), Step(workspace.path) as step:
        workspace = workspace.refreshed()
        if language and language != (workspace.settings.language or ENGLISH.code):
            workspace = workspace.changed(settings=replace(workspace.settings, language=language))
            workspace.save_settings(step)
        told.stage("fitting axes to fewer samples")
        curve = learning_curve(workspace)
        told.stage("painting every axis")
        write_report(workspace, step, face=face, curve=curve)
    return workspace.path / "report.html"


def write_report(
    workspace: Workspace,
    step: Step,
    evaluation: Evaluation | None = None,
    *,
    face: Face | None = None,
    curve: LearningCurve | None = None,
) -> None:
    """Paint and write `report.html` in the workspace's language, as a part of `step`; `evaluation`: a new one, in place of
    that which is kept."""

    code = workspace.settings.language
    say = languages.language(code) if code in languages.catalogues() else ENGLISH  # a newer tlgan may know more
    axes = workspace.axes
    order = np.argsort(-axes.r2, kind="stable")
    # as small as the samples were: who asked for small samples can't wait for hundreds of large pictures
    canvas = workspace.canvas_as_sampled()
    faces = _typical_faces(workspace)
    strips = _strips(canvas, [axes.names[row] for row in order], faces)
    spread = _distributions(workspace, face, say)
    rows = [_axis_row(axes, int(row), spread[row], pictures, say) for row, pictures in zip(order, strips, strict=True)]
    evaluation = evaluation or kept(workspace)
    page = (
        environment(say)
        .get_template("report.html.j2")
        .render(
            workspace=workspace,
            axes=axes,
            base=_labels(axes, axes.base, say),
            about=about(workspace.settings, axes, say),
            far="; ".join(foreign(workspace.settings, say).values()),
            strong=[row for row in rows if not row.weak],
            weak=[row for row in rows if row.weak],
            span=SPAN,
            distribution_size=(HISTOGRAM_WIDTH, HISTOGRAM_HEIGHT),
            curve=curve and _curve(curve),
            effects=None if axes.effects is None else heat_map(axes, axes.effects, say),
            maps=[
                (say("As measured on the pictures"), heat_map(axes, axes.correlation, say)),
                (say("As the axes point"), heat_map(axes, axes.correlation_of_axes(), say)),
            ],
            judged=evaluation and evaluation_section(workspace.canvas, evaluation, say=say),
            gallery=[data_url(small(picture), claim_of(canvas)) for picture in canvas.paint(canvas.sample(24, seed=0))],
        )
    )
    with replacing(step.path("report.html")) as temporary:
        temporary.write_text(page, encoding="utf-8")


def heat_map(axes: Axes, correlation: np.ndarray, say: Language) -> dict[str, Any]:
    """A matrix [f, f] of values around -1 to 1, ordered by group, as cells for the template: colour and value."""
    order = by_group(axes)
    names = _labels(axes, [axes.names[row] for row in order], say)
    cells = [
        [
            {"colour": colour(float(correlation[a, b])), "value": f"{correlation[a, b]:+.2f}"}
            if np.isfinite(correlation[a, b])
            else {"colour": "transparent", "value": say("not measured")}
            for b in order
        ]
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


def _distributions(workspace: Workspace, face: Face | None, say: Language) -> list[Distribution | None]:
    """Of every feature; none where no sample has been measured."""
    features = workspace.axes.features
    parts = [values for _, values in workspace.samples.read_arrays()]
    if not parts:
        return [None] * len(features)
    measured = None if face is None else face.measured()
    found: list[Distribution | None] = []
    for feature, values in zip(features, np.concatenate(parts).T, strict=True):
        shares, edges = histogram(feature, values)
        heights = HISTOGRAM_HEIGHT * (1 - shares / shares.max())
        places = np.linspace(0, HISTOGRAM_WIDTH, len(edges))
        bars = "".join(f"V{y:.1f}H{x:.0f}" for y, x in zip(heights, places[1:], strict=True))
        low, high = (
            f"{end:.0%}" if feature.kind == "probability" else f"{end:.3g} {say.feature(feature.unit)}".strip()
            for end in edges[[0, -1]]
        )
        one = Distribution(f"M0 {HISTOGRAM_HEIGHT}{bars}V{HISTOGRAM_HEIGHT}Z", low, high)
        if measured is not None:
            value = measured[feature.name]
            place = float(np.interp(value, edges, places))
            one = replace(one, mark=place, marked=f"{value:.0%}" if feature.kind == "probability" else f"{value:.3g}")
        found.append(one)
    return found


def _curve(curve: LearningCurve) -> dict[str, Any] | None:
    """The learning curve as polylines of an SVG: each feature's, and the mean; R² from 0 to 1, samples by doublings."""
    if len(curve.samples) < 2:
        return None
    places = np.log2(curve.samples / curve.samples[0])
    x = CURVE_WIDTH * places / places[-1]

    def line(r2: np.ndarray) -> str:
        return " ".join(f"{a:.1f},{CURVE_HEIGHT * (1 - b):.1f}" for a, b in zip(x, np.clip(r2, 0, 1), strict=True))

    means = curve.r2.mean(axis=1)
    return {
        "size": (CURVE_WIDTH, CURVE_HEIGHT),
        "features": [line(r2) for r2 in curve.r2.T],
        "mean": line(means),
        "ticks": list(zip(x.tolist(), curve.samples.tolist(), means.tolist(), strict=True)),
    }


def _axis_row(axes: Axes, row: int, distribution: Distribution | None, strips: list[str], say: Language) -> AxisRow:
    feature = axes.features[row]
    half = None if axes.r2_interval is None else np.ptp(axes.r2_interval[row]) / 2
    return AxisRow(
        name=feature.name,
        label=say.feature(feature.label or feature.name),
        low=say.feature(feature.low),
        high=say.feature(feature.high),
        group=say.feature(feature.group),
        weak=bool(axes.weak[row]),
        r2=float(axes.r2[row]),
        r2_half=None if half is None or np.isnan(half) else float(half),
        auc=None if np.isnan(axes.auc[row]) else float(axes.auc[row]),
        agreement=float(axes.agreement[row]),
        population=_population(axes, row, say),
        ties=_ties(axes, row, say),
        distribution=distribution,
        strips=strips,
    )


def _population(axes: Axes, row: int, say: Language) -> str:
    """The middle of the population and where 95 % of it lie, in natural units."""
    feature = axes.features[row]
    low, middle, high = (
        axes.values(np.full(len(axes.features), _place(axes, row, level)))[row] for level in (0.025, 0.5, 0.975)
    )
    if feature.kind == "probability":
        return say("{0} ({1} to {2})", f"{middle:.0%}", f"{low:.0%}", f"{high:.0%}")
    told = say("{0} ({1} to {2})", f"{middle:.3g}", f"{low:.3g}", f"{high:.3g}")
    return f"{told} {say.feature(feature.unit)}".strip()


def _place(axes: Axes, row: int, level: float) -> float:
    column = int(np.argmin(np.abs(axes.quantile_levels - level)))
    return float((axes.quantiles[row, column] - axes.mean[row]) / axes.sd[row])


def _ties(axes: Axes, row: int, say: Language) -> str:
    """The three features that this one goes together with most in the generator's population."""
    tied = np.abs(axes.correlation[row]).copy()
    tied[row] = -1
    best = np.argsort(-tied)[:3]
    found = [b for b in best if tied[b] >= 0.2]
    names = _labels(axes, [axes.names[b] for b in found], say)
    return say(", ").join(f"{name} {axes.correlation[row, b]:+.2f}" for name, b in zip(names, found, strict=True))


def _labels(axes: Axes, names: Iterable[str], say: Language) -> list[str]:
    return [say.feature(axes.features[row].label or axes.names[row]) for row in axes.indices(list(names))]
