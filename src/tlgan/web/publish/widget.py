"""The sliders in a notebook: `tlgan.widget(workspace)`.

Live, the kernel paints and the cell shows it. Static, the networks travel inside the notebook and the page computes, so
that a notebook exported to HTML still has its sliders. Either way `widget.face` is where the sliders stand, in Python and
in the page: set it in one and the other follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from tlgan.errors import TlganError

from . import bundle
from .embed import few
from .engine import build_engine, first_face

if TYPE_CHECKING:
    from tlgan.editing import Face
    from tlgan.workspace import Workspace

_MODULE = """\
const MODULES = %s;
const looks = { style: %s, sprite: %s };
%s
const widget = import(urls["local/notebook.js"]);
export default { render: async (context) => (await widget).render(context, { urls, ...looks }) };
"""


def widget(workspace: Workspace, seed: int | None = None, *, sliders: Sequence[str] = (), live: bool = True) -> Any:
    """A face of `workspace` and some of its sliders, as an `anywidget.AnyWidget`.

    ``seed``: the face to begin with, the most typical one by default; ``sliders``: names of features, by default the
    surest of every group; ``live``: painted by this kernel; else by the page, with the networks inside the notebook.
    Raises TlganError without the extra `jupyter`, for an unknown feature, and as `publish` where the networks can't be
    exported.
    """
    workspace.axes.indices(list(sliders))
    kind = _widget_class()
    if live:
        first = first_face(workspace, seed=seed)[0]
        return kind(workspace, first, sliders)
    engine = build_engine(workspace, runtimes=("wasm",))
    first = engine.first
    if seed is not None:
        first = first_face(workspace, seed=seed)[0] | {"describe": engine.first["describe"]}
    manifest = engine.manifest("")
    site = {"facts": manifest["facts"], "sizes": {name: entry["size"] for name, entry in manifest["files"].items()}}
    files = {name: engine.files.contents[entry["path"]] for name, entry in manifest["files"].items()}
    return kind(workspace, first, sliders, site=site, files=files)


@cache
def _widget_class() -> Any:
    """The class, made when it is first wanted: without a notebook nobody has what it is made of."""
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise TlganError("the widget needs the extra `jupyter`: pip install 'tlgan[jupyter]'") from error
    from tlgan.editing.resolve import needs_looks
    from tlgan.web.server import wire
    from tlgan.web.server.painter import Painter

    modules = bundle.modules("local/notebook.js", "local/worker.js")
    parts = (bundle.literal(part) for part in (modules, bundle.style(), bundle.sprite()))

    class FaceWidget(anywidget.AnyWidget):
        """A face with sliders. `face`: seed (or latent), what is asked, locks, exact; as JSON."""

        _esm = _MODULE % (*parts, bundle.LOADER)
        first = traitlets.Dict().tag(sync=True)
        face = traitlets.Dict().tag(sync=True)
        sliders = traitlets.List(traitlets.Unicode()).tag(sync=True)
        site = traitlets.Dict().tag(sync=True)
        files = traitlets.Dict().tag(sync=True)

        def __init__(self, workspace: Workspace, first: dict[str, Any], sliders: Sequence[str], **more: Any) -> None:
            shown = list(sliders) or few(first["describe"])
            self._workspace = workspace
            self._painter = Painter(workspace)
            super().__init__(first=first, face=first["face"], sliders=shown, **more)
            self.on_msg(self._heard)

        @property
        def editor(self) -> Face:
            """The face as the sliders stand now."""
            from tlgan.editing import Face

            return Face(self._workspace.canvas, self._edit(self.face))

        def _edit(self, face: dict[str, Any]) -> Any:
            return wire.face({"face": face}, "face", self._workspace.axes, self._painter.latent_of)

        def _heard(self, _: Any, message: Any, __: Any) -> None:
            """The page asks for a picture."""
            identity = message.get("id") if isinstance(message, dict) else None
            try:
                edit = self._edit(message["view"]["face"])
                self._show(identity, edit)
            except Exception as error:  # a fault of a network must not end the widget: it says what is wrong
                line = str(error).partition("\n")[0][:200] if str(error) else type(error).__name__
                self.send({"id": identity, "error": line, "done": True})

        def _show(self, identity: Any, edit: Any) -> None:
            painted = self._painter.paint(edit)
            side, content = picture_bytes(painted.picture)
            self.send({"id": identity, "side": side, "frame": {}}, [content])
            frame = painted.measure()
            words = wire.words(frame)
            if needs_looks(edit):
                frame = self._painter.refined(edit)
                side, content = picture_bytes(frame.picture)
                words = wire.words(frame) | wire.latent_words(frame)
                self.send({"id": identity, "side": side, "frame": words, "done": True}, [content])
            else:
                self.send({"id": identity, "frame": words, "done": True})

    return FaceWidget


def picture_bytes(picture: Any) -> tuple[int, bytes]:
    """Width and RGBA bytes of a small picture uint8 [H, W, 3]; 0 and a lossless WebP of a larger one."""
    from tlgan.web.server import wire

    if max(picture.shape[:2]) <= wire.RAW_SIDE:
        return picture.shape[1], wire.rgba(picture)
    return 0, wire.encode_picture(picture)
