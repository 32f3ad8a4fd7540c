"""The ways of moving one feature and keeping the others that are compared with one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tlgan.editing import Canvas, Edit, refine_all, solve
from tlgan.errors import TlganError


@dataclass(frozen=True)
class Method:
    """``locks``: what is locked besides the moved feature: nothing, the base axes, or all features evaluated;
    ``looks`` of exact mode, 0 to trust the axes; ``identity``: kept by embedding too; ``gradients``: at most so many of
    the looks take them."""

    name: str
    words: str
    locks: Literal["none", "base", "others"]
    looks: int = 0
    identity: bool = False
    gradients: int = 64

    def latents(
        self, canvas: Canvas, starts: np.ndarray, name: str, asks: np.ndarray, others: Sequence[str]
    ) -> np.ndarray:
        """Edited latents float32 [n, d] of `starts` [n, d], feature `name` asked to change by `asks` [n] sd."""
        # Without locks, not even the base axes hold anything: this is what is "before conditioning".
        axes = canvas.axes if self.locks != "none" else replace(canvas.axes, base=())
        locks = frozenset(others) - {name} if self.locks == "others" else frozenset()
        edits = [
            Edit(start, asked={name: float(ask)}, locks=locks, exact=self.looks > 0, identity=self.identity)
            for start, ask in zip(starts, asks, strict=True)
        ]
        if not self.looks:
            return np.stack([solve(axes, edit).latent for edit in edits])
        return np.stack(
            [solution.latent for solution in refine_all(canvas, edits, self.looks, gradients=self.gradients)]
        )


METHODS = {
    method.name: method
    for method in (
        Method("plain", "the axis as it is, before conditioning", "none"),
        Method("conditioned", "the axis kept clear of the base axes", "base"),
        Method("joint", "one linear solve with all others locked", "others"),
        Method("exact", "look and correct, 3 looks, all others locked", "others", looks=3),
        Method("exact-fast", "3 looks with one gradient, as the studio does", "others", looks=3, gradients=1),
        Method("exact-8", "the same with 8 looks", "others", looks=8),
        Method("exact-identity", "3 looks, all others locked and the identity kept", "others", looks=3, identity=True),
    )
}


def method_named(name: str) -> Method:
    """The method of that name. Raises TlganError for an unknown one."""
    if name not in METHODS:
        raise TlganError(f"unknown method {name!r}: expected one of {', '.join(METHODS)}")
    return METHODS[name]
