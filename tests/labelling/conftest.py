"""A workspace to ask questions about, and a real browser."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tlgan.discover import discover
from tlgan.workspace import Workspace
from worlds import halves_settings, load_halves, reopen

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a workspace of 2,000 samples."""
    path = tmp_path_factory.mktemp("labelled") / "halves"
    discover(path, halves_settings(max_samples=2000), load=load_halves, sure=1.0)
    return path


@pytest.fixture
def workspace(drawn: Path, tmp_path: Path) -> Workspace:
    """A copy of it, opened."""
    shutil.copytree(drawn, tmp_path / "halves")
    return reopen(tmp_path / "halves")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium; without one these tests are skipped, or fail where TLGAN_REQUIRE_BROWSER=1."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = os.environ.get("TLGAN_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None and os.environ.get("TLGAN_REQUIRE_BROWSER") != "1":
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
