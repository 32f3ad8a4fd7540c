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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from tlgan.errors import BadFile, TlganError
from tlgan.io.pixels import fitted, resampled, to_bytes

from .recipe import Recipe
from .source import Source
from .store import SampleStore, features_of, latents_of, to_table

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from tlgan.extractors import Extractor
    from tlgan.generators import Generator
    from tlgan.hooks import SamplingEngine

    from .engines import Job

#: A part that is not full yet is written when the rows it has and its file has not took longer than this.
KEEP_SECONDS = 15.0
#: called with the number of rows just painted
OnRows = Callable[[int], None]
#: of a part: its first row, latents float32 [rows, d] and features float32 [rows, f]
Digest: TypeAlias = Callable[[int, np.ndarray, np.ndarray], Any]
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
    cut: Callable[[int], bool] = lambda row: False,
    digest: Digest | None = None,
    taken: Callable[[Any], bool] = lambda digested: False,
    says: Callable[[str], None] = lambda words: None,
) -> int:
    """Draw the rows that `store` lacks, up to row `stop` or until `enough`; return how many rows it then holds.

    Rows are painted `piece` at a time (None: a part at a time), from wherever the store ends. `enough(latents float32
    [rows, d], features float32 [rows, f])` sees every new piece and says whether to stop there. A part is written when
    it is full, and on the way once the rows that a kill would lose took more than `KEEP_SECONDS`. ``engine``: where
    rows are painted, None for this process.

    An engine whose workers write parts where the store lies (`writes`) paints pieces of a part together, up to rows `cut`
    at which `enough` must be asked. Of a whole part only `digest(start, latents, features)` comes back, and `taken` sees
    that in place of `enough`. ``says`` is called with a line about each fault that was mended.
    """
    from .engines import Job, Local

    recipe = store.recipe
    row = store.rows()
    job = Job(generator, extractor, recipe, on_rows)
    far = digest is not None and getattr(engine, "writes", False)
    pieces = _pieces(row, stop, recipe.part_rows, piece)
    painted: Any
    if far:
        task = PartJob(replace(job, on_rows=None), store, cast(Any, digest), piece)
        painted = cast(Any, engine).map(task, _joined(pieces, cut), says)
    else:
        painted = (engine or Local()).paint(job, pieces)
    with _PartInHand(store, row) as part, closing(painted):
        for found in painted:
            if isinstance(found, Written):
                part.take_in(found.rows)
                row += found.rows
                done = taken(found.digest)
                if found.mended:
                    says(found.mended)
            else:
                latents, features, pictures = found
                part.add(latents, features, pictures)
                row += len(features)
                done = enough(latents[recipe.space], features)
            if far and on_rows is not None:
                on_rows(found.rows if isinstance(found, Written) else len(found[1]))
            if done:
                break
    if far:
        store.forget_ahead()
    return row


def _pieces(row: int, stop: int, part_rows: int, piece: int | None) -> Iterator[tuple[int, int]]:
    """(start, rows) from `row` to `stop`, none of which crosses the end of a part, or of a piece in it."""
    while row < stop:
        room = part_rows - row % part_rows
        rows = min(piece - row % part_rows % piece if piece else room, room, stop - row)
        yield row, rows
        row += rows


def _joined(pieces: Iterator[tuple[int, int]], cut: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
    """Pieces one after the other as spans (start, rows) that end where `cut` says so."""
    start = rows = 0
    for first, more in pieces:
        start, rows = (start, rows + more) if rows else (first, more)
        if cut(start + rows):
            yield start, rows
            rows = 0
    if rows:
        yield start, rows


@dataclass(frozen=True)
class Written:
    """A whole part that was written where the store lies: its ``rows``, what was to be brought back of it, ``digest``, and
    a line on what was wrong with the file that was there (``mended``)."""

    rows: int
    digest: Any
    mended: str = ""


@dataclass(frozen=True, eq=False)
class PartJob:
    """Paints spans (start, rows), each `piece` rows at a time as they are painted one by one. A whole part is written into
    `store`, unless it is there already, and is digested; rows of any other span come back."""

    job: Job
    store: SampleStore
    digest: Digest
    piece: int | None

    def __call__(self, span: tuple[int, int]) -> Painted | Written:
        start, rows = span
        recipe, mended = self.store.recipe, ""
        number = start // recipe.part_rows
        if rows < recipe.part_rows:
            return self._painted(start, rows)
        try:
            table = self.store.found_ahead(number)
        except BadFile as error:
            table, mended = None, f"{error.args[0].partition(':')[0]}: its rows were painted again"
        if table is None:
            latents, features, pictures = self._painted(start, rows)
            encoded = [encode_thumbnail(picture) for picture in pictures]
            table = to_table(recipe, start=start, latents=latents, features=features, thumbnails=encoded)
            self.store.write(number, table, ahead=True, alone=False)
        else:
            latents, features = {recipe.space: latents_of(table, recipe.space)}, features_of(table, recipe.features)
        return Written(rows, self.digest(start, latents[recipe.space], features), mended)

    def _painted(self, start: int, rows: int) -> Painted:
        pieces = _pieces(start, start + rows, self.store.recipe.part_rows, self.piece)
        latents, features, pictures = zip(*map(self.job, pieces), strict=True)
        spaces = {space: np.concatenate([one[space] for one in latents]) for space in latents[0]}
        return spaces, np.concatenate(features), np.concatenate(pictures)


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

    def take_in(self, rows: int) -> None:
        """A whole part that was written ahead is the next one."""
        self._wait()
        self._store.take_in(self._number)
        self._number, self._start = self._number + 1, self._start + rows

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
    size = images.shape[-2:]
    return to_bytes(resampled(images, fitted(size, side)) if max(size) > side else images)


def encode_thumbnail(picture: np.ndarray) -> bytes:
    """One picture uint8 [s, s, C] as lossless WebP: half the size of PNG in less time."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture.squeeze()).save(buffer, "WEBP", lossless=True, method=0)
    return buffer.getvalue()
