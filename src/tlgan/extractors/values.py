"""Checks of an extractor's output before anything is fitted to it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tlgan.errors import TlganError

from .base import Feature

# Rounding in half precision may put a probability this far outside [0, 1].
_TOLERANCE = 2e-3


def check_values(values: object, n: int, features: Sequence[Feature], name: str) -> Tensor:
    """Float32 [n, len(features)] with probabilities clipped to [0, 1].

    Raises :class:`TlganError` for another shape, for NaN or infinity, and for a "probability" outside [0, 1].
    """
    if not isinstance(values, Tensor):
        raise TlganError(f"extractor {name!r} gave {type(values).__name__}: expected a tensor [n, {len(features)}]")
    if values.shape != (n, len(features)):
        raise TlganError(f"extractor {name!r} gave shape {list(values.shape)}: expected [{n}, {len(features)}]")
    values = values.detach().to("cpu", torch.float32, copy=True)
    bad = ~torch.isfinite(values)
    if bad.any():
        row, column = (int(i) for i in torch.nonzero(bad)[0])
        raise TlganError(
            f"extractor {name!r} gave {float(values[row, column])} for {features[column].name!r} of picture {row} "
            f"({int(bad.sum())} such values in {n} pictures): expected finite numbers"
        )
    for column, feature in enumerate(features):
        if feature.kind == "probability":
            low, high = (float(bound) for bound in values[:, column].aminmax()) if n else (0.0, 0.0)
            if low < -_TOLERANCE or high > 1 + _TOLERANCE:
                raise TlganError(
                    f"extractor {name!r} gave {low if low < 0 else high:g} for {feature.name!r}: a probability lies in "
                    "[0, 1]; declare it a quantity, or apply the sigmoid"
                )
            values[:, column].clamp_(0.0, 1.0)
    return values
