"""Reading the StyleGAN2 of the official PyTorch code (StyleGAN2-ADA, and the same network in the StyleGAN3 code)."""

from __future__ import annotations

from typing import Any

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_LAYERS, MAX_RESOLUTION, Blueprint
from tlgan.generators.checkpoint.persistence import Module

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


def mapping_options(module: Module) -> dict[str, Any]:
    """Options of the mapping network: its sizes and the gains of each layer."""
    mapping = module.child("mapping")
    sizes = {name: mapping.attribute(name, module.attribute(name)) for name in ("z_dim", "c_dim", "w_dim", "num_ws")}
    layers: list[dict[str, Any]] = []
    while f"fc{len(layers)}" in mapping:
        layers.append(mapping.child(f"fc{len(layers)}").attributes(*_DENSE))
        if len(layers) > MAX_LAYERS:
            raise TlganError("its mapping network has more layers than any generator")
    embed = {"embed": mapping.child("embed").attributes(*_DENSE)} if "embed" in mapping else {}
    return sizes | {"mapping": layers} | embed
