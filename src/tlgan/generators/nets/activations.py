"""Bias, nonlinearity, gain and clamp in one: the step after every layer of a StyleGAN, with its table of gains."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

# name -> (function, gain that keeps a unit variance)
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "linear": (lambda x: x, 1.0),
    "relu": (F.relu, math.sqrt(2)),
    "lrelu": (lambda x: F.leaky_relu(x, 0.2), math.sqrt(2)),
    "tanh": (lambda x: x.tanh(), 1.0),
    "sigmoid": (lambda x: x.sigmoid(), 1.0),
    "elu": (F.elu, 1.0),
    "selu": (F.selu, 1.0),
    "softplus": (F.softplus, 1.0),
    "swish": (lambda x: x * x.sigmoid(), math.sqrt(2)),
}


def bias_act(
    x: Tensor, bias: Tensor | None, activation: str, gain: float | None = None, clamp: float | None = None
) -> Tensor:
    """act(x + bias) * gain, kept within [-clamp, clamp]; x is [n, c] or [n, c, h, w]."""
    function, default = ACTIVATIONS[activation]
    if bias is not None:
        x = x + bias.view(1, -1, *[1] * (x.ndim - 2))
    x = function(x)
    gain = default if gain is None else gain
    if gain != 1.0:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)
