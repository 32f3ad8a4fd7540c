"""The widget as one file: a face, a few sliders, and everything that computes them, to be put into an iframe.

It fetches nothing, not even from beside itself, so it can be copied to any host on its own.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Any

from tlgan import languages

from . import bundle, words

if TYPE_CHECKING:
    from tlgan.workspace import Workspace

    from .engine import Engine

#: Sliders of a widget where none are named.
FEW = 6

_BOOT = """
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const MODULES = read("modules");
%s
const { begin } = await import(urls["local/embed.js"]);
begin(document.getElementById("widget"), read("widget-data"), urls);
"""
_STYLE = """
html { color-scheme: light dark; }
body { margin: 0; }
header { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
#widget { display: block; min-height: 100dvh; }
#widget > img { display: block; width: 100%; aspect-ratio: 1; }
"""


def embed_html(workspace: Workspace, engine: Engine, *, title: str, address: str | None = None) -> str:
    """The whole widget as HTML; ``address``: of the site with all sliders, where it is known."""
    data = {
        "first": engine.first,
        "site": carried(engine),
        "sliders": few(engine.first["describe"]),
        "style": bundle.style(),
        "sprite": bundle.sprite(),
        "home": address,
    }
    boot = _BOOT % bundle.LOADER
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src 'wasm-unsafe-eval' blob: {_hash(boot)}",
            f"style-src {_hash(_STYLE)}",
            "img-src data: blob:",
            "worker-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    modules = bundle.modules("local/embed.js", "local/worker.js")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header><h1>{escape(title)}</h1></header>
<main id="widget"><img alt="A face that does not exist" src="{engine.first["frame"]["picture"]}"></main>
<script type="text/plain" id="notices">{escape(words.notices(workspace), quote=False)}</script>
{languages.script()}
<script type="application/json" id="modules">{bundle.literal(modules)}</script>
<script type="application/json" id="widget-data">{bundle.literal(data)}</script>
<script type="module">{boot}</script>
</body>
</html>
"""


def carried(engine: Engine) -> dict[str, Any]:
    """The manifest with its files inside, for a visitor without WebGPU: small pictures alone, where there are both."""
    manifest = engine.manifest("")
    files = {
        name: {"data": base64.b64encode(engine.files.contents[entry["path"]]).decode(), "size": entry["size"]}
        for name, entry in manifest["files"].items()
        if name != "whole" and not name.endswith("-webgpu")
    }
    return manifest | {"files": files}


def few(description: dict[str, Any], count: int = FEW) -> list[str]:
    """The surest sliders, a group after the other, then their seconds, until there are `count`."""
    weak = {feature["name"] for feature in description["features"] if feature["weak"]}
    groups = [[name for name in group["features"] if name not in weak] for group in description["groups"]]
    deepest = max((len(names) for names in groups), default=0)
    turns = [names[turn] for turn in range(deepest) for names in groups if turn < len(names)]
    return turns[:count] or [feature["name"] for feature in description["features"][:count]]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
