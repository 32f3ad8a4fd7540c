"""A world whose truth is known: drawn faces, eight attributes that are exact functions of the latent.

On photographs nobody knows what an edit really did; every figure is some network's word. Here the attributes are known
before anything is drawn, so that methods can be scored against the truth. The world is as unkind as generators are: its
attributes are entangled (their directions correlate), bent (no straight move does what it promises), and read by small
networks that have learned them from pictures, each with errors of its own.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlgan.evaluation import Truth
from tlgan.extractors import Feature
from tlgan.generators import Generator, wrap_generator

SIDE = 32
LATENT_DIM = 32
ATTRIBUTES = ("smile", "mouth_open", "eye_opening", "glasses", "hair_lightness", "fringe", "skin_lightness", "width")
FEATURES = tuple(Feature(name, "quantity", label=name.replace("_", " ").capitalize()) for name in ATTRIBUTES)
#: What is drawn besides the attributes: the background's three colours, the face's place and its tilt.
NUISANCES = 6


class DrawnFaces(nn.Module):
    """Latents [n, LATENT_DIM] -> pictures [n, 3, SIDE, SIDE] in [-1, 1]; `attributes` tells the truth about them.

    ``bend`` in [0, 1]: how far attributes are from linear in the latent.
    """

    def __init__(self, seed: int = 0, bend: float = 0.5) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        count = len(ATTRIBUTES)
        straight = rng.normal(size=(count + NUISANCES, LATENT_DIM))
        straight[:count] += 0.6 * rng.normal(size=(1, LATENT_DIM))  # what makes attributes go together
        straight /= np.linalg.norm(straight, axis=1, keepdims=True)
        curved = rng.normal(size=(count, LATENT_DIM))
        curved /= np.linalg.norm(curved, axis=1, keepdims=True)
        self.bend = bend
        self.straight = nn.Parameter(torch.from_numpy(straight).float(), requires_grad=False)
        self.curved = nn.Parameter(torch.from_numpy(curved).float(), requires_grad=False)
        self.phase = nn.Parameter(torch.from_numpy(rng.uniform(0, 6.28, count)).float(), requires_grad=False)

    def attributes(self, z: Tensor) -> Tensor:
        """The truth: [n, LATENT_DIM] -> [n, 8], each of about unit variance."""
        straight: Tensor = z @ self.straight[: len(ATTRIBUTES)].T
        # The variance of sin(1.5 x + phase) is about 1/2 for normal x.
        curved: Tensor = 2**0.5 * torch.sin(1.5 * (z @ self.curved.T) + self.phase)
        return straight * float(np.sqrt(1 - self.bend**2)) + self.bend * curved

    def forward(self, z: Tensor) -> Tensor:
        """[n, LATENT_DIM] -> [n, 3, SIDE, SIDE]."""
        level = torch.sigmoid(1.2 * self.attributes(z))[:, :, None, None]
        smile, mouth, eyes, glasses, hair, fringe, skin, width = level.unbind(dim=1)
        nuisance = torch.tanh(0.7 * (z @ self.straight[len(ATTRIBUTES) :].T))[:, :, None, None]
        at = (torch.arange(SIDE, device=z.device) + 0.5) / SIDE * 2 - 1
        tilt = 0.15 * nuisance[:, 5]
        x0, y0 = at[None, None, :] - 0.12 * nuisance[:, 3], at[None, :, None] - 0.1 - 0.1 * nuisance[:, 4]
        x, y = x0 - tilt * y0, y0 + tilt * x0
        half = 0.42 + 0.22 * width
        head = _soft(1 - (x / half) ** 2 - (y / 0.75) ** 2, 6)
        hairdo = _soft(1 - (x / (half + 0.15)) ** 2 - ((y + 0.12) / 0.85) ** 2, 6) * _soft(0.15 - y, 8)
        brow_line = -0.55 + 0.4 * fringe
        forelock = head * _soft(brow_line - y, 14)
        left, right = x + 0.22, x - 0.22
        eye = _eye(left, y + 0.1, eyes) + _eye(right, y + 0.1, eyes)
        rim = (_ring(left, y + 0.1, 0.17) + _ring(right, y + 0.1, 0.17)) * glasses
        curve = y - 0.38 + 0.5 * (smile - 0.4) * (x / 0.25) ** 2 * 0.35
        lips = _soft(1 - (x / 0.26) ** 2, 8) * _soft(1 - (curve / (0.035 + 0.1 * mouth)) ** 2, 4)
        colour = [0.4 * nuisance[:, channel] + 0.0 * x for channel in range(3)]
        picture = torch.stack(colour, dim=1)  # (n, 3, SIDE, SIDE)
        picture = _over(picture, hairdo, _tint(hair, (0.9, 0.75, 0.4), (0.1, 0.06, 0.04)))
        picture = _over(picture, head, _tint(skin, (1.0, 0.86, 0.76), (0.42, 0.27, 0.18)))
        picture = _over(picture, forelock, _tint(hair, (0.9, 0.75, 0.4), (0.1, 0.06, 0.04)))
        picture = _over(picture, eye, _tint(0 * hair, (0, 0, 0), (0.12, 0.12, 0.2)))
        picture = _over(picture, lips, _tint(0 * hair, (0, 0, 0), (0.6, 0.15, 0.18)))
        return _over(picture, rim.clamp(max=1), _tint(0 * hair, (0, 0, 0), (0.05, 0.05, 0.05))).clamp(-1, 1)


class ReadFaces(nn.Module):
    """What a small network makes of drawn faces: fixed random filters, and weights fitted to what they should read.

    Networks of different seeds see different things and err differently, like extractors trained apart.
    """

    def __init__(self, world: DrawnFaces, *, seed: int, pictures: int = 3000, noise: float = 0.1) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.fine = nn.Parameter(torch.randn(40, 3, 5, 5, generator=rng) / 75**0.5, requires_grad=False)
        self.coarse = nn.Parameter(torch.randn(80, 40, 3, 3, generator=rng) / 360**0.5, requires_grad=False)
        z = torch.randn(pictures, LATENT_DIM, generator=rng)
        with torch.no_grad():
            layers = torch.cat([self.embed(world(part)) for part in torch.split(z, 500)])
        labels = world.attributes(z) + noise * torch.randn(pictures, len(ATTRIBUTES), generator=rng)
        self.centre = nn.Parameter(layers.mean(dim=0), requires_grad=False)
        gram = (layers - self.centre).T.double() @ (layers - self.centre).double()
        gram += torch.eye(len(gram)) * 0.003 * gram.diagonal().mean()
        weight = torch.linalg.solve(gram, (layers - self.centre).T.double() @ labels.double())
        self.weight = nn.Parameter(weight.float(), requires_grad=False)

    def embed(self, images: Tensor) -> Tensor:
        """[n, 3, SIDE, SIDE] -> [n, 1280]"""
        x = F.relu(F.conv2d(images, self.fine, stride=2, padding=2))
        x = F.relu(F.conv2d(x, self.coarse, stride=2, padding=1))
        return F.avg_pool2d(x, 2).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """[n, 3, SIDE, SIDE] -> [n, 8]"""
        return (self.embed(images) - self.centre) @ self.weight


class FaceReader:
    """`ReadFaces` as an extractor, differentiable."""

    features: tuple[Feature, ...] = FEATURES
    input_size = SIDE

    def __init__(self, world: DrawnFaces, *, seed: int) -> None:
        self.name = f"reader-{seed}"
        self.network = ReadFaces(world, seed=seed).eval()

    def extract(self, images: Tensor) -> Tensor:
        """[n, 3, SIDE, SIDE] in [-1, 1] -> float32 [n, 8]."""
        with torch.no_grad():
            return self.logits(images)

    def logits(self, images: Tensor) -> Tensor:
        """The same, differentiable: every feature is a quantity."""
        values: Tensor = self.network(images)
        return values

    def embedding(self, images: Tensor) -> Tensor:
        """[n, 3, SIDE, SIDE] -> [n, e]"""
        return self.network.embed(images)


def drawn_faces(seed: int = 0, bend: float = 0.5) -> tuple[Generator, FaceReader, Truth]:
    """The world as a generator, a network that reads its faces, and the truth about them."""
    world = DrawnFaces(seed, bend)

    def factors(latents: np.ndarray) -> np.ndarray:
        return world.attributes(torch.from_numpy(latents)).numpy()

    generator = wrap_generator(world, LATENT_DIM, name="drawn-faces")
    return generator, FaceReader(world, seed=seed + 1), Truth("the truth", FEATURES, factors)


def _soft(inside: Tensor, sharpness: float) -> Tensor:
    return torch.sigmoid(sharpness * inside)


def _eye(x: Tensor, y: Tensor, opening: Tensor) -> Tensor:
    return _soft(1 - (x / 0.11) ** 2 - (y / (0.02 + 0.09 * opening)) ** 2, 4)


def _ring(x: Tensor, y: Tensor, radius: float) -> Tensor:
    distance = (x**2 + y**2 + 1e-6).sqrt() - radius
    return torch.exp(-((distance / 0.045) ** 2))


def _tint(level: Tensor, high: tuple[float, float, float], low: tuple[float, float, float]) -> Tensor:
    """Colours [n, 3, 1, 1] in [-1, 1] between `low` and `high` (in [0, 1]) by `level` [n, 1, 1]."""
    ends = [torch.tensor(end, dtype=level.dtype, device=level.device).view(1, 3, 1, 1) for end in (low, high)]
    return 2 * (ends[0] + (ends[1] - ends[0]) * level[:, None]) - 1


def _over(picture: Tensor, mask: Tensor, colour: Tensor) -> Tensor:
    return picture + mask[:, None] * (colour - picture)
