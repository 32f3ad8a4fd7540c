"""Step 5, Explore: move one latent so that features do what was asked."""

from .between import between
from .canvas import Canvas
from .edit import Edit, Reached
from .editor import Editor
from .effects import side_effects
from .exact import refine
from .outcome import outcome
from .resolve import QUALITIES, path, resolve, resolve_all, resolved, resolving
from .solve import Solution, solve

__all__ = [
    "QUALITIES",
    "Canvas",
    "Edit",
    "Editor",
    "Reached",
    "Solution",
    "between",
    "outcome",
    "path",
    "refine",
    "resolve",
    "resolve_all",
    "resolved",
    "resolving",
    "side_effects",
    "solve",
]
