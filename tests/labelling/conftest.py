"""A workspace to ask questions about."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.worlds import halves_networks, halves_settings, reopen
from tlgan.workspace import Workspace
from tlgan.workspace.discover import discover


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a workspace of 2,000 samples."""
    path = tmp_path_factory.mktemp("labelled") / "halves"
    discover(path, halves_settings(max_samples=2000), sure=1.0, **halves_networks())
    return path


@pytest.fixture
def workspace(drawn: Path, tmp_path: Path) -> Workspace:
    """A copy of it, opened."""
    shutil.copytree(drawn, tmp_path / "halves")
    return reopen(tmp_path / "halves")
