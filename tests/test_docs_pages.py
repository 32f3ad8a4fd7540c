"""The pages of the documentation: they build without a warning, their links lead somewhere, and what they tell to type is right."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
import yaml
from PIL import Image
from starlette.testclient import TestClient

import tlgan.cli.app
from tests.test_release import instructions
from tlgan import languages
from tlgan.hooks import HOOKS
from tlgan.photographs import Plan
from tlgan.web.server import create_app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
COMMAND: Any = typer.main.get_command(tlgan.cli.app.app)
#: What makes the tutorial quick; everything else of it runs as it stands.
QUICK = (("-o faces", "-o faces --max-samples 800"),)
#: Lines of the tutorial that make an environment, never end, or take half a minute (tests/publish does what they do).
ELSEWHERE = ("python -m", ". tlgan-tutorial", "pip install", "tlgan publish")
#: Pages whose Python runs as it stands where the tutorial ends, one after the other; the translations of a page with it.
WHOLE = (
    ("README.md",),
    ("audit.md",),
    ("dataset.md",),
    ("how-to/balanced-data.md",),
    ("how-to/own-gan.md",),
    ("how-to/own-labels.md",),
    ("photographs.md", "how-to/photographs.md"),
    ("plots.md",),
    ("provenance.md",),
    ("publish.md",),
    ("workspace.md",),
)
#: What makes them quick.
PYTHON_QUICK = (
    ('ws.invert("me.jpg")', 'ws.invert("me.jpg", plan=PLAN)'),
    ("Request(2000,", "Request(8,"),
    ("Request(20,", "Request(2,"),
    ('expected=("smiling",)', 'expected=("smiling",), features=("smiling", "male"), faces=12, plain=50'),
)
#: Where the other pages' Python runs, below tests/.
RUN_IN = {
    "cluster.md": "sampling/test_ray.py",
    "extending.md": "test_hooks.py",
    "extractors.md": "test_docs_extractors.py",
    "generators.md": "test_docs_generators.py",
    "python.md": "test_docs_python.py",
    "tutorial.md": "test_docs_pages.py",
}
#: What begins like this is compiled alone: TensorFlow is no dependency of anything here.
UNRUN = ("import tensorflow",)


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
        patch.setattr("tlgan.web.server.serve", lambda workspace, **_: opened.append(_title(workspace)))
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


@pytest.mark.parametrize("pages", WHOLE, ids=" ".join)
def test_the_python_of_a_page_runs(
    pages: tuple[str, ...], tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tutorial, here := tmp_path / "here")  # some pages add to the workspace
    shutil.copy(ROOT / "tests" / "photographs" / "astronaut.jpg", here / "me.jpg")
    monkeypatch.chdir(here)
    if "audit.md" in pages:
        pytest.importorskip("onnx")
        from tests.extractors.test_onnx_file import write_model

        write_model(here / "smile.onnx", end="Sigmoid")
    names = {"__name__": "page", **_given(here)}
    for page in pages:
        for block in blocks(_page(page), "python"):
            for slow, fast in PYTHON_QUICK:
                block = block.replace(slow, fast)
            exec(compile(block, page, "exec"), names)


def _given(here: Path) -> dict[str, Any]:
    """What pages speak of and leave to the reader, and the plan of an inversion that takes no time."""
    photograph = (here / "me.jpg").read_bytes()
    given = {"picture": Image.open(here / "me.jpg"), "file_bytes": photograph}
    return {**given, "sha256_of_the_photograph": hashlib.sha256(photograph).hexdigest(), "PLAN": Plan(small=2)}


def _page(name: str) -> Path:
    return ROOT / name if name == "README.md" else DOCS / name


def marked(page: Path) -> list[tuple[str, str]]:
    """Every Python block of a page, with the name that a comment before it gives it."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"(?:^<!-- test: ([\w -]+) -->\n)?^ *```python\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_python_block_is_executed_by_a_test(page: Path) -> None:
    name = page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT).as_posix()
    code = [(marker, block) for marker, block in marked(page) if not block.startswith(tuple(UNRUN))]
    folder, _, rest = name.partition("/")
    original = rest if folder in languages.catalogues() else name  # a translation has the same blocks
    whole = original in {one for pages in WHOLE for one in pages}
    if not code or whole:
        return
    assert original in RUN_IN, f"{name} has Python that no test runs: see WHOLE and RUN_IN"
    module = ROOT / "tests" / RUN_IN[original]
    test = module.read_text(encoding="utf-8")
    assert Path(original).name in test
    assert "exec(" in test
    if any(marker for marker, _ in code):
        run = {*re.findall(r'\bexample\("([\w -]+)"', test), *(HOOKS if "exec(example(what)" in test else ())}
        assert {marker for marker, _ in code} <= run, f"{name}: a block that tests/{RUN_IN[original]} does not run"


@pytest.mark.parametrize("start", UNRUN)
def test_python_that_is_not_executed_is_at_least_python(start: str) -> None:
    found = [block for page in PAGES for block in blocks(page, "python") if block.startswith(start)]
    assert found
    for block in found:
        compile(block, start, "exec")


def _reads_nginx(text: str) -> bool:
    """Whether every line opens a block, closes one or ends, and blocks close."""
    lines = [line.strip() for line in text.splitlines()]
    return all(line.endswith(("{", "}", ";")) for line in lines) and text.count("{") == text.count("}")


def _reads_shell(text: str) -> bool:
    """Whether a shell takes the syntax; nothing is run."""
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("no bash on PATH")
    return subprocess.run([shell, "-n"], input=text, text=True, capture_output=True).returncode == 0


#: What reads the blocks that are not Python. Of shell the tutorial's is run, as are all commands of its kinds in the tests of
#: the verbs. The rest is parsed, by this and by `test_every_command_on_a_page_is_one_that_tlgan_takes`: it fetches, never
#: ends, names files that only the reader has, or asks for a cluster.
READERS: dict[str, Any] = {
    "toml": tomllib.loads,
    "json": json.loads,
    "yaml": yaml.safe_load,
    "sh": _reads_shell,
    "bash": _reads_shell,
    "nginx": _reads_nginx,
    "html": lambda text: ElementTree.fromstring(text).tag,
    "dockerfile": lambda text: {name for name, _ in instructions(text)} >= {"FROM", "RUN"},
}


@pytest.mark.parametrize("language", READERS)
def test_blocks_are_read_by_a_reader_of_their_language(language: str) -> None:
    found = [block for page in PAGES for block in blocks(page, language)]
    assert found
    for block in found:
        assert READERS[language](block), block


def test_no_block_is_in_a_language_that_nothing_reads() -> None:
    written = {name for page in PAGES for name in re.findall(r"^ *```(\w+)$", page.read_text("utf-8"), re.MULTILINE)}
    assert written == {"python", *READERS}


def test_the_pages_build_and_their_links_lead_somewhere(built_docs: Path) -> None:
    import docs

    wrong, external = docs.check(built_docs)  # type: ignore[attr-defined]
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
    wrong, external = docs.check(tmp_path)  # type: ignore[attr-defined]
    assert len(wrong) == 4
    assert [
        word for word in ("b.html", "#here", "cdn.example.org", "fonts.example.org") if word not in str(wrong)
    ] == []
    assert external == ["https://cdn.example.org/x.js", "https://example.org"]
