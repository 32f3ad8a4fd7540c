"""From a small picture to a latent at once: supervised descent (Xiong and De la Torre, CVPR 2013).

A network trained from nothing needs hours on a GPU. What a picture looks like is described already: by its pixels, and
by the last convolution of `celeba40`, which learned from photographs. Linear regression from these to w needs some
ten thousand pictures that the generator makes itself. Every further stage paints what was found so far and
regresses what is missing on the *difference* of the two descriptions. `recipes/encoder.py` fits the stages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class Stage:
    """latent += offset + (numbers @ inner) @ outer: ``inner`` [size, k], ``outer`` [k, d], ``offset`` [d]."""

    inner: Tensor
    outer: Tensor
    offset: Tensor

    def __call__(self, numbers: Tensor) -> Tensor:
        return self.offset + numbers @ self.inner @ self.outer


class Encoder:
    """Pictures to w for the generator whose fingerprint is ``generator``."""

    def __init__(self, stages: Sequence[Stage], generator: str) -> None:
        self.stages = tuple(stages)
        self.generator = generator
        self._describe: Description | None = None

    @torch.inference_mode()
    def __call__(self, images: Tensor, paint: Paint) -> Tensor:
        """Pictures [n, 3, h, w] in [-1, 1] -> w [n, d]; `paint` paints w at `SIDE` pixels."""
        self._describe = self._describe or Description()
        described = self._describe(F.interpolate(images, size=SIDE, mode="area"))
        latents = self.stages[0](described)
        for stage in self.stages[1:]:
            latents = latents + stage(described - self._describe(paint(latents)))
        return latents

    def save(self, path: Path) -> None:
        """Write it as safetensors: the large maps in 8 bits with a scale a column, whole or not at all."""
        from safetensors.torch import save_file

        tensors: dict[str, Tensor] = {}
        for number, stage in enumerate(self.stages):
            scale = stage.inner.abs().amax(dim=0).clamp_min(1e-12) / 127
            tensors |= {
                f"{number}.inner": (stage.inner / scale).round().to(torch.int8),
                f"{number}.outer": (scale[:, None] * stage.outer).half(),
                f"{number}.offset": stage.offset.float(),
            }
        metadata = {"format": FORMAT, "version": "1", "written_by": f"tlgan {__version__}"}
        metadata["about"] = json.dumps({"generator": self.generator, "stages": len(self.stages)})
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
        stages = [
            Stage(*(tensors[f"{n}.{part}"] for part in ("inner", "outer", "offset"))) for n in range(about["stages"])
        ]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        line = str(error).partition("\n")[0][:120]
        raise TlganError(f"{path} can't be read as an encoder of photographs: {line}") from error
    return Encoder(stages, str(about.get("generator", "")))
