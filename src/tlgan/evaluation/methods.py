"""The ways of moving one feature and keeping the others that are compared with one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

import tlgan
from tlgan.editing import Canvas, Edit, resolve_all, solve
from tlgan.editing.edit import HOLD


@dataclass(frozen=True)
class Method:
    """``locks``: what is locked besides the moved feature: nothing, the base axes, or all features evaluated;
    ``quality`` of exact mode as in `resolve`, "" to trust the axes; ``identity``: kept by embedding too; ``weight``: of the
    locks, where they are soft."""

    name: str
    words: str
    locks: Literal["none", "base", "others"]
    quality: str = ""
    identity: bool = False
    weight: float | None = None

    @property
    def key(self) -> str:
        """All that its edits depend on besides canvas, starts and asks; "" of a subclass, which may do anything."""
        return (
            f"{self.locks} {self.quality} {self.identity} {self.weight} {tlgan.__version__}"
            if type(self) is Method
            else ""
        )

    def latents(
        self, canvas: Canvas, starts: np.ndarray, name: str, asks: np.ndarray, others: Sequence[str]
    ) -> np.ndarray:
        """Edited latents float32 [n, d] of `starts` [n, d], feature `name` asked to change by `asks` [n] sd."""
        # Without locks, not even the base axes hold anything: this is what is "before conditioning".
        axes = canvas.axes if self.locks != "none" else replace(canvas.axes, base=())
        locks = frozenset(others) - {name} if self.locks == "others" else frozenset()
        edits = [
            Edit(start, asked={name: float(ask)}, exact=bool(self.quality), identity=self.identity).lock(
                locks, self.weight
            )
            for start, ask in zip(starts, asks, strict=True)
        ]
        if not self.quality:
            return np.stack([solve(axes, edit).latent for edit in edits])
        return np.stack([solution.latent for solution in resolve_all(canvas, edits, self.quality)])


PLAIN = Method("plain", "the axis as it is, before conditioning", "none")
CONDITIONED = Method("conditioned", "the axis kept clear of the base axes", "base")
JOINT = Method("joint", "one linear solve with all others locked", "others")
SOFT = Method("soft", "one linear solve with all others softly locked", "others", weight=HOLD)
EXACT = Method("exact", "look and correct, all others locked, as files are made", "others", "final")
EXACT_LIVE = Method("exact-live", "the same as the studio shows it while somebody waits", "others", "live")
EXACT_QUICK = Method("exact-quick", "the same without gradients, as data sets are made", "others", "quick")
EXACT_IDENTITY = Method(
    "exact-identity", "exact, all others locked and the identity kept", "others", "final", identity=True
)

#: Those that ship, by name; `tlgan.hooks.EVALUATION_METHODS` knows those of packages too.
METHODS = {
    method.name: method for method in (PLAIN, CONDITIONED, JOINT, SOFT, EXACT, EXACT_LIVE, EXACT_QUICK, EXACT_IDENTITY)
}
