"""Long work in pieces: loops over pictures cut them here, and whoever runs the work may let others go first in between.

Alone, as on the command line, a piece is as large as the loop allows. A server asks for small ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_RUNNING: ContextVar[tuple[Callable[[], int], Callable[[], None]] | None] = ContextVar("running", default=None)


@contextmanager
def between(size: Callable[[], int], give_way: Callable[[], None]) -> Iterator[None]:
    """Within, a piece has at most `size()` pictures, and `give_way()` is called after each; it may raise to end the work."""
    token = _RUNNING.set((size, give_way))
    try:
        yield
    finally:
        _RUNNING.reset(token)


def cut(count: int, most: int | None = None) -> Iterator[slice]:
    """0 to `count` in pieces of at most `most` (None: all at once)."""
    first = 0
    while first < count:
        running = _RUNNING.get()
        size = min(most or count, running[0]() if running else count)
        yield slice(first, min(first + size, count))
        first += size
        done()


def done() -> None:
    """A piece is finished: for loops that are not over pictures."""
    running = _RUNNING.get()
    if running is not None:
        running[1]()
