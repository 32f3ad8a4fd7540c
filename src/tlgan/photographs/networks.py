"""The two small networks that find faces, run from a plain list of steps.

Both come from other projects' files (`NOTICE` beside the weights): YuNet finds faces, MediaPipe's face mesh places
landmarks on one. `recipes/face_finder.py` writes their few kinds of steps as data, and this runs them: nothing of
those projects is needed here, and nothing in the file can run.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional as F

FILE = "face-finder.safetensors"
METADATA_KEY = "tlgan.face-finder"


class Steps:
    """A network as steps [kind, inputs, output, options] over named tensors; pictures and maps are [n, c, h, w]."""

    def __init__(self, steps: list[list[Any]], outputs: list[str], weights: dict[str, Tensor]) -> None:
        self._steps, self._outputs, self._weights = steps, outputs, weights

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> list[Tensor]:
        """The outputs, in the order of the file."""
        held: dict[str, Tensor] = {"input": images}
        for kind, inputs, output, options in self._steps:
            held[output] = _step(kind, [held[name] for name in inputs], options, self._weights)
        return [held[name] for name in self._outputs]


def _step(kind: str, given: list[Tensor], options: dict[str, Any], weights: dict[str, Tensor]) -> Tensor:
    x = given[0]
    match kind:
        case "conv":
            x = F.pad(x, options["pad"])
            weight, bias = weights[options["weight"]], weights[options["bias"]]
            return F.conv2d(x, weight, bias, options["stride"], groups=options["groups"])
        case "relu":
            return x.relu()
        case "prelu":
            return F.prelu(x, weights[options["weight"]])
        case "pool":
            return F.max_pool2d(x, 2)
        case "enlarge":
            return F.interpolate(x, scale_factor=2.0, mode="nearest")
        case "add":
            return x + given[1]
        case "widen":
            return F.pad(x, [0, 0, 0, 0, 0, options["channels"]])
    raise ValueError(f"unknown step {kind!r}")


@cache
def load_network(name: str) -> tuple[Steps, dict[str, Any]]:
    """The network of that name in the package, "finder" or "landmarks", and what the file says of it."""
    with as_file(files("tlgan.photographs") / "weights" / FILE) as path, safe_open(path, framework="pt") as file:
        about: dict[str, Any] = json.loads(file.metadata()[METADATA_KEY])[name]
        prefix = f"{name}."
        names = [key for key in file.keys() if key.startswith(prefix)]  # noqa: SIM118 - not a mapping
        weights = {key.removeprefix(prefix): file.get_tensor(key).float() for key in names}
    return Steps(about.pop("steps"), about.pop("outputs"), weights), about
