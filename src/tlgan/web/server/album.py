"""Photographs that pages sent: held in memory under a name that only the sender is told, and written nowhere.

Whoever sent one asks for its inversion a second at a time: no work is done that nobody waits for, it may be stopped
after every answer with the best so far, and frames of other pages are painted in between. A page holds few at once,
all pages together so many bytes; what nobody used for a while is forgotten.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tlgan import photographs, pieces
from tlgan.errors import TlganError
from tlgan.photographs.finding import SMALLEST, Face, find_faces, standing_out
from tlgan.photographs.invert import placed
from tlgan.photographs.offsets import OffsetGenerator
from tlgan.photographs.pasting import laid_on_crop

from . import wire
from .turns import TooMuch

if TYPE_CHECKING:
    from tlgan.editing import Canvas
    from tlgan.photographs import Found, Inversion, Photograph, PhotographEditor

    from .painter import Painter

A_PAGE, BYTES = 4, 768 * 2**20  # photographs of one page, and bytes of all that are held
IDLE, IN_USE = 1800.0, 60.0  # seconds without use after which one is forgotten, and may have to give way
SLICE = 0.7  # seconds of inversion for one answer
LONGEST = 120.0  # seconds that the inversion of one photograph may take in all
PREVIEW, PROGRESS = 640, 256  # pixels of the picture that faces are picked on, and of what was found so far
#: Without steps on whole pictures, each of which would keep the pages of others waiting for seconds.
PLAN = photographs.Plan()
SAID = (
    "Edit photographs of other people only with their agreement, and do not pass an edited one off as unaltered. "
    "The photograph goes to the computer that runs this studio, which holds it in memory for this page and writes it nowhere."
)


class Held:
    """One photograph: its faces, the inversion as far as it has come, and what paints its edits."""

    def __init__(self, photograph: Photograph, faces: list[Face], owner: Hashable) -> None:
        self.photograph, self.faces, self.owner = photograph, faces, owner
        self.used = time.monotonic()
        self.inversion: Inversion | None = None
        self.seat: tuple[Painter, PhotographEditor] | None = None
        self.steps: Iterator[Found] | None = None
        self.place: tuple[np.ndarray, np.ndarray | None] | None = None
        self.alone = threading.Lock()
        self.spent = 0.0
        self.told: wire.Json = {}

    @property
    def bytes(self) -> int:
        """What it takes."""
        return self.photograph.picture.nbytes + len(self.photograph.data)


class Album:
    """The photographs of one studio. ``alignment``: how the generator's training pictures were cropped, "" for no face."""

    def __init__(self, painter: Painter, alignment: str) -> None:
        self.painter, self.alignment = painter, alignment
        self._held: dict[str, Held] = {}
        self._guard = threading.Lock()

    @property
    def description(self) -> wire.Json:
        """What the page knows of it."""
        return {"words": SAID, "faces": bool(self.alignment), "bytes": wire.PNG_BYTES}

    # -- what a page asks for ----------------------------------------------------------------------------------

    def find(self, photograph: Photograph) -> list[Face]:
        """The faces to pick from, where the generator is one of faces. Raises TlganError where there is none."""
        if not self.alignment:
            return []
        faces = find_faces(photograph.picture)
        height, width = photograph.picture.shape[:2]
        if not faces:
            raise TlganError(
                f"no face was found in this picture of {width} x {height} pixels: take one that shows both eyes and the "
                "mouth of a person"
            )
        if all(face.size < SMALLEST for face in faces):
            size = max(face.size for face in faces)
            raise TlganError(
                f"the largest face has {size:.0f} pixels a side: expected at least {SMALLEST}; take a larger picture of it"
            )
        return faces

    def add(self, photograph: Photograph, faces: list[Face], owner: Hashable) -> wire.Json:
        """Hold a photograph; what the page needs to ask which face, or which square, is meant."""
        held = Held(photograph, faces, owner)
        name = secrets.token_urlsafe(18)
        with self._guard:
            self._make_room(held)
            self._held[name] = held
        height, width = photograph.picture.shape[:2]
        chosen = standing_out(faces)
        return {
            "photo": name,
            "width": width,
            "height": height,
            "kind": photograph.kind if photograph.kind in photographs.WRITTEN.values() else "PNG",
            "preview": wire.data_url(wire.encode_picture(photograph.picture, PREVIEW)),
            "faces": [{"box": np.round(face.box).tolist(), "small": face.size < SMALLEST} for face in faces],
            "chosen": None if chosen is None else faces.index(chosen) + 1,
        }

    def begin(self, message: wire.Json) -> Held:
        """The photograph that a message names, with the face (from 1) or the square that it asks for."""
        held = self._named(message.get("photo"))
        if "face" not in message and "box" not in message:
            if held.steps is None:
                raise TlganError("say which face is meant with 'face', or which square with 'box': [left, top, side]")
            return held
        alignment, box, face = self.alignment, None, None
        if "box" in message:
            given = message["box"]
            if not isinstance(given, list) or len(given) != 3:
                raise TlganError("'box' must be a list of three numbers: left, top and side in pixels")
            left, top, side = (wire.number({"box": value}, "box", -1e5, 1e5) for value in given)
            alignment, box = "", (left, top, side)
        else:
            number = wire.integer(message, "face", 1, max(1, len(held.faces)))
            if not held.faces:
                raise TlganError("this photograph has no faces to pick from: give the square with 'box'")
            face = held.faces[number - 1]
        held.place = placed(held.photograph, alignment, face, box)
        networks = photographs.networks_of(self.painter.canvas, alignment)
        held.steps = photographs.inverting(self.painter.canvas, held.photograph, *held.place, PLAN, networks=networks)
        held.inversion, held.seat, held.spent = None, None, 0.0
        return held

    def go_on(self, held: Held) -> wire.Json:
        """A second of its inversion, in pieces; how far it is, with a picture of the best so far."""
        if not held.alone.acquire(blocking=False):
            raise TlganError("this photograph is being worked on already")
        try:
            assert held.steps is not None
            assert held.place is not None
            begun, found, done = time.monotonic(), None, False
            while not done and (found is None or time.monotonic() < begun + SLICE):
                found, done = _next(held.steps, found)
                if found is None or found.step == 0:
                    break  # the encoder's guess is shown at once
                pieces.done()
            held.spent += time.monotonic() - begun
            if found is not None:
                held.inversion = photographs.inversion_of(
                    self.painter.canvas, held.photograph, found, *held.place, self.alignment
                )
                held.seat = None
                held.told = _told(found)
            done = done or held.spent > LONGEST
            painter, editor = self._seat(held)
            picture = painter.canvas.small.paint(editor.edit.latent[None])[0]
            return held.told | {"done": done, "picture": wire.data_url(wire.encode_picture(picture, PROGRESS))}
        finally:
            held.alone.release()

    def editor(self, name: Any) -> tuple[Painter, PhotographEditor]:
        """What paints a photograph's edits, and the unedited one. Raises TlganError where it isn't held, or not inverted."""
        return self._seat(self._named(name))

    def absolute(self, painter: Painter, latent: NDArray[np.float32]) -> NDArray[np.float32]:
        """A latent of a photograph's painter as the generator itself takes it; one of the studio's own as it is."""
        generator = painter.canvas.generator
        return generator.absolute(latent) if isinstance(generator, OffsetGenerator) else latent

    def forget(self, name: Any) -> None:
        """Let one go; nothing where it is not held."""
        with self._guard:
            if isinstance(name, str):
                self._held.pop(name, None)

    # -- what is held ------------------------------------------------------------------------------------------

    def _named(self, name: Any) -> Held:
        with self._guard:
            held = self._held.get(name) if isinstance(name, str) else None
            if held is None:
                raise TlganError("this photograph is not held here any more: open it again")
            held.used = time.monotonic()
            return held

    def _seat(self, held: Held) -> tuple[Painter, PhotographEditor]:
        if held.inversion is None:
            raise TlganError("this photograph is not inverted yet")
        if held.seat is None:
            editor = photographs.PhotographEditor.of(self.painter.canvas, held.photograph, held.inversion)
            held.seat = self.painter.beside(editor.canvas, Laid(editor)), editor
        return held.seat

    def _make_room(self, new: Held) -> None:
        now = time.monotonic()
        for name in [name for name, held in self._held.items() if now - held.used > IDLE]:
            del self._held[name]
        mine = [name for name, held in self._held.items() if held.owner == new.owner]  # in the order in which they came
        for name in mine[: max(0, len(mine) - A_PAGE + 1)]:
            del self._held[name]
        for name in sorted(self._held, key=lambda name: self._held[name].used):
            if new.bytes + sum(held.bytes for held in self._held.values()) <= BYTES:
                return
            if now - self._held[name].used > IN_USE:
                del self._held[name]
        if self._held and new.bytes + sum(held.bytes for held in self._held.values()) > BYTES:
            raise TooMuch("this studio holds as many photographs as it can: try again in a minute")


class Laid:
    """What is shown of a painted edit: the photograph's own crop, with what changed laid on it."""

    def __init__(self, editor: PhotographEditor) -> None:
        self.editor = editor
        self._starts: dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {}

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        side = len(picture)
        if side not in self._starts:
            canvas: Canvas = self.editor.canvas
            canvas = canvas.small if side == canvas.small.side else canvas
            self._starts[side] = self.editor.crop(side), canvas.paint(self.editor.edit.latent[None])[0]
        crop, start = self._starts[side]
        return laid_on_crop(crop, start, picture, self.editor.inversion.hull)


def _next(steps: Iterator[Found], last: Found | None) -> tuple[Found | None, bool]:
    """The next step, or the last one and whether there is no other."""
    try:
        return next(steps), False
    except StopIteration:
        return last, True


def _told(found: Found) -> wire.Json:
    return {"step": found.step, "steps": found.steps, "stage": found.stage, "seconds": round(found.seconds, 1)}
