"""A published page of a generator with a picture head: small pictures at once, whole ones when the hand rests."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.generators.openvino_writer import write_pair
from tests.publish.test_site_in_browser import Visit, saved, settled, until
from tlgan.training.picture_head import HeadRecipe
from tlgan.web.publish import Published, publish
from tlgan.workspace import Settings, Workspace
from tlgan.workspace.discover import discover


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("large")
    settings = Settings(str(write_pair(folder)), extractors=("colour",), max_samples=300, base=())
    return discover(folder / "ws", settings, preview=HeadRecipe(pairs=50, steps=20, batch=8, side=4))


@pytest.fixture(scope="module")
def site_of_large(large: Workspace, browser_runtime: None, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(large, tmp_path_factory.mktemp("published") / "site", embed=True)


def test_whole_pictures_are_told_and_checked(site_of_large: Published) -> None:
    assert site_of_large.later > 0
    assert [check.what for check in site_of_large.checks][:2] == ["generator", "whole pictures"]
    html = (site_of_large.path / "index.html").read_text("utf-8")
    first = re.search(r'id="first-picture"[^>]*src="data:image/webp;base64,([^"]+)"', html)
    assert first is not None
    assert Image.open(io.BytesIO(base64.b64decode(first[1]))).size == (32, 32)
    manifest = json.loads(re.search(r'id="site">(.*?)</script>', html, re.DOTALL)[1])
    picture = manifest["facts"]["picture"]
    assert (picture["resolution"], picture["whole"]) == (16, [32, 32])
    carried = (site_of_large.path / "embed.html").read_text("utf-8")
    assert '"whole":{"data"' not in carried  # a file that is carried about stays small


@pytest.mark.browser
def test_a_visitor_sees_and_saves_whole_pictures(
    site_of_large: Published, large: Workspace, browser: Any, serve: Callable[[Path], str]
) -> None:
    visit = Visit(browser, serve(site_of_large.path))
    page = visit.open()
    page.evaluate("() => { window.sides = []; document.addEventListener('painted', () => sides.push(side())); }")
    page.evaluate("() => { window.side = () => window.studio.side(); }")
    assert page.evaluate("window.studio.side()") == 32  # that of the page itself, and no step back to a small one
    name = large.axes.names[0]
    page.locator(f'.track[data-feature="{name}"]').press("Shift+ArrowRight")
    settled(page)
    until(page, "window.sides.at(-1) === 32")
    assert page.evaluate("window.sides")[0] == 16
    picture, state = saved(page)
    assert picture.shape == (32, 32, 3)
    editor = large.face(seed=state["seed"]).set(**{name: 0.5})
    assert np.abs(picture - editor.picture().astype(int)).mean() < 1
    visit.context.close()
    assert visit.faults == []
