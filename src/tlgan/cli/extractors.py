"""The verbs that bring new features: `add`, `train-extractor`, `label`. Parses, calls one function a verb, prints."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tlgan.errors import TlganError

from .options import (
    AddressOption,
    AllowedHostOption,
    AllowFrameOption,
    EngineOption,
    GpusOption,
    JsonOption,
    RootPathOption,
    WorkersOption,
    WorkspaceArgument,
    YesOption,
    engine_of,
    outside,
)

TrustOption = Annotated[
    bool, typer.Option("--trust", help="What the workspace names may be code (TorchScript, Python functions); run it.")
]


def register(app: typer.Typer) -> None:
    """Give `app` these verbs."""
    app.command()(add)
    app.command("train-extractor")(train_extractor)
    app.command()(label)


def add(
    workspace: WorkspaceArgument,
    extractor: Annotated[
        str, typer.Option("--extractor", "-e", help="A name, model.onnx, model.toml, hf:owner/repo, module:function.")
    ] = "",
    text: Annotated[list[str] | None, typer.Option(help='"smiling", or "smiling | frowning"; may be repeated.')] = None,
    model: Annotated[str, typer.Option(help="Text-image model for --text: hf:owner/repo or a folder.")] = "",
    labels: Annotated[Path | None, typer.Option(help="Names of an ONNX file's outputs, one a line.")] = None,
    kind: Annotated[str, typer.Option(help="What an ONNX file gives: multi-label, classes or numbers.")] = "",
    size: Annotated[int, typer.Option(min=0, help="Side of an ONNX file's input, where it is open.")] = 0,
    method: Annotated[str, typer.Option(help="samples, gradients, or auto for the cheaper one.")] = "auto",
    directions: Annotated[
        str,
        typer.Option(help="Directions found without labels, pca or sefa (pca:20 for 20), in place of an extractor."),
    ] = "",
    engine: EngineOption = "local",
    address: AddressOption = "",
    workers: WorkersOption = 0,
    gpus_per_worker: GpusOption = 0.0,
    trust: TrustOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """New sliders from the samples that are there already."""
    from tlgan.workspace import open_workspace
    from tlgan.workspace.add import add_extractor

    from .terminal import note, print_fields, print_json, working

    if method not in ("auto", "samples", "gradients"):
        raise TlganError(f"--method {method!r} is unknown: expected auto, samples or gradients")
    at = engine_of(engine, address, workers, gpus_per_worker)
    opened = open_workspace(workspace, trust=trust)
    if directions and (extractor or text):
        raise TlganError("name either an extractor (--extractor, --text) or --directions, and not both")
    with working(opened.axes.samples) as display:
        if directions:
            from tlgan.workspace.unnamed import add_directions

            added = add_directions(opened, directions, progress=display)
        else:
            added = add_extractor(
                opened,
                extractor,
                texts=text or (),
                model=model,
                labels=labels,
                kind=kind,
                size=size,
                method=method,  # type: ignore[arg-type]
                progress=display,
                engine=at,
            )
    for words in getattr(added.workspace.extractor.parts[-1], "assumed", ()):
        note("assumed", words)
    if json:
        print_json(added.as_dict())
        return
    cost = f"{added.samples:,} samples" + (f" and {added.gradients} gradients" if added.gradients else "")
    quality = {
        name: f"held-out R² {r2:.2f}, agreement {agreement:.3f}{' (weak on this generator)' if weak else ''}"
        for name, r2, agreement, weak in zip(added.features, added.r2, added.agreement, added.weak, strict=True)
    }
    print_fields(
        {
            **quality,
            "by": f"{cost} in {added.seconds:.1f} s ({added.why})",
            "next": shlex.join(("tlgan", "studio", str(workspace))),
        }
    )


def train_extractor(
    images: Annotated[str, typer.Option(help="Folder of pictures, a Parquet file, or datasets:owner/name.")],
    labels: Annotated[
        Path | None, typer.Option(help="list_attr_celeba.txt, CSV, JSON lines or Parquet, where names do not tell.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="ONNX file to write.")] = Path("extractor.onnx"),
    only: Annotated[list[str] | None, typer.Option(help="Learn this column only; may be repeated.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Leave this column out; may be repeated.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="column=binary, classes or number, where its values mislead.")
    ] = None,
    backbone: Annotated[
        str, typer.Option(help="Start: scratch, celeba40, a .safetensors, hf:owner/repo; chosen where empty.")
    ] = "",
    size: Annotated[int, typer.Option(min=0, help="Side of the network's input in pixels (64).")] = 0,
    steps: Annotated[int, typer.Option(min=0, help="At most so many steps; 0 chooses by the number of pictures.")] = 0,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="A mirrored picture has the same labels.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of the split and of the training.")] = 0,
    json: JsonOption = False,
) -> None:
    """An extractor from your own labelled pictures. Goes on where it was cut off."""
    from tlgan.training import train_extractor as run

    from .terminal import print_fields, print_json, working

    with working() as display:
        trained = run(
            images,
            labels,
            out,
            only=only or (),
            skip=skip or (),
            kinds=dict(_pair(entry) for entry in kind or ()),
            backbone=backbone,
            size=size,
            steps=steps,
            flip=flip,
            seed=seed,
            progress=display,
        )
    if json:
        print_json(asdict(trained))
        return
    print_fields({"on new pictures": trained.headline, "written": out, "card": trained.card})
    print_fields({"next": f"tlgan add WORKSPACE --extractor {shlex.quote(str(trained.weights or out))}"})


def label(
    workspace: WorkspaceArgument,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help='What a yes means, like "curly hair".')],
    name: Annotated[str, typer.Option(help="Name of the feature; made from the question where empty.")] = "",
    extractor: Annotated[
        str, typer.Option("--extractor", "-e", help="Whose embedding is read; the workspace's own where empty.")
    ] = "",
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond this machine a token is asked for.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    allowed_host: AllowedHostOption = None,
    root_path: RootPathOption = "",
    allow_frame: AllowFrameOption = None,
    trust: TrustOption = False,
    yes: YesOption = False,
) -> None:
    """A new slider from a few clicks, yes or no, on generated pictures. The clicks are kept."""
    from tlgan.io.streams import write
    from tlgan.web.label import label as run
    from tlgan.workspace import open_workspace

    way = outside(allowed_host, root_path, allow_frame)
    opened = open_workspace(workspace, trust=trust)
    result = run(
        opened, question, name=name, extractor=extractor, host=host, port=port, open_browser=browser, outside=way
    )
    if result is None:
        write("no slider yet; the clicks are kept, and the same command goes on with them")
    else:
        write(
            f"slider {result['name']} from {result['clicks']} clicks. Next: tlgan studio {shlex.quote(str(workspace))}"
        )


def _pair(entry: str) -> tuple[str, str]:
    name, equals, kind = entry.partition("=")
    if not equals:
        raise TlganError(f"--kind {entry!r} is not understood: expected column=binary, column=classes or column=number")
    return name, kind
