"""The verb `invert`, and what `edit` does with photographs. Parses, calls one function a photograph, prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlgan.errors import TlganError

from .options import Consent, JsonOption, WorkspaceArgument

if TYPE_CHECKING:
    from tlgan.photographs import Found, PhotographEditor
    from tlgan.workspace import Workspace


@dataclass(frozen=True)
class Inverting:
    """How the latent of a photograph is found."""

    face: Annotated[
        int | None, typer.Option("--face", min=1, help="Which face of a photograph, from left to right.")
    ] = None
    box: Annotated[
        str,
        typer.Option("--box", metavar="LEFT,TOP,SIDE", help="The square to invert, in pixels, where it is no face."),
    ] = ""
    align: Annotated[
        str | None,
        typer.Option("--align", help="How the generator's pictures were cropped around a face: ffhq, celeba."),
    ] = None
    steps_small: Annotated[
        int | None, typer.Option("--steps-small", min=0, help="Steps of the inversion on small pictures.")
    ] = None
    steps_whole: Annotated[int | None, typer.Option("--steps-whole", min=0, help="Steps on whole pictures.")] = None
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Tune the generator around each photograph, and keep that in the workspace."),
    ] = False
    inverter: Annotated[
        str,
        typer.Option("--inverter", help="How a latent is found: both, encoder, optimisation, or one of a package."),
    ] = "both"

    def invert(self, opened: Workspace, source: Path, inversion: Path | None = None) -> PhotographEditor:
        """The photograph as a face to edit; `inversion` is what was found for it before. Raises TlganError."""
        from tlgan.photographs import TUNED, Plan
        from tlgan.photographs.consent import first_use

        from .terminal import note, say, working

        if words := first_use():
            note("photographs", words)
        steps = {"small": self.steps_small, "whole": self.steps_whole}
        given = {name: count for name, count in steps.items() if count is not None}
        with working() as display:

            def watch(found: Found) -> None:
                words = "" if found.stage == "encoder" else f"{found.stage}, distance {found.loss:.3f}"
                display.step(f"inverting {source.name}", found.step, found.steps, words)

            return opened.invert(
                source,
                face=self.face,
                box=_box(self.box),
                alignment=self.align,
                plan=replace(TUNED if self.tune else Plan(), **given),
                tune=self.tune,
                inversion=inversion,
                inverter=self.inverter,
                watch=watch,
                note=say,
            )


def invert(
    workspace: WorkspaceArgument,
    photographs: Annotated[
        list[Path], typer.Argument(metavar="PHOTOGRAPH...", help="Photographs, or folders of them.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="File to write, .safetensors or .npz; a folder for several.")
    ],
    *,
    inverting: Inverting,
    consent: Consent,
    json: JsonOption = False,
) -> None:
    """Find the latent of a photograph, so that `edit --photo` need not. Ctrl-C ends it with the best so far."""
    from .terminal import print_fields, print_json

    opened = consent.open(workspace)
    results = []
    for source, target in _pairs(photographs, out, ".safetensors"):
        inverting.invert(opened, source).save_inversion(target)
        results.append({"photograph": str(source), "out": str(target)})
    if json:
        print_json(results)
    else:
        print_fields({str(each["photograph"]): f"inverted, written to {each['out']}" for each in results})


def edit_photographs(
    opened: Workspace,
    photographs: list[Path],
    out: Path,
    invert: Callable[[Workspace, Path], PhotographEditor],
    prepare: Callable[[PhotographEditor], PhotographEditor],
    write: Callable[[PhotographEditor, Path], None],
) -> list[dict[str, Any]]:
    """Edit photographs as `prepare` says and write them; what became of each. One that fails does not end the others."""
    from tlgan.editing import outcome

    from .terminal import note

    results: list[dict[str, Any]] = []
    pairs, failed = list(_pairs(photographs, out, "")), 0
    for source, target in pairs:
        try:
            editor = prepare(invert(opened, source))
            write(editor, target)
        except TlganError as error:
            if len(pairs) == 1:
                raise
            failed += 1
            note(source.name, str(error))
            continue
        results.append({"photograph": str(source), "out": str(target), **outcome(editor)})
    if failed:
        raise TlganError(f"{failed} of {len(pairs)} photographs could not be edited, see above; the others are written")
    return results


def _pairs(sources: list[Path], out: Path, ending: str) -> Iterator[tuple[Path, Path]]:
    """Photographs and the files to write for them: `out` for one, files of their names in the folder `out` for several."""
    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            inside = sorted(path for path in source.iterdir() if path.suffix.lower() in _ENDINGS)
            if not inside:
                raise TlganError(f"folder {source} holds no photographs ({', '.join(_ENDINGS)})")
            found += inside
        else:
            found.append(source)
    several = len(found) > 1 or any(source.is_dir() for source in sources)
    if several and out.suffix and not out.is_dir():
        raise TlganError(f"{len(found)} photographs were given and one file {out} to write: name a folder with -o")
    stems = [path.with_suffix(ending or path.suffix).name for path in found]
    if len(set(stems)) != len(stems):
        raise TlganError(
            "several photographs have the same name, and would be written over one another: give other names"
        )
    for path, name in zip(found, stems, strict=True):
        target = out / name if several else out
        if target.exists() and path.exists() and target.samefile(path):
            raise TlganError(f"{target} is the photograph itself: name another file to write with -o")
        yield path, target


_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")


def _box(text: str) -> tuple[float, float, float] | None:
    if not text:
        return None
    try:
        left, top, side = (float(part) for part in text.split(","))
    except ValueError:
        raise TlganError(f"--box {text} is not understood: expected LEFT,TOP,SIDE in pixels, like 100,80,512") from None
    return left, top, side
