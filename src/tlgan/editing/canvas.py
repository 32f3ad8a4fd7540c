"""Renders latents and measures the pictures: all networks of this room run here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tlgan import pieces
from tlgan.axes import LIMIT, Axes
from tlgan.errors import TlganError
from tlgan.extractors import as_extractor
from tlgan.io.pixels import in_colour, to_bytes, to_images
from tlgan.samples import Source

if TYPE_CHECKING:
    import torch

    from tlgan.extractors import Extractor
    from tlgan.generators import Generator

#: Pairs of faces whose mean distance in the embedding is the unit in which identity is kept.
STRANGERS = 32
#: Correlation of a feature on pictures and on their mirror images from which on mirroring means nothing to it.
SYMMETRIC = 0.5


class Canvas:
    """A generator, an extractor for its pictures, and the population whose standard deviations are the unit.

    ``resolution``: side of the pictures, None for what the generator paints. Raises TlganError where the axes were found
    on another generator.
    """

    def __init__(
        self, generator: Generator, extractor: Extractor, axes: Axes, *, resolution: int | None = None
    ) -> None:
        if axes.generator != generator.fingerprint:
            raise TlganError(
                f"these axes belong to another generator ({axes.generator[:12]}) than {generator.name} "
                f"({generator.fingerprint[:12]}): axes fit only the generator they were found on"
            )
        self.generator = generator
        self.extractor = as_extractor(extractor)
        self.axes = axes
        self.source = Source(generator, axes.space, axes.truncation, axes.label, resolution, axes.groups)

    @property
    def side(self) -> int:
        """Pixels a side of the pictures."""
        return self.source.resolution or self.generator.resolution

    @cached_property
    def small(self) -> Canvas:
        """The same faces painted small by the generator's picture head; this canvas itself where there is none."""
        head = getattr(self.generator, "head", None)
        if head is None or self.side <= head.resolution:
            return self
        return Canvas(self.generator, self.extractor, self.axes, resolution=head.resolution)

    def start(self, seed: int) -> np.ndarray:
        """The latent float32 [d] of face number `seed`, in the space of the axes."""
        latent: np.ndarray = self.sample(1, seed=seed)[0]
        return latent

    def sample(self, n: int, *, seed: int, start: int = 0) -> np.ndarray:
        """Rows `start` to `start + n` of the latents of `seed`, float32 [n, d], in the space of the axes."""
        rows: np.ndarray = self.source.sample(n, seed=seed, start=start)[self.axes.space].numpy(force=True)
        return rows

    def paint(self, latents: np.ndarray) -> np.ndarray:
        """Latents [n, d], or [n, layers, d] in w, as pictures uint8 [n, H, W, 3]."""
        return in_colour(np.concatenate([to_bytes(images) for images in self._batches(latents)]))

    def measure(self, latents: np.ndarray) -> np.ndarray:
        """Where every feature of the pictures of latents [n, d] stands: float32 [n, f] in population sd, 0 the mean."""
        return np.concatenate([self.measure_images(images) for images in self._batches(latents)])

    def measure_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """`measure` of pictures uint8 [n, H, W, 3] that are painted already."""
        import torch

        with torch.inference_mode():
            return self.measure_images(to_images(pictures))

    def measure_images(self, images: torch.Tensor) -> np.ndarray:
        """`measure` of pictures [n, C, H, W] in -1 to 1, as `Source.pictures` gives them."""
        return self.axes.positions(self.extractor.extract(images).numpy(force=True))

    def look(self, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`paint` and `measure` from one synthesis."""
        both = [(in_colour(to_bytes(images)), self.measure_images(images)) for images in self._batches(latents)]
        return np.concatenate([p for p, _ in both]), np.concatenate([m for _, m in both])

    def paint_first(self, latents: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        """`look` in two steps, for those who can't wait: the pictures now, their measurement when it is called for."""
        batches = list(self._batches(latents))
        pictures = in_colour(np.concatenate([to_bytes(images) for images in batches]))
        return pictures, lambda: np.concatenate([self.measure_images(images) for images in batches])

    def synthesize(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [n, d] in the space of the axes as pictures [n, C, H, W]; differentiable in the latents."""
        return self.source.synthesize(latents)

    def positions(self, images: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
        """Where the features `rows` [r] of pictures [n, C, H, W] stand: float32 [n, r], in population sd.

        Differentiable in the pictures where the extractor is; only what measures these features is run.
        """
        import torch

        parts = []
        for extractor, first, last in self._owners():
            mine = [row - first for row in rows if first <= row < last]
            if not mine:
                continue
            parts.append(extractor.responses(images)[:, mine])
        order = np.argsort(np.argsort(rows))  # parts come in the order of features
        place = self._clipped(torch.cat(parts, dim=1)[:, torch.from_numpy(order)], rows)
        mean, sd = (torch.from_numpy(np.ascontiguousarray(a[rows])) for a in (self.axes.mean, self.axes.sd))
        return (place - mean.to(place.device)) / sd.to(place.device)

    def _clipped(self, responses: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
        """Responses [n, r] with logits clipped to ±`LIMIT`. The gradient is not clipped, or a saturated feature could never
        be moved back."""
        import torch

        kinds = [self.axes.features[row].kind for row in rows]
        limit = torch.tensor([LIMIT if kind == "probability" else torch.inf for kind in kinds]).to(responses)
        return responses + (responses.clamp(-limit, limit) - responses).detach()

    def differentiable(self, rows: np.ndarray) -> bool:
        """Whether the features `rows` have gradients with respect to the latent."""
        owners = [e for e, first, last in self._owners() if any(first <= row < last for row in rows)]
        return self._paints_gradients and all(extractor.differentiable for extractor in owners)

    @cached_property
    def _paints_gradients(self) -> bool:
        import torch

        latent = torch.zeros(1, self.axes.latent_dim, requires_grad=True)
        try:
            return bool(self.synthesize(latent).requires_grad)
        except RuntimeError:  # a generator that computes in place, or outside of torch
            return False

    @cached_property
    def symmetric(self) -> np.ndarray:
        """Which features bool [f] have the same value on a picture and its mirror image: all but those of left and right."""
        straight, mirrored = [], []
        for images in self._batches(self.sample(2 * STRANGERS, seed=0)):
            straight.append(self.measure_images(images))
            mirrored.append(self.measure_images(images.flip(-1)))
        return same_mirrored(np.concatenate(straight), np.concatenate(mirrored))

    def embedding(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures [n, C, H, W] as points [n, e] among which the same face lies near; differentiable.

        Raises TlganError where no extractor of this canvas has an embedding.
        """
        for extractor, _, _ in self._owners():
            if extractor.embeds:
                return extractor.embedding(images)
        raise TlganError(
            f"identity can't be seen by {self.extractor.name}: use an extractor that has an embedding, like celeba40"
        )

    def embed(self, latents: np.ndarray) -> torch.Tensor:
        """`embedding` of the pictures of latents [n, d], float32 [n, e]."""
        import torch

        return torch.cat([self.embedding(images) for images in self._batches(latents)]).clone()

    @cached_property
    def stranger_distance(self) -> float:
        """Mean distance in the embedding between the faces of two draws."""
        embedded = self.embed(self.sample(2 * STRANGERS, seed=0))
        return float((embedded[:STRANGERS] - embedded[STRANGERS:]).norm(dim=1).mean())

    def _owners(self) -> list[tuple[Extractor, int, int]]:
        """Each extractor with its first feature's row and the row after its last."""
        owners, first = [], 0
        for extractor in getattr(self.extractor, "parts", (self.extractor,)):
            owners.append((extractor, first, first + len(extractor.features)))
            first += len(extractor.features)
        return owners

    def _batches(self, latents: np.ndarray) -> Iterator[torch.Tensor]:
        dim, layers = self.axes.latent_dim, self.generator.num_ws if self.axes.space == "w" else 0
        if latents.shape[1:] not in ((dim,), (layers, dim)):
            more = f" or [n, {layers}, {dim}]" if layers else ""
            raise TlganError(f"latents of shape {list(latents.shape)} were given, expected [n, {dim}]{more}")
        for part in pieces.cut(len(latents)):
            yield from self.source.pictures(latents[part])


def same_mirrored(straight: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Which features bool [f] correlate over pictures and their mirror images, values [n, f] each, as one feature does."""
    one, other = straight - straight.mean(axis=0), mirrored - mirrored.mean(axis=0)
    scale = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    return np.asarray((one * other).sum(axis=0) >= SYMMETRIC * np.maximum(scale, 1e-12))
