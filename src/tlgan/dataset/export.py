"""A finished data set in the forms that others read: an image folder, Parquet with pictures, WebDataset shards.

All are written from the parts as a stream. `datasets.load_dataset` reads each; torchvision's `ImageFolder` reads the
image folder, a class a cell.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tlgan.errors import TlganError
from tlgan.io.files import replacing

from .parts import Parts, arrow_type

#: Pictures in one shard of Parquet or WebDataset.
SHARD = 5_000
#: Where to write a file of the data set, by its name in there.
Where = Callable[[str], Path]


def rows_of(parts: Parts) -> Iterator[dict[str, Any]]:
    """Every row as a dict: the encoded picture as "image", then the columns."""
    for table in parts.read(["image", *parts.columns]):
        yield from table.to_pylist()


def stem(row: Mapping[str, Any]) -> str:
    """The name of a picture: its row, and the side of a pair."""
    return f"{row['row']:08d}" + (f"-{row['side']}" if row["side"] else "")


def slug(words: str) -> str:
    """A cell's words as the name of a folder."""
    return re.sub(r"[^a-z0-9.]+", "_", words.lower()).strip("_")[:120] or "all"


def write_folder(parts: Parts, where: Where, ending: str) -> None:
    """`images/<cell>/<row>.png` and `metadata.csv`, whose `file_name` leads there from beside it."""
    with replacing(where("metadata.csv")) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file_name", *parts.columns])
        for name, row in _pictures(parts, where, ending):
            writer.writerow([name, *(_plain(row[column]) for column in parts.columns)])


def write_jsonl(parts: Parts, where: Where, ending: str) -> None:
    """The same with `metadata.jsonl`, where numbers are numbers and nothing is null. Beside `metadata.csv` the `datasets`
    library would read neither."""
    with replacing(where("metadata.jsonl")) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for name, row in _pictures(parts, where, ending):
            file.write(json.dumps({"file_name": name} | {column: row[column] for column in parts.columns}) + "\n")


def _pictures(parts: Parts, where: Where, ending: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row, once its picture is written, with the picture's name in the folder."""
    for row in rows_of(parts):
        name = f"images/{slug(row['cell'])}/{stem(row)}.{ending}"
        where(name).write_bytes(row["image"])
        yield name, row


def write_parquet(parts: Parts, where: Where, ending: str) -> None:
    """`data/train-00000-of-00003.parquet`, with the pictures as the `datasets` library keeps them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kinds = {"string": "string", "float": "float32", "int": "int64", "bool": "bool"}
    features = {"image": {"_type": "Image"}} | {
        n: {"dtype": kinds[k], "_type": "Value"} for n, k in parts.columns.items()
    }
    schema = pa.schema(
        [("image", picture), *((name, arrow_type(kind)) for name, kind in parts.columns.items())],
        metadata={b"huggingface": json.dumps({"info": {"features": features}}).encode()},
    )
    shards = max(1, -(-sum(table.num_rows for table in parts.read(["row"])) // SHARD))
    for number, rows in enumerate(_shards(parts) if shards else ()):
        for row in rows:
            row["image"] = {"bytes": row["image"], "path": f"{stem(row)}.{ending}"}
        with replacing(where(f"data/train-{number:05d}-of-{shards:05d}.parquet")) as temporary:
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary, compression="zstd", row_group_size=500)


def write_webdataset(parts: Parts, where: Where, ending: str) -> None:
    """`data/train-00000.tar`: for each row a picture and a JSON of the same name."""
    for number, rows in enumerate(_shards(parts)):
        with replacing(where(f"data/train-{number:05d}.tar")) as temporary, tarfile.open(temporary, "w") as archive:
            for row in rows:
                values = {column: row[column] for column in parts.columns}
                for name, data in ((ending, row["image"]), ("json", json.dumps(values).encode())):
                    entry = tarfile.TarInfo(f"{stem(row)}.{name}")  # no time, no owner: the same bytes every time
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))


def _shards(parts: Parts) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    for row in rows_of(parts):
        rows.append(row)
        if len(rows) == SHARD:
            yield rows
            rows = []
    if rows:
        yield rows


def _plain(value: Any) -> Any:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


FORMATS: dict[str, Callable[[Parts, Where, str], None]] = {
    "folder": write_folder,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
    "webdataset": write_webdataset,
}


def format_named(name: str) -> Callable[[Parts, Where, str], None]:
    """The writer of a form. Raises TlganError for an unknown one."""
    if name not in FORMATS:
        raise TlganError(f"unknown format {name!r}: expected {', '.join(FORMATS)}")
    return FORMATS[name]
