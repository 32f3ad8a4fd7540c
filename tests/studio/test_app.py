"""The verbs over HTTP: what they answer, and that they agree with the library."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tlgan.editing import solve
from tlgan.editing.state import decode_latent, read_png
from tlgan.web.server import openapi, wire
from tlgan.web.server.describe import positions
from tlgan.workspace import Workspace

FACE = {"seed": 7, "asked": {"smiling": 1.5}, "locks": ["age"], "exact": False}


def _picture(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def test_the_page_holds_a_face_before_anything_is_asked(client: TestClient, cartoons: Workspace) -> None:
    html = client.get("/").text
    first = json.loads(re.search(r'<script type="application/json" id="first">(.*?)</script>', html, re.S)[1])
    picture = _picture(first["frame"]["picture"])
    seed = first["face"]["seed"]
    assert np.array_equal(picture, cartoons.face(seed=seed).picture())
    assert f'src="{first["frame"]["picture"]}"' in html
    assert first["describe"] == client.get("/api/describe").json()


def test_words_from_a_model_cannot_close_the_script(cartoons: Workspace) -> None:
    from tlgan.web.server.app import Studio, _first_paint

    studio = Studio(cartoons)
    description = studio.description | {"name": "</script><script>alert(1)</script>"}
    edit = wire.face({"face": {"seed": 1}}, "face", cartoons.axes, cartoons.canvas.start)
    html = _first_paint(description, edit, studio.painter.frame(edit), studio._claim(edit))
    studio.painter.close()
    assert "alert(1)" in html
    assert "<script>alert" not in html


def test_describe_says_all_that_sliders_need(client: TestClient, cartoons: Workspace) -> None:
    described = client.get("/api/describe").json()
    assert [f["name"] for f in described["features"]] == list(cartoons.axes.names)
    assert [group["name"] for group in described["groups"]][:3] == ["Expression", "Age and gender", "Hair"]
    for feature in described["features"]:
        assert feature["range"][0] < feature["band"][0] < feature["band"][1] < feature["range"][1]
    weak = {f["name"] for f in described["features"] if f["weak"]}
    assert weak == {"luck"}
    for matrix in described["correlations"].values():
        assert np.allclose(np.diag(matrix), 1)
        assert np.allclose(matrix, np.transpose(matrix))


def test_the_band_holds_95_percent_of_faces(cartoons: Workspace) -> None:
    band = positions(cartoons.axes, (0.025, 0.975))
    measured = cartoons.canvas.measure(cartoons.canvas.sample(400, seed=99))
    inside = ((measured >= band[:, 0]) & (measured <= band[:, 1])).mean(axis=0)
    assert np.all(inside > 0.9)
    assert np.all(inside < 0.99)


def test_measured_numbers_are_those_of_the_library(client: TestClient, cartoons: Workspace) -> None:
    words = client.post("/api/measure", json={"face": FACE}).json()
    editor = cartoons.face(seed=7).set(smiling=1.5).lock("age")
    changed = np.array(words["measured"]) - np.array(words["own"])
    assert np.allclose(changed, list(editor.changed().values()), atol=2e-3)
    assert np.allclose(words["reached"], solve(cartoons.axes, editor.edit).reached, atol=1e-3)
    assert words["share"] == pytest.approx(1, abs=1e-3)


def test_a_rendered_png_is_the_library_s_and_opens_again(client: TestClient, cartoons: Workspace) -> None:
    png = client.post("/api/render", json={"face": FACE}).content
    picture = np.asarray(Image.open(io.BytesIO(png)))
    assert np.array_equal(picture, cartoons.face(seed=7).set(smiling=1.5).lock("age").picture())
    assert read_png(png)["generator"] == cartoons.axes.generator
    opened = client.post("/api/open", content=png, headers={"content-type": "image/png"}).json()
    reached = opened.pop("reached")
    assert opened == FACE
    assert (reached["quality"], reached["by"]) == ("final", "axes")
    again = client.post("/api/render", json={"face": FACE | {"reached": reached}}).content
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(again))), picture)


def test_solve_is_the_library_s(client: TestClient, cartoons: Workspace) -> None:
    answer = client.post("/api/solve", json={"face": FACE}).json()
    latent = decode_latent(answer["latent"], cartoons.axes.latent_dim)
    assert np.array_equal(latent, cartoons.face(seed=7).set(smiling=1.5).lock("age").latent)


def test_exact_comes_nearer_to_what_was_asked(client: TestClient, cartoons: Workspace) -> None:
    asked = {"smiling": 1.2, "skin": -1.0}
    row = [cartoons.axes.index(name) for name in asked]

    def miss(exact: bool) -> float:
        words = client.post("/api/measure", json={"face": {"seed": 7, "asked": asked, "exact": exact}}).json()
        change = np.array(words["measured"])[row] - np.array(words["own"])[row]
        return float(np.abs(change - list(asked.values())).max())

    assert miss(True) < min(0.1, miss(False))


def test_the_ends_of_a_mix_are_its_faces(client: TestClient, cartoons: Workspace) -> None:
    other = {"seed": 8}
    for at, seed in ((0, 7), (1, 8)):
        answer = client.post("/api/solve", json={"mix": {"a": {"seed": 7}, "b": other, "at": at}}).json()
        latent = decode_latent(answer["latent"], cartoons.axes.latent_dim)
        assert np.allclose(latent, cartoons.canvas.start(seed), atol=1e-5)
    middle = client.post("/api/solve", json={"mix": {"a": {"seed": 7}, "b": other, "at": 0.5}}).json()
    norms = [np.linalg.norm(cartoons.canvas.start(seed)) for seed in (7, 8)]
    latent = decode_latent(middle["latent"], cartoons.axes.latent_dim)
    assert np.linalg.norm(latent) == pytest.approx(np.mean(norms), rel=1e-4)


def test_a_random_face_is_a_seed(client: TestClient) -> None:
    assert client.get("/api/random?seed=12").json()["seed"] == 12
    drawn = {client.get("/api/random").json()["seed"] for _ in range(5)}
    assert len(drawn) == 5
    for seed in ("-1", "x", str(2**31), "1" * 400, "١"):
        assert client.get("/api/random", params={"seed": seed}).status_code == 400


def test_the_gallery_paints_seeds(client: TestClient, cartoons: Workspace) -> None:
    faces = client.post("/api/gallery", json={"seeds": [3, 4, 5]}).json()["faces"]
    assert [face["face"]["seed"] for face in faces] == [3, 4, 5]
    for face in faces:
        single = cartoons.face(seed=face["face"]["seed"]).picture().astype(int)
        assert np.abs(_picture(face["picture"]) - single).max() <= 1  # batches may round differently


def test_the_gallery_finds_what_is_wished_for(client: TestClient, cartoons: Workspace) -> None:
    wish: dict[str, Any] = {"wanted": {"smiling": 1.2, "skin": 1.0}, "count": 6}
    faces = client.post("/api/gallery", json=wish).json()["faces"]
    assert len(faces) == 6
    rows = [cartoons.axes.index(name) for name in wish["wanted"]]
    latents = np.stack([decode_latent(face["face"]["latent"], cartoons.axes.latent_dim) for face in faces])
    found = cartoons.canvas.measure(latents)[:, rows]
    others = cartoons.canvas.measure(cartoons.canvas.sample(100, seed=1))[:, rows]
    target = np.array([1.2, 1.0])
    assert np.abs(found - target).mean() < 0.5 * np.abs(others - target).mean()


def test_a_hand_that_comes_near_a_slider_is_no_trouble(client: TestClient) -> None:
    face = {"seed": 7, "asked": {"skin": 0.5}}
    assert client.post("/api/near", json={"face": face, "feature": "skin"}).json() == {}
    refused = client.post("/api/near", json={"face": face, "feature": "wings"})
    assert refused.status_code == 400
    assert "wings" in refused.json()["error"]


def test_a_strip_moves_its_feature(client: TestClient, cartoons: Workspace) -> None:
    asked = [-1.5, -0.75, 0, 0.75, 1.5]
    answer = client.post("/api/strip", json={"face": {"seed": 7}, "feature": "skin", "asked": asked}).json()
    assert answer["asked"] == asked
    cheek = [_picture(url)[17:19, 14:18].mean() for url in answer["pictures"]]
    assert np.all(np.diff(cheek) > 1)


@pytest.mark.parametrize(("kind", "start"), [("gif", b"GIF89a"), ("mp4", b"ftyp")])
def test_a_walk_becomes_a_film(client: TestClient, kind: str, start: bytes) -> None:
    body = {"a": {"seed": 1}, "b": {"seed": 2}, "format": kind, "frames": 6, "fps": 12}
    answer = client.post("/api/film", json=body)
    assert answer.status_code == 200
    assert start in answer.content[:12]
    assert len(answer.content) > 1000


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("render", {}, "expected a face"),
        ("render", {"face": {"seed": 1, "asked": {"smilling": 1}}}, "did you mean smiling"),
        ("render", {"mix": 3}, "'mix' is not an object"),
        ("render", {"mix": {"a": {"seed": 1}, "b": {"seed": 2}, "at": 1.5}}, "'at' is 1.5"),
        ("gallery", {"seeds": list(range(49))}, "1 to 48"),
        ("gallery", {"seeds": ["1"]}, "'seeds' is"),
        ("gallery", {"wanted": {"nobody": 1}}, "nobody"),
        ("gallery", {"wanted": {"smiling": 1}, "count": 10_000}, "'count' is 10000"),
        ("gallery", {"seeds": [1], "size": 100_000}, "'size' is"),
        ("strip", {"face": {"seed": 1}, "feature": "skin", "asked": [0] * 16}, "1 to 15"),
        ("strip", {"face": {"seed": 1}, "feature": 3, "asked": [0]}, "'feature' is 3"),
        ("film", {"a": {"seed": 1}, "b": {"seed": 2}, "format": "exe"}, "gif or mp4"),
        ("film", {"a": {"seed": 1}, "b": {"seed": 2}, "frames": 10_000}, "'frames' is"),
        ("film", {"a": {"seed": 1}}, "'b' is None"),
        ("open", {"version": 1, "generator": "someone else's"}, "another generator"),
        ("open", {"anything": 1}, "version"),
    ],
)
def test_bad_input_gets_one_clear_line(client: TestClient, verb: str, body: object, words: str) -> None:
    answer = client.post(f"/api/{verb}", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert words in error
    assert "\n" not in error


def test_forged_states_are_refused(client: TestClient, cartoons: Workspace) -> None:
    state = client.post("/api/state", json={"face": FACE}).json()
    assert client.post("/api/open", json=state).json() == FACE | {"reached": state["reached"]}
    forgeries = [
        {"latent": state["latent"][:-1]},
        {"latent": [*state["latent"][:-1], 1e30]},
        {"latent": [*state["latent"][:-1], "x"]},
        {"asked": {"smiling": 1e9}},
        {"asked": {"__proto__": 1}},
        {"locks": ["smiling"] * 1000},
        {"space": "w"},
        {"seed": -3},
        {"exact": "yes"},
        {"reached": {"latent": "AAAA", "quality": "final", "by": "axes"}},
    ]
    for forged in forgeries:
        assert client.post("/api/open", json=state | forged).status_code == 400, forged


def test_pngs_without_a_state_and_things_that_are_no_pngs_are_refused(client: TestClient) -> None:
    plain = io.BytesIO()
    Image.new("RGB", (8, 8)).save(plain, "PNG")
    for content in (plain.getvalue(), b"", b"hello", plain.getvalue()[:30]):
        answer = client.post("/api/open", content=content, headers={"content-type": "image/png"})
        assert answer.status_code == 400
        assert answer.json()["error"]


def test_bodies_are_bounded(client: TestClient) -> None:
    answer = client.post("/api/measure", content=b'{"x": "' + b"y" * wire.MESSAGE_BYTES + b'"}')
    assert answer.status_code == 400
    assert "bytes" in answer.json()["error"]


def test_the_openapi_page_names_every_verb_and_nothing_from_elsewhere(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    served = {route.path for route in client.app.routes if getattr(route, "path", "").startswith("/api/")}  # type: ignore[attr-defined]
    assert set(document["paths"]) == served - {"/api/", "/api/openapi.json"}
    for path, verbs in document["paths"].items():
        (method,) = verbs
        answer = client.request(method, path)
        assert answer.status_code != 405
    html = client.get("/api/").text
    assert all(f"api/{verb}" in html for verb in openapi.VERBS)
    assert "http://" not in html
    assert "https://" not in html
