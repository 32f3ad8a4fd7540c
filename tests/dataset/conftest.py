"""The two-halves world with a judge of its own."""

from __future__ import annotations

import pytest

from tests.dataset.second_judge import Judge
from tests.worlds import halves_workspace
from tlgan.workspace import Workspace


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of the two-halves world, only read."""
    return halves_workspace(tmp_path_factory.mktemp("world") / "ws")
