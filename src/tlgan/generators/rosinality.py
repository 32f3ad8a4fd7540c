"""Reading the StyleGAN2 of rosinality's PyTorch port: a state_dict whose names and shapes say everything.

Its layers are those of the official network under other names; the scales that its code applies at run time
(1 / sqrt(fan-in), the mapping's learning rate of 0.01) become gains here.
"""

from __future__ import annotations

import math
from typing import Any

from ..errors import TlganError
from .blueprint import MAX_LAYERS, Blueprint
from .checkpoint import TensorRecord
from .state_dicts import State, reshaped

_LEARNING_RATE = 0.01  # of the mapping network; not in the file, the same in every version of the code
_SQRT2 = math.sqrt(2)


def is_rosinality(state: State) -> bool:
    return all(name in state for name in ("input.input", "conv1.conv.weight", "to_rgb1.conv.weight", "style.1.weight"))


def read_rosinality(state: State, latent_average: TensorRecord | None) -> Blueprint:
    """The blueprint of a `g_ema` or `g` state_dict; `latent_average` is the `latent_avg` beside it."""
    tensors: dict[str, TensorRecord] = {}
    mapping = []
    for index in range(MAX_LAYERS):
        if f"style.{index + 1}.weight" not in state:
            break
        weight = state[f"style.{index + 1}.weight"]
        tensors[f"mapping.fc{index}.weight"] = weight
        tensors[f"mapping.fc{index}.bias"] = state[f"style.{index + 1}.bias"]
        gain = _LEARNING_RATE / math.sqrt(max(weight.shape[-1], 1))
        mapping.append({"weight_gain": gain, "bias_gain": _LEARNING_RATE, "activation": "lrelu"})
    z_dim = state["style.1.weight"].shape[-1]
    w_dim = state[f"style.{len(mapping)}.weight"].shape[0]
    if latent_average is not None:
        tensors["mapping.w_avg"] = reshaped(latent_average, w_dim)
    const = state["input.input"]
    tensors["b4.const"] = reshaped(const, *const.shape[1:])
    blocks: list[dict[str, Any]] = [{"architecture": "skip"}]
    blocks[0]["conv1"] = _layer(state, "conv1", "b4.conv1", tensors, "noises.noise_0", side=4)
    blocks[0]["torgb"] = _layer(state, "to_rgb1", "b4.torgb", tensors)
    side = 8
    while f"convs.{2 * len(blocks) - 2}.conv.weight" in state and len(blocks) < MAX_LAYERS:
        index, name = len(blocks) - 1, f"b{side}"
        block: dict[str, Any] = {"architecture": "skip", "filter_gain": 1.0}
        for part, conv in (("conv0", 2 * index), ("conv1", 2 * index + 1)):
            source = f"convs.{conv}"
            block[part] = _layer(state, source, f"{name}.{part}", tensors, f"noises.noise_{conv + 1}", side=side)
        block["torgb"] = _layer(state, f"to_rgbs.{index}", f"{name}.torgb", tensors)
        blur, upsample = f"convs.{2 * index}.conv.blur.kernel", f"to_rgbs.{index}.upsample.kernel"
        if blur not in state or upsample not in state:
            raise TlganError(f"tensor {blur} of this StyleGAN2 is missing")
        tensors[f"{name}.conv0.resample_filter"] = state[blur]
        tensors[f"{name}.resample_filter"] = state[upsample]
        block["conv0"] |= {"up": 2, "filter_gain": 1.0}  # the stored kernels hold the gain of upsampling
        blocks.append(block)
        side *= 2
    options = {"z_dim": z_dim, "c_dim": 0, "w_dim": w_dim, "mapping": mapping, "blocks": blocks}
    return Blueprint("stylegan2", options, tensors, {"format": "StyleGAN2 (rosinality)"})


def _layer(
    state: State, source: str, name: str, tensors: dict[str, TensorRecord], noise: str | None = None, side: int = 0
) -> dict[str, Any]:
    """Take the tensors of one layer over; -> its options."""
    weight = state[f"{source}.conv.weight"]  # [1, out, in, k, k]
    if len(weight.shape) != 5:
        raise TlganError(f"tensor {source}.conv.weight is {list(weight.shape)}: expected five sizes")
    tensors[f"{name}.weight"] = reshaped(weight, *weight.shape[1:])
    tensors[f"{name}.affine.weight"] = state[f"{source}.conv.modulation.weight"]
    tensors[f"{name}.affine.bias"] = state[f"{source}.conv.modulation.bias"]
    fan_in = math.prod(weight.shape[2:])
    affine = {"weight_gain": 1 / math.sqrt(max(state[f"{source}.conv.modulation.weight"].shape[-1], 1))}
    options: dict[str, Any] = {"weight_gain": 1 / math.sqrt(max(fan_in, 1)), "affine": affine, "up": 1}
    if noise is None:
        tensors[f"{name}.bias"] = reshaped(state[f"{source}.bias"], weight.shape[1])
        return options
    tensors[f"{name}.bias"] = state[f"{source}.activate.bias"]
    tensors[f"{name}.noise_strength"] = reshaped(state[f"{source}.noise.weight"])
    if noise in state:
        tensors[f"{name}.noise_const"] = reshaped(state[noise], side, side)
    return options | {"activation": "lrelu", "act_gain": _SQRT2, "use_noise": True}
