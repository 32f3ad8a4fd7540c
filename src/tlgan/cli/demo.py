"""The whole of the mission in one call: default generator, default extractors, axes, studio."""

from __future__ import annotations

from pathlib import Path

from tlgan.io.step import held
from tlgan.workspace import AXES_FILE, SETTINGS_FILE, Settings, Workspace, open_workspace
from tlgan.workspace.discover import discover
from tlgan.workspace.progress import Watcher

DEFAULT_GENERATOR = "photo64"
DEFAULT_FOLDER = "faces"


def demo_workspace(path: str | Path = DEFAULT_FOLDER, *, watcher: Watcher | None = None) -> tuple[Workspace, bool]:
    """The demo's workspace, and whether it had to be made; one that was finished before is opened in no time."""
    path = Path(path)
    if held(path, SETTINGS_FILE).exists() and held(path, AXES_FILE).exists():
        return open_workspace(path), False
    return discover(path, Settings(DEFAULT_GENERATOR), watcher=watcher), True
