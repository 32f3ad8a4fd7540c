"""Generators in ONNX, painted by ONNX Runtime: a black box, with no gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tlgan.errors import TlganError
from tlgan.generators.fingerprint import with_options
from tlgan.io.trial import try_onnx

from .foreign import PROBED, ForeignGenerator

_OPEN = 512  # latents are tried with as many numbers where the file leaves that open
_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


def load_onnx(path: Path, *, name: str, device: str = "cpu", trust: bool = False, **options: Any) -> OnnxGenerator:
    """The generator in an ONNX file, once it has passed its trial; known by the file, its external data and `options`
    (those of `OnnxGenerator`). Raises `TlganError` for a file that asks for too much or is no generator."""
    tried = try_onnx(path, path.name, rows=PROBED, side=options.get("latent_dim") or _OPEN, trust=trust)
    fingerprint = with_options(tried.fingerprint, options)
    return OnnxGenerator(path, name=name, fingerprint=fingerprint, device=device, **options)


class OnnxGenerator(ForeignGenerator):
    """One latent input [n, d] or [n, d, 1, 1], one picture output [n, C, H, W] or [n, H, W, C]."""

    differentiable = False

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        fingerprint: str,
        device: str = "cpu",
        latent_input: str | None = None,
        output: str | None = None,
        latent_dim: int | None = None,
        picture_range: tuple[float, float] | None = None,
    ) -> None:
        import onnxruntime

        providers = ["CPUExecutionProvider"]
        if device.startswith("cuda"):
            providers.insert(0, "CUDAExecutionProvider")
        quiet = onnxruntime.SessionOptions()
        quiet.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(str(path), quiet, providers=providers)
        except Exception as error:  # onnxruntime's errors share no public base class
            raise TlganError(f"{path.name} can't be read as ONNX: {_first_line(error)}") from error
        chosen = self._latent_input(latent_input, path.name)
        self._input = chosen.name
        self._dtype = _FLOATS[chosen.type]
        outputs = [node.name for node in self._session.get_outputs()]
        if output is not None and output not in outputs:
            raise TlganError(f"{path.name} has no output {output!r}: it has {', '.join(outputs)}")
        self._output = output or outputs[0]
        shape = chosen.shape
        self._tail = (1,) * (len(shape) - 2)
        size = latent_dim or (shape[1] if isinstance(shape[1], int) else None)
        if size is None:
            raise TlganError(f"{path.name} doesn't say how long its latents are: give latent_dim")
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=size,
            picture_range=picture_range,
            fixed_batch=shape[0] if isinstance(shape[0], int) else None,
        )

    def _latent_input(self, wanted: str | None, file: str) -> Any:
        inputs = self._session.get_inputs()
        fitting = [
            node
            for node in inputs
            if node.type in _FLOATS and len(node.shape) in (2, 4) and all(side in (1, None) for side in node.shape[2:])
        ]
        if wanted is not None:
            fitting = [node for node in fitting if node.name == wanted]
        if len(inputs) > 1 or len(fitting) != 1:
            shown = ", ".join(f"{node.name} {node.shape}" for node in inputs)
            raise TlganError(f"{file} takes {shown[:200]}: expected one input, latents [n, d]")
        return fitting[0]

    def _call(self, latents: Tensor) -> Tensor:
        if latents.requires_grad and torch.is_grad_enabled():
            raise TlganError(f"{self.name} is ONNX, which has no gradients: detach the latents")
        array = latents.detach().cpu().numpy().astype(self._dtype).reshape(*latents.shape, *self._tail)
        (images,) = self._session.run([self._output], {self._input: array})
        if images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
            images = images.transpose(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)).to(self.device)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
