"""The documentation is whole: every verb, option and setting is in it, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from tlgan.cli.app import app
from tlgan.workspace import Settings

ROOT = Path(__file__).parent.parent
COMMANDS = (ROOT / "docs" / "commands.md").read_text()


def verbs() -> dict[str, Any]:
    """Every verb of the command line by name."""
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def section(verb: str) -> str:
    """The part of commands.md that speaks of one verb."""
    found = re.search(rf"^## tlgan {verb}\b.*?(?=^## |\Z)", COMMANDS, re.MULTILINE | re.DOTALL)
    return found.group(0) if found else ""


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_every_option_of_a_verb_is_documented(verb: str) -> None:
    text = section(verb)
    assert text, f"docs/commands.md has no section '## tlgan {verb}'"
    for parameter in verbs()[verb].params:
        for option in [*parameter.opts, *parameter.secondary_opts]:
            if option.startswith("-") and option not in ("--help", "-h"):
                assert f"`{option}`" in text, f"{verb} {option} is undocumented"


def test_no_verb_is_documented_that_does_not_exist() -> None:
    assert set(re.findall(r"^## tlgan ([\w-]+)", COMMANDS, re.MULTILINE)) <= set(verbs())


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "workspace.md").read_text()
    written = Settings(
        "x",
        accepted=("a",),
        label=1,
        extractor_sha256=(("a", "b"),),
        base=("a",),
        resolution=64,
        groups=(0, 1),
        method="svm",
    ).to_toml()
    table = ""
    for line in written.splitlines():
        if line.startswith("["):
            table = line.strip("[]")
        elif "=" in line:
            assert f"`{table}.{line.split('=')[0].strip()}`" in text


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.name
)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_a_benchmark_named_in_the_readme_exists() -> None:
    for name in re.findall(r"benchmarks/[\w.]+", (ROOT / "README.md").read_text()):
        assert (ROOT / name).exists()


def test_a_test_named_in_the_page_on_security_exists() -> None:
    text, named = (ROOT / "docs" / "security.md").read_text(), 0
    for cell in re.findall(r"`tests/[^|]*", text):
        file = ""
        for path, test in re.findall(r"`(tests/[\w./]+)?(?:::(\w+))?`", cell):
            file = path or file
            assert (ROOT / file).exists(), file
            assert not test or re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{test}"
            named += bool(test)
    assert named > 30
