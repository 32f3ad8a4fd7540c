"""The page in a real browser: everything a person does, as a person does it."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.axe import looked_at, violations
from tests.studio.watched import Watched
from tlgan.editing.state import read_png
from tlgan.web.server import running
from tlgan.web.server.describe import describe
from tlgan.workspace import Workspace

pytestmark = pytest.mark.browser

_PIXELS = """id => {
  const from = document.getElementById(id);
  const to = document.createElement("canvas");
  [to.width, to.height] = [from.width, from.height];
  to.getContext("2d").drawImage(from, 0, 0);
  return to.toDataURL("image/png");
}"""


def _pixels(page: Any, canvas: str = "now") -> np.ndarray:
    """What a canvas shows once it is no draft, int [H, W, 3]."""
    _until(page, "window.studio.finished()")
    url = page.evaluate(_PIXELS, canvas)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")).astype(int)


def _slider(page: Any, name: str) -> Any:
    return page.locator(f'.track[data-feature="{name}"]')


def _row(page: Any, name: str) -> Any:
    return page.locator(f'.slider[data-name="{name}"]')


def _asked(page: Any, name: str) -> float:
    return float(_slider(page, name).get_attribute("aria-valuenow"))


def _until(page: Any, condition: str, argument: Any = None) -> None:
    """Wait for a condition; Playwright's own wait needs `eval`, which the page's security policy forbids."""
    for _ in range(300):
        if page.evaluate(condition, argument):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition}")


def _settled(page: Any) -> None:
    """Wait until the picture of the newest state is on the screen."""
    _until(page, "window.studio.idle()")


def _faces(page: Any) -> int:
    return page.locator("#recent button").count()


def test_the_first_paint_is_a_face(watched: Any) -> None:
    page = watched.open()
    assert page.locator("#face-name").inner_text().startswith("face ")
    assert _pixels(page).std() > 10
    assert page.title() == "cartoons · tlgan studio"
    assert page.locator(".slider").count() == 7


def test_without_script_there_is_still_a_face(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    box = page.locator("#first-picture").bounding_box()
    context.close()
    assert box["width"] > 300


def test_random_gives_a_new_face_and_earlier_and_later_walk_the_strip(page: Any) -> None:
    first = _pixels(page)
    page.keyboard.press("r")
    _settled(page)
    second = _pixels(page)
    assert np.abs(first - second).mean() > 1
    assert _faces(page) == 2
    page.keyboard.press("ArrowLeft")
    _settled(page)
    assert np.array_equal(_pixels(page), first)
    assert page.locator("#face-name").inner_text() == "face 7"
    page.click("#later")
    _settled(page)
    assert np.array_equal(_pixels(page), second)
    page.click("#random")
    _settled(page)
    assert _faces(page) == 3


def test_faces_that_were_passed_quickly_get_their_thumbnails(page: Any) -> None:
    for _ in range(6):
        page.keyboard.press("r")
    _settled(page)
    blank = """(() => {
      const reader = new OffscreenCanvas(96, 96).getContext("2d", {willReadFrequently: true});
      return [...document.querySelectorAll("#recent canvas")].filter((canvas) => {
        reader.clearRect(0, 0, 96, 96);
        reader.drawImage(canvas, 0, 0);
        return reader.getImageData(0, 0, 96, 96).data.every((value) => value === 0);
      }).length;
    })()"""
    _until(page, f"{blank} === 0")
    assert _faces(page) == 7


def test_faces_keep_their_edits(page: Any) -> None:
    _slider(page, "smiling").press("Shift+ArrowRight")
    page.keyboard.press("Tab")
    page.click("#random")
    _settled(page)
    assert _asked(page, "smiling") == 0
    page.locator("#recent button").first.click()
    _settled(page)
    assert _asked(page, "smiling") == 0.5
    assert "1 edit" in page.locator("#recent button").first.get_attribute("aria-label")


def test_dragging_a_slider_moves_the_face_and_is_one_step(page: Any) -> None:
    before = _pixels(page)
    track = _slider(page, "skin").bounding_box()
    at = float(_slider(page, "skin").locator(".thumb").evaluate("thumb => thumb.style.getPropertyValue('--at')"))
    x, y = track["x"] + track["width"] * at / 100, track["y"] + track["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for k in range(1, 21):
        page.mouse.move(x + 3 * k, y)
    page.mouse.up()
    _settled(page)
    moved = _asked(page, "skin")
    assert moved > 0.3
    assert np.abs(_pixels(page) - before).mean() > 1
    note = _row(page, "skin").locator(".note").inner_text()
    measured = float(re.search(r"measured ([+−][\d.]+)", note)[1].replace("−", "-"))
    assert abs(measured - moved) < 0.5
    page.keyboard.press("Control+z")
    _settled(page)
    assert _asked(page, "skin") == 0
    assert np.array_equal(_pixels(page), before)
    assert page.locator("#undo").is_disabled()
    page.keyboard.press("Control+Shift+z")
    _settled(page)
    assert _asked(page, "skin") == moved


def test_a_pointer_that_dwells_on_a_slider_has_it_made_ready(page: Any) -> None:
    track = _slider(page, "skin").bounding_box()
    x, y = track["x"] + track["width"] / 2, track["y"] + track["height"] / 2
    with page.expect_response("**/api/near") as got:
        page.mouse.move(x, y)
    assert got.value.ok
    sent = json.loads(got.value.request.post_data)
    assert sent["feature"] == "skin"
    assert sent["face"]["asked"] == {}


def test_the_track_takes_clicks_wheels_keys_and_numbers(page: Any) -> None:
    track = _slider(page, "warm_hair")
    box = track.bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    clicked = _asked(page, "warm_hair")
    assert clicked != 0
    page.wait_for_timeout(450)  # or it would be a double click
    page.mouse.dblclick(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    assert _asked(page, "warm_hair") == 0
    page.wait_for_timeout(450)

    page.keyboard.press("ArrowRight")
    assert _asked(page, "warm_hair") == 0.1
    page.keyboard.press("Shift+ArrowUp")
    assert _asked(page, "warm_hair") == 0.6
    page.keyboard.press("ArrowLeft")
    assert _asked(page, "warm_hair") == 0.5
    page.mouse.wheel(0, -100)
    _until(page, "document.activeElement.getAttribute('aria-valuenow') === '0.60'")
    page.keyboard.press("End")
    high = _asked(page, "warm_hair")
    page.keyboard.press("Home")
    assert _asked(page, "warm_hair") < 0 < high
    page.keyboard.press("Backspace")
    assert _asked(page, "warm_hair") == 0

    page.keyboard.press("-")
    page.keyboard.type("1.25")
    page.keyboard.press("Enter")
    assert _asked(page, "warm_hair") == -1.25
    page.keyboard.press("9")
    page.keyboard.press("Escape")  # thought better of it
    assert _asked(page, "warm_hair") == -1.25


def test_plus_and_minus_step_by_half_and_repeat_while_held(page: Any) -> None:
    more, less = _row(page, "skin").locator(".step").nth(1), _row(page, "skin").locator(".step").nth(0)
    more.click()
    assert _asked(page, "skin") == 0.5
    less.click()
    assert _asked(page, "skin") == 0
    box = less.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    _until(page, "+document.querySelector('[data-feature=skin]').getAttribute('aria-valuenow') <= -1.5")
    page.mouse.up()
    page.keyboard.press("Control+z")  # however long it was held, it was one gesture
    assert _asked(page, "skin") == 0


def test_a_lock_keeps_what_a_slider_would_drag_along(page: Any, cartoons: Workspace) -> None:
    page.evaluate("window.studio.set({skin: 2})")
    _settled(page)
    free = page.evaluate("window.studio.changes()")
    name = max((n for n in free if n not in ("skin", "luck")), key=lambda n: abs(free[n]))
    _row(page, name).locator(".lock").click()
    assert _row(page, name).locator(".lock").get_attribute("aria-pressed") == "true"
    _settled(page)
    assert abs(page.evaluate("window.studio.changes()")[name]) <= abs(free[name]) + 0.02
    assert "locked" in _slider(page, name).get_attribute("aria-valuetext")
    assert _slider(page, name).is_enabled()
    page.keyboard.press("Control+z")
    assert _row(page, name).locator(".lock").get_attribute("aria-pressed") == "false"


def test_lock_all_others_means_the_strong_ones_that_are_not_asked_for(page: Any) -> None:
    page.evaluate("window.studio.set({skin: 1})")
    page.check("#others")
    pressed = {
        row.get_attribute("data-name"): row.locator(".lock").get_attribute("aria-pressed") == "true"
        for row in page.locator(".slider").all()
    }
    assert pressed.pop("skin") is False
    assert pressed.pop("luck") is False
    assert all(pressed.values())


def test_exact_reaches_what_was_asked(page: Any) -> None:
    page.evaluate("window.studio.set({smiling: 1.2, skin: -1})")
    _settled(page)
    plain = page.evaluate("window.studio.changes()")
    page.check("#exact")
    _settled(page)
    exact = page.evaluate("window.studio.changes()")

    def miss(changes: dict[str, float]) -> float:
        return max(abs(changes["smiling"] - 1.2), abs(changes["skin"] + 1))

    assert miss(exact) < min(0.1, miss(plain))


def test_side_effects_are_listed_for_the_slider_in_hand(page: Any) -> None:
    assert "Move a slider" in page.locator("#effects").inner_text()
    slider = _slider(page, "smiling")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    _settled(page)
    assert "with Smile" in page.locator("#effects .title").inner_text()
    changes = page.evaluate("window.studio.changes()")
    shown = page.locator("#effects li:not([hidden])").count()
    worth = sum(abs(change) >= 0.1 for name, change in changes.items() if name != "smiling")
    assert shown == min(5, worth)


def test_reset_takes_everything_back(page: Any) -> None:
    before = _pixels(page)
    page.evaluate("window.studio.set({smiling: 1, skin: -1})")
    _settled(page)
    page.click("#reset")
    _settled(page)
    assert np.array_equal(_pixels(page), before)
    assert page.locator("#reset").is_disabled()


def test_holding_space_shows_the_original(page: Any) -> None:
    before = _pixels(page)
    page.evaluate("window.studio.set({skin: 2})")
    _settled(page)
    assert page.locator("#original").is_hidden()
    page.keyboard.down(" ")
    page.locator("#original").wait_for(state="visible")
    assert np.array_equal(_pixels(page, "original"), before)
    assert page.locator("#badge").inner_text() == "original"
    page.keyboard.up(" ")
    page.locator("#original").wait_for(state="hidden")


def test_compare_works_for_a_face_that_came_with_its_edits(watched: Any) -> None:
    page = watched.open("#seed=7")
    before = _pixels(page)
    page = watched.open("#seed=7&ask=skin:2")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    _settled(page)
    edited = _pixels(page)
    page.keyboard.down(" ")
    page.locator("#original").wait_for(state="visible")
    assert np.array_equal(_pixels(page, "original"), before)
    page.keyboard.up(" ")
    _settled(page)
    assert np.array_equal(_pixels(page), edited)


def test_a_closer_look_keeps_its_place(page: Any) -> None:
    page.wait_for_selector("html[data-ready]", state="attached")
    box = page.locator("#picture").bounding_box()
    at = box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"]
    canvas = "document.getElementById('now').getBoundingClientRect()"

    def under_the_mouse() -> list[float]:
        return page.evaluate(
            f"(() => {{ const b = {canvas}; return [({at[0]} - b.x) / b.width, ({at[1]} - b.y) / b.height] }})()"
        )

    page.mouse.move(*at)
    page.mouse.wheel(0, -400)
    page.wait_for_function("document.querySelector('#picture').classList.contains('zoomed')")
    assert page.evaluate(f"{canvas}.width") > 1.5 * box["width"]
    assert under_the_mouse() == pytest.approx([0.25, 0.75], abs=0.005)
    page.mouse.down()
    page.mouse.move(at[0] + 20, at[1] - 20)
    page.mouse.up()
    moved = page.evaluate(f"{canvas}.width")
    assert under_the_mouse() == pytest.approx([0.25 - 20 / moved, 0.75 + 20 / moved], abs=0.005)
    page.mouse.down()
    page.mouse.move(at[0] + 3000, at[1])
    page.mouse.up()
    assert page.evaluate(f"{canvas}.x") == pytest.approx(box["x"], abs=1)  # no empty margin
    page.keyboard.press("z")
    assert page.evaluate(f"{canvas}.width") == pytest.approx(box["width"], abs=1)
    page.mouse.dblclick(*at)
    assert page.evaluate(f"{canvas}.width") == pytest.approx(3 * box["width"], abs=1)


def test_a_wipe_lays_the_original_over_one_half(page: Any) -> None:
    page.evaluate("window.studio.set({skin: 2})")
    page.keyboard.press("w")
    page.locator("#original").wait_for(state="visible")
    assert page.locator("#picture").evaluate("e => e.style.getPropertyValue('--wipe')") == "50%"
    page.locator("#wipe").press("ArrowRight")
    assert page.locator("#picture").evaluate("e => e.style.getPropertyValue('--wipe')") == "50.5%"
    page.click("#wipe-on")
    page.locator("#original").wait_for(state="hidden")


def test_the_morph_walks_from_a_to_b_and_a_slider_goes_on_from_there(page: Any) -> None:
    a = _pixels(page)
    assert page.locator("#walk").is_disabled()
    page.keyboard.press("a")
    page.keyboard.press("r")
    _settled(page)
    b = _pixels(page)
    page.keyboard.press("b")
    walk = page.locator("#walk")
    walk.fill("0")
    _settled(page)
    assert np.abs(_pixels(page) - a).max() <= 2
    walk.fill("1000")
    _settled(page)
    assert np.abs(_pixels(page) - b).max() <= 2
    walk.fill("500")
    _settled(page)
    middle = _pixels(page)
    assert np.abs(middle - a).mean() > 1
    assert np.abs(middle - b).mean() > 1
    assert "50 %" in page.locator("#face-name").inner_text()

    _slider(page, "skin").press("ArrowRight")
    _settled(page)
    assert _faces(page) == 3
    _slider(page, "skin").press("Backspace")
    _settled(page)
    assert np.abs(_pixels(page) - middle).max() <= 2


def test_the_morph_plays_and_pauses(page: Any) -> None:
    page.evaluate("window.studio.ends(7, 8)")
    page.click("#play")
    _until(page, "+document.getElementById('walk').value > 100")
    page.keyboard.press("p")
    page.wait_for_timeout(100)
    value = page.locator("#walk").input_value()
    page.wait_for_timeout(200)
    assert page.locator("#walk").input_value() == value


def test_a_walk_is_saved_as_a_film(page: Any) -> None:
    page.evaluate("window.studio.ends(7, 8)")
    page.click("#film")
    with page.expect_download() as download:
        page.locator("dialog button", has_text="GIF").click()
    assert download.value.suggested_filename == "cartoons-walk.gif"
    with Image.open(download.value.path()) as film:
        assert film.n_frames > 20  # type: ignore[attr-defined]


def test_the_gallery_offers_faces_and_finds_wishes(page: Any) -> None:
    page.keyboard.press("g")
    faces = page.locator("dialog .grid button")
    faces.nth(23).wait_for()
    assert faces.count() == 24
    page.fill("dialog input", "smiling +1, nonsense")
    page.keyboard.press("Enter")
    assert "nonsense" in page.locator("#gallery-error").inner_text()
    page.fill("dialog input", "smiling +1, older")
    page.keyboard.press("Enter")
    page.locator("dialog .grid button[title^=sampled]").first.wait_for()
    assert page.locator("#gallery-error").is_hidden()
    faces.first.click()
    _settled(page)
    assert not page.locator("dialog").is_visible()
    assert _faces(page) == 2
    places = page.evaluate("window.studio.measured()")
    assert abs(places["smiling"] - 1) + abs(places["age"] - 2) < 2


def test_a_strip_of_seven_is_saved_as_one_png(page: Any) -> None:
    _slider(page, "skin").focus()
    page.keyboard.press("t")
    page.locator("dialog .strip li").nth(6).wait_for()
    assert page.locator("dialog .strip li").count() == 7
    with page.expect_download() as download:
        page.locator("dialog button", has_text="save as PNG").click()
    with Image.open(download.value.path()) as strip:
        assert strip.width > 6 * strip.height / 2


def test_the_map_picks_two_sliders(page: Any, cartoons: Workspace) -> None:
    page.keyboard.press("m")
    words = page.locator("#map-words")
    words.wait_for()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    order = [name for group in describe(cartoons)["groups"] for name in group["features"]]
    a, b = (cartoons.axes.features[cartoons.axes.index(name)] for name in order[1:3])
    said = re.fullmatch(r"(.*) and (.*): ([+−0-9.]+) as measured, ([+−0-9.]+) as the axes say", words.inner_text())
    assert (said[1], said[2]) == (a.label, b.label)
    row, column = cartoons.axes.indices(order[1:3])
    for text, correlation in ((said[3], cartoons.axes.correlation), (said[4], cartoons.axes.correlation_of_axes())):
        assert float(text.replace("−", "-")) == pytest.approx(correlation[row, column], abs=0.011)
    page.check("dialog input[value=axes]")
    page.locator("dialog canvas").focus()
    page.keyboard.press("Enter")
    assert not page.locator("dialog").is_visible()
    visible = [row.get_attribute("data-name") for row in page.locator(".slider:visible").all()]
    assert visible == order[1:3]
    page.locator(".filtered button").click()
    assert page.locator(".slider:visible").count() >= 6


def test_search_finds_by_name_group_and_end_words(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("older")
    assert page.locator(".slider:visible").count() == 1
    page.fill("#search", "expression")
    assert page.locator(".slider:visible").count() == 2
    page.fill("#search", "zebra")
    assert "No slider matches" in page.locator(".filtered").inner_text()
    page.fill("#search", "luck")
    assert _row(page, "luck").is_visible()  # also in a section that was folded away
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.feature") == "luck"
    page.locator("#search").press("Escape")
    assert page.locator(".slider:visible").count() >= 6


def test_weak_sliders_are_told_apart_and_folded_away(page: Any) -> None:
    summary = page.locator("summary")
    assert summary.inner_text() == "weak on this generator (1)"
    assert not _row(page, "luck").is_visible()
    summary.click()
    assert _row(page, "luck").is_visible()


def test_a_saved_png_remembers_and_brings_the_face_back(page: Any, cartoons: Workspace, tmp_path: Path) -> None:
    page.evaluate("window.studio.set({smiling: 1.3, skin: -0.7})")
    _row(page, "age").locator(".lock").click()
    _settled(page)
    shown = _pixels(page)
    with page.expect_download() as download:
        page.keyboard.press("s")
        page.keyboard.press("Enter")
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert saved.name == "cartoons-face-7.png"

    state = read_png(saved.read_bytes())
    assert state["asked"] == {"smiling": 1.3, "skin": -0.7}
    assert state["locks"] == ["age"]
    picture = np.asarray(Image.open(saved).convert("RGB")).astype(int)
    painted = cartoons.face(seed=7).set(smiling=1.3, skin=-0.7).lock("age").picture().astype(int)
    assert np.abs(picture - painted).max() <= 1

    page.keyboard.press("r")
    page.click("#reset", force=True)
    _drop(page, saved)
    _until(page, "document.getElementById('face-name').textContent === 'face 7'")
    _settled(page)
    assert np.array_equal(_pixels(page), shown)
    assert _asked(page, "smiling") == 1.3
    assert _row(page, "age").locator(".lock").get_attribute("aria-pressed") == "true"


def test_a_saved_exact_face_is_the_face_that_was_seen(page: Any, cartoons: Workspace, tmp_path: Path) -> None:
    page.evaluate("window.studio.set({smiling: 1.2})")
    page.keyboard.press("x")
    with page.expect_download() as download:
        page.keyboard.press("s")
        page.keyboard.press("Enter")  # at once: what is saved waits for the picture that is still on its way
    download.value.save_as(tmp_path / "saved.png")
    _settled(page)
    shown, state = _pixels(page), read_png((tmp_path / "saved.png").read_bytes())
    assert (state["exact"], state["asked"]) == (True, {"smiling": 1.2})
    assert state["reached"]["quality"] == "live"
    picture = np.asarray(Image.open(tmp_path / "saved.png").convert("RGB")).astype(int)
    again = cartoons.face(png=tmp_path / "saved.png")
    assert np.abs(picture - again.picture()).mean() <= 1

    page.keyboard.press("0")
    _settled(page)
    assert np.abs(_pixels(page) - shown).mean() > 1
    page.keyboard.press("Control+z")
    _settled(page)
    assert np.array_equal(_pixels(page), shown)  # undone to what was seen, without a look

    page.click("#share")
    link = page.evaluate("location.href")
    assert "&to=" in link
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector("html[data-ready]")
    _settled(page)
    assert np.abs(_pixels(page) - shown).mean() <= 1


def _drop(page: Any, path: Path) -> None:
    data = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(
        """([data, name]) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, {type: "image/png"}));
          for (const type of ["dragenter", "dragover", "drop"])
            document.body.dispatchEvent(new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }""",
        [data, path.name],
    )


def test_files_that_hold_no_face_of_this_generator_are_refused_in_words(
    watched: Any, cartoons: Workspace, tmp_path: Path
) -> None:
    from tlgan.editing.state import png_with_state

    page = watched.open("#seed=7")
    shown = _pixels(page)
    state = dict(cartoons.face(seed=7).state())
    picture = cartoons.face(seed=7).picture()
    plain, foreign, forged, other = (tmp_path / f"{name}.png" for name in ("plain", "foreign", "forged", "other"))
    Image.fromarray(picture).save(plain)
    foreign.write_bytes(png_with_state(picture, state | {"generator": "0123456789abcdef"}))
    forged.write_bytes(png_with_state(picture, state | {"latent": [1]}))
    other.write_bytes(b"GIF89a")
    error = page.locator("#file-error")
    for path in (plain, other):  # may be photographs
        _drop(page, path)
        page.wait_for_selector("#agree")
        page.keyboard.press("Escape")
        assert np.array_equal(_pixels(page), shown)
    for path, words in ((foreign, "another generator"), (forged, "expected 12 numbers")):
        _drop(page, path)
        _until(page, "w => document.getElementById('file-error').textContent.includes(w)", words)
        assert error.is_visible()
        assert np.array_equal(_pixels(page), shown)
    # The browser itself notes a refused request on the console; that is not a fault of the page.
    watched.faults[:] = [fault for fault in watched.faults if "status of 400" not in fault]


def test_a_link_restores_the_face(watched: Any) -> None:
    page = watched.open("#seed=9")
    page.evaluate("window.studio.set({smiling: 1.3})")
    _row(page, "age").locator(".lock").click()
    _settled(page)
    shown = _pixels(page)
    page.click("#share")
    _until(page, "document.getElementById('told').textContent.includes('copied')")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.partition("#")[2].startswith("seed=9&ask=smiling:1.3&lock=age&of=")

    other = watched.context.new_page()
    other.goto(link)
    other.wait_for_selector("html[data-ready]")
    _settled(other)
    assert np.array_equal(_pixels(other), shown)
    assert _asked(other, "smiling") == 1.3
    other.close()


def test_the_address_never_names_another_face_than_the_one_shown(page: Any) -> None:
    assert page.evaluate("location.hash") == "#seed=7"
    page.keyboard.press("r")
    assert page.evaluate("location.hash") == ""
    page.evaluate("location.hash = '#seed=12&ask=skin:1'")
    _until(page, "document.getElementById('face-name').textContent === 'face 12'")
    assert page.evaluate("location.hash") == "#seed=12&ask=skin:1"


def test_a_face_without_a_seed_is_shared_by_its_latent(watched: Any) -> None:
    page = watched.open("#seed=9")
    page.evaluate("window.studio.ends(7, 8)")
    page.locator("#walk").fill("400")
    _settled(page)
    shown = _pixels(page)
    page.click("#share")
    _until(page, "location.hash.startsWith('#start=')")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    _settled(page)
    assert np.abs(_pixels(page) - shown).max() <= 2


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("#seed=1&of=ffffffffffff", "another generator"),
        ("#seed=1&ask=nobody:1", "nobody"),
        ("#seed=1&ask=smiling:x", "damaged"),
        ("#seed=x", "damaged"),
    ],
)
def test_a_damaged_link_is_said_and_a_face_is_there_all_the_same(watched: Any, fragment: str, words: str) -> None:
    page = watched.open(fragment)
    assert words in page.locator("#file-error").inner_text()
    assert _pixels(page).std() > 10


def test_the_card_says_keys_numbers_and_what_the_model_is(page: Any, cartoons: Workspace) -> None:
    page.keyboard.press("?")
    text = page.locator("dialog").inner_text()
    for words in ("Keys", "standard deviation", cartoons.axes.generator, *cartoons.about.values()):
        assert words in text
    page.keyboard.press("r")  # keys rest while a dialog is open
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert _faces(page) == 1


def test_a_dialog_that_opens_right_after_another_is_whole(page: Any) -> None:
    page.evaluate(
        """() => {
          for (const key of ["?", "Escape", "g"]) {
            if (key === "Escape") document.querySelector("dialog").close();
            else dispatchEvent(new KeyboardEvent("keydown", {key}));
          }
        }"""
    )
    page.locator("dialog .grid button").nth(23).wait_for()


def test_a_lost_connection_is_said_and_taken_up_again(browser: Any, cartoons: Workspace) -> None:
    with running(cartoons) as address:
        port = int(address.rsplit(":", 1)[1].strip("/"))
        watched = Watched(browser, address)
        page = watched.open("#seed=7")
        shown = _pixels(page)
    page.locator("#connection").wait_for(state="visible")
    assert "connection is lost" in page.locator("#connection").inner_text()
    page.evaluate("window.studio.set({skin: 2})")  # asked for in the meantime
    assert np.array_equal(_pixels(page), shown)  # the last good picture stays
    with running(cartoons, port=port):
        page.locator("#connection").wait_for(state="hidden")
        _settled(page)
        assert _asked(page, "skin") == 2
        assert np.abs(_pixels(page) - shown).mean() > 1
        watched.context.close()


def test_everything_has_a_name_for_a_screen_reader(page: Any) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, canvas:not([aria-hidden]), [role=slider]")]
          .filter((e) => e.checkVisibility())
          .filter((e) => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim()
                           || e.labels?.length))
          .map((e) => e.outerHTML)"""
    )
    assert nameless == []
    slider = _slider(page, "age")
    assert slider.get_attribute("role") == "slider"
    assert "years" in slider.get_attribute("aria-valuetext")
    assert page.locator(f"#{slider.get_attribute('aria-labelledby')}").inner_text() == "Age"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(browser: Any, address: str, scheme: str) -> None:
    watched = Watched(browser, address, color_scheme=scheme)
    page = watched.open("#seed=7")
    page.evaluate("window.studio.set({smiling: 1})")
    _settled(page)
    found = page.evaluate(
        """() => {
          const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
            .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
          const under = (e) => {
            for (; e; e = e.parentElement) {
              const [r, g, b, a = 1] = rgb(getComputedStyle(e).backgroundColor);
              if (a > 0.9) return [r, g, b];
            }
            return [255, 255, 255];
          };
          const poor = [];
          for (const e of document.querySelectorAll("body *")) {
            const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
            if (!own || !e.checkVisibility({opacityProperty: true}) || e.closest(":disabled, .told, .bubble")) continue;
            const [a, b] = [light(rgb(getComputedStyle(e).color)), light(under(e))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) poor.push([e.className, e.textContent.trim().slice(0, 20), ratio]);
          }
          return poor;
        }"""
    )
    watched.context.close()
    assert found == []


def test_on_a_phone_groups_are_tabs_and_the_picture_stays(phone: Any) -> None:
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    tabs = phone.locator("[role=tab]:visible")
    assert tabs.first.get_attribute("aria-selected") == "true"
    assert _row(phone, "smiling").is_visible()
    assert not _row(phone, "skin").is_visible()
    tabs.filter(has_text="Face").tap()
    assert _row(phone, "skin").is_visible()
    assert not _row(phone, "smiling").is_visible()
    phone.evaluate("scrollTo(0, document.body.scrollHeight)")
    _until(phone, "scrollY > 0")
    assert phone.locator("#picture").bounding_box()["y"] >= 0
    small = phone.evaluate(
        """() => [...document.querySelectorAll(".thumbs button, .slider .step, .slider .lock, .tabs button")]
          .filter((e) => e.checkVisibility()).map((e) => e.getBoundingClientRect())
          .filter((r) => r.width < 40 || r.height < 40).length"""
    )
    assert small == 0


def test_on_a_phone_a_tap_moves_and_the_bar_below_does_the_rest(phone: Any) -> None:
    before = _pixels(phone)
    name = phone.locator(".track:visible").first.get_attribute("data-feature")
    track = _slider(phone, name).bounding_box()
    phone.touchscreen.tap(track["x"] + 0.9 * track["width"], track["y"] + track["height"] / 2)
    _settled(phone)
    assert _asked(phone, name) > 0
    phone.locator(".thumbs button[data-for=undo]").tap()
    _settled(phone)
    assert _asked(phone, name) == 0
    assert np.array_equal(_pixels(phone), before)
    phone.locator(".thumbs button[data-for=random]").tap()
    _settled(phone)
    assert _faces(phone) == 2


def test_no_layout_spills_over(watched: Any) -> None:
    page = watched.open("#seed=7")
    for width, height in ((1920, 1080), (1280, 720), (1024, 768), (800, 600), (390, 844), (360, 640), (844, 390)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, height)
        box = page.locator("#picture").bounding_box()
        assert abs(box["width"] - box["height"]) < 1
        assert box["width"] >= 100


def test_axe_finds_nothing(browser: Any, address: str) -> None:
    """The studio as it opens, and with each of its dialogues open."""
    with looked_at(browser, address + "#seed=7", "html[data-ready]") as page:
        found = violations(page)
        for name in ("map", "gallery", "strip", "presets", "save", "help"):
            page.evaluate("(name) => document.getElementById(name).click()", name)
            page.wait_for_selector("dialog[open]")
            found += [f"{name}: {line}" for line in violations(page)]
            page.keyboard.press("Escape")
        assert found == []


def test_sliders_of_an_extractor_that_knows_no_such_pictures_say_so(browser: Any, cartoons: Workspace) -> None:
    changed = cartoons.changed(settings=replace(cartoons.settings, distance=(("cartoon", 2.3), ("other", 0.1))))
    (told,) = describe(changed)["foreign"]
    assert (told["name"], told["features"]) == ("cartoon", list(cartoons.axes.names))
    with running(changed) as address:
        watched = Watched(browser, address)
        page = watched.open("#seed=7")
        lines = page.locator(".foreign").all_text_contents()
        assert lines[0].startswith("These pictures do not look like faces to cartoon (distance 2.3")
        assert "use the extractor colour" in lines[0]
        assert lines[1:] == ["All of these: measured by cartoon, which does not know such pictures"] * (len(lines) - 1)
        assert len(lines) == 1 + page.locator(".group").count()
        assert page.locator(".foreign").first.is_visible()
        watched.context.close()
    assert watched.faults == []
    assert describe(cartoons)["foreign"] == []
