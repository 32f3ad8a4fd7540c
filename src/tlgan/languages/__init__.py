"""What pages and reports say in other languages than English: one JSON file a language, each text by its English one.

`words` are texts of the pages, `errors` what their servers refuse, with {0}, {1} for what differs; `report` those of files that are written without scripts, with ``{0}``, ``{1}`` for what is
put in; `features` are labels, the words at both ends of a slider, units and groups. A page carries words and features as
data; `words.js` picks by the reader's choice or browser. A report is written in the language that was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tlgan.errors import TlganError

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Language:
    """Words of one language by the English ones. What it lacks stays English."""

    code: str = "en"
    words: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, text: str, *given: object) -> str:
        """A text with what is given in the places of its {0}, {1}."""
        return re.sub(r"\{(\d)\}", lambda gap: str(given[int(gap[1])]), self.words.get(text, text))

    def feature(self, text: str) -> str:
        """A label, a group, a unit or the word at an end of a slider."""
        return self.features.get(text, text)


ENGLISH = Language()


@cache
def catalogues() -> dict[str, dict[str, Any]]:
    """By code ("zh"): `name` in the language itself, `words`, `errors`, `report` and `features`."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def language(code: str) -> Language:
    """What a report says in one of them. Raises TlganError for a code that there is none of."""
    if code == ENGLISH.code:
        return ENGLISH
    if code not in catalogues():
        there = ", ".join([ENGLISH.code, *catalogues()])
        raise TlganError(f"no language {code!r}: expected one of {there}; CONTRIBUTING.md says how to add one")
    found = catalogues()[code]
    return Language(code, found["words"] | found["report"], found["features"])


def script() -> str:
    """The element that a page carries them in."""
    carried = {
        code: {key: found[key] for key in ("name", "words", "errors", "features")}
        for code, found in catalogues().items()
    }
    text = json.dumps(carried, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="languages">{text}</script>'
