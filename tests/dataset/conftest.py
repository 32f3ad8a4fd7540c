"""The two-halves world with a judge of its own."""

from __future__ import annotations

import pytest

from second_judge import Judge
from tlgan.workspace import Workspace
from worlds import halves_workspace


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of the two-halves world, only read."""
    return halves_workspace(tmp_path_factory.mktemp("world") / "ws")
