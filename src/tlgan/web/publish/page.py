"""The studio's page as a static one: the same HTML, with the other engine, the first face painted into it, and a policy
that lets it talk to nobody but the place it came from.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlgan import languages
from tlgan.provenance import Claim
from tlgan.web.server import wire
from tlgan.web.server.app import PAGE

from .picture import ALT

if TYPE_CHECKING:
    from tlgan.editing import Edit
    from tlgan.web.server.painter import Frame

#: What a page opened from a folder says: browsers run neither modules nor workers there.
FROM_FILE = (
    "Opened as a file, this page can't start. In the folder it lies in, run "
    "<code>python3 -m http.server</code> and open <code>http://localhost:8000</code>."
)
_FROM_FILE_SCRIPT = 'if (location.protocol === "file:") document.getElementById("from-file").hidden = false;'
#: The engine that speaks to a server stays out of a site, and so does what only its pages of words need.
LEFT_OUT = (
    "remote.js",
    "photograph.js",
    "api.css",
    "index.html",
    "local/sw.js",
    "local/widget.js",
    "local/widget.css",
    "local/embed.js",
    "local/notebook.js",
)


def page_files() -> dict[str, bytes]:
    """The studio's page without its HTML: path below the page -> content."""
    files = {path.relative_to(PAGE).as_posix(): path for path in sorted(PAGE.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in LEFT_OUT}


def first_paint(description: wire.Json, edit: Edit, frame: Frame, claim: Claim, size: int | None = None) -> wire.Json:
    """The face that shows before any network is loaded, as the page takes it; no larger than `size` pixels a side."""
    words = {
        "measured": wire.numbers(frame.measured),
        "own": wire.numbers(frame.own),
        "reached": wire.numbers(frame.reached),
        "share": round(float(frame.share), 3),
        "in_the_way": [],
        "final": True,
        "picture": wire.data_url(wire.encode_picture(frame.picture, size, claim)),
    }
    return {"describe": description, "face": wire.face_json(edit), "frame": words}


def html(
    source: str, *, folder: str, first: wire.Json, manifest: dict[str, Any], words: dict[str, str], address: str | None
) -> str:
    """A page of the studio (its HTML in `source`) for a site whose scripts and styles lie in `folder`.

    ``words``: title, description and notice; ``address``: where the site will be, for those who link to it.
    """
    page = re.sub(r'(<(?:link|script)\b[^>]*?\s(?:href|src)=")(?![a-z]+:|/|#)', rf"\g<1>{folder}/", source)
    page = page.replace('<meta name="engine" content="remote">', '<meta name="engine" content="local">')
    page = re.sub(r"<title>.*?</title>", f"<title>{escape(words['title'])}</title>", page)
    page = re.sub(r'<meta name="description"[^>]*>', _description(words, address), page)
    page = page.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n{_policy(folder)}', 1)
    data = _data("first", first) + _data("site", manifest) + languages.script()
    page = page.replace("<!-- first words -->", data)
    picture = first["frame"]["picture"]
    page = page.replace("<!-- first picture -->", f'<img id="first-picture" alt="" src="{picture}">')
    notice = f'<p id="from-file" role="alert" hidden>{FROM_FILE}</p><script>{_FROM_FILE_SCRIPT}</script>'
    return page.replace("<body>", f"<body>\n{notice}", 1)


def _policy(folder: str) -> str:
    """Nothing from anywhere else; WebAssembly may be compiled, text may not be."""
    digest = base64.b64encode(hashlib.sha256(_FROM_FILE_SCRIPT.encode()).digest()).decode()
    rules = {
        "default-src": "'none'",
        "script-src": f"'self' 'wasm-unsafe-eval' 'sha256-{digest}'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "worker-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    policy = "; ".join(f"{name} {value}" for name, value in rules.items())
    return (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<meta name="referrer" content="no-referrer">'
    )


def _description(words: dict[str, str], address: str | None) -> str:
    title, description = escape(words["title"]), escape(words["description"])
    tags = {
        "og:type": "website",
        "og:title": title,
        "og:description": description,
        "og:image": f"{address.rstrip('/')}/og.png" if address else "og.png",
        "og:image:alt": ALT,
    }
    if address:
        tags["og:url"] = address
    lines = [f'<meta name="description" content="{description}">']
    lines += [f'<meta property="{name}" content="{content}">' for name, content in tags.items()]
    lines += ['<meta name="twitter:card" content="summary_large_image">']
    return "\n".join(lines)


def _data(identity: str, value: object) -> str:
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")  # can't close the script
    return f'<script type="application/json" id="{identity}">{text}</script>\n'


def studio_html() -> str:
    """The HTML of the studio's page."""
    return Path(PAGE / "index.html").read_text("utf-8")
