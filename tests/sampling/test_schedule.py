"""Who does which item, with workers that exist in this test alone: their time passes only when somebody waits."""

from __future__ import annotations

import heapq
import itertools
import re
import tracemalloc
from collections.abc import Callable, Hashable
from typing import Any

import pytest

from tlgan.errors import TlganError
from tlgan.samples.schedule import WAITING, Done, Event, Failed, Joined, Left, Lost, Schedule


class Simulated:
    """Workers that take `seconds(worker, number)` for an item and give ten times its value. ``faults``: what becomes of
    a number in place of being done, once: a function from worker and number to an event."""

    def __init__(
        self,
        workers: int,
        seconds: Callable[[Hashable, int], float] = lambda worker, number: 1.0,
        faults: dict[int, Callable[[Hashable, int], Event]] | None = None,
        replace: bool = True,
    ) -> None:
        self.now, self.seconds, self.faults, self.replace = 0.0, seconds, faults or {}, replace
        self.busy_until: dict[Hashable, float] = {}
        self.done: dict[tuple[Hashable, int], Any] = {}
        self.did: list[tuple[Hashable, int]] = []
        self.lost: set[int] = set()
        self._order, self._heap = itertools.count(), []  # type: ignore[var-annotated]
        self._names = (f"w{number}" for number in itertools.count(1))
        for _ in range(workers):
            self.join()

    def clock(self) -> float:
        return self.now

    def join(self) -> None:
        name = next(self._names)
        self.busy_until[name] = self.now
        self._at(self.now, Joined(name))

    def _at(self, when: float, event: Event) -> None:
        heapq.heappush(self._heap, (when, next(self._order), event))

    def submit(self, worker: Hashable, number: int, item: Any) -> None:
        start = max(self.now, self.busy_until[worker])
        self.busy_until[worker] = end = start + self.seconds(worker, number)
        fault = self.faults.pop(number, None)
        self.done[worker, number] = 10 * item
        self.did.append((worker, number))
        self._at(end, fault(worker, number) if fault else Done(worker, number))

    def events(self, seconds: float) -> list[Event]:
        found: list[Event] = []
        until = self.now + seconds
        while self._heap and (self._heap[0][0] <= self.now or (not found and self._heap[0][0] <= until)):
            when, _, event = heapq.heappop(self._heap)
            self.now = max(self.now, when)
            if event.worker not in self.busy_until:
                continue
            if isinstance(event, Left):
                del self.busy_until[event.worker]
                if self.replace:
                    self.join()
            found.append(event)
        if not found:
            self.now = until
        return found

    def fetch(self, worker: Hashable, number: int) -> Any:
        value = self.done.pop((worker, number))
        if number in self.lost:
            self.lost.discard(number)
            raise Lost
        return value

    def forget(self, worker: Hashable, number: int) -> None:
        self.done.pop((worker, number), None)

    def retire(self, worker: Hashable) -> list[Hashable]:
        del self.busy_until[worker]
        return [worker]

    def coming(self) -> int:
        return sum(isinstance(event, Joined) for _, _, event in self._heap)


def run(pool: Simulated, items: int = 40) -> tuple[list[int], list[str]]:
    said: list[str] = []
    return list(Schedule(pool, said.append, pool.clock).run(iter(range(items)))), said


def test_results_come_in_order_however_long_each_item_takes() -> None:
    pool = Simulated(5, seconds=lambda worker, number: 1 + (number * 7) % 5)
    assert run(pool) == ([10 * number for number in range(40)], [])
    assert len(pool.did) <= 42  # at the end one may take over what another is about to begin
    assert len(pool.done) <= 1  # and is left at it


def test_work_is_spread_over_all_workers() -> None:
    pool = Simulated(10)
    run(pool, 100)
    assert pool.now == pytest.approx(10.0)


def test_what_a_lost_worker_had_goes_to_others_and_is_told_in_one_line() -> None:
    pool = Simulated(4, faults={5: lambda worker, number: Left(worker, "killed")})
    found, said = run(pool)
    assert found == [10 * number for number in range(40)]
    assert len(said) == 1
    assert re.match(r"w\d was lost \(killed\): the ", said[0])
    assert any(worker == "w5" for worker, _ in pool.did)  # another came in its place


def test_a_result_that_is_lost_with_its_machine_is_made_again() -> None:
    pool = Simulated(3)
    pool.lost = {4}
    assert run(pool)[0] == [10 * number for number in range(40)]
    assert sum(number == 4 for _, number in pool.did) == 2


def test_a_slow_worker_does_not_hold_up_the_end() -> None:
    pool = Simulated(4, seconds=lambda worker, number: 1000.0 if worker == "w3" and number > 30 else 1.0)
    found, said = run(pool)
    assert found == [10 * number for number in range(40)]
    assert pool.now < 60
    assert any("slow on w3" in line for line in said)


def test_what_a_busy_worker_has_not_begun_is_taken_over() -> None:
    class Late(Simulated):
        """The second worker comes when the first has all there is."""

        def submit(self, worker: Hashable, number: int, item: Any) -> None:
            super().submit(worker, number, item)
            if len(self.did) == 2:
                self.join()

    pool = Late(1, seconds=lambda worker, number: 100.0)
    assert run(pool, 2) == ([0, 10], [])
    assert pool.now == pytest.approx(100.0)


def test_a_place_without_room_is_left_and_the_last_such_place_is_an_error() -> None:
    full = TlganError("the disk is full")
    pool = Simulated(2, faults={0: lambda worker, number: Failed(worker, number, full, True)})
    found, said = run(pool)
    assert found == [10 * number for number in range(40)]
    assert [re.sub("w[12]", "one", line) for line in said] == [
        "one can't go on (the disk is full): what it had goes to others"
    ]
    alone = Simulated(1, faults={3: lambda worker, number: Failed(worker, number, full, True)})
    with pytest.raises(TlganError, match="the disk is full"):
        run(alone)


def test_an_error_of_an_item_is_raised_at_once() -> None:
    broken = TlganError("not a number")
    pool = Simulated(2, faults={1: lambda worker, number: Failed(worker, number, broken)})
    with pytest.raises(TlganError, match="not a number"):
        run(pool)


def test_an_item_that_takes_workers_with_it_is_given_up() -> None:
    class Deadly(Simulated):
        def submit(self, worker: Hashable, number: int, item: Any) -> None:
            if number == 7:
                self.faults[number] = lambda worker, number: Left(worker, "out of memory")
            super().submit(worker, number, item)

    with pytest.raises(TlganError, match="item 8 took 3 workers with it"):
        run(Deadly(3))


def test_no_worker_left_is_an_error() -> None:
    pool = Simulated(1, faults={2: lambda worker, number: Left(worker, "node died")}, replace=False)
    with pytest.raises(TlganError, match="no worker is left"):
        run(pool)


def test_few_items_are_taken_ahead_and_few_results_wait() -> None:
    pool, taken, most = Simulated(6, seconds=lambda worker, number: 50.0 if number == 0 else 1.0), [], 0

    def items() -> Any:
        for number in range(500):
            taken.append(number)
            yield number

    for done, _ in enumerate(Schedule(pool, clock=pool.clock).run(items())):
        most = max(most, len(taken) - done)
    assert most <= WAITING * 6
    assert len(pool.did) >= 500


def test_memory_does_not_grow_with_the_number_of_items() -> None:
    peaks = []
    for items in (2_000, 20_000):
        pool = Simulated(50)
        pool.did = type("Nothing", (list,), {"append": lambda self, entry: None})()
        tracemalloc.start()
        assert sum(1 for _ in Schedule(pool, clock=pool.clock).run(iter(range(items)))) == items
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
