"""A photograph to its inversion: find, align, guess, optimise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError

from .alignment import ALIGNMENTS, boxed
from .encoder import Encoder, load_encoder
from .finding import Face, choose_face
from .inversion import COMPARED, Found, Inverter, Plan
from .pasting import face_mask
from .reading import Photograph
from .state import Inversion
from .warping import warp

if TYPE_CHECKING:
    from tlgan.editing import Canvas

    from .identity import Identity

DEFAULT = Plan()
#: What a pixel outside of the face counts, one inside counting 1: a background is seldom one that the generator knows.
_AROUND = 0.3


def place(
    photograph: Photograph,
    alignment: str = "",
    *,
    face: int | None = None,
    box: tuple[float, float, float] | None = None,
    note: Callable[[str], None] = lambda words: None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The square [2, 3] of a photograph that a generator takes, and the face's hull [n, 2] in it, or None.

    ``alignment``: how the generator's training pictures were cropped, "ffhq", "celeba", or "" for no face at all: the
    square in the middle. ``box``: left, top and side in pixels, in place of that. ``face`` counts from 1, from left to
    right. Raises TlganError where no face is found, or several and none stands out.
    """
    if box is not None or not alignment:
        return placed(photograph, "", None, box)
    if alignment not in ALIGNMENTS:
        raise TlganError(f"alignment {alignment!r} is unknown: expected {' or '.join(sorted(ALIGNMENTS))}")
    found, count = choose_face(photograph.picture, face)
    if count > 1 and face is None:
        left, top, right, bottom = found.box
        note(
            f"{count} faces were found: the largest is taken, around {(left + right) / 2:.0f},{(top + bottom) / 2:.0f}"
        )
    return placed(photograph, alignment, found, None)


def placed(
    photograph: Photograph, alignment: str, face: Face | None, box: tuple[float, float, float] | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The square of a face that was found, and its hull; or `box`, or the square in the middle, and None."""
    if face is None or not alignment:
        return boxed(photograph.picture, box), None
    square = ALIGNMENTS[alignment](face)
    return square, (face.part("oval") - square[:, 2]) @ np.linalg.inv(square[:, :2]).T


def inverting(
    canvas: Canvas,
    photograph: Photograph,
    square: np.ndarray,
    hull: np.ndarray | None,
    plan: Plan = DEFAULT,
    *,
    encode: bool = True,
    identity: Identity | None = None,
) -> Iterator[Found]:
    """Steps of the inversion of one square, the best so far each: the encoder's guess first, where there is one."""
    import time

    import torch

    begun = time.monotonic()
    axes, source = canvas.axes, canvas.source
    if axes.groups:
        raise TlganError(
            "photographs can't be inverted in a workspace of axes by layers: use one that was discovered in w "
            "(tlgan discover without --space w+)"
        )
    side = min(COMPARED, max(canvas.generator.resolution, 64))
    cut = warp(photograph.picture, square, side)
    target = torch.from_numpy(cut).permute(2, 0, 1)[None].clamp(0, 255) / 127.5 - 1
    start = None
    if encode and (encoder := encoder_for(canvas.generator.fingerprint)) is not None:
        start = encoder(target)[0].numpy()
        yield Found(start, np.inf, 0, plan.small + plan.whole, time.monotonic() - begun, "encoder")
    embedders = [part for part in getattr(canvas.extractor, "parts", (canvas.extractor,)) if part.embeds]
    options: dict[str, object] = {"label": source.labels(1)}
    if axes.space == "z" and source.truncation != 1.0:
        options["truncation"] = source.truncation
    inverter = Inverter(
        canvas.generator,
        axes.space,
        axes.metric,
        embed=embedders[0].embedding if embedders else None,
        identity=identity,
        options=options,
    )
    weight = torch.ones(1, 1, side, side)
    if hull is not None:
        inside = torch.from_numpy(_AROUND + (1 - _AROUND) * face_mask(hull))[None, None]
        weight = torch.nn.functional.interpolate(inside, size=side, mode="area")
        weight = weight / weight.mean()
    if plan.small + plan.whole:
        for found in inverter.run(target, weight, plan, start=start):
            yield Found(found.latent, found.loss, found.step, found.steps, time.monotonic() - begun, found.stage)


def inversion_of(
    canvas: Canvas, photograph: Photograph, found: Found, square: np.ndarray, hull: np.ndarray | None, alignment: str
) -> Inversion:
    """What is kept of it."""
    height, width = photograph.picture.shape[:2]
    generator, space = canvas.axes.generator, canvas.axes.space
    return Inversion(found.latent, space, generator, square, hull, photograph.sha256, (width, height), alignment)


def identity_or_none() -> tuple[Identity | None, str]:
    """The network that keeps who it is, and why there is none where it can't be had."""
    from .identity import load_identity

    try:
        return load_identity(), ""
    except TlganError as error:
        return None, str(error)


@cache
def encoder_for(generator: str) -> Encoder | None:
    """The encoder in the package that was fitted for the generator of that fingerprint."""
    with as_file(files("tlgan.photographs") / "weights") as folder:
        for path in sorted(Path(folder).glob("*-encoder.safetensors")):
            encoder = load_encoder(path)
            if encoder.generator == generator:
                return encoder
    return None
