"""Who named a reference, and whether what a file names may be fetched.

A person who names an address wants it. A workspace or a description may come from a stranger, and fetching what it
names tells its author that it was opened, or sends a request into the reader's own network. So everything that is
loaded because a file names it is loaded inside `named_by`, and the hub asks `check` before it fetches: a person
agrees (`ask_with`, `agree_to_all`), or nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from tlgan.errors import Refused

Ask = Callable[[str], bool]


@dataclass(frozen=True)
class _Naming:
    file: str
    agreed: bool


_naming: ContextVar[_Naming | None] = ContextVar("naming", default=None)
_ask: Ask | None = None  # of the process, whichever of its threads loads
_agreed: set[str] = set()


@contextmanager
def named_by(file: str | Path | None, *, agreed: bool = False) -> Iterator[None]:
    """What is loaded inside is named by `file`; with None it is named by whom it was. `agreed`: and may be fetched."""
    outer = _naming.get()
    inner = outer if file is None else _Naming(str(file), agreed or (outer is not None and outer.agreed))
    token = _naming.set(inner)
    try:
        yield
    finally:
        _naming.reset(token)


@contextmanager
def asked_by_us() -> Iterator[None]:
    """What is fetched inside is pinned in this package, whoever named it."""
    token = _naming.set(None)
    try:
        yield
    finally:
        _naming.reset(token)


def by_file() -> bool:
    """Whether what is loaded now is named by a file, and not by a person or by this package."""
    return _naming.get() is not None


def check(ref: str) -> None:
    """Raise Refused where a file names `ref` and no person agrees to fetch it."""
    naming = _naming.get()
    if naming is None or naming.agreed or ref in _agreed:
        return
    if _ask is not None and _ask(f"{naming.file} asks to fetch {ref}"):
        _agreed.add(ref)
        return
    raise Refused(
        f"{naming.file} asks to fetch {ref}, which you have not named and which is not in the cache: nothing was "
        "sent; if you want that, run the same command with --yes (in Python: tlgan.open(..., fetch=True))"
    )


def ask_with(ask: Ask | None) -> None:
    """Ask a person from now on: `ask(what)` returns whether they agree. None: nobody is there."""
    global _ask
    _ask = ask


def agree_to_all() -> None:
    """From now on whatever a file names may be fetched (`--yes`)."""
    ask_with(lambda what: True)
