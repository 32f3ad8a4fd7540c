"""A linear function of small pictures: it measures directions that were found without labels.

Such a direction has no name, so no extractor knows it; but where a picture lies along it can be read off the picture, by a
ridge regression of that place on the pixels of a small copy. How well it can is the slider's R².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tlgan.errors import TlganError
from tlgan.io import hub
from tlgan.io.foreign import json_of
from tlgan.io.tensors import read_tensors, write_tensors

from .base import Extractor, Feature, identity
from .images import prepare

METADATA_KEY = "tlgan.reader"
#: Side of the small copy, pixels.
SIDE = 16
#: Strengths of the ridge that are tried, by leaving rows out.
STRENGTHS = np.geomspace(1.0, 1e5, 11)


class PixelReader(Extractor):
    """value = weight · pixels + bias, quantities [n, k]; ``weight`` [k, 3 · SIDE · SIDE], ``bias`` [k]. Differentiable."""

    differentiable = True

    def __init__(
        self, features: Sequence[Feature], weight: Tensor, bias: Tensor, name: str = "reader", fingerprint: str = ""
    ) -> None:
        self.features = tuple(features)
        self.weight, self.bias = weight.float(), bias.float()
        self.name, self.fingerprint = name, fingerprint
        self.input_size = SIDE

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, k], differentiable: every feature is a quantity."""
        return prepare(images, SIDE).flatten(1) @ self.weight.T + self.bias


def fit_reader(images: Tensor, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight [k, 3 · SIDE · SIDE] and bias [k] that read `places` [n, k] off pictures [n, C, H, W] in [-1, 1]."""
    from sklearn.linear_model import RidgeCV

    pixels = prepare(images, SIDE).flatten(1).double().numpy(force=True)
    fitted = [RidgeCV(STRENGTHS).fit(pixels, place) for place in places.T]
    return np.stack([one.coef_ for one in fitted]), np.array([one.intercept_ for one in fitted])


def save_reader(path: Path, features: Sequence[Feature], weight: np.ndarray, bias: np.ndarray) -> None:
    """Write a reader as safetensors, whole or not at all."""
    tensors = {"weight": torch.from_numpy(weight).float().contiguous(), "bias": torch.from_numpy(bias).float()}
    write_tensors(path, tensors, {METADATA_KEY: {"features": [asdict(feature) for feature in features]}})


def load_reader(ref: str | Path) -> PixelReader:
    """Read what `save_reader` wrote. Raises TlganError for anything else."""
    path = Path(ref)
    try:
        tensors, words = read_tensors(path)
        described, weight, bias = words[METADATA_KEY], tensors["weight"], tensors["bias"]
        features = [Feature(**feature) for feature in json_of(described)["features"]]
        if weight.shape != (len(features), 3 * SIDE * SIDE) or bias.shape != (len(features),):
            raise ValueError(f"weights of shape {list(weight.shape)} for {len(features)} features")
    except (KeyError, ValueError, TypeError) as error:
        raise TlganError(f"{path} is not a reader made by `tlgan add --directions` ({error})") from error
    known = identity(described, hub.sha256_of(path))
    return PixelReader(features, weight, bias, f"{path.stem}-{known[:8]}", known)
