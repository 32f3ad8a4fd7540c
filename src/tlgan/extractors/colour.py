"""Light and colour of a face picture, computed from its pixels: the extractor `colour`.

No network and no training: three soft regions of a centred face crop (skin in the middle, hair above, background in
the upper corners) are averaged in CIELAB, whose units are meant to be even steps to the eye. Where a face is not
centred the regions say what lies there instead.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Extractor, Feature
from .images import prepare

_LIGHT = "Light and picture"
_SIDE = 64
_WHITE = (0.95047, 1.0, 1.08883)  # CIE D65
_XYZ_OF_RGB = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))


class ColourExtractor(Extractor):
    """Brightness, warmth, saturation and side light; a differentiable extractor without parameters."""

    name = "colour"
    differentiable = True
    input_size = _SIDE
    features = (
        Feature("skin_brightness", "quantity", "L*", "Skin brightness", "darker", "lighter", _LIGHT),
        Feature("hair_brightness", "quantity", "L*", "Hair brightness", "darker", "lighter", _LIGHT),
        Feature("background_brightness", "quantity", "L*", "Background brightness", "darker", "lighter", _LIGHT),
        Feature("warmth", "quantity", "b*", "Warmth", "cooler", "warmer", _LIGHT),
        Feature("saturation", "quantity", "C*", "Saturation", "greyer", "more colourful", _LIGHT),
        Feature("side_light", "quantity", "L*", "Light from the side", "from the left", "from the right", _LIGHT),
    )

    def __init__(self) -> None:
        self._skin = _blob(0.56, 0.5, 0.16, 0.13)
        self._hair = _blob(0.12, 0.5, 0.07, 0.2)
        self._background = _blob(0.15, 0.04, 0.15, 0.06) + _blob(0.15, 0.96, 0.15, 0.06)
        self._left, self._right = _blob(0.56, 0.36, 0.14, 0.07), _blob(0.56, 0.64, 0.14, 0.07)

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, 6], differentiable; every feature is a quantity, so these are its values, in CIELAB units."""
        lab = rgb_to_lab(prepare(images, _SIDE))
        lightness, chroma = lab[:, 0], (lab[:, 1:].square().sum(dim=1) + 1e-6).sqrt()
        return torch.stack(
            [
                _mean(lightness, self._skin),
                _mean(lightness, self._hair),
                _mean(lightness, self._background),
                lab[:, 2].mean(dim=(1, 2)),
                chroma.mean(dim=(1, 2)),
                _mean(lightness, self._right) - _mean(lightness, self._left),
            ],
            dim=1,
        )


def rgb_to_lab(images: Tensor) -> Tensor:
    """sRGB [n, 3, H, W] in [-1, 1] -> CIELAB under D65 (IEC 61966-2-1, CIE 15): L* in [0, 100], a*, b*."""
    rgb = (images + 1) / 2
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)
    matrix = torch.tensor(_XYZ_OF_RGB, dtype=rgb.dtype, device=rgb.device) / torch.tensor(
        _WHITE, dtype=rgb.dtype, device=rgb.device
    ).view(3, 1)
    xyz = torch.einsum("ij,njhw->nihw", matrix, linear)
    knee = (6 / 29) ** 3
    f = torch.where(xyz > knee, xyz.clamp(min=knee) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def _blob(row: float, column: float, height: float, width: float) -> Tensor:
    """A Gaussian weight [64, 64] with its centre and spreads in shares of the side; sums to 1."""
    at = (torch.arange(_SIDE) + 0.5) / _SIDE
    weight = torch.exp(-0.5 * (((at - row) / height)[:, None] ** 2 + ((at - column) / width)[None] ** 2))
    return weight / weight.sum()


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    weight = weight.to(values.device)
    return (values * weight).sum(dim=(1, 2)) / weight.sum()
