"""What teachers say on average: over networks, and over views of each picture.

One network's word changes when a face is flipped, blurred or moved by two pixels, though the face is the same; the
average over such views and over unlike networks does so much less, on rendered faces above all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from .augment import gaussian_blur, plain_view
from .data import OUTPUTS, Faces

_CHUNK = 256


def taught(faces: Faces, teachers: Sequence[nn.Module], cache: Path, *, views: int = 5) -> Faces:
    """The same faces with ``teacher`` filled in: the mean raw output over ``teachers`` and up to five views.

    The answer is kept in ``cache``, since it costs minutes.
    """
    if cache.exists():
        answers = torch.load(cache, weights_only=True)
    else:
        rows = range(0, len(faces), _CHUNK)
        answers = torch.cat([_average(faces[slice(i, i + _CHUNK)], teachers, views) for i in rows])
        unfinished = cache.with_suffix(".part")
        torch.save(answers, unfinished)
        unfinished.replace(cache)
    return replace(faces, teacher=answers)


def generated(generator: object, n: int, *, seed: int) -> Faces:
    """``n`` pictures of a generator that gives 64-pixel faces, with nothing said about them yet."""
    rows = range(0, n, _CHUNK)
    with torch.inference_mode():
        pictures = torch.cat([_paint(generator, min(_CHUNK, n - i), seed, i) for i in rows])
    side = pictures.shape[-1]
    return Faces(pictures, torch.full((n, OUTPUTS), torch.nan), (0.0, 0.0, side), (0.85, 1.1))


def _paint(generator: object, n: int, seed: int, start: int) -> Tensor:
    latents = generator.sample(n, seed=seed, start=start)  # type: ignore[attr-defined]
    x = generator.synthesize(latents)  # type: ignore[attr-defined]
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def _average(faces: Faces, teachers: Sequence[nn.Module], views: int) -> Tensor:
    total, count = torch.zeros(len(faces), OUTPUTS), 0
    with torch.inference_mode():
        for view in islice(_five_views(faces), views):
            view = view.contiguous(memory_format=torch.channels_last)
            for teacher in teachers:
                total += teacher(view).float()
                count += 1
    return (total / count).clone()


def _five_views(faces: Faces) -> Iterator[Tensor]:
    plain = plain_view(faces)
    yield plain
    yield plain_view(faces, shift=(0.03, -0.03), flip=True)
    yield plain_view(faces, shift=(-0.03, 0.03))
    yield plain.flip(-1)
    yield gaussian_blur(plain, torch.full((len(plain),), 0.8))
