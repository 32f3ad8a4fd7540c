"""Face attributes from one small network: the extractors `celeba40` and `judge40`.

The network's raw outputs are what axes and gradients want (logits, years); `extract` turns the logits into
probabilities. The weights lie beside this file, in half precision, with the architecture in their metadata.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from tlgan.errors import TlganError
from tlgan.io.foreign import json_of

from .attributes import AGE, CELEBA_ATTRIBUTES
from .base import Feature
from .images import BATCH, check_images, prepare
from .networks import ARCHITECTURES, folded
from .values import check_values

METADATA_KEY = "tlgan.extractor"
_KNOWN = {feature.name: feature for feature in (*CELEBA_ATTRIBUTES, AGE)}


class FaceAttributes:
    """An :class:`~tlgan.extractors.Extractor` that can also be differentiated."""

    def __init__(self, module: nn.Module, features: tuple[Feature, ...], name: str, input_size: int) -> None:
        self.name = name
        self.features = features
        self.input_size = input_size
        self.module = module.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network: Any = folded(self.module)
        self._probability = torch.tensor([feature.kind == "probability" for feature in features])

    def extract(self, images: Tensor) -> Tensor:
        """[n, C, H, W] in [-1, 1] -> float32 [n, f]: probabilities, and quantities in their units."""
        check_images(images)
        with torch.inference_mode():
            parts = [self.logits(part) for part in torch.split(images, BATCH)] or [torch.empty(0, len(self.features))]
            raw = torch.cat(parts)
            values = torch.where(self._probability.to(raw.device), raw.sigmoid(), raw)
        return check_values(values, len(images), self.features, self.name)

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, f], differentiable: the logit of each probability, each quantity in its unit."""
        raw: Tensor = self._network(self._prepare(images))
        return raw

    def embedding(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, e], differentiable: the pooled layer that the outputs are read from."""
        pooled: Tensor = self._network.embed(self._prepare(images))
        return pooled

    def maps(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, c, h, w], differentiable: the last maps of a residual network, before they are pooled."""
        found: Tensor = self._network.blocks(self._network.stem(self._prepare(images)))
        return found

    def _prepare(self, images: Tensor) -> Tensor:
        return prepare(images, self.input_size).contiguous(memory_format=torch.channels_last)


def celeba40() -> FaceAttributes:
    """CelebA's 40 attributes and age in years, as the package ships them."""
    return _load_packaged("celeba40")


def judge40() -> FaceAttributes:
    """The same 40 attributes by an unrelated network, for judging edits that `celeba40` made."""
    return _load_packaged("judge40")


def load_face_attributes(path: Path, name: str) -> FaceAttributes:
    """Read weights that `recipes/train_celeba40.py` wrote. Raises :class:`TlganError` for any other file."""
    expected = "expected weights written by recipes/train_celeba40.py"
    try:
        with safe_open(path, framework="pt") as file:
            described = (file.metadata() or {}).get(METADATA_KEY)
            state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise TlganError(f"{path} can't be read as safetensors ({error}): {expected}") from error
    if described is None:
        raise TlganError(f"{path} has no {METADATA_KEY!r} in its metadata: {expected}")
    try:
        description = json_of(described)
        features = tuple(_KNOWN[feature] for feature in description["features"])
        network = ARCHITECTURES[description["architecture"]](len(features))
        network.load_state_dict(state, strict=True)
        input_size = int(description["input_size"])
    except (ArithmeticError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise TlganError(f"{path} does not describe a network known here ({error}): {expected}") from error
    return FaceAttributes(network, features, name, input_size)


def _load_packaged(name: str) -> FaceAttributes:
    with as_file(files("tlgan.extractors") / "weights" / f"{name}.safetensors") as path:
        return load_face_attributes(path, name)
