"""A lock for one writer at a time; a waiting one learns who holds it.

The lock is the operating system's (`filelock`), so that it ends with its process, however that ends. Beside it lies a
note of whose it is.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from .files import replacing, sweep, to_write, writing
from .foreign import json_of

LOCK = ".tlgan.lock"
NOTE = ".owner.json"
_COMMAND = 100  # characters of a command line that are shown


@contextmanager
def locked(file: Path, says: Callable[[str], None] = lambda words: None) -> Iterator[None]:
    """Hold the lock `file`; its folder is made where it is missing. While another process holds it, `says` tells who
    that is, and this one waits. Both files of the lock are gone afterwards.

    Raises TlganError where the folder can't be written, or the lock is a link.
    """
    made = not file.parent.exists()
    to_write(file.parent, file.name)
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            says(f"waiting for {_owner(file)}, which writes into {file.parent} too")
            lock.acquire()
    note = file.with_suffix(NOTE)
    try:
        sweep(note.parent, note.name)  # of a process that was killed as it wrote its own
        with replacing(note) as temporary:
            temporary.write_text(json.dumps(_myself()), "utf-8")
        yield
    finally:
        with suppress(OSError):
            note.unlink()
        with suppress(OSError):
            file.unlink()  # while it is held: who waits for it notices, and makes a new one
        lock.release()
        if made:
            with suppress(OSError):  # there is something in it now
                file.parent.rmdir()


def is_lock(name: str) -> bool:
    """Whether this is a lock of a folder, or its note."""
    return name in (LOCK, Path(LOCK).with_suffix(NOTE).name)


def _myself() -> dict[str, str | int]:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return {"pid": os.getpid(), "host": platform.node(), "command": command, "since": time.strftime("%Y-%m-%d %H:%M")}


def _owner(file: Path) -> str:
    """Who holds the lock, in words; the note in it is untrusted."""
    try:
        note = json_of(file.with_suffix(NOTE).read_text("utf-8"))
        command, pid, host, since = (str(note[key]) for key in ("command", "pid", "host", "since"))
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
    words = f"`{command[:_COMMAND]}` (process {pid[:20]} on {host[:60]}, since {since[:20]})"
    return "".join(letter if letter.isprintable() else "?" for letter in words)
