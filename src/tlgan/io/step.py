"""Changes several files of a folder atomically.

They are written into a folder aside. One rename gives that its final name, `.tlgan-step`, and from then on it counts:
who reads a file of the folder looks there first (`held`). Then the files move to their places, one by one. Killed
before the rename, the folder is as it was; killed after it, the folder is as it was to become, and whoever writes next
finishes the moves (`finish`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from tlgan.errors import TlganError

from .files import is_temporary, sync_folder, temporary_beside, to_read, to_write, writing
from .lock import is_lock

PENDING = ".tlgan-step"


class Step:
    """`with Step(folder) as step:` write to `step.path(name)`; at the end, or at `take`, all of it becomes visible.

    One writer at a time: the caller holds a lock, and has called `finish`. An exception leaves the folder as it was.
    """

    def __init__(
        self, folder: Path, *, at: Path | None = None, settle: Callable[[Path, Path], None] | None = None
    ) -> None:
        """``at``: the folder that holds what is not yet in place, on the same file system (`folder` itself);
        ``settle(folder, at)``: puts the files in place where that takes more than `finish` does."""
        self.folder, self.at = folder, at or folder
        self.stage = temporary_beside(self.at / "tlgan-step")
        self._settle = settle or finish

    def __enter__(self) -> Step:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            if kind is None:
                self.take()
        finally:
            shutil.rmtree(self.stage, ignore_errors=True)

    def path(self, name: str) -> Path:
        """Where to write what is to be `folder / name`. Raises TlganError where that is a link."""
        to_write(self.folder, name)
        path = self.stage / name
        with writing(self.folder / name):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def take(self) -> None:
        """Make what was written so far visible, all at once; what is written afterwards is another step."""
        if not self.stage.is_dir():
            return
        with writing(self.folder):
            for folder, _, _ in os.walk(self.stage):
                sync_folder(Path(folder))
            os.rename(self.stage, self.at / PENDING)
        sync_folder(self.at)
        try:
            self._settle(self.folder, self.at)
        except TlganError as error:
            raise TlganError(
                f"{error}; nothing is lost: {self.at / PENDING} holds all of it, and the next command that writes there "
                "puts it in place"
            ) from error


def is_ours(name: str) -> bool:
    """Whether this entry of a folder only says that a writer is at work there, or was cut off."""
    return is_lock(name) or is_temporary(name) or name == PENDING


def held(folder: Path, name: str) -> Path:
    """Where file `name` of `folder` is read: in its place, or in a step whose files are not all in place yet.

    Raises TlganError where links lead out of the folder.
    """
    pending = to_read(folder, f"{PENDING}/{name}")
    return pending if pending.exists() else to_read(folder, name)


def pending(at: Path) -> list[str]:
    """Names of the files that a step has not put in place yet. Raises TlganError where a link is among them."""
    found = []
    for folder, folders, files in os.walk(to_write(at, PENDING)):
        for name in (*folders, *files):
            to_write(at, os.path.relpath(os.path.join(folder, name), at))
        found += [Path(os.path.relpath(os.path.join(folder, name), at / PENDING)).as_posix() for name in files]
    return sorted(found)


def move(folder: Path, at: Path, names: Sequence[str]) -> None:
    """Put these files of a step in their places."""
    with writing(folder):
        for name in names:
            target = to_write(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(at / PENDING / name, target)
        for parent in {(folder / name).parent for name in names}:
            sync_folder(parent)


def finish(folder: Path, at: Path | None = None) -> None:
    """Put the files of a step that was cut off in their places; without one, nothing happens."""
    at = at or folder
    move(folder, at, pending(at))
    with writing(folder):
        for inside, _, _ in os.walk(at / PENDING, topdown=False):
            os.rmdir(inside)
