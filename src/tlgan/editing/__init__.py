"""Step 5, explore: move one latent so that features change as asked."""

import warnings
from typing import Any

from .between import between
from .canvas import Canvas
from .edit import Edit, Reached
from .effects import side_effects
from .exact import refine
from .face import Face, outcome
from .resolve import QUALITIES, path, resolve, resolve_all, resolved
from .solve import Solution, solve

__all__ = [
    "QUALITIES",
    "Canvas",
    "Edit",
    "Face",
    "Reached",
    "Solution",
    "between",
    "outcome",
    "path",
    "refine",
    "resolve",
    "resolve_all",
    "resolved",
    "side_effects",
    "solve",
]


def __getattr__(name: str) -> Any:
    if name != "Editor":
        raise AttributeError(f"module 'tlgan.editing' has no attribute '{name}'")
    warnings.warn("tlgan.editing.Editor is now tlgan.editing.Face", DeprecationWarning, stacklevel=2)
    return Face
