"""Latents as a pure function of (seed, index).

Every row of the latent stream can be computed alone, so a run can be stopped, resumed, or split over workers in any
way and still draw bit-identical latents. The stream is counter-based and simple enough to be written again in
another language:

    words   Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), key (seed, 0);
            a row of d numbers owns B = ceil(d / 4) blocks of four 64-bit words: block b of row i is the block of the
            256-bit counter i * B + b
    uniform u = ((word >> 11) + 0.5) / 2**53, in (0, 1]
    normal  Box-Muller on each pair (u, v) of neighbouring words, in float64, rounded to float32:
            sqrt(-2 ln u) cos(2 pi v), sqrt(-2 ln u) sin(2 pi v)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tlgan.errors import TlganError


def sample_latents(n: int, dim: int, *, seed: int, start: int = 0) -> NDArray[np.float32]:
    """Rows `start` to `start + n` of the standard normal latent stream of `seed`: float32 [n, dim].

    Row i depends on `(seed, start + i)` and on `dim` alone. `seed` and `start` are in 0 .. 2**64 - 1.
    """
    for what, value in (("seed", seed), ("start", start)):
        if not 0 <= value < 2**64:
            raise TlganError(f"{what} {value} is out of range: expected 0 to 2**64 - 1")
    if n < 0 or dim < 1:
        raise TlganError(f"{n} latents of {dim} dimensions can't be drawn: expected n >= 0 and dim >= 1")
    blocks = -(-dim // 4)
    # numpy increments the counter before it makes a block, hence the one less (modulo 2**256).
    bits = np.random.Philox(key=seed, counter=(start * blocks - 1) % 2**256)
    words = bits.random_raw(n * blocks * 4) if n else np.empty(0, np.uint64)
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(uniform[0::2]))
    angle = (2.0 * np.pi) * uniform[1::2]
    normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)  # [pairs, 2]
    return np.ascontiguousarray(normal.reshape(n, blocks * 4)[:, :dim], dtype=np.float32)
