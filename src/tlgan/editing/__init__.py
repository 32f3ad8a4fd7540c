"""Step 5, Explore: move one latent so that features do what was asked."""

from .between import between
from .canvas import Canvas
from .edit import Edit
from .editor import Editor
from .effects import side_effects
from .exact import refine, refine_all
from .outcome import outcome
from .path import path
from .solve import Solution, solve

__all__ = [
    "Canvas",
    "Edit",
    "Editor",
    "Solution",
    "between",
    "outcome",
    "path",
    "refine",
    "refine_all",
    "side_effects",
    "solve",
]
