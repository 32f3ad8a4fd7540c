"""The verb `publish`: a workspace as a page that needs no server. Parses, calls one function, prints."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .options import Consent, JsonOption, WorkspaceArgument


def publish(
    workspace: WorkspaceArgument,
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the site: new, empty, or an earlier site.")],
    title: Annotated[str, typer.Option(help="Title of the page; by default the workspace's name.")] = "",
    base_url: Annotated[
        str, typer.Option(help="Where the site will be, like https://USER.github.io/faces/; link previews need it.")
    ] = "",
    resolution: Annotated[int, typer.Option(min=0, help="Smaller pictures, for a smaller generator.")] = 0,
    embed: Annotated[bool, typer.Option("--embed", help="A widget for other pages too: embed.html, one file.")] = False,
    workflow: Annotated[
        bool, typer.Option("--workflow", help="A GitHub Actions workflow that deploys the folder to GitHub Pages.")
    ] = False,
    consent: Consent,
    json: JsonOption = False,
) -> None:
    """The studio as a static site that computes in the visitor's browser."""
    from tlgan.io.streams import write
    from tlgan.web.publish import publish as run

    from .terminal import print_json, say

    result = run(
        consent.open(workspace),
        out,
        resolution=resolution or None,
        embed=embed,
        workflow=workflow,
        address=base_url or None,
        title=title or None,
        progress=say,
    )
    if json:
        print_json(result.as_dict())
        return
    for line in result.lines():
        write(line)
    write(
        f"{out}: ready for any static host; {out / 'README.md'} says how. Here: python -m http.server -d {shlex.quote(str(out))}"
    )
