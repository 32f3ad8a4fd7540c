"""What is trained: a network from scratch, one that starts from another's weights, or a head on a frozen one."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.extractors.networks import ARCHITECTURES

from .targets import Target

SCRATCH = "scratch"
DEFAULT_ARCHITECTURE = "residual"


@dataclass(frozen=True, eq=False)
class Start:
    """Where training starts. ``extractor``: what is started from (None: nothing); ``architecture``: of the package's
    networks, "" where the backbone is none of them and stays as it is; ``size``: side of the network's input."""

    name: str
    extractor: Any
    architecture: str
    size: int

    @property
    def frozen(self) -> bool:
        """Whether only a head is trained."""
        return not self.architecture

    def build(self, outputs: int) -> nn.Module:
        """A network with `outputs` raw outputs: forward [n, 3, size, size] in [-1, 1] -> [n, outputs], and `embed`."""
        if self.frozen:
            return FrozenBackbone(self.extractor, self.size, outputs)
        network = ARCHITECTURES[self.architecture](outputs)
        if self.extractor is not None:
            theirs = self.extractor.module.state_dict()
            mine = network.state_dict()
            state = {key: value.float() for key, value in theirs.items() if mine[key].shape == value.shape}
            mine.update({key: value for key, value in state.items() if not key.startswith("head.")})
            network.load_state_dict(mine)
        return network


class FrozenBackbone(nn.Module):
    """A linear head on another extractor's embedding, which stays as it is."""

    def __init__(self, extractor: Any, size: int, outputs: int) -> None:
        super().__init__()
        self.extractor = extractor
        self.head = nn.Linear(extractor.embedding(torch.zeros(1, 3, size, size)).shape[1], outputs)

    def embed(self, x: Tensor) -> Tensor:
        """[n, 3, size, size] -> [n, e]."""
        found: Tensor = self.extractor.embedding(x)
        return found.float()

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, size, size] -> [n, outputs]."""
        outputs: Tensor = self.head(self.embed(x))
        return outputs


def start_from(backbone: str, size: int) -> Start:
    """Where `backbone` says to start: "scratch", or a reference to an extractor that has an embedding.

    Networks of the package (`celeba40`, a file of `train-extractor`) go on being trained; any other stays frozen.
    """
    if backbone == SCRATCH:
        return Start(SCRATCH, None, DEFAULT_ARCHITECTURE, size or 64)
    extractor = load_extractor(backbone)
    if not extractor.embeds:
        raise TlganError(
            f"{backbone} gives no embedding to start from: expected celeba40, a .safetensors or hf:owner/repo"
        )
    module = getattr(extractor, "module", None)
    architecture = next(
        (name for name, kind in ARCHITECTURES.items() if isinstance(kind, type) and type(module) is kind), ""
    )
    own = extractor.input_size or 64
    if size and size != own:
        raise TlganError(f"{backbone} looks at {own} pixels, not {size}: leave the size out, or train from scratch")
    return Start(backbone, extractor, architecture, own)


@torch.no_grad()
def initial_head(
    network: Any, embeddings: Tensor, values: Tensor, widths: Sequence[tuple[int, str, float, float]]
) -> None:
    """Set the head to the ridge regression of the labels on the embedding, the cheapest good guess.

    ``embeddings`` [n, e] of the training pictures, ``values`` [n, labels]; ``widths``: (outputs, kind, centre, spread) a
    label. Probabilities start at four times their least-squares fit about the base rate's logit, which is a logistic
    fit's slope where classes overlap.
    """
    mean = embeddings.mean(dim=0)
    centred = (embeddings - mean).double()
    gram = centred.T @ centred
    ridge = 1e-2 * gram.diagonal().mean() + 1e-9
    gram += ridge * torch.eye(len(gram), dtype=gram.dtype)
    column = 0
    for at, (width, kind, centre, spread) in enumerate(widths):
        value = values[:, at]
        known = ~value.isnan()
        for k in range(width):
            wanted = (value == k).double() if kind == "classes" else ((value - centre) / spread).double()
            wanted = torch.where(known, wanted, wanted[known].mean())
            base = wanted.mean()
            weight = torch.linalg.solve(gram, centred.T @ (wanted - base))
            scale, bias = 1.0, base
            if kind != "number":
                variance = (base * (1 - base)).clamp(min=1e-3)
                scale, bias = 1 / float(variance), torch.logit(base, eps=1e-3)
            network.head.weight[column] = (weight * scale).float()
            network.head.bias[column] = float(bias) - float((weight * scale) @ mean.double())
            column += 1


@torch.no_grad()
def taken_over(network: Any, start: Start, targets: Sequence[Target]) -> Any:
    """The same network, but labels that the start names already are read as the start reads them."""
    head = getattr(getattr(start.extractor, "module", None), "head", None)
    if start.frozen or head is None:
        return network
    network = deepcopy(network)
    known = {feature.name: (row, feature.kind) for row, feature in enumerate(start.extractor.features)}
    column = 0
    for target in targets:
        row, kind = known.get(target.name, (0, ""))
        if kind == {"number": "quantity", "binary": "probability"}.get(target.kind):
            network.head.weight[column] = head.weight[row] / target.spread
            network.head.bias[column] = (head.bias[row] - target.centre) / target.spread
        column += target.width
    return network
