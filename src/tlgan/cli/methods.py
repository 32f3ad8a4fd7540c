"""The verbs `compare` (axis methods on the same faces) and `import-axes` (directions found elsewhere)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import DEFAULT_JUDGE, Consent, Engine, JsonOption, Judging, WorkspaceArgument


def compare(
    workspace: WorkspaceArgument,
    *,
    method: Annotated[
        list[str] | None, typer.Option("--method", help="Axis method; may be repeated. Unknown ones list all.")
    ] = None,
    judge: Annotated[
        list[str] | None, typer.Option("--judge", help="Extractor that had no part in finding the axes; repeatable.")
    ] = None,
    judging: Judging,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another workspace of the same generator; may be repeated.")
    ] = None,
    moved: Annotated[str, typer.Option(help="How all are moved: plain, conditioned, joint ...")] = "plain",
    exact: Annotated[bool, typer.Option("--exact/--no-exact", help="Exact mode on the workspace's axes too.")] = True,
    plain: Annotated[
        int, typer.Option(min=50, max=100_000, help="Plain pictures that give judges their scale.")
    ] = 2000,
    language: Annotated[str, typer.Option(help="Language of the page: en, or a code such as zh.")] = "en",
    engine: Engine,
    consent: Consent,
    json: JsonOption = False,
) -> None:
    """Axis methods beside each other: one table, and a page of pictures."""
    from tlgan.io.streams import write
    from tlgan.workspace.compare import JSON_FILE, METHODS, PAGE_FILE
    from tlgan.workspace.compare import compare as run

    from .terminal import print_evaluations, print_json, say

    found = run(
        consent.open(workspace),
        methods=method or METHODS,
        judges=judge or [DEFAULT_JUDGE],
        **judging.options(),
        moved=moved,
        exact=exact,
        beside=[consent.open(path) for path in beside or ()],
        plain=plain,
        language=language,
        progress=say,
        engine=engine.make(),
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
    *,
    name: Annotated[str, typer.Option("--name", help="Slider that is to move along it.")],
    component: Annotated[
        int | None, typer.Option("--component", min=0, help="Which direction of a file that holds many, from 0.")
    ] = None,
    consent: Consent,
    json: JsonOption = False,
) -> None:
    """Let a slider move along a direction found elsewhere, its scale measured on pictures."""
    from dataclasses import asdict

    from tlgan.workspace.foreign import import_axis

    from .terminal import print_fields, print_json, say

    found = import_axis(consent.open(workspace), file, name, component=component, progress=say)
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
