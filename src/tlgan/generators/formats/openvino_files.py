"""Generators as OpenVINO IR of no kind that is known, painted by OpenVINO's runtime: a black box, with no gradients.

The files were checked before (`checkpoint.openvino_ir`): only standard operations, whose constants lie inside the
`.bin`. No extension is ever loaded, so nothing but the runtime's own code runs.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tlgan.errors import TlganError
from tlgan.generators.checkpoint.openvino_ir import Graph
from tlgan.generators.fingerprint import with_options
from tlgan.io import hub

from .foreign import ForeignGenerator

_FLOATS = {"f32": np.float32, "f16": np.float16, "f64": np.float64}


class OpenVinoGenerator(ForeignGenerator):
    """One latent input [n, d] or [n, d, 1, 1], one picture output [n, C, H, W] or [n, H, W, C]."""

    differentiable = False

    def __init__(
        self,
        graph: Graph,
        *,
        name: str,
        device: str = "cpu",
        latent_input: str | None = None,
        output: str | None = None,
        latent_dim: int | None = None,
        picture_range: tuple[float, float] | None = None,
    ) -> None:
        file = graph.path.name
        options = {"latent_input": latent_input, "output": output, "latent_dim": latent_dim, "range": picture_range}
        try:
            import openvino
        except ImportError:
            raise TlganError(f"{file} is OpenVINO IR: pip install 'tlgan[openvino]'") from None
        core = openvino.Core()
        try:
            model = core.read_model(str(graph.path), str(graph.path.with_suffix(".bin")))
            # in full precision: left to itself, the runtime rounds to bfloat16 where the processor has it
            exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
            compiled = core.compile_model(model, "CPU", exact)
        except Exception as error:  # the runtime's errors share no public base class
            raise TlganError(f"{file} can't be read as OpenVINO IR: {_first_line(error)}") from error
        chosen = _latent_input(compiled.inputs, latent_input, file)
        self._dtype = _FLOATS[chosen.element_type.get_type_name()]
        self._ports = {_name(port): port for port in compiled.outputs}
        self._request = compiled.create_infer_request()
        shape = _sizes(chosen)
        self._tail = (1,) * (len(shape) - 2)
        size = latent_dim or shape[1]
        if size is None:
            raise TlganError(f"{file} doesn't say how long its latents are: give latent_dim")
        super().__init__(
            name=name,
            fingerprint=with_options(_fingerprint(graph.path), options),
            latent_dim=size,
            picture_range=picture_range,
            fixed_batch=shape[0],
            output=output,
        )

    def _call(self, latents: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        if latents.requires_grad and torch.is_grad_enabled():
            raise TlganError(f"{self.name} is OpenVINO IR, which has no gradients: detach the latents")
        array = latents.detach().cpu().numpy().astype(self._dtype).reshape(*latents.shape, *self._tail)
        try:
            made = self._request.infer([array])
        except Exception as error:
            raise TlganError(f"it can't paint {list(array.shape)}: {_first_line(error)}") from error
        return {
            name: torch.from_numpy(np.array(made[port], dtype=np.float32, order="C")).to(self.device)
            for name, port in self._ports.items()
        }


def _latent_input(inputs: list[Any], wanted: str | None, file: str) -> Any:
    fitting = [
        port
        for port in inputs
        if port.element_type.get_type_name() in _FLOATS
        and len(_sizes(port)) in (2, 4)
        and all(side in (1, None) for side in _sizes(port)[2:])
        and wanted in (None, _name(port))
    ]
    if len(inputs) > 1 or len(fitting) != 1:
        shown = ", ".join(f"{_name(port)} {_sizes(port)}" for port in inputs)
        raise TlganError(f"{file} takes {shown[:200]}: expected one input, latents [n, d]")
    return fitting[0]


def _sizes(port: Any) -> list[int | None]:
    """A shape, None for what is open; empty where not even the number of dimensions is known."""
    shape = port.partial_shape
    if shape.rank.is_dynamic:
        return []
    return [None if size.is_dynamic else size.get_length() for size in shape]


def _name(port: Any) -> str:
    return str(port.any_name) if port.names else str(port.node.friendly_name)


def _fingerprint(path: Path) -> str:
    files = (path, path.with_suffix(".bin"))
    return hashlib.sha256(" ".join(hub.sha256_of(file) for file in files).encode()).hexdigest()


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines)), type(error).__name__)[:200]
