"""Which worker does which item, so that results come in the order of the items whatever happens to workers.

A worker has few items before it, and no more results wait for their turn than some for each worker. What a lost worker
had in hand goes to others; what is slow at the end, or holds up all that follows, is begun a second time elsewhere, and
the first result counts. Items are functions of their recipe, so it does not matter which. Nothing here knows where
workers are: a pool does (`cluster.Actors`).
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from collections.abc import Generator as Steps
from dataclasses import dataclass, field
from typing import Any, Protocol

from tlgan.errors import TlganError

from .engines import AHEAD

#: Results, done or in hand, that there are at most for each worker before the next in order is taken.
WAITING = 4
#: An item counts as slow after so many times the median, and no sooner than in so many seconds.
SLOW, SOON = 3.0, 2.0
#: Workers that one item may take with it, and those that may be lost before one has done anything, for each there is.
FATAL = 3
_LOOKED_AT = 32  # items, from the first that waits, among which a slow one is looked for
_TYPICAL = 101  # durations that the median is of


@dataclass(frozen=True)
class Joined:
    """A worker is ready."""

    worker: Hashable


@dataclass(frozen=True)
class Left:
    """A worker is gone, and why."""

    worker: Hashable
    why: str


@dataclass(frozen=True)
class Done:
    """A worker has done an item: what it gave can be fetched."""

    worker: Hashable
    number: int


@dataclass(frozen=True)
class Failed:
    """An item raised an error in a worker; ``unfit``: the fault is the place's (a full disk), not the item's."""

    worker: Hashable
    number: int
    error: Exception
    unfit: bool = False


Event = Joined | Left | Done | Failed


class Lost(Exception):
    """A result is gone with the machine that held it."""


class Pool(Protocol):
    """Workers somewhere."""

    def submit(self, worker: Hashable, number: int, item: Any) -> None:
        """Put an item behind those that a worker has."""

    def events(self, seconds: float) -> list[Event]:
        """What has happened since; waits so long for something."""

    def fetch(self, worker: Hashable, number: int) -> Any:
        """What a worker gave for an item, which is then forgotten. Raises Lost."""

    def forget(self, worker: Hashable, number: int) -> None:
        """A result, or an item in hand, is not needed."""

    def retire(self, worker: Hashable) -> list[Hashable]:
        """End a worker, and all that share its place; they are returned, and are not replaced."""

    def coming(self) -> int:
        """Workers that were asked for and are not ready."""


@dataclass
class _Unit:
    item: Any
    holders: list[Hashable] = field(default_factory=list)
    by: Hashable | None = None
    deaths: int = 0


class Schedule:
    """`run` hands `items` to the workers of a pool; `says` is called with a line about each that was lost."""

    def __init__(
        self, pool: Pool, says: Callable[[str], None] = lambda words: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.pool, self.says, self.clock = pool, says, clock
        self._hands: dict[Hashable, deque[int]] = {}  # by worker, what it has before it
        self._since: dict[Hashable, float] = {}  # when it began the first of those
        self._free: deque[Hashable] = deque()  # a worker for each item that it could still be given
        self._units: dict[int, _Unit] = {}
        self._again: deque[int] = deque()
        self._took: deque[float] = deque(maxlen=_TYPICAL)
        self._next = 0  # the item whose result is to come next
        self._lost_in_a_row = 0

    def run(self, items: Iterator[Any]) -> Steps[Any, None, None]:
        """What becomes of each item, in order. Raises what an item raised, and TlganError where no worker is left."""
        numbered = enumerate(items)
        self._left = True
        while True:
            self._hand_out(numbered)
            unit = self._units.get(self._next)
            if unit is not None and unit.by is not None:
                try:
                    value = self.pool.fetch(unit.by, self._next)
                except Lost:
                    unit.by = None
                    self._again.append(self._next)
                    continue
                del self._units[self._next]
                self._next += 1
                yield value
                for event in self.pool.events(0):
                    self._see(event)
                continue
            if not self._left and not self._units:
                return
            for event in self.pool.events(0.5 if self._idle() else 5.0):
                self._see(event)

    def _hand_out(self, numbered: Iterator[tuple[int, Any]]) -> None:
        while self._free:
            worker = self._free[0]
            if worker not in self._hands:
                self._free.popleft()
                continue
            number = self._to_do(numbered)
            if number is None:
                break
            self._free.popleft()
            self._give(worker, number)
        if self._free and not self._again:
            self._repeat_slow()

    def _to_do(self, numbered: Iterator[tuple[int, Any]]) -> int | None:
        while self._again:
            number = self._again.popleft()
            unit = self._units.get(number)
            if unit is not None and unit.by is None and not unit.holders:
                return number
        room = len(self._units) < max(WAITING * len(self._hands), 2 * AHEAD)
        if not self._left or not room:
            return None
        number, item = next(numbered, (-1, None))
        if number < 0:
            self._left = False
            return None
        self._units[number] = _Unit(item)
        return number

    def _give(self, worker: Hashable, number: int) -> None:
        if not self._hands[worker]:
            self._since[worker] = self.clock()
        self._hands[worker].append(number)
        self._units[number].holders.append(worker)
        self.pool.submit(worker, number, self._units[number].item)

    def _idle(self) -> bool:
        return any(worker in self._hands and not self._hands[worker] for worker in itertools.islice(self._free, 4))

    def _repeat_slow(self) -> None:
        """Nothing new can be handed out: workers that have nothing to do take over what others have not begun, and begin
        what is slow again."""
        idle = deque(dict.fromkeys(w for w in self._free if w in self._hands and not self._hands[w]))
        if not idle:
            return
        limit = max(SLOW * statistics.median(self._took), SOON) if self._took else float("inf")
        now = self.clock()
        for number, unit in itertools.islice(self._units.items(), _LOOKED_AT):
            if not idle:
                return
            if unit.by is not None or len(unit.holders) != 1:
                continue
            holder = unit.holders[0]
            begun = self._hands[holder][0] == number
            if not begun or now - self._since[holder] > limit:
                worker = idle.popleft()
                self._free.remove(worker)
                if begun:
                    self.says(f"item {number + 1} is slow on {holder}: {worker} does it too")
                self._give(worker, number)

    def _see(self, event: Event) -> None:
        if isinstance(event, Joined):
            self._hands[event.worker] = deque()
            self._free.appendleft(event.worker)  # who has nothing to do comes first
            self._free.extend([event.worker] * (AHEAD - 1))
        elif event.worker not in self._hands:
            pass  # it was given up
        elif isinstance(event, Done | Failed) and event.number not in self._hands[event.worker]:
            pass  # another did it before
        elif isinstance(event, Done):
            self._finished(event.worker, event.number)
        elif isinstance(event, Failed) and not event.unfit:
            raise event.error
        elif isinstance(event, Failed):
            gone = self.pool.retire(event.worker)
            self.says(f"{event.worker} can't go on ({event.error}): what it had goes to others")
            for worker in gone:
                self._drop(worker)
            if not self._hands and not self.pool.coming():
                raise event.error
        elif isinstance(event, Left):
            hand = self._hands[event.worker]
            self.says(f"{event.worker} was lost ({event.why}): {_words(len(hand))} it had goes to others")
            if hand:
                self._count_death(hand[0], event)
            self._drop(event.worker)
            self._lost_in_a_row += 1
            if self._lost_in_a_row > FATAL * (len(self._hands) + self.pool.coming() + 1):
                raise TlganError(f"workers are lost faster than they do anything: the last one said {event.why}")
            if not self._hands and not self.pool.coming():
                raise TlganError(f"no worker is left: the last one was lost ({event.why}); run the same command again")

    def _finished(self, worker: Hashable, number: int) -> None:
        hand, now = self._hands[worker], self.clock()
        if hand and hand[0] == number:
            self._took.append(now - self._since[worker])
        hand.remove(number)
        self._since[worker] = now
        (self._free.append if hand else self._free.appendleft)(worker)
        self._lost_in_a_row = 0
        unit = self._units.get(number)
        if unit is None or unit.by is not None:  # another was faster
            self.pool.forget(worker, number)
            return
        unit.by = worker
        unit.holders.remove(worker)
        for other in unit.holders:
            if self._hands[other][0] != number:  # it has not begun it, and need not
                self._hands[other].remove(number)
                self._free.append(other)
                self.pool.forget(other, number)

    def _count_death(self, number: int, event: Left) -> None:
        unit = self._units.get(number)
        if unit is not None and unit.by is None:
            unit.deaths += 1
            if unit.deaths >= FATAL:
                raise TlganError(
                    f"item {number + 1} took {FATAL} workers with it ({event.why}): look at their memory, or give each more"
                )

    def _drop(self, worker: Hashable) -> None:
        for number in self._hands.pop(worker, ()):
            self.pool.forget(worker, number)
            unit = self._units.get(number)
            if unit is None or unit.by is not None:
                continue
            unit.holders.remove(worker)
            if not unit.holders:
                self._again.append(number)


def _words(count: int) -> str:
    return {0: "nothing", 1: "the item"}.get(count, f"the {count} items")
