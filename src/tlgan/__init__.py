"""tlgan: make any GAN's latent space transparent.

The names below are the front door; each is imported on first use, so that `import tlgan` stays fast. docs/python.md is
their reference.
"""

from __future__ import annotations

import importlib

from .moved import install as _let_old_names_be_imported

TYPE_CHECKING = False  # `typing` is not imported here: `python -m tlgan` has the working folder on its path still
if TYPE_CHECKING:
    from typing import Any

    from .axes import Axes
    from .axes.regression import AxisRegression
    from .editing import Face
    from .errors import BadFile, NeedsTrust, Refused, TlganError, UnknownFeature
    from .extractors import Extractor, Feature, load_extractor
    from .front import discover, evaluate, open
    from .generators import Generator, LatentGenerator, load_generator, wrap_generator
    from .progress import Progress
    from .samples import Samples, sample
    from .training import train_extractor
    from .web.label import LabelSession
    from .web.publish import publish
    from .web.publish.widget import widget
    from .workspace import Workspace, open_workspace

__version__ = "0.2.0"

_let_old_names_be_imported()

_HOMES = {
    ".errors": "BadFile NeedsTrust Refused TlganError UnknownFeature",
    ".progress": "Progress",
    ".extractors": "Extractor Feature load_extractor",
    ".generators": "Generator LatentGenerator load_generator wrap_generator",
    ".samples": "Samples sample",
    ".axes": "Axes",
    ".training": "train_extractor",
    ".web.label": "LabelSession",
    ".axes.regression": "AxisRegression",
    ".editing": "Face",
    ".workspace": "Workspace open_workspace",
    ".front": "discover evaluate open",
    ".web.publish": "publish",
    ".web.publish.widget": "widget",
}
__all__ = [
    "Axes",
    "AxisRegression",
    "BadFile",
    "Extractor",
    "Face",
    "Feature",
    "Generator",
    "LabelSession",
    "LatentGenerator",
    "NeedsTrust",
    "Progress",
    "Refused",
    "Samples",
    "TlganError",
    "UnknownFeature",
    "Workspace",
    "discover",
    "evaluate",
    "load_extractor",
    "load_generator",
    "open",
    "open_workspace",
    "publish",
    "sample",
    "train_extractor",
    "widget",
    "wrap_generator",
]


def __getattr__(name: str) -> Any:
    if name in ("engines", "plot"):  # modules, whose Ray and Matplotlib are extras
        return importlib.import_module(f".{name}", __name__)
    for home, names in _HOMES.items():
        if name in names.split():
            return getattr(importlib.import_module(home, __name__), name)
    raise AttributeError(f"module 'tlgan' has no attribute '{name}'")
