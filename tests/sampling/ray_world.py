"""A Ray of this machine for tests, and a world whose parts can be told to fail."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.worlds import HalvesExtractor
from tlgan.errors import TlganError
from tlgan.samples.cluster import import_ray, start_ray

TRIES = 3


@contextmanager
def small_ray(cpus: int = 2) -> Iterator[Any]:
    """A Ray of few processes that asks nobody outside. Its start waits 15 s for helpers of its own, which a busy machine
    may exceed, so it is tried again."""
    ray = import_ray()
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True) as folder:
        for attempt in range(TRIES):
            try:
                start_ray(ray, "", cpus, object_store_memory=80 * 2**20, _temp_dir=folder)
                break
            except TlganError as error:
                ray.shutdown()
                if attempt == TRIES - 1:  # of the machine, and of Ray's fixed patience: nothing of ours was tried
                    pytest.skip(f"Ray does not start on this machine now: {error}")
        try:
            yield ray
        finally:
            ray.shutdown()


class Deadly(HalvesExtractor):
    """Kills its own process at each of `calls` of itself, once in all, and leaves a file in `folder` to say so."""

    def __init__(self, folder: Path, calls: tuple[int, ...]) -> None:
        self.folder, self.calls, self.seen = folder, calls, 0

    def extract(self, images: Any) -> Any:
        self.seen += 1
        if self.seen in self.calls and os.environ.get("RAY_RAYLET_PID"):
            mark = self.folder / f"died-{self.seen}"
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().extract(images)
