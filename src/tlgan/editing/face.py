"""One face and its sliders, for Python: `ws.face(seed=7).set(smiling=2).lock("male").exact().save("out.png")`.

A face is a value: every call returns a new one, and the one you had still paints what it painted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tlgan.errors import TlganError
from tlgan.provenance import Claim

from .canvas import Canvas
from .claims import claim_of, in_words
from .edit import Edit
from .film import enlarge, looped, tile, write_film
from .picture_file import write_picture
from .resolve import path, resolve, resolved
from .solve import Solution, share_of
from .state import MAX_ASKED, to_json

if TYPE_CHECKING:
    from PIL import Image


class Face:
    """One face and what is asked of it. Units are standard deviations of each feature over the population."""

    def __init__(self, canvas: Canvas, edit: Edit) -> None:
        self.canvas = canvas
        self.edit = edit
        for name in [*edit.asked, *edit.locks, *edit.soft]:
            canvas.axes.index(name)
        for name, change in edit.asked.items():
            if not abs(change) <= MAX_ASKED:
                raise TlganError(
                    f"{name} is asked to change by {change:g} sd: expected -{MAX_ASKED:g} to {MAX_ASKED:g}"
                )

    def set(self, **changes: float) -> Self:
        """Ask for changes from the start, in standard deviations: `set(smiling=+2, young=-1)`; 0 takes one back."""
        return self._with(self.edit.ask(changes))

    def to(self, *, lock: str | Sequence[str] = (), **values: float) -> Self:
        """Ask for natural values: probabilities in [0, 1], quantities in their unit: `to(smiling=.9, age=60)`.

        The change is counted from what the extractor measures on the start; `lock` as in `lock()`. Raises TlganError
        for a probability outside [0, 1].
        """
        axes = self.canvas.axes
        changes = {}
        for name, value in values.items():
            row = axes.index(name)
            if axes.features[row].kind == "probability" and not 0 <= value <= 1:
                raise TlganError(
                    f"{name}={value:g} is not a probability: expected 0 to 1, or use set() for a change in sd"
                )
            changes[name] = axes.position_of(name, value) - float(self.start_positions[row])
        return self.set(**changes).lock(*([lock] if isinstance(lock, str) else lock))

    def lock(self, *names: str, weight: float | None = None) -> Self:
        """Features that must not change, or with a `weight` over 0 should not (see `Edit.soft`).

        "all" locks every feature that is not weak and not moved, "disturbed" those that the moved ones are known to
        disturb.
        """
        if weight is not None and not 0 < weight < math.inf:
            raise TlganError(f"a soft lock of weight {weight:g} makes no sense: expected a number over 0")
        return self._with(self.edit.lock(self._expand(names), weight))

    def unlock(self, *names: str) -> Self:
        """Take locks off; "all" takes all off."""
        locked = [*self.edit.locks, *self.edit.soft]
        return self._with(self.edit.unlock(locked if "all" in names else names))

    def exact(self, on: bool = True) -> Self:
        """Whether to look at the picture and correct, so that what is measured is what was asked, or trust the axes."""
        return self._with(self.edit.changed(exact=on))

    def keep_identity(self, on: bool = True) -> Self:
        """Whether exact edits keep the identity, as the extractor's embedding measures it."""
        return self._with(self.edit.changed(identity=on))

    def reset(self) -> Self:
        """The face as it was, without wishes and locks."""
        return self._with(Edit(self.edit.latent, seed=self.edit.seed))

    def _with(self, edit: Edit) -> Self:
        """The same face with another edit."""
        return type(self)(self.canvas, edit)

    @cached_property
    def solution(self) -> Solution:
        """The latent that the wishes lead to: the one reached already, else by the axes, or in exact mode by what is
        measured."""
        return resolve(self.canvas, self.edit)

    @property
    def latent(self) -> np.ndarray:
        """The edited latent, float32 [d], or [layers, d] where the state that was opened holds one a layer."""
        return self.solution.latent

    @cached_property
    def _looked(self) -> tuple[np.ndarray, np.ndarray]:
        pictures, positions = self.canvas.look(self.latent[None])
        return pictures[0], positions[0]

    @cached_property
    def start_positions(self) -> np.ndarray:
        """Where every feature of the unedited face stands, float32 [f] in population sd."""
        positions: np.ndarray = self.canvas.measure(self.edit.latent[None])[0]
        return positions

    @property
    def image(self) -> Image.Image:
        """The edited face as a picture of Pillow's; `np.asarray(face.image)` is uint8 of shape (H, W, 3)."""
        from PIL import Image

        return Image.fromarray(self.picture())

    def picture(self) -> np.ndarray:
        """The edited face, uint8 of shape (H, W, 3)."""
        return self._looked[0]

    def measured(self) -> dict[str, float]:
        """What the extractor sees on the edited face, by feature: probabilities, and quantities in their unit."""
        values = self.canvas.axes.values(self._looked[1])
        return {name: float(value) for name, value in zip(self.canvas.axes.names, values, strict=True)}

    def changed(self) -> dict[str, float]:
        """Measured change of every feature from the start, in population sd."""
        change = self._looked[1] - self.start_positions
        return {name: float(value) for name, value in zip(self.canvas.axes.names, change, strict=True)}

    def state(self) -> dict[str, object]:
        """The edit and the latent it reached as JSON values, as a saved PNG carries them."""
        return to_json(resolved(self.edit, self.solution), self.canvas.axes)

    def strip(self, name: str, steps: int = 7, span: float = 3.0) -> np.ndarray:
        """Pictures uint8 [steps, H, W, 3] with one feature asked from -span to +span sd, other wishes kept."""
        if steps < 2:
            raise TlganError(f"a strip of {steps} pictures shows no change: ask for at least 2 steps")
        return self.canvas.paint(path(self.canvas, self.edit, name, np.linspace(-span, span, steps)))

    def grid(self, names: Sequence[str], steps: int = 7, span: float = 3.0) -> list[np.ndarray]:
        """A strip for each of several features."""
        return [self.strip(name, steps, span) for name in names]

    def save(self, path: str | Path) -> Path:
        """Write the edited face as PNG, with its state inside, JPEG or WebP; each says what it is."""
        return write_picture(path, self.picture(), self.state(), claim_of(self.canvas, self.edit))

    def save_strip(self, path: str | Path, names: Sequence[str], steps: int = 7, span: float = 3.0) -> Path:
        """Write strips, a row a feature, as one picture."""
        picture = tile([enlarge(row) for row in self.grid(names, steps, span)])
        return write_picture(path, picture, claim=self._claim(names, span))

    def save_film(self, path: str | Path, name: str, *, span: float = 3.0, seconds: float = 3.0, fps: int = 25) -> Path:
        """Write a looping GIF or MP4 of one feature asked from -span to +span sd."""
        frames = self.strip(name, max(2, round(seconds * fps / 2)), span)
        write_film(path, looped(enlarge(frames, 256)), fps, self._claim([name], span))
        return Path(path)

    def _claim(self, names: Sequence[str], span: float) -> Claim:
        """Of several pictures, over which these features go from -span to +span sd."""
        moved = " ".join(f"{name}={-span:+g}..{span:+g}" for name in names)
        return claim_of(self.canvas, f"{moved} {in_words(self.edit)}".strip())

    def _expand(self, names: Sequence[str]) -> list[str]:
        axes = self.canvas.axes
        expanded: list[str] = []
        for name in names:
            if name == "all":
                expanded += [n for row, n in enumerate(axes.names) if not axes.weak[row] and n not in self.edit.asked]
            elif name == "disturbed":
                expanded += axes.disturbed(self.edit.asked)
            else:
                expanded.append(name)
        return expanded


def outcome(face: Face) -> dict[str, Any]:
    """Asked beside measured for what was moved, the drift of what was locked, and every feature's natural value.

    Changes are in population sd, counted from the unedited face.
    """
    changed, edit = face.changed(), face.edit
    share = share_of(face.canvas.axes, edit, np.array(list(changed.values()))) if edit.exact else face.solution.share
    asked = edit.asked
    return {
        "seed": edit.seed,
        "moved": {name: {"asked": float(ask), "measured": changed[name]} for name, ask in sorted(asked.items())},
        "locked": {name: changed[name] for name in sorted(edit.locks) if name not in asked},
        "granted": share,
        "values": face.measured(),
    }
