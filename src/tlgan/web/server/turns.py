"""Whose turn it is to paint: frames somebody drags for go first, long work in pieces between them, every client in turn.

One task at a time has the processor, since two would fight over torch's threads. Frames wait for one another in the order
in which they were asked, at most one a client. Long work (a strip, a gallery, a film, an exact edit) runs in threads of
its own that stop at the end of each piece (`tlgan.pieces`) until it is their turn again. While hands move, long work has
a quarter of the time; when none moves, all of it. Work that nobody waits for any more ends with its piece.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TypeVar
from weakref import WeakValueDictionary

from tlgan import pieces
from tlgan.errors import TlganError

T = TypeVar("T")

REST = 0.025  # seconds without a frame after which hands are taken to rest
SHARE = 1 / 3  # seconds of long work for each second of frames
DEBT = 0.25  # seconds by which long work may be ahead of its share
PIECE = 0.02  # seconds that a piece should take; its size follows
LARGEST = 16  # pictures in a piece
ACTIVE = 8  # pieces of long work begun at once; others wait in line
A_CLIENT, ALL = 10_000, 50_000  # pictures that one client, and all, may wait for at once

#: Who asks, of the task that runs: every client has its turn.
CLIENT: ContextVar[Hashable] = ContextVar("client", default=None)


class TooMuch(TlganError):
    """More is asked for at once than is taken on."""


class Dropped(Exception):
    """Nobody waits for this work any more."""


class _Work:
    """Long work that was begun."""

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self.wanted = wanted
        self.dropped = False
        self.begun: float | None = None  # its piece, while it has its turn
        self.size = 2  # pictures in a piece

    def took(self, seconds: float) -> None:
        """A piece took so long: the next is as large as should be."""
        if seconds > PIECE:
            self.size = max(1, self.size // 2)
        elif seconds < PIECE / 3:
            self.size = min(LARGEST, 2 * self.size)


class Turns:
    """`setup` is called in every thread that paints."""

    def __init__(self, setup: Callable[[], None]) -> None:
        self._painting = ThreadPoolExecutor(1, "tlgan-painter", initializer=setup)
        self._working = ThreadPoolExecutor(ACTIVE, "tlgan-long", initializer=setup)
        self._places = asyncio.Semaphore(ACTIVE)
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        self._pictures: Counter[Hashable] = Counter()
        self._turn = threading.Condition()
        self._busy = False
        self._line: deque[_Work] = deque()  # begun, and waiting for the next piece
        self._asked = 0  # frames that were asked for and are not there yet
        self._rests = 0.0  # when the last frame was there
        self._owed = 0.0  # seconds that frames have had and long work has not

    async def frame(self, task: Callable[[], T]) -> T:
        """`task()`, which takes milliseconds, as soon as it is this client's turn."""
        async with self._alone("frame"):
            self._asked += 1
            try:
                return await asyncio.get_running_loop().run_in_executor(self._painting, self._paint, task)
            finally:
                self._asked -= 1

    async def long(self, pictures: int, task: Callable[[], T], wanted: Callable[[], bool] = lambda: True) -> T:
        """`task()` in pieces. `pictures`: about so many are painted; `wanted`: asked between pieces, from any thread.

        Raises `TooMuch` where too many pictures are waited for already, `Dropped` once it is not wanted.
        """
        client = CLIENT.get()
        if self._pictures[client] + pictures > A_CLIENT or self._pictures.total() + pictures > ALL:
            raise TooMuch("too much is asked for at once: wait until something of it is there")
        self._pictures[client] += pictures
        try:
            async with self._alone("long"), self._places:
                work = _Work(wanted)
                try:
                    return await asyncio.get_running_loop().run_in_executor(self._working, self._work, work, task)
                finally:
                    work.dropped = True  # where it was cancelled it still runs
        finally:
            self._pictures[client] -= pictures
            self._pictures += Counter()  # forgets who waits for nothing

    def close(self) -> None:
        """Let the threads go."""
        for pool in (self._painting, self._working):
            pool.shutdown(wait=False, cancel_futures=True)

    def _alone(self, kind: str) -> asyncio.Lock:
        """One task of a kind a client, in the order in which they were asked for."""
        client = CLIENT.get()
        return asyncio.Lock() if client is None else self._locks.setdefault((kind, client), asyncio.Lock())

    # -- in the threads ----------------------------------------------------------------------------------------

    def _paint(self, task: Callable[[], T]) -> T:
        with self._turn:
            while self._busy or (self._line and self._owed > 0):
                self._turn.wait()
            self._busy = True
        begun = time.monotonic()
        try:
            return task()
        finally:
            with self._turn:
                self._busy = False
                self._rests = time.monotonic()
                if self._line:
                    self._owed += SHARE * (self._rests - begun)
                self._turn.notify_all()

    def _work(self, work: _Work, task: Callable[[], T]) -> T:
        self._begin(work)
        try:
            with pieces.between(lambda: work.size, lambda: self._give_way(work)):
                return task()
        finally:
            self._end(work)

    def _give_way(self, work: _Work) -> None:
        self._end(work)
        self._begin(work)

    def _begin(self, work: _Work) -> None:
        with self._turn:
            self._line.append(work)
            while not self._may_begin(work) and not work.dropped:
                self._turn.wait(REST)
            self._line.remove(work)
            if work.dropped or not work.wanted():
                self._turn.notify_all()
                raise Dropped
            self._busy = True
            work.begun = time.monotonic()

    def _may_begin(self, work: _Work) -> bool:
        if self._busy or self._line[0] is not work:
            return False
        return self._owed > 0 or not (self._asked or time.monotonic() < self._rests + REST)

    def _end(self, work: _Work) -> None:
        if work.begun is None:
            return
        with self._turn:
            spent = time.monotonic() - work.begun
            work.took(spent)
            work.begun = None
            self._owed = max(self._owed - spent, -DEBT)
            self._busy = False
            self._turn.notify_all()
