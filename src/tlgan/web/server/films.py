"""A walk between two faces as a file: frames enlarged to a size that is worth looking at, then GIF or MP4."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tlgan.provenance import Claim

SIDE = 384  # pixels, at least: a 64-pixel film is a stamp


def there_and_back(count: int) -> list[float]:
    """`count` places in [0, 1] that go from 0 to 1 and back, slow at both ends, so that the film loops."""
    turn = np.arange(count) / count
    return list((0.5 - 0.5 * np.cos(2 * np.pi * turn)).tolist())


def film(pictures: NDArray[np.uint8], kind: str, fps: int, claim: Claim | None = None) -> bytes:
    """uint8 [n, H, W, 3] -> the bytes of a GIF or MP4 that carries `claim`."""
    from tlgan.editing.film import enlarge, write_film

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"walk.{kind}"
        write_film(path, enlarge(pictures, SIDE), fps, claim)
        return path.read_bytes()
