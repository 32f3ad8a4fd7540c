"""One state, one picture: by Python, command line, studio, saved PNG, link and published page, to one grey level."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient
from torch import Tensor

from tests.publish.test_site_in_browser import Visit, saved, until
from tlgan.cli.app import main
from tlgan.editing import Edit, Face, Reached
from tlgan.editing.state import from_json, read_png, to_json
from tlgan.extractors import Feature
from tlgan.generators.base import LatentGenerator
from tlgan.web.publish import Published
from tlgan.web.server import create_app
from tlgan.workspace import Settings, Workspace
from tlgan.workspace.discover import discover

DIM, LAYERS, SIDE = 8, 3, 24


class Bands(LatentGenerator):
    """z [n, DIM] -> w [n, DIM] -> three bands of grey, each from its own layer of w+."""

    w_dim, num_ws, spaces = DIM, LAYERS, ("z", "w", "w+")

    def __init__(self) -> None:
        super().__init__(name="bands", fingerprint="b" * 64, latent_dim=DIM, resolution=SIDE, channels=3)
        random = torch.Generator().manual_seed(2)
        self.mixing = torch.randn(DIM, DIM, generator=random) / DIM**0.5
        self.levels = torch.randn(LAYERS, DIM, generator=random) * 0.4

    def _map(self, z: Tensor, label: Tensor | None) -> Tensor:
        return torch.nn.functional.leaky_relu(z @ self.mixing, 0.3)

    def _w_mean(self) -> Tensor:
        return torch.zeros(DIM)

    def _paint(self, latents: Tensor, **_: Any) -> Tensor:
        level = torch.tanh((latents * self.levels).sum(dim=2))  # (n, LAYERS)
        return level.repeat_interleave(SIDE // LAYERS, dim=1)[:, None, :, None].expand(-1, 3, SIDE, SIDE)


class BandReader:
    """Measures the bands; differentiable, with an embedding."""

    name, input_size = "bands", SIDE
    features: tuple[Feature, ...] = (
        Feature("top", "quantity"),
        Feature("middle", "probability"),
        Feature("bottom", "quantity"),
    )

    def embedding(self, images: Tensor) -> Tensor:
        return images.mean((1, 3)).unflatten(1, (LAYERS, -1)).mean(2)

    def logits(self, images: Tensor) -> Tensor:
        return self.embedding(images) * torch.tensor([1.0, 3.0, 1.0])

    def extract(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            top, middle, bottom = self.logits(images).unbind(dim=1)
        return torch.stack([top, middle.sigmoid(), bottom], dim=1)


@pytest.fixture(scope="session")
def banded(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose axes live in w."""
    settings = Settings("bands", extractors=("bands",), space="w", base=(), max_samples=1500)
    workspace = discover(
        tmp_path_factory.mktemp("bands") / "bands", settings, generator=Bands(), loaded={"bands": BandReader()}
    )
    assert workspace.axes.space == "w"
    return workspace


KINDS = ("plain", "locked", "soft", "exact", "exact and soft", "identity", "live")


def drawn(workspace: Workspace, kind: str, number: int) -> Edit:
    """A random edit of that kind, resolved."""
    rng = np.random.default_rng([KINDS.index(kind), number])
    names = list(rng.permutation(strong(workspace)))
    edit = workspace.face(seed=int(rng.integers(2**31))).edit.ask(
        {names[0]: float(rng.uniform(0.8, 1.5) * rng.choice((-1, 1)))}
    )
    if kind != "plain":
        edit = edit.lock(names[1:2], 3.0 if "soft" in kind else None)
    edit = edit.changed(exact=kind in ("exact", "exact and soft", "identity", "live"))
    if kind == "identity" and workspace.axes.space == "w":
        edit = edit.changed(identity=True)
    editor = Face(workspace.canvas, edit)
    edit = from_json(editor.state(), workspace.axes)
    if kind == "identity":  # no extractor of the other world has an embedding: the state comes from where there was one
        edit = replace(edit, identity=True)
    if kind == "live":
        assert edit.reached is not None
        edit = replace(edit, reached=replace(edit.reached, quality="live"))
    return edit


def strong(workspace: Workspace) -> list[str]:
    axes = workspace.axes
    return [name for row, name in enumerate(axes.names) if not axes.weak[row]]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Grey levels between two pictures, on average."""
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


@pytest.fixture(params=["z", "w"])
def everywhere(request: pytest.FixtureRequest) -> Workspace:
    return request.getfixturevalue("world" if request.param == "z" else "banded")


@pytest.mark.parametrize("kind", KINDS)
def test_python_studio_and_png(everywhere: Workspace, kind: str, tmp_path: Path) -> None:
    workspace, moved = everywhere, []
    with TestClient(create_app(workspace), base_url="http://127.0.0.1:8000") as client:
        for number in range(3):
            edit = drawn(workspace, kind, number)
            editor = Face(workspace.canvas, edit)
            editor.save(tmp_path / "saved.png")
            png = (tmp_path / "saved.png").read_bytes()
            state = read_png(png)
            assert state == to_json(edit, workspace.axes)
            again = workspace.face(png=tmp_path / "saved.png")
            assert apart(again.picture(), editor.picture()) <= 1
            moved.append(apart(editor.picture(), workspace.face(latent=edit.latent).picture()))

            face = client.post("/api/open", content=png, headers={"content-type": "image/png"}).json()
            rendered = client.post("/api/render", json={"face": face}).content
            assert apart(pixels(rendered), editor.picture()) <= 1
            assert read_png(rendered) == state
            assert client.post("/api/state", json={"face": face, "quality": "live"}).json() == state
            for place, end in ((0, "a"), (1, "b")):
                mix = {"a": {"seed": 1}, "b": {"seed": 1}, "at": place} | {end: face}
                assert apart(pixels(client.post("/api/render", json={"mix": mix}).content), editor.picture()) <= 1
    assert max(moved) > 1  # there are edits to see


def test_an_open_edit_leads_python_and_studio_to_the_same_picture(everywhere: Workspace) -> None:
    """What an older version saved, or what a script asks for, is resolved by one resolver."""
    with TestClient(create_app(everywhere), base_url="http://127.0.0.1:8000") as client:
        for number in range(3):
            edit = replace(drawn(everywhere, "exact", number), reached=None)
            face = {"seed": edit.seed, "asked": dict(edit.asked), "locks": sorted(edit.locks), "exact": True}
            rendered = client.post("/api/render", json={"face": face}).content
            assert apart(pixels(rendered), Face(everywhere.canvas, edit).picture()) <= 1
            (name,) = edit.asked
            asks = [-0.5, edit.asked[name]]
            strip = client.post("/api/strip", json={"face": face, "feature": name, "asked": asks}).json()["pictures"]
            for ask, url in zip(asks, strip, strict=True):
                other = client.post("/api/render", json={"face": face | {"asked": {name: ask}}}).content
                assert apart(picture_of(url), pixels(other)) <= 1


def picture_of(url: str) -> np.ndarray:
    import base64

    return pixels(base64.b64decode(url.partition(",")[2]))


def test_a_latent_a_layer_is_painted_as_it_is(banded: Workspace) -> None:
    layers = np.random.default_rng(0).normal(size=(LAYERS, DIM)).astype(np.float32)
    edit = replace(banded.face(seed=1).set(top=1).edit, reached=Reached(layers))
    state = to_json(edit, banded.axes)
    by_layer = banded.generator.synthesize(torch.from_numpy(layers[None]), space="w+")[0].permute(1, 2, 0).numpy()
    editor = Face(banded.canvas, from_json(state, banded.axes))
    assert apart(editor.picture(), np.rint((by_layer + 1) * 127.5)) <= 1
    with TestClient(create_app(banded), base_url="http://127.0.0.1:8000") as client:
        face = client.post("/api/open", json=state).json()
        png = client.post("/api/render", json={"face": face}).content
        assert apart(pixels(png), editor.picture()) <= 1
        assert read_png(png)["reached"] == state["reached"]
        mix = {"a": face, "b": {"seed": 2}, "at": 0}
        assert apart(pixels(client.post("/api/render", json={"mix": mix}).content), editor.picture()) <= 1
    wrong = replace(edit, reached=Reached(layers[:2]))
    with pytest.raises(Exception, match=r"\[n, 8\] or \[n, 3, 8\]"):
        Face(banded.canvas, wrong).picture()


def test_float16_holds_a_latent_to_one_grey_level(everywhere: Workspace) -> None:
    latents = everywhere.canvas.sample(64, seed=9)
    whole = everywhere.canvas.paint(latents)
    half = everywhere.canvas.paint(latents.astype(np.float16).astype(np.float32))
    assert np.abs(whole.astype(float) - half).mean(axis=(1, 2, 3)).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_line(world: Workspace, kind: str, tmp_path: Path) -> None:
    editor = Face(world.canvas, drawn(world, kind, 7))
    editor.save(tmp_path / "saved.png")
    with pytest.raises(SystemExit) as end:
        main(
            [
                "edit",
                str(world.path),
                "--from",
                str(tmp_path / "saved.png"),
                "-o",
                str(tmp_path / "again.png"),
                "--trust",
            ]
        )
    assert end.value.code == 0
    again = (tmp_path / "again.png").read_bytes()
    assert apart(pixels(again), editor.picture()) <= 1
    assert read_png(again) == editor.state()


# -- the published page ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def visit(browser: Any, site: Published, serve: Callable[[Path], str]) -> Iterator[Visit]:
    visit = Visit(browser, f"{serve(site.path.parent.parent)}below/site/")
    visit.open()
    yield visit
    visit.context.close()
    assert visit.faults == []


#: A state opened by the page's engine: its picture, the state that comes out again, and the same by way of a link.
OPENED = """async (state) => {
  const { engine, description } = window.studio;
  const link = await import(new URL("link.js", document.querySelector('script[type="module"]').src));
  const face = await engine.open(state);
  const picture = async (face) => Array.from((await engine.render({ face })).bitmap.data);
  const there = link.read(link.write(face, description.generator.fingerprint), description);
  return { picture: await picture(face), state: await engine.state(face), linked: await picture(there), there };
}"""


def from_page(data: list[int]) -> np.ndarray:
    side = round((len(data) / 4) ** 0.5)
    return np.array(data, dtype=float).reshape(side, side, 4)[..., :3]


@pytest.mark.browser
@pytest.mark.parametrize("kind", KINDS)
def test_page_and_link(visit: Visit, world: Workspace, kind: str) -> None:
    with TestClient(create_app(world), base_url="http://127.0.0.1:8000") as client:
        for number in range(2):
            editor = Face(world.canvas, drawn(world, kind, number))
            found = visit.page.evaluate(OPENED, json.loads(json.dumps(editor.state())))
            assert apart(from_page(found["picture"]), editor.picture()) <= 1
            assert found["state"] == editor.state()
            assert apart(from_page(found["linked"]), editor.picture()) <= 1
            linked = client.post("/api/render", json={"face": found["there"]}).content
            assert apart(pixels(linked), editor.picture()) <= 1


@pytest.mark.browser
def test_what_the_page_found_python_repaints(visit: Visit, world: Workspace) -> None:
    page = visit.page
    name, kept = strong(world)[:2]
    page.evaluate("([name, kept]) => { window.studio.set({ [name]: 1.2 }); window.studio.lock(kept); }", [name, kept])
    page.locator("#exact").check()
    until(page, "window.studio.idle()")
    shown, state = saved(page)
    assert (state["exact"], state["asked"]) == (True, {name: 1.2})
    assert kept in state["locks"]
    assert (state["reached"]["by"], state["reached"]["quality"]) == ("looks", "final")
    assert apart(Face(world.canvas, from_json(state, world.axes)).picture(), shown) <= 1
