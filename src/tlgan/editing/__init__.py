"""Step 5, Explore: move one latent so that features do what was asked."""

from .canvas import Canvas
from .edit import Edit
from .editor import Editor
from .outcome import outcome
from .solve import Solution, solve

__all__ = ["Canvas", "Edit", "Editor", "Solution", "outcome", "solve"]
