"""The verbs that put methods beside each other, and bring axes from elsewhere: `compare`, `import-axes`."""

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


def register(app: typer.Typer) -> None:
    """Give `app` these verbs."""
    app.command()(compare)
    app.command("import-axes")(import_axes)


def compare(
    workspace: WorkspaceArgument,
    method: Annotated[
        list[str] | None, typer.Option("--method", help="Axis method; may be repeated. Unknown ones list all.")
    ] = None,
    judge: Annotated[
        list[str] | None, typer.Option("--judge", help="Extractor that had no part in finding the axes; repeatable.")
    ] = None,
    features: Annotated[
        list[str] | None, typer.Option(help="Sliders to judge, like smiling,young; all that are not weak.")
    ] = None,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another workspace of the same generator; may be repeated.")
    ] = None,
    moved: Annotated[str, typer.Option(help="How all are moved: plain, conditioned, joint ...")] = "plain",
    exact: Annotated[bool, typer.Option("--exact/--no-exact", help="Exact mode on the workspace's axes too.")] = True,
    metric: Annotated[list[str] | None, typer.Option(help="Further figure, like precision; may be repeated.")] = None,
    faces: Annotated[int, typer.Option(min=4, max=10_000, help="Fresh faces that every slider is tried on.")] = 50,
    plain: Annotated[
        int, typer.Option(min=50, max=100_000, help="Plain pictures that give judges their scale.")
    ] = 2000,
    amount: Annotated[float, typer.Option(min=0.1, max=10, help="Change asked for, up and down, in sd.")] = 1.5,
    language: Annotated[str, typer.Option(help="Language of the page: en, or a code such as zh.")] = "en",
    engine: EngineOption = "local",
    address: AddressOption = "",
    workers: WorkersOption = 0,
    gpus_per_worker: GpusOption = 0.0,
    trust: TrustOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Axis methods beside each other: one table, and a page of pictures."""
    from tlgan.io.streams import write
    from tlgan.workspace import open_workspace
    from tlgan.workspace.compare import JSON_FILE, METHODS, PAGE_FILE
    from tlgan.workspace.compare import compare as run

    from .terminal import print_evaluations, print_json, say

    found = run(
        open_workspace(workspace, trust=trust),
        methods=method or METHODS,
        judges=judge or ["judge40"],
        features=[name for given in features or () for name in given.split(",") if name] or None,
        moved=moved,
        exact=exact,
        beside=[open_workspace(path, trust=trust) for path in beside or ()],
        faces=faces,
        amount=amount,
        plain=plain,
        metrics=metric or (),
        language=language,
        progress=say,
        engine=engine_of(engine, address, workers, gpus_per_worker),
    )
    if json:
        print_json(found.to_json())
        return
    print_evaluations([(str(workspace), evaluation) for evaluation in found.evaluations])
    for name, why in found.skipped.items():
        write(f"{name} is left out: {why}")
    write(f"written into {workspace / PAGE_FILE} and {workspace / JSON_FILE}")


def import_axes(
    workspace: WorkspaceArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Direction: .npy, .npz, .pt or .pth.")],
    name: Annotated[str, typer.Option("--name", help="Slider that is to move along it.")],
    component: Annotated[
        int | None, typer.Option("--component", min=0, help="Which direction of a file that holds many, from 0.")
    ] = None,
    trust: TrustOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Let a slider move along a direction found elsewhere, its scale measured on pictures."""
    from dataclasses import asdict

    from tlgan.workspace import open_workspace
    from tlgan.workspace.foreign import import_axis

    from .terminal import print_fields, print_json, say

    found = import_axis(open_workspace(workspace, trust=trust), file, name, component=component, progress=say)
    if json:
        print_json(asdict(found))
    else:
        print_fields(
            {
                "slider": found.name,
                "changes it by": f"{found.answer:+.3f} sd a unit, the axis before by {found.own:+.3f}",
                "cosine with that": f"{found.cosine:+.2f}",
            }
        )
