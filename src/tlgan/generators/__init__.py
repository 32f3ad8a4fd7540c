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
    "Generator": ".base",
    "Inspection": ".formats.inspection",
    "KnownModel": ".catalogue",
    "LatentGenerator": ".base",
    "batch_size": ".batching",
    "convert_checkpoint": ".formats.inspection",
    "inspect_checkpoint": ".formats.inspection",
    "known_model": ".catalogue",
    "known_models": ".catalogue",
    "load_generator": ".loading",
    "sample_latents": ".latents",
    "synthesize_batches": ".batching",
    "wrap_generator": ".formats.wrapped",
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
    if name not in _HOMES:
        raise AttributeError(f"module 'tlgan.generators' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
