"""The verb `evaluate`. Parses, calls one function, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import DEFAULT_JUDGE, Consent, Engine, JsonOption, JudgeOption, Judging, WorkspaceArgument

DEFAULT_METHODS = ("plain", "conditioned", "joint", "exact")


def evaluate(
    workspace: WorkspaceArgument,
    *,
    judge: JudgeOption = DEFAULT_JUDGE,
    method: Annotated[
        list[str] | None, typer.Option(help="Way of moving a slider; may be repeated. Unknown ones list all.")
    ] = None,
    judging: Judging,
    compare: Annotated[
        list[Path] | None, typer.Option(help="Another workspace, judged on the same sliders; may be repeated.")
    ] = None,
    engine: Engine,
    consent: Consent,
    json: JsonOption = False,
) -> None:
    """Are the axes true, are the edits clean? A judge looks at fresh faces; report.html shows it."""
    from tlgan.io.streams import write
    from tlgan.workspace.evaluate import evaluate_workspaces

    from .terminal import print_evaluations, print_json, say

    opened = [consent.open(path) for path in (workspace, *(compare or ()))]
    found = evaluate_workspaces(
        opened,
        judges=[judge],
        methods=method or DEFAULT_METHODS,
        **judging.options(),
        progress=say,
        engine=engine.make(),
    )
    labelled = [(str(one.path), evaluation) for one, evaluation in zip(opened, found, strict=True)]
    if json:
        print_json([{"workspace": path, **evaluation.to_json()} for path, evaluation in labelled])
    else:
        print_evaluations(labelled)
        write(f"written into {workspace / 'report.html'} and {workspace / 'evaluation.json'}")
