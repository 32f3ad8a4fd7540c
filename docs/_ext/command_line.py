"""The directive `command-line`: every verb of `tlgan` with its arguments and options, from the command line's own definition."""

from __future__ import annotations

import re
from typing import Any

import typer.cli
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tlgan.cli.app import app


class CommandLine(SphinxDirective):
    """Lets Typer write what `--help` knows as Markdown, and puts a heading for each verb into the page."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(markdown(), allow_section_headings=True)


def markdown() -> str:
    """All verbs as Markdown, each below a heading of second level."""
    command: Any = typer.main.get_command(app)
    text = typer.cli.get_docs_for_click(obj=command, ctx=typer.Context(command), name="tlgan", indent=1)
    text = text.partition("\n### ")[2]  # the verbs alone: the page has an introduction of its own
    return re.sub(r"^### ", "## ", f"### {text}", flags=re.MULTILINE).replace("```console", "```text")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}
