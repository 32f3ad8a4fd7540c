"""A photograph to its inversion: find, align, guess, optimise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tlgan.errors import TlganError
from tlgan.hooks import INVERTERS
from tlgan.io.pixels import rounded, to_images

from .alignment import ALIGNMENTS, boxed
from .encoder import Encoder, load_encoder
from .finding import Face, choose_face
from .identity import Identity, load_identity
from .inversion import COMPARED, Found, Inverter, Plan, tunable_of
from .pasting import face_mask
from .perceptual import Perceptual, load_perceptual
from .reading import Photograph
from .state import Inversion
from .warping import warp

if TYPE_CHECKING:
    from tlgan.editing import Canvas

DEFAULT = Plan()
#: What a pixel outside of the face counts, one inside counting 1: a background is seldom one that the generator knows.
_AROUND = 0.3
#: Smallest side of pictures that the perceptual network says something of.
_LOOKED_AT = 64


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


@dataclass(frozen=True, eq=False)
class Networks:
    """What pictures are compared by beside pixels, where its weights are at hand: who it is, and how it looks."""

    identity: Identity | None = None
    perceptual: Perceptual | None = None


def networks_of(canvas: Canvas, alignment: str, note: Callable[[str], None] = lambda words: None) -> Networks:
    """The networks for pictures of an alignment ("" for no faces); `note` is called for each that is not available."""
    found: list[Any] = []
    for wanted, what, load in (
        (alignment == "ffhq", "keeps who it is", load_identity),
        (canvas.generator.resolution >= _LOOKED_AT, "compares how pictures look", load_perceptual),
    ):
        try:
            found.append(load() if wanted else None)
        except TlganError as error:
            note(f"inverted without the network that {what}: {error}")
            found.append(None)
    return Networks(*found)


class Optimisation:
    """The inverter "optimisation": from the population's mean, see `inversion`."""

    encode = False

    def invert(self, picture: np.ndarray, canvas: Canvas) -> np.ndarray:
        """The latent float32 [d], or [layers, d] in w+, whose picture is nearest to `picture` uint8 [H, W, 3]."""
        *_, found = self.steps(picture, canvas, None, DEFAULT, Networks())
        return found.latent

    def steps(
        self, picture: np.ndarray, canvas: Canvas, hull: np.ndarray | None, plan: Plan, networks: Networks
    ) -> Iterator[Found]:
        """The same in steps, the best so far each; pixels within `hull` [n, 2], in shares of the picture, count more."""
        begun = time.monotonic()
        target, start = to_images(picture)[None], None
        if self.encode and (encoder := encoder_for(canvas.generator.fingerprint)) is not None:
            start = encoder(target)[0].numpy()
            yield Found(start, np.inf, 0, plan.small + plan.whole, time.monotonic() - begun, "encoder")
        if plan.small + plan.whole:
            inverter = _inverter(canvas, networks)
            for found in inverter.run(target, _weight(target, hull), plan, start=start):
                yield replace(found, seconds=time.monotonic() - begun)


class EncodedOptimisation(Optimisation):
    """The inverter "both": from the encoder's guess, where there is an encoder for the generator."""

    encode = True


class EncoderAlone(EncodedOptimisation):
    """The inverter "encoder": its guess as it is."""

    def steps(
        self, picture: np.ndarray, canvas: Canvas, hull: np.ndarray | None, plan: Plan, networks: Networks
    ) -> Iterator[Found]:
        """One step. Raises TlganError where there is no encoder for the generator."""
        if encoder_for(canvas.generator.fingerprint) is None:
            raise TlganError(f"there is no encoder for {canvas.generator.name}: invert by optimisation")
        yield from super().steps(picture, canvas, hull, replace(plan, small=0, whole=0), networks)


def inverting(
    canvas: Canvas,
    photograph: Photograph,
    square: np.ndarray,
    hull: np.ndarray | None,
    plan: Plan = DEFAULT,
    *,
    inverter: str = "both",
    networks: Networks | None = None,
) -> Iterator[Found]:
    """Steps of the inversion of one square, the best so far each, tuning last where the plan says so.

    ``inverter``: a name of `hooks.INVERTERS`; ``networks``: None for none.
    """
    networks, begun = networks or Networks(), time.monotonic()
    picture = _cut(canvas, photograph, square)
    made = INVERTERS.make(inverter)
    if isinstance(made, Optimisation):
        steps = made.steps(picture, canvas, hull, plan, networks)
    else:
        latent = np.asarray(made.invert(picture, canvas), dtype=np.float32)
        steps = iter([Found(latent, np.inf, 1, 1, time.monotonic() - begun, inverter)])
    found = None
    for found in steps:
        yield found
    if found is not None and found.step and plan.tune + plan.tune_whole and tunable_of(canvas.generator):
        target, before = to_images(picture)[None], found.seconds
        tuning = _inverter(canvas, networks).tune(target, _weight(target, hull), found.latent, plan)
        for found, weights in tuning:
            yield replace(
                found, seconds=before + found.seconds, weights={name: value.numpy() for name, value in weights.items()}
            )


def _cut(canvas: Canvas, photograph: Photograph, square: np.ndarray) -> np.ndarray:
    """The square as a picture uint8 [s, s, 3], as large as the generator's pictures, up to a bound."""
    return rounded(warp(photograph.picture, square, min(COMPARED, max(canvas.generator.resolution, 64))))


def _weight(target: Tensor, hull: np.ndarray | None) -> Tensor:
    """What a pixel counts, [1, 1, s, s], 1 on average."""
    side = target.shape[-1]
    if hull is None:
        return torch.ones(1, 1, side, side)
    inside = torch.from_numpy(_AROUND + (1 - _AROUND) * face_mask(hull))[None, None]
    weight = torch.nn.functional.interpolate(inside, size=side, mode="area")
    return weight / weight.mean()


def _inverter(canvas: Canvas, networks: Networks) -> Inverter:
    axes, source = canvas.axes, canvas.source
    embedders = [part for part in getattr(canvas.extractor, "parts", (canvas.extractor,)) if part.embeds]
    options: dict[str, object] = {"label": source.labels(1)}
    if axes.space == "z" and source.truncation != 1.0:
        options["truncation"] = source.truncation
    return Inverter(
        canvas.generator,
        axes.space,
        axes.metric,
        embed=embedders[0].embedding if embedders else None,
        identity=networks.identity,
        perceptual=networks.perceptual,
        options=options,
        groups=source.layers if axes.groups else (),
    )


def inversion_of(
    canvas: Canvas, photograph: Photograph, found: Found, square: np.ndarray, hull: np.ndarray | None, alignment: str
) -> Inversion:
    """What is kept of it."""
    height, width = photograph.picture.shape[:2]
    generator, space = canvas.axes.generator, canvas.axes.space
    place = photograph.sha256, (width, height), alignment
    return Inversion(found.latent, space, generator, square, hull, *place, found.weights)


@cache
def encoder_for(generator: str) -> Encoder | None:
    """The encoder in the package that was fitted for the generator of that fingerprint."""
    with as_file(files("tlgan.photographs") / "weights") as folder:
        for path in sorted(Path(folder).glob("*-encoder.safetensors")):
            encoder = load_encoder(path)
            if encoder.generator == generator:
                return encoder
    return None
