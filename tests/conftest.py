"""What tests of every folder share: one finished workspace that is only read, and one browser."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Processes side by side share the cores; more threads than cores make all of them slower. Before torch is imported.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(max(1, (os.cpu_count() or 1) // workers)))

from tests.worlds import halves_workspace
from tlgan.workspace import Workspace

# Properties are independent of how busy the machine is, and of chance: the same examples in every run.
settings.register_profile(
    "repeatable", deadline=None, max_examples=50, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, bool, bool]:
    """The command line forgets the working folder, from which the tests are imported: only for the test that runs it."""
    before = list(sys.path)
    try:
        return (yield)
    finally:
        sys.path[:] = before


@pytest.fixture(scope="session")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of the two-halves world."""
    return halves_workspace(tmp_path_factory.mktemp("halves") / "halves")


@pytest.fixture(scope="session")
def built_docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the documentation."""
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    import docs

    folder = tmp_path_factory.mktemp("docs")
    docs.build(folder)  # type: ignore[attr-defined]
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium; without one these tests are skipped, or fail where TLGAN_REQUIRE_BROWSER=1.

    One for the whole run: a second Playwright in the same process refuses to start.
    """
    path = os.environ.get("TLGAN_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _no_browser("the package playwright is not installed")
    if path is None:
        _no_browser("there is no Chromium on PATH (or set TLGAN_CHROMIUM to one)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def _no_browser(why: str) -> None:
    if os.environ.get("TLGAN_REQUIRE_BROWSER") == "1":
        pytest.fail(f"a browser is required here, but {why}")
    pytest.skip(why)
