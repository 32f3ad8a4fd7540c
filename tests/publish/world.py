"""A small world for published pages: a DCGAN with random weights in a file, colours and two shades that name what it
paints, and a workspace found from them in seconds."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from tlgan.extractors import Feature
from tlgan.workspace import Settings, Workspace, open_workspace
from tlgan.workspace.discover import discover

DIM, SIDE = 16, 32


class Shades(nn.Module):
    """How bright the upper and the lower half are, as probabilities."""

    features: tuple[Feature, ...] = (
        Feature("bright_above", "probability", label="Bright above", low="dark", high="bright", group="Shades"),
        Feature("bright_below", "probability", label="Bright below", low="dark", high="bright", group="Shades"),
    )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        half = images.shape[-2] // 2
        above, below = images[..., :half, :].mean((1, 2, 3)), images[..., half:, :].mean((1, 2, 3))
        return torch.sigmoid(6 * torch.stack([above, below], dim=1))


shades = Shades()


def write_generator(path: Path) -> Path:
    """A `state_dict` of transposed convolutions: 16 latents, 32 pixels, three channels."""
    random = torch.Generator().manual_seed(5)

    def weight(*shape: int, gain: float) -> torch.Tensor:
        return torch.randn(*shape, generator=random) * gain

    state = {
        "0.weight": weight(DIM, 48, 4, 4, gain=0.5),
        "1.weight": weight(48, 32, 4, 4, gain=0.09),
        "1.bias": weight(32, gain=0.1),
        "2.weight": weight(32, 24, 4, 4, gain=0.11),
        "2.bias": weight(24, gain=0.1),
        "3.weight": weight(24, 3, 4, 4, gain=0.16),
        "3.bias": weight(3, gain=0.1),
    }
    torch.save(state, path)
    return path


def make_workspace(folder: Path) -> Workspace:
    """A finished workspace in `folder`."""
    generator = write_generator(folder / "generator.pt")
    settings = Settings(
        str(generator), extractors=("colour", "tests.publish.world:shades"), base=("warmth",), max_samples=2000
    )
    discover(folder / "world", settings)
    return open_workspace(folder / "world")
