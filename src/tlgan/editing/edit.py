"""What a person asks of one face, as a plain value.

An `Edit` is a starting latent and a list of wishes. It holds no picture and no network, so it can be undone,
compared, sent over a wire or written into a file; everything else is derived from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Edit:
    """A start and what is asked of it.

    ``latent``: float32 [d], the face as it was; ``asked``: wanted change of each moved feature, in standard
    deviations of that feature over the population, counted from the start; ``locks``: features that must not
    change; ``soft``: features that should not, each with a weight: a drift of one sd costs as much as moving the
    latent by sqrt(weight) of its sd; ``exact``: look at the picture and correct, instead of trusting the axes;
    ``identity``: in exact mode, keep who it is too; ``seed``: which draw the start was, where it was one.
    """

    latent: np.ndarray
    asked: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    locks: frozenset[str] = frozenset()
    soft: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    exact: bool = False
    identity: bool = False
    seed: int | None = None

    def ask(self, changes: Mapping[str, float]) -> Edit:
        """The same face with further wishes; a wish replaces an earlier one for the same feature, 0 takes it back."""
        asked = {**self.asked, **{name: float(value) for name, value in changes.items()}}
        return replace(self, asked={name: value for name, value in asked.items() if value != 0.0})

    def lock(self, names: Iterable[str], weight: float | None = None) -> Edit:
        """The same face with further locks: constraints, or soft ones of a `weight` over 0."""
        names = frozenset(names)
        if weight is None:
            return replace(self, locks=self.locks | names, soft=_without(self.soft, names))
        return replace(self, locks=self.locks - names, soft={**self.soft, **dict.fromkeys(names, float(weight))})

    def unlock(self, names: Iterable[str]) -> Edit:
        """The same face with some locks taken off, hard or soft."""
        names = frozenset(names)
        return replace(self, locks=self.locks - names, soft=_without(self.soft, names))


def _without(soft: Mapping[str, float], names: frozenset[str]) -> Mapping[str, float]:
    return {name: weight for name, weight in soft.items() if name not in names}
