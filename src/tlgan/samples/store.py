"""A folder of Parquet parts: (latent, features, thumbnail) rows that survive a kill.

Part k holds rows k * part_rows onwards. It is written under a temporary name, fsynced and renamed, so a file that is
there is whole; what has been drawn is simply the rows of the leading parts, of which the last may have room for more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import BadFile, TlganError
from tlgan.io.files import replacing, sweep, to_read, to_write

from .recipe import Recipe

if TYPE_CHECKING:
    import pyarrow as pa

_METADATA_KEY = b"tlgan.recipe"
_DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    NotImplementedError,
    MemoryError,
)  # what Arrow's errors are, too


class SampleStore:
    """The samples of one workspace, in `folder`, all drawn by one `recipe`."""

    def __init__(self, folder: str | Path, recipe: Recipe) -> None:
        self.folder = Path(folder)
        self.recipe = recipe

    @classmethod
    def open(cls, folder: str | Path) -> SampleStore:
        """Open a folder that holds at least one part; its recipe is read from the first."""
        import pyarrow.parquet as pq

        first = Path(folder) / part_name(0)
        if not first.exists():
            raise TlganError(f"no samples in {folder}: expected {part_name(0)}; run `tlgan discover` first")
        try:
            metadata = pq.read_schema(_no_address(first)).metadata or {}
        except _DAMAGE as error:
            raise _unreadable(first, error) from error
        return cls(folder, Recipe.from_json(metadata.get(_METADATA_KEY, b"").decode("utf-8", "replace")))

    def parts(self) -> list[Path]:
        """The leading run of parts, in order; a gap ends it."""
        found: list[Path] = []
        while (path := to_read(self.folder, part_name(len(found)))).exists():
            found.append(path)
        return found

    def rows(self) -> int:
        """Rows drawn so far. Every part is checked: other rows or a broken file raise TlganError."""
        total = 0
        for number, path in enumerate(self.parts()):
            theirs, count = self.inspect(number)
            if difference := self.recipe.difference(theirs):
                raise TlganError(
                    f"{path} was drawn with {difference}: use another workspace folder, or delete {self.folder} to begin again"
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
        import pyarrow.parquet as pq

        path = self.folder / part_name(number)
        try:
            file = pq.ParquetFile(_no_address(path))
            metadata = file.schema_arrow.metadata or {}
            count = int(file.metadata.num_rows)
            file.close()
        except _DAMAGE as error:
            raise _unreadable(path, error) from error
        return Recipe.from_json(metadata.get(_METADATA_KEY, b"").decode("utf-8", "replace")), count

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

    def write(self, number: int, table: pa.Table) -> Path:
        """Write part `number`. A full disk leaves no half file and raises TlganError."""
        import pyarrow.parquet as pq

        to_write(self.folder.parent, self.folder.name)
        path = to_write(self.folder, part_name(number))
        sweep(self.folder, path.name)
        # Latents do not compress and thumbnails already are: zstd is for the features alone.
        compression = {name: "zstd" if name in self.recipe.features else "none" for name in table.column_names}
        with replacing(path) as temporary, open(temporary, "wb") as file:
            pq.write_table(table, file, compression=compression, use_dictionary=False)
        return path

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
        self.write(number, pa.table(kept).replace_schema_metadata(metadata))

    def read(self, columns: Sequence[str] | None, *, start: int = 0, stop: int | None = None) -> Iterator[pa.Table]:
        """The given columns (None: all) of rows [start, stop), a table a part, in order; memory is that of one part."""
        import pyarrow.parquet as pq

        first = start // self.recipe.part_rows
        for number, path in enumerate(self.parts()[first:], first):
            offset = number * self.recipe.part_rows
            if stop is not None and offset >= stop:
                return
            try:
                chosen = None if columns is None else list(columns)
                table = pq.read_table(_no_address(path), columns=chosen, memory_map=True, partitioning=None)
            except _DAMAGE as error:
                raise _unreadable(path, error) from error
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
                raise _unreadable(self.folder, error) from error
            yield arrays


def _no_address(path: Path) -> Path:
    """The path from the root: Arrow takes a relative one with a colon, as in run-14:05, for an address."""
    return path.absolute()


def part_name(number: int) -> str:
    """File name of part `number`."""
    return f"part-{number:05d}.parquet"


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


def _unreadable(path: Path, error: Exception) -> BadFile:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return BadFile(
        f"{path} can't be read as a part of these samples ({reason}): "
        "delete that file and run `tlgan discover` again; only its rows are drawn anew"
    )
