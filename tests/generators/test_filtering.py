"""`upfirdn` by matrices and by convolutions against its definition."""

import numpy as np
import pytest
import torch

from tests.generators import official
from tlgan.generators.nets.filtering import Filter


@pytest.mark.parametrize("taps", [(1,), (4,), (7,), (24,), (12, 12)])
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 4), (3, 2)])
@pytest.mark.parametrize("pad", [(0, 0, 0, 0), (11, 12, 9, 10), (5, -3, -2, 7), (40, 40, 40, 40)])
@pytest.mark.parametrize("side", [30, 80])
def test_is_what_its_definition_says(taps, up, down, pad, side):
    generator = torch.Generator().manual_seed(0)
    kernel = torch.randn(taps, generator=generator) / taps[0]
    x = torch.randn(2, 3, side, side + 3, generator=generator)
    expected = official.upfirdn(x.double(), kernel, up, down, pad, gain=4.0).numpy()
    ours = Filter(kernel, 4.0)(x, up=up, down=down, pad=pad).numpy()
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() < 1e-4 * max(1, np.abs(expected).max())


def test_gradients_flow():
    x = torch.randn(1, 2, 20, 20, requires_grad=True)
    Filter(torch.ones(12) / 12)(x, up=2, pad=(6, 5, 6, 5)).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().sum() > 0
