"""tlgan: make any GAN's latent space transparent.

The names below are the front door; each is imported on first use, so that `import tlgan` stays fast.
"""

from __future__ import annotations

import importlib

from .moved import install as _let_old_names_be_imported

TYPE_CHECKING = False  # `typing` is not imported here: `python -m tlgan` has the working folder on its path still
if TYPE_CHECKING:
    from typing import Any

    from .errors import TlganError
    from .extractors import Extractor, Feature, load_extractor
    from .generators import Generator, load_generator, wrap_generator
    from .web.publish.widget import widget
    from .workspace import Workspace, open_workspace
    from .workspace.discover import discover_generator as discover

__version__ = "0.1.0"

_let_old_names_be_imported()

_HOMES = {
    "TlganError": ".errors",
    "Feature": ".extractors",
    "Extractor": ".extractors",
    "load_extractor": ".extractors",
    "Generator": ".generators",
    "load_generator": ".generators",
    "wrap_generator": ".generators",
    "Workspace": ".workspace",
    "open_workspace": ".workspace",
    "discover": ".workspace.discover",
    "widget": ".web.publish.widget",
}
__all__ = [
    "Extractor",
    "Feature",
    "Generator",
    "TlganError",
    "Workspace",
    "discover",
    "load_extractor",
    "load_generator",
    "open_workspace",
    "widget",
    "wrap_generator",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tlgan' has no attribute '{name}'")
    kept = "discover_generator" if name == "discover" else name  # that module's own `discover` takes settings
    return getattr(importlib.import_module(_HOMES[name], __name__), kept)
