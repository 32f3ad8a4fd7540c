"""Bytes and numbers of pictures: nothing is lost on the way there and back, and shapes are kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tlgan.io.pixels import fitted, in_colour, levels_of, resampled, rounded, scaled, to_bytes, to_images


def test_every_level_comes_back() -> None:
    pictures = np.arange(256 * 3, dtype=np.uint16).reshape(1, 16, 16, 3).astype(np.uint8)
    images = to_images(pictures)
    assert (images.shape, images.dtype) == ((1, 3, 16, 16), torch.float32)
    assert (float(images.min()), float(images.max())) == (-1, 1)
    np.testing.assert_array_equal(to_bytes(images), pictures)
    torch.testing.assert_close(to_images(torch.from_numpy(pictures[0])), images[0], rtol=0, atol=0)


def test_what_lies_outside_is_clipped() -> None:
    assert levels_of(torch.tensor([-9.0, -1.0, 0.0, 1.0, 1.01])).tolist() == [0, 0, 128, 255, 255]
    assert rounded(np.array([-0.6, 0.4, 1.6, 255.7])).tolist() == [0, 0, 2, 255]


def test_grey_becomes_three_equal_channels() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(1, 3, 4, 1)
    np.testing.assert_array_equal(in_colour(grey), grey.repeat(3, axis=3))
    colours = grey.repeat(3, axis=3)
    assert in_colour(colours) is colours


@pytest.mark.parametrize(
    ("size", "side", "wanted"), [((40, 20), 10, (10, 5)), ((1, 500), 10, (1, 10)), ((7, 7), 9, (9, 9))]
)
def test_another_size_keeps_the_shape(size: tuple[int, int], side: int, wanted: tuple[int, int]) -> None:
    assert fitted(size, side) == wanted
    assert scaled(np.zeros((*size, 3), dtype=np.uint8), side).shape == (*wanted, 3)


def test_a_smaller_picture_is_filtered() -> None:
    stripes = torch.tensor([-1.0, 1.0]).repeat(8).expand(1, 3, 16, 16)
    assert resampled(stripes, (16, 16)) is stripes
    assert float(resampled(stripes, (4, 4)).abs().max()) < 0.2
