"""The folder a user owns, and the steps that fill it: `discover`, `add`, `evaluate`."""

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
