"""One way from an edit to its latent, whoever asks: Python, command line, studio, published page and evaluation.

A plain edit is one linear solve. An exact edit looks at pictures and corrects, at small ones
where the generator has a head for them, and how often is its *quality*. An edit
that holds a reached latent is resolved already: nothing is computed, and nothing is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tlgan.errors import TlganError

from .canvas import Canvas
from .edit import Edit, Reached, stacked
from .exact import MAX_LOOKS, refine_all
from .solve import Solution, promised, solve


@dataclass(frozen=True)
class Quality:
    """What an exact edit may cost: ``looks`` at pictures, of which at most ``gradients`` take gradients."""

    looks: int
    gradients: int


#: "live" answers while somebody waits in front of a slider; "final" is what files are made of; "quick" is for thousands of
#: pictures, each of which is verified afterwards: no gradients, which with forty locks cost ten times as much as the looks.
QUALITIES = {
    "live": Quality(looks=3, gradients=1),
    "final": Quality(looks=6, gradients=MAX_LOOKS),
    "quick": Quality(looks=5, gradients=0),
}


def resolve(canvas: Canvas, edit: Edit, quality: str = "final") -> Solution:
    """The latent that an edit leads to, and what it stands for.

    Raises TlganError for an unknown feature or quality, and where the identity is to be kept and the networks have no
    gradients or no embedding.
    """
    return resolve_all(canvas, [edit], quality)[0]


def resolve_all(canvas: Canvas, edits: Sequence[Edit], quality: str = "final") -> list[Solution]:
    """`resolve` for many edits; exact ones that move and lock the same features share their looks."""
    effort, canvas = quality_named(quality), canvas.small
    looked = [edit for edit in edits if needs_looks(edit)]
    refined = iter(refine_all(canvas, looked, effort.looks, gradients=effort.gradients))
    return [next(refined) if needs_looks(edit) else _at_once(canvas, edit) for edit in edits]


def needs_looks(edit: Edit) -> bool:
    """Whether networks have to look at pictures before it is known where this edit leads."""
    return edit.exact and edit.reached is None and any(edit.asked.values())


def resolved(edit: Edit, solution: Solution, quality: str = "final") -> Edit:
    """The edit with what it was resolved to at that quality."""
    return edit if edit.reached else replace(edit, reached=Reached(solution.latent, quality, solution.by))


def path(
    canvas: Canvas, edit: Edit, name: str, asks: Sequence[float] | np.ndarray, quality: str = "final"
) -> np.ndarray:
    """Latents float32 [n, d] of an edit with feature `name` asked to change by each of `asks` [n] sd, its other wishes
    kept: each is where `resolve` leads with the slider there."""
    return stacked([s.latent for s in resolve_all(canvas, [edit.ask({name: float(ask)}) for ask in asks], quality)])


def quality_named(name: str) -> Quality:
    """The quality of that name. Raises TlganError for an unknown one."""
    if name not in QUALITIES:
        raise TlganError(f"unknown quality {name!r}: expected {' or '.join(QUALITIES)}")
    return QUALITIES[name]


def _at_once(canvas: Canvas, edit: Edit) -> Solution:
    if edit.reached is None:
        return solve(canvas.axes, edit)
    return promised(canvas.axes, edit, edit.reached.latent, edit.reached.by)
