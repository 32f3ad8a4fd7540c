"""A cartoon workspace, the studio over it, and a real browser that looks at the studio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.studio.cartoon import cartoon_workspace
from tests.studio.watched import Watched
from tlgan.web.server import create_app, running
from tlgan.workspace import Workspace

ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def cartoons(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished workspace of cartoon faces."""
    return cartoon_workspace(tmp_path_factory.mktemp("cartoons") / "cartoons")


@pytest.fixture(scope="session")
def client(cartoons: Workspace) -> Iterator[TestClient]:
    """The application, spoken to without a network."""
    with TestClient(create_app(cartoons), base_url=ADDRESS) as client:
        yield client


@pytest.fixture(scope="session")
def address(cartoons: Workspace) -> Iterator[str]:
    """The studio on a free port."""
    with running(cartoons) as address:
        yield address


@pytest.fixture
def watched(browser: Any, address: str) -> Iterator[Watched]:
    """A page on a desk; it must end without a fault on the console and without a request elsewhere."""
    watched = Watched(browser, address)
    yield watched
    watched.context.close()
    assert watched.faults == []


@pytest.fixture
def page(watched: Watched) -> Any:
    """The page of face 7."""
    return watched.open("#seed=7")


@pytest.fixture
def phone(browser: Any, address: str) -> Iterator[Any]:
    """The page on a phone."""
    watched = Watched(browser, address, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield watched.open("#seed=7")
    watched.context.close()
    assert watched.faults == []
