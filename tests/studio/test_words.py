"""What the pages say in other languages: a line for each text, the same gaps in it, and nothing left in English."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.studio.watched import Watched
from tlgan import languages
from tlgan.extractors import load_extractor

WEB = Path(languages.__file__).parents[1] / "web"
STUDIO, LABEL = WEB / "page", WEB / "label" / "page"
SPOKEN = ("title", "aria-label", "placeholder", "alt")
CODES = sorted(languages.catalogues())
#: Texts that pages get as data and look up: errors of modules that workers share, words of Python.
DATA = re.compile(r'Error\("([^"]+)"\)')


def templates(source: str) -> list[str]:
    """The texts of all t`…` in a script, with {0}, {1} for what is put in."""
    found = []
    for match in re.finditer(r"(?<![\w$.])t`", source):
        at, text, gaps = match.end(), "", 0
        while source[at] != "`":
            if source.startswith("${", at):
                at, depth = at + 2, 1
                while depth:
                    if source[at] == "`":
                        at = source.index("`", at + 1)
                    depth += {"{": 1, "}": -1}.get(source[at], 0)
                    at += 1
                text, gaps = f"{text}{{{gaps}}}", gaps + 1
            else:
                text, at = text + source[at], at + 1
        found.append(text)
    return found


class Texts(HTMLParser):
    """The texts of a page that a reader sees or hears."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "title")
        self.found += [value for name, value in attrs if name in SPOKEN and value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "title")

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.found.append(data.strip())


def texts() -> set[str]:
    """All that the pages say."""
    scripts = [path.read_text("utf-8") for path in (*STUDIO.rglob("*.js"), *LABEL.glob("*.js"))]
    said = [text for source in scripts for text in (*templates(source), *DATA.findall(source))]
    for page in (STUDIO, LABEL):
        said += Texts((page / "index.html").read_text("utf-8")).found
    return {text for text in said if re.search(r"[A-Za-z]{2}", re.sub(r"\{\d\}", "", text))} - {"tlgan"}


def test_templates_are_found_whatever_stands_in_their_gaps() -> None:
    source = "x = t`a ${f({b: `c`})} d`; not`this`; y = t`e`;"
    assert templates(source) == ["a {0} d", "e"]
    assert len(texts()) > 250


@pytest.mark.parametrize("code", CODES)
def test_every_text_of_the_pages_has_a_line(code: str) -> None:
    words = languages.catalogues()[code]["words"]
    assert texts() - set(words) == set()
    gaps = {text: sorted(re.findall(r"\{\d\}", text)) for text in words}
    assert [text for text in words if sorted(re.findall(r"\{\d\}", words[text])) != gaps[text]] == []
    assert all(words.values())


@pytest.mark.parametrize("code", CODES)
def test_every_feature_of_this_package_has_its_words(code: str) -> None:
    known = languages.catalogues()[code]["features"]
    for name in ("celeba40", "colour"):
        for feature in load_extractor(name).features:
            for text in (feature.label, feature.low, feature.high, feature.group):
                assert not text or known.get(text), f"{name}, {feature.name}: {text}"


# What still reads as English on a page: words of two letters and more, in what is shown and in what is read aloud.
LEFT = """(attributes) => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!parent.closest("script, noscript, kbd, code, option")) found.push(walker.currentNode.data);
  }
  for (const name of attributes) for (const e of document.querySelectorAll(`[${name}]`)) found.push(e.getAttribute(name));
  return found.filter((text) => /[A-Za-z]{2}/.test(text));
}"""


@pytest.mark.browser
@pytest.mark.parametrize("code", CODES)
def test_nothing_of_the_page_is_left_in_english(browser: Any, address: str, code: str) -> None:
    watched = Watched(browser, address, locale=code)
    page = watched.open("#seed=7")
    given = set(re.findall(r"[A-Za-z]{2,}", json.dumps(page.evaluate("window.studio.description"))))
    given |= {"tlgan", "studio", "PNG", "Shift", "Ctrl", "Credentials", "Content", "and", "not", "Parquet", "WebDataset",
              "metadata", "csv", "jsonl", "AI", "Esc",
              "under", "over", "or", "more", "eyeglasses", "young"}  # the language of conditions is one for all  # fmt: skip
    page.evaluate("window.studio.set({skin: 1})")
    for key in ("", "?", "s", "g", "m", "d", "t"):
        if key:
            page.keyboard.press(key)
            page.wait_for_selector("#dialog[open]")
        page.wait_for_timeout(300)
        left = page.evaluate(LEFT, list(SPOKEN))
        assert [text for text in left if set(re.findall(r"[A-Za-z]{2,}", text)) - given] == [], key
        if key:
            page.keyboard.press("Escape")
    assert page.evaluate("document.documentElement.lang") == code
    watched.context.close()


@pytest.mark.browser
def test_the_reader_may_choose_another_language(browser: Any, address: str) -> None:
    watched = Watched(browser, address, locale="en-GB")
    page = watched.open("#seed=7")
    assert page.locator("#random span").inner_text() == "random"
    page.keyboard.press("?")
    page.select_option("#language", "zh")
    page.wait_for_selector('html[lang="zh"]')
    assert page.locator("#random span").inner_text() == languages.catalogues()["zh"]["words"]["random"]
    page.reload()
    page.wait_for_selector('html[lang="zh"]')
    watched.context.close()
