"""The published page as a visitor uses it: static files below a path of a plain host, and no other network at all."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.axe import looked_at, violations
from tests.chance import repeatable
from tests.independent import EXIFTOOL, MADE, by_exiftool
from tlgan.editing.state import read_png
from tlgan.provenance import verify
from tlgan.web.publish import Published
from tlgan.workspace import Workspace

pytestmark = pytest.mark.browser


class Visit:
    """A visitor's browser; everything that it should not do ends up in `faults`."""

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        self.address = address
        self.faults: list[str] = []
        options = {
            "viewport": {"width": 1280, "height": 860},
            "permissions": ["clipboard-read", "clipboard-write"],
            "accept_downloads": True,
        }
        self.context = repeatable(browser.new_context(**(options | context)))
        self.context.route("**", self._only_here)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.faults.append(m.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _only_here(self, route: Any) -> None:
        url = route.request.url
        if url.startswith(self.address):
            route.continue_()
        else:
            self.faults.append(f"a request left the site: {url}")
            route.abort()

    def open(self, rest: str = "", page: Any = None) -> Any:
        """The page with its engine running and its picture painted."""
        page = page or self.page
        page.goto(self.address + rest)
        return self.started(page)

    def started(self, page: Any) -> Any:
        """Wait for face and engine."""
        page.wait_for_selector("html[data-engine]", state="attached")
        page.wait_for_selector("html[data-ready]", state="attached")
        return settled(page)


def until(page: Any, condition: str) -> None:
    """Wait for a condition; Playwright's own wait needs `eval`, which the page's policy forbids."""
    for _ in range(1800):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition}")


def settled(page: Any) -> Any:
    """Wait until the picture of the newest state is on the screen."""
    until(page, "window.studio.idle()")
    return page


def saved(page: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """What "save" gives: pixels int [H, W, 3] and the face inside."""
    with page.expect_download() as download:
        page.click("#save")
        page.locator("dialog button.primary").click()
    content = Path(download.value.path()).read_bytes()
    report = verify(content)  # without a server too, what is saved says what it is
    assert (report.verdict, report.source) == ("intact", "made by a trained generative model")
    assert verify(content[:250] + bytes([content[250] ^ 1]) + content[251:]).verdict == "broken"
    assert not EXIFTOOL or by_exiftool(content)["DigitalSourceType"] == MADE
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int), read_png(content)


def strong(world: Workspace) -> list[str]:
    """Features whose sliders are in sight, the surest first."""
    axes = world.axes
    return [axes.names[row] for row in np.argsort(-axes.r2, kind="stable") if not axes.weak[row]]


def asked(page: Any, name: str) -> float:
    return float(page.locator(f'.track[data-feature="{name}"]').get_attribute("aria-valuenow"))


@pytest.fixture(scope="module")
def address(site: Published, serve: Callable[[Path], str]) -> str:
    """The site below a path, as on GitHub Pages."""
    return f"{serve(site.path.parent.parent)}below/site/"


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Visit]:
    visit = Visit(browser, address)
    yield visit
    visit.context.close()
    assert visit.faults == []


def test_a_visitor_does_everything_and_comes_back_offline(visit: Visit, world: Workspace) -> None:
    page = visit.open()
    assert page.locator("html").get_attribute("data-engine").startswith("wasm-")
    begun, _ = saved(page)

    page.click("#random")
    settled(page)
    other, state = saved(page)
    assert np.abs(other - begun).mean() > 1
    drawn = world.face(seed=state["seed"])
    assert np.abs(other - drawn.picture()).mean() < 1

    slider, kept = strong(world)[:2]
    page.locator(f'.track[data-feature="{slider}"]').press("Shift+ArrowRight")
    page.locator(f'.track[data-feature="{slider}"]').press("Shift+ArrowRight")
    settled(page)
    moved, _ = saved(page)
    assert asked(page, slider) == 1
    assert np.abs(moved - other).mean() > 0.5

    page.locator(f'.slider[data-name="{kept}"] .lock').click()
    settled(page)
    assert page.locator(f'.slider[data-name="{kept}"] .lock').get_attribute("aria-pressed") == "true"
    locked, state = saved(page)
    assert state["asked"] == {slider: 1}
    assert state["locks"] == [kept]
    wanted = drawn.set(**{slider: 1.0}).lock(kept)
    assert np.abs(locked - wanted.picture()).mean() < 1
    drift = page.evaluate("window.studio.changes()")[kept]
    assert drift == pytest.approx(wanted.changed()[kept], abs=0.1)

    page.click("#undo")
    page.click("#undo")
    settled(page)
    assert asked(page, slider) == 0.5
    page.click("#redo")
    page.click("#redo")
    settled(page)

    page.click("#share")
    assert page.evaluate("location.hash").startswith("#seed=")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(visit.address)

    page.keyboard.press("a")
    page.click("#random")
    settled(page)
    page.keyboard.press("b")
    page.locator("#walk").fill("500")
    settled(page)
    middle, _ = saved(page)
    ends = saved_at(page, "0"), saved_at(page, "1000")
    assert np.abs(ends[0] - locked).mean() < 1
    assert min(np.abs(middle - end).mean() for end in ends) > 1

    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    until(page, "navigator.serviceWorker.controller !== null")
    visit.context.set_offline(True)
    page.goto(link)
    visit.started(page)
    again, _ = saved(page)
    assert np.abs(again - locked).max() <= 1
    page.click("#random")
    settled(page)
    assert np.abs(saved(page)[0] - again).mean() > 1
    assert page.locator(".error:visible").count() == 0


def saved_at(page: Any, place: str) -> np.ndarray:
    """The picture at a place of the walk, in thousandths."""
    page.locator("#walk").fill(place)
    settled(page)
    return saved(page)[0]


@pytest.mark.parametrize(
    ("seed", "changes", "locks"),
    [
        (3, {}, ()),
        (4, {"warmth": 1.2, "bright_above": -0.8}, ("bright_below",)),
        (2**31 - 1, {"skin_brightness": 2.0}, ()),
    ],
)
def test_the_same_seed_and_edits_are_the_same_picture_and_numbers(
    visit: Visit, world: Workspace, seed: int, changes: dict[str, float], locks: tuple[str, ...]
) -> None:
    wishes = ",".join(f"{name}:{value}" for name, value in changes.items())
    rest = (f"&ask={wishes}" if wishes else "") + (f"&lock={','.join(locks)}" if locks else "")
    page = visit.open(f"#seed={seed}{rest}")
    wanted = world.face(seed=seed).set(**changes).lock(*locks)
    shown, state = saved(page)
    assert np.abs(shown - wanted.picture()).mean() < 1
    np.testing.assert_allclose(state["latent"], wanted.edit.latent, atol=1e-5)
    measured = page.evaluate("window.studio.measured()")
    positions = dict(zip(world.axes.names, world.canvas.measure(wanted.latent[None])[0], strict=True))
    for name, value in positions.items():
        assert measured[name] == pytest.approx(value, abs=0.05), name


def test_exact_looks_and_corrects(visit: Visit) -> None:
    page = visit.open("#seed=5")
    wishes = {"warmth": 1.0, "bright_below": -1.0}
    page.evaluate("wishes => window.studio.set(wishes)", wishes)
    settled(page)

    def miss() -> float:
        changes = page.evaluate("window.studio.changes()")
        return float(np.hypot(*(changes[name] - value for name, value in wishes.items())))

    plain = miss()
    page.check("#exact")
    settled(page)
    assert miss() < max(0.15, 0.7 * plain)  # without gradients, in as many looks as a visitor waits for


def test_the_gallery_finds_faces_and_a_walk_becomes_a_film(visit: Visit) -> None:
    page = visit.open("#seed=5")
    page.keyboard.press("g")
    page.fill("dialog input", "warmth +1.5")
    page.keyboard.press("Enter")
    page.locator("dialog .grid button[title^=sampled]").first.click()
    settled(page)
    assert page.evaluate("window.studio.measured().warmth") > 0.8
    page.evaluate("window.studio.ends(5, 6)")
    page.click("#film")
    with page.expect_download() as download:
        page.locator("dialog button", has_text="GIF").click()
    with Image.open(download.value.path()) as film:
        assert film.n_frames > 20  # type: ignore[attr-defined]
    assert verify(Path(download.value.path()).read_bytes()).verdict == "intact"


def test_the_mark_stays_on_a_published_page(visit: Visit) -> None:
    page = visit.open("#seed=5")
    page.evaluate("localStorage.setItem('tlgan.mark', 'off')")
    page.reload()
    visit.started(page)
    assert page.locator("#mark").is_visible()
    page.keyboard.press("?")
    assert page.locator("#show-mark").count() == 0
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    shown = page.locator("dialog .grid img").first
    shown.wait_for()
    assert verify(base64.b64decode(shown.get_attribute("src").partition(",")[2])).verdict == "intact"


def test_opened_as_a_file_it_says_what_to_do(browser: Any, site: Published) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto((site.path / "index.html").as_uri())
    page.locator("#from-file").wait_for(state="visible")
    assert "python3 -m http.server" in page.locator("#from-file").inner_text()
    context.close()


def test_the_widget_is_one_file_that_fetches_nothing(
    browser: Any, site: Published, serve: Callable[[Path], str], tmp_path: Path, world: Workspace
) -> None:
    """Alone in an iframe of another page."""
    (tmp_path / "embed.html").write_bytes((site.path / "embed.html").read_bytes())
    (tmp_path / "post.html").write_text('<iframe src="embed.html" width="400" height="900"></iframe>')
    home = serve(tmp_path)
    visit = Visit(browser, home)
    visit.page.goto(f"{home}post.html")
    frame = visit.page.locator("iframe").element_handle().content_frame()
    frame.wait_for_selector("#widget[data-ready]", state="attached")
    assert frame.locator(".slider").count() >= 3
    name = frame.locator(".track").first.get_attribute("data-feature")
    until(frame, "document.documentElement.dataset.engine !== undefined")
    track = frame.locator(".track").first
    track.press("Shift+ArrowRight")
    frame.locator(".slider.moved .note", has_text="measured").first.wait_for()
    assert float(track.get_attribute("aria-valuenow")) == 0.5
    before = pixels(frame)
    frame.locator("button", has_text="random").click()
    until(
        frame,
        f"document.querySelector('#widget').shadowRoot.querySelector('canvas').toDataURL() !== {json.dumps(before)}",
    )
    frame.locator("button[aria-label=Undo]").click()
    until(
        frame,
        f"document.querySelector('#widget').shadowRoot.querySelector('canvas').toDataURL() === {json.dumps(before)}",
    )
    assert name in world.axes.names
    visit.context.close()
    assert visit.faults == []


def pixels(frame: Any) -> str:
    """What a widget's canvas shows, as an address."""
    url: str = frame.evaluate("document.querySelector('#widget').shadowRoot.querySelector('canvas').toDataURL()")
    return url


def test_axe_finds_nothing(site: Published, browser: Any, serve: Callable[[Path], str]) -> None:
    address = f"{serve(site.path.parent.parent)}below/site/"
    for name, ready in (("", "html[data-ready]"), ("embed.html", "#widget[data-ready]")):
        with looked_at(browser, address + name, ready) as page:
            assert violations(page) == []
