"""A user's own `torch.nn.Module` as a generator: latents go in, pictures come out, the rest is found by trying."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import TlganError
from .base import LatentGenerator


class WrappedModule(LatentGenerator):
    """A module that takes latents [n, d] (or [n, d, 1, 1]) and paints [n, C, H, W] in [low, high]."""

    def __init__(
        self,
        module: nn.Module,
        *,
        latent_dim: int,
        picture_range: tuple[float, float] = (-1.0, 1.0),
        name: str = "",
        fingerprint: str = "",
        device: str = "cpu",
    ) -> None:
        low, high = picture_range
        if not low < high:
            raise TlganError(f"picture_range {picture_range} is not a range: expected (low, high) with low < high")
        self.module = module.eval().requires_grad_(False).to(device)
        self._low, self._high = float(low), float(high)
        self.device = torch.device(device)
        self._shape: tuple[int, ...] = ()
        images = self._probe(latent_dim)
        if images.shape[2] != images.shape[3]:
            raise TlganError(f"the module paints {list(images.shape)}: expected square pictures")
        super().__init__(
            name=name or type(module).__name__,
            fingerprint=fingerprint or fingerprint_of(module),
            latent_dim=latent_dim,
            resolution=images.shape[-1],
            channels=images.shape[1],
            device=device,
        )

    def _probe(self, latent_dim: int) -> Tensor:
        failure: Exception | None = None
        for tail in ((), (1, 1)):
            try:
                with torch.no_grad():
                    images = self.module(torch.zeros(2, latent_dim, *tail, device=self.device))
            except (RuntimeError, ValueError, IndexError) as error:
                failure = failure or error
                continue
            if isinstance(images, Tensor) and images.ndim == 4 and images.shape[0] == 2 and images.shape[1] in (1, 3):
                self._shape = tail
                return images
            shape = list(images.shape) if isinstance(images, Tensor) else type(images).__name__
            failure = failure or TypeError(f"it returned {shape}")
        reason = str(failure).strip().splitlines()[0] if failure else ""
        raise TlganError(
            f"the module doesn't paint [n, 1 or 3, H, W] from latents [n, {latent_dim}]: {reason}; check latent_dim"
        )

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        images: Tensor = self.module(latents.reshape(*latents.shape, *self._shape)).float()
        if (self._low, self._high) == (-1.0, 1.0):
            return images
        return (images - self._low) * (2 / (self._high - self._low)) - 1


def wrap_generator(
    module: nn.Module,
    latent_dim: int,
    *,
    picture_range: tuple[float, float] = (-1.0, 1.0),
    name: str = "",
    device: str = "cpu",
) -> WrappedModule:
    """A user's own module as a generator.

    `module` maps latents [n, latent_dim] (or [n, latent_dim, 1, 1]: found by trying) to pictures [n, 1 or 3, H, H];
    `picture_range` is its (low, high), brought to [-1, 1]. The fingerprint is the sha256 of its parameters.
    """
    return WrappedModule(module, latent_dim=latent_dim, picture_range=picture_range, name=name, device=device)


def fingerprint_of(module: nn.Module) -> str:
    """sha256 over the names, types, shapes and bytes of a module's parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
