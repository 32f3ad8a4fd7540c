"""axe-core finds nothing on pages that are files: the report, an audit, and the documentation's.

The studio, published pages and the label page are looked at where their tests are.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.axe import looked_at, violations
from tests.worlds import reopen
from tlgan.audit.page import run_generator
from tlgan.workspace import Workspace
from tlgan.workspace.report import report

pytestmark = pytest.mark.browser


def test_axe_finds_nothing_in_the_report(halves: Workspace, tmp_path: Path, browser: Any) -> None:
    copied = reopen(Path(shutil.copytree(halves.path, tmp_path / "halves")))
    page = report(copied, face=copied.face(seed=3))
    with looked_at(browser, page.as_uri(), "h1") as opened:
        assert violations(opened) == []


def test_axe_finds_nothing_in_an_audit(halves: Workspace, tmp_path: Path, browser: Any) -> None:
    run_generator(halves, tmp_path / "a.html", says=lambda words: None, intersect=[("right_bright",)], language="zh")
    with looked_at(browser, (tmp_path / "a.html").as_uri(), "h1") as opened:
        assert violations(opened) == []


@pytest.mark.parametrize("name", ["index.html", "commands.html"])
def test_axe_finds_nothing_in_the_documentation(name: str, built_docs: Path, browser: Any) -> None:
    with looked_at(browser, (built_docs / name).as_uri(), "h1") as opened:
        assert violations(opened) == []


def test_axe_finds_what_is_wrong(tmp_path: Path, browser: Any) -> None:
    (tmp_path / "page.html").write_text("<html><body><img src='data:,'><p style='color:#ddd'>pale</p></body></html>")
    with looked_at(browser, (tmp_path / "page.html").as_uri()) as opened:
        found = "\n".join(violations(opened))
    assert "image-alt" in found
    assert "color-contrast" in found
