"""What a person's habits find in the page: faces that come back, presets, a hint that goes away, the whole screen."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from tests.studio.test_page import _asked, _pixels, _settled, _slider, _until
from tests.studio.watched import Watched
from tlgan.provenance import verify
from tlgan.workspace import Workspace

pytestmark = pytest.mark.browser

ASK = "asked => window.studio.set(asked)"


def test_faces_and_edits_come_back_after_a_reload(watched: Watched) -> None:
    page = watched.open()
    page.evaluate(ASK, {"skin": 1.25})
    page.keyboard.press("r")
    _settled(page)
    page.evaluate(ASK, {"warm_hair": -0.5})
    page.evaluate("window.studio.lock('skin')")
    _settled(page)
    before = _pixels(page)
    page.wait_for_timeout(400)  # longer than a step waits to be kept
    page.reload()
    page.wait_for_selector("html[data-ready]")
    _settled(page)
    assert np.array_equal(_pixels(page), before)
    assert _asked(page, "warm_hair") == -0.5
    assert page.locator("#recent li").count() == 2
    assert page.locator('.slider[data-name="skin"] .lock').get_attribute("aria-pressed") == "true"
    page.keyboard.press("ArrowLeft")
    _settled(page)
    assert _asked(page, "skin") == 1.25


def test_a_link_goes_before_what_the_tab_held(watched: Watched) -> None:
    page = watched.open()
    page.evaluate(ASK, {"skin": 1.25})
    _settled(page)
    page.wait_for_timeout(400)
    page.goto(watched.address + "?again#seed=3")
    page.wait_for_selector("html[data-ready]")
    _settled(page)
    assert page.locator("#face-name").inner_text() == "face 3"
    assert _asked(page, "skin") == 0


@pytest.mark.parametrize("held", ["{", '{"faces": [{"asked": {"wings": 1}, "locks": []}], "current": 0}'])
def test_what_does_not_fit_is_dropped(watched: Watched, held: str) -> None:
    page = watched.open()
    key = "`tlgan.session.${window.studio.description.generator.fingerprint.slice(0, 12)}`"
    page.evaluate(f"held => sessionStorage.setItem({key}, held)", held)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    _settled(page)
    assert page.locator("#recent li").count() == 1
    assert not page.evaluate("Object.keys(window.studio.changes()).includes('wings')")


def test_a_preset_is_kept_asked_of_another_face_and_handed_on_by_a_link(watched: Watched) -> None:
    page = watched.open("#seed=7")
    page.evaluate(ASK, {"skin": 1.5, "warm_hair": -0.5})
    page.evaluate("window.studio.lock('age')")
    _settled(page)
    page.keyboard.press("e")
    page.fill("#dialog input", "tan <b>")
    page.click("#dialog form button")
    assert page.locator(".presets li").count() == 1
    page.click(".presets li .text >> nth=0")
    address = page.evaluate("navigator.clipboard.readText()")
    assert "preset=tan" in address
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    _settled(page)
    assert _asked(page, "skin") == 0
    page.keyboard.press("e")
    assert page.locator(".presets li .plain").inner_text() == "tan <b>"
    page.click(".presets li .plain")
    _settled(page)
    assert (_asked(page, "skin"), _asked(page, "warm_hair")) == (1.5, -0.5)
    other = watched.context.new_page()
    other.goto(address)
    other.wait_for_selector("html[data-ready]")
    _settled(other)
    assert _asked(other, "skin") == 1.5
    assert other.locator('.slider[data-name="age"] .lock').get_attribute("aria-pressed") == "true"
    page.keyboard.press("e")
    page.click(".presets li .text >> nth=1")
    assert page.locator(".presets li").count() == 0


def test_a_preset_of_another_workspace_is_refused_in_a_line(watched: Watched) -> None:
    page = watched.open("#preset=x&ask=wings:2")
    assert "wings" in page.locator("#file-error").inner_text()


def test_the_first_hint_goes_with_the_first_edit_and_stays_away(watched: Watched) -> None:
    page = watched.open()
    assert page.locator(".hint").count() == 1
    _slider(page, "skin").focus()
    page.keyboard.press("ArrowRight")
    _until(page, "!document.querySelector('.hint')")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.locator(".hint").count() == 0


def test_f_takes_the_whole_screen_and_gives_it_back(watched: Watched) -> None:
    page = watched.open()
    page.keyboard.press("f")
    _until(page, "document.fullscreenElement !== null")
    page.keyboard.press("f")
    _until(page, "document.fullscreenElement === null")


def test_a_picture_is_dragged_into_another_program(watched: Watched, cartoons: Workspace, tmp_path: Path) -> None:
    page = watched.open("#seed=7")
    page.evaluate(ASK, {"skin": 1.25})
    _settled(page)
    page.evaluate("""() => addEventListener("dragstart", (event) => {
      const files = [...event.dataTransfer.items].filter((item) => item.kind === "file").map((item) => item.getAsFile());
      window.dragged = { url: event.dataTransfer.getData("DownloadURL"), files };
    })""")
    box = page.locator("#now").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    _until(page, "window.studio.carried()")
    page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2 + 40, steps=5)
    _until(page, "Boolean(window.dragged)")
    page.mouse.up()
    kind, name, url = page.evaluate("window.dragged.url").split(":", 2)
    assert (kind, name, url.startswith("blob:")) == ("image/png", f"{cartoons.name}-face-7.png", True)
    assert page.evaluate("window.dragged.files.map((file) => file.name)") == [name]
    letters = page.evaluate("""async () => {
      const bytes = new Uint8Array(await window.dragged.files[0].arrayBuffer());
      return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
    }""")
    (tmp_path / name).write_bytes(base64.b64decode(letters))
    face = cartoons.face(png=tmp_path / name)
    assert face.edit.asked == {"skin": 1.25}
    assert verify((tmp_path / name).read_bytes()).verdict == "intact"
    assert page.locator("#drop").is_hidden()
    assert _asked(page, "skin") == 1.25
    page.evaluate(ASK, {"skin": 0.5})  # the picture is another one now
    assert not page.evaluate("window.studio.carried()")


def test_a_drag_moves_a_picture_that_is_looked_at_closely(watched: Watched) -> None:
    page = watched.open("#seed=7")
    page.evaluate("addEventListener('dragstart', () => { window.dragged = true; })")
    page.locator("#now").dblclick()
    box = page.locator("#picture").bounding_box()
    assert box
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 60, steps=5)
    page.mouse.up()
    assert page.evaluate("window.dragged") is None
    assert page.evaluate("document.getElementById('picture').style.getPropertyValue('--x')") not in ("", "0%")
