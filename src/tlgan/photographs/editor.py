"""The sliders of one photograph: `ws.invert("photo.jpg").set(smiling=1).save("out.jpg")`.

All that an `Face` does is done to the inverted latent; pictures are the photograph with what changed laid back.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from tlgan.editing import Canvas, Edit, Face
from tlgan.editing.claims import claim_of
from tlgan.errors import TlganError
from tlgan.io.pixels import rounded
from tlgan.provenance import Claim

from .offsets import OffsetGenerator, split
from .pasting import change_of, paste, paste_mask
from .reading import Photograph, write_photograph
from .state import Inversion
from .tuning import tuned_generator
from .warping import warp


class PhotographEditor(Face):
    """One photograph and what is asked of it; a value, as `Face` is.

    Raises TlganError where the inversion belongs to another photograph or generator.
    """

    def __init__(
        self,
        canvas: Canvas,
        edit: Edit,
        photograph: Photograph,
        inversion: Inversion,
    ) -> None:
        super().__init__(canvas, edit)
        self.photograph = photograph
        self.inversion = inversion

    @classmethod
    def of(cls, canvas: Canvas, photograph: Photograph, inversion: Inversion) -> PhotographEditor:
        """The unedited photograph, on a workspace's `canvas`."""
        axes = canvas.axes
        if inversion.photograph != photograph.sha256:
            raise TlganError(
                f"this inversion belongs to another photograph than {photograph.name}: invert this one with tlgan invert"
            )
        if inversion.generator != axes.generator or inversion.space != axes.space:
            raise TlganError(
                f"this inversion was made on another generator ({inversion.generator[:12]}, {inversion.space}) than the "
                f"workspace's ({axes.generator[:12]}, {axes.space}): invert the photograph in this workspace"
            )
        latent, generator = inversion.latent, tuned_generator(canvas.generator, inversion.weights)
        width = axes.latent_dim // max(1, len(axes.groups))
        if latent.shape[-1] != width:
            raise TlganError(f"this inversion has {latent.shape[-1]} numbers a latent, the axes {width}: it is damaged")
        if axes.groups and latent.ndim == 1:
            latent = np.broadcast_to(latent, (generator.num_ws, width))
        if latent.ndim == 2:
            if len(latent) != generator.num_ws:
                raise TlganError(
                    f"this inversion has {len(latent)} layers, the generator {generator.num_ws}: it is damaged"
                )
            latent, offsets = split(latent, canvas.source.layers if axes.groups else ())
            generator = OffsetGenerator(generator, offsets, layered=bool(axes.groups))
        if generator is not canvas.generator:
            canvas = Canvas(generator, canvas.extractor, axes, resolution=canvas.source.resolution)
        return cls(canvas, Edit(latent), photograph, inversion)

    def edited(self, edit: Edit) -> Self:
        """This photograph with another edit of its latent."""
        return self._with(edit)

    def _with(self, edit: Edit) -> Self:
        other = type(self)(self.canvas, edit, self.photograph, self.inversion)
        if "_start" in self.__dict__:  # the same for every edit
            other.__dict__["_start"] = self._start
        return other

    @cached_property
    def _start(self) -> np.ndarray:
        """The inverted picture, uint8 [s, s, 3]."""
        painted: np.ndarray = self.canvas.paint(self.edit.latent[None])[0]
        return painted

    def face(self) -> np.ndarray:
        """What the generator paints of the edited face, uint8 [s, s, 3]."""
        return super().picture()

    def crop(self, side: int | None = None) -> np.ndarray:
        """The photograph's own square that was inverted, uint8 [s, s, 3]; as large as what the generator paints."""
        return rounded(warp(self.photograph.picture, self.inversion.square, side or len(self._start)))

    @property
    def change(self) -> np.ndarray:
        """What the edit adds to the crop, float32 [s, s, 3] in grey levels; see `change_of`."""
        if not self.edit.asked:
            return np.zeros((*self._start.shape[:2], 3), dtype=np.float32)
        return change_of(self._start, self.face(), self.crop())

    def picture(self) -> np.ndarray:
        """The edited photograph, uint8 [H, W, 3]; without edits the photograph, bit for bit."""
        change = self.change
        mask = paste_mask(self.inversion.hull, change)
        return paste(self.photograph.picture, self.inversion.square, change, mask, self.photograph.grey)

    def state(self) -> dict[str, object]:
        """The edit as JSON values, which say that it is a photograph; its latent stays out, see `state`."""
        told = super().state()
        return {**told, "photograph": True, "latent": None, "reached": None}

    def save(self, path: str | Path) -> Path:
        """Write the edited photograph with its EXIF and colour profile, marked as edited; see `write_photograph`."""
        return write_photograph(path, self.photograph, self.picture(), self.claim)

    @property
    def claim(self) -> Claim:
        """What the edited photograph says of itself."""
        return replace(claim_of(self.canvas, self.edit), made="edited", parent=self.photograph.sha256)

    def save_inversion(self, path: str | Path) -> Path:
        """Write the inversion, so that the photograph need not be inverted again."""
        return self.inversion.save(path)
