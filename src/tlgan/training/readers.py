"""Where labelled pictures come from: CelebA's list, CSV, JSON lines, Parquet, a folder a class, UTKFace's names, HF `datasets`.

Every reader gives the same: how many pictures, their names, a way to read their bytes in order from any one on, and
raw columns of labels. Nothing is decoded here.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlgan.errors import TlganError
from tlgan.extractors.attributes import CELEBA_ATTRIBUTES
from tlgan.io.foreign import json_of

from .finding import PICTURES, find_pictures, is_litter, is_picture_in, is_picture_name
from .targets import CLASS
from .text import read_text

_FILE_COLUMNS = ("file", "filename", "file_name", "image_id", "image", "path", "picture", "name")
_INDEX = ("", "unnamed: 0", "index", "id")  # what tables of pandas and R have before their first column
_UTKFACE = re.compile(r"(\d{1,3})_([01])_(?:([0-4])_)?\d+.*", re.ASCII)
#: Folders that are parts of a data set and no classes.
_OTHER_TABLES = (".json", ".xlsx", ".xls", ".ods", ".xml", ".yaml", ".yml")
_COUNT = re.compile(r"[0-9]{1,12}")  # how CelebA's list begins
_PARTS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval")
_REMARK = re.compile(r"\s*#|sep=.$|\s*$")  # what may stand above a table: remarks, and what Excel says of its separator
_DATASET = re.compile(r"datasets:(?P<repo>[^:]+)(?::(?P<split>[\w.\[\]%:+-]+))?")


@dataclass(frozen=True)
class Labelled:
    """``read(start)`` yields the bytes of pictures from number `start` on (None: can't be read); ``columns`` hold raw
    labels, one a picture; ``celeba``: these are CelebA's aligned pictures, whose faces have a usual crop."""

    names: Sequence[str]
    columns: dict[str, list[Any]]
    read: Callable[[int], Iterator[bytes | None]]
    source: str
    celeba: bool = False


def read_labelled(images: Any, labels: str | Path | None) -> Labelled:
    """Labelled pictures from a folder or a Parquet file, and a file of labels where the pictures do not say themselves;
    or from a `datasets.Dataset`, or its reference.

    Raises TlganError, naming file and line, where the two do not fit.
    """
    if images is None and labels is None:
        raise TlganError("nothing to learn from: give --images and, where their names do not tell, --labels")
    if images is not None and not isinstance(images, (str, Path)):
        return from_dataset(images)
    if images is not None and str(images).startswith("datasets:"):
        return _from_datasets(str(images))
    if labels is None:
        path = Path(str(images))
        if path.is_file() and path.suffix.lower() in (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", *_OTHER_TABLES):
            raise TlganError(
                f"{path} holds labels: give it as --labels {path}, and the folder of the pictures as --images"
            )
        if path.is_file():
            return _from_parquet(path, None)
        beside = [at / "metadata.jsonl" for at in (_folder(path), *_parts(path)) if (at / "metadata.jsonl").is_file()]
        return _from_lines(beside, path) if beside else _from_folder(path)
    table = Path(labels)
    if not table.is_file():
        raise TlganError(
            f"the labels {table} don't exist: expected list_attr_celeba.txt, a CSV, JSON lines or a Parquet file"
        )
    folder = _folder(Path(images)) if images is not None and Path(images) != table else None
    if table.suffix.lower() == ".parquet":
        return _from_parquet(table, folder)
    if folder is None:
        raise TlganError(f"{table} holds labels only: give the folder of the pictures too (--images DIR)")
    kind = table.suffix.lower()
    if kind in (".jsonl", ".ndjson"):
        return _from_lines([table], folder)
    if kind in _OTHER_TABLES:
        raise TlganError(f"{table} is no table that is read here: save it as CSV, or as JSON lines (one object a line)")
    if kind not in (".csv", ".tsv") and _COUNT.fullmatch(read_text(table)[0].partition("\n")[0].strip()):
        return _from_celeba(table, folder)
    return _from_csv(table, folder)


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise TlganError(f"the pictures {path} are no folder{'' if path.exists() else ' (it does not exist)'}")
    return path


def _from_celeba(table: Path, folder: Path) -> Labelled:
    """`list_attr_celeba.txt`: a count, the names, then a file and a 1 or -1 for each name."""
    text, guessed = read_text(table)
    lines = text.splitlines()
    if len(lines) < 3:
        raise TlganError(f"{table} is not CelebA's list: expected a count, a line of names, then a line a picture")
    attributes = lines[1].split()
    rows = [(number, line.split()) for number, line in enumerate(lines[2:], 3) if line.strip()]
    for number, row in rows:
        if len(row) != len(attributes) + 1:
            raise TlganError(
                f"{table} line {number} has {len(row) - 1} labels, expected {len(attributes)}: the line is damaged"
            )
    if len(rows) != int(lines[0]):
        raise TlganError(
            f"{table} says it has {lines[0].strip()} pictures, but there are {len(rows)} lines: it was cut off"
        )
    columns = {name: [row[at + 1] for _, row in rows] for at, name in enumerate(attributes)}
    return _files(folder, [row[0] for _, row in rows], columns, _source(table, folder, guessed))


def _from_csv(table: Path, folder: Path) -> Labelled:
    text, guessed = read_text(table)
    lines = text.splitlines()
    while lines and _REMARK.match(lines[0]):
        del lines[0]
    first = lines[0] if lines else ""
    delimiter = "\t" if table.suffix.lower() == ".tsv" else next((sign for sign in ";\t|," if sign in first), " ")
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter == " "))
    except csv.Error as error:
        raise TlganError(f"{table} can't be read as a table: {error}") from error
    while (
        len(rows) > 1 and rows[0] and all(not row or (len(row) == len(rows[0]) and not row[-1].strip()) for row in rows)
    ):
        rows = [row[:-1] for row in rows]  # every line ends in a separator
    unnamed = _names_picture(rows[0], folder) if rows else None
    if unnamed is not None:  # a picture in the first line: there is no line of names
        rows.insert(0, _places(rows[0], unnamed))
    if not any(rows[1:]):
        raise TlganError(f"{table} has no rows: expected a line of names, then a line a picture")
    header = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows[1:], 2):
        if row and len(row) != len(header):
            raise TlganError(
                f"{table} line {number} has {len(row)} values, expected {len(header)}: {', '.join(header)}"
            )
    body = [row for row in rows[1:] if row]
    lower = [name.lower() for name in header]
    named = next((lower.index(name) for name in _FILE_COLUMNS if name in lower), None)
    at = next((i for i, cell in enumerate(body[0]) if is_picture_name(cell)), 0) if named is None else named
    columns = {name: [row[i] for row in body] for i, name in enumerate(header) if i != at}
    counting = [name for name in columns if (name.lower() in _INDEX or unnamed is not None) and _counts(columns[name])]
    columns = {name: values for name, values in columns.items() if name not in counting}
    if not columns:
        raise TlganError(f"{table} has one column only ({header[0]}): expected a file name and at least one label")
    said = f"it has no line of names: labels are called {', '.join(columns)}" if unnamed is not None else ""
    left = f"the column {counting[0]!r} only counts the rows and is left out" if counting else ""
    return _files(folder, [row[at] for row in body], columns, _source(table, folder, said, left, guessed))


def _counts(values: list[str]) -> bool:
    """Are these 0, 1, 2 ... or 1, 2, 3 ...?"""
    return any(values == [str(row + first) for row in range(len(values))] for first in (0, 1))


def _source(table: Path, folder: Path, *said: str) -> str:
    """ "labels.csv and pictures/ (what there is to say of them)"."""
    words = "; ".join(filter(None, said))
    return f"{table.name} and {folder.name}/{words and f' ({words})'}"


def _from_lines(tables: Sequence[Path], folder: Path) -> Labelled:
    """`metadata.jsonl` as image folders of `datasets` have it: an object a line, with the picture's `file_name` and labels.

    One in a folder inside `folder` names pictures from there on. Values that are no single word or number are left out.
    """
    names: list[str] = []
    rows: list[dict[str, Any]] = []
    guesses = []
    for table in tables:
        text, guessed = read_text(table)
        guesses.append(guessed)
        inside = table.parent.relative_to(folder).as_posix() if table.parent.is_relative_to(folder) else "."
        for number, line in enumerate(text.split("\n"), 1):  # not splitlines: JSON may hold U+2028
            if not line.strip():
                continue
            try:
                row = json_of(line)
            except ValueError as error:
                raise TlganError(f"{table} line {number} can't be read as JSON: {error}") from error
            named = next((row[key] for key in _FILE_COLUMNS if key in row), None) if isinstance(row, dict) else None
            if not isinstance(named, str):
                raise TlganError(f"{table} line {number} names no picture: expected an object with a file_name")
            names.append(named if inside == "." else f"{inside}/{named}")
            rows.append({k: v for k, v in row.items() if k not in _FILE_COLUMNS and not isinstance(v, (dict, list))})
    columns = {key: [row.get(key) for row in rows] for key in dict.fromkeys(key for row in rows for key in row)}
    if not columns:
        raise TlganError(f"{tables[0]} has no labels: expected a file_name and at least one label a line")
    return _files(folder, names, columns, _source(tables[0], folder, *dict.fromkeys(guesses)))


def _names_picture(row: list[str], folder: Path) -> int | None:
    """Where in a table's first row a picture is named, with its ending or without; None: it is a row of names."""
    if any(cell.strip().lower() in _FILE_COLUMNS for cell in row):
        return None
    with_ending = next((at for at, cell in enumerate(row) if is_picture_name(cell)), None)
    if with_ending is not None:
        return with_ending
    stems = {path.stem for path in folder.iterdir() if is_picture_name(path.name)}
    return next((at for at, cell in enumerate(row) if cell.strip() in stems), None)


def _places(row: list[str], file: int) -> list[str]:
    """Names for the columns of a table without any: the picture is `file`, the others `label`, or by their place."""
    return ["file" if at == file else "label" if len(row) == 2 else f"label_{at + 1}" for at in range(len(row))]


def _from_parquet(table: Path, folder: Path | None) -> Labelled:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _parquet(table):
        file = pq.ParquetFile(table.absolute())
        schema = file.schema_arrow
    images = [
        f.name for f in schema if pa.types.is_binary(f.type) or pa.types.is_large_binary(f.type) or _is_picture(f.type)
    ]
    words = [f.name for f in schema if f.name.lower() in _FILE_COLUMNS and f.name not in images]
    plain = [f.name for f in schema if f.name not in images and f.name not in words and not pa.types.is_nested(f.type)]
    with _parquet(table):
        columns = {name: file.read([name])[name].to_pylist() for name in plain}
        names = [str(name) for name in file.read(words[:1])[words[0]].to_pylist()] if words else []
    if not columns:
        raise TlganError(f"{table} has no column of labels beside {', '.join(images + words) or 'nothing'}")
    if not images:
        if folder is None or not names:
            raise TlganError(f"{table} holds no pictures: expected a column of bytes, or file names and --images DIR")
        return _files(folder, names, columns, f"{table.name} and {folder.name}/")

    def read(start: int) -> Iterator[bytes | None]:
        seen = 0
        with _parquet(table):
            for batch in pq.ParquetFile(table.absolute()).iter_batches(batch_size=256, columns=images[:1]):
                if seen + len(batch) > start:
                    for entry in batch.column(0).slice(max(start - seen, 0)).to_pylist():
                        yield entry.get("bytes") if isinstance(entry, dict) else entry
                seen += len(batch)

    names = names or [f"row {row}" for row in range(file.metadata.num_rows)]
    return Labelled(names, columns, read, table.name, _is_celeba(columns))


@contextmanager
def _parquet(table: Path) -> Iterator[None]:
    """Turn what Arrow says of a damaged file into one line: TlganError."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, ValueError, KeyError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise TlganError(f"{table} can't be read as Parquet: {reason}") from error


def _from_folder(folder: Path) -> Labelled:
    here = sorted(path for path in folder.iterdir() if is_picture_in(path, folder))
    if here:
        read = [_UTKFACE.fullmatch(path.name) for path in here]
        unknown = [path.name for path, match in zip(here, read, strict=True) if match is None]
        if len(unknown) > len(here) // 2:
            raise TlganError(
                f"the names in {folder} ({unknown[0]}) do not say what is in the pictures: give --labels FILE, or put the "
                "pictures of each class in a folder of its own"
            )
        columns: dict[str, list[Any]] = {
            "age": [match and match[1] for match in read],
            "male": [match and ("1" if match[2] == "0" else "0") for match in read],  # UTKFace: 0 male, 1 female
        }
        return _files(folder, [path.name for path in here], columns, f"{folder.name}/ (UTKFace's file names)")
    classes, parts = _class_folders(folder)
    files = [(c.name, p) for c in classes for p in sorted(c.rglob("*")) if is_picture_in(p, c)]
    if not files:
        raise TlganError(f"there are no pictures in {folder}: expected {', '.join(sorted(PICTURES))}")
    if len({name for name, _ in files}) < 2:
        raise TlganError(
            f"{folder} holds pictures of one class only ({files[0][0]}): expected a folder for each of several"
        )
    names = [str(path.relative_to(folder)) for _, path in files]
    return _files(folder, names, {CLASS: [name for name, _ in files]}, f"{folder.name}/ (a folder a class{parts})")


def _class_folders(folder: Path) -> tuple[list[Path], str]:
    """The folders that are named after what is in them, and what there is to say of those above them.

    Where the folders are parts of a data set (train, val, test), or all hold folders of the same names, the classes are
    one level further in.
    """
    outer = _folders(folder)
    inner = [_folders(path) for path in outer]
    names = [{path.name for path in paths} for paths in inner]
    parts = bool(outer) and all(path.name.lower() in _PARTS for path in outer)
    alike = len(outer) > 1 and len(names[0]) > 1 and all(found == names[0] for found in names)
    if (parts or alike) and all(inner):
        found = ", ".join(path.name for path in outer)
        return [path for paths in inner for path in paths], f"; {found}: part of it, no class"
    if len(outer) == 1 and inner[0]:  # a folder around all of it
        return _class_folders(outer[0])
    return outer, ""


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not is_litter(path)]


def _parts(folder: Path) -> list[Path]:
    """Its folders that are parts of a data set by their names."""
    return [path for path in _folders(folder) if path.name.lower() in _PARTS]


def _from_datasets(ref: str) -> Labelled:
    match = _DATASET.fullmatch(ref)
    if match is None:
        raise TlganError(f"{ref} is not understood: expected datasets:owner/name or datasets:FOLDER, and :split")
    datasets = _datasets(ref)
    try:
        if (Path(match["repo"]) / "state.json").is_file():  # what `save_to_disk` wrote
            table = datasets.load_from_disk(match["repo"])
        else:
            table = datasets.load_dataset(match["repo"], split=match["split"] or "train")
    except Exception as error:  # its loaders raise whatever their formats do
        raise TlganError(f"{ref} can't be loaded: {' '.join(str(error).split())[:200]}") from error
    return from_dataset(table, ref)


def _datasets(wanted: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise TlganError(f"{wanted} needs the datasets package: pip install 'tlgan[datasets]'") from error
    return datasets


def from_dataset(table: Any, source: str = "a dataset") -> Labelled:
    """Labelled pictures of a `datasets.Dataset` with an image column; class labels keep their words."""
    datasets = _datasets(source)
    if not isinstance(table, datasets.Dataset):
        raise TlganError(f"{source} is a {type(table).__name__}: expected one split of a dataset, a folder or a file")
    images = [name for name, kind in table.features.items() if isinstance(kind, datasets.Image)]
    if not images:
        raise TlganError(f"{source} has no column of pictures: it has {', '.join(table.features)}")
    columns = {}
    for name, kind in table.features.items():
        if isinstance(kind, datasets.ClassLabel):
            columns[name] = [None if value is None or value < 0 else kind.names[value] for value in table[name]]
        elif isinstance(kind, datasets.Value):
            columns[name] = list(table[name])
    raw = table.cast_column(images[0], datasets.Image(decode=False))

    def read(start: int) -> Iterator[bytes | None]:
        for row in range(start, len(raw)):
            entry = raw[row][images[0]]
            data = entry and (entry.get("bytes") or (entry.get("path") and _bytes(Path(entry["path"]))))
            yield data or None

    return Labelled([f"row {row}" for row in range(len(raw))], columns, read, source, _is_celeba(columns))


def _files(folder: Path, names: Sequence[str], columns: dict[str, list[Any]], source: str) -> Labelled:
    if not names:
        raise TlganError(f"the labels name no picture of {folder}: expected a line a picture")
    inside = folder.resolve()
    try:
        paths, said = find_pictures(folder, names)
        outside = next((n for n, p in zip(names, paths, strict=True) if not p.resolve().is_relative_to(inside)), None)
        found = any(path.is_file() for path in paths)
    except (OSError, ValueError, RuntimeError) as error:  # no name of a file at all, or a circle of links
        raise TlganError(f"the labels name files that there can't be in {folder}: {error}") from error
    if outside is not None:
        raise TlganError(f"the labels name {outside!r}, which is not inside {folder}")
    if not found:
        raise TlganError(
            f"none of the {len(names)} pictures that the labels name is in {folder} (the first is {names[0]!r})"
        )

    def read(start: int) -> Iterator[bytes | None]:
        return (_bytes(path) for path in paths[start:])

    return Labelled(list(names), columns, read, f"{source}{said and f' ({said})'}", _is_celeba(columns))


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (OSError, ValueError):
        return None


def _is_picture(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_struct(kind) and any(kind.field(i).name == "bytes" for i in range(kind.num_fields))


def _is_celeba(columns: dict[str, list[Any]]) -> bool:
    return {feature.name for feature in CELEBA_ATTRIBUTES} <= {name.lower() for name in columns}
