"""Samples in memory: `sample` draws them, an estimator such as `AxisRegression` is fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError
from tlgan.extractors import Extractor, Feature
from tlgan.extractors.combined import CombinedExtractor
from tlgan.progress import ProgressLike, as_progress

from .source import Source

if TYPE_CHECKING:
    from tlgan.generators import Generator


@dataclass(frozen=True, eq=False)
class Samples:
    """n pictures of a generator, measured.

    ``latents``: float32 of shape (n, d), in ``source.space``; ``values``: float32 of shape (n, f), probabilities in
    [0, 1] and quantities in their units; ``features``: the f columns; ``extractors``: names of what measured them.
    """

    latents: np.ndarray
    values: np.ndarray
    features: tuple[Feature, ...]
    extractors: tuple[str, ...]
    source: Source
    seed: int

    def __len__(self) -> int:
        return len(self.latents)


def sample(
    generator: Generator,
    extractor: Extractor | Sequence[Extractor],
    *,
    n: int = 4096,
    seed: int = 0,
    space: str = "",
    truncation: float = 1.0,
    label: int | None = None,
    resolution: int | None = None,
    progress: ProgressLike = None,
) -> Samples:
    """Draw `n` latents, paint them and measure the pictures; row i depends on (seed, i) alone.

    ``space``: "z" or "w", the better one there is by default; ``truncation``: psi; ``label``: class of a conditional
    generator; ``resolution``: side of the painted pictures in pixels, None for the generator's own. Everything stays in
    memory: `discover` writes a folder that can be gone on with. Raises TlganError for a space or label that the generator
    lacks, and for measurements that are not finite.
    """
    whole = extractor if isinstance(extractor, CombinedExtractor) else CombinedExtractor(_parts(extractor))
    space = space or ("w" if "w" in generator.spaces else "z")
    if space not in generator.spaces or space == "w+" or n < 1:
        raise TlganError(f"{n} samples in space {space!r} can't be drawn: {generator.name} has {generator.spaces}")
    told, source = as_progress(progress), Source(generator, space, truncation, label, resolution)
    latents = source.sample(n, seed=seed)[space].numpy()
    values: list[np.ndarray] = []
    for images in source.pictures(latents):
        values.append(whole.extract(images).numpy(force=True))
        told.step("samples", sum(map(len, values)), n)
    measured = np.concatenate(values).astype(np.float32)
    names = tuple(part.name for part in whole.parts)
    return Samples(latents.astype(np.float32), measured, whole.features, names, source, seed)


def _parts(extractor: Extractor | Sequence[Extractor]) -> Sequence[Extractor]:
    return extractor if isinstance(extractor, Sequence) else [extractor]
