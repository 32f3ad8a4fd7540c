"""What a person asks of one face, as a plain value.

An `Edit` is a starting latent, a list of wishes, and the latent that these were resolved to, where they were. It holds
no picture and no network, so it can be undone, compared, sent over a wire or written into a file; everything else is
derived from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

#: Weight of soft locks that hold everything else. With forty hard ones a third of what is asked can be had, by moves many times as
#: long, since features go together; these grant all of it. Heavier ones make moves longer for no less drift (benchmarks/locks.py).
HOLD = 4.0

_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Reached:
    """The latent that an edit was resolved to: its picture is the picture of the edit, wherever it is painted.

    ``latent``: float32 [d], or [layers, d] where each layer of the generator has its own; ``quality``: "live" or "final",
    see `resolve`; ``by``: how it was found, "axes" (one linear solve), "gradients" (of generator and extractor) or
    "looks" (slopes learned from pictures alone).
    """

    latent: np.ndarray
    quality: str = "final"
    by: str = "axes"


@dataclass(frozen=True, eq=False)
class Edit:
    """A start and what is asked of it.

    ``latent``: float32 [d], the face as it was; ``asked``: wanted change of each moved feature, in standard
    deviations of that feature over the population, counted from the start; ``locks``: features that must not
    change; ``soft``: features that should not, each with a weight: a drift of one sd costs as much as moving the
    latent by sqrt(weight) of its sd; ``exact``: look at the picture and correct, instead of trusting the axes;
    ``identity``: in exact mode, keep who it is too; ``seed``: which draw the start was, where it was one; ``reached``:
    what all of this was resolved to, where it was. Every change of the wishes drops it.
    """

    latent: np.ndarray
    asked: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    locks: frozenset[str] = frozenset()
    soft: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    exact: bool = False
    identity: bool = False
    seed: int | None = None
    reached: Reached | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """The start and the wishes as a value that can be compared and looked up."""
        asked, soft = frozenset(self.asked.items()), frozenset(self.soft.items())
        return self.latent.tobytes(), asked, self.locks, soft, self.identity

    def ask(self, changes: Mapping[str, float]) -> Edit:
        """The same face with further wishes; a wish replaces an earlier one for the same feature, 0 takes it back."""
        asked = {**self.asked, **{name: float(value) for name, value in changes.items()}}
        return self.changed(asked={name: value for name, value in asked.items() if value != 0.0})

    def lock(self, names: Iterable[str], weight: float | None = None) -> Edit:
        """The same face with further locks: constraints, or soft ones of a `weight` over 0."""
        names = frozenset(names)
        if weight is None:
            return self.changed(locks=self.locks | names, soft=_without(self.soft, names))
        return self.changed(locks=self.locks - names, soft={**self.soft, **dict.fromkeys(names, float(weight))})

    def unlock(self, names: Iterable[str]) -> Edit:
        """The same face with some locks taken off, hard or soft."""
        names = frozenset(names)
        return self.changed(locks=self.locks - names, soft=_without(self.soft, names))

    def changed(self, **wishes: Any) -> Edit:
        """The same face with other fields; what was reached stays only where they are what they were."""
        same = all(_plain(getattr(self, name)) == _plain(wish) for name, wish in wishes.items())
        return self if same else replace(self, **wishes, reached=None)


def stacked(latents: Sequence[np.ndarray]) -> np.ndarray:
    """Latents [d] as [n, d]; as [n, layers, d] where one of them is [layers, d], the others being the same in every layer."""
    return np.stack(np.broadcast_arrays(*latents)).astype(np.float32)


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


def _without(soft: Mapping[str, float], names: frozenset[str]) -> Mapping[str, float]:
    return {name: weight for name, weight in soft.items() if name not in names}
