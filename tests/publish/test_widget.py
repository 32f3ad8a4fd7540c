"""The widget of a notebook: its Python half as a kernel has it, its page half in a browser, messages carried between."""

from __future__ import annotations

import base64
import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlgan
from tests.publish.test_site_in_browser import Visit, strong, until
from tlgan import TlganError
from tlgan.workspace import Workspace

pytest.importorskip("anywidget")
pytestmark = pytest.mark.browser

#: What a notebook's front end is to a widget.
MODEL = """
async ({module, state, files}) => {
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  state.files = Object.fromEntries(Object.entries(files).map(([name, text]) => [name, bytes(text)]));
  const listeners = {};
  window.outbox = [];
  window.deliver = (content, buffers) => (listeners["msg:custom"] ?? []).forEach((f) => f(content, buffers.map(bytes)));
  window.change = (name, value) => {
    state[name] = value;
    (listeners[`change:${name}`] ?? []).forEach((f) => f());
  };
  const model = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; },
    save_changes: () => window.outbox.push({face: state.face}),
    send: (content) => window.outbox.push({content}),
    on: (name, f) => (listeners[name] ??= []).push(f),
    off: (name, f) => { listeners[name] = listeners[name].filter((other) => other !== f); },
  };
  const address = URL.createObjectURL(new Blob([module], {type: "text/javascript"}));
  const widget = (await import(address)).default;
  await widget.render({model, el: document.body});
}
"""


class Cell:
    """A widget shown in a page."""

    def __init__(self, page: Any, widget: Any) -> None:
        self.page, self.widget = page, widget
        self.sent: list[tuple[Any, list[bytes]]] = []
        widget.send = lambda content, buffers=None: self.sent.append((content, buffers or []))
        names = ("first", "face", "sliders", "site")
        state = {name: getattr(widget, name) for name in names}
        files = {name: base64.b64encode(content).decode() for name, content in widget.files.items()}
        page.evaluate(MODEL, {"module": widget._esm, "state": state, "files": files})

    def carry(self) -> None:
        """Messages of the page to the kernel, and back."""
        for message in self.page.evaluate("window.outbox.splice(0)"):
            if "face" in message:
                self.widget.face = message["face"]
            else:
                self.widget._handle_custom_msg(message["content"], [])
        for content, buffers in self.sent:
            given = [content, [base64.b64encode(data).decode() for data in buffers]]
            self.page.evaluate("([content, buffers]) => window.deliver(content, buffers)", given)
        self.sent.clear()

    def until(self, condition: str) -> None:
        for _ in range(200):
            self.carry()
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never came true: {condition}")


@pytest.fixture
def page(browser: Any, serve: Callable[[Path], str], tmp_path: Path) -> Any:
    (tmp_path / "notebook.html").write_text("<!doctype html><title>notebook</title><link rel=icon href=data:,>")
    visit = Visit(browser, serve(tmp_path))
    visit.page.goto(f"{visit.address}notebook.html")
    yield visit.page
    visit.context.close()
    assert visit.faults == []


READY = "document.querySelector('div[data-ready]') !== null"
MEASURED = """[...document.querySelector('div').shadowRoot.querySelectorAll('.moved .note')]
  .some((note) => note.textContent.includes('measured'))"""


def test_the_kernel_paints_and_both_know_where_the_sliders_stand(world: Workspace, page: Any) -> None:
    name, other = strong(world)[:2]
    cell = Cell(page, tlgan.widget(world, seed=5, sliders=[name, other]))
    cell.until(READY)
    assert page.locator(".slider").count() == 2
    page.locator(f'.track[data-feature="{name}"]').press("Shift+ArrowRight")
    cell.until(MEASURED)
    assert cell.widget.face["asked"] == {name: 0.5}
    wanted = world.face(seed=5).set(**{name: 0.5})
    np.testing.assert_allclose(cell.widget.editor.latent, wanted.latent, atol=1e-6)

    face = {"seed": 6, "asked": {other: -1.0}, "locks": [name], "exact": True}
    cell.widget.face = face
    page.evaluate("face => window.change('face', face)", face)
    cell.until(
        f"""document.querySelector('div').shadowRoot.querySelector('[data-feature="{other}"]').ariaValueNow === '-1.00'"""
    )
    assert page.locator(f'.slider[data-name="{name}"] .lock').get_attribute("aria-pressed") == "true"


def test_what_the_kernel_can_not_paint_is_said(world: Workspace) -> None:
    widget = tlgan.widget(world, seed=5)
    sent: list[Any] = []
    widget.send = lambda content, buffers=None: sent.append(content)
    for view in ({"face": {"seed": -1}}, {"face": {"seed": 1, "asked": {"nobody": 1}}}, {}, None):
        widget._handle_custom_msg({"id": 3, "view": view}, [])
        assert sent.pop()["done"] is True
    widget._handle_custom_msg("nonsense", [])
    assert "error" in sent.pop()


@pytest.mark.usefixtures("browser_runtime")
def test_without_a_kernel_the_page_computes(world: Workspace, page: Any) -> None:
    widget = tlgan.widget(world, seed=5, live=False)
    json.dumps(widget.site)
    cell = Cell(page, widget)
    until(page, READY)
    page.locator(".track").first.press("Shift+ArrowRight")
    until(page, MEASURED)
    assert not any("content" in message for message in page.evaluate("window.outbox"))
    cell.carry()
    assert list(cell.widget.face["asked"].values()) == [0.5]


def test_what_is_missing_or_unknown_is_said(world: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TlganError, match="nobody"):
        tlgan.widget(world, sliders=["nobody"])
    from tlgan.web.publish import widget

    ordinary = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name == "anywidget":
            raise ImportError(name)
        return ordinary(name, *args, **more)

    widget._widget_class.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(TlganError, match=r"pip install 'tlgan\[jupyter\]'"):
        tlgan.widget(world)
