"""A linear head on another extractor's embedding: what `label` trains on some dozens of clicks.

The file holds the head's numbers and the reference of the extractor it reads. Since numbers fitted to one embedding
mean nothing on another, it also holds what that extractor made of one fixed picture, and is refused where that has
changed.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tlgan.errors import TlganError
from tlgan.io import hub
from tlgan.io.consent import named_by
from tlgan.io.foreign import json_of
from tlgan.io.tensors import read_tensors, write_tensors

from .base import Extractor, Feature, identity
from .registry import load_stored

METADATA_KEY = "tlgan.head"
_SAME = 0.999  # cosine: the same network in another precision or on another processor passes, another network does not


class LinearHead(Extractor):
    """logit = weight · embedding + bias: one probability, differentiable where the backbone is. ``weight`` [e], ``bias`` []."""

    embeds = True

    def __init__(
        self, backbone: Extractor, feature: Feature, weight: Tensor, bias: Tensor, name: str, fingerprint: str
    ) -> None:
        self.fingerprint = fingerprint
        self.backbone = backbone
        self.differentiable = backbone.differentiable
        self.features = (feature,)
        self.input_size = backbone.input_size
        self.weight, self.bias = weight.float(), bias.float()
        self.name = name

    def embedding(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, e], the backbone's."""
        return self.backbone.embedding(images)

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, 1]."""
        return (self.embedding(images) @ self.weight + self.bias)[:, None]


def save_head(
    path: Path, backbone_ref: str, backbone: Extractor, feature: Feature, weight: np.ndarray, bias: float
) -> None:
    """Write a head, atomically: ``weight`` float [e] and ``bias`` on the embedding of `backbone`, named `backbone_ref`."""
    tensors = {
        "weight": torch.from_numpy(np.ascontiguousarray(weight, dtype=np.float32)),
        "bias": torch.tensor(float(bias)),
        "probe": _probe(backbone),
    }
    write_tensors(path, tensors, {METADATA_KEY: {"backbone": backbone_ref, "feature": asdict(feature)}})


def load_head(ref: str | Path) -> LinearHead:
    """Read what `save_head` wrote. Raises TlganError for another file, or where the backbone is another by now."""
    path = Path(ref)
    try:
        tensors, words = read_tensors(path)
        described = json_of(words[METADATA_KEY])
        feature = Feature(**described["feature"])
        backbone_ref = str(described["backbone"])
        weight, bias, probe = (tensors[name] for name in ("weight", "bias", "probe"))
    except (KeyError, ValueError, TypeError) as error:
        raise TlganError(f"{path} is not a head made by `tlgan label` ({error})") from error
    with named_by(path):
        backbone = load_stored(backbone_ref)
    now = _probe(backbone)
    if now.shape != probe.shape or weight.shape != now.shape or _cosine(now, probe) < _SAME:
        raise TlganError(
            f"{path.name} was fitted on another version of {backbone_ref!r}: run `tlgan label` again (the clicks are kept)"
        )
    known = identity(hub.sha256_of(path), backbone.fingerprint)
    return LinearHead(backbone, feature, weight, bias, f"{path.stem}-{known[:8]}", known)


def _probe(backbone: Extractor) -> Tensor:
    side = backbone.input_size or 64
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(20)) * 2 - 1
    with torch.no_grad():
        return backbone.embedding(picture)[0].float().clone()


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(one, other, dim=0))
