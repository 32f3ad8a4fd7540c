"""Where samples are painted: in this process, or in several on this machine.

A row is a function of the recipe and its number alone, so pieces of rows can be painted anywhere. An engine is given the
same pieces whatever it is, and paints each as a whole, so the rows are the same bit for bit.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Generator as Steps
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tlgan.errors import TlganError
from tlgan.io.isolation import Worker, worker

from .draw import OnRows, Painted, paint_rows
from .recipe import Recipe

if TYPE_CHECKING:
    from tlgan.extractors import Extractor
    from tlgan.generators import Generator

#: Pieces that each process has before it, the one in hand among them.
_AHEAD = 2
MOST_PROCESSES = 256


@dataclass(frozen=True, eq=False)
class Job:
    """What is drawn: by which networks, by which recipe; ``on_rows(n)`` hears of n more rows."""

    generator: Generator
    extractor: Extractor
    recipe: Recipe
    on_rows: OnRows | None = None

    def paint(self, start: int, rows: int) -> Painted:
        """Rows [start, start + rows), see `paint_rows`."""
        return paint_rows(self.generator, self.extractor, self.recipe, start, rows, self.on_rows)


class Local:
    """In this process, one piece after another."""

    def paint(self, job: Job, pieces: Iterator[tuple[int, int]]) -> Steps[Painted, None, None]:
        """As `tlgan.hooks.SamplingEngine`."""
        for start, rows in pieces:
            yield job.paint(start, rows)


class Processes:
    """In `count` processes of this machine, which are given copies of the networks.

    Each uses as many threads as this process does, since another number may change a sum's last bit; set OMP_NUM_THREADS
    to the share of the cores that each is to have.
    """

    def __init__(self, count: str | int = 2) -> None:
        """Raises ValueError where `count` is not a whole number from 1 to 256."""
        self.count = int(count)
        if not 1 <= self.count <= MOST_PROCESSES:
            raise ValueError(f"{count} processes: expected 1 to {MOST_PROCESSES}")

    def paint(self, job: Job, pieces: Iterator[tuple[int, int]]) -> Steps[Painted, None, None]:
        """As `tlgan.hooks.SamplingEngine`."""
        import torch

        try:
            task = pickle.dumps((replace(job, on_rows=None), torch.get_num_threads()))
        except Exception as error:  # whatever the networks hold says in its own way that it can't be copied
            raise TlganError(
                f"{job.generator.name} and {job.extractor.name} can't be copied into other processes "
                f"({str(error).splitlines()[0][:120]}): use --engine local"
            ) from error
        with ExitStack() as stack:
            workers = [stack.enter_context(worker("tlgan.samples.worker", task)) for _ in range(self.count)]
            threads = stack.enter_context(ThreadPoolExecutor(self.count))
            for one in workers:  # stopped before the threads that wait for them are waited for
                stack.callback(one.stop)
            free: deque[Worker] = deque(workers * _AHEAD)
            running: deque[tuple[Worker, Future[Painted]]] = deque()
            for piece in pieces:
                one = free.popleft()
                running.append((one, threads.submit(one.ask, piece)))
                if not free:
                    yield self._next(running, free, job.on_rows)
            while running:
                yield self._next(running, free, job.on_rows)

    @staticmethod
    def _next(running: deque[tuple[Worker, Future[Painted]]], free: deque[Worker], on_rows: OnRows | None) -> Painted:
        one, waiting = running.popleft()
        try:
            painted = waiting.result()
        except (RuntimeError, AttributeError, ImportError) as error:
            raise TlganError(f"a sampling process failed ({error}): use --engine local") from error
        free.append(one)
        if on_rows is not None:
            on_rows(len(painted[1]))
        return painted
