"""The other end of `engines.Processes`: paints the pieces that it is asked for, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def start(task: tuple[Any, int]) -> Callable[[tuple[int, int]], Any]:
    """What answers a piece (start, rows), for a task of job and number of threads."""
    import torch

    job, threads = task
    torch.set_num_threads(threads)
    return lambda piece: job.paint(*piece)
