"""Draw samples: latents from their counter-based stream, pictures from the generator, features from the extractor.

Rows are painted and measured while those before them are encoded and written, and nothing more than one part is held,
so memory does not depend on the number of rows.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tlgan.errors import TlganError

from .recipe import Recipe
from .source import Source
from .store import SampleStore, to_table

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from tlgan.extractors import Extractor
    from tlgan.generators import Generator
    from tlgan.hooks import SamplingEngine

#: A part that is not full yet is written when the rows it has and its file has not took longer than this.
KEEP_SECONDS = 15.0
#: called with the number of rows just painted
OnRows = Callable[[int], None]
#: latents by space (float32 [rows, d]), features float32 [rows, f], thumbnails uint8 [rows, s, s, C]
Painted: TypeAlias = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]


def draw(
    generator: Generator,
    extractor: Extractor,
    store: SampleStore,
    *,
    stop: int,
    enough: Callable[[np.ndarray, np.ndarray], bool],
    piece: int | None = None,
    on_rows: OnRows | None = None,
    engine: SamplingEngine | None = None,
) -> int:
    """Draw the rows that `store` lacks, up to row `stop` or until `enough`; return how many rows it then holds.

    Rows are painted `piece` at a time (None: a part at a time), from wherever the store ends. `enough(latents float32
    [rows, d], features float32 [rows, f])` sees every new piece and says whether to stop there. A part is written when
    it is full, and on the way once the rows that a kill would lose took more than `KEEP_SECONDS`. ``engine``: where
    rows are painted, None for this process.
    """
    from .engines import Job, Local

    recipe = store.recipe
    row = store.rows()
    pieces = _pieces(row, stop, recipe.part_rows, piece)
    painted = (engine or Local()).paint(Job(generator, extractor, recipe, on_rows), pieces)
    with _PartInHand(store, row) as part, closing(painted):
        for latents, features, pictures in painted:
            part.add(latents, features, pictures)
            row += len(features)
            if enough(latents[recipe.space], features):
                break
    return row


def _pieces(row: int, stop: int, part_rows: int, piece: int | None) -> Iterator[tuple[int, int]]:
    """(start, rows) from `row` to `stop`, none of which crosses the end of a part."""
    while row < stop:
        room = part_rows - row % part_rows
        rows = min(piece or room, room, stop - row)
        yield row, rows
        row += rows


class _PartInHand:
    """The part that rows are being added to. Another thread encodes and writes them while the next are painted.

    Left by an exception (Ctrl-C), it still writes what it holds.
    """

    def __init__(self, store: SampleStore, row: int) -> None:
        self._store = store
        self._number, held = divmod(row, store.recipe.part_rows)
        self._start = row - held
        self._tables: list[pa.Table] = [store.part(self._number)] if held else []
        self._unwritten = 0
        self._written_at = time.monotonic()
        self._thread = ThreadPoolExecutor(1)
        self._working: Future[None] | None = None

    def __enter__(self) -> _PartInHand:
        return self

    def __exit__(self, *_: object) -> None:
        with self._thread:
            self._wait()
            if self._unwritten:
                self._write()

    def add(self, latents: dict[str, np.ndarray], features: np.ndarray, pictures: np.ndarray) -> None:
        """Take in the next rows, at most as many as the part has room for."""
        self._wait()
        self._working = self._thread.submit(self._encode, latents, features, pictures)

    def _encode(self, latents: dict[str, np.ndarray], features: np.ndarray, pictures: np.ndarray) -> None:
        encoded = [encode_thumbnail(picture) for picture in pictures]
        start = self._start + sum(table.num_rows for table in self._tables)
        self._tables.append(
            to_table(self._store.recipe, start=start, latents=latents, features=features, thumbnails=encoded)
        )
        self._unwritten += len(features)
        full = start + len(features) == self._start + self._store.recipe.part_rows
        if full or time.monotonic() - self._written_at > KEEP_SECONDS:
            self._write()
        if full:
            self._number, self._start, self._tables = self._number + 1, self._start + self._store.recipe.part_rows, []

    def _write(self) -> None:
        import pyarrow as pa

        self._store.write(self._number, pa.concat_tables(self._tables))
        self._unwritten, self._written_at = 0, time.monotonic()

    def _wait(self) -> None:
        working, self._working = self._working, None
        if working is not None:
            working.result()


def paint_rows(
    generator: Generator,
    extractor: Extractor,
    recipe: Recipe,
    start: int,
    rows: int,
    on_rows: OnRows | None = None,
) -> Painted:
    """Paint and measure rows [start, start + rows).

    Returns latents by space (float32 [rows, d]), features float32 [rows, f] and thumbnails uint8 [rows, h, w, C].
    """
    source = Source.of(generator, recipe)
    drawn = source.sample(rows, seed=recipe.seed, start=start, mixed=recipe.space == "w+")
    latents = {space: points.numpy() for space, points in drawn.items()}
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
    """Pictures [n, C, H, W] in [-1, 1] as uint8 [n, h, w, C], no side larger than `side`, shrunk with antialiasing."""
    import torch

    largest = max(images.shape[-2:])
    if largest > side:
        size = [max(1, round(length * side / largest)) for length in images.shape[-2:]]
        images = torch.nn.functional.interpolate(images, size, mode="bilinear", antialias=True)
    grey_levels = (images.clamp(-1, 1) + 1) * 127.5
    array: np.ndarray = grey_levels.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return array


def encode_thumbnail(picture: np.ndarray) -> bytes:
    """One picture uint8 [s, s, C] as lossless WebP: half the size of PNG in less time."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture.squeeze()).save(buffer, "WEBP", lossless=True, method=0)
    return buffer.getvalue()
