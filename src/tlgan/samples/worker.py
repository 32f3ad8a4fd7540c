"""The worker process of `engines.Processes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def start(given: tuple[Callable[[Any], Any], int]) -> Callable[[Any], Any]:
    """What answers an item, from a task and the number of threads that it is done with."""
    import torch

    task, threads = given
    torch.set_num_threads(threads)
    return task
