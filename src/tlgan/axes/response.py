"""The scale on which a feature is linear in the latent: the link of its GLM family.

A probability enters through its logit, a quantity as it is. "Response" below always means this scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlgan.extractors.base import EDGE

if TYPE_CHECKING:
    from tlgan.extractors import Feature

#: The same as a logit: those beyond it, to either side, count as this one.
LIMIT = math.log(1 / EDGE - 1)


def to_response(features: Sequence[Feature], values: np.ndarray) -> np.ndarray:
    """Feature values [..., f] as responses float64 [..., f]: logit of probabilities (clipped at `EDGE`)."""
    values = np.asarray(values, dtype=np.float64)
    is_probability = _probabilities(features)
    clipped = np.clip(values[..., is_probability], EDGE, 1 - EDGE)
    response = values.copy()
    response[..., is_probability] = np.log(clipped) - np.log1p(-clipped)
    return response


def from_response(features: Sequence[Feature], response: np.ndarray) -> np.ndarray:
    """The inverse of `to_response`: probabilities in [0, 1], quantities in their unit, float64 [..., f]."""
    values = np.array(response, dtype=np.float64)
    is_probability = _probabilities(features)
    values[..., is_probability] = 1 / (1 + np.exp(-np.clip(values[..., is_probability], -50, 50)))
    return values


def _probabilities(features: Sequence[Feature]) -> np.ndarray:
    return np.array([feature.kind == "probability" for feature in features], dtype=bool)
