"""What the pages say in other languages than English: one JSON file a language, each text by its English one.

`words` are texts of the pages, with ``{0}``, ``{1}`` for what is put in; `features` are labels, the words at both ends of a
slider, units and groups. A page carries all of them as data; `words.js` picks by the reader's choice or browser.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@cache
def catalogues() -> dict[str, dict[str, Any]]:
    """By code ("zh"): `name` in the language itself, `words` and `features`."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def script() -> str:
    """The element that a page carries them in."""
    text = json.dumps(catalogues(), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="languages">{text}</script>'
