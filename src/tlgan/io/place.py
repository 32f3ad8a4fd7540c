"""Where the files of a store lie: a folder, or an object store that fsspec knows (`s3://`, `gs://`, `memory://` ...).

Both write a file whole or not at all: a folder by a temporary name and a rename, an object store by one put, which it
shows only when all of it has arrived.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

from tlgan.errors import TlganError

from .files import replacing, sweep, to_read, to_write, writing

#: What is no folder of this machine: given by a person, never read from a file.
SCHEMES = ("s3", "gs", "gcs", "az", "abfs", "memory", "file")


class Place(Protocol):
    """Files by name; names are those of files directly inside, or with "/" further in."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    def source(self, name: str) -> Any:
        """The file as Arrow reads it: its path from the root, or an open file."""

    def writing(self, name: str) -> Any:
        """A context with an open file; what is written into it becomes the file `name` at its end, all at once."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name; one that has it already is replaced."""

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""

    def names(self) -> list[str]:
        """All files directly inside."""

    def where(self, name: str) -> Any:
        """The file, for a message."""


class Folder:
    """A folder of this machine, or of a disk that several share. Nothing in it is followed if it is a link."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def has(self, name: str) -> bool:
        """As `Place`."""
        return to_read(self.path, name).exists()

    def source(self, name: str) -> str:
        """As `Place`; Arrow takes a relative path with a colon, as in run-14:05, for an address."""
        return str(to_read(self.path, name).absolute())

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """As `Place`."""
        to_write(self.path.parent, self.path.name)
        with replacing(to_write(self.path, name)) as temporary, open(temporary, "wb") as file:
            yield file

    def rename(self, old: str, new: str) -> None:
        """As `Place`."""
        with writing(self.path / new):
            os.replace(to_write(self.path, old), to_write(self.path, new))

    def remove(self, name: str) -> None:
        """As `Place`."""
        with writing(self.path / name):
            to_write(self.path, name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """As `Place`."""
        return sorted(entry.name for entry in self.path.iterdir()) if self.path.is_dir() else []

    def where(self, name: str) -> Path:
        """As `Place`."""
        return self.path / name

    def sweep(self, name: str) -> None:
        """Remove what a killed process left beside `name`, see `files.sweep`."""
        sweep(self.path, name)


class Bucket:
    """A prefix of an object store. Raises TlganError where the package for it is missing."""

    def __init__(self, address: str) -> None:
        try:
            import fsspec

            self.files, self.root = fsspec.core.url_to_fs(address, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise TlganError(
                f"{address} can't be reached: {str(error).splitlines()[0]}; workspaces on object stores need fsspec and "
                "its package for that store, like s3fs or gcsfs"
            ) from error
        self.address = address.rstrip("/")

    def __str__(self) -> str:
        return self.address

    def __reduce__(self) -> tuple[Any, ...]:
        return Bucket, (self.address,)

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"

    def has(self, name: str) -> bool:
        """As `Place`."""
        with writing(self.where(name)):
            return bool(self.files.exists(self._path(name)))

    def source(self, name: str) -> Any:
        """As `Place`."""
        return self.files.open(self._path(name), "rb")

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """As `Place`."""
        with writing(self.where(name)), tempfile.NamedTemporaryFile() as file:
            yield file  # type: ignore[misc]
            file.flush()
            self.put(Path(file.name), name)

    def put(self, file: Path, name: str) -> None:
        """Upload a file whole."""
        target = self._path(name)
        if "file" in self.files.protocol:  # no object store, so the rename does it
            self.files.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            self.files.put_file(str(file), aside := f"{target}.{os.getpid()}.tmp")
            self.files.mv(aside, target)
        else:
            self.files.put_file(str(file), target)

    def rename(self, old: str, new: str) -> None:
        """As `Place`; a copy and a removal, of which the copy counts."""
        with writing(self.where(new)):
            self.files.mv(self._path(old), self._path(new))

    def remove(self, name: str) -> None:
        """As `Place`."""
        if self.has(name):
            with writing(self.where(name)):
                self.files.rm_file(self._path(name))

    def names(self) -> list[str]:
        """As `Place`."""
        return sorted(name for name in self.all() if "/" not in name)

    def all(self) -> list[str]:
        """All files, those further in by their path from here."""
        with writing(self.address):
            found = self.files.find(self.root) if self.files.exists(self.root) else []
        return sorted(path.removeprefix(self.root).lstrip("/") for path in found)

    def where(self, name: str) -> str:
        """As `Place`."""
        return f"{self.address}/{name}"


def address_in(path: str | os.PathLike[str]) -> str:
    """The address of an object store that a person gave as a path, or "" where it is a folder. `Path` makes one slash of
    two, which is undone."""
    found = re.fullmatch(rf"({'|'.join(SCHEMES)}):/{{1,3}}([^/].*)", os.fspath(path))
    if not found:
        return ""
    return f"{found[1]}://{'/' if found[1] == 'file' else ''}{found[2]}"


def place_of(where: str | os.PathLike[str] | Place) -> Place:
    """A folder or an object store."""
    if not isinstance(where, str | os.PathLike):
        return where
    address = address_in(where)
    return Bucket(address) if address else Folder(Path(where))


#: Folders of this process that stand for object stores, and for which. Never read from a file, which may be a stranger's.
_mirrors: dict[Path, Bucket] = {}
#: Files that change together are uploaded with this one last: who finds it finds those that it names.
_LAST = "tlgan.toml"


def mirror(path: str | os.PathLike[str], cache: Path, *, without: str) -> Path:
    """A folder of this machine with the files of an object store, but for those in folder `without`; `path` itself where
    it is a folder. What is written into it comes back by `upload`."""
    address = address_in(path)
    if not address:
        return Path(path)
    bucket = Bucket(address)
    folder = cache / "places" / hashlib.sha256(bucket.address.encode()).hexdigest()[:16]
    _mirrors[folder] = bucket
    there = [name for name in bucket.all() if not name.startswith(f"{without}/")]
    for file in _files(folder, without):
        if file not in there:
            (folder / file).unlink()
    folder.mkdir(parents=True, exist_ok=True)
    for name in there:
        target = to_write(folder, name)
        with replacing(target) as temporary, bucket.source(name) as file:
            temporary.write_bytes(file.read())
    return folder


def bucket_of(folder: Path) -> Bucket | None:
    """The object store that a folder of this process stands for."""
    return _mirrors.get(folder)


def upload(folder: Path, *, without: str) -> None:
    """Bring what has changed in a folder to the object store that it stands for; nothing for any other folder."""
    bucket = bucket_of(folder)
    if bucket is None:
        return
    here = _files(folder, without)
    for name in sorted(here, key=lambda name: (name == _LAST, name)):
        data = (folder / name).read_bytes()
        if not bucket.has(name) or bucket.files.cat_file(bucket._path(name)) != data:
            with bucket.writing(name) as file:
                file.write(data)
    for name in bucket.all():
        if name not in here and not name.startswith(f"{without}/"):
            bucket.remove(name)


def _files(folder: Path, without: str) -> list[str]:
    """Files of a mirror by their path from it; locks and what is being written are this machine's own."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in found if not name.startswith((f"{without}/", "."))]
