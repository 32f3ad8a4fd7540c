"""Paint latents and measure what was painted: the only place in this room where networks run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlgan.axes import Axes
from tlgan.errors import TlganError
from tlgan.sampling import batch_size, class_labels

if TYPE_CHECKING:
    import torch

    from tlgan.extractors import Extractor
    from tlgan.generators import Generator


class Canvas:
    """A generator, what looks at its pictures, and the population that measurements are placed in.

    Raises TlganError where the axes were found on another generator.
    """

    def __init__(self, generator: Generator, extractor: Extractor, axes: Axes) -> None:
        if axes.generator != generator.fingerprint:
            raise TlganError(
                f"these axes belong to another generator ({axes.generator[:12]}) than {generator.name} "
                f"({generator.fingerprint[:12]}): axes fit only the generator they were found on"
            )
        self.generator = generator
        self.extractor = extractor
        self.axes = axes

    def start(self, seed: int) -> np.ndarray:
        """The latent float32 [d] of face number `seed`, in the space of the axes."""
        return self.sample(1, seed=seed)[0]

    def sample(self, n: int, *, seed: int, start: int = 0) -> np.ndarray:
        """Rows `start` to `start + n` of the latents of `seed`, float32 [n, d], in the space of the axes."""
        label = class_labels(self.generator, self.axes.label, n)
        rows: np.ndarray = self.generator.sample(
            n, seed=seed, start=start, space=self.axes.space, truncation=self._truncation(), label=label
        ).numpy(force=True)
        return rows

    def paint(self, latents: np.ndarray) -> np.ndarray:
        """Latents [n, d] as pictures uint8 [n, H, W, 3]."""
        return np.concatenate([_to_bytes(images) for images in self._batches(latents)])

    def measure(self, latents: np.ndarray) -> np.ndarray:
        """Where every feature of the pictures of latents [n, d] stands: float32 [n, f] in population sd, 0 the mean."""
        return np.concatenate([self._positions(images) for images in self._batches(latents)])

    def look(self, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`paint` and `measure` from one synthesis."""
        both = [(_to_bytes(images), self._positions(images)) for images in self._batches(latents)]
        return np.concatenate([p for p, _ in both]), np.concatenate([m for _, m in both])

    def synthesize(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [n, d] in the space of the axes as pictures [n, C, H, W]; differentiable in the latents."""
        label = class_labels(self.generator, self.axes.label, len(latents))
        return self.generator.synthesize(latents, space=self.axes.space, label=label)

    def _batches(self, latents: np.ndarray):  # type: ignore[no-untyped-def]
        import torch

        if latents.ndim != 2 or latents.shape[1] != self.axes.latent_dim:
            raise TlganError(f"latents of shape {list(latents.shape)} were given, expected [n, {self.axes.latent_dim}]")
        size = batch_size(self.generator.resolution)
        with torch.inference_mode():
            for first in range(0, len(latents), size):
                rows = torch.from_numpy(np.ascontiguousarray(latents[first : first + size], dtype=np.float32))
                yield self.synthesize(rows).clamp(-1, 1)

    def _positions(self, images: torch.Tensor) -> np.ndarray:
        return self.axes.positions(self.extractor.extract(images).numpy(force=True))

    def _truncation(self) -> float | None:
        return None if self.axes.truncation == 1.0 else self.axes.truncation


def _to_bytes(images: torch.Tensor) -> np.ndarray:
    """Pictures [n, C, H, W] in [-1, 1] as uint8 [n, H, W, 3]; grey ones become three equal channels."""
    import torch

    levels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy(force=True)
    return np.repeat(levels, 3, axis=3) if levels.shape[3] == 1 else levels
