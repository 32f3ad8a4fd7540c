"""The verbs that bring new features: `add`, `train-extractor`, `label`. Parses, calls one function a verb, prints."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tlgan.errors import TlganError

from .options import Consent, Engine, JsonOption, Naming, Pages, WorkspaceArgument


def add(
    workspace: WorkspaceArgument,
    *,
    extractor: Annotated[
        str, typer.Option("--extractor", "-e", help="A name, model.onnx, model.toml, hf:owner/repo, module:function.")
    ] = "",
    naming: Naming,
    method: Annotated[str, typer.Option(help="samples, gradients, or auto for the cheaper one.")] = "auto",
    directions: Annotated[
        str,
        typer.Option(help="Directions found without labels, pca or sefa (pca:20 for 20), in place of an extractor."),
    ] = "",
    engine: Engine,
    consent: Consent,
    json: JsonOption = False,
) -> None:
    """New sliders from the samples that are there already."""
    from tlgan.workspace.add import add_extractor

    from .terminal import note, print_fields, print_json, working

    if method not in ("auto", "samples", "gradients"):
        raise TlganError(f"--method {method!r} is unknown: expected auto, samples or gradients")
    at = engine.make()
    opened = consent.open(workspace)
    if directions and (extractor or naming.text):
        raise TlganError("name either an extractor (--extractor, --text) or --directions, and not both")
    with working(opened.axes.samples) as display:
        if directions:
            from tlgan.workspace.unnamed import add_directions

            added = add_directions(opened, directions, progress=display)
        else:
            added = add_extractor(
                opened,
                extractor,
                **naming.options(),
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
    *,
    name: Annotated[str, typer.Option(help="Name of the feature; made from the question where empty.")] = "",
    extractor: Annotated[
        str, typer.Option("--extractor", "-e", help="Whose embedding is read; the workspace's own where empty.")
    ] = "",
    pages: Pages,
    consent: Consent,
) -> None:
    """A new slider from a few clicks, yes or no, on generated pictures. The clicks are kept."""
    from tlgan.io.streams import write
    from tlgan.web.label import label as run

    served = pages.options()
    result = run(consent.open(workspace), question, name=name, extractor=extractor, **served)
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
