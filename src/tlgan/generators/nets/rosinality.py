"""Reading the StyleGAN2 of rosinality's PyTorch port, and of BasicSR and MMGeneration, which renamed it.

Its layers are those of the official network under other names; the scales that its code applies at run time
(1 / sqrt(fan-in), the mapping's learning rate of 0.01) become gains here.
"""

from __future__ import annotations

import math
import re
from typing import Any

from tlgan.generators.blueprint import MAX_LAYERS, Blueprint
from tlgan.generators.checkpoint import TensorRecord
from tlgan.generators.checkpoint.state_dicts import State, missing, reshaped, sizes_of, taken

from .mapping import equalized, read_mapping
from .stylegan2 import StyleGAN2

_LEARNING_RATE = 0.01  # of the mapping network; not in the file, the same in every version of the code
_SQRT2 = math.sqrt(2)


# What BasicSR and MMGeneration call things, and what rosinality does.
_DIALECTS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "BasicSR",
        (
            (r"style_mlp\.", "style."),
            (r"constant_input\.weight", "input.input"),
            (r"style_conv(1|s\.\d+)\.weight", r"conv\1.noise.weight"),
            (r"style_conv(1|s\.\d+)\.modulated_conv\.", r"conv\1.conv."),
            (r"style_conv(1|s\.\d+)\.", r"conv\1."),
            (r"(to_rgb1|to_rgbs\.\d+)\.modulated_conv\.", r"\1.conv."),
            (r"noises\.noise(\d+)", r"noises.noise_\1"),
        ),
    ),
    (
        "MMGeneration",
        (
            (r"style_mapping\.(\d+)\.linear\.weight_orig", r"style.\1.weight"),
            (r"style_mapping\.", "style."),
            (r"constant_input\.input", "input.input"),
            (r"(.*)\.style_modulation\.linear\.weight_orig", r"\1.modulation.weight"),
            (r"(.*)\.style_modulation\.bias", r"\1.modulation.bias"),
            (r"(.*)\.conv\.weight_orig", r"\1.conv.weight"),
            (r"(.*)\.noise_injector\.weight", r"\1.noise.weight"),
            (r"injected_noise_(\d+)", r"noises.noise_\1"),
        ),
    ),
)
_NEEDED = ("input.input", "conv1.conv.weight", "to_rgb1.conv.weight", "style.1.weight")


def is_rosinality(state: State) -> bool:
    return _dialect(state) is not None


def _dialect(state: State) -> tuple[str, State] | None:
    """Whose names they are, and the same tensors under rosinality's; None where they are nobody's."""
    if all(name in state for name in _NEEDED):
        return "rosinality", state
    if "constant_input.weight" in state or "constant_input.input" in state:
        for code, names in _DIALECTS:
            renamed = {_renamed(name, names): record for name, record in state.items()}
            if all(name in renamed for name in _NEEDED):
                return code, renamed
    return None


def _renamed(name: str, names: tuple[tuple[str, str], ...]) -> str:
    for pattern, new in names:
        if match := re.match(pattern, name):
            return match.expand(new) + name[match.end() :]
    return name


def read_rosinality(state: State, latent_average: TensorRecord | None) -> Blueprint:
    """The blueprint of a `g_ema` or `g` state_dict; `latent_average` is the `latent_avg` beside it."""
    found = _dialect(state)
    if found is None:
        raise missing("input.input")
    code, state = found
    tensors: dict[str, TensorRecord] = {}
    names = "style.{}.weight", "style.{}.bias"
    options = read_mapping(state, tensors, names, range(1, MAX_LAYERS + 1), equalized(_LEARNING_RATE), _LEARNING_RATE)
    if latent_average is not None:
        tensors["mapping.w_avg"] = reshaped(latent_average, options["w_dim"])
    tensors["b4.const"] = reshaped(taken(state, "input.input"), *sizes_of(state, "input.input", 4)[1:])
    blocks: list[dict[str, Any]] = [{"architecture": "skip"}]
    blocks[0]["conv1"] = _layer(state, "conv1", "b4.conv1", tensors, "noises.noise_0", side=4)
    blocks[0]["torgb"] = _layer(state, "to_rgb1", "b4.torgb", tensors)
    side = 8
    while f"convs.{2 * len(blocks) - 2}.conv.weight" in state and len(blocks) < MAX_LAYERS:
        index, name = len(blocks) - 1, f"b{side}"
        block: dict[str, Any] = {"architecture": "skip"}
        for part, conv in (("conv0", 2 * index), ("conv1", 2 * index + 1)):
            source = f"convs.{conv}"
            block[part] = _layer(state, source, f"{name}.{part}", tensors, f"noises.noise_{conv + 1}", side=side)
        block["torgb"] = _layer(state, f"to_rgbs.{index}", f"{name}.torgb", tensors)
        blur, upsample = f"convs.{2 * index}.conv.blur.kernel", f"to_rgbs.{index}.upsample.kernel"
        block["conv0"]["up"] = 2
        if code != "BasicSR":  # the others keep their filters, with the gain of upsampling in them
            tensors[f"{name}.conv0.resample_filter"] = taken(state, blur)
            tensors[f"{name}.resample_filter"] = taken(state, upsample)
            block["filter_gain"] = block["conv0"]["filter_gain"] = 1.0
        blocks.append(block)
        side *= 2
    options["blocks"] = blocks
    blueprint = Blueprint("stylegan2", options, tensors, {"format": f"StyleGAN2 ({code})"})
    if code == "BasicSR":
        blueprint.assume(StyleGAN2, resample_kernel=[1, 3, 3, 1])
    return blueprint


def _layer(
    state: State, source: str, name: str, tensors: dict[str, TensorRecord], noise: str | None = None, side: int = 0
) -> dict[str, Any]:
    """Take the tensors of one layer over; -> its options."""
    _, *sizes = sizes_of(state, f"{source}.conv.weight", 5)  # [1, out, in, k, k]
    _, style = sizes_of(state, f"{source}.conv.modulation.weight", 2)
    tensors[f"{name}.weight"] = reshaped(taken(state, f"{source}.conv.weight"), *sizes)
    tensors[f"{name}.affine.weight"] = taken(state, f"{source}.conv.modulation.weight")
    tensors[f"{name}.affine.bias"] = taken(state, f"{source}.conv.modulation.bias")
    affine = {"weight_gain": 1 / math.sqrt(max(style, 1))}
    fan_in = math.prod(sizes[1:])
    options: dict[str, Any] = {"weight_gain": 1 / math.sqrt(max(fan_in, 1)), "affine": affine, "up": 1}
    if noise is None:
        tensors[f"{name}.bias"] = reshaped(taken(state, f"{source}.bias"), sizes[0])
        return options
    tensors[f"{name}.bias"] = taken(state, f"{source}.activate.bias")
    tensors[f"{name}.noise_strength"] = reshaped(taken(state, f"{source}.noise.weight"))
    if noise in state:
        tensors[f"{name}.noise_const"] = reshaped(state[noise], side, side)
    return options | {"activation": "lrelu", "act_gain": _SQRT2, "use_noise": True}
