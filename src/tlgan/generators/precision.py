"""Half precision for painting, where it does not change the pictures visibly."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from .base import Generator, device_of

_TRIED = 4  # pictures painted both ways before half precision is trusted
# Mean difference, in pictures of [-1, 1]: half a grey level, which the rounding of a kept thumbnail hides.
_UNSEEN = 1 / 255


def half_serves(generator: Generator, latents: Tensor, **options: Any) -> bool:
    """Whether the first pictures of `latents` [n, d] are the same in float16 as in float32, to half a grey level.

    Activations that float16 can't hold (65,504 is its largest number) show as a difference or as no number at all, so
    that a network which needs float32 keeps it. `options` go to `generator.synthesize`.
    """
    if options.get("noise") == "random":
        options["noise"] = "const"  # else no two pictures are the same
    few = latents[:_TRIED]
    try:
        whole = generator.synthesize(few, **options).clamp(-1, 1)
        with halved(generator):
            half = generator.synthesize(few, **options).float().clamp(-1, 1)
    except RuntimeError:  # no room for so many, or an operation of somebody's module that has no half precision
        return False
    return bool((whole - half).abs().mean(dim=(1, 2, 3)).max() <= _UNSEEN)


def halved(generator: Generator, on: bool = True) -> AbstractContextManager[Any]:
    """A context in which `generator`'s convolutions and products run in float16 on its device."""
    if not on:
        return nullcontext()
    return torch.autocast(device_of(generator).type, dtype=torch.float16)
