"""Reading the StyleGAN2 of the official PyTorch code (StyleGAN2-ADA, and the same network in the StyleGAN3 code).

A snapshot is a pickled module whose attributes say everything. A `state_dict` made from it does not say the learning rate
that scales the mapping network, the activation, nor whether activations are clamped: what `train.py` sets is assumed.
"""

from __future__ import annotations

import math
from typing import Any

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_LAYERS, MAX_RESOLUTION, Blueprint
from tlgan.generators.checkpoint.persistence import Module
from tlgan.generators.checkpoint.state_dicts import State, sizes_of, taken

from .stylegan2 import StyleGAN2

_DENSE = ("weight_gain", "bias_gain", "activation")
_LAYER = ("up", "activation", "act_gain", "conv_clamp", "use_noise", "padding", "weight_gain")


def is_stylegan2_module(module: Module) -> bool:
    return "mapping" in module and "synthesis" in module and "b4" in module.child("synthesis")


def read_stylegan2_module(module: Module) -> Blueprint:
    """The blueprint of a pickled `Generator` whose synthesis is made of blocks b4, b8, ..."""
    synthesis = module.child("synthesis")
    tensors = {
        name.removeprefix("synthesis."): tensor
        for name, tensor in module.tensors().items()
        if name.startswith(("synthesis.", "mapping."))
    }
    blocks = []
    side = 4
    while side <= MAX_RESOLUTION and f"b{side}" in synthesis:
        block = synthesis.child(f"b{side}")
        options: dict[str, Any] = {"architecture": block.attribute("architecture", "skip")}
        for name in ("conv0", "conv1", "torgb", "skip"):
            if name in block:
                layer = block.child(name)
                options[name] = layer.attributes(*_LAYER)
                if "affine" in layer:
                    options[name]["affine"] = layer.child("affine").attributes(*_DENSE)
        blocks.append(options)
        side *= 2
    return Blueprint(
        "stylegan2", mapping_options(module) | {"blocks": blocks}, tensors, {"format": "StyleGAN2 (official PyTorch)"}
    )


def is_stylegan2_state(state: State) -> bool:
    return "synthesis.b4.const" in state and "mapping.fc0.weight" in state


def read_stylegan2_state(state: State) -> Blueprint:
    """The blueprint of a `Generator`'s `state_dict`."""
    tensors = {
        name.removeprefix("synthesis."): state[name] for name in state if name.startswith(("synthesis.", "mapping."))
    }
    options = mapping_state_options(state)
    blocks: list[dict[str, Any]] = []
    side = 4
    while side <= MAX_RESOLUTION and f"b{side}.conv1.weight" in tensors:
        architecture = "resnet" if f"b{side}.skip.weight" in tensors else "orig"
        block: dict[str, Any] = {"architecture": "skip" if "b4.torgb.weight" in tensors else architecture}
        for name in ("conv0", "conv1", "torgb", "skip"):
            if f"b{side}.{name}.weight" not in tensors:
                continue
            _, *fan_in = sizes_of(tensors, f"b{side}.{name}.weight", 4)
            layer: dict[str, Any] = (
                {"affine": dense_options(tensors, f"b{side}.{name}.affine")} if name != "skip" else {}
            )
            if name in ("torgb", "skip"):
                layer["weight_gain"] = 1 / math.sqrt(max(math.prod(fan_in), 1))
            else:
                layer |= {"up": 2 if name == "conv0" else 1}
            block[name] = layer
        blocks.append(block)
        side *= 2
    blueprint = Blueprint(
        "stylegan2", options | {"blocks": blocks}, tensors, {"format": "StyleGAN2 (official, state_dict)"}
    )
    blueprint.assume(StyleGAN2, conv_clamp=256, activation="lrelu", mapping_lr=0.01)
    if len(blocks) > 1 and "b8.resample_filter" not in tensors:
        blueprint.assume(StyleGAN2, resample_kernel=[1, 3, 3, 1])
    return blueprint


def mapping_state_options(state: State) -> dict[str, Any]:
    """Options of the mapping network of a `state_dict`, which does not hold the learning rate (0.01 until one is set)."""
    layers: list[dict[str, Any]] = []
    while f"mapping.fc{len(layers)}.weight" in state and len(layers) < MAX_LAYERS:
        w_dim = sizes_of(state, f"mapping.fc{len(layers)}.weight", 2)[0]
        layers.append(dense_options(state, f"mapping.fc{len(layers)}", 0.01, "lrelu"))
    z_dim = sizes_of(state, "mapping.fc0.weight", 2)[1]
    options: dict[str, Any] = {"z_dim": z_dim, "c_dim": 0, "w_dim": w_dim, "mapping": layers}
    if "mapping.embed.weight" in state:
        embedded, c_dim = sizes_of(state, "mapping.embed.weight", 2)
        options |= {"c_dim": c_dim, "z_dim": z_dim - embedded, "embed": dense_options(state, "mapping.embed")}
    return options


def dense_options(state: State, name: str, rate: float = 1.0, activation: str = "linear") -> dict[str, Any]:
    """Of a fully connected layer with an equalised learning rate and a bias."""
    _, inputs = sizes_of(state, f"{name}.weight", 2)
    taken(state, f"{name}.bias")
    return {"weight_gain": rate / math.sqrt(max(inputs, 1)), "bias_gain": rate, "activation": activation}


def mapping_options(module: Module) -> dict[str, Any]:
    """Options of the mapping network: its sizes and the gains of each layer."""
    mapping = module.child("mapping")
    sizes = {name: mapping.attribute(name, module.attribute(name)) for name in ("z_dim", "c_dim", "w_dim", "num_ws")}
    layers: list[dict[str, Any]] = []
    while f"fc{len(layers)}" in mapping:
        layers.append(mapping.child(f"fc{len(layers)}").attributes(*_DENSE))
        if len(layers) > MAX_LAYERS:
            raise TlganError("its mapping network has more layers than any generator")
    embed = {name: mapping.child(name).attributes(*_DENSE) for name in ("embed", "embed_proj") if name in mapping}
    return sizes | {"mapping": layers} | embed
