"""A small world with a face in it: a generator that paints cartoons, and what measures them from pixels.

Everything is smooth, so the axes are learned in a second; one feature depends on nothing that the generator shows, so
that there is a weak slider too.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from tlgan.extractors import Feature
from tlgan.generators import wrap_generator
from tlgan.workspace import Settings, Workspace
from tlgan.workspace.discover import discover

DIM = 12
SIDE = 32


class Cartoon(nn.Module):
    """z [n, DIM] -> pictures [n, 3, SIDE, SIDE]: background, hair, face, eyes and a mouth that bends and opens."""

    def __init__(self, seed: int = 5) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        mixing = torch.linalg.qr(torch.randn(DIM, DIM, generator=random))[0]
        self.mixing = nn.Parameter(mixing, requires_grad=False)
        y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
        self.grid = nn.Parameter(torch.stack([x, y]), requires_grad=False)

    def forward(self, z: Tensor) -> Tensor:
        x, y = self.grid[0], self.grid[1]
        knob = torch.tanh(0.6 * z @ self.mixing)[:, :, None, None]  # (n, DIM, 1, 1)
        smile, opening, age, skin, warmth, light = (knob[:, k : k + 1] for k in range(6))
        face = torch.sigmoid(14 * (0.62 - (x**2 / 0.8 + (y - 0.1) ** 2).sqrt()))
        hair = torch.sigmoid(14 * (-0.35 - y)) * torch.sigmoid(14 * (0.8 - (x**2 + y**2).sqrt()))
        eyes = torch.exp(-(((x.abs() - 0.26) ** 2 + (y + 0.08) ** 2) / (0.008 + 0.003 * age)))
        bend = 0.42 - 1.4 * smile * (x**2 - 0.05)
        mouth = torch.exp(-((y - bend) ** 2) / (0.004 + 0.003 * (opening + 1))) * torch.sigmoid(30 * (0.34 - x.abs()))
        tone = torch.cat([0.75 + 0.2 * skin, 0.45 + 0.2 * skin, 0.25 + 0.2 * skin], 1)
        hue = torch.cat([0.1 + 0.5 * warmth - 0.2 * age, 0.0 * warmth - 0.2 * age, -0.3 * warmth - 0.2 * age], 1)
        picture = 0.5 * light.expand(-1, 3, SIDE, SIDE)
        for mask, colour in ((face, tone), (hair, hue), (face * eyes, -0.8), (face * mouth, -0.5)):
            picture = picture * (1 - mask) + mask * colour
        return picture


class CartoonExtractor:
    """Named numbers of a cartoon, from regions of its pixels."""

    name = "cartoon"
    input_size = SIDE
    features: tuple[Feature, ...] = (
        Feature("smiling", "probability", label="Smile", low="neutral", high="smiling", group="Expression"),
        Feature("mouth_open", "probability", label="Mouth", low="closed", high="open", group="Expression"),
        Feature("age", "quantity", "years", label="Age", low="younger", high="older", group="Age and gender"),
        Feature("warm_hair", "quantity", label="Hair warmth", low="cold", high="warm", group="Hair"),
        Feature("skin", "quantity", label="Skin", low="dark", high="bright", group="Face"),
        Feature("background", "quantity", label="Background", low="dark", high="bright", group="Light and picture"),
        Feature("luck", "quantity", label="Luck", low="bad", high="good", group="Other"),
    )

    def extract(self, images: Tensor) -> Tensor:
        def region(y0: float, y1: float, x0: float, x1: float, colour: slice = slice(None)) -> Tensor:
            rows, columns = (slice(round(a * SIDE), round(b * SIDE)) for a, b in ((y0, y1), (x0, x1)))
            return images[:, colour, rows, columns].mean((1, 2, 3))

        corners = region(0.58, 0.68, 0.34, 0.42) + region(0.58, 0.68, 0.58, 0.66)
        below = region(0.74, 0.82, 0.34, 0.42) + region(0.74, 0.82, 0.58, 0.66)
        mouth = region(0.64, 0.80, 0.45, 0.55)
        cheek = region(0.52, 0.60, 0.44, 0.56)
        hair = region(0.15, 0.28, 0.4, 0.6)
        warmth = region(0.15, 0.28, 0.4, 0.6, slice(0, 1)) - region(0.15, 0.28, 0.4, 0.6, slice(2, 3))
        background = region(0.9, 1, 0, 0.1)
        luck = torch.remainder((mouth.double() + cheek.double()) * 54321.987, 1).float()
        return torch.stack(
            [
                torch.sigmoid(4 * (below - corners)),
                torch.sigmoid(5 * (cheek - mouth) - 1.5),
                45 - 60 * hair,
                warmth,
                cheek,
                background,
                luck,
            ],
            dim=1,
        )


def cartoon_workspace(path: Path, *, seed: int = 5, max_samples: int = 600) -> Workspace:
    """A finished workspace of this world; another `seed` is another generator."""
    settings = Settings(generator="cartoon", extractors=("cartoon",), base=(), max_samples=max_samples)
    generator = wrap_generator(Cartoon(seed), latent_dim=DIM, name="cartoon")
    return discover(path, settings, generator=generator, loaded={"cartoon": CartoonExtractor()})
