"""How well photographs are inverted, edited and laid back: every way on the same pictures in the same run.

    python benchmarks/photographs.py WORKSPACE --pictures FOLDER --count 8

Ways: the encoder alone, optimisation alone, both. Of each: the distance of identity by a network that had no part (the
extractor `judge40`'s embedding, in units of the mean distance of two faces) and by dlib's, which took part where it
could be had (the same person is under .6); the mean error of pixels in grey levels at 256 px, in the face and in all of
the crop; processor seconds. After edits of +-1.5 sd on the last way: how much of it was got, and what other features
drifted, beside the same edits on the generator's own faces. Then the seam: the gradient across the mask's border, after
the edit and before; whether a zero edit is the photograph; and, with --scenes, how far crops are from the truth in
pictures that are turned, scaled and pasted into others (only for pictures that are in FFHQ's alignment already).

Without --pictures, the one is the astronaut of the tests.
"""

from __future__ import annotations

import argparse
import functools
import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from tlgan import TlganError, open_workspace
from tlgan.extractors.faces import judge40
from tlgan.photographs import (
    Photograph,
    PhotographEditor,
    Plan,
    identity_or_none,
    inversion_of,
    inverting,
    place,
    read_photograph,
)
from tlgan.photographs.alignment import ffhq
from tlgan.photographs.finding import choose_face
from tlgan.photographs.invert import encoder_for
from tlgan.photographs.pasting import face_mask, paste_mask
from tlgan.photographs.warping import corners, unwarp, warp

say = functools.partial(print, flush=True)
ASKED = 1.5
EDITED = ("smiling", "young", "eyeglasses", "blond_hair")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument(
        "--pictures", type=Path, help="a folder of photographs, or a Parquet file with a column `image`"
    )
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--steps", type=int, default=Plan().small)
    parser.add_argument("--whole", type=int, default=Plan().whole)
    parser.add_argument(
        "--scenes", type=int, default=0, help="scenes of known truth, from pictures in FFHQ's alignment"
    )
    parser.add_argument("--ways", default="encoder,optimisation,both", help="which of them, separated by commas")
    parser.add_argument("--no-edits", action="store_true")
    parser.add_argument("--grid", type=Path, help="a picture of before and after to look at")
    options = parser.parse_args()
    torch.set_num_threads(max(1, torch.get_num_threads()))
    pictures = list(_pictures(options.pictures, options.count))
    if options.scenes:
        scenes(pictures, options.scenes)
    workspace = open_workspace(options.workspace)
    judge, (identity, missing) = judge40(), identity_or_none()
    if missing:
        say(f"without dlib's network: {missing}")
    small = workspace.canvas.small  # loaded outside of inference mode, or nothing could be differentiated
    with torch.inference_mode():
        painted = small.source.pictures(small.sample(64, seed=7))
        embedded = torch.cat([judge.embedding(images) for images in painted])
    stranger = float((embedded[:32] - embedded[32:]).norm(dim=1).mean())
    plan = Plan(small=options.steps, whole=options.whole)
    ways = {"encoder": (Plan(small=0, whole=0), True), "optimisation": (plan, False), "both": (plan, True)}
    if encoder_for(workspace.canvas.generator.fingerprint) is None:
        say("no encoder for this generator: optimisation alone")
        del ways["encoder"], ways["both"]
    ways = {name: way for name, way in ways.items() if name in options.ways.split(",")}
    figures: dict[str, list[list[float]]] = {way: [] for way in ways}
    editors: list[PhotographEditor] = []
    for name, photograph in pictures:
        try:
            square, hull = place(photograph, "ffhq")
        except TlganError as error:
            say(f"{name}: refused: {error}")
            continue
        for way, (steps, encode) in ways.items():
            begun = time.process_time()
            steps_taken = inverting(workspace.canvas, photograph, square, hull, steps, encode=encode, identity=identity)
            for found in steps_taken:  # noqa: B007 - the last one counts
                pass
            seconds = time.process_time() - begun
            kept = inversion_of(workspace.canvas, photograph, found, square, hull, "ffhq")
            editor = PhotographEditor.of(workspace.canvas, photograph, kept)
            figures[way].append([*_compared(editor, hull, judge, stranger, identity), seconds])
            say(f"{name}, {way}: " + ", ".join(f"{value:.2f}" for value in figures[way][-1]))
        editors.append(editor)
    say(
        "\nway | identity by judge40 | by dlib | grey levels in the face | in the crop | seconds of one processor | pictures"
    )
    for way, rows in figures.items():
        say(" | ".join([way, *(f"{value:.2f}" for value in np.mean(rows, axis=0)), str(len(rows))]))
    same = [np.array_equal(editor.picture(), editor.photograph.picture) for editor in editors]
    say(f"\nzero edit is the photograph, bit for bit: {sum(same)} of {len(same)}")
    if not options.no_edits:
        edits(workspace, editors)
    if options.grid:
        _grid(editors).save(options.grid)


def _compared(editor: PhotographEditor, hull, judge, stranger: float, identity) -> list[float]:  # type: ignore[no-untyped-def]
    """Identity by the judge and by dlib, grey levels in the face and in the crop."""
    crop, painted = (
        F.interpolate(torch.from_numpy(x).permute(2, 0, 1)[None].float(), size=256, mode="area")
        for x in (editor.crop(), editor.face())
    )
    error = (crop - painted).abs().mean(dim=1)[0].numpy()
    inside = face_mask(hull)
    a, b = crop / 127.5 - 1, painted / 127.5 - 1
    with torch.no_grad():
        who = float((judge.embedding(a) - judge.embedding(b)).norm()) / stranger
        dlib = float((identity(a) - identity(b)).norm()) if identity else np.nan
    return [who, dlib, float((error * inside).sum() / inside.sum()), float(error.mean())]


def edits(workspace, editors: list[PhotographEditor]) -> None:  # type: ignore[no-untyped-def]
    """Got and drift of edits on photographs and on the generator's own faces; the seam."""
    names = [name for name in EDITED if name in workspace.axes.names]
    own = [workspace.face(seed=1000 + number) for number in range(len(editors))]
    for what, faces in (("photographs", editors), ("own faces", own)):
        got, drift = [], []
        for face in faces:
            for number, name in enumerate(names):
                sign = 1 if number % 2 else -1
                small = type(face).__mro__[-2](face.canvas.small, face.edit)  # an Editor, on small pictures
                changed = small.set(**{name: sign * ASKED}).changed()
                got.append(sign * changed.pop(name) / ASKED)
                drift.append(np.mean(np.abs(list(changed.values()))))
        share = np.mean(drift) / max(float(np.mean(got)), 1e-3) / ASKED
        say(
            f"edits of {ASKED} sd on {what}: got {np.mean(got):.2f} of it, drift {np.mean(drift):.2f} sd, drift/got {share:.3f}"
        )
    ratios = []
    for face in editors:
        edited = face.set(**{names[0]: -ASKED})
        mask, place_ = unwarp(
            paste_mask(face.inversion.hull, edited.change)[..., None],
            face.inversion.square,
            face.photograph.picture.shape[:2],
        )
        border = (mask[..., 0] > 0.02) & (mask[..., 0] < 0.3)
        before, after = (
            _gradient(picture[place_])[border].mean() for picture in (face.photograph.picture, edited.picture())
        )
        ratios.append(after / before)
    say(
        f"gradient along the mask's border, after the edit and before: {np.mean(ratios):.3f} (largest {np.max(ratios):.3f})"
    )


def _gradient(picture: np.ndarray) -> np.ndarray:
    grey = picture.astype(np.float32).mean(axis=-1)
    return np.hypot(*np.gradient(grey))


def scenes(pictures: list[tuple[str, Photograph]], count: int) -> None:
    """Corners of found crops, as shares of the crop's side, in scenes whose truth is known."""
    rng, errors, refused = np.random.default_rng(0), [], 0
    for number in range(count):
        _, photograph = pictures[number % len(pictures)]
        face = Image.fromarray(photograph.picture)
        side, scale, turn = face.width, rng.uniform(0.4, 1.0), rng.uniform(-40, 40)
        c, s = scale * np.cos(np.radians(turn)), scale * np.sin(np.radians(turn))
        forward = np.array([[c, -s], [s, c]])
        room = int(side * 1.6)
        centre = np.array([room / 2, room / 2]) + rng.uniform(-0.08, 0.08, 2) * room
        back = np.linalg.inv(forward)
        shift = np.array([side / 2, side / 2]) - back @ centre
        matrix = (*back[0], shift[0], *back[1], shift[1])
        inside = Image.new("L", face.size, 255).transform((room, room), Image.Transform.AFFINE, matrix)
        moved = face.transform((room, room), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
        scene = Image.new("RGB", (room, room), tuple(int(v) for v in rng.integers(60, 200, 3)))
        scene.paste(moved, mask=inside)
        unit = np.array([[0, 0], [0, side], [side, side], [side, 0]])
        truth = (unit - side / 2) @ forward.T + centre
        try:
            found = corners(ffhq(choose_face(np.asarray(scene))[0]))
        except TlganError:
            refused += 1
            continue
        errors.append(np.hypot(*(found - truth).T).mean() / (scale * side))
    far = np.array(errors)
    say(
        f"{count} scenes: {refused} refused; corners off by {far.mean():.3f} of the side on average, 90 % within "
        f"{np.quantile(far, 0.9):.3f}; within .04: {np.mean(far < 0.04):.2f}"
    )


def _pictures(source: Path | None, count: int) -> Iterator[tuple[str, Photograph]]:
    if source is None:
        source = Path(__file__).parents[1] / "tests" / "photographs" / "astronaut.jpg"
    if source.suffix == ".parquet":
        import pyarrow.parquet as pq

        for row in pq.read_table(source).slice(0, count).to_pylist():
            yield str(row.get("name", "")), read_photograph(row["image"])
        return
    paths = sorted(source.iterdir()) if source.is_dir() else [source]
    for path in paths[:count]:
        try:
            yield path.name, read_photograph(path)
        except TlganError as error:
            say(f"refused: {error}")


def _grid(editors: list[PhotographEditor]) -> Image.Image:
    """A row a photograph: the crop before, inverted, and the crop after three edits laid back."""
    rows = []
    for editor in editors:
        tiles = [editor.crop(), editor.face()]
        for name in EDITED[:3]:
            if name in editor.canvas.axes.names:
                edited = editor.set(**{name: -ASKED if name != "eyeglasses" else ASKED})
                tiles.append(warp(edited.picture(), editor.inversion.square, 256).clip(0, 255).astype(np.uint8))
        rows.append(np.concatenate([np.asarray(Image.fromarray(tile).resize((256, 256))) for tile in tiles], axis=1))
    return Image.open(io.BytesIO(_png(np.concatenate(rows))))


def _png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    main()
