"""The verbs about provenance: `verify` and `make-key`. Parses, calls one function, prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlgan.errors import TlganError

from .options import Consent, JsonOption

if TYPE_CHECKING:
    from tlgan.workspace import Workspace


def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pictures and films, of anyone.")],
    *,
    authority: Annotated[
        Path | None, typer.Option(help="Certificates (PEM) of authorities whose signatures you trust.")
    ] = None,
    workspace: Annotated[
        Path | None, typer.Option(metavar="WORKSPACE", help="Paint the face inside again, and compare.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Where to write that face; one FILE, and needs --workspace.")
    ] = None,
    consent: Consent,
    json: JsonOption = False,
) -> int:
    """What pictures claim of themselves, and whether it holds. Fails where one claims nothing, or it does not hold."""
    from tlgan.io.streams import write

    from .terminal import print_fields, print_json

    if out is not None and (workspace is None or len(files) > 1):
        raise TlganError("-o writes the face inside one FILE, painted by a workspace: give one FILE and --workspace")
    anchors = _text(authority) if authority is not None else None
    opened = None if workspace is None else consent.open(workspace)
    results = [_verified(file, anchors, opened, out) for file in files]
    if json:
        print_json([{key: value for key, value in result.items() if key != "lines"} for result in results])
    else:
        for result in results:
            write(f"{result['file']}:")
            print_fields(result["lines"])
    return 0 if all(result["holds"] for result in results) else 1


def _verified(file: Path, anchors: str | None, opened: Workspace | None, out: Path | None) -> dict[str, Any]:
    """The report on one file, with what its state, where it holds one, brings back."""
    from tlgan.provenance import verify_file

    try:
        report, data = verify_file(file, anchors=anchors)
    except TlganError as error:
        return {
            "file": str(file),
            "verdict": "unread",
            "holds": False,
            "lines": {"error": str(error)},
            "error": str(error),
        }
    lines, face = report.lines(), _face(file, data, opened, out)
    if face:
        lines["face inside"] = face["words"]
    return {**report.as_dict(), "holds": report.holds, "face": face, "lines": lines}


def _face(file: Path, data: bytes, opened: Workspace | None, out: Path | None) -> dict[str, Any] | None:
    """What a picture's own state is worth: whose it is, and with a workspace, whether it paints that picture."""
    if not (data.startswith(b"\x89PNG") and b"tlgan\0" in data):
        return _none(out)
    from tlgan.editing.state import find_state

    try:
        state = find_state(data)
    except TlganError as error:
        return {"words": str(error)}
    if state is None:
        return _none(out)
    generator = str(state.get("generator"))[:12]
    if opened is None:
        return {"generator": generator, "words": f"of generator {generator}; --workspace brings it back"}
    return {"generator": generator, **_again(file, data, opened, out)}


def _none(out: Path | None) -> dict[str, Any] | None:
    if out is not None:
        raise TlganError("there is no face inside that file: nothing was written")
    return None


def _again(file: Path, data: bytes, opened: Workspace, out: Path | None) -> dict[str, Any]:
    """The face inside, painted once more."""
    import numpy as np

    from tlgan.io.pictures import opened as picture_in

    try:
        editor = opened.face(png=file)
    except TlganError as error:
        if out is not None:
            raise
        return {"words": str(error)}
    with picture_in(data, ["PNG"]) as image:
        shown = np.asarray(image.convert("RGB")).astype(int)
    painted = editor.picture().astype(int)
    far = float(np.abs(shown - painted).max()) if shown.shape == painted.shape else None
    if far is None:
        words = (
            f"paints {painted.shape[1]} x {painted.shape[0]} pixels, the file has {shown.shape[1]} x {shown.shape[0]}"
        )
    else:
        words = "paints this very picture" if far == 0 else f"paints a picture up to {far:.0f} of 255 levels off"
    if out is not None:
        words += f"; written to {editor.save(out)}"
    return {"levels_off": far, "words": words}


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TlganError(f"{file} can't be read as certificates in PEM ({error})") from error


def make_key(
    out: Annotated[Path, typer.Option("-o", "--out", help="New or empty folder for the key and its certificates.")],
    name: Annotated[str, typer.Option(help="Who signs: a name that readers of the pictures see.")] = "tlgan user",
) -> None:
    """A key with certificates of your own, to sign pictures with (C2PA)."""
    from tlgan.io.streams import write
    from tlgan.provenance import signing

    signing.make_key(out, name)
    write(f"{out}: set {signing.VARIABLE}={out.resolve()} and whatever is saved is signed as {name!r}")
    write(f"verify trusts it with --authority {out / signing.AUTHORITY}; to the rest of the world it is unknown")
