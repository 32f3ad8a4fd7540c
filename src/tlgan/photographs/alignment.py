"""The square of a photograph that a generator would have been shown: how its training pictures were cropped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tlgan.errors import TlganError

from .finding import Face
from .warping import similarity

#: The mesh's eyes lie farther apart than those of the detector that FFHQ was cropped by: on 30 faces whose true crop is
#: known, the crop came out 4.5 % too wide (on 30 others, with this factor, 2.4 % off on average either way).
_EYES = 0.95


def ffhq(face: Face) -> np.ndarray:
    """FFHQ's square [2, 3] of a face (Karras, Laine and Aila, CVPR 2019, from eyes and corners of the mouth)."""
    right, left = face.part("right_eye").mean(axis=0), face.part("left_eye").mean(axis=0)
    eyes, mouth = (right + left) / 2, face.part("mouth").mean(axis=0)
    across, down = left - right, mouth - eyes
    axis = across - _quarter(down)
    axis = axis / np.hypot(*axis) * max(np.hypot(*across) * 2.0 * _EYES, np.hypot(*down) * 1.8)  # half a side
    return similarity(eyes + down * 0.1, 2 * float(np.hypot(*axis)), float(np.arctan2(axis[1], axis[0])))


#: Where CelebA's aligned pictures of 178 x 218 have the eyes and the corners of the mouth on average, in pixels (mean
#: of the data set's own landmarks), and the square of 178 that is usually cut from them: from row 28 on.
_CELEBA = np.array([[69.4, 111.2], [107.6, 111.1], [71.1, 152.2], [104.8, 152.1]])
_CELEBA_SIDE, _CELEBA_TOP = 178.0, 28.0


def celeba(face: Face) -> np.ndarray:
    """The square of CelebA's aligned pictures: the similarity that brings eyes and mouth nearest to where they are
    there (Umeyama, PAMI 1991, without mirroring)."""
    mouth = face.part("mouth")
    points = np.stack([face.part("right_eye").mean(axis=0), face.part("left_eye").mean(axis=0), *mouth])
    target = (_CELEBA - [0, _CELEBA_TOP]) / _CELEBA_SIDE  # of the unit square
    a, b = (target - target.mean(axis=0)) @ [1, 1j], (points - points.mean(axis=0)) @ [1, 1j]
    factor = complex((a.conj() @ b) / (a.conj() @ a))  # turns and scales the unit square
    rotation = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.concatenate([rotation, (points.mean(axis=0) - rotation @ target.mean(axis=0))[:, None]], axis=1)


ALIGNMENTS: dict[str, Callable[[Face], np.ndarray]] = {"ffhq": ffhq, "celeba": celeba}


def boxed(picture: np.ndarray, box: tuple[float, float, float] | None) -> np.ndarray:
    """The square (left, top, side) in pixels; None: the largest in the middle. Raises TlganError where it lies outside."""
    height, width = picture.shape[:2]
    if box is None:
        side = float(min(height, width))
        return similarity(np.array([width / 2, height / 2]), side, 0.0)
    left, top, side = box
    if side < 8 or left + side <= 0 or top + side <= 0 or left >= width or top >= height:
        raise TlganError(
            f"the square {left:g},{top:g},{side:g} lies outside of this picture of {width} x {height} pixels, or is under "
            "8 pixels: expected LEFT,TOP,SIDE"
        )
    return similarity(np.array([left + side / 2, top + side / 2]), side, 0.0)


def _quarter(v: np.ndarray) -> np.ndarray:
    """A vector turned by a quarter so that down becomes left."""
    return np.array([-v[1], v[0]])
