"""What the servers of pages refuse, in other languages: a line for each text that a person can meet, found in the page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tlgan
from tests.studio.watched import Watched
from tlgan import languages

ROOT = Path(tlgan.__file__).parent
CODES = sorted(languages.catalogues())
#: Where a page's servers say what is wrong.
MODULES = (
    *(f"web/server/{name}.py" for name in ("album", "app", "cells", "door", "live", "turns")),
    "web/label/session.py",
    *(f"photographs/{name}.py" for name in ("alignment", "reading")),
    "editing/state.py",
    *(f"dataset/{name}.py" for name in ("conditions", "request")),
)
#: How that begins which stays English, since no page brings a person to it: what programs send, and what commands are given.
ENGLISH = (
    "'",
    *("say which face is meant with", "asked must", "locks must", "soft must", "reached is", "what was reached"),
    *("the quality of", "the latent is ", "the weight of", "latent holds", "this state is a", "seed {0} is", "{0} is {1}, "),
    *("this PNG ", "the state in this PNG", "this is not a PNG", "this file has", "{0} can't be read: ", "no photograph can be written", "there is no question"),
    *("{0} has {1} samples", "{0} gives no embedding", "the clicks in {0} can't", "no row of", "{0} has no column"),
    *("a margin of", "the other face of", "{0} is asked for twice", "nothing is asked", "{0} cells are asked for, but"),
    *("each face is shown", "no cell can", "{0} can't be read as a table", "bins of", "the bins of", "pairs need"),
    *("{0} is weak", "{0} shares"),
)  # fmt: skip
#: What is put into gaps, and texts of modules that say much else.
MORE = {"this picture", "the end", "unknown feature {0}: {1}"}


def template(node: ast.expr) -> str:
    """A text with {0}, {1} for what is put in; the same where it is put in again."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    text, gaps = "", []
    for part in node.values if isinstance(node, ast.JoinedStr) else []:
        if isinstance(part, ast.FormattedValue):
            shown = ast.dump(part.value)
            gaps += [] if shown in gaps else [shown]
            text += f"{{{gaps.index(shown)}}}"
        else:
            text += template(part)
    return text


def said(source: str) -> Iterator[str]:
    """Texts of the errors that a module raises, of its lines for who is turned away, and of its answers' "error"."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("TlganError", "TooMuch", "_wrong", "BadFile"):
                yield from (template(given) for given in node.args)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "line":
            yield template(node.value)
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            yield from (template(value) for key, value in pairs if key is not None and template(key) == "error")


def texts() -> set[str]:
    """All of them, those too that stay English."""
    found = {text for module in MODULES for text in said((ROOT / module).read_text("utf-8"))}
    return {text for text in found if re.search(r"[a-z]{2}", text)}


def test_texts_are_found_with_gaps_in_order() -> None:
    source = 'raise TlganError(f"{a} of {b}, {a}")\nline = f"full: {PAGES}"\nsend({"id": 1, "error": f"no: {x}"})'
    assert set(said(source)) == {"{0} of {1}, {0}", "full: {0}", "no: {0}"}


def test_what_stays_english_is_there() -> None:
    assert [start for start in ENGLISH if not any(text.startswith(start) for text in texts())] == []


@pytest.mark.parametrize("code", CODES)
def test_every_refusal_has_a_line(code: str) -> None:
    lines = languages.catalogues()[code]["errors"]
    assert {text for text in texts() if not text.startswith(ENGLISH)} | MORE == set(lines)
    for text, words in lines.items():
        assert set(re.findall(r"\{\d\}", words)) == set(re.findall(r"\{\d\}", text)), text


@pytest.mark.browser
@pytest.mark.parametrize("code", CODES)
def test_the_page_says_what_the_server_refuses(browser: Any, address: str, code: str) -> None:
    lines = languages.catalogues()[code]["errors"]
    watched = Watched(browser, address, locale=code)
    page = watched.open("#seed=7")
    page.keyboard.press("d")
    page.wait_for_selector("#dialog[open]")
    page.locator("#dialog input[type=text], #dialog input:not([type])").last.fill("skin > 1 and (")
    page.wait_for_selector("#data-error:not([hidden])")
    told = page.inner_text("#data-error")
    inner = lines["a feature or a number is expected, not {0}"].replace("{0}", lines["the end"])
    outer = lines["{0} is no condition: {1}; expected one like 'eyeglasses and not young' or '30 <= age < 50'"]
    assert told == outer.replace("{0}", "'skin > 1 and ('").replace("{1}", inner)
    say = page.evaluate("""async (texts) => {
      const { said } = await import(new URL("words.js", document.baseURI));
      return texts.map(said);
    }""", ["nobody knows this", "this state has version 9, this tlgan reads 2"])  # fmt: skip
    assert say == ["nobody knows this", lines["this state has version {0}, this tlgan reads {1}"].replace("{0}", "9").replace("{1}", "2")]  # fmt: skip
    watched.context.close()
