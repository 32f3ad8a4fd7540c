"""Networks that `train-extractor` wrote as safetensors: the same as its ONNX file, but gradients can be taken.

That makes them cheap to add as sliders, and a start for further training. The metadata says which of the package's own
architectures the numbers belong to; nothing else in the file is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from tlgan.errors import TlganError
from tlgan.io import hub
from tlgan.io.files import replacing
from tlgan.io.foreign import json_of

from . import head, reader
from .base import Extractor, Feature, identity
from .images import BATCH, check_images, prepare
from .networks import ARCHITECTURES, folded
from .values import check_values

METADATA_KEY = "tlgan.trained"


class TrainedNetwork:
    """A network of :data:`~tlgan.extractors.networks.ARCHITECTURES` with features of its own.

    ``groups``: runs of columns that share one softmax, as (first, last + 1); all other probabilities have a logit each.
    """

    def __init__(
        self,
        module: nn.Module,
        features: Sequence[Feature],
        groups: Sequence[tuple[int, int]],
        architecture: str,
        input_size: int,
        name: str,
        fingerprint: str = "",
    ) -> None:
        self.fingerprint = fingerprint
        self.module = module.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network: Any = folded(self.module)
        self.features = tuple(features)
        self.groups = tuple((int(first), int(stop)) for first, stop in groups)
        self.architecture = architecture
        self.input_size: int | None = input_size
        self.name = name
        self._probability = torch.tensor([feature.kind == "probability" for feature in self.features])

    def extract(self, images: Tensor) -> Tensor:
        """[n, C, H, W] in [-1, 1] -> float32 [n, f]."""
        check_images(images)
        with torch.inference_mode():
            parts = [self.logits(part) for part in torch.split(images, BATCH)] or [torch.zeros(0, len(self.features))]
            raw = torch.cat(parts)
            values = torch.where(self._probability.to(raw.device), raw.sigmoid(), raw)
        return check_values(values, len(images), self.features, self.name).clone()

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, f], differentiable: the logit of each probability, each quantity in its unit."""
        return marginal_logits(self._network(self._prepare(images)), self.groups)

    def embedding(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, e], differentiable."""
        found: Tensor = self._network.embed(self._prepare(images))
        return found

    def _prepare(self, images: Tensor) -> Tensor:
        return prepare(images, self.input_size).contiguous(memory_format=torch.channels_last)


def marginal_logits(raw: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
    """Raw outputs [n, f] with every softmax group's columns as the logit of that class against all others."""
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
    state = {name: value.detach().clone().contiguous() for name, value in module.state_dict().items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(state, metadata={METADATA_KEY: json.dumps(described)}))


def load_safetensors(ref: str | Path) -> Extractor:
    """An extractor from a safetensors file: a trained network, a head made by clicks, or a reader of directions. TlganError for any other."""
    path = Path(ref)
    expected = "expected a file written by `tlgan train-extractor` or `tlgan label`"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if head.METADATA_KEY in metadata:
                return head.load_head(path)
            if reader.METADATA_KEY in metadata:
                return reader.load_reader(path)
            description = json_of(metadata[METADATA_KEY])
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
        features = tuple(Feature(**feature) for feature in description["features"])
        groups = [(int(first), int(stop)) for first, stop in description["groups"]]
        network = ARCHITECTURES[description["architecture"]](len(features))
        network.load_state_dict(state, strict=True)
        size = int(description["input_size"])
    except (OSError, SafetensorError) as error:
        raise TlganError(f"{path} can't be read as safetensors ({error}): {expected}") from error
    except (ArithmeticError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TlganError(f"{path} does not describe an extractor known here ({reason}): {expected}") from error
    known = identity(metadata[METADATA_KEY], hub.sha256_of(path))
    return TrainedNetwork(
        network, features, groups, description["architecture"], size, f"{path.stem}-{known[:8]}", fingerprint=known
    )
