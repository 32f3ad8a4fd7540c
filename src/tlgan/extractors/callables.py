"""A user's own function or network as an extractor.

Nothing has to be declared: one look at two grey pictures tells how many numbers come out, and a mapping names
them itself. What is declared (names, kinds, words for a slider) is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from tlgan.errors import TlganError

from .base import Extractor, Feature
from .images import prepare

Kind = Literal["probability", "quantity"]
_PROBE_SIDE = 64


class CallableExtractor(Extractor):
    """An extractor around a function from pictures [n, 3, H, W] in [-1, 1] to [n, f], or to a mapping name -> [n]."""

    def __init__(
        self, function: Callable[[Tensor], Any], features: tuple[Feature, ...], name: str, input_size: int | None
    ) -> None:
        self.function = function
        self.features = features
        self.name = name
        self.input_size = input_size

    def _forward(self, images: Tensor) -> Tensor:
        names = [feature.name for feature in self.features]
        return _as_table(self.function(prepare(images, self.input_size)), len(images), names, self.name)


class ModuleExtractor(CallableExtractor):
    """The same around a ``torch.nn.Module``, which can be differentiated."""

    differentiable = True

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, f], differentiable: the logit of each probability, each quantity in its unit."""
        values = self._forward(images)
        probability = torch.tensor([feature.kind == "probability" for feature in self.features])
        return torch.where(probability, torch.logit(values, eps=1e-6), values)


def wrap_callable(
    function: Callable[[Tensor], Any],
    *,
    name: str | None = None,
    features: Sequence[Feature | str] | None = None,
    kind: Kind = "quantity",
    input_size: int | None = None,
) -> CallableExtractor:
    """Make an extractor of ``function``: pictures [n, 3, H, W] in [-1, 1] -> [n, f], [n], or a mapping name -> [n].

    ``features`` names the columns (or describes them, as :class:`Feature`); without it the function's own
    ``features`` attribute, a mapping's keys or ``<name>_0`` ... serve. ``kind`` is that of every feature given by
    name alone; ``name`` is the function's own where none is given. Raises :class:`TlganError` where a look at two
    pictures gives none of these.
    """
    if name is None:
        name = _snake_case(getattr(function, "__name__", type(function).__name__))
    if isinstance(function, nn.Module):
        function.eval()
    side = input_size or _PROBE_SIDE
    with torch.no_grad():
        probe = function(torch.zeros(2, 3, side, side))
    declared = features if features is not None else getattr(function, "features", None)
    if not isinstance(declared, (list, tuple)):  # a network's `features` may be a layer
        declared = list(probe) if isinstance(probe, Mapping) else None
    if declared is None:
        width = _as_table(probe, 2, None, name).shape[1]
        stem = _snake_case(name)
        declared = [stem] if width == 1 else [f"{stem}_{column}" for column in range(width)]
    described = tuple(f if isinstance(f, Feature) else Feature(f, kind, label=_readable(f)) for f in declared)
    if len({feature.name for feature in described}) != len(described):
        raise TlganError(f"extractor {name!r} names a feature twice: {', '.join(f.name for f in described)}")
    _as_table(probe, 2, [feature.name for feature in described], name)
    wrapper = ModuleExtractor if isinstance(function, nn.Module) else CallableExtractor
    return wrapper(function, described, name, input_size)


def _as_table(values: Any, n: int, names: Sequence[str] | None, name: str) -> Tensor:
    """[n, f] from what a function returned; columns of a mapping in the order of ``names``."""
    if isinstance(values, Mapping):
        wanted = list(values) if names is None else list(names)
        missing = [column for column in wanted if column not in values]
        if missing or not wanted:
            raise TlganError(f"extractor {name!r} gave no {', '.join(missing) or 'values'}: it gave {list(values)}")
        return torch.cat([_as_table(values[column], n, [column], name) for column in wanted], dim=1)
    if isinstance(values, np.ndarray):
        values = torch.from_numpy(values)
    if isinstance(values, Tensor) and values.ndim == 1:
        values = values[:, None]
    expected = f"[{n}, {len(names) if names is not None else 'f'}]"
    if not isinstance(values, Tensor):
        raise TlganError(f"extractor {name!r} gave {type(values).__name__}: expected a tensor or array {expected}")
    if values.ndim != 2 or len(values) != n or (names is not None and values.shape[1] != len(names)):
        raise TlganError(f"extractor {name!r} gave shape {list(values.shape)} for {n} pictures: expected {expected}")
    return values.float()


def _snake_case(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"\W+", "_", words).strip("_").lower() or "callable"


def _readable(name: str) -> str:
    return name.replace("_", " ").capitalize()
