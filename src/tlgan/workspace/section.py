"""The part of `report.html` that shows an evaluation: figures, matrices, and the same faces by every method."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.editing.claims import claim_of
from tlgan.evaluation.evaluate import SEED, SHOWN
from tlgan.evaluation.scores import Evaluation, MethodScore
from tlgan.hooks import EVALUATION_METHODS
from tlgan.io.pixels import scaled
from tlgan.languages import ENGLISH, Language
from tlgan.provenance import Claim, encode

if TYPE_CHECKING:
    from jinja2 import Environment

    from tlgan.editing import Canvas

LARGEST = 192  # pixels of one picture: a report of hundreds of them should still open
#: A change that is painted in full colour, in sd.
FULL = 1.5
#: Size of the chart of attribute dependency, pixels, and what its sides mean, sd.
CHART_WIDTH, CHART_HEIGHT = 420, 240
CHART_SPAN, CHART_RISE = 3.0, 1.5
INKS = ("#8a8f94", "#2b6cb0", "#0f9d78", "#d9730d", "#8e44ad", "#c0392b")


@dataclass(frozen=True)
class Line:
    """A method in the chart of attribute dependency."""

    method: str
    ink: str
    points: str


@dataclass(frozen=True)
class Strip:
    """One slider: for each face, pictures as data: URLs, before and by each method."""

    label: str
    pictures: list[list[str]]


def environment(say: Language, room: str = "tlgan.workspace") -> Environment:
    """The templates of a room, whose texts `_` puts into a language; N_ marks a text that is put into it later."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    found = Environment(loader=PackageLoader(room), autoescape=select_autoescape(default=True))
    found.globals |= {"_": say, "N_": str}
    return found


def evaluation_section(
    canvas: Canvas,
    evaluation: Evaluation,
    edits: Mapping[str, np.ndarray] | None = None,
    say: Language = ENGLISH,
) -> dict[str, Any]:
    """What the template needs: the evaluation, matrices by method, the chart's lines, and pictures: of ``edits``, latents
    [len(SHOWN), k, ...] by method's name, or as the methods that the hook knows by name make them."""
    labels = [
        say.feature(canvas.axes.features[row].label or canvas.axes.names[row])
        for row in canvas.axes.indices(evaluation.features)
    ]
    names = [score.method for score in evaluation.methods]
    starts = canvas.sample(max(SHOWN) + 1, seed=SEED)[list(SHOWN)]
    if edits is None:
        edits = {name: _edited(canvas, evaluation, starts, name) for name in names if name in EVALUATION_METHODS}
    known = [name for name in names if name in edits]
    return {
        "evaluation": evaluation,
        "shown": known,
        "unknown": [name for name in names if name not in known],
        "more": list(dict.fromkeys(name for score in evaluation.methods for name in score.more)),
        "labels": labels,
        "matrices": [(score, _matrix(score, say)) for score in evaluation.methods],
        "lines": [_line(score, ink) for score, ink in zip(evaluation.methods, itertools.cycle(INKS), strict=False)],
        "chart": (CHART_WIDTH, CHART_HEIGHT, CHART_SPAN, CHART_RISE),
        "strips": _strips(canvas, starts, labels, [edits[name] for name in known]),
    }


def _matrix(score: MethodScore, say: Language) -> list[list[dict[str, str]]]:
    """Rows: slider moved; columns: feature changed. Colour by mean change in sd of what was asked."""
    return [
        [
            {
                "colour": colour(mean / FULL),
                "value": say(
                    "{0} sd on average, {1} either way; {2} of probability",
                    f"{mean:+.2f}",
                    f"{size:.2f}",
                    f"{natural:+.0%}",
                ),
            }
            for mean, size, natural in zip(slider.signed, slider.effects, slider.rescored, strict=True)
        ]
        for slider in score.sliders
    ]


def _line(score: MethodScore, ink: str) -> Line:
    points = [
        f"{entry.change / CHART_SPAN * CHART_WIDTH:.0f},{(1 - min(entry.others / CHART_RISE, 1)) * CHART_HEIGHT:.0f}"
        for entry in score.dependency
    ]
    return Line(score.method, ink, " ".join(points))


def _edited(canvas: Canvas, evaluation: Evaluation, starts: np.ndarray, name: str) -> np.ndarray:
    method, asks = EVALUATION_METHODS.get(name), np.full(len(starts), evaluation.amount)
    features = evaluation.features
    return np.stack([method.latents(canvas, starts, feature, asks, features) for feature in features], axis=1)


def _strips(canvas: Canvas, starts: np.ndarray, labels: list[str], edits: list[np.ndarray]) -> list[Strip]:
    claim = claim_of(canvas)
    before = [data_url(small(picture), claim) for picture in canvas.paint(starts)] if edits else []
    strips = []
    for k, label in enumerate(labels if edits else []):
        painted = [canvas.paint(latents[:, k]) for latents in edits]
        strips.append(
            Strip(label, [[before[n], *(data_url(small(p[n]), claim) for p in painted)] for n in range(len(starts))])
        )
    return strips


def colour(value: float) -> str:
    """Blue for -1, the page's paper for 0, orange for +1."""
    strength = min(abs(value), 1.0) * 100
    return f"color-mix(in oklab, {'#d9730d' if value > 0 else '#2b6cb0'} {strength:.0f}%, var(--paper))"


def small(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 [H, W, 3] at most `LARGEST` pixels a side."""
    return scaled(picture, LARGEST) if max(picture.shape[:2]) > LARGEST else picture


def data_url(picture: np.ndarray, claim: Claim) -> str:
    """A picture uint8 [H, W, 3] as a data: URL (WebP)."""
    # a report holds hundreds: no effort on bytes
    content = encode(picture, claim, "WEBP", sign=False, quality=90, method=1)
    return "data:image/webp;base64," + base64.b64encode(content).decode()
