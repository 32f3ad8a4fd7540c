"""Draw samples: latents from their counter-based stream, pictures from the generator, features from the extractor.

One part is painted and measured while the one before it is encoded and written, and nothing else is held, so memory
does not depend on the number of rows.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError

from .recipe import Recipe
from .source import Source
from .store import SampleStore, to_table

if TYPE_CHECKING:
    import torch

    from tlgan.extractors import Extractor
    from tlgan.generators import Generator

#: called with the number of rows just painted
OnRows = Callable[[int], None]


def draw(
    generator: Generator,
    extractor: Extractor,
    store: SampleStore,
    *,
    stop: int,
    enough: Callable[[np.ndarray, np.ndarray], bool],
    on_rows: OnRows | None = None,
) -> int:
    """Draw the rows that `store` lacks, up to row `stop` or until `enough`; return how many rows it then holds.

    `enough(latents float32 [rows, d], features float32 [rows, f])` sees every new part and says whether to stop
    there. A trailing part that is not full (an earlier, smaller cap) is drawn again whole, to the same rows.
    """
    recipe = store.recipe
    number, held = divmod(store.rows(), recipe.part_rows)
    held += number * recipe.part_rows
    with ThreadPoolExecutor(1) as writer:
        writing: Future[Path] | None = None
        while (start := number * recipe.part_rows) < stop and held < stop:
            rows = min(recipe.part_rows, stop - start)
            latents, features, pictures = paint_rows(generator, extractor, recipe, start, rows, on_rows)
            if writing is not None:
                writing.result()
            writing = writer.submit(_encode_and_write, store, number, start, latents, features, pictures)
            number += 1
            held = start + rows
            if enough(latents[recipe.space], features):
                break
        if writing is not None:
            writing.result()
    return held


def paint_rows(
    generator: Generator,
    extractor: Extractor,
    recipe: Recipe,
    start: int,
    rows: int,
    on_rows: OnRows | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Paint and measure rows [start, start + rows).

    Returns latents by space (float32 [rows, d]), features float32 [rows, f] and thumbnails uint8 [rows, s, s, C].
    """
    source = Source.of(generator, recipe)
    latents = {space: points.numpy() for space, points in source.sample(rows, seed=recipe.seed, start=start).items()}
    features: list[np.ndarray] = []
    pictures: list[np.ndarray] = []
    for images in source.pictures(latents[recipe.space]):
        features.append(extractor.extract(images).numpy())
        pictures.append(thumbnails(images, recipe.thumbnail))
        if on_rows is not None:
            on_rows(len(images))
    measured = np.concatenate(features).astype(np.float32)
    if not np.isfinite(measured).all():
        bad = recipe.features[int(np.argwhere(~np.isfinite(measured))[0][1])]
        raise TlganError(f"the extractor gave a value that is not a number for feature {bad!r}: check the extractor")
    return latents, measured, np.concatenate(pictures)


def thumbnails(images: torch.Tensor, side: int) -> np.ndarray:
    """Pictures [n, C, H, W] in [-1, 1] as uint8 [n, s, s, C], s at most `side`, shrunk with antialiasing."""
    import torch

    if images.shape[-1] > side:
        images = torch.nn.functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
    grey_levels = (images.clamp(-1, 1) + 1) * 127.5
    array: np.ndarray = grey_levels.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return array


def encode_thumbnail(picture: np.ndarray) -> bytes:
    """One picture uint8 [s, s, C] as lossless WebP: half the size of PNG in less time."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture.squeeze()).save(buffer, "WEBP", lossless=True, method=0)
    return buffer.getvalue()


def _encode_and_write(
    store: SampleStore,
    number: int,
    start: int,
    latents: dict[str, np.ndarray],
    features: np.ndarray,
    pictures: np.ndarray,
) -> Path:
    encoded = [encode_thumbnail(picture) for picture in pictures]
    table = to_table(store.recipe, start=start, latents=latents, features=features, thumbnails=encoded)
    return store.write(number, table)
