"""Where samples and edited faces alike come from: a generator in one latent space, under one truncation and class.

Truncation acts on w where there is one, and on the length of z where there is none; what follows from that is said
here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlgan.errors import TlganError

from .recipe import Recipe

if TYPE_CHECKING:
    import numpy as np
    import torch

    from tlgan.generators import Generator


@dataclass(frozen=True, eq=False)
class Source:
    """``space``: "z" or "w"; ``truncation``: psi; ``label``: class index, None where the generator takes none;
    ``resolution``: side of the pictures, None for what the generator paints."""

    generator: Generator
    space: str = "z"
    truncation: float = 1.0
    label: int | None = None
    resolution: int | None = None

    @classmethod
    def of(cls, generator: Generator, recipe: Recipe) -> Source:
        """The source of the rows of a recipe."""
        return cls(generator, recipe.space, recipe.truncation, recipe.label, recipe.resolution)

    @property
    def latent_dim(self) -> int:
        """d of the space."""
        return self.generator.w_dim if self.space == "w" else self.generator.latent_dim

    @property
    def white(self) -> bool:
        """Whether the latents have the identity as covariance: a prior's z that nothing has shortened."""
        return self.space == "z" and (self.truncation == 1.0 or self.generator.w_dim > 0)

    def sample(self, n: int, *, seed: int, start: int = 0) -> dict[str, torch.Tensor]:
        """Rows `start` to `start + n` of the latents of `seed`: "z" [n, latent_dim], and "w" [n, w_dim] in w."""
        if self.space == "w":
            z = self.generator.sample(n, seed=seed, start=start)
            return {"z": z.cpu(), "w": self.generator.map(z, label=self.labels(n), truncation=self.truncation).cpu()}
        psi = None if self.generator.w_dim else self.truncation
        return {"z": self.generator.sample(n, seed=seed, start=start, truncation=psi).cpu()}

    def synthesize(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures [n, C, H, W] of latents [n, d] of the space; differentiable in the latents.

        Wherever the generator paints, latents and pictures are on the processor.
        """
        return self.generator.synthesize(latents, **self._options(len(latents))).cpu()

    def pictures(self, latents: np.ndarray, *, half: bool | None = None) -> Iterator[torch.Tensor]:
        """Pictures in [-1, 1] of latents [n, d], in order, in batches that fit: [b, C, H, W] each, without gradients.

        ``half``: whether float16 may paint them, as `synthesize_batches` says.
        """
        import torch

        from tlgan.generators import synthesize_batches

        rows = torch.tensor(latents, dtype=torch.float32)
        with torch.inference_mode():
            for images in synthesize_batches(self.generator, rows, half=half, **self._options(1)):
                yield images.clamp(-1, 1)

    def _options(self, n: int) -> dict[str, Any]:
        options: dict[str, Any] = {"space": self.space, "label": self.labels(n)}
        if self.space == "z" and self.generator.w_dim and self.truncation != 1.0:
            options["truncation"] = self.truncation
        if self.resolution not in (None, self.generator.resolution):
            options["resolution"] = self.resolution
        return options

    def labels(self, n: int) -> torch.Tensor | None:
        """One-hot labels float32 [n, label_dim]; None for a generator that takes none.

        Raises TlganError for a label that the generator does not have.
        """
        import torch

        classes = self.generator.label_dim
        if classes == 0:
            if self.label is not None:
                raise TlganError(f"label {self.label} was given, but {self.generator.name} takes none: leave it out")
            return None
        label = self.label or 0
        if not 0 <= label < classes:
            raise TlganError(f"label {label} is outside 0 to {classes - 1}, the classes of {self.generator.name}")
        return torch.nn.functional.one_hot(torch.full((n,), label), classes).float()
