"""Resizing without aliasing, and grey to colour."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from tlgan.extractors.images import prepare


def test_a_fine_grating_becomes_flat_and_not_a_pattern():
    grating = torch.ones(1, 3, 512, 512)
    grating[..., ::2] = -1
    assert prepare(grating, 64).abs().max() < 0.05  # the border alone


def test_making_smaller_agrees_with_pillow():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (100, 80, 3), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(array).resize((64, 64), Image.Resampling.BILINEAR), np.float32) / 127.5 - 1
    ours = prepare(torch.from_numpy(array).permute(2, 0, 1)[None].float() / 127.5 - 1, 64)[0].permute(1, 2, 0)
    assert np.abs(ours.numpy() - theirs).max() < 1.5 / 127.5  # theirs is rounded to 256 levels, twice


def test_the_right_size_is_left_as_it_is():
    x = torch.rand(2, 3, 64, 64)
    assert torch.equal(prepare(x, 64), x)
    assert prepare(torch.rand(2, 3, 20, 30), None).shape == (2, 3, 20, 30)


def test_grey_is_repeated_and_range_is_kept():
    x = prepare(3 * torch.randn(2, 1, 20, 20), 64)
    assert x.shape == (2, 3, 64, 64)
    assert torch.equal(x[:, 0], x[:, 2])
    assert x.abs().max() <= 1
