"""Pictures that are not square, or that have transparency, in a real browser: nothing stretches them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tests.studio.cartoon import DIM, Cartoon
from tests.studio.watched import Watched
from tlgan.generators import wrap_generator
from tlgan.web.server import running
from tlgan.workspace import Settings
from tlgan.workspace.discover import discover

pytestmark = pytest.mark.browser
HEIGHT, WIDTH = 24, 48
RED = (1.0, -1.0, -1.0)

# a canvas or a picture as a PNG
_COPY = """async (element) => {
  const to = document.createElement("canvas");
  [to.width, to.height] = [element.naturalWidth ?? element.width, element.naturalHeight ?? element.height];
  to.getContext("2d").drawImage(element, 0, 0);
  return to.toDataURL("image/png");
}"""


class Disc(nn.Module):
    """A cartoon of 48 x 24 pixels with a red disc of 16 in its midst; transparent beyond a frame where `alpha`."""

    def __init__(self, alpha: bool) -> None:
        super().__init__()
        self.cartoon, self.alpha = Cartoon(), alpha
        y, x = torch.meshgrid(torch.arange(HEIGHT) - 11.5, torch.arange(WIDTH) - 23.5, indexing="ij")
        self.register_buffer("disc", (x**2 + y**2 < 8**2).float())
        self.register_buffer("clear", (x.abs() > 18).float())

    def forward(self, z: Tensor) -> Tensor:
        x = nn.functional.interpolate(self.cartoon(z), (HEIGHT, WIDTH), mode="bilinear")
        x = x * (1 - self.disc) + self.disc * torch.tensor(RED)[:, None, None]
        return torch.cat([x, 1 - 2 * self.clear.expand(len(x), 1, -1, -1)], 1) if self.alpha else x


@pytest.fixture(scope="module", params=[False, True], ids=["RGB", "RGBA"])
def page(request: Any, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, bool]]:
    settings = Settings(generator="disc", extractors=("colour",), base=(), max_samples=300)
    generator = wrap_generator(Disc(request.param), latent_dim=DIM, name="disc")
    workspace = discover(tmp_path_factory.mktemp("disc") / "disc", settings, generator=generator)
    with running(workspace) as address:
        watched = Watched(browser, address)
        yield watched.open("#seed=7"), request.param
        watched.context.close()
    assert watched.faults == []


def pixels(page: Any, selector: str) -> np.ndarray:
    url = page.locator(selector).first.evaluate(_COPY)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGBA")).astype(int)


def disc_of(picture: np.ndarray) -> tuple[float, float]:
    """Height and width of the red disc, as shares of the picture's larger side."""
    red = (picture[..., 0] > 170) & (picture[..., 1] < 90) & (picture[..., 2] < 90) & (picture[..., 3] > 200)
    rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
    return tuple((span[-1] - span[0] + 1) / max(picture.shape[:2]) for span in (rows, columns))


def settled(page: Any) -> None:
    for _ in range(200):
        if page.evaluate("window.studio.idle() && window.studio.finished()"):
            return
        page.wait_for_timeout(50)
    raise AssertionError("no picture came")


def test_the_picture_and_its_thumbnail_keep_their_shape(page: Any) -> None:
    page, alpha = page
    settled(page)
    shown = pixels(page, "#now")
    assert shown.shape[1] == 2 * shown.shape[0]
    assert disc_of(shown) == pytest.approx((1 / 3, 1 / 3), abs=0.06)
    assert disc_of(pixels(page, "#recent canvas")) == pytest.approx((1 / 3, 1 / 3), abs=0.08)
    if alpha:  # painted over white
        assert shown[shown.shape[0] // 2, 4, :3].min() > 245
    assert page.locator("#now").evaluate("element => getComputedStyle(element).objectFit") == "contain"


@pytest.mark.parametrize(("key", "selector"), [("t", "ol.strip img"), ("g", ".grid img")])
def test_strips_and_galleries_keep_it_too(page: Any, key: str, selector: str) -> None:
    page, _ = page
    settled(page)
    page.keyboard.press(key)
    page.wait_for_selector(selector)
    assert page.locator(selector).first.evaluate("element => getComputedStyle(element).objectFit") == "contain"
    assert disc_of(pixels(page, selector)) == pytest.approx((1 / 3, 1 / 3), abs=0.08)
    page.keyboard.press("Escape")
    page.wait_for_selector(selector, state="detached")


def test_what_is_saved_has_the_size_of_the_generator(page: Any) -> None:
    page, _ = page
    settled(page)
    with page.expect_download() as coming:
        page.keyboard.press("s")
        if page.locator("dialog[open] button.primary").count():
            page.locator("dialog[open] button.primary").first.click()
    with Image.open(coming.value.path()) as saved:
        assert saved.size == (WIDTH, HEIGHT)
    page.keyboard.press("Escape")
