"""Write a file whole or not at all, and never through a link that somebody left in the folder."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

from tlgan.errors import TlganError

_STEM = 60  # characters of a name that its temporary name keeps


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn what the system says of a write to `path` (a full disk, no permission, ...) into one line: TlganError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TlganError(
                f"the disk is full: {path} could not be written, and what was there before is kept; "
                "free some space and run the same command again"
            ) from error
        raise TlganError(f"{path} could not be written: {error.strerror or error}") from error


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary file beside `path`; what was written there takes its place once it is safely on disk.

    On any failure `path` is as it was and nothing is left behind. Where `path` is a link, the link is replaced and not
    what it leads to. A full or read-only disk raises TlganError.
    """
    path = Path(path)
    temporary = temporary_beside(path)
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o666))
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
        finally:
            with suppress(OSError):
                temporary.unlink()


def temporary_beside(path: Path) -> Path:
    """An unguessable name in the folder of `path`, with the same ending; nothing is created."""
    return path.with_name(f".{path.stem[:_STEM]}.{secrets.token_hex(8)}.tmp{path.suffix}")


def is_temporary(name: str, of: str = "") -> bool:
    """Whether `temporary_beside` makes such names: any, or those beside `of`."""
    stem, suffix = (re.escape(part) for part in (PurePath(of).stem[:_STEM], PurePath(of).suffix))
    kept, ending = (stem, suffix) if of else (".+", r"(?:\.[^.]*)?")
    # in the first version, the number of the process stood in place of the random part
    return re.fullmatch(rf"\.{kept}\.(?:[0-9a-f]{{16}}|\d+)\.tmp{ending}", name) is not None


def sweep(folder: Path, of: str = "") -> None:
    """Remove the temporary files and folders that a killed process left in `folder`: all, or those beside name `of`.

    Only for whoever holds the lock under which they are made.
    """
    if not folder.is_dir() or folder.is_symlink():
        return
    with writing(folder), os.scandir(folder) as entries:
        for entry in [entry for entry in entries if is_temporary(entry.name, of)]:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder; it gets the name `folder`, which must be free, when all is in it."""
    temporary = temporary_beside(folder)
    with writing(folder):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            os.rename(temporary, folder)
            sync_folder(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def discard(folder: Path) -> None:
    """Remove a folder atomically: it is renamed to an unguessable name first."""
    aside = temporary_beside(folder)
    with writing(folder):
        os.rename(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)


def to_write(folder: Path, name: str) -> Path:
    """`folder / name`, to be written. Raises TlganError where that, or a folder on the way from `folder`, is a link, or
    neither a file nor a folder."""
    path = folder
    for part in PurePath(name).parts:
        path = path / part
        if path.is_symlink():
            raise TlganError(
                f"{path} is a link, and nothing is written through a link inside {folder}: "
                "put a file or folder of its own there"
            )
    return _plain(path)


def to_read(folder: Path, name: str) -> Path:
    """`folder / name`, to be read. Raises TlganError where links lead from there out of `folder`, and for a pipe or a
    device, which may keep a reader for ever."""
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a circle of links
        inside = False
    if not inside:
        raise TlganError(f"{path} leads out of {folder}, and is not read: put the file itself there")
    return _plain(path)


def _plain(path: Path) -> Path:
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise TlganError(f"{path} is a pipe or a device: expected a file or a folder")
    return path


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable, where the system can (not on Windows, and not on every file system)."""
    if os.name != "posix":
        return
    with suppress(OSError):  # the rename is done, and seen by everybody
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sizes_under(folder: Path, suffix: str = "") -> list[int]:
    """The bytes of each file below `folder` whose name ends in `suffix`, while other programs may write and delete."""
    sizes = []
    for parent, _, names in os.walk(folder):  # passes over a folder that is gone when its turn comes
        for name in names:
            with suppress(FileNotFoundError):
                sizes += [os.lstat(os.path.join(parent, name)).st_size] if name.endswith(suffix) else []
    return sizes
