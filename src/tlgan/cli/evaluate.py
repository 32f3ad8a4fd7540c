"""The verb that judges: `evaluate`. Parses, calls one function, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import (
    AddressOption,
    EngineOption,
    GpusOption,
    JsonOption,
    TrustOption,
    WorkersOption,
    WorkspaceArgument,
    YesOption,
    engine_of,
)

DEFAULT_JUDGE = "judge40"
DEFAULT_METHODS = ("plain", "conditioned", "joint", "exact")


def register(app: typer.Typer) -> None:
    """Give `app` this verb."""
    app.command()(evaluate)


def evaluate(
    workspace: WorkspaceArgument,
    judge: Annotated[
        str, typer.Option(help="Extractor that had no part in finding the axes; refs as for `discover -e`.")
    ] = DEFAULT_JUDGE,
    method: Annotated[
        list[str] | None, typer.Option(help="Way of moving a slider; may be repeated. Unknown ones list all.")
    ] = None,
    features: Annotated[
        list[str] | None, typer.Option(help="Sliders to judge, like smiling,young; all that are not weak.")
    ] = None,
    faces: Annotated[int, typer.Option(min=4, max=10_000, help="Fresh faces that every slider is tried on.")] = 50,
    amount: Annotated[float, typer.Option(min=0.1, max=10, help="Change asked for, up and down, in sd.")] = 1.5,
    metric: Annotated[
        list[str] | None, typer.Option(help="Further figure, like precision or recall; may be repeated.")
    ] = None,
    compare: Annotated[
        list[Path] | None, typer.Option(help="Another workspace, judged on the same sliders; may be repeated.")
    ] = None,
    engine: EngineOption = "local",
    address: AddressOption = "",
    workers: WorkersOption = 0,
    gpus_per_worker: GpusOption = 0.0,
    trust: TrustOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Are the axes true, are the edits clean? A judge looks at fresh faces; report.html shows it."""
    from tlgan.io.streams import write
    from tlgan.workspace import open_workspace
    from tlgan.workspace.evaluate import evaluate_workspaces

    from .terminal import print_evaluations, print_json, say

    opened = [open_workspace(path, trust=trust) for path in (workspace, *(compare or ()))]
    names = [name for given in features or () for name in given.split(",") if name]
    found = evaluate_workspaces(
        opened,
        judge,
        features=names or None,
        methods=method or DEFAULT_METHODS,
        faces=faces,
        amount=amount,
        metrics=metric or (),
        progress=say,
        engine=engine_of(engine, address, workers, gpus_per_worker),
    )
    labelled = [(str(one.path), evaluation) for one, evaluation in zip(opened, found, strict=True)]
    if json:
        print_json([{"workspace": path, **evaluation.to_json()} for path, evaluation in labelled])
    else:
        print_evaluations(labelled)
        write(f"written into {workspace / 'report.html'} and {workspace / 'evaluation.json'}")
