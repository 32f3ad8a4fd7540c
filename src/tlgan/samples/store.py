"""A folder of Parquet parts: (latent, features, thumbnail) rows that survive a kill.

Part k holds rows k * part_rows onwards. It is written under a temporary name, fsynced and renamed, or put into an object
store at once, so a file that is there is whole; what has been drawn is simply the rows of the leading parts, of which the
last may have room for more. Workers write parts ahead under a name of their own; they count once they are taken in, in
order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.errors import BadFile, TlganError
from tlgan.io.place import Folder, Place, place_of

from .recipe import Recipe

if TYPE_CHECKING:
    import pyarrow as pa

_METADATA_KEY = b"tlgan.recipe"
_AHEAD = "ahead-"
_DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    NotImplementedError,
    MemoryError,
)  # what Arrow's errors are, too


class SampleStore:
    """The samples of one workspace, in `folder` or an object store, all drawn by one `recipe`."""

    def __init__(self, folder: str | Path | Place, recipe: Recipe) -> None:
        self.place = place_of(folder)
        self.recipe = recipe

    @property
    def folder(self) -> Path:
        """The folder. Only for samples that lie in one."""
        assert isinstance(self.place, Folder)
        return self.place.path

    @classmethod
    def open(cls, folder: str | Path | Place) -> SampleStore:
        """Open a folder that holds at least one part; its recipe is read from the first."""
        place = place_of(folder)
        if not place.has(part_name(0)):
            raise TlganError(f"no samples in {folder}: expected {part_name(0)}; run `tlgan discover` first")
        return cls(place, _inspected(place, part_name(0))[0])

    def parts(self) -> list[Any]:
        """The leading run of parts, in order, by path or address; a gap ends it."""
        found: list[Any] = []
        while self.place.has(name := part_name(len(found))):
            found.append(self.place.where(name))
        return found

    def rows(self) -> int:
        """Rows drawn so far. Every part is checked: other rows or a broken file raise TlganError."""
        total = 0
        for number, path in enumerate(self.parts()):
            theirs, count = self.inspect(number)
            if difference := self.recipe.difference(theirs):
                raise TlganError(
                    f"{path} was drawn with {difference}: use another workspace folder, or delete {self.place} to begin again"
                )
            if total != number * self.recipe.part_rows:
                raise TlganError(
                    f"{path} follows a part that is not full ({total} rows): delete it and the parts after it, "
                    "then run `tlgan discover` again"
                )
            total += count
        return total

    def inspect(self, number: int) -> tuple[Recipe, int]:
        """The recipe that part `number` carries, and how many rows it has."""
        return _inspected(self.place, part_name(number))

    def measured(self) -> int:
        """Rows of the leading parts that carry every feature of the recipe: those that `read_arrays` gives."""
        total = 0
        for number in range(len(self.parts())):
            theirs, count = self.inspect(number)
            if not theirs.covers(self.recipe):
                break
            total += count
        return total

    def part(self, number: int) -> pa.Table:
        """All rows of part `number`, with the columns that `to_table` gives its recipe."""
        table = next(self.read(None, start=number * self.recipe.part_rows))
        spaces = [name for name in ("z", "w", "w+") if name in table.column_names]
        table = table.select(["index", *spaces, *self.recipe.features, "thumbnail"])
        return table.replace_schema_metadata({_METADATA_KEY: self.recipe.to_json().encode()})

    def write(self, number: int, table: pa.Table, *, ahead: bool = False, alone: bool = True) -> Any:
        """Write part `number`, ``ahead`` of those that count; return its path or address. A full disk leaves no half
        file and raises TlganError. ``alone``: nobody else is writing it."""
        import pyarrow.parquet as pq

        name = ahead_name(number) if ahead else part_name(number)
        if alone and isinstance(self.place, Folder):
            self.place.sweep(name)
        # Latents do not compress and thumbnails already are: zstd is for the features alone.
        compression = {name: "zstd" if name in self.recipe.features else "none" for name in table.column_names}
        with self.place.writing(name) as file:
            pq.write_table(table, file, compression=compression, use_dictionary=False, write_page_checksum=True)
        return self.place.where(name)

    def found_ahead(self, number: int) -> pa.Table | None:
        """A whole part that was written ahead, with the columns that `to_table` gives; None where there is none.

        Raises TlganError where it can't be read.
        """
        name = ahead_name(number)
        if not self.place.has(name):
            return None
        theirs, count = _inspected(self.place, name)
        if self.recipe.difference(theirs) or not theirs.covers(self.recipe) or count != self.recipe.part_rows:
            return None
        return self._table(name, None)

    def take_in(self, number: int) -> None:
        """Let a part that was written ahead count."""
        self.place.rename(ahead_name(number), part_name(number))

    def forget_ahead(self) -> None:
        """Remove parts that were written ahead and never taken in."""
        for name in self.place.names():
            if name.startswith(_AHEAD):
                self.place.remove(name)

    def amend(self, number: int, columns: Mapping[str, np.ndarray]) -> None:
        """Put newly measured feature columns (each float32 [rows]) beside those that part `number` has already.

        The part is replaced whole or not at all; columns that the recipe does not name are left out of it.
        """
        import pyarrow as pa

        table = next(self.read(None, start=number * self.recipe.part_rows, stop=(number + 1) * self.recipe.part_rows))
        kept = {name: table[name] for name in table.column_names if name in ("index", "z", "w", "w+")}
        for name in self.recipe.features:
            kept[name] = pa.array(np.asarray(columns[name], dtype=np.float32)) if name in columns else table[name]
        kept["thumbnail"] = table["thumbnail"]
        metadata = {_METADATA_KEY: self.recipe.to_json().encode()}
        self.write(number, pa.table(kept).replace_schema_metadata(metadata), alone=False)

    def read(self, columns: Sequence[str] | None, *, start: int = 0, stop: int | None = None) -> Iterator[pa.Table]:
        """The given columns (None: all) of rows [start, stop), a table a part, in order; memory is that of one part."""
        first = start // self.recipe.part_rows
        for number in range(first, len(self.parts())):
            offset = number * self.recipe.part_rows
            if stop is not None and offset >= stop:
                return
            table = self._table(part_name(number), columns)
            low = max(start - offset, 0)
            high = table.num_rows if stop is None else min(stop - offset, table.num_rows)
            yield table.slice(low, high - low)

    def read_arrays(self, *, start: int = 0, stop: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Latents float32 [rows, d] and features float32 [rows, f], a part at a time, up to the first part that some
        feature has not been measured on yet."""
        measured = self.measured()
        stop = measured if stop is None else min(stop, measured)
        for table in self.read([self.recipe.space, *self.recipe.features], start=start, stop=stop):
            try:
                arrays = latents_of(table, self.recipe.space), features_of(table, self.recipe.features)
            except (*_DAMAGE, AttributeError) as error:
                raise _unreadable(self.place, error) from error
            yield arrays

    def nearest(self, distance: Callable[[np.ndarray], np.ndarray], n: int) -> list[tuple[int, np.ndarray]]:
        """The `n` rows with the smallest `distance(features float32 [rows, f]) -> [rows]`, nearest first.

        Returns (index, latent float32 [d]) pairs; memory is that of one part and n latents.
        """
        best: list[tuple[float, int, np.ndarray]] = []
        start = 0
        for latents, features in self.read_arrays():
            far = distance(features)
            candidates = np.argsort(far, kind="stable")[:n]
            best = heapq.nsmallest(
                n,
                [*best, *((float(far[row]), start + int(row), latents[row].copy()) for row in candidates)],
                key=lambda b: b[:2],
            )
            start += len(latents)
        return [(index, latent) for _, index, latent in best]

    def _table(self, name: str, columns: Sequence[str] | None) -> pa.Table:
        import pyarrow.parquet as pq

        chosen = None if columns is None else list(columns)
        try:
            options = {"memory_map": isinstance(self.place, Folder), "page_checksum_verification": True}
            return pq.read_table(self.place.source(name), columns=chosen, partitioning=None, **options)
        except _DAMAGE as error:
            raise _unreadable(self.place.where(name), error) from error


def _inspected(place: Place, name: str) -> tuple[Recipe, int]:
    """The recipe that a part carries, and how many rows it has."""
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(place.source(name))
        metadata = file.schema_arrow.metadata or {}
        count = int(file.metadata.num_rows)
        file.close(force=True)
    except _DAMAGE as error:
        raise _unreadable(place.where(name), error) from error
    return Recipe.from_json(metadata.get(_METADATA_KEY, b"").decode("utf-8", "replace")), count


def part_name(number: int) -> str:
    """File name of part `number`."""
    return f"part-{number:05d}.parquet"


def ahead_name(number: int) -> str:
    """File name of part `number` before it counts."""
    return f"{_AHEAD}{number:05d}.parquet"


def to_table(
    recipe: Recipe,
    *,
    start: int,
    latents: dict[str, np.ndarray],
    features: np.ndarray,
    thumbnails: Sequence[bytes],
) -> pa.Table:
    """Rows `start` onwards as a table: `index`, one fixed-size list column a space, one column a feature, `thumbnail`."""
    import pyarrow as pa

    columns: dict[str, pa.Array] = {"index": pa.array(np.arange(start, start + len(features), dtype=np.int64))}
    for space, rows in latents.items():
        flat = pa.array(np.ascontiguousarray(rows, dtype=np.float32).reshape(-1))
        columns[space] = pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
    for column, name in enumerate(recipe.features):
        columns[name] = pa.array(np.ascontiguousarray(features[:, column], dtype=np.float32))
    columns["thumbnail"] = pa.array(list(thumbnails), type=pa.binary())
    return pa.table(columns).replace_schema_metadata({_METADATA_KEY: recipe.to_json().encode()})


def latents_of(table: pa.Table, space: str) -> np.ndarray:
    """The latent column of a table as float32 [rows, d]."""
    column = table[space].combine_chunks()
    return np.asarray(column.flatten(), dtype=np.float32).reshape(table.num_rows, -1)


def features_of(table: pa.Table, names: Sequence[str]) -> np.ndarray:
    """The feature columns of a table as float32 [rows, f]."""
    if not names:
        return np.zeros((table.num_rows, 0), dtype=np.float32)
    return np.stack([np.asarray(table[name], dtype=np.float32) for name in names], axis=1)


def _unreadable(path: object, error: Exception) -> BadFile:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return BadFile(
        f"{path} can't be read as a part of these samples ({reason}): "
        "delete that file and run `tlgan discover` again; only its rows are drawn anew"
    )
