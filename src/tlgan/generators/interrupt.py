"""Painting that can be cancelled: a large generator checks between its blocks whether its picture is still wanted.

A context rather than an argument, so that it reaches the generator through everything that paints with it:

    with calling_off(newer.is_set):
        generator.synthesize(w, space="w")

It holds for the thread, or asyncio task, that entered it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tlgan import pieces

_unwanted: ContextVar[Callable[[], bool] | None] = ContextVar("tlgan_unwanted", default=None)


class PaintingCalledOff(Exception):
    """The picture was no longer wanted; nothing is wrong."""


@contextmanager
def calling_off(unwanted: Callable[[], bool]) -> Iterator[None]:
    """Pictures painted in this context are given up, with `PaintingCalledOff`, once `unwanted()` is true."""
    token = _unwanted.set(unwanted)
    try:
        yield
    finally:
        _unwanted.reset(token)


def still_wanted() -> None:
    """Between blocks: let others go first, and raise `PaintingCalledOff` where the picture is no longer wanted."""
    pieces.done()
    unwanted = _unwanted.get()
    if unwanted is not None and unwanted():
        raise PaintingCalledOff("this picture was called off")
