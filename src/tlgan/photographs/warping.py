"""Squares in a photograph: cut out at any turn and scale, and what was made of them laid back at its resolution.

A square is a matrix [2, 3] that takes places in the unit square, (0, 0) its upper left corner and (1, 1) its lower
right, to pixels of the photograph: place @ square[:, :2].T + square[:, 2]. The middle of pixel (0, 0) is (.5, .5).
"""

from __future__ import annotations

import numpy as np

#: Width of the band at the border of a crop that runs out of the photograph, as a share of its side, that is blurred.
BAND = 0.1


def similarity(middle: np.ndarray, side: float, turn: float) -> np.ndarray:
    """The square [2, 3] of `side` pixels around `middle` [2], its x axis turned by `turn` radians clockwise."""
    c, s = np.cos(turn) * side, np.sin(turn) * side
    rotation = np.array([[c, -s], [s, c]])
    return np.concatenate([rotation, (middle - rotation @ [0.5, 0.5])[:, None]], axis=1)


def side_of(square: np.ndarray) -> float:
    """Pixels a side."""
    return float(np.sqrt(abs(np.linalg.det(square[:, :2]))))


def corners(square: np.ndarray) -> np.ndarray:
    """Pixels [4, 2] of the corners: upper left, lower left, lower right, upper right."""
    unit = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    return np.asarray(unit @ square[:, :2].T + square[:, 2])


def warp(picture: np.ndarray, square: np.ndarray, side: int) -> np.ndarray:
    """The square of a picture uint8 [H, W, 3] as float32 [side, side, 3], antialiased.

    Beyond the picture's border its mirror image stands, blurred the more the farther it lies (as FFHQ's pictures were
    made: Karras, Laine and Aila, CVPR 2019).
    """
    from PIL import Image, ImageFilter

    points = corners(square)
    size = side_of(square)
    room = int(np.ceil(0.02 * size)) + 3
    low, high = np.floor(points.min(axis=0)).astype(int) - room, np.ceil(points.max(axis=0)).astype(int) + room
    height, width = picture.shape[:2]
    rows, columns = _mirrored(low[1], high[1], height), _mirrored(low[0], high[0], width)
    patch = Image.fromarray(np.ascontiguousarray(picture[rows[:, None], columns[None]]))
    outside = _outside(low, high, (width, height))
    if outside.max() > 0:
        blurred = patch.filter(ImageFilter.GaussianBlur(0.02 * size))
        share = np.clip(outside / (BAND * size) * 3.0, 0.0, 1.0)
        patch = Image.composite(blurred, patch, Image.fromarray((share * 255).round().astype(np.uint8)))
    # shrunk by a whole number first, then read at twice the wanted density and averaged
    shrink = max(1, int(size / (2 * side)))
    if shrink > 1:
        patch = patch.reduce(shrink)
    fine = 2 * side
    local = (square - np.array([[0, 0, low[0]], [0, 0, low[1]]])) / shrink
    matrix = np.concatenate([local[:, :2] / fine, local[:, 2:]], axis=1)
    read = patch.transform((fine, fine), Image.Transform.AFFINE, matrix.ravel().tolist(), Image.Resampling.BICUBIC)
    return np.asarray(read.reduce(2), dtype=np.float32)


def unwarp(change: np.ndarray, square: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, tuple[slice, slice]]:
    """A crop's picture float32 [side, side, c] at the resolution of a photograph of `shape` (rows, columns).

    Returns the part [h, w, c] of the photograph that the square touches, zero outside of the square, and where it is.
    """
    import torch
    from torch.nn import functional as F

    points = corners(square)
    low = np.clip(np.floor(points.min(axis=0)).astype(int), 0, None)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int), [shape[1], shape[0]])
    place = slice(int(low[1]), int(max(high[1], low[1]))), slice(int(low[0]), int(max(high[0], low[0])))
    side = change.shape[0]
    image = torch.from_numpy(np.ascontiguousarray(change)).permute(2, 0, 1)[None].float()
    if side > 1.5 * side_of(square):  # the photograph is coarser: average before it is read
        image = F.interpolate(image, size=max(1, round(side_of(square))), mode="area")
    inverse = np.linalg.inv(square[:, :2])
    y, x = np.meshgrid(
        np.arange(place[0].start, place[0].stop) + 0.5, np.arange(place[1].start, place[1].stop) + 0.5, indexing="ij"
    )
    unit = (np.stack([x, y], axis=-1) - square[:, 2]) @ inverse.T
    grid = torch.from_numpy(2 * unit - 1).float()[None]
    read = F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
    inside = ((unit >= 0) & (unit <= 1)).all(axis=-1)
    return np.asarray(read[0].permute(1, 2, 0).numpy() * inside[..., None]), place


def _mirrored(first: int, last: int, length: int) -> np.ndarray:
    """Rows `first` to `last` of a line of `length`, mirrored at its ends as often as needed."""
    at = np.arange(first, last) % (2 * length)
    return np.asarray(np.where(at < length, at, 2 * length - 1 - at))


def _outside(low: np.ndarray, high: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """How many pixels each place of a part lies outside of a picture, float [rows, columns]."""
    away = []
    for axis, length in enumerate(shape):
        at = np.arange(low[axis], high[axis])
        away.append(np.maximum(np.maximum(-at, at - (length - 1)), 0).astype(np.float32))
    return np.asarray(np.maximum(away[1][:, None], away[0][None]))
