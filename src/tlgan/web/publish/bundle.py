"""Modules of the page as one piece of text, for places that can fetch nothing: a file in an iframe, a cell of a notebook.

Every module becomes a blob of its own; its imports, resolved here to names, are replaced there by the addresses of the
blobs made before it. The modules themselves stay as they are: no build step, no second copy of anything.
"""

from __future__ import annotations

import json
import posixpath
import re

from tlgan.web.server.app import PAGE

from .page import studio_html

#: A static import or re-export at the beginning of a line, and the relative address in it.
_IMPORT = re.compile(r'^((?:import|export)\b[^"\';]*")(\.{1,2}/[^"]+)(")', re.MULTILINE)
#: Makes an object of addresses, by name, of the `MODULES` before it.
LOADER = """\
const urls = {};
for (const [name, source] of MODULES) {
  const linked = source.replace(/"module:([^"]+)"/g, (_, path) => JSON.stringify(urls[path]));
  urls[name] = URL.createObjectURL(new Blob([linked], { type: "text/javascript" }));
}
"""


def modules(*entries: str) -> list[tuple[str, str]]:
    """Names and sources of `entries` (paths below the studio's page) and all they import, what is imported first."""
    found: dict[str, str] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"modules import each other: {' -> '.join([*above, name])}")
        if name in found:
            return

        def resolved(match: re.Match[str]) -> str:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), match[2]))
            visit(path, (*above, name))
            return f"{match[1]}module:{path}{match[3]}"

        source = _IMPORT.sub(resolved, (PAGE / name).read_text("utf-8"))
        found[name] = source

    for entry in entries:
        visit(entry, ())
    return list(found.items())


def style() -> str:
    """The page's style for a shadow tree, where the widget's own comes last."""
    sheets = [(PAGE / name).read_text("utf-8") for name in ("studio.css", "slider.css", "local/widget.css")]
    return "\n".join(sheets).replace(":root", ":host")


def sprite() -> str:
    """The icons of the page."""
    match = re.search(r'<svg[^>]*class="sprite".*?</svg>', studio_html(), re.DOTALL)
    if match is None:
        raise ValueError("the page has no sprite of icons")
    return match[0]


def literal(value: object) -> str:
    """A value as JavaScript, or as JSON in a script element: nothing in it can end either."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
