"""The latent stream: the same bits however it is split, and the same as an independent reading of its definition."""

import itertools
import math

import numpy as np
import pytest

from tlgan.errors import TlganError
from tlgan.generators import sample_latents

_MASK = 2**64 - 1


def philox(counter: int, key: int) -> list[int]:
    """Philox4x64-10 in plain integers, written from the paper."""
    x = [(counter >> (64 * i)) & _MASK for i in range(4)]
    k0, k1 = key & _MASK, key >> 64
    for _ in range(10):
        p0, p1 = x[0] * 0xD2E7470EE14C6C93, x[2] * 0xCA5A826395121157
        x = [(p1 >> 64) ^ x[1] ^ k0, p1 & _MASK, (p0 >> 64) ^ x[3] ^ k1, p0 & _MASK]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & _MASK, (k1 + 0xBB67AE8584CAA73B) & _MASK
    return x


def latent_row(seed: int, index: int, dim: int) -> list[float]:
    blocks = -(-dim // 4)
    words = [word for b in range(blocks) for word in philox(index * blocks + b, seed)]
    row = []
    for u, v in zip(words[0::2], words[1::2], strict=True):
        radius = math.sqrt(-2 * math.log(((u >> 11) + 0.5) / 2**53))
        angle = 2 * math.pi * (((v >> 11) + 0.5) / 2**53)
        row += [radius * math.cos(angle), radius * math.sin(angle)]
    return row[:dim]


@pytest.mark.parametrize(("seed", "start", "dim"), [(0, 0, 100), (7, 12345, 6), (2**63 + 9, 2**40, 1), (1, 5, 512)])
def test_is_what_its_definition_says(seed, start, dim):
    ours = sample_latents(3, dim, seed=seed, start=start)
    oracle = np.array([latent_row(seed, start + i, dim) for i in range(3)], dtype=np.float32)
    assert ours.dtype == np.float32
    assert ours.shape == (3, dim)
    np.testing.assert_allclose(ours, oracle, rtol=0, atol=5e-7)


@pytest.mark.parametrize("dim", [1, 7, 100])
def test_any_split_gives_the_same_bits(dim):
    whole = sample_latents(1000, dim, seed=3, start=17)
    cuts = [0, 1, 2, 333, 334, 999, 1000]
    parts = [sample_latents(b - a, dim, seed=3, start=17 + a) for a, b in itertools.pairwise(cuts)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_is_standard_normal_and_uncorrelated():
    rows = sample_latents(20_000, 10, seed=1).astype(np.float64)
    assert abs(rows.mean()) < 0.01
    assert abs(rows.std() - 1) < 0.01
    assert abs((rows**4).mean() - 3) < 0.1
    assert np.abs(np.corrcoef(rows.T) - np.eye(10)).max() < 0.035
    assert abs(np.corrcoef(rows[:-1].ravel(), rows[1:].ravel())[0, 1]) < 0.01


def test_seeds_are_different_streams():
    assert not np.array_equal(sample_latents(4, 8, seed=0), sample_latents(4, 8, seed=1))


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"seed": 2**64}, {"seed": 0, "start": -1}])
def test_says_what_is_out_of_range(arguments):
    with pytest.raises(TlganError, match="out of range"):
        sample_latents(1, 4, **arguments)


def test_no_rows():
    assert sample_latents(0, 5, seed=0).shape == (0, 5)
