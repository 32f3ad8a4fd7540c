"""Measure rows that are there already with an extractor that was added later.

The pictures are the kept thumbnails where they are as large as the extractor looks at; otherwise they are painted again
from their latents. Each part is replaced whole, so a killed run goes on with the next part.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError
from tlgan.io.pictures import thumbnail
from tlgan.io.pixels import to_images

from .source import Source
from .store import SampleStore, features_of, latents_of

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from tlgan.extractors import Extractor
    from tlgan.extractors.combined import CombinedExtractor
    from tlgan.generators import Generator

_BATCH = 250  # kept pictures that are looked at together


def measure_part(
    generator: Generator, extractor: CombinedExtractor, store: SampleStore, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Measure what part `number` lacks, and return its latents float32 [rows, d] and all features float32 [rows, f]."""
    latents, values = zip(*measured(generator, extractor, store, number), strict=True)
    return np.concatenate(latents), np.concatenate(values)


def measured(
    generator: Generator, extractor: CombinedExtractor, store: SampleStore, number: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Latents float32 [n, d] and all features float32 [n, f] of part `number`, piece by piece.

    What the part lacks is measured on the way and kept with the last piece: who has seen enough may stop before it.
    """
    names = store.recipe.features
    theirs, _ = store.inspect(number)
    missing = [part for part in extractor.parts if not _has(theirs.extractors, theirs.features, part)]
    columns = {part: [names.index(feature.name) for feature in part.features] for part in missing}
    new = sorted(column for some in columns.values() for column in some)
    old = [column for column in range(len(names)) if column not in new]
    table = next(_part(store, number, [store.recipe.space, *(names[column] for column in old)]))
    latents = latents_of(table, store.recipe.space)
    values = np.empty((len(latents), len(names)), dtype=np.float32)
    values[:, old] = features_of(table, [names[column] for column in old])
    if not missing:
        yield latents, values
        return
    done = 0
    for images in pictures(generator, store, number, missing):
        piece = slice(done, done := done + len(images))
        for part in missing:
            seen = part.extract(images).numpy()
            if not np.isfinite(seen).all():
                bad = part.features[int(np.argwhere(~np.isfinite(seen))[0][1])].name
                raise TlganError(f"extractor {part.name!r} gave a value that is not a number for feature {bad!r}")
            values[piece, columns[part]] = seen
        if done == len(latents):
            store.amend(number, {names[column]: values[:, column] for column in new})
        yield latents[piece], values[piece]


def pictures(
    generator: Generator, store: SampleStore, number: int, extractors: list[Extractor]
) -> Iterator[torch.Tensor]:
    """The pictures of part `number`, float32 [n, C, H, W] in [-1, 1], as large as the extractors look at, by batches."""
    if thumbnails_serve(generator, store, extractors):
        yield from _kept(store, number)
    else:
        yield from _painted(generator, store, number)


def first_pictures(store: SampleStore, n: int) -> torch.Tensor:
    """The kept pictures of the first `n` rows, or of as many as there are, float32 [n, C, h, w] in [-1, 1]."""
    import torch

    encoded = [cell for table in store.read(["thumbnail"], stop=n) for cell in table["thumbnail"].to_pylist()]
    return _decoded(encoded) if encoded else torch.zeros(0, 3, 1, 1)


def thumbnails_serve(generator: Generator, store: SampleStore, extractors: list[Extractor]) -> bool:
    """Whether the kept pictures are as large as the input of every extractor (or as the pictures were painted)."""
    painted = store.recipe.resolution or generator.resolution
    wanted = max(part.input_size or painted for part in extractors)
    return store.recipe.thumbnail >= min(wanted, painted)


def _kept(store: SampleStore, number: int) -> Iterator[torch.Tensor]:
    for table in _part(store, number, ["thumbnail"]):
        encoded = table["thumbnail"].to_pylist()
        batches = [encoded[first : first + _BATCH] for first in range(0, len(encoded), _BATCH)]
        with ThreadPoolExecutor(1) as ahead:  # the next ones are decoded while these are measured
            waiting = ahead.submit(_decoded, batches[0])
            for batch in batches[1:]:
                images = waiting.result()
                waiting = ahead.submit(_decoded, batch)
                yield images
            yield waiting.result()


def kept_pictures(store: SampleStore, count: int) -> Iterator[torch.Tensor]:
    """The kept pictures of the first `count` samples, float32 [n, C, s, s] in [-1, 1] each."""
    for table in store.read(["thumbnail"], stop=count):
        yield _decoded(table["thumbnail"].to_pylist())


def _painted(generator: Generator, store: SampleStore, number: int) -> Iterator[torch.Tensor]:
    source = Source.of(generator, store.recipe)
    for table in _part(store, number, [source.space]):
        for images in source.pictures(latents_of(table, source.space)):
            yield images.float().cpu()


def _part(store: SampleStore, number: int, columns: list[str]) -> Iterator[pa.Table]:
    start = number * store.recipe.part_rows
    return store.read(columns, start=start, stop=start + store.recipe.part_rows)


def _decoded(encoded: list[bytes]) -> torch.Tensor:
    pictures = [thumbnail(picture) for picture in encoded]
    if len({picture.shape for picture in pictures}) > 1:
        raise TlganError("the kept pictures of the samples are of different sizes: run `tlgan discover` again")
    levels = np.stack(pictures)
    levels = levels[..., None] if levels.ndim == 3 else levels[..., :3]
    return to_images(levels)


def _has(extractors: tuple[str, ...], features: tuple[str, ...], part: Extractor) -> bool:
    return part.name in extractors and {feature.name for feature in part.features} <= set(features)
