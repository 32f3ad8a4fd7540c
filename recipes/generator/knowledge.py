"""What a frozen network sees in a picture: its outputs and its feature maps. Nothing of it is trained here."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.extractors import load_extractor
from tlgan.extractors.networks import ResidualNet
from tlgan.extractors.trained import TrainedNetwork


class Knowledge:
    """A residual face network that ships with the package, opened at its inner stages."""

    def __init__(self, name: str) -> None:
        extractor = load_extractor(name)
        if not isinstance(extractor, TrainedNetwork) or not isinstance(extractor.module, ResidualNet):
            raise SystemExit(f"{name} has no stages to look at: expected a residual face network such as celeba40")
        self.network = extractor.module
        self.side = extractor.input_size
        self._scales = [1.0, 1.0, 1.0]

    def sees(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """[n, 3, S, S] -> feature maps of 32, 16 and 8 pixels, and raw outputs [n, f]."""
        stages, y = [], self.network.stem(self._sized(x))
        for index, block in enumerate(self.network.blocks):
            y = block(y)
            if index in (1, 3, 5):
                stages.append(y * self._scales[len(stages)])
        return stages, self.network.head(y.mean(dim=(2, 3)))

    def embeds(self, x: Tensor) -> Tensor:
        """[n, 3, S, S] -> [n, e]."""
        return self.network.embed(self._sized(x))

    @torch.no_grad()
    def rescale(self, photographs: Tensor) -> None:
        """Make each stage's features of standard deviation 1 on these, so that all count alike."""
        self._scales = [1.0, 1.0, 1.0]
        self._scales = [1 / float(stage.std()) for stage in self.sees(photographs)[0]]

    def _sized(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.side:
            x = F.interpolate(x, size=(self.side, self.side), mode="bilinear", antialias=True, align_corners=False)
        return x.contiguous(memory_format=torch.channels_last)
