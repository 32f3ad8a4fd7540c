"""What the studio shows and saves says what it is: pictures, copies without their face, strips, films."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.independent import EXIFTOOL, MADE, by_exiftool
from tlgan.editing.state import find_state
from tlgan.errors import TlganError
from tlgan.provenance import signing, verify
from tlgan.web.server import create_app
from tlgan.workspace import Workspace

pytestmark = pytest.mark.browser


def _downloaded(page: Any, press: Any) -> bytes:
    with page.expect_download() as download:
        press()
    return Path(download.value.path()).read_bytes()


def _save(page: Any, words: str) -> bytes:
    page.click("#save")
    return _downloaded(page, lambda: page.locator("dialog").get_by_role("button", name=words, exact=True).click())


def test_a_saved_picture_says_what_it_is_and_what_was_asked(page: Any, cartoons: Workspace) -> None:
    page.evaluate("window.studio.set({smiling: 1.3, skin: -0.7})")
    page.evaluate("window.studio.lock('age')")
    page.click("#save")
    told = page.locator("dialog .about").inner_text()
    assert "asked: skin=-0.7 smiling=+1.3 --lock age" in told
    assert "whoever wants to can change these words" in told
    page.keyboard.press("Escape")
    whole, without = _save(page, "save"), _save(page, "save without the face")
    for data in (whole, without):
        report = verify(data)
        assert (report.verdict, report.problems) == ("intact", ())
        assert report.claim["Iptc4xmpExt:AISystemVersionUsed"] == cartoons.axes.generator
        assert report.claim["tlgan:Asked"] == "skin=-0.7 smiling=+1.3 --lock age"
        assert verify(data[:300] + bytes([data[300] ^ 1]) + data[301:]).verdict == "broken"
    assert find_state(whole)["asked"] == {"skin": -0.7, "smiling": 1.3}
    assert find_state(without) is None
    pixels = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in (whole, without)]
    assert np.array_equal(*pixels)
    if EXIFTOOL:
        assert [by_exiftool(data)["DigitalSourceType"] for data in (whole, without)] == [MADE, MADE]


def test_strips_say_what_they_are(page: Any) -> None:
    page.keyboard.press("t")
    strip = _downloaded(page, page.locator("dialog").get_by_role("button", name="save as PNG").click)
    assert verify(strip).verdict == "intact"
    assert ".." in verify(strip).claim["tlgan:Asked"]
    shown = page.locator("dialog ol.strip img").first.get_attribute("src")
    assert verify(base64.b64decode(shown.partition(",")[2])).verdict == "intact"


def test_the_mark_can_be_put_away_in_ones_own_studio(page: Any) -> None:
    assert page.locator("#mark").is_visible()
    assert page.locator("#mark").inner_text() == "generated"
    page.keyboard.press("?")
    page.locator("#show-mark").uncheck()
    page.keyboard.press("Escape")
    assert not page.locator("#mark").is_visible()
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert not page.locator("#mark").is_visible()
    page.keyboard.press("?")
    page.locator("#show-mark").check()
    page.keyboard.press("Escape")
    assert page.locator("#mark").is_visible()


def test_pictures_of_the_api_say_what_they_are(client: TestClient) -> None:
    face = {"seed": 7, "asked": {"smiling": 1}, "locks": [], "exact": False}
    whole = client.post("/api/render", json={"face": face}).content
    without = client.post("/api/render", json={"face": face, "state": False}).content
    assert [verify(data).verdict for data in (whole, without)] == ["intact", "intact"]
    assert (find_state(whole) is None, find_state(without) is None) == (False, True)
    assert client.post("/api/render", json={"face": face, "state": 1}).status_code == 400
    picture = client.post("/api/gallery", json={"seeds": [1]}).json()["faces"][0]["picture"]
    assert verify(base64.b64decode(picture.partition(",")[2])).verdict == "intact"
    ends = {name: face | {"seed": seed} for name, seed in (("a", 5), ("b", 6))}
    for kind in ("gif", "mp4"):
        film = verify(client.post("/api/film", json={**ends, "format": kind, "frames": 4}).content)
        assert (film.verdict, film.claim["tlgan:Asked"]) == ("intact", "a walk between two faces")


def test_the_page_computes_sha256_and_escapes_as_python_does(page: Any) -> None:
    rng = np.random.default_rng(0)
    for size in (0, 1, 55, 56, 63, 64, 65, 1000):
        data = rng.bytes(size)
        found = page.evaluate("async (data) => (await import('./sha256.js')).sha256(Uint8Array.from(data))", list(data))
        assert found == hashlib.sha256(data).hexdigest()
    hostile = 'a"<b>&\x00\x1f é \U0001f600'
    marked = page.evaluate(
        """async (asked) => {
          const { markPng } = await import('./provenance.js');
          const canvas = new OffscreenCanvas(9, 7);
          canvas.getContext("2d").fillRect(0, 0, 3, 3);
          const png = await canvas.convertToBlob({ type: "image/png" });
          const bytes = new Uint8Array(await (await markPng(png, window.studio.description.provenance, asked)).arrayBuffer());
          return btoa(String.fromCharCode(...bytes));
        }""",
        hostile,
    )
    report = verify(base64.b64decode(marked))
    assert report.verdict == "intact"
    assert report.claim["tlgan:Asked"] == 'a"<b>&?? é \U0001f600'


def test_a_studio_with_a_key_signs_what_its_server_saves(
    cartoons: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("c2pa", reason="the extra c2pa (c2pa-python) is not installed")
    monkeypatch.setenv(signing.VARIABLE, str(signing.make_key(tmp_path / "signing", "Jo")))
    face = {"seed": 7, "asked": {}, "locks": [], "exact": False}
    with TestClient(create_app(cartoons), base_url="http://127.0.0.1:8000") as client:
        assert client.get("/api/describe").json()["provenance"]["signed"] is True  # so the page asks the server for it
        for given in ({}, {"state": False}):
            assert verify(client.post("/api/render", json={"face": face, **given}).content).verdict == "signed"
        thumbnail = client.post("/api/gallery", json={"seeds": [1]}).json()["faces"][0]["picture"]
        assert verify(base64.b64decode(thumbnail.partition(",")[2])).verdict == "intact"
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(TlganError, match="must name a folder"):
        create_app(cartoons)
