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

from .ends import Input, chosen_ends
from .foreign import PROBED, USUAL, ForeignGenerator, UnsteadyError

_OPEN = 512  # latents are tried with as many numbers where the file leaves that open
_TRIED_WEIGHTS = 6
_TYPES = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
    "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_,
}  # fmt: skip
_KINDS = {name: "float" if np.dtype(kind).kind == "f" else "int" for name, kind in _TYPES.items() if kind != np.bool_}


def load_onnx(path: Path, *, name: str, device: str = "cpu", trust: bool = False, **options: Any) -> OnnxGenerator:
    """The generator in an ONNX file, once it has passed its trial; known by the file, its external data and `options`
    (those of `OnnxGenerator`). A size of the latents that the file leaves open is found by trying those of its weights.
    Raises `TlganError` for a file that asks for too much or is no generator."""

    def loaded(side: int | None) -> OnnxGenerator:
        tried = try_onnx(path, path.name, rows=PROBED, side=side or _OPEN, trust=trust)
        fingerprint = with_options(tried.fingerprint, options)
        return OnnxGenerator(
            path, name=name, fingerprint=fingerprint, device=device, **(options | {"latent_dim": side})
        )

    try:
        return loaded(options.get("latent_dim"))
    except _OpenSize as error:
        for side in _sizes_of_weights(path):
            try:
                found = loaded(side)
            except UnsteadyError:
                raise
            except TlganError:
                continue
            found.assumed = (*found.assumed, f"latent_dim={side}")
            return found
        raise TlganError(f"{error}, and no size of its weights fits: give -g latent_dim=N") from error


class _OpenSize(TlganError):
    """The file does not say how long its latents are."""


def _sizes_of_weights(path: Path) -> list[int]:
    """Sizes that latents may have: those of the first matrices and kernels, then the usual ones."""
    import onnx

    sizes: list[int] = []
    for tensor in onnx.load(str(path), load_external_data=False).graph.initializer:
        sizes += [size for size in list(tensor.dims)[:2] if len(tensor.dims) in (2, 4) and 1 < size <= 8192]
    return list(dict.fromkeys([*sizes[:_TRIED_WEIGHTS], *USUAL]))[: 2 * _TRIED_WEIGHTS]


class OnnxGenerator(ForeignGenerator):
    """One latent input [n, d], [n, d, 1, 1] or [d], maybe one of classes and others that are filled with a number, and
    one output of pictures. `ends.chosen_ends` says how they are told apart."""

    differentiable = False

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        fingerprint: str,
        device: str = "cpu",
        latent_input: str | None = None,
        label_input: str | None = None,
        classes: int | None = None,
        inputs: str | None = None,
        output: str | None = None,
        latent_dim: int | None = None,
        picture_range: tuple[float, float] | None = None,
    ) -> None:
        import onnxruntime

        providers = ["CPUExecutionProvider"]
        if device.startswith("cuda"):
            providers.insert(0, "CUDAExecutionProvider")
        self.file = path
        quiet = onnxruntime.SessionOptions()
        quiet.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(str(path), quiet, providers=providers)
        except Exception as error:  # onnxruntime's errors share no public base class
            raise TlganError(f"{path.name} can't be read as ONNX: {_first_line(error)}") from error
        nodes = self._session.get_inputs()
        self.types = {node.name: np.dtype(_TYPES.get(node.type, np.float32)) for node in nodes}
        self.shapes = {node.name: _shape(node) for node in nodes}
        known = [Input(node.name, _KINDS.get(node.type, "other"), _shape(node)) for node in nodes]
        told: dict[str, Any] = {
            "latent_input": latent_input,
            "label_input": label_input,
            "classes": classes,
            "values": inputs,
        }
        self.ends = chosen_ends(known, path.name, **told)
        self.outputs = [node.name for node in self._session.get_outputs()]
        self.assumed = self.ends.assumed
        shape = self.ends.latent.shape
        size = latent_dim or shape[0 if self.ends.tail is None else 1]
        if size is None:
            raise _OpenSize(f"{path.name} doesn't say how long its latents are")
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=size,
            picture_range=picture_range,
            fixed_batch=self.ends.batch,
            output=output,
            label_dim=self.ends.label_dim,
            device="cpu",
        )
        self.device = torch.device(device)

    def fill(self, name: str, n: int, label: Tensor | None = None) -> np.ndarray:
        """What the input `name` is given for `n` latents: classes for the input of those, else its constant."""
        shape, kind = self.shapes[name], self.types[name]
        sizes = [size or n for size in shape]
        if self.ends.label is None or name != self.ends.label.name:
            return np.full(sizes, self.ends.constants[name], dtype=kind)
        assert label is not None
        if self.ends.label.kind == "float":
            return label.numpy(force=True).astype(kind)
        return label.argmax(dim=1).numpy(force=True).astype(kind).reshape(n if not shape else (-1, *sizes[1:]))

    @property
    def other_inputs(self) -> list[str]:
        """Every input but that of the latents."""
        return [name for name in self.shapes if name != self.ends.latent.name]

    def _call(self, latents: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        if latents.requires_grad and torch.is_grad_enabled():
            raise TlganError(f"{self.name} is ONNX, which has no gradients: detach the latents")
        latent = self.ends.latent.name
        array = latents.detach().cpu().numpy().astype(self.types[latent])
        tail = self.ends.tail
        feeds = {latent: array.reshape(-1) if tail is None else array.reshape(*array.shape, *tail)}
        feeds |= {name: self.fill(name, len(latents), label) for name in self.other_inputs}
        wanted = [self.painted_output] if hasattr(self, "painted_output") else self.outputs
        try:
            made = self._session.run(wanted, feeds)
        except Exception as error:  # onnxruntime's errors share no public base class
            raise TlganError(f"{self.file.name} can't paint {list(array.shape)}: {_first_line(error)}") from error
        return {
            name: torch.from_numpy(np.ascontiguousarray(value)).to(self.device)
            for name, value in zip(wanted, made, strict=True)
            if isinstance(value, np.ndarray) and value.dtype.kind in "fu"
        }


def _shape(node: Any) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
