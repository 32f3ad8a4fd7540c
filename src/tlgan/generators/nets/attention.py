"""Attention as lucidrains' two packages have it: linear in the number of pixels, and in one of them over neighbours too.

Queries, keys and values have heads of 64 channels. Linear attention (Shen et al., 2021, "Efficient attention") normalises queries over
their channels and keys over the pixels, so that keys and values are summed before a query asks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.blueprint import Blueprint

_HEAD = 64
_EPSILON = 1e-5
Layer = Callable[[Tensor], Tensor]


def read_attention(blueprint: Blueprint, name: str, device: str) -> Layer:
    """Attention [n, c, h, w] -> [n, c, h, w] behind a normalisation of each pixel's channels; without the residual."""

    def load(leaf: str) -> Tensor:
        key = f"{name}.{leaf}"
        return blueprint.load(key, *(None for _ in blueprint.shape(key))).to(device)

    near = blueprint.has(f"{name}.fn.to_lin_q.weight")
    linear = "to_lin_" if near else "to_"
    norm = _channel_norm(load("norm.g"), load("norm.b"))
    query, spread, mix = (load(f"fn.{linear}{leaf}.weight") for leaf in ("q", "kv.net.0", "kv.net.1"))
    out, out_bias = load("fn.to_out.weight"), load("fn.to_out.bias")
    if len(query) % _HEAD or len(mix) != 2 * len(query):
        raise TlganError(f"tensor {name} has {len(query)} queries for {len(mix)} keys and values: expected heads of 64")
    near_query, near_both = (load("fn.to_q.weight"), load("fn.to_kv.weight")) if near else (None, None)

    def layer(x: Tensor) -> Tensor:
        x = norm(x)
        n, _, height, width = x.shape
        keys, values = F.conv2d(F.conv2d(x, spread, padding=1, groups=len(spread)), mix).chunk(2, dim=1)
        q, k, v = (part.reshape(-1, _HEAD, height * width) for part in (F.conv2d(x, query), keys, values))
        context = v @ k.softmax(dim=2).transpose(1, 2)  # [heads, values, keys]
        found = F.gelu((context @ q.softmax(dim=1)) * _HEAD**-0.5).view(n, -1, height, width)
        if near_query is not None and near_both is not None:
            found = torch.cat([found, _among_neighbours(x, near_query, near_both)], dim=1)
        given: Tensor = F.conv2d(found, out, out_bias)
        return given

    return layer


def _among_neighbours(x: Tensor, query: Tensor, both: Tensor) -> Tensor:
    """Each pixel attends to the nine around it; beyond the border lie keys and values of zero."""
    n, _, height, width = x.shape
    q, keys_values = F.conv2d(x, query), F.conv2d(x, both)
    k, v = (
        F.unfold(part, 3, padding=1).view(n, -1, _HEAD, 9, height * width) for part in keys_values.chunk(2, dim=1)
    )  # [n, heads, channels, neighbours, pixels]
    q = q.view(n, -1, _HEAD, 1, height * width) * _HEAD**-0.5
    weights = (q * k).sum(dim=2, keepdim=True).softmax(dim=3)
    mixed: Tensor = (weights * v).sum(dim=3)
    return mixed.reshape(n, -1, height, width)


def read_attention_and_mlp(blueprint: Blueprint, name: str, device: str) -> Layer:
    """Attention, then two convolutions of one pixel, each added to what it was given."""
    attention = read_attention(blueprint, f"{name}.0.fn", device)
    parts = [
        f"{name}.1.fn.{leaf}" for leaf in ("fn.0.weight", "fn.0.bias", "fn.2.weight", "fn.2.bias", "norm.g", "norm.b")
    ]
    first, first_bias, second, second_bias, gain, shift = (
        blueprint.load(part, *(None for _ in blueprint.shape(part))).to(device) for part in parts
    )
    norm = _channel_norm(gain, shift)

    def layer(x: Tensor) -> Tensor:
        x = x + attention(x)
        return x + F.conv2d(F.leaky_relu(F.conv2d(norm(x), first, first_bias), 0.2), second, second_bias)

    return layer


def _channel_norm(gain: Tensor, shift: Tensor) -> Layer:
    def norm(x: Tensor) -> Tensor:
        x = x - x.mean(dim=1, keepdim=True)
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + _EPSILON) * gain + shift

    return norm
