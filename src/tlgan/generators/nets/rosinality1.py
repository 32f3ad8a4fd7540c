"""Reading the StyleGAN of rosinality's PyTorch code (`style-based-gan-pytorch`).

It differs from the official one in details: every weight is scaled by sqrt(2 / fan-in), biases are added before the
blur, instance normalisation has an epsilon of 1e-5, and noise is drawn for each picture and not kept. Its files hold layers
for 1024 px whatever size was trained: those of the sizes beyond are as they were made, with noise strengths of zero.
"""

from __future__ import annotations

import math
from typing import Any

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_LAYERS, Blueprint
from tlgan.generators.checkpoint import TensorRecord
from tlgan.generators.checkpoint.state_dicts import State, reshaped, sizes_of, taken

from .mapping import read_mapping
from .stylegan1 import StyleGAN1

_SQRT2 = math.sqrt(2)


def is_rosinality1(state: State) -> bool:
    return "style.1.linear.weight_orig" in state and any(name.startswith("generator.progression.0.") for name in state)


def read_rosinality1(state: State) -> Blueprint:
    """The blueprint of a `StyledGenerator`, cut to the sizes that were trained."""
    tensors: dict[str, TensorRecord] = {}
    # its leaky ReLU has no gain: sqrt(2) is in the weights instead, and not in the bias
    names, numbers = ("style.{}.linear.weight_orig", "style.{}.linear.bias"), range(1, 2 * MAX_LAYERS, 2)
    options = read_mapping(state, tensors, names, numbers, lambda inputs: _gain(inputs) / _SQRT2, 1 / _SQRT2)
    layers: list[dict[str, Any]] = []
    pictures: list[dict[str, Any]] = []
    trained = 1
    while f"generator.progression.{len(pictures)}.conv2.conv.weight_orig" in state and len(pictures) < 12:
        level = len(pictures)
        source = f"generator.progression.{level}"
        for part in (1, 2):
            name = f"layers.{len(layers)}"
            layer: dict[str, Any] = {"bias_before_blur": True}
            if part == 2:
                layer |= {"kind": "plain"} | _kernel(state, f"{source}.conv2.conv", name, tensors)
            elif level == 0:
                const = f"{source}.conv1.input"
                layer["kind"] = "const"
                tensors[f"{name}.const"] = reshaped(taken(state, const), *sizes_of(state, const, 4)[1:])
            else:
                fused = f"{source}.conv1.0.weight" in state
                layer["kind"] = "fused" if fused else "doubled"
                layer |= _kernel(state, f"{source}.conv1.{'0' if fused else '1.conv'}", name, tensors)
                blur = taken(state, f"{source}.conv1.{1 if fused else 2}.weight")
                if len(blur.shape) != 4:
                    raise TlganError(f"tensor {source}.conv1 has a blur of {list(blur.shape)}: expected 4 sizes")
                tensors[f"{name}.blur"] = TensorRecord(blur.storage, blur.shape[2:], blur.stride[2:], blur.offset)
            strength = taken(state, f"{source}.noise{part}.weight_orig")
            tensors[f"{name}.noise_strength"] = reshaped(strength, strength.numel)
            layer["noise_gain"] = _gain(strength.numel)
            style = f"{source}.adain{part}.style.linear"
            _, width = sizes_of(state, f"{style}.weight_orig", 2)
            tensors[f"{name}.style.weight"] = taken(state, f"{style}.weight_orig")
            tensors[f"{name}.style.bias"] = taken(state, f"{style}.bias")
            layer["style"] = {"weight_gain": _gain(width)}
            layers.append(layer)
            if 0 < strength.numel <= 65536 and bool(strength.load().any()):
                trained = level + 1
        pictures.append(_kernel(state, f"generator.to_rgb.{level}.conv", f"pictures.{level}", tensors))
    options |= {"layers": layers, "pictures": pictures}
    blueprint = Blueprint(
        "stylegan1", options | {"style_shift": 0.0, "epsilon": 1e-5}, tensors, {"format": "StyleGAN (rosinality)"}
    )
    if trained < len(pictures):
        blueprint.assume(StyleGAN1, resolution=2 << trained)
    return blueprint


def _kernel(state: State, source: str, name: str, tensors: dict[str, TensorRecord]) -> dict[str, Any]:
    """Take a convolution over; -> its options. One that doubles the picture by itself is kept as [in, out, k, k]."""
    if f"{source}.weight" in state:
        inputs, _, *kernel = sizes_of(state, f"{source}.weight", 4)
        tensors[f"{name}.weight"] = state[f"{source}.weight"].permuted(1, 0, 2, 3)
        share = 0.25
    else:
        _, inputs, *kernel = sizes_of(state, f"{source}.weight_orig", 4)
        tensors[f"{name}.weight"] = taken(state, f"{source}.weight_orig")
        share = 1.0
    tensors[f"{name}.bias"] = taken(state, f"{source}.bias")
    return {"weight_gain": share * _gain(inputs * math.prod(kernel))}


def _gain(fan_in: int) -> float:
    return _SQRT2 / math.sqrt(max(fan_in, 1))
