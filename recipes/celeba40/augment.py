"""What a face may look like and still be the same face: batched views for training.

Geometry is one resampling straight from the stored picture (so that nothing is filtered twice), then light, then
what cameras, networks and file formats do to a picture. CelebA's wide crop is zoomed down to UTKFace's tight one and
rendered faces lie between, so that the extractor does not depend on how somebody framed a face.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .data import SIDE, Faces

# The luminance table of JPEG's annex K; its chrominance is close enough for a degradation.
_QUANTISATION = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)


@dataclass(frozen=True)
class Strength:
    """How far views go. ``shift`` is a share of the view's side, ``rotate`` in degrees, ``light`` a share."""

    shift: float = 0.04
    rotate: float = 6.0
    stretch: float = 0.04
    light: float = 0.12
    colour: float = 0.05
    blur: float = 0.15
    jpeg: float = 0.15
    noise: float = 0.08
    erase: float = 0.0


def views(faces: Faces, rng: torch.Generator, strength: Strength) -> tuple[Tensor, Tensor]:
    """Random views float32 [n, 3, 64, 64] in [-1, 1], and which of them were blurred, bool [n]."""
    x = photometric(geometric(faces, rng, strength), rng, strength)
    x, blurred = degrade(x, rng, strength)
    return x.clamp(-1, 1), blurred


def plain_view(
    faces: Faces, *, zoom: float = 1.0, shift: tuple[float, float] = (0.0, 0.0), flip: bool = False
) -> Tensor:
    """The usual square, resized to 64 pixels with antialiasing; float32 [n, 3, 64, 64] in [-1, 1].

    ``zoom`` scales the square about its centre and ``shift`` (down, right) moves it, in shares of its side. Beyond
    the picture its border goes on.
    """
    top, left, side = faces.box
    height, width = faces.pictures.shape[-2:]
    new = side * zoom
    top += (side - new) / 2 + shift[0] * side
    left += (side - new) / 2 + shift[1] * side
    rows, columns = (round(top), round(top + new)), (round(left), round(left + new))
    pad = (max(0, -columns[0]), max(0, columns[1] - width), max(0, -rows[0]), max(0, rows[1] - height))
    x = _to_float(faces.pictures)
    if any(pad):
        x = F.pad(x, pad, mode="replicate")
    x = x[:, :, rows[0] + pad[2] : rows[1] + pad[2], columns[0] + pad[0] : columns[1] + pad[0]]
    x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    return x.flip(-1) if flip else x


def geometric(faces: Faces, rng: torch.Generator, strength: Strength) -> Tensor:
    """Flip, zoom, shift, rotate and stretch in one resampling."""
    n = len(faces)
    height, width = faces.pictures.shape[-2:]
    top, left, side = faces.box
    low, high = faces.zoom
    scale = side / 2 * (low + (high - low) * torch.rand(n, generator=rng))
    angle = torch.deg2rad(strength.rotate * _both_ways(n, rng))
    stretch = torch.exp(strength.stretch * _both_ways(n, rng))
    flip = torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0)
    centre_x = left + side / 2 + strength.shift * side * _both_ways(n, rng)
    centre_y = top + side / 2 + strength.shift * side * _both_ways(n, rng)
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.stack(
        [
            torch.stack([cos * scale * stretch * flip, -sin * scale, centre_x], dim=1),
            torch.stack([sin * scale * stretch * flip, cos * scale, centre_y], dim=1),
        ],
        dim=1,
    )  # (n, 2, 3), output in [-1, 1] -> input in pixels
    theta[:, 0] *= 2 / width
    theta[:, 1] *= 2 / height
    theta[:, :, 2] -= 1
    grid = F.affine_grid(theta, [n, 3, SIDE, SIDE], align_corners=False)
    return F.grid_sample(_to_float(faces.pictures), grid, padding_mode="border", align_corners=False)


def photometric(x: Tensor, rng: torch.Generator, strength: Strength) -> Tensor:
    """Brightness, contrast, gamma, saturation and white balance; now and then grey."""
    n = len(x)

    def factor(amount: float) -> Tensor:
        return torch.exp(amount * _both_ways(n, rng)).view(n, 1, 1, 1)

    x = ((x + 1) / 2).clamp(0, 1) ** factor(strength.light)
    x = x * torch.exp(strength.colour * (2 * torch.rand(n, 3, 1, 1, generator=rng) - 1)) * factor(strength.light)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = mean + (x - mean) * factor(strength.light)
    grey = x.mean(dim=1, keepdim=True)
    saturation = factor(1.5 * strength.light) * (torch.rand(n, 1, 1, 1, generator=rng) > 0.03)
    return (grey + (x - grey) * saturation).clamp(0, 1) * 2 - 1


def degrade(x: Tensor, rng: torch.Generator, strength: Strength) -> tuple[Tensor, Tensor]:
    """Blur or lower resolution, noise, JPEG, a hidden patch, each on some of the pictures."""
    n = len(x)
    x = x.clone()
    blurred = _some(n, strength.blur, rng)
    if blurred.any():
        x[blurred] = gaussian_blur(x[blurred], 0.4 + 1.2 * torch.rand(int(blurred.sum()), generator=rng))
    noisy = _some(n, strength.noise, rng)
    if noisy.any():
        sigma = 0.08 * torch.rand(int(noisy.sum()), 1, 1, 1, generator=rng)
        x[noisy] += sigma * torch.randn(x[noisy].shape, generator=rng)
    packed = _some(n, strength.jpeg, rng)
    if packed.any():
        x[packed] = jpeg_like(x[packed], 25 + 65 * torch.rand(int(packed.sum()), generator=rng))
    for row in torch.nonzero(_some(n, strength.erase, rng)).flatten().tolist():
        side = int(torch.randint(8, 20, (), generator=rng))
        i, j = torch.randint(0, SIDE - side, (2,), generator=rng).tolist()
        x[row, :, i : i + side, j : j + side] = (2 * torch.rand(3, generator=rng) - 1).view(3, 1, 1)
    return x, blurred


def gaussian_blur(x: Tensor, sigma: Tensor) -> Tensor:
    """[n, 3, H, W] blurred by a Gaussian of ``sigma`` [n] pixels (cut at 5)."""
    n, channels, height, width = x.shape
    reach = torch.arange(-5, 6, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (reach / sigma.view(n, 1)) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, 0)  # (n * 3, 11)
    flat = F.pad(x.reshape(1, n * channels, height, width), (5, 5, 5, 5), mode="replicate")
    flat = F.conv2d(flat, kernel.view(-1, 1, 1, 11), groups=n * channels)
    flat = F.conv2d(flat, kernel.view(-1, 1, 11, 1), groups=n * channels)
    return flat.view(n, channels, height, width)


def jpeg_like(x: Tensor, quality: Tensor) -> Tensor:
    """What JPEG at ``quality`` [n] (1 to 100) leaves of each channel: 8x8 cosine blocks, quantised."""
    n, channels, height, width = x.shape
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50).view(n, 1, 1, 1, 1, 1)
    step = (_QUANTISATION * scale).clamp(min=1) / 127.5
    blocks = x.view(n, channels, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5)  # (n, 3, H/8, W/8, 8, 8)
    coefficients = _DCT @ blocks @ _DCT.T
    blocks = _DCT.T @ (torch.round(coefficients / step) * step) @ _DCT
    return blocks.permute(0, 1, 2, 4, 3, 5).reshape(n, channels, height, width)


def _dct_matrix() -> Tensor:
    k = torch.arange(8, dtype=torch.float32)
    basis = torch.cos(torch.pi / 8 * (k[None] + 0.5) * k[:, None]) / 2
    basis[0] /= 2**0.5
    return basis


_DCT = _dct_matrix()


def _to_float(pictures: Tensor) -> Tensor:
    return pictures.float() / 127.5 - 1


def _both_ways(n: int, rng: torch.Generator) -> Tensor:
    return 2 * torch.rand(n, generator=rng) - 1


def _some(n: int, share: float, rng: torch.Generator) -> Tensor:
    return torch.rand(n, generator=rng) < share
