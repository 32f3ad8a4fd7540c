"""One small published site for all tests of this folder, and a browser that reaches nothing but this machine."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.publish.world import make_workspace
from tlgan.errors import TlganError
from tlgan.web.publish import Published, publish
from tlgan.web.publish.runtime import FILES, runtime_file
from tlgan.web.server.app import PAGE
from tlgan.workspace import Workspace


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace that takes seconds to make."""
    return make_workspace(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def browser_runtime() -> None:
    """ONNX Runtime Web is cached, or can be fetched; else the test is skipped."""
    try:
        for name in FILES:
            runtime_file(name)
    except TlganError as error:
        pytest.skip(f"ONNX Runtime Web is not here and can't be fetched: {error}")


@pytest.fixture(scope="session")
def site(world: Workspace, browser_runtime: None, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The world, published."""
    return publish(world, tmp_path_factory.mktemp("published") / "below" / "site", embed=True, workflow=True)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` is, without its log."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """folder -> address of it on this machine."""
    servers = []

    def start(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def javascript(browser: Any, serve: Callable[[Path], str]) -> Iterator[Callable[..., Any]]:
    """(body of a function of the page's modules, arguments) -> what it returns. `load(name)` imports a module."""
    page = browser.new_page()
    address = serve(PAGE)
    page.goto(address + "icon.svg")

    def call(body: str, **given: Any) -> Any:
        setting = f"const load = (name) => import('{address}' + name);"
        return page.evaluate(f"async (given) => {{ {setting} {body} }}", json.loads(json.dumps(given)))

    yield call
    page.close()
