"""From a small picture to a latent at once: linear regression, repeated on what is still missing.

A network trained from nothing needs hours on a GPU. What a picture looks like is described already: by its pixels, and
by the last convolution of `celeba40`, which learned from photographs. Ridge regression from these to w needs some
thousand pictures that the generator makes itself. What was found is then painted, and the same map is applied to the
*difference* of the two descriptions, as in supervised descent (Xiong and De la Torre, CVPR 2013).
`recipes/encoder.py` fits it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan import __version__
from tlgan.errors import TlganError
from tlgan.io.files import replacing

FORMAT = "tlgan.photograph-encoder"
#: Side of the pictures that are described, and of their pixels that count; pixels.
SIDE, PIXELS = 128, 16

Paint = Callable[[Tensor], Tensor]  # w [n, d] -> pictures [n, 3, SIDE, SIDE]


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
    """Pictures to w for the generator whose fingerprint is ``generator``: offset + (numbers @ inner) @ outer, and then
    ``repeats`` times ``share`` of what that map says of the difference. ``inner`` [size, k], ``outer`` [k, d], ``offset``
    [d]."""

    def __init__(
        self, inner: Tensor, outer: Tensor, offset: Tensor, generator: str, *, repeats: int = 0, share: float = 0.5
    ) -> None:
        self.inner, self.outer, self.offset = inner, outer, offset
        self.generator = generator
        self.repeats, self.share = repeats, share
        self._describe: Description | None = None

    @torch.inference_mode()
    def __call__(self, images: Tensor, paint: Paint) -> Tensor:
        """Pictures [n, 3, h, w] in [-1, 1] -> w [n, d]; `paint` paints w at `SIDE` pixels."""
        self._describe = self._describe or Description()
        return self.found(self._describe(F.interpolate(images, size=SIDE, mode="area")), self._describe, paint)

    def found(self, described: Tensor, describe: Callable[[Tensor], Tensor], paint: Paint) -> Tensor:
        """w [n, d] of pictures that are described already [n, size]."""
        latents = self.offset + described @ self.inner @ self.outer
        for _ in range(self.repeats):
            missing = described - describe(paint(latents))
            latents = latents + self.share * (missing @ self.inner @ self.outer)
        return latents

    def save(self, path: Path) -> None:
        """Write it as safetensors: the large map in 8 bits with a scale a column, whole or not at all."""
        from safetensors.torch import save_file

        scale = self.inner.abs().amax(dim=0).clamp_min(1e-12) / 127
        tensors = {
            "inner": (self.inner / scale).round().to(torch.int8),
            "outer": (scale[:, None] * self.outer).half(),
            "offset": self.offset.float(),
        }
        about = {"generator": self.generator, "repeats": self.repeats, "share": self.share}
        metadata = {
            "format": FORMAT,
            "version": "1",
            "written_by": f"tlgan {__version__}",
            "about": json.dumps(about),
        }
        with replacing(path) as temporary:
            save_file({name: value.contiguous() for name, value in tensors.items()}, temporary, metadata)


def load_encoder(path: Path) -> Encoder:
    """Read what `Encoder.save` wrote. Raises TlganError for anything else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Any] = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        if metadata.get("format") != FORMAT:
            raise TlganError(f"{path} is no encoder of photographs: expected a file that recipes/encoder.py wrote")
        about = json.loads(metadata["about"])
        repeats, share = int(about["repeats"]), float(about["share"])
        parts = (tensors[part] for part in ("inner", "outer", "offset"))
        return Encoder(*parts, str(about["generator"]), repeats=repeats, share=share)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        line = str(error).partition("\n")[0][:120]
        raise TlganError(f"{path} can't be read as an encoder of photographs: {line}") from error
