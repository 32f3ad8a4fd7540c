"""Trained weights as the package ships them: safetensors, half precision, raw outputs in natural units."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from tlgan.extractors.trained import PACKAGED_KEY

from .data import AGE_MEAN, AGE_SD, SIDE


def export(model: nn.Module, architecture: str, features: Sequence[str], source: str, path: Path) -> None:
    """Write the first ``len(features)`` outputs of ``model``; a last output named age is turned into years.

    Convolutions and the head go to half precision; normalisation stays float32, since a small variance would not
    survive.
    """
    state = {name: value.clone() for name, value in model.state_dict().items()}
    n = len(features)
    weight, bias = state["head.weight"][:n], state["head.bias"][:n]
    if features[-1] == "age":
        weight[-1] *= AGE_SD
        bias[-1] = bias[-1] * AGE_SD + AGE_MEAN
    state["head.weight"], state["head.bias"] = weight, bias
    state = {name: (value.half() if value.ndim > 1 else value).contiguous() for name, value in state.items()}
    described = {"architecture": architecture, "features": list(features), "input_size": SIDE, "source": source}
    unfinished = path.with_suffix(".part")
    save_file(state, unfinished, metadata={PACKAGED_KEY: json.dumps(described)})
    unfinished.replace(path)


def load_average(checkpoint: Path, model: nn.Module) -> nn.Module:
    """``model`` with the averaged weights of a training checkpoint, in eval mode."""
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    return model.eval()


def load_between(one: Path, other: Path, model: nn.Module, share: float = 0.5) -> nn.Module:
    """``model`` with weights between the averages of two checkpoints of one line of training, in eval mode: ``share`` of
    the way from the first to the second.

    Fine-tuning gains on what it was tuned on and loses elsewhere; the middle keeps most of both (Wortsman et al. 2022,
    "Robust fine-tuning of zero-shot models").
    """
    first, second = (torch.load(path, weights_only=True)["average"] for path in (one, other))
    middle = {key: a.lerp(second[key], share) if a.is_floating_point() else a for key, a in first.items()}
    model.load_state_dict(middle)
    return model.eval()
