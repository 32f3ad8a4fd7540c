"""Step 5 without a server: the studio of a workspace as a static site that computes in the visitor's browser."""

from .checks import Check
from .site import Published, publish

__all__ = ["Check", "Published", "publish"]
