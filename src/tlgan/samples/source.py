"""Draws latents and renders them with fixed settings: latent space, truncation, class.

Truncation acts on w where there is one, and on the length of z where there is none; what follows from that is said
here and nowhere else. In w+ the layers of a generator are taken in groups, each with a w of its own, and a latent is
these side by side.
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


#: How far apart in the latent stream of a seed the w of the groups of mixed latents are: no row lies so far on.
MIXED = 2**44


@dataclass(frozen=True, eq=False)
class Source:
    """``space``: "z", "w" or "w+"; ``truncation``: psi; ``label``: class index, None where the generator takes none;
    ``resolution``: side of the pictures, None for what the generator paints; ``groups``: in w+ the first layer of each
    group, like (0, 4, 8), no group elsewhere."""

    generator: Generator
    space: str = "z"
    truncation: float = 1.0
    label: int | None = None
    resolution: int | None = None
    groups: tuple[int, ...] = ()

    @classmethod
    def of(cls, generator: Generator, recipe: Recipe) -> Source:
        """The source of the rows of a recipe."""
        return cls(generator, recipe.space, recipe.truncation, recipe.label, recipe.resolution, recipe.groups)

    @property
    def latent_dim(self) -> int:
        """d of the space."""
        if self.space == "z":
            return self.generator.latent_dim
        return self.generator.w_dim * max(len(self.groups), 1)

    @property
    def layers(self) -> list[int]:
        """How many layers each group has."""
        ends = [*self.groups[1:], self.generator.num_ws]
        return [end - first for first, end in zip(self.groups, ends, strict=True)]

    @property
    def white(self) -> bool:
        """Whether the latents have the identity as covariance: a prior's z that nothing has shortened."""
        return self.space == "z" and (self.truncation == 1.0 or self.generator.w_dim > 0)

    def sample(self, n: int, *, seed: int, start: int = 0, mixed: bool = False) -> dict[str, torch.Tensor]:
        """Rows `start` to `start + n` of the latents of `seed`: "z" [n, latent_dim], and "w" [n, w_dim] in w, or
        "w+" [n, groups · w_dim] alone in w+.

        ``mixed``: each group gets the w of a draw of its own (style mixing, Karras et al. 2019); otherwise all groups have
        the same, which is the face that w alone paints.
        """
        import torch

        if self.space == "z":
            psi = None if self.generator.w_dim else self.truncation
            return {"z": self.generator.sample(n, seed=seed, start=start, truncation=psi).cpu()}
        draws = [start + MIXED * group for group in range(len(self.groups))] if mixed else [start]
        z = [self.generator.sample(n, seed=seed, start=first) for first in draws]
        w = [self.generator.map(one, label=self.labels(n), truncation=self.truncation).cpu() for one in z]
        if self.space == "w":
            return {"z": z[0].cpu(), "w": w[0]}
        return {"w+": torch.cat(w if mixed else w * len(self.groups), dim=1)}

    def synthesize(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures [n, C, H, W] of latents [n, d] of the space; differentiable in the latents.

        Wherever the generator paints, latents and pictures are on the processor.
        """
        latents, options = self._as_painted(latents)
        return self.generator.synthesize(latents, label=self.labels(1), **options).cpu()

    def pictures(self, latents: np.ndarray, *, half: bool | None = None) -> Iterator[torch.Tensor]:
        """Pictures in [-1, 1] of latents [n, d], in order, in batches that fit: [b, C, H, W] each, without gradients.

        ``half``: whether float16 may paint them, as `synthesize_batches` says.
        """
        import torch

        from tlgan.generators import synthesize_batches

        rows = torch.tensor(latents, dtype=torch.float32)
        with torch.inference_mode():
            rows, options = self._as_painted(rows)
            for images in synthesize_batches(self.generator, rows, half=half, label=self.labels(1), **options):
                yield images.clamp(-1, 1)

    def _as_painted(self, latents: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        """Latents as `synthesize` of a generator takes them, and in which space and size.

        A z that is truncated in w is mapped here, so that a generator needs no more than the contract's two steps.
        """
        space, options = self.space, {}
        if space == "z" and self.generator.w_dim and self.truncation != 1.0:
            latents = self.generator.map(latents, label=self.labels(len(latents)), truncation=self.truncation)
            space = "w"
        elif space == "w+" and latents.ndim == 2:
            import torch

            latents = latents.reshape(-1, len(self.groups), self.generator.w_dim)
            latents = latents.repeat_interleave(torch.tensor(self.layers), dim=1)
        if self.resolution not in (None, self.generator.resolution):
            options["resolution"] = self.resolution
        return latents, {"space": space, **options}

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
