"""One finished workspace for all tests that only read it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tlgan.workspace import Workspace
from worlds import halves_workspace


@pytest.fixture(scope="session")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of the two-halves world."""
    return halves_workspace(tmp_path_factory.mktemp("halves") / "halves")
