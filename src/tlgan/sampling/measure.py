"""Measure rows that are there already with an extractor that was added later.

The pictures are the kept thumbnails where they are as large as the extractor looks at; otherwise they are painted again
from their latents. Each part is replaced whole, so a killed run goes on with the next part.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError

from .source import Source
from .store import SampleStore, features_of, latents_of

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from tlgan.extractors import Extractor
    from tlgan.extractors.combined import CombinedExtractor
    from tlgan.generators import Generator


def measure_part(
    generator: Generator, extractor: CombinedExtractor, store: SampleStore, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Measure what part `number` lacks, and return its latents float32 [rows, d] and all features float32 [rows, f]."""
    theirs, _ = store.inspect(number)
    missing = [part for part in extractor.parts if not _has(theirs.extractors, theirs.features, part)]
    if missing:
        columns: dict[str, list[np.ndarray]] = {}
        for images in pictures(generator, store, number, missing):
            for part in missing:
                values = part.extract(images).numpy()
                if not np.isfinite(values).all():
                    bad = part.features[int(np.argwhere(~np.isfinite(values))[0][1])].name
                    raise TlganError(f"extractor {part.name!r} gave a value that is not a number for feature {bad!r}")
                for column, feature in enumerate(part.features):
                    columns.setdefault(feature.name, []).append(values[:, column])
        store.amend(number, {name: np.concatenate(values) for name, values in columns.items()})
    table = next(_part(store, number, [store.recipe.space, *store.recipe.features]))
    return latents_of(table, store.recipe.space), features_of(table, store.recipe.features)


def pictures(
    generator: Generator, store: SampleStore, number: int, extractors: list[Extractor]
) -> Iterator[torch.Tensor]:
    """The pictures of part `number`, float32 [n, C, H, W] in [-1, 1], as large as the extractors look at, by batches."""
    if thumbnails_serve(generator, store, extractors):
        yield from _kept(store, number)
    else:
        yield from _painted(generator, store, number)


def thumbnails_serve(generator: Generator, store: SampleStore, extractors: list[Extractor]) -> bool:
    """Whether the kept pictures are as large as every extractor looks at (or as the pictures were painted)."""
    painted = store.recipe.resolution or generator.resolution
    wanted = max(part.input_size or painted for part in extractors)
    return store.recipe.thumbnail >= min(wanted, painted)


def _kept(store: SampleStore, number: int) -> Iterator[torch.Tensor]:
    import torch

    for table in _part(store, number, ["thumbnail"]):
        encoded = table["thumbnail"].to_pylist()
        with ThreadPoolExecutor(2) as decoders:  # decoding releases the interpreter's lock
            levels = np.stack(list(decoders.map(_decode, encoded, chunksize=64)))
        images = torch.from_numpy(levels).permute(0, 3, 1, 2)
        for part in torch.split(images, 250):
            yield part.float() / 127.5 - 1


def _painted(generator: Generator, store: SampleStore, number: int) -> Iterator[torch.Tensor]:
    source = Source.of(generator, store.recipe)
    for table in _part(store, number, [source.space]):
        for images in source.pictures(latents_of(table, source.space)):
            yield images.float().cpu()


def _part(store: SampleStore, number: int, columns: list[str]) -> Iterator[pa.Table]:
    start = number * store.recipe.part_rows
    return store.read(columns, start=start, stop=start + store.recipe.part_rows)


def _decode(encoded: bytes) -> np.ndarray:
    from PIL import Image

    levels = np.asarray(Image.open(io.BytesIO(encoded)))
    return levels[..., None] if levels.ndim == 2 else levels[..., :3]


def _has(extractors: tuple[str, ...], features: tuple[str, ...], part: Extractor) -> bool:
    return part.name in extractors and {feature.name for feature in part.features} <= set(features)
