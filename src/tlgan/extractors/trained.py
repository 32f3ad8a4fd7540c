"""Networks in safetensors: those of the package, and those that `train-extractor` wrote beside its ONNX file.

That makes them cheap to add as sliders, and a start for further training. The metadata says which of the package's own
architectures the numbers belong to; nothing else in the file is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tlgan.errors import BadFile
from tlgan.io import hub
from tlgan.io.foreign import json_of
from tlgan.io.tensors import read_tensors, write_tensors

from . import head, reader
from .attributes import AGE, CELEBA_ATTRIBUTES
from .base import Extractor, Feature, identity
from .images import prepare
from .networks import ARCHITECTURES, folded

METADATA_KEY = "tlgan.trained"
PACKAGED_KEY = "tlgan.extractor"  # the same in the package's own networks, whose features are named only
_KNOWN = {feature.name: feature for feature in (*CELEBA_ATTRIBUTES, AGE)}
_EXPECTED = "expected a file written by `tlgan train-extractor`, `tlgan label` or recipes/train_celeba40.py"


class TrainedNetwork(Extractor):
    """A network of :data:`~tlgan.extractors.networks.ARCHITECTURES` with its features.

    ``groups``: runs of columns that share one softmax, as (first, last + 1); all other probabilities have a logit each.
    """

    differentiable = embeds = True

    def __init__(
        self,
        module: nn.Module,
        features: Sequence[Feature],
        groups: Sequence[tuple[int, int]],
        input_size: int,
        name: str,
        fingerprint: str = "",
    ) -> None:
        self.fingerprint = fingerprint
        self.module = module.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network: Any = folded(self.module)
        self.features = tuple(features)
        self.groups = tuple((int(first), int(stop)) for first, stop in groups)
        self.input_size = input_size
        self.name = name

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, f], differentiable: the logit of each probability, each quantity in its unit."""
        return marginal_logits(self._network(self._prepare(images)), self.groups)

    def embedding(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, e], differentiable: the pooled layer that the outputs are read from."""
        found: Tensor = self._network.embed(self._prepare(images))
        return found

    def maps(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, c, h, w], differentiable: the last maps of a residual network, before they are pooled."""
        found: Tensor = self._network.blocks(self._network.stem(self._prepare(images)))
        return found

    def _prepare(self, images: Tensor) -> Tensor:
        return prepare(images, self.input_size).contiguous(memory_format=torch.channels_last)


def marginal_logits(raw: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
    """Raw outputs [n, f] with every softmax group's columns as the logit of that class against all others."""
    if not groups:
        return raw
    columns = list(raw.unbind(dim=1))
    for first, stop in groups:
        for column in range(first, stop):
            others = [raw[:, other] for other in range(first, stop) if other != column]
            columns[column] = raw[:, column] - torch.stack(others, dim=1).logsumexp(dim=1)
    return torch.stack(columns, dim=1)


def save_trained(
    path: Path,
    module: nn.Module,
    features: Sequence[Feature],
    groups: Sequence[tuple[int, int]],
    architecture: str,
    input_size: int,
) -> None:
    """Write a network of the package, atomically. ``module`` must be what ``ARCHITECTURES[architecture]`` builds."""
    described = {
        "architecture": architecture,
        "features": [asdict(feature) for feature in features],
        "groups": [list(group) for group in groups],
        "input_size": input_size,
    }
    write_tensors(
        path, {name: value.detach().clone() for name, value in module.state_dict().items()}, {METADATA_KEY: described}
    )


def load_safetensors(ref: str | Path) -> Extractor:
    """An extractor from a safetensors file: a trained network, a head made by clicks, or a reader of directions. TlganError for any other."""
    path = Path(ref)
    _, metadata = _read(path)
    if head.METADATA_KEY in metadata:
        return head.load_head(path)
    if reader.METADATA_KEY in metadata:
        return reader.load_reader(path)
    return load_network(path)


def load_network(path: Path, name: str = "") -> TrainedNetwork:
    """The network in `path`, known as `name`: by default the file's own with a part of its fingerprint.

    Features are described in the file, or named as in `attributes`. Raises BadFile for any other file.
    """
    tensors, metadata = _read(path)
    try:
        text = metadata.get(METADATA_KEY) or metadata[PACKAGED_KEY]
        description = json_of(text)
        features = [_KNOWN[f] if isinstance(f, str) else Feature(**f) for f in description["features"]]
        network = ARCHITECTURES[description["architecture"]](len(features))
        network.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, strict=True)
        groups = [(int(first), int(stop)) for first, stop in description.get("groups", ())]
        size = int(description["input_size"])
    except (ArithmeticError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadFile(f"{path} does not describe an extractor known here ({reason}): {_EXPECTED}") from error
    known = "" if name else identity(text, hub.sha256_of(path))
    return TrainedNetwork(network, features, groups, size, name or f"{path.stem}-{known[:8]}", known)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        return read_tensors(path)
    except ValueError as error:
        raise BadFile(f"{path} can't be read as safetensors ({error}): {_EXPECTED}") from error
