"""Room 1, Learn: a trained generator, whatever file it comes in, behind one small interface."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Generator, LatentGenerator
    from .latents import sample_latents
    from .loading import load_generator
    from .wrapped import wrap_generator

_HOMES = {
    "Generator": ".base",
    "LatentGenerator": ".base",
    "load_generator": ".loading",
    "sample_latents": ".latents",
    "wrap_generator": ".wrapped",
}
__all__ = ["Generator", "LatentGenerator", "load_generator", "sample_latents", "wrap_generator"]


def __getattr__(name: str) -> Any:
    # torch comes in with the first name that needs it, so that `import tlgan.generators` stays fast
    if name not in _HOMES:
        raise AttributeError(f"module 'tlgan.generators' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
