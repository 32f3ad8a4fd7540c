"""Runs the whole pipeline with the default generator and extractors."""

from __future__ import annotations

from pathlib import Path

from tlgan.errors import TlganError
from tlgan.io.step import held
from tlgan.progress import Progress, ProgressLike, as_progress
from tlgan.workspace import AXES_FILE, SETTINGS_FILE, Settings, Workspace, open_workspace
from tlgan.workspace.discover import discover

DEFAULT_GENERATOR = "faces1024"
OFFLINE_GENERATOR = "photo64"  # ships with the package
DEFAULT_FOLDER = "faces"


def demo_workspace(path: str | Path = DEFAULT_FOLDER, *, progress: ProgressLike = None) -> tuple[Workspace, bool]:
    """The demo's workspace, and whether it had to be made; one that was finished before is opened in no time."""
    path = Path(path)
    if held(path, SETTINGS_FILE).exists() and held(path, AXES_FILE).exists():
        return open_workspace(path), False
    return discover(path, Settings(_generator(as_progress(progress))), progress=progress), True


def _generator(progress: Progress) -> str:
    """The default generator once it is on this disk; where it can't be fetched, the one that needs no network."""
    from tlgan.generators.loading import fetch_generator

    try:
        fetch_generator(DEFAULT_GENERATOR, progress=progress)
    except TlganError as error:
        progress.stage(f"{error}; going on with {OFFLINE_GENERATOR}, whose faces have 64 pixels")
        return OFFLINE_GENERATOR
    return DEFAULT_GENERATOR
