"""Names of modules as they were in version 0.1 before the rooms: they import the new ones, with a warning, for one version."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False  # as in `__init__`: nothing more is imported while the working folder may be on the path
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_MOVED = {
    "tlgan.about": "tlgan.workspace.terms",
    "tlgan.add": "tlgan.workspace.add",
    "tlgan.adopt": "tlgan.workspace.importing",
    "tlgan.demo": "tlgan.cli.demo",
    "tlgan.discover": "tlgan.workspace.discover",
    "tlgan.doctor": "tlgan.cli.doctor",
    "tlgan.download": "tlgan.io.download",
    "tlgan.files": "tlgan.io.files",
    "tlgan.hub": "tlgan.io.hub",
    "tlgan.labelling": "tlgan.web.label",
    "tlgan.publish": "tlgan.web.publish",
    "tlgan.sampling": "tlgan.samples",
    "tlgan.studio": "tlgan.web.server",
    "tlgan.terminal": "tlgan.cli.terminal",
    "tlgan.watcher": "tlgan.progress",
}


#: Modules whose old name is a function now.
_FUNCTIONS = {"tlgan.workspace.discover": "tlgan.front:discover", "tlgan.web.publish": "tlgan.web.publish:publish"}


class _Callable(type(importlib)):  # type: ignore[misc]
    def __call__(self, *args: object, **options: object) -> object:
        home, _, name = _FUNCTIONS[self.__name__].partition(":")
        return getattr(importlib.import_module(home), name)(*args, **options)


class OldNames:
    """Finds the modules above and those inside them; anything else is left to Python."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if _new_name(fullname) is None:
            return None
        return ModuleSpec(fullname, self)  # type: ignore[arg-type]  # a loader is what has its two methods

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        import warnings

        name = str(_new_name(spec.name))
        warnings.warn(f"{spec.name} is now {name}", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(name)
        self._spec = module.__spec__
        if name in _FUNCTIONS:
            module.__class__ = _Callable  # Python binds it to the name that the front door's function has
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has put the old name's there; the module has run already


def _new_name(name: str) -> str | None:
    for old, new in _MOVED.items():
        if name == old or name.startswith(f"{old}."):
            return new + name[len(old) :]
    return None


def install() -> None:
    """Let old names be imported."""
    sys.meta_path.insert(0, OldNames())  # before Python looks into the new folders under the old names
