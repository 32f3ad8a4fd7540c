"""The pages of the documentation: they build without a warning, their links lead somewhere, and what they tell to type is right."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from starlette.testclient import TestClient

import tlgan.cli.app
from tlgan.web.server import create_app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
sys.path.insert(0, str(ROOT / "recipes"))
COMMAND: Any = typer.main.get_command(tlgan.cli.app.app)
#: What makes the tutorial quick; everything else of it runs as it stands.
QUICK = (("-o faces", "-o faces --max-samples 800"),)
#: Lines of the tutorial that make an environment, never end, or take half a minute (tests/publish does what they do).
ELSEWHERE = ("python -m", ". tlgan-tutorial", "pip install", "tlgan publish")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def without_comments(block: str) -> list[str]:
    return [line.rstrip() for line in re.sub(r"(?m)#.*$", "", block).splitlines()]


@pytest.mark.parametrize("language", ["sh", "python"])
@pytest.mark.parametrize(
    ("page", "original"), [("tutorial.md", DOCS / "tutorial.md"), ("README.md", ROOT / "README.md")]
)
def test_a_translated_page_has_the_same_code(page: str, original: Path, language: str) -> None:
    for folder in (path for path in DOCS.iterdir() if (path / page).exists() and path.name != "pictures"):
        translated = [without_comments(block) for block in blocks(folder / page, language)]
        assert translated == [without_comments(block) for block in blocks(original, language)]
        assert translated


def commands(page: Path) -> list[str]:
    """Every line that begins with `tlgan` in a block of a page, fenced or indented."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^```(?:sh|bash|text)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [*"\n".join(fenced).splitlines(), *re.findall(r"^    (tlgan .*)$", text, re.MULTILINE)]
    return [re.sub(r"^(?:[A-Z_]+=\S+ )+", "", line) for line in lines if re.match(r"(?:[A-Z_]+=\S+ )*tlgan ", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_on_a_page_is_one_that_tlgan_takes(page: Path) -> None:
    for line in commands(page):
        verb, *words = shlex.split(line, comments=True)[1:]
        assert verb in COMMAND.commands, line
        command = COMMAND.commands[verb]
        if "..." not in words:  # the rest is left to the reader
            command.make_context(verb, words, parent=typer.Context(COMMAND))


def test_a_command_that_tlgan_does_not_take_would_be_noticed() -> None:
    with pytest.raises(Exception, match="--smile"):
        COMMAND.commands["edit"].make_context("edit", ["faces", "--smile"], parent=typer.Context(COMMAND))


def test_every_page_is_in_the_contents() -> None:
    listed = re.findall(r"^([\w/-]+)$", "\n".join(blocks(DOCS / "index.md", "{toctree}")), re.MULTILINE)
    pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md")} - {"index"}
    assert set(listed) == pages


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the tutorial has been followed."""
    folder = tmp_path_factory.mktemp("tutorial")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(tlgan.cli.app, "_serve", lambda workspace, *_: opened.append(_title(workspace)))
        opened: list[str] = []
        names: dict[str, Any] = {"__name__": "tutorial"}
        for language, block in re.findall(r"^```(sh|python)\n(.*?)^```", _text(), re.MULTILINE | re.DOTALL):
            if language == "python":
                exec(block, names)
                continue
            for line in block.splitlines():
                if not line.startswith(ELSEWHERE):
                    for slow, fast in QUICK:
                        line = line.replace(slow, fast)
                    tlgan.cli.app.app(args=shlex.split(line)[1:], standalone_mode=False)
        assert opened == ["faces"]
        assert 1 < names["face"].changed()["smiling"] < 3
    return folder


def _text() -> str:
    return (DOCS / "tutorial.md").read_text(encoding="utf-8")


def _title(workspace: tlgan.Workspace) -> str:
    """What the studio calls itself."""
    with TestClient(create_app(workspace), base_url="http://127.0.0.1:8000") as client:
        page = client.get("/")
    assert page.status_code == 200
    return workspace.name


def test_the_tutorial_ends_with_what_it_promises(tutorial: Path) -> None:
    made = {path.name for path in tutorial.iterdir()}
    assert {"faces", "smile.png", "strips.png", "exact.png", "map.pdf"} <= made
    assert (tutorial / "map.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("page", ["how-to/own-gan.md", "how-to/own-labels.md", "plots.md"])
def test_the_python_of_a_page_runs(page: str, tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tutorial, here := tmp_path / "here")  # some pages add to the workspace
    monkeypatch.chdir(here)
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(DOCS / page, "python"):
        exec(block, names)
    assert names["ws"].axes.names


def test_the_pages_build_and_their_links_lead_somewhere(built_docs: Path) -> None:
    import docs

    wrong, external = docs.check(built_docs)
    assert wrong == []
    assert len(external) > 5
    options = (built_docs / "reference" / "command-line.html").read_text(encoding="utf-8")
    for verb, command in COMMAND.commands.items():
        assert f"tlgan {verb}" in options
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    assert option in options


def test_links_and_requests_that_are_wrong_are_found(tmp_path: Path) -> None:
    import docs

    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="a.css"><script src="https://cdn.example.org/x.js"></script>'
        '<a href="b.html">gone</a><a href="#here" id="there">x</a><a href="https://example.org">out</a>'
    )
    (tmp_path / "a.css").write_text("@import url('https://fonts.example.org/f.css');")
    wrong, external = docs.check(tmp_path)
    assert len(wrong) == 4
    assert [
        word for word in ("b.html", "#here", "cdn.example.org", "fonts.example.org") if word not in str(wrong)
    ] == []
    assert external == ["https://cdn.example.org/x.js", "https://example.org"]
