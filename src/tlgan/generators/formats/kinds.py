"""From what a file holds to a blueprint, and from a blueprint to a generator: the two tables of known kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tlgan.errors import TlganError
from tlgan.generators.base import LatentGenerator
from tlgan.generators.blueprint import Blueprint
from tlgan.generators.checkpoint import Checkpoint, ObjectRecord, TensorRecord, summary
from tlgan.generators.checkpoint.keras_files import read_keras_file
from tlgan.generators.checkpoint.persistence import Module
from tlgan.generators.checkpoint.state_dicts import State, choose, network_names, state_dicts
from tlgan.generators.fingerprint import of_blueprint
from tlgan.generators.nets.biggan import BigGAN, is_biggan, read_biggan
from tlgan.generators.nets.dcgan import DCGAN, is_dcgan, read_dcgan
from tlgan.generators.nets.fastgan import FastGAN, is_fastgan, read_fastgan
from tlgan.generators.nets.genforce import is_genforce, read_genforce
from tlgan.generators.nets.keras import Keras
from tlgan.generators.nets.keras_graph import read_keras
from tlgan.generators.nets.lightweight import LightweightGAN, is_lightweight, read_lightweight
from tlgan.generators.nets.lucidrains import Lucidrains, is_lucidrains, read_lucidrains
from tlgan.generators.nets.mmgeneration import is_mmgeneration, read_mmgeneration
from tlgan.generators.nets.mobilestylegan import MobileStyleGAN
from tlgan.generators.nets.mobilestylegan_ir import is_mobilestylegan, read_mobilestylegan
from tlgan.generators.nets.mobilestylegan_state import is_mobilestylegan_state, read_mobilestylegan_state
from tlgan.generators.nets.modulated import Modulated
from tlgan.generators.nets.pggan import PGGAN, is_pggan, read_pggan
from tlgan.generators.nets.progressive import Progressive, progressive_kind, read_progressive
from tlgan.generators.nets.rosinality import is_rosinality, read_rosinality
from tlgan.generators.nets.rosinality1 import is_rosinality1, read_rosinality1
from tlgan.generators.nets.stylegan1 import StyleGAN1
from tlgan.generators.nets.stylegan2 import StyleGAN2
from tlgan.generators.nets.stylegan2_ada import (
    is_stylegan2_module,
    is_stylegan2_state,
    read_stylegan2_module,
    read_stylegan2_state,
)
from tlgan.generators.nets.stylegan3 import StyleGAN3, is_stylegan3_module, read_stylegan3_module
from tlgan.generators.nets.stylegan3_state import is_stylegan3_state, read_stylegan3_state
from tlgan.generators.nets.tensorflow import chosen_state, is_stylegan, is_tensorflow, read_stylegan
from tlgan.generators.options import written

from .converted import converted_blueprint, read_safetensors


class Architecture(Protocol):
    """A class of generators that is made from a blueprint."""

    @property
    def load_options(self) -> tuple[str, ...]:
        """Options of the blueprint that `load_generator` may set."""
        ...

    def set_option(self, options: dict[str, Any], key: str, value: Any) -> None:
        """Set one of them."""

    def __call__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> LatentGenerator:
        """The generator, its weights in memory."""
        ...


ARCHITECTURES: dict[str, Architecture] = {
    "pggan": PGGAN,
    "stylegan1": StyleGAN1,
    "stylegan2": StyleGAN2,
    "stylegan3": StyleGAN3,
    "dcgan": DCGAN,
    "fastgan": FastGAN,
    "lucidrains": Lucidrains,
    "modulated": Modulated,
    "mobilestylegan": MobileStyleGAN,
    "progressive": Progressive,
    "biggan": BigGAN,
    "lightweight": LightweightGAN,
    "keras": Keras,
}

_EXPECTED = (
    "expected one of the families of docs/generators.md (pg-GAN, StyleGAN to StyleGAN3 and their relatives, BigGAN, DCGANs), ONNX, "
    "OpenVINO IR, TorchScript, or a file made by `tlgan convert`; any other can be exported with "
    "torch.onnx.export(netG, z, 'generator.onnx') where it runs, or wrapped in Python with tlgan.wrap_generator"
)


def is_black_box(checkpoint: Checkpoint) -> bool:
    """Whether a file holds a graph that only its own runtime can paint, rather than tensors of a known kind."""
    if checkpoint.container == "openvino":
        return not is_mobilestylegan(checkpoint.tree)
    return checkpoint.container in ("onnx", "torchscript", "torch-export")


def blueprint_of(checkpoint: Checkpoint, network: str | None = None) -> Blueprint:
    """What a file holds, as a blueprint; no weight is loaded.

    `network` chooses among several: "G" is the raw one, "Gs" or "G_ema" the averaged one (the default), anything else
    a key of the file. Raises `TlganError` where the file holds no generator that is known.
    """
    if checkpoint.container == "keras":
        return read_keras(read_keras_file(checkpoint.path))
    if checkpoint.container == "safetensors":
        return _of_safetensors(checkpoint, network)
    tree = checkpoint.tree
    if checkpoint.container == "openvino":
        return read_mobilestylegan(tree)
    if is_tensorflow(tree):
        state = chosen_state(tree, network)
        if is_stylegan(state):
            return read_stylegan(state, network)
        if is_pggan(state):
            return read_pggan(state, network)
    found = _snapshot_module(tree, network)
    if found is not None:
        key, module = found
        blueprint = None
        if is_stylegan2_module(module):
            blueprint = read_stylegan2_module(module)
        elif is_stylegan3_module(module):
            blueprint = read_stylegan3_module(module)
        if blueprint is not None:
            blueprint.source["network"] = key
            return blueprint
    blueprint = _of_states(state_dicts(tree), network, _latent_average(tree))
    if blueprint is not None:
        return blueprint
    raise TlganError(f"{checkpoint.path.name} holds {summary(tree)}, no generator that is known: {_EXPECTED}")


def build(blueprint: Blueprint, *, name: str, device: str = "cpu", **options: Any) -> LatentGenerator:
    """The generator of a blueprint, known by what it is built from. `options` are the architecture's own, such as
    pg-GAN's `lod`."""
    architecture = ARCHITECTURES.get(blueprint.architecture)
    if architecture is None:
        raise TlganError(
            f"{name} is of the architecture {blueprint.architecture[:40]!r}: expected one of {', '.join(ARCHITECTURES)}; "
            "a newer tlgan may know it"
        )
    blueprint = set_options(blueprint, name, options)
    generator = architecture(blueprint, name=name, fingerprint=of_blueprint(blueprint), device=device)
    generator.assumed += assumed_words(blueprint)
    return generator


def assumed_words(blueprint: Blueprint) -> tuple[str, ...]:
    """What was taken by custom, as a person writes it: "conv_clamp=256"."""
    return tuple(written({key: value}).removeprefix("-g ") for key, value in blueprint.assumed.items())


def set_options(blueprint: Blueprint, name: str, options: Mapping[str, Any]) -> Blueprint:
    """The blueprint with options set. Raises TlganError where its architecture has no such option."""
    known = ARCHITECTURES[blueprint.architecture].load_options if blueprint.architecture in ARCHITECTURES else ()
    if unknown := set(options) - set(known):
        raise TlganError(
            f"{name} has no option {', '.join(sorted(unknown))}: a {blueprint.architecture[:40]} has "
            f"{', '.join(known) or 'none'}"
        )
    for key, value in options.items():
        if value is not None:
            architecture = ARCHITECTURES[blueprint.architecture]
            architecture.set_option(blueprint.options, key, list(value) if isinstance(value, tuple) else value)
            blueprint.assumed.pop(key, None)
    return blueprint


def _of_safetensors(checkpoint: Checkpoint, network: str | None) -> Blueprint:
    tensors, metadata = read_safetensors(checkpoint.path)
    blueprint = converted_blueprint(tensors, metadata) or _of_states(_by_prefix(tensors), network, None)
    if blueprint is None:
        raise TlganError(
            f"{checkpoint.path.name} holds {summary(dict(tensors))}, no generator that is known: {_EXPECTED}"
        )
    return blueprint


def _by_prefix(tensors: dict[str, TensorRecord]) -> dict[str, State]:
    return state_dicts(dict(tensors))


def _of_states(states: dict[str, State], network: str | None, average: TensorRecord | None) -> Blueprint | None:
    for known, read in _STATES:
        if fitting := {path: state for path, state in states.items() if known(state)}:
            path, state = choose(fitting, network)
            blueprint = read(state, average)
            break
    else:
        return None
    blueprint.source["network"] = path
    return blueprint


# How a `state_dict` is known, and what reads it with the mean w that lies beside it.
_STATES: tuple[tuple[Callable[[State], Any], Callable[[State, TensorRecord | None], Blueprint]], ...] = (
    (is_rosinality, read_rosinality),
    (progressive_kind, lambda state, average: read_progressive(state)),
    (is_biggan, lambda state, average: read_biggan(state)),
    (is_lightweight, lambda state, average: read_lightweight(state)),
    (is_rosinality1, lambda state, average: read_rosinality1(state)),
    (is_stylegan2_state, lambda state, average: read_stylegan2_state(state)),
    (is_stylegan3_state, lambda state, average: read_stylegan3_state(state)),
    (is_lucidrains, lambda state, average: read_lucidrains(state)),
    (is_fastgan, lambda state, average: read_fastgan(state)),
    (is_mobilestylegan_state, lambda state, average: read_mobilestylegan_state(state)),
    (is_mmgeneration, lambda state, average: read_mmgeneration(state)),
    (is_genforce, lambda state, average: read_genforce(state)),
    (is_dcgan, lambda state, average: read_dcgan(state)),
)


def _snapshot_module(tree: Any, network: str | None) -> tuple[str, Module] | None:
    """The pickled module of a snapshot {"G": ..., "D": ..., "G_ema": ...}, or of a file that is the module itself."""
    if isinstance(tree, ObjectRecord) and isinstance(tree.state, dict):
        return "", Module(tree)
    if not isinstance(tree, dict):
        return None
    records = {key: value for key, value in tree.items() if isinstance(value, ObjectRecord) and isinstance(key, str)}
    modules = {
        key: value
        for key, value in records.items()
        if isinstance(value.state, dict) and str(value.type).startswith("torch_utils.persistence.") and key != "D"
    }
    for name in network_names(network):
        if name in modules:
            return name, Module(modules[name])
    if modules and network is not None:
        raise TlganError(f"network {network!r} is not in the file: it holds {', '.join(modules)}")
    return None


def _latent_average(tree: Any) -> TensorRecord | None:
    average = tree.get("latent_avg") if isinstance(tree, dict) else None
    return average if isinstance(average, TensorRecord) else None
