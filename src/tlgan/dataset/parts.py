"""Finished rows of an unfinished data set: Parquet parts in a working folder, each written atomically.

What is handed over in the end is written from them. A part carries the request's digest, and what became of its cells.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.errors import TlganError
from tlgan.io.files import replacing, to_read, to_write, writing

from .look import CODE
from .make import Tally

if TYPE_CHECKING:
    import pyarrow as pa

_KEY = b"tlgan.dataset"


class Parts:
    """The parts of one request in `folder`; `columns`: name to "string", "float", "int" or "bool", after the picture."""

    def __init__(self, folder: Path, digest: str, columns: Mapping[str, str]) -> None:
        self.folder, self.digest, self.columns = folder, digest, columns

    def path(self, number: int, *, ahead: bool = False) -> Path:
        """The file of part `number`, or that which it is written to ``ahead`` of those that count."""
        return self.folder / f"{'ahead' if ahead else 'part'}-{number:06d}.parquet"

    def count(self) -> int:
        """Parts made so far: the leading run."""
        number = 0
        while self.path(number).exists():
            number += 1
        return number

    def write(
        self, number: int, records: Sequence[Mapping[str, Any]], code: np.ndarray, tally: Mapping[int, Tally]
    ) -> None:
        """Write part `number` ahead; each record holds "image", the encoded picture, and the columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrays = {"image": pa.array([r["image"] for r in records], pa.binary())}
        arrays |= {n: pa.array([r[n] for r in records], arrow_type(kind)) for n, kind in self.columns.items()}
        arrays["code"] = pa.array([row.tobytes() for row in code], pa.binary())
        words = {"digest": self.digest, "tally": {str(cell): asdict(counted) for cell, counted in tally.items()}}
        table = pa.table(arrays).replace_schema_metadata({_KEY: json.dumps(words).encode()})
        with replacing(to_write(self.folder, self.path(number, ahead=True).name)) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def take_in(self, number: int) -> None:
        """Let a part that was written ahead count."""
        with writing(self.path(number)):
            os.replace(self.path(number, ahead=True), self.path(number))

    def left(self, number: int) -> tuple[np.ndarray, dict[int, Tally]]:
        """What part `number` leaves for later ones: codes float16 [n, c], and tallies by cell.

        Raises TlganError where it is of another request, or no part.
        """
        table, words = self._read(number, ["code"])
        if words["digest"] != self.digest:
            raise TlganError(
                f"{self.folder.parent} holds the beginning of another data set (or the workspace has changed since): name "
                "another folder with -o, or delete this one"
            )
        raw = table["code"].to_pylist()
        code = np.stack([np.frombuffer(row, np.float16) for row in raw]) if raw else np.zeros((0, CODE), np.float16)
        return code, {int(cell): Tally(**counted) for cell, counted in words["tally"].items()}

    def read(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The parts as tables, in order; memory is that of one part."""
        for number in range(self.count()):
            yield self._read(number, columns)[0]

    def _read(self, number: int, columns: Sequence[str] | None) -> tuple[pa.Table, dict[str, Any]]:
        import pyarrow.parquet as pq

        path = to_read(self.folder, self.path(number).name)
        try:
            chosen = None if columns is None else list(columns)
            table = pq.read_table(path.absolute(), columns=chosen, partitioning=None)
            words: dict[str, Any] = json.loads((table.schema.metadata or {})[_KEY])
        except (OSError, ValueError, KeyError) as error:
            raise TlganError(
                f"{path} can't be read as a part of a data set: delete it and the parts after it, and run again"
            ) from error
        return table, words


def arrow_type(kind: str) -> pa.DataType:
    """The Arrow type of a column."""
    import pyarrow as pa

    return {"string": pa.string(), "float": pa.float32(), "int": pa.int64(), "bool": pa.bool_()}[kind]
