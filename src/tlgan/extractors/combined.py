"""Several extractors as one: their features side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlgan.errors import TlganError

from .base import Extractor, as_extractor

if TYPE_CHECKING:
    from torch import Tensor


class CombinedExtractor(Extractor):
    """The features of all `parts`, in their order. Raises TlganError where two parts name the same feature."""

    def __init__(self, parts: Sequence[Extractor]) -> None:
        self.parts = tuple(as_extractor(part) for part in parts)
        self.name = "+".join(part.name for part in self.parts)
        self.features = tuple(feature for part in self.parts for feature in part.features)
        owners: dict[str, str] = {}
        for part in self.parts:
            for feature in part.features:
                if feature.name in owners:
                    raise TlganError(
                        f"feature {feature.name!r} is named by both {owners[feature.name]} and {part.name}: "
                        "leave one of the two extractors out"
                    )
                owners[feature.name] = part.name
        sizes = [part.input_size for part in self.parts if part.input_size is not None]
        self.input_size = max(sizes, default=None)
        self.differentiable = all(part.differentiable for part in self.parts)

    def extract(self, images: Tensor) -> Tensor:
        """Pictures [n, C, H, W] in [-1, 1] -> float32 [n, all features]."""
        import torch

        return torch.cat([part.extract(images) for part in self.parts], dim=1)

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, all features], differentiable where every part is."""
        import torch

        return torch.cat([part.logits(images) for part in self.parts], dim=1)
