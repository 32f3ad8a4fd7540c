"""Which Python functions may be run because a file names them: those that somebody named on this machine before.

A workspace says `module:function` where its features come from a function of one's own. Workspaces are also handed
on, and what a stranger's file names is not run. What one has loaded oneself is remembered beside the cache, with the
file that it came from.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tlgan.errors import TlganError
from tlgan.io import hub
from tlgan.io.files import replacing

_FILE = "own-functions.txt"
_here_and_now: set[str] = set()  # of this process, where nothing can be written


@contextlib.contextmanager
def working_folder() -> Iterator[None]:
    """Modules of the working folder can be imported too, after all installed ones."""
    here = os.getcwd()
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)


def allow(ref: str) -> None:
    """Remember that ``module:function`` was named by a person, or by a person's own program."""
    line = _line(ref)
    if is_allowed(ref):
        return
    _here_and_now.add(line)
    path = hub.cache_dir() / _FILE
    with contextlib.suppress(TlganError, OSError), replacing(path) as temporary:
        temporary.write_text("\n".join([*_remembered(path), line]) + "\n", encoding="utf-8")


def is_allowed(ref: str) -> bool:
    """Whether ``module:function`` was named before, and its module still comes from the same place (or from none)."""
    line = _line(ref)
    if "\t" not in line:
        return True  # there is nothing that could be run
    return line in _here_and_now or line in _remembered(hub.cache_dir() / _FILE)


def _line(ref: str) -> str:
    """The reference and where its outermost package would be imported from; nothing is imported for that."""
    package = ref.partition(":")[0].partition(".")[0]
    try:
        with working_folder():
            spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    places = [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or [])]
    return "\t".join([ref, *(str(Path(place).resolve()) for place in places if place)])


def _remembered(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
