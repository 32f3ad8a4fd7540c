"""Painting many latents in batches that fit, on any machine: out of memory halves the batch and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from tlgan.errors import TlganError

from .base import Generator, device_of
from .precision import half_serves, halved

_CPU_PIXELS = 2**17  # painted at a time on a CPU: enough to keep its cores busy, little enough to stay in its caches
_CPU_ALONE = 256  # a side from which on a picture alone does both (benchmarks/generators.py pace)
_LARGEST = 256
_MANY = 64  # pictures from which on half precision is tried


def batch_size(generator: Generator, resolution: int | None = None) -> int:
    """How many pictures to paint at a time: by the size of a picture on a CPU, by the free memory on a GPU.

    On a GPU a picture is taken to need 1.5 KB a pixel, which is generous for every kind that is built in; where that is
    still too much, `synthesize_batches` halves.
    """
    side = resolution or generator.resolution
    device = device_of(generator)
    if device.type != "cuda":
        return 1 if side >= _CPU_ALONE else max(1, min(64, _CPU_PIXELS // side**2))
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(_LARGEST, int(0.5 * free) // (1536 * side**2)))


def synthesize_batches(
    generator: Generator, latents: Tensor, *, batch: int | None = None, half: bool | None = None, **options: Any
) -> Iterator[Tensor]:
    """Pictures of `latents`, in order, a batch at a time, on the CPU: float32 `[b, C, H, W]` each.

    `options` go to `generator.synthesize`. On a GPU the copy back overlaps the next batch (pinned memory), and a batch
    that doesn't fit is halved for the rest of the run. `half` lets float16 paint where the pictures stay the same to
    half a grey level; None: for many pictures on a GPU, since it gains nothing on a CPU and trying it out costs a few.
    """
    batch = batch or batch_size(generator, options.get("resolution"))
    if half is None:
        half = latents.shape[0] >= _MANY and device_of(generator).type == "cuda"
    half = half and half_serves(generator, latents, **options)
    pending: tuple[Tensor, Any] | None = None
    start = 0
    while start < latents.shape[0]:
        try:
            with halved(generator, half):
                images = generator.synthesize(latents[start : start + batch], **options).float()
        except torch.OutOfMemoryError:
            if batch == 1:
                side = options.get("resolution") or generator.resolution
                raise TlganError(
                    f"not even one {side} px picture fits in the memory of {device_of(generator)}: free some, or ask for "
                    "a smaller resolution"
                ) from None
            torch.cuda.empty_cache()
            batch = min(batch, latents.shape[0] - start) // 2 or 1
            continue
        start += batch
        copied = _to_host(images)
        if pending is not None:
            yield _arrived(pending)
        pending = copied
    if pending is not None:
        yield _arrived(pending)


def _to_host(images: Tensor) -> tuple[Tensor, Any]:
    if images.device.type != "cuda":
        return images, None
    host = torch.empty(images.shape, dtype=images.dtype, pin_memory=True)
    host.copy_(images, non_blocking=True)
    event = torch.cuda.current_stream().record_event()
    return host, event


def _arrived(copied: tuple[Tensor, Any]) -> Tensor:
    images, event = copied
    if event is not None:
        event.synchronize()
    return images
