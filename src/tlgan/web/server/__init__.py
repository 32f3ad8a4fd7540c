"""Step 5 in a browser: a live server over one workspace, and the page it serves.

The page talks to an *engine*; here the engine is this process, reached over one websocket for frames and plain HTTP for
the rest. Nothing in this room computes an edit: it asks `tlgan.editing`, and carries pictures and words.
"""

from .app import create_app
from .outside import Outside
from .server import running, serve

__all__ = ["Outside", "create_app", "running", "serve"]
