"""Whether pictures are like those that an extractor was trained on: elsewhere its outputs mean little.

Beside the weights lie the mean of the extractor's embedding over photographs, and the map that makes their covariance
the identity. Pictures of the same kind have nearly the same mean: `distance` is the squared shift of the mean, a dimension,
in standard deviations of the photographs. Over the 224 dimensions of celeba40, and 3,000 photographs each of CelebA and
UTKFace, `recipes/home.py` finds 2,000 other ones at 0.00, photo64 at 0.04, faces1024 at 0.05, face64 (rendered faces) at
0.19, DCGANs of random weights at 1.9 to 4.5, smooth random fields at 2.5, noise at 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import as_file, files

import torch
from safetensors.torch import load_file

from tlgan.languages import ENGLISH, Language

from .base import Extractor

PICTURES = 64  # enough: the mean of so many adds 1/64 to the distance
FOREIGN = 0.7  # a distance from here on is said


def distance(extractor: Extractor, images: torch.Tensor) -> float | None:
    """How far pictures [n, C, H, W] in [-1, 1] are from the extractor's own; None where it ships no statistics."""
    packaged = files("tlgan.extractors") / "weights" / f"{extractor.name}-home.safetensors"
    if not packaged.is_file() or not len(images):
        return None
    with as_file(packaged) as path:
        kept = load_file(path)
    with torch.no_grad():
        return shift(extractor.embedding(images), kept)


def shift(embedded: torch.Tensor, kept: Mapping[str, torch.Tensor]) -> float:
    """The squared distance, a dimension, of the mean of embeddings [n, e] from that of the photographs."""
    off = embedded.float().mean(dim=0) - kept["mean"].float()
    return float((off @ kept["whiten"].float()).square().mean())


def words(extractor: str, found: float, say: Language = ENGLISH) -> str:
    """One line for people; "" where the pictures are like its own."""
    if found < FOREIGN:
        return ""
    return say(
        "these pictures do not look like faces to {0} (distance {1}, faces are under {2}): its words mean "
        "little here; use the extractor colour, or name features of your own (tlgan label, tlgan train-extractor)",
        extractor,
        f"{found:.1f}",
        FOREIGN,
    )
