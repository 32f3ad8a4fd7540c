"""Step 1, learn: a trained generator of any file format behind one small interface."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Generator, LatentGenerator
    from .batching import batch_size, synthesize_batches
    from .catalogue import KnownModel, known_model, known_models
    from .formats.inspection import Inspection, convert_checkpoint, inspect_checkpoint
    from .formats.wrapped import wrap_generator
    from .latents import sample_latents
    from .loading import load_generator

_HOMES = {
    ".base": "Generator LatentGenerator",
    ".formats.inspection": "Inspection convert_checkpoint inspect_checkpoint",
    ".catalogue": "KnownModel known_model known_models",
    ".batching": "batch_size synthesize_batches",
    ".loading": "load_generator",
    ".latents": "sample_latents",
    ".formats.wrapped": "wrap_generator",
}
__all__ = [
    "Generator",
    "Inspection",
    "KnownModel",
    "LatentGenerator",
    "batch_size",
    "convert_checkpoint",
    "inspect_checkpoint",
    "known_model",
    "known_models",
    "load_generator",
    "sample_latents",
    "synthesize_batches",
    "wrap_generator",
]


def __getattr__(name: str) -> Any:
    # torch comes in with the first name that needs it, so that `import tlgan.generators` stays fast
    for home, names in _HOMES.items():
        if name in names.split():
            return getattr(importlib.import_module(home, __name__), name)
    raise AttributeError(f"module 'tlgan.generators' has no attribute '{name}'")
