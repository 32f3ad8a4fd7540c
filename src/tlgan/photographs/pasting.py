"""Laying an edit back into its photograph: the *difference* of two pictures of the generator, under a soft mask.

What inversion could not express stays in the photograph, since only edited minus inverted is added; where they are equal,
nothing changes. Where the edit changed a place strongly, a mouth say, the photograph's own fine lines belong to what was
there: of what inversion missed only the coarse part, light and colour, stays in such a place. The mask is the face's hull with a margin, and around the head also where the edit changed something.
It falls to zero smoothly, and so does what is added: there is no seam that would have to be blended away.
"""

from __future__ import annotations

import numpy as np

from tlgan.io.pixels import rounded

from .warping import unwarp

#: Side in pixels at which masks are made: growing and blurring cost seconds at a photograph's own.
SIDE = 256
#: By how much of the crop's side the hull is grown, and how wide masks fall to zero.
_GROWN, _SOFT = 0.03, 0.045
#: An edit has changed a place where the difference, averaged, is over the first number of grey levels; surely from the
#: second on.
_CHANGED = (5.0, 14.0)
#: From and to how many grey levels of change the photograph's own fine lines give way, and what is fine, as a share of the
#: crop's side.
_REPLACED, _FINE = (6.0, 22.0), 0.03
#: How far around the hull the head may reach: hair, ears, a hat, as a factor of the hull's size.
_HEAD = 1.55


def face_mask(hull: np.ndarray) -> np.ndarray:
    """float32 [SIDE, SIDE] in [0, 1] of the hull [n, 2] of a face, in shares of the crop: 1 inside, falling softly."""
    filled = _filled(hull)
    return _soft(_grown(filled, round(_GROWN * SIDE)))


def paste_mask(hull: np.ndarray | None, change: np.ndarray) -> np.ndarray:
    """What of a `change` float32 [s, s, 3], in grey levels, is laid back: float32 [SIDE, SIDE] in [0, 1], 0 at the border.

    ``hull`` [n, 2] of the face in shares of the crop; None, where there is no face: the whole crop.
    """
    border = _border()
    if hull is None:
        return border
    middle = hull.mean(axis=0)
    head = middle + (hull - middle) * _HEAD - [0.0, 0.04]  # hair is above
    strength = _blurred(_small(np.abs(change).max(axis=-1)), 0.02 * SIDE)
    where = np.clip((strength - _CHANGED[0]) / (_CHANGED[1] - _CHANGED[0]), 0.0, 1.0)
    return np.asarray(np.maximum(face_mask(hull), _soft(_filled(head)) * where) * border, dtype=np.float32)


def change_of(inverted: np.ndarray, edited: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """What is to be added to a photograph's `crop`, all [s, s, 3] in grey levels: float32 [s, s, 3].

    Edited minus inverted, and less the fine part of crop minus inverted where that is large. Zero where they are equal.
    """
    change = edited.astype(np.float32) - inverted
    strength = _blurred(_small(np.abs(change).max(axis=-1)), 0.008 * SIDE)
    replaced = np.clip((strength - _REPLACED[0]) / (_REPLACED[1] - _REPLACED[0]), 0.0, 1.0)
    if not replaced.any():
        return np.asarray(change)
    side = len(change)
    missed = crop.astype(np.float32) - inverted
    coarse = np.stack([_large(_blurred(_small(missed[..., k]), _FINE * SIDE), side) for k in range(3)], axis=-1)
    return np.asarray(change - _large(_blurred(replaced, 1.0), side)[..., None] * (missed - coarse))


def paste(
    picture: np.ndarray, square: np.ndarray, change: np.ndarray, mask: np.ndarray, grey: bool = False
) -> np.ndarray:
    """`picture` uint8 [H, W, 3] with `change` [s, s, 3], in grey levels, added under `mask` [m, m] within `square` [2, 3].

    Pixels where the mask is 0, or the change too small to be seen, are the picture's own. ``grey``: keep it free of
    colour.
    """
    if not np.any(change):
        return picture.copy()
    if grey:
        change = np.repeat(change.mean(axis=-1, keepdims=True), 3, axis=-1)
    added, place = unwarp(change, square, (picture.shape[0], picture.shape[1]))
    weight, _ = unwarp(mask[..., None], square, (picture.shape[0], picture.shape[1]))
    result = picture.copy()
    region = result[place].astype(np.float32) + added * weight
    result[place] = rounded(region)
    return result


def laid_on_crop(crop: np.ndarray, inverted: np.ndarray, edited: np.ndarray, hull: np.ndarray | None) -> np.ndarray:
    """What an edited photograph shows within its crop, all uint8 [s, s, 3]; the crop itself where nothing was edited."""
    if np.array_equal(inverted, edited):
        return crop
    change = change_of(inverted, edited, crop)
    mask = _large(paste_mask(hull, change), len(crop))
    return rounded(crop + change * mask[..., None])


def _border() -> np.ndarray:
    """1 inside, falling to 0 towards the border of the crop over an eighth of its side."""
    ramp = np.clip((np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) - 1) / (SIDE / 8), 0.0, 1.0)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return np.asarray(np.minimum(ramp[:, None], ramp[None]), dtype=np.float32)


def _filled(hull: np.ndarray) -> np.ndarray:
    from PIL import Image, ImageDraw

    image = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(image).polygon([(float(x * SIDE), float(y * SIDE)) for x, y in hull], fill=255)
    return np.asarray(image, dtype=np.float32) / 255


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    from PIL import Image, ImageFilter

    image = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(2 * by + 1))
    return np.asarray(image, dtype=np.float32) / 255


def _soft(mask: np.ndarray) -> np.ndarray:
    return _blurred(mask, _SOFT * SIDE / 2)


def _blurred(mask: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(mask.astype(np.float32), sigma, mode="nearest", truncate=3.0))


def _large(values: np.ndarray, side: int) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(values.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC))


def _small(values: np.ndarray) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(values.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BOX))
