"""Weights as they act: spectrally normalised ones divided by their largest singular value (Miyato et al., 2018).

Two ways are in use. torch keeps `weight_orig` and both vectors of its power iteration; ajbrock's BigGAN keeps `weight`
and `u0`, and makes one step of the iteration whenever it paints.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tlgan.generators.blueprint import Blueprint

_EPSILON = 1e-12


def effective_weight(blueprint: Blueprint, layer: str) -> Tensor:
    """The weight of `layer`, [out, in, ...], divided by its singular value where the file keeps what tells it."""
    if blueprint.has(f"{layer}.weight_orig"):
        weight = _loaded(blueprint, f"{layer}.weight_orig")
        u, v = (blueprint.load(f"{layer}.weight_{part}", None) for part in "uv")
        return weight / torch.dot(u, weight.flatten(1) @ v)
    weight = _loaded(blueprint, f"{layer}.weight")
    if not blueprint.has(f"{layer}.u0"):
        return weight
    matrix = weight.flatten(1)
    v = normalize(blueprint.load(f"{layer}.u0", 1, matrix.shape[0]) @ matrix, eps=_EPSILON)
    u = normalize(v @ matrix.t(), eps=_EPSILON)
    return weight / (v @ matrix.t() @ u.t()).squeeze()


def effective_shape(blueprint: Blueprint, layer: str) -> tuple[int, ...]:
    """Its shape, without loading it."""
    name = f"{layer}.weight_orig"
    return blueprint.shape(name if blueprint.has(name) else f"{layer}.weight")


def _loaded(blueprint: Blueprint, name: str) -> Tensor:
    return blueprint.load(name, *(None for _ in blueprint.shape(name)))
