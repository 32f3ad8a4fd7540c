"""How well photographs are inverted, edited and laid back: every way on the same pictures in the same run.

    python benchmarks/photographs.py WORKSPACE --pictures FOLDER --count 8

Ways: the encoder alone, optimisation from the population's mean, both (without and with the tuning that is always done),
and what --tune does. Of each: identity by a network that had no part (`identity_judge.py`; the cosine of embeddings, less
their mean over the generator's own faces, so that strangers are at 0), the distance by dlib's, which had (the same person is
under .6); the perceptual distance, which had too; the mean error of pixels in grey levels at 256 px, in the face and in
all of the crop; processor seconds. After edits of +-1.5 sd on the last way: how much of it was got, what other features
drifted, and identity before and after, beside the same edits on the generator's own faces. Then the seam: the gradient across
the mask's border, after the edit and before; whether a zero edit is the photograph; and, with --scenes, how far crops are
from the truth in pictures that are turned, scaled and pasted into others (only for pictures that are in FFHQ's alignment
already). Ctrl-C prints the figures so far.

Without --pictures, the one is the astronaut of the tests.
"""

from __future__ import annotations

import argparse
import functools
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from identity_judge import FaceRes
from tlgan import TlganError, open_workspace
from tlgan.editing import Face
from tlgan.photographs import (
    TUNED,
    Photograph,
    PhotographEditor,
    Plan,
    inversion_of,
    inverting,
    networks_of,
    place,
    read_photograph,
)
from tlgan.photographs.alignment import ffhq
from tlgan.photographs.finding import choose_face
from tlgan.photographs.identity import load_identity
from tlgan.photographs.invert import encoder_for
from tlgan.photographs.pasting import face_mask, paste_mask
from tlgan.photographs.perceptual import load_perceptual
from tlgan.photographs.warping import corners, unwarp, warp

say = functools.partial(print, flush=True)
ASKED = 1.5
WAYS = ("encoder", "optimisation", "both", "both, tuned for longer")
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
    parser.add_argument("--ways", default="; ".join(WAYS), help="which of them, separated by '; '")
    parser.add_argument("--longer", type=int, default=3, help="pictures that are tuned for longer, which takes minutes")
    parser.add_argument("--no-edits", action="store_true")
    parser.add_argument("--grid", type=Path, help="a picture of before and after to look at")
    options = parser.parse_args()
    torch.set_num_threads(max(1, torch.get_num_threads()))
    pictures = list(_pictures(options.pictures, options.count))
    if options.scenes:
        scenes(pictures, options.scenes)
    workspace = open_workspace(options.workspace)
    judged = Judged(workspace)
    figures: dict[str, list[list[float]]] = {}
    edited: dict[str, list[list[float]]] = {"photographs": [], "own faces": []}
    seams: list[float] = []
    same: list[bool] = []
    editors: list[PhotographEditor] = []
    try:
        for name, photograph in pictures:
            try:
                square, hull = place(photograph, "ffhq")
            except TlganError as error:
                say(f"{name}: refused: {error}")
                continue
            for way, editor, seconds in _inverted(workspace, photograph, square, hull, options, len(editors)):
                figures.setdefault(way, []).append([*judged.compared(editor, hull), seconds])
                say(f"{name}, {way}: " + ", ".join(f"{value:.3f}" for value in figures[way][-1]))
            editors.append(editor)
            same.append(np.array_equal(editor.picture(), photograph.picture))
            if not options.no_edits:
                for what, face in (("photographs", editor), ("own faces", workspace.face(seed=1000 + len(editors)))):
                    edited[what].append(judged.edits(face))
                seams.append(_seam(editor))
                say(
                    f"{name}: edits {np.round([rows[-1] for rows in edited.values()], 3).tolist()}, seam {seams[-1]:.3f}"
                )
    except KeyboardInterrupt:
        say("stopped: the figures are of what was done")
    say(f"\nway | {' | '.join(FIGURES)} | pictures")
    for way, rows in figures.items():
        say(" | ".join([way, *(f"{value:.3f}" for value in np.mean(rows, axis=0)), str(len(rows))]))
    say(f"\nzero edit is the photograph, bit for bit: {sum(same)} of {len(same)}")
    for what, rows in edited.items():
        if rows:
            got, drift, who = np.mean(rows, axis=0)
            say(
                f"edits of {ASKED} sd on {len(rows)} {what}: got {got:.2f} of it, drift {drift:.2f} sd, drift/got "
                f"{drift / max(got, 1e-3) / ASKED:.3f}, identity of before and after {who:.3f}"
            )
    if seams:
        say(
            f"gradient along the mask's border, after the edit and before: {np.mean(seams):.3f} (largest {max(seams):.3f})"
        )
    if options.grid:
        _grid(editors).save(options.grid)


#: A way's columns. Identity by faceres, which had no part: the cosine of embeddings less the mean of the generator's faces.
FIGURES = ("identity", "distance by dlib", "perceptual", "grey levels in the face", "in the crop", "processor seconds")


def _inverted(  # type: ignore[no-untyped-def]
    workspace, photograph: Photograph, square, hull, options: argparse.Namespace, number: int
) -> Iterator[tuple[str, PhotographEditor, float]]:
    """Every way's editor, with the processor seconds that it took."""
    networks = networks_of(workspace.canvas, "ffhq", say)
    alone = Plan(small=options.steps, whole=options.whole, tune=0)
    plans = {
        "encoder": ("encoder", alone),
        "optimisation": ("optimisation", alone),
        "both": ("both", replace(alone, tune=Plan().tune)),
        "both, tuned for longer": ("both", replace(TUNED, small=options.steps)),
    }
    if encoder_for(workspace.canvas.generator.fingerprint) is None:
        del plans["encoder"]
    for way, (inverter, plan) in plans.items():
        if way not in options.ways.split("; ") or ("longer" in way and number >= options.longer):
            continue
        begun = time.process_time()

        def editor(found):  # type: ignore[no-untyped-def]
            kept = inversion_of(workspace.canvas, photograph, found, square, hull, "ffhq")
            return PhotographEditor.of(workspace.canvas, photograph, kept)

        before = None
        steps = inverting(workspace.canvas, photograph, square, hull, plan, inverter=inverter, networks=networks)
        for found in steps:
            if before is not None and found.weights and way == "both" and not before.weights:
                yield "both, without tuning", editor(before), seconds  # noqa: F821
            before, seconds = found, time.process_time() - begun
        yield way, editor(found), seconds


class Judged:
    """What networks see that had no part in inversions, and some that had."""

    def __init__(self, workspace) -> None:  # type: ignore[no-untyped-def]
        self.judge, self.perceptual, self.identity = FaceRes(), load_perceptual(), load_identity()
        self.names = [name for name in EDITED if name in workspace.axes.names]
        small = workspace.canvas.small
        with torch.inference_mode():
            self.mean = torch.cat([self.judge(x) for x in small.source.pictures(small.sample(64, seed=7))]).mean(dim=0)

    def who(self, one: torch.Tensor, other: torch.Tensor) -> float:
        """Cosine of two pictures' embeddings: 1 the same, about 0 for strangers."""
        return float(F.cosine_similarity(self.judge(one) - self.mean, self.judge(other) - self.mean))

    @torch.no_grad()
    def compared(self, editor: PhotographEditor, hull) -> list[float]:  # type: ignore[no-untyped-def]
        """A way's figures but the seconds."""
        crop, painted = (_as_images(picture) for picture in (editor.crop(), editor.face()))
        error = (crop - painted).abs().mean(dim=1)[0].numpy() * 127.5
        inside = face_mask(hull)
        dlib = float((self.identity(crop) - self.identity(painted)).norm())
        looks = float(self.perceptual.distance(self.perceptual(crop), self.perceptual(painted)))
        return [self.who(crop, painted), dlib, looks, float((error * inside).sum() / inside.sum()), float(error.mean())]

    def edits(self, face) -> list[float]:  # type: ignore[no-untyped-def]
        """Means over edits: what was got of what was asked, the drift of all else in sd, and identity before and after."""
        rows = []
        small = Face(face.canvas.small, face.edit)
        for number, name in enumerate(self.names):
            sign = 1 if number % 2 else -1
            edited = small.set(**{name: sign * ASKED})
            changed = edited.changed()
            got = sign * changed.pop(name) / ASKED
            same = self.who(_as_images(small.picture()), _as_images(edited.picture()))
            rows.append([got, np.mean(np.abs(list(changed.values()))), same])
        return np.mean(rows, axis=0).tolist()


def _as_images(picture: np.ndarray) -> torch.Tensor:
    """[1, 3, 256, 256] in [-1, 1]."""
    images = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1
    return F.interpolate(images, size=256, mode="area")


def _seam(editor: PhotographEditor) -> float:
    """The gradient along the mask's border after an edit, as a share of what it was."""
    edited = editor.set(**{EDITED[0]: -ASKED})
    mask, place_ = unwarp(
        paste_mask(editor.inversion.hull, edited.change)[..., None],
        editor.inversion.square,
        editor.photograph.picture.shape[:2],
    )
    border = (mask[..., 0] > 0.02) & (mask[..., 0] < 0.3)
    before, after = (
        _gradient(picture[place_])[border].mean() for picture in (editor.photograph.picture, edited.picture())
    )
    return float(after / before)


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
