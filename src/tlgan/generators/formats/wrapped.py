"""A user's own `torch.nn.Module`, TorchScript and `torch.export` files: latents go in, pictures come out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tlgan.errors import TlganError

from .foreign import ForeignGenerator, UnsteadyError

_USUAL = (512, 100, 128, 64, 256, 120, 140, 48)  # latent sizes tried where nothing tells


class WrappedModule(ForeignGenerator):
    """A module that takes latents [n, d] or [n, d, 1, 1] and paints [n, C, H, W]."""

    def __init__(
        self,
        module: Any,
        *,
        latent_dim: int,
        picture_range: tuple[float, float] | None = (-1.0, 1.0),
        fixed_batch: int | None = None,
        resolution: int | None = None,
        name: str = "",
        fingerprint: str = "",
        device: str = "cpu",
    ) -> None:
        self.module = module
        self._tail = _input_tail(module, latent_dim, fixed_batch or 2, torch.device(device))
        super().__init__(
            name=name or type(module).__name__,
            fingerprint=fingerprint or fingerprint_of(module, latent_dim, picture_range),
            latent_dim=latent_dim,
            picture_range=picture_range,
            fixed_batch=fixed_batch,
            device=device,
        )
        if resolution is not None and resolution != self.resolution:
            raise TlganError(f"{self.name} paints {self.resolution} px, not {resolution}: leave resolution out")

    def _call(self, latents: Tensor) -> Tensor:
        images: Tensor = self.module(latents.view(*latents.shape, *self._tail))
        return images


def wrap_generator(
    module: nn.Module,
    latent_dim: int,
    *,
    resolution: int | None = None,
    picture_range: tuple[float, float] = (-1.0, 1.0),
    name: str = "",
    device: str = "cpu",
) -> WrappedModule:
    """A user's own module as a generator.

    `module` maps latents [n, latent_dim] (or [n, latent_dim, 1, 1]: found by trying) to pictures [n, 1 or 3, H, H];
    `picture_range` is its (low, high), brought to [-1, 1]; `resolution` is checked where it is given. The module is
    put in evaluation mode, its parameters want no gradients from here on, and the fingerprint is that of its structure and
    numbers.
    """
    module = module.eval().requires_grad_(False).to(device)
    return WrappedModule(
        module, latent_dim=latent_dim, resolution=resolution, picture_range=picture_range, name=name, device=device
    )


def load_torchscript(path: Path, *, name: str, fingerprint: str, device: str, **options: Any) -> WrappedModule:
    """A TorchScript file, which holds code: only for files the user trusts."""
    try:
        module = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise TlganError(f"{path.name} can't be read as TorchScript: {_first_line(error)}") from error
    return _traced(module, module.parameters(), name, fingerprint, device, **options)


def load_exported(path: Path, *, name: str, fingerprint: str, device: str, **options: Any) -> WrappedModule:
    """A `torch.export` file; its batch may be fixed. Only for files the user trusts."""
    try:
        program = torch.export.load(path)
    except Exception as error:  # the format's reader raises whatever its parts do
        raise TlganError(f"{path.name} can't be read as a torch.export file: {_first_line(error)}") from error
    inputs = [
        node.meta["val"].shape
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
    ]
    if len(inputs) != 1 or len(inputs[0]) not in (2, 4):
        raise TlganError(f"{path.name} takes {len(inputs)} inputs: expected one, latents [n, d]")
    batch, latent_dim = inputs[0][0], int(inputs[0][1])
    module = program.module().to(device)
    options.setdefault("fixed_batch", batch if isinstance(batch, int) else None)
    options.setdefault("latent_dim", latent_dim)
    return _traced(module, (), name, fingerprint, device, **options)


def _traced(
    module: Any,
    parameters: Iterable[Tensor],
    name: str,
    fingerprint: str,
    device: str,
    latent_dim: int | None = None,
    picture_range: tuple[float, float] | None = None,
    fixed_batch: int | None = None,
) -> WrappedModule:
    sizes = [latent_dim] if latent_dim else [*next((list(p.shape[:2]) for p in parameters if p.ndim > 1), []), *_USUAL]
    for size in sizes:
        try:
            return WrappedModule(
                module,
                latent_dim=size,
                picture_range=picture_range,
                fixed_batch=fixed_batch,
                name=name,
                fingerprint=fingerprint,
                device=device,
            )
        except UnsteadyError:
            raise
        except TlganError:
            if latent_dim:
                raise
    raise TlganError(f"{name}: the size of its latents can't be found by trying: give latent_dim")


def _input_tail(module: Any, latent_dim: int, n: int, device: torch.device) -> tuple[int, ...]:
    failures = []
    for tail in ((), (1, 1)):
        try:
            with torch.no_grad():
                images = module(torch.zeros(n, latent_dim, *tail, device=device))
        except Exception as error:  # a user's code may raise anything
            failures.append(_first_line(error))
            continue
        if isinstance(images, Tensor) and images.ndim == 4 and images.shape[0] == n and images.shape[1] in (1, 3):
            return tail
        shape = list(images.shape) if isinstance(images, Tensor) else type(images).__name__
        failures.append(f"it returned {shape}")
    raise TlganError(
        f"the module doesn't paint [n, 1 or 3, H, H] from latents [n, {latent_dim}]: {failures[0]}; check latent_dim"
    )


def fingerprint_of(module: nn.Module, *settings: Any) -> str:
    """sha256 over a module's structure (the class and words of every part), its parameters and buffers by name, type,
    shape and bytes, and the `settings` it is used with. What its functions compute is not seen."""
    digest = hashlib.sha256(f"{settings!r}\n".encode())
    for name, part in module.named_modules():
        digest.update(f"{name}:{type(part).__qualname__}({part.extra_repr()})\n".encode())
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
