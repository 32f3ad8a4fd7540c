"""The verb `report`: what was found, as one HTML file. Parses, calls one function, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tlgan.errors import TlganError

from .options import Consent, WorkspaceArgument


def report(
    workspace: WorkspaceArgument,
    *,
    seed: Annotated[int | None, typer.Option(help="Mark where this random face stands.")] = None,
    picture: Annotated[Path | None, typer.Option("--from", help="Mark where the face of a saved PNG stands.")] = None,
    language: Annotated[
        str, typer.Option(help="Language of the report: en, or a code such as zh; else that of the report before.")
    ] = "",
    consent: Consent,
) -> None:
    """Write report.html anew: every axis, what it explains, what it changes besides, what goes together."""
    from tlgan.io.streams import write
    from tlgan.workspace.report import report as run

    from .terminal import say

    if seed is not None and picture is not None:
        raise TlganError("both --seed and --from were given: one face is marked")
    opened = consent.open(workspace)
    face = None if seed is None and picture is None else opened.face(seed, png=picture)
    write(f"written: {run(opened, face=face, language=language, progress=say)}")
