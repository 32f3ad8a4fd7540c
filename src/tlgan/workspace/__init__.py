"""The folder a user owns, and the steps that fill it: `discover`, `add`, `evaluate`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .settings import (
        AXES_FILE,
        DEFAULT_BASE,
        DEFAULT_EXTRACTORS,
        EXTRACTORS_FOLDER,
        REPORT_FILE,
        SAMPLES_FOLDER,
        SETTINGS_FILE,
        Settings,
        located,
    )
    from .workspace import Workspace, open_workspace, settle

_HOMES = {
    "AXES_FILE": ".settings",
    "DEFAULT_BASE": ".settings",
    "DEFAULT_EXTRACTORS": ".settings",
    "EXTRACTORS_FOLDER": ".settings",
    "REPORT_FILE": ".settings",
    "SAMPLES_FOLDER": ".settings",
    "SETTINGS_FILE": ".settings",
    "Settings": ".settings",
    "located": ".settings",
    "Workspace": ".workspace",
    "open_workspace": ".workspace",
    "settle": ".workspace",
}
__all__ = [
    "AXES_FILE",
    "DEFAULT_BASE",
    "DEFAULT_EXTRACTORS",
    "EXTRACTORS_FOLDER",
    "REPORT_FILE",
    "SAMPLES_FOLDER",
    "SETTINGS_FILE",
    "Settings",
    "Workspace",
    "located",
    "open_workspace",
    "settle",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tlgan.workspace' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
