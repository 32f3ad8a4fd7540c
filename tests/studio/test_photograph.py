"""Photographs in the studio: sent, picked, inverted while others go on, edited, saved; and what is refused."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.studio.watched import Watched
from tlgan import photographs
from tlgan.photographs import Plan
from tlgan.provenance import verify_file
from tlgan.web.server import album, create_app, running
from tlgan.workspace import Workspace

ASTRONAUT = Path(__file__).parents[1] / "photographs" / "astronaut.jpg"  # NASA, public domain
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cartoon generator, taken as one of aligned faces; inverted in a few steps, without a network that is fetched."""
    monkeypatch.setattr(album, "PLAN", Plan(small=12, whole=0))
    monkeypatch.setattr(photographs, "networks_of", lambda *_: photographs.Networks())
    before = album.Album.__init__
    monkeypatch.setattr(album.Album, "__init__", lambda self, painter, alignment: before(self, painter, "ffhq"))


@pytest.fixture
def held(faces: None, cartoons: Workspace) -> Iterator[TestClient]:
    with TestClient(create_app(cartoons, hosts=None), base_url=ADDRESS, headers={"X-Tlgan-Page": "a"}) as client:
        yield client


def _send(client: TestClient, data: bytes = b"", **headers: str) -> Any:
    content = data or ASTRONAUT.read_bytes()
    return client.post("/api/photograph", content=content, headers={"Content-Type": "image/jpeg", **headers})


def _inverted(client: TestClient, data: bytes = b"") -> tuple[str, dict[str, Any]]:
    sent = _send(client, data).json()
    told = client.post("/api/invert", json={"photo": sent["photo"], "face": 1}).json()
    while not told["done"]:
        told = client.post("/api/invert", json={"photo": sent["photo"]}).json()
    return sent["photo"], told


def _face(photo: str, **asked: float) -> dict[str, Any]:
    return {"photo": photo, "asked": asked, "locks": [], "exact": False}


def _encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_a_photograph_is_inverted_edited_and_saved(held: TestClient, tmp_path: Path) -> None:
    data = _encoded(Image.open(ASTRONAUT))
    photo, told = _inverted(held, data)
    assert told["step"] == told["steps"] == 12
    same = held.post("/api/render", json={"face": _face(photo)})
    assert same.headers["content-type"] == "image/png"
    assert same.content == data
    edited = held.post("/api/render", json={"face": _face(photo, skin=2.0)})
    (tmp_path / "edited.png").write_bytes(edited.content)
    before, after = (np.asarray(Image.open(io.BytesIO(data))).astype(int) for data in (same.content, edited.content))
    assert before.shape == after.shape
    changed = np.abs(after - before).max(axis=-1)
    assert changed[60:160, 180:280].mean() > 4  # the face
    assert not changed[420:].any()
    report, _ = verify_file(tmp_path / "edited.png")
    assert report.holds
    assert b"compositeWithTrainedAlgorithmicMedia" in edited.content


def test_all_verbs_take_it(held: TestClient) -> None:
    photo, _ = _inverted(held)
    strip = held.post("/api/strip", json={"face": _face(photo), "feature": "skin", "asked": [-2, 0, 2], "size": 64})
    assert len(set(strip.json()["pictures"])) == 3
    exact = _face(photo, smiling=0.5) | {"exact": True, "locks": ["skin"]}
    assert len(held.post("/api/measure", json={"face": exact}).json()["measured"]) == 7
    film = {"a": _face(photo), "b": {"seed": 3, "asked": {}, "locks": [], "exact": False}, "frames": 4}
    assert b"compositeWithTrainedAlgorithmicMedia" in held.post("/api/film", json=film).content
    state = held.post("/api/state", json={"face": _face(photo, skin=1.0)}).json()
    assert (state["photograph"], state["latent"], state["reached"]) == (True, None, None)
    assert "photograph itself" in held.post("/api/open", json=state).json()["error"]


def test_the_live_picture_is_the_photograph_until_something_is_asked(held: TestClient) -> None:
    photo, _ = _inverted(held)
    painter, editor = held.app.state.studio.album.editor(photo)  # type: ignore[attr-defined]
    crop = editor.crop(32)
    pictures = {}
    with held.websocket_connect("/live") as socket:
        socket.receive_json()
        for number, asked in enumerate(({}, {"skin": 1.5}), 1):
            socket.send_json({"id": number, "face": _face(photo, **asked)})
            pictures[number] = np.frombuffer(socket.receive_bytes()[16:], np.uint8).reshape(32, 32, 4)[..., :3]
            socket.receive_text()
        mix = {"a": _face(photo), "b": {"seed": 3, "asked": {}, "locks": [], "exact": False}, "at": 0.5}
        socket.send_json({"id": 3, "mix": mix})
        socket.receive_bytes()
        assert "latent" not in json.loads(socket.receive_text())  # no page can put it into a link
    assert np.array_equal(pictures[1], crop)
    assert np.abs(pictures[2].astype(int) - crop).mean() > 2
    assert painter is not held.app.state.studio.painter  # type: ignore[attr-defined]


def test_stopped_at_any_time_with_the_best_so_far(held: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "SLICE", 0.0)
    photo = _send(held).json()["photo"]
    assert "not inverted" in held.post("/api/render", json={"face": _face(photo)}).json()["error"]
    assert "say which face" in held.post("/api/invert", json={"photo": photo}).json()["error"]
    for message in ({"photo": photo, "face": 1}, {"photo": photo}, {"photo": photo}):
        told = held.post("/api/invert", json=message).json()
    assert told["done"] is False
    assert held.post("/api/render", json={"face": _face(photo, skin=1.0)}).status_code == 200


def test_nobody_else_has_it_and_it_is_forgotten(held: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _send(held).json()["photo"]
    assert len(first) >= 24
    for other in ("", first[:-1], None, 7, "x" * 24):
        assert "not held" in held.post("/api/invert", json={"photo": other, "face": 1}).json()["error"]
    held.post("/api/forget", json={"photo": first})
    assert "not held" in held.post("/api/invert", json={"photo": first, "face": 1}).json()["error"]
    mine = [_send(held).json()["photo"] for _ in range(album.A_PAGE + 1)]
    theirs = _send(held, **{"X-Tlgan-Page": "b"}).json()["photo"]
    known = held.app.state.studio.album._held  # type: ignore[attr-defined]
    assert [*known] == [*mine[1:], theirs]
    monkeypatch.setattr(album, "BYTES", 3_000_000)
    full = _send(held, **{"X-Tlgan-Page": "c"})
    assert full.status_code == 503  # what is in use is not taken away
    monkeypatch.setattr(album, "IN_USE", -1.0)
    assert _send(held, **{"X-Tlgan-Page": "c"}).status_code == 200


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda a: _encoded(Image.new("RGB", (300, 300), "white")), "no face was found"),
        (lambda a: _encoded(a.resize((110, 110))), "expected at least 32"),
        (lambda a: _encoded(a.convert("CMYK"), "JPEG"), "CMYK"),
        (lambda a: _encoded(a, "WEBP", save_all=True, append_images=[a.rotate(5)]), "holds 2 pictures"),
        (lambda a: _encoded(a, "JPEG")[:9000], "expected a whole file"),
        (lambda a: _encoded(Image.new("1", (10_000, 10_000))), "100 million"),
        (lambda a: b"nothing", "can't be read as a photograph"),
    ],
)
def test_what_cannot_be_worked_on_is_refused_in_one_line(held: TestClient, make: Any, words: str) -> None:
    answer = _send(held, make(Image.open(ASTRONAUT)))
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert not re.search(r"\n|--\w", answer.json()["error"])  # one line, and no option of the command line
    assert not held.app.state.studio.album._held  # type: ignore[attr-defined]


def test_of_forty_faces_one_is_picked(held: TestClient) -> None:
    tile = Image.open(ASTRONAUT).crop((130, 0, 330, 200)).resize((90, 90))
    crowd = Image.new("RGB", (720, 450))
    for number in range(40):
        crowd.paste(tile, (90 * (number % 8), 90 * (number // 8)))
    sent = _send(held, _encoded(crowd)).json()
    assert (len(sent["faces"]), sent["chosen"]) == (40, None)
    assert held.post("/api/invert", json={"photo": sent["photo"], "face": 23}).status_code == 200
    assert "from 1 to 40" in held.post("/api/invert", json={"photo": sent["photo"], "face": 41}).json()["error"]


def test_other_generators_take_a_square(cartoons: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "PLAN", Plan(small=3, whole=0))
    with TestClient(create_app(cartoons), base_url=ADDRESS) as client:
        sent = _send(client).json()
        assert sent["faces"] == []
        assert "give the square" in client.post("/api/invert", json={"photo": sent["photo"], "face": 1}).json()["error"]
        for box, status in (([10, 20, 200], 200), ([900, 0, 50], 400), ([1, 2], 400), (["a", 0, 9], 400)):
            assert client.post("/api/invert", json={"photo": sent["photo"], "box": box}).status_code == status


# -- the page ------------------------------------------------------------------------------------------------------

_CAMERA = """navigator.mediaDevices.getUserMedia = async () => {
  const image = new Image();
  image.src = "data:image/jpeg;base64,%s";
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const draw = () => canvas.getContext("2d").drawImage(image, 0, 0);
  draw();
  setInterval(draw, 50);
  return (window.stream = canvas.captureStream(20));
};"""


@pytest.fixture
def open_page(browser: Any, faces: None, cartoons: Workspace) -> Iterator[Any]:
    """`open_page(**context)`: the studio of photographs, on a desk or on a phone."""
    pages: list[Watched] = []
    with running(cartoons) as address:

        def opened(**context: Any) -> Any:
            pages.append(Watched(browser, address, **context))
            return pages[-1].open("#seed=7")

        yield opened
        for watched in pages:
            watched.context.close()
            assert [fault for fault in watched.faults if "400" not in fault] == []  # a file was refused


def _until(page: Any, condition: str) -> None:
    for _ in range(300):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition}")


def _drop(page: Any, data: bytes, name: str = "a.jpg", event: str = "drop") -> None:
    import base64

    page.evaluate(
        """([data, name, kind]) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
          const more = kind === "paste" ? { clipboardData: transfer } : { dataTransfer: transfer };
          const made = kind === "paste" ? new ClipboardEvent(kind, more) : new DragEvent(kind, more);
          document.body.dispatchEvent(new made.constructor(kind, { ...more, bubbles: true, cancelable: true }));
        }""",
        [base64.b64encode(data).decode(), name, event],
    )


_READY = "!document.getElementById('dialog').open && window.studio.idle()"


@pytest.mark.browser
def test_dropped_edited_undone_and_saved(open_page: Any, tmp_path: Path) -> None:
    page = open_page()
    _drop(page, ASTRONAUT.read_bytes())
    page.wait_for_selector("#agree")
    assert "only with their agreement" in page.locator("#dialog-body").inner_text()
    page.click("#agree")
    _until(page, _READY)
    assert page.locator("#face-name").inner_text() == "photograph"
    assert page.locator("#mark").inner_text() == "photograph"
    page.locator('.track[data-feature="skin"]').press("Shift+ArrowRight")
    page.keyboard.press("Tab")
    _until(page, "window.studio.idle()")
    assert page.locator("#mark").inner_text() == "edited with AI"
    page.click("#share")
    assert "No link holds a photograph" in page.locator("#file-error").inner_text()
    assert page.evaluate("location.hash.includes('photo')") is False
    page.click("#save")
    assert "512 × 512 pixels" in page.locator("#dialog-body").inner_text()
    with page.expect_download() as download:
        page.locator("#dialog .primary").click()
    assert download.value.suggested_filename == "cartoons-photograph.jpeg".replace("jpeg", "jpg")
    download.value.save_as(tmp_path / "saved.jpg")
    assert verify_file(tmp_path / "saved.jpg")[0].holds
    page.click("#undo")
    _until(page, "window.studio.idle()")
    assert page.locator("#mark").inner_text() == "photograph"
    page.keyboard.press("a")  # a walk to another face; what is between is saved as a picture that says it was edited
    page.keyboard.press("r")
    _until(page, "window.studio.idle()")
    page.keyboard.press("b")
    page.locator("#walk").fill("500")
    _until(page, "window.studio.idle()")
    page.keyboard.press("s")
    with page.expect_download() as download:
        page.locator("#dialog .primary").click()
    download.value.save_as(tmp_path / "between.png")
    assert b"compositeWithTrainedAlgorithmicMedia" in (tmp_path / "between.png").read_bytes()
    assert b"latent" not in (tmp_path / "between.png").read_bytes()


@pytest.mark.browser
def test_of_several_faces_one_is_clicked_and_bad_files_are_told(open_page: Any) -> None:
    page = open_page()
    picture = Image.open(ASTRONAUT)
    pair = Image.new("RGB", (1024, 512))
    pair.paste(picture, (0, 0))
    pair.paste(picture, (512, 0))
    page.evaluate("localStorage.setItem('tlgan.photographs', 'read')")
    _drop(page, b"no picture")
    page.wait_for_selector("#photo-error:not([hidden])")
    assert "can't be read as a photograph" in page.locator("#photo-error").inner_text()
    page.keyboard.press("Escape")
    _drop(page, _encoded(pair, "JPEG", quality=95), event="paste")
    page.wait_for_selector(".pick .box")
    assert page.locator(".pick .box").count() == 2
    left, right = (page.locator(".pick .box").nth(k).bounding_box()["x"] for k in (0, 1))
    assert right - left > 150
    page.locator(".pick .box").nth(1).click()
    _until(page, _READY)
    assert page.locator("#face-name").inner_text() == "photograph"


@pytest.mark.browser
def test_a_phone_takes_one_with_its_camera(open_page: Any) -> None:
    import base64

    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.evaluate("localStorage.setItem('tlgan.photographs', 'read')")
    page.evaluate(_CAMERA % base64.b64encode(ASTRONAUT.read_bytes()).decode())
    page.tap("#photograph")
    page.tap("#use-camera")
    page.wait_for_selector("#take:not([disabled])")
    page.tap("#take")
    _until(page, _READY)
    assert page.locator("#face-name").inner_text() == "photograph"
    assert page.evaluate("window.stream.getTracks().every((track) => track.readyState === 'ended')")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


@pytest.mark.browser
def test_a_square_is_drawn_for_other_generators(
    browser: Any, cartoons: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(album, "PLAN", Plan(small=3, whole=0))
    with running(cartoons) as address:
        watched = Watched(browser, address)
        page = watched.open("#seed=7")
        page.evaluate("localStorage.setItem('tlgan.photographs', 'read')")
        _drop(page, ASTRONAUT.read_bytes())
        page.wait_for_selector(".draw .box")
        area = page.locator(".draw").bounding_box()
        page.mouse.move(area["x"] + 20, area["y"] + 30)
        page.mouse.down()
        page.mouse.move(area["x"] + 120, area["y"] + 130, steps=4)
        page.mouse.up()
        box = page.locator(".draw .box").bounding_box()
        assert (box["x"] - area["x"], box["width"]) == (pytest.approx(20, abs=2), pytest.approx(100, abs=3))
        page.click("#take-square")
        _until(page, _READY)
        assert page.locator("#mark").inner_text() == "photograph"
        watched.context.close()
        assert watched.faults == []
