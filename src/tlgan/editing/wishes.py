"""Read wishes as a person types them: `smiling=+2`, `age=60y`, `eyeglasses=90%`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from tlgan.axes import Axes
from tlgan.errors import TlganError

_WISH = re.compile(r"([^=\s]+)=([+-]?(?:\d+\.?\d*|\.\d+))\s*(%|[^\W\d_]*)")


def parse_wishes(words: Iterable[str], axes: Axes) -> tuple[dict[str, float], dict[str, float]]:
    """Changes in standard deviations, and targets in natural units, from words like those above.

    A plain number is a change from the face as it is, in sd; a number with a unit (the feature's own, or its first
    letter) or with % is the value wanted. Raises TlganError for anything else.
    """
    changes: dict[str, float] = {}
    targets: dict[str, float] = {}
    for word in (part for given in words for part in given.split(",") if part):
        match = _WISH.fullmatch(word.strip())
        if match is None:
            raise TlganError(f"{word!r} is not a wish: expected feature=change, like smiling=+2, age=60y or male=90%")
        name, number, unit = match.group(1), float(match.group(2)), match.group(3)
        feature = axes.features[axes.index(name)]
        if name in changes or name in targets:
            raise TlganError(f"{name!r} is asked for twice: give each feature once")
        if not math.isfinite(number) or abs(number) > 1e6:
            raise TlganError(f"{word!r} asks for more than anything can be: give a number of a few standard deviations")
        if unit == "":
            changes[name] = number
        elif unit == "%" and feature.kind == "probability":
            if not 0 <= number <= 100:
                raise TlganError(f"{word!r} is not a probability: expected 0% to 100%")
            targets[name] = number / 100
        elif feature.kind == "quantity" and feature.unit and unit in (feature.unit, feature.unit[0]):
            targets[name] = number
        else:
            known = "%" if feature.kind == "probability" else feature.unit or "no unit"
            raise TlganError(
                f"{word!r} has unit {unit!r}, but {name} is measured in {known}: or leave the unit out for sd"
            )
    return changes, targets
