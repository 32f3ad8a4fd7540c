"""Where samples are painted: in this process, or in several on this machine. `cluster.Ray` goes beyond it.

A row is a function of the recipe and its number alone, so pieces of rows can be painted anywhere. An engine is given the
same pieces whatever it is, and paints each as a whole, so the rows are the same bit for bit. What it does with pieces it
does with any other items of work, `map`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Generator as Steps
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tlgan.errors import TlganError
from tlgan.io.isolation import Worker, worker

from .draw import OnRows, Painted, paint_rows
from .recipe import Recipe

if TYPE_CHECKING:
    from tlgan.extractors import Extractor
    from tlgan.generators import Generator

#: Pieces that each process has before it, the one in hand among them.
AHEAD = 2
MOST_PROCESSES = 256


@dataclass(frozen=True, eq=False)
class Job:
    """What is drawn: by which networks, by which recipe; ``on_rows(n)`` is called for n more rows."""

    generator: Generator
    extractor: Extractor
    recipe: Recipe
    on_rows: OnRows | None = None

    def paint(self, start: int, rows: int) -> Painted:
        """Rows [start, start + rows), see `paint_rows`."""
        return paint_rows(self.generator, self.extractor, self.recipe, start, rows, self.on_rows)

    def __call__(self, piece: tuple[int, int]) -> Painted:
        """`paint` of a piece (start, rows)."""
        return self.paint(*piece)


def painted_elsewhere(engine: Any, job: Job, pieces: Iterator[tuple[int, int]]) -> Steps[Painted, None, None]:
    """The pieces of a job by an engine's `map`, which reports no rows before they are there."""
    with_rows = engine.map(replace(job, on_rows=None), pieces)
    try:
        for painted in with_rows:
            if job.on_rows is not None:
                job.on_rows(len(painted[1]))
            yield painted
    finally:
        with_rows.close()


def mapped(
    engine: Any, task: Callable[[Any], Any], items: Iterable[Any], says: Callable[[str], None] = lambda words: None
) -> Iterator[Any]:
    """`task(item)` of each item, in order, by an engine that can (`map`), else in this process."""
    return engine.map(task, iter(items), says) if hasattr(engine, "map") else map(task, items)


class Local:
    """In this process, one piece after another."""

    def paint(self, job: Job, pieces: Iterator[tuple[int, int]]) -> Steps[Painted, None, None]:
        """As `tlgan.hooks.SamplingEngine`."""
        for piece in pieces:
            yield job(piece)


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
        return painted_elsewhere(self, job, pieces)

    def map(
        self, task: Callable[[Any], Any], items: Iterator[Any], says: Callable[[str], None] = lambda words: None
    ) -> Steps[Any, None, None]:
        """`task(item)` of each item, in order; few items are taken before they are needed."""
        import torch

        copied = copy_of((task, torch.get_num_threads()))
        with ExitStack() as stack:
            workers = [stack.enter_context(worker("tlgan.samples.worker", copied)) for _ in range(self.count)]
            threads = stack.enter_context(ThreadPoolExecutor(self.count))
            for one in workers:  # stopped before the threads that wait for them are waited for
                stack.callback(one.stop)
            free: deque[Worker] = deque(workers * AHEAD)
            running: deque[tuple[Worker, Future[Any]]] = deque()
            for item in items:
                one = free.popleft()
                running.append((one, threads.submit(one.ask, item)))
                if not free:
                    yield self._next(running, free)
            while running:
                yield self._next(running, free)

    @staticmethod
    def _next(running: deque[tuple[Worker, Future[Any]]], free: deque[Worker]) -> Any:
        one, waiting = running.popleft()
        try:
            done = waiting.result()
        except (RuntimeError, AttributeError, ImportError) as error:
            raise TlganError(f"a sampling process failed ({error}): use --engine local") from error
        free.append(one)
        return done


def copy_of(task: Any) -> bytes:
    """A task as bytes for another process, with what has no name there to be found by: closures, and what a script defines.
    Raises TlganError for networks that can't be copied."""
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(task)
        return data
    except Exception as error:  # whatever the networks hold says in its own way that it can't be copied
        said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise TlganError(f"these networks can't be copied into other processes ({said}): use --engine local") from error
