"""Reading MMGeneration's pg-GAN and StyleGAN, which follow the official networks; its StyleGAN2 is in `rosinality`.

Its pg-GAN scales the convolutions that double the picture by their outputs, where the official one takes the inputs. Its
StyleGAN has a leaky ReLU more, before the blur of these convolutions.
"""

from __future__ import annotations

import math
from typing import Any

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_LAYERS, Blueprint
from tlgan.generators.checkpoint import TensorRecord
from tlgan.generators.checkpoint.state_dicts import State, reshaped, sizes_of, taken

from .mapping import equalized, read_mapping

_SQRT2 = math.sqrt(2)
_RATE = 0.01  # of the mapping network: the code's default


def is_mmgeneration(state: State) -> bool:
    """Whether a `state_dict` has the names of one of the two."""
    return _is_pggan(state) or all(
        name in state for name in ("convs.0.conv1.input", "convs.0.adain1.affine.weight_orig")
    )


def _is_pggan(state: State) -> bool:
    return all(name in state for name in ("noise2feat.linear.weight_orig", "conv_blocks.0.conv.weight_orig"))


def read_mmgeneration(state: State) -> Blueprint:
    """The blueprint of a `PGGANGenerator` or a `StyleGANv1Generator`."""
    return _pggan(state) if _is_pggan(state) else _stylegan(state)


def _pggan(state: State) -> Blueprint:
    levels = sum(f"torgb_layers.{level}.conv.weight_orig" in state for level in range(MAX_LAYERS))
    units, _ = sizes_of(state, "noise2feat.linear.weight_orig", 2)
    tensors = {
        "4x4/Dense/weight": state["noise2feat.linear.weight_orig"].permuted(1, 0),
        "4x4/Dense/bias": reshaped(taken(state, "noise2feat.bias"), units // 16),
    }
    shapes = [sizes_of(state, f"conv_blocks.{index}.conv.weight_orig", 4) for index in range(2 * levels - 1)]
    # a transposed convolution is kept as [in, out, k, k]: those of another size than their inputs tell which they are
    telling = [
        doubling[0] == before[0] for before, doubling in zip(shapes[::2], shapes[1::2], strict=False)
        if doubling[0] != doubling[1]
    ]  # fmt: skip
    if levels > 1 and not telling:
        raise TlganError(
            "it is MMGeneration's pg-GAN with as many channels at every size, so that its tensors don't say how pictures are "
            "doubled (fused_upconv): export it with torch.onnx.export(generator, z, 'generator.onnx')"
        )
    for index in range(len(shapes)):
        level, name = (index + 1) // 2, f"conv_blocks.{index}.conv"
        layer = ("Conv0_up" if telling[0] else "Conv0") if index % 2 else "Conv1" if level else "Conv"
        # [out, in, k, k] as TensorFlow's [k, k, in, out], [in, out, k, k] as [k, k, out, in]
        tensors[f"{4 << level}x{4 << level}/{layer}/weight"] = state[f"{name}.weight_orig"].permuted(2, 3, 1, 0)
        tensors[f"{4 << level}x{4 << level}/{layer}/bias"] = taken(state, f"{name}.bias")
    for level in range(levels):
        name = f"torgb_layers.{level}.conv"
        tensors[f"ToRGB_lod{levels - 1 - level}/weight"] = state[f"{name}.weight_orig"].permuted(2, 3, 1, 0)
        tensors[f"ToRGB_lod{levels - 1 - level}/bias"] = taken(state, f"{name}.bias")
    options = {"pixelnorm_epsilon": 1e-6, "pixelnorm_of_root": True, "fused_fan_out": True}
    return Blueprint("pggan", options, tensors, {"format": "pg-GAN (MMGeneration)"})


def _stylegan(state: State) -> Blueprint:
    tensors: dict[str, TensorRecord] = {}
    names, gain = (
        ("style_mapping.{}.linear.weight_orig", "style_mapping.{}.bias"),
        _RATE / _SQRT2,
    )  # a leaky ReLU without gain
    options = read_mapping(state, tensors, names, range(1, MAX_LAYERS + 1), equalized(gain), gain)
    layers: list[dict[str, Any]] = []
    pictures: list[dict[str, Any]] = []
    while f"convs.{len(pictures)}.conv2.conv.weight_orig" in state and len(pictures) < 12:
        source, level = f"convs.{len(pictures)}", len(pictures)
        for part in (1, 2):
            name = f"layers.{len(layers)}"
            layer: dict[str, Any] = {"kind": "plain" if part == 2 else "doubled", "bias_before_blur": True}
            if part == 2 or level:
                layer |= _kernel(state, f"{source}.conv{part}.{'0.' if part == 1 else ''}conv", name, tensors)
            else:
                const = taken(state, f"{source}.conv1.input")
                layer["kind"] = "const"
                tensors[f"{name}.const"] = reshaped(const, *sizes_of(state, f"{source}.conv1.input", 4)[1:])
            if layer["kind"] == "doubled":
                layer["activation_before_blur"] = True
                tensors[f"{name}.blur"] = taken(state, f"{source}.conv1.1.kernel")
            style = f"{source}.adain{part}.affine"
            twice, width = sizes_of(state, f"{style}.weight_orig", 2)
            strength = taken(state, f"{source}.noise_injector{part}.weight")
            tensors[f"{name}.noise_strength"] = TensorRecord(strength.storage, (twice // 2,), (0,), strength.offset)
            if (noise := f"injected_noise_{len(layers)}") in state:
                tensors[f"{name}.noise"] = reshaped(state[noise], 4 << level, 4 << level)
            tensors[f"{name}.style.weight"] = state[f"{style}.weight_orig"]
            tensors[f"{name}.style.bias"] = taken(state, f"{style}.bias")
            layer["style"] = {"weight_gain": _SQRT2 / math.sqrt(max(width, 1))}
            layers.append(layer)
        pictures.append(_kernel(state, f"to_rgbs.{level}.conv", f"pictures.{level}", tensors))
    options |= {"layers": layers, "pictures": pictures}
    own = {"style_shift": 0.0, "epsilon": 1e-5}
    return Blueprint("stylegan1", options | own, tensors, {"format": "StyleGAN (MMGeneration)"})


def _kernel(state: State, source: str, name: str, tensors: dict[str, TensorRecord]) -> dict[str, Any]:
    """Take a convolution over; -> its options."""
    _, *fan_in = sizes_of(state, f"{source}.weight_orig", 4)
    tensors[f"{name}.weight"] = state[f"{source}.weight_orig"]
    tensors[f"{name}.bias"] = taken(state, f"{source}.bias")
    return {"weight_gain": _SQRT2 / math.sqrt(max(math.prod(fan_in), 1))}
