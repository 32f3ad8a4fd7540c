"""Which Python functions may be run because a file names them: those that somebody named on this machine before.

A workspace says `module:function` where its pictures or features come from a function of one's own. Workspaces are also handed
on, and what a stranger's file names is not run. What one has loaded oneself is remembered beside the cache: the
reference, the files that importing its module runs (the packages around it and itself), and their sha256. Where one
of them is another file now, or has changed, the permission has ended. A module that comes from no file can't be
recognised again, so it is never run for a file: `__main__`, what is built in, what a program made up.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal

from tlgan.errors import TlganError

from . import hub, isolation
from .files import replacing
from .foreign import json_of

MODULE_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_FILE = "own-functions.jsonl"
_here_and_now: set[str] = set()  # of this process, where nothing can be written

Standing = Literal["allowed", "changed", "unknown", "never"]


def import_own(module: str) -> Any:
    """The module of that name: an installed one, else one of the working folder."""
    with isolation.installed_only() if _is_installed(module) else _working_folder():
        return importlib.import_module(module)


def import_attribute(ref: str, what: str, import_: Callable[[str], Any] = import_own) -> Any:
    """What ``module:attribute`` names. Raises `TlganError`, which calls it a `what`, where it can't be imported."""
    module_name, _, path = ref.partition(":")
    try:
        found: Any = import_(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        raise TlganError(
            f"{what} {ref!r} can't be imported: {error}; go to the folder that it lies in, or name that in PYTHONPATH"
        ) from error
    except (ImportError, AttributeError, SyntaxError) as error:
        raise TlganError(f"{what} {ref!r} can't be imported: {error}") from error
    return found


def require(ref: str, load: str, *, trust: bool = False) -> None:
    """Raise `TlganError` unless a file may have ``ref`` run; `load` is the Python function that a person calls to allow
    it. `trust` stands for a permission, except for what comes from no file."""
    stands = standing(ref)
    module = ref.partition(":")[0]
    if stands == "never" and module not in sys.modules and not _findable(module):
        raise TlganError(
            f"a file asks to run the Python function {ref!r}, but there is no module {module} here, and what comes from "
            "no file is never run for a file: go to the folder that it lies in, or name that in PYTHONPATH"
        )
    if stands == "never":
        raise TlganError(
            f"a file asks to run {ref!r}, which is not in a Python file of its own: that is never run for a file; "
            "put the function into a module, or hand it over yourself from Python"
        )
    if stands != "allowed" and not trust:
        why = {"changed": "whose code has changed since you allowed it"}.get(
            stands, "which nobody has named on this machine before"
        )
        raise TlganError(
            f"a file asks to run the Python function {ref!r}, {why}: if you know it, load it once yourself, "
            f"{load}({ref!r}), in the folder it lies in, or pass --trust"
        )


def allow(ref: str) -> None:
    """Remember that ``module:function`` was named by a person, or by a person's own program."""
    line = _line(ref)
    if line is None or standing(ref) == "allowed":
        return
    _here_and_now.add(line)
    path = hub.cache_dir() / _FILE
    kept = [known for known in _remembered(path) if _ref_of(known) != ref]
    with contextlib.suppress(TlganError, OSError), replacing(path) as temporary:
        temporary.write_text("\n".join([*kept, line]) + "\n", encoding="utf-8")


def standing(ref: str) -> Standing:
    """Whether a file may have ``module:function`` run; "changed": it could, until its code was changed."""
    line = _line(ref)
    if line is None:
        return "never"
    known = {*_here_and_now, *_remembered(hub.cache_dir() / _FILE)}
    if line in known:
        return "allowed"
    return "changed" if ref in map(_ref_of, known) else "unknown"


def _findable(module: str) -> bool:
    package = module.partition(".")[0]
    if _is_installed(package):
        return True
    with _working_folder():
        return importlib.util.find_spec(package) is not None


def _line(ref: str) -> str | None:
    """The reference, and path and sha256 of every file that importing its module runs; None where there is none."""
    try:
        files = _sources(ref.partition(":")[0])
        digests = [[str(path), hashlib.sha256(path.read_bytes()).hexdigest()] for path in files]
    except (OSError, ImportError, ValueError):
        return None
    return json.dumps([ref, digests]) if digests else None


def _sources(module: str) -> list[Path]:
    """The files that `import module` runs or has run, outermost first; [] where any of them comes from no file."""
    if sys.modules.get(module) is sys.modules["__main__"]:  # by any of its names
        return []
    found: list[Path] = []
    places: list[str] | None = None
    names = module.split(".")
    with isolation.installed_only() if _is_installed(module) else _working_folder():
        for depth in range(1, len(names) + 1):
            name = ".".join(names[:depth])
            loaded = sys.modules.get(name)
            if loaded is not None:
                spec = getattr(loaded, "__spec__", None)
            else:
                spec = PathFinder.find_spec(name, places) if places else importlib.util.find_spec(name)
            if spec is None:
                return []
            places = list(spec.submodule_search_locations or [])
            if spec.has_location and spec.origin:
                found.append(Path(spec.origin).resolve())
            elif not places or depth == len(names):  # neither a file nor a package around one
                return []
    return found


def _is_installed(module: str) -> bool:
    package = module.partition(".")[0]
    try:
        return isolation.importable(package)
    except ValueError:  # it is loaded, and says of itself that it comes from nowhere
        return True


@contextlib.contextmanager
def _working_folder() -> Iterator[None]:
    """Modules of the working folder can be imported too, after all installed ones."""
    here = os.getcwd()
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)


def _ref_of(line: str) -> str | None:
    try:
        return str(json_of(line)[0])
    except (ValueError, LookupError, TypeError):
        return None


def _remembered(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
