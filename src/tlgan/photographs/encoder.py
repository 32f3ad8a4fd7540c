"""From a small picture to a latent at once: linear regression on what describes the picture already.

A network trained from nothing needs hours on a GPU. What a picture looks like is described already: by its pixels, and
by the last convolution of `celeba40`, which learned from photographs. Ridge regression from these to w needs some
thousand pictures that the generator makes itself. `recipes/encoder.py` fits it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan import __version__
from tlgan.errors import TlganError
from tlgan.io.tensors import read_tensors, write_tensors

FORMAT = "tlgan.photograph-encoder"
#: Side of the pictures that are described, and of their pixels that count; pixels.
SIDE, PIXELS = 128, 16


class Description:
    """Pictures [n, 3, h, w] in [-1, 1] as numbers [n, size]: 16 x 16 pixels, and the last map of `celeba40`, 4 x 4."""

    def __init__(self) -> None:
        from tlgan.extractors.faces import celeba40

        self._network = celeba40()
        self.size = len(self(torch.zeros(1, 3, SIDE, SIDE))[0])

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        looked = self._network.maps(images)  # [n, 224, 4, 4]
        pixels = F.interpolate(images.clamp(-1, 1), size=PIXELS, mode="area")
        return torch.cat([pixels.flatten(1), looked.flatten(1)], dim=1)


class Encoder:
    """Pictures to w for the generator whose fingerprint is ``generator``: offset + (numbers @ inner) @ outer, ``inner``
    [size, k], ``outer`` [k, d], ``offset`` [d]."""

    def __init__(self, inner: Tensor, outer: Tensor, offset: Tensor, generator: str) -> None:
        self.inner, self.outer, self.offset = inner, outer, offset
        self.generator = generator
        self._describe: Description | None = None

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Pictures [n, 3, h, w] in [-1, 1] -> w [n, d]."""
        self._describe = self._describe or Description()
        described = self._describe(F.interpolate(images, size=SIDE, mode="area"))
        return self.offset + described @ self.inner @ self.outer

    def save(self, path: Path) -> None:
        """Write it as safetensors: the large map in 8 bits with a scale a column, whole or not at all."""
        scale = self.inner.abs().amax(dim=0).clamp_min(1e-12) / 127
        tensors = {
            "inner": (self.inner / scale).round().to(torch.int8),
            "outer": (scale[:, None] * self.outer).half(),
            "offset": self.offset.float(),
        }
        metadata = {
            "format": FORMAT,
            "version": "1",
            "written_by": f"tlgan {__version__}",
            "generator": self.generator,
        }
        write_tensors(path, tensors, metadata)


def load_encoder(path: Path) -> Encoder:
    """Read what `Encoder.save` wrote. Raises TlganError for anything else."""
    try:
        tensors, metadata = read_tensors(path)
        if metadata.get("format") != FORMAT:
            raise TlganError(f"{path} is no encoder of photographs: expected a file that recipes/encoder.py wrote")
        inner, outer, offset = (tensors[name].float() for name in ("inner", "outer", "offset"))
        return Encoder(inner, outer, offset, metadata["generator"])
    except (KeyError, TypeError, ValueError) as error:
        line = str(error).partition("\n")[0][:120]
        raise TlganError(f"{path} can't be read as an encoder of photographs: {line}") from error
