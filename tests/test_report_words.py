"""What reports say in other languages: a line for each text, the same gaps in it, and nothing left in English."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2.ext import extract_from_ast

import tlgan.extractors.home
import tlgan.workspace
from tests.worlds import HalvesExtractor, reopen
from tlgan import languages
from tlgan.audit.page import run_generator
from tlgan.axes import Axes
from tlgan.errors import TlganError
from tlgan.evaluation.methods import METHODS
from tlgan.workspace import Workspace, terms
from tlgan.workspace.compare import WORDS
from tlgan.workspace.evaluate import evaluate_workspaces
from tlgan.workspace.report import report
from tlgan.workspace.section import environment

ROOM = Path(tlgan.workspace.__file__).parent
ROOMS = (ROOM, ROOM.parent / "audit")
CODES = sorted(languages.catalogues())
SPOKEN = ("title", "aria-label", "alt")


def of_templates() -> Iterator[str]:
    """The texts of all `_` and `N_` in templates."""
    made = environment(languages.ENGLISH)
    for path in [file for room in ROOMS for file in sorted((room / "templates").glob("*.j2"))]:
        for _, _, given in extract_from_ast(made.parse(path.read_text("utf-8")), ("_", "N_")):
            texts = given if isinstance(given, tuple) else (given,)  # None stands for what is no text but a variable
            yield from (text for text in texts[:1] if text)


def of_scripts() -> Iterator[str]:
    """The texts that Python puts into a language: the first argument of `say`, or both of a choice."""
    for path in (*(file for room in ROOMS for file in room.glob("*.py")), Path(tlgan.extractors.home.__file__)):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say" and node.args:
                first = node.args[0]
                for part in (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield part.value


def texts() -> set[str]:
    """All that reports say, with what they get as data."""
    family = Axes.__dataclass_fields__["family"].default
    data = [
        *terms._GENERATORS.values(),
        *terms._EXTRACTORS.values(),
        *(m.words for m in METHODS.values()),
        family,
        *WORDS.values(),
    ]
    found = {*of_templates(), *of_scripts(), *data}
    return {text for text in found if re.search(r"[A-Za-z]{2}", re.sub(r"\{\d\}", "", text))}


def test_texts_are_found_where_they_are_said() -> None:
    assert len(set(of_templates())) > 60
    assert {"As the axes point", "{0} without {1} ({2})", "not measured"} <= set(of_scripts())


@pytest.mark.parametrize("code", CODES)
def test_every_text_of_a_report_has_a_line(code: str) -> None:
    found = languages.catalogues()[code]
    assert texts() - set(found["words"] | found["report"]) == set()
    for text, words in found["report"].items():
        assert words
        assert sorted(set(re.findall(r"\{\d\}", words))) == sorted(set(re.findall(r"\{\d\}", text))), text


class Texts(HTMLParser):
    """What a reader of a page sees or hears; what stands in code is left out."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        self.found += [value for name, value in attrs if name in SPOKEN and value]

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.found.append(data)


@pytest.mark.parametrize("code", CODES)
def test_nothing_of_a_report_is_left_in_english(code: str, halves: Workspace, tmp_path: Path) -> None:
    copied = reopen(Path(shutil.copytree(halves.path, tmp_path / "halves")))
    judge = HalvesExtractor()
    judge.name = "another"
    evaluate_workspaces(copied, judges=[judge], methods=("joint",), faces=4, plain=64)
    page = copied.report(face=copied.face(seed=3), language=code).read_text("utf-8")
    out = tmp_path / "audit.html"
    run_generator(copied, out, says=lambda words: None, intersect=[("right_bright",)], language=code)
    audited = out.read_text("utf-8")
    assert f'<html lang="{code}">' in audited
    assert f'<html lang="{code}">' in page
    given = {
        "halves",
        "another",
        "joint",
        "AUC",
        "sha",
        "Fréchet",
        "InterFaceGAN",
        "HiGAN",
        "logit",
        *copied.axes.names,
    }
    for one in copied.axes.features:  # of this world, which no catalogue knows
        given |= {*f"{one.label} {one.group} {one.low} {one.high}".split()}
    given |= {"not", "Holm"}  # the language of conditions is one for all
    for text in (*Texts(page).found, *Texts(audited).found):
        rest = re.sub(r"\b[0-9a-f]{32,}\b", "", text)
        assert set(re.findall(r"[A-Za-zé_]{2,}", rest)) <= given, text


@pytest.mark.parametrize("code", CODES)
def test_a_report_that_is_written_anew_keeps_its_language(code: str, halves: Workspace, tmp_path: Path) -> None:
    path = Path(shutil.copytree(halves.path, tmp_path / "halves"))

    def written() -> str:
        return (path / "report.html").read_text("utf-8")[:200]

    reopen(path).report()
    assert '<html lang="en">' in written()
    reopen(path).report(language=code)
    assert reopen(path).settings.language == code
    judge = HalvesExtractor()
    judge.name = "another"
    evaluate_workspaces(reopen(path), judges=[judge], methods=("joint",), faces=4, plain=64)
    assert f'<html lang="{code}">' in written()
    reopen(path).report()
    assert f'<html lang="{code}">' in written()
    settings = (path / "tlgan.toml").read_text("utf-8")
    (path / "tlgan.toml").write_text(settings.replace(f'"{code}"', '"tlh"'), "utf-8")  # of a newer version
    reopen(path).report()
    assert '<html lang="en">' in written()
    reopen(path).report(language="en")
    assert reopen(path).settings.language == "en"


def test_a_language_that_there_is_none_of_is_refused(halves: Workspace) -> None:
    with pytest.raises(TlganError, match="no language 'tlh': expected one of en, "):
        report(halves, language="tlh")
    with pytest.raises(TlganError, match="no language 'tlh': expected one of en, "):
        run_generator(halves, halves.path / "audit.html", says=lambda words: None, language="tlh")


def test_what_a_language_lacks_stays_english() -> None:
    say = languages.Language("xx", {"{0} of {1}": "{1}: {0}"}, {"Age": "Alter"})
    assert say("{0} of {1}", 2, "a{0}") == "a{0}: 2"
    assert say("nothing of {0}", 7) == "nothing of 7"
    assert [say.feature(text) for text in ("Age", "Hair", "")] == ["Alter", "Hair", ""]
