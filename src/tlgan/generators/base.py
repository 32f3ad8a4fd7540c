"""The contract of a generator, and what all generators of this package share.

`Generator` is the contract: latents in, pictures out. `LatentGenerator` carries the parts that don't depend on the
architecture (drawing latents, checking shapes, labels, truncation, stopping gradients where the latents need none,
painting smaller pictures), so that an architecture only says how it maps and how it paints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from copy import copy
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from tlgan.errors import TlganError

from .latents import sample_latents
from .resize import resize_images


@runtime_checkable
class Generator(Protocol):
    """A trained generator, whatever file it came in. Pictures are float32 [n, C, H, W], nominal range [-1, 1]."""

    name: str
    fingerprint: str  # sha256 of structure and numbers, see `fingerprint`; the same for the same pictures
    latent_dim: int  # d of z
    w_dim: int  # d of w; 0 where there is no w
    num_ws: int  # layers of w+; 0 where there is no w
    resolution: int  # the larger side of a picture, pixels; see `picture_size`
    channels: int  # 3, or 1
    spaces: tuple[str, ...]  # ("z",) or ("z", "w", "w+")
    label_dim: int  # 0 where the generator takes no class label
    truncation: float  # psi that `sample` and `map` use where none is given; `load_generator` may set it
    differentiable: bool  # do gradients flow from pictures to latents?

    def sample(
        self, n: int, *, seed: int, start: int = 0, space: str = "z", truncation: float | None = None, label: Any = None
    ) -> Tensor:
        """Rows `start` to `start + n` of the latents of `seed`, [n, d]: row i depends on (seed, start + i) alone."""
        ...

    def map(self, z: Any, *, label: Any = None, truncation: float | None = None, cutoff: int | None = None) -> Tensor:
        """z [n, latent_dim] -> w [n, w_dim], or [n, num_ws, w_dim] with a cutoff; only where "w" is in `spaces`."""
        ...

    def synthesize(
        self, latents: Any, *, space: str = "z", label: Any = None, noise: str = "const", resolution: int | None = None
    ) -> Tensor:
        """Pictures of latents, float32 [n, C, H, W], not clipped; differentiable in the latents."""
        ...


@runtime_checkable
class PictureHead(Protocol):
    """A small network that paints small pictures from the features that a large generator has on the way."""

    fingerprint: str  # sha256 of its parameters
    side: int  # pixels: the features that it reads
    resolution: int  # pixels: the pictures that it paints

    def __call__(self, features: Tensor, latents: Tensor) -> Tensor:
        """Features [n, C, side, side] and the latents that they come from, z [n, latent_dim] or w+ [n, num_ws, w_dim]
        -> pictures [n, channels, resolution, resolution], nominal range [-1, 1]; differentiable in both."""
        ...


def device_of(generator: Generator) -> torch.device:
    """Where a generator paints; the processor where it does not say."""
    return torch.device(getattr(generator, "device", "cpu"))


def picture_size(generator: Generator, resolution: int | None = None) -> tuple[int, int]:
    """Height and width of a generator's pictures, the larger one `resolution`, by default its own."""
    height, width = getattr(generator, "size", (generator.resolution, generator.resolution))
    if resolution in (None, generator.resolution):
        return height, width
    height, width = (max(1, round(side * resolution / generator.resolution)) for side in (height, width))
    return height, width


class LatentGenerator(ABC):
    """The shared half of a generator. A subclass sets the fields and writes `_paint`, and `_map` if it has a w."""

    w_dim = 0
    num_ws = 0
    label_dim = 0
    spaces: tuple[str, ...] = ("z",)
    truncation = 1.0  # psi used where none is given
    differentiable = True
    load_options: ClassVar[tuple[str, ...]] = ()  # keywords of `load_generator` for this architecture
    paint_options: ClassVar[tuple[str, ...]] = ()  # further keywords of `synthesize`
    head: PictureHead | None = None  # paints what is asked for at its resolution or below
    assumed: tuple[str, ...] = ()  # options, as "key=value", that the file leaves open and that were taken by custom
    given: Mapping[str, Any] = MappingProxyType({})  # the options it was loaded with
    ref = ""  # what it was loaded from, where it was

    def __init__(
        self,
        *,
        name: str,
        fingerprint: str,
        latent_dim: int,
        resolution: int,
        channels: int,
        device: str = "cpu",
        size: tuple[int, int] | None = None,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.latent_dim = latent_dim
        self.resolution = resolution
        self.size = size or (resolution, resolution)
        self.channels = channels
        self.device = torch.device(device)

    # -- the contract ------------------------------------------------------------------------------------------

    def sample(
        self, n: int, *, seed: int, start: int = 0, space: str = "z", truncation: float | None = None, label: Any = None
    ) -> Tensor:
        """Rows `start` to `start + n` of the latents of `seed`: float32 [n, d], d by `space`.

        Row i depends on (seed, start + i) alone. In w, z is drawn and mapped, under `truncation` and `label`. In z,
        `truncation` scales the latents of a generator that has no w; where there is a w it is refused, since
        truncation acts there (`synthesize(z, truncation=...)` paints truncated pictures from z).
        """
        self._check_space(space)
        z = torch.from_numpy(sample_latents(n, self.latent_dim, seed=seed, start=start)).to(self.device)
        if space == "z":
            psi = self._psi(truncation)
            if self.w_dim == 0:
                return z if psi == 1.0 else z * psi
            if truncation not in (None, 1.0):
                raise TlganError(
                    f"{self.name} truncates in w: sample with space='w', or give truncation to synthesize (got z)"
                )
            return z
        w = self.map(z, label=label, truncation=truncation)
        return w if space == "w" else self._spread(w)

    def map(self, z: Any, *, label: Any = None, truncation: float | None = None, cutoff: int | None = None) -> Tensor:
        """z [n, latent_dim] -> w [n, w_dim]; with a `cutoff`, [n, num_ws, w_dim] where only the first `cutoff`
        layers are truncated. `truncation` is psi: w_mean + psi * (w - w_mean)."""
        if self.w_dim == 0:
            raise TlganError(f"{self.name} has no mapped space: its latents are z alone")
        z = self._latents(z, "z")
        if cutoff is not None and not 0 <= cutoff <= self.num_ws:
            raise TlganError(f"cutoff {cutoff} is out of range: {self.name} has {self.num_ws} layers")
        with self._gradients(z):
            labels = self._labels(label, z.shape[0])
            return self._truncate(self._map(z, labels), labels, self._psi(truncation), cutoff)

    def synthesize(
        self,
        latents: Any,
        *,
        space: str = "z",
        label: Any = None,
        noise: str = "const",
        resolution: int | None = None,
        truncation: float | None = None,
        cutoff: int | None = None,
        **options: Any,
    ) -> Tensor:
        """Pictures of `latents`, float32 [n, C, H, W], nominal range [-1, 1], not clipped.

        `latents` is z [n, latent_dim], w [n, w_dim] (the same for every layer) or w+ [n, num_ws, w_dim], by `space`.
        `noise` is "const" (the file's own), "none" or "random". `resolution` asks for smaller pictures: painted
        small by the `head` where there is one that paints so small, or where the architecture can stop early, shrunk
        with antialiasing where it can't. `truncation` and `cutoff` act on z as in `map`. Gradients flow to latents that
        require them; otherwise none are kept. Large generators can be called off: see `tlgan.generators.interrupt`.
        """
        if resolution is not None and not 1 <= resolution <= self.resolution:
            raise TlganError(f"resolution {resolution} is out of range: {self.name} paints 1 to {self.resolution} px")
        unknown = set(options) - set(self.paint_options)
        if unknown:
            raise TlganError(f"{self.name} has no option {', '.join(sorted(unknown))}")
        latents = self._checked(latents, space, noise)
        with self._gradients(latents):
            latents, labels = self._prepared(latents, space, label, truncation, cutoff)
            side = resolution or self.resolution
            size = picture_size(self, resolution)
            if latents.shape[0] == 0:
                return torch.zeros(0, self.channels, *size, device=self.device)
            head = self.head if resolution is not None and not options else None
            if head is not None and side <= head.resolution:
                images = head(self._features(latents, label=labels, noise=noise, side=head.side), latents)
            else:
                images = self._paint(latents, label=labels, noise=noise, resolution=resolution, **options)
            return resize_images(images, size)

    # -- small pictures ----------------------------------------------------------------------------------------

    @property
    def feature_sides(self) -> tuple[int, ...]:
        """The sides, in pixels and ascending, at which `features` can be had; none where an architecture has no pyramid."""
        return ()

    def features(
        self,
        latents: Any,
        *,
        side: int,
        space: str = "z",
        label: Any = None,
        noise: str = "const",
        truncation: float | None = None,
        cutoff: int | None = None,
    ) -> Tensor:
        """What is in the generator on the way to its pictures, once it has `side` pixels: [n, C, side, side].

        `side` is one of `feature_sides`; the rest is as in `synthesize`.
        """
        if side not in self.feature_sides:
            have = ", ".join(map(str, self.feature_sides)) or "none"
            raise TlganError(f"{self.name} has no features of {side} px: it has {have}")
        latents = self._checked(latents, space, noise)
        with self._gradients(latents):
            latents, labels = self._prepared(latents, space, label, truncation, cutoff)
            return self._features(latents, label=labels, noise=noise, side=side)

    def with_head(self, head: PictureHead | None) -> Self:
        """The same generator, its weights shared, with `head` painting small pictures; None: without one."""
        if head is not None and (head.side not in self.feature_sides or head.resolution >= self.resolution):
            have = ", ".join(map(str, self.feature_sides)) or "none"
            raise TlganError(
                f"a head that paints {head.resolution} px from features of {head.side} px doesn't fit {self.name}: "
                f"it paints {self.resolution} px and has features of {have}"
            )
        other = copy(self)
        other.head = head
        return other

    def style_maps(self) -> list[Tensor]:
        """The weights [channels, w_dim] of the affine maps through which w alone enters the layers, in their order; none
        where an architecture has no w or does not say."""
        return []

    def first_maps(self) -> list[Tensor]:
        """The weights [outputs, latent_dim] through which z alone enters a generator without w; none where an architecture
        does not say."""
        return []

    def tunable(self) -> dict[str, tuple[int, Tensor]]:
        """Weights that may be changed a little around one latent (pivotal tuning, Roich et al. 2022), and from which side in
        pixels on they have a part in pictures; none where an architecture does not say."""
        return {}

    def tuned(self, weights: Mapping[str, Tensor]) -> Self:
        """The same generator, all else shared, with these in place of the `tunable` weights of their names."""
        raise TlganError(f"{self.name} has no weights that can be tuned")

    # -- what an architecture says -----------------------------------------------------------------------------

    @classmethod
    def set_option(cls, options: dict[str, Any], key: str, value: Any) -> None:
        """Set one of `load_options` in the options of a blueprint."""
        options[key] = value

    def _map(self, z: Tensor, label: Tensor | None) -> Tensor:
        """z [n, latent_dim] -> w [n, w_dim], not truncated."""
        raise NotImplementedError

    def _w_mean(self) -> Tensor:
        """[w_dim]"""
        raise NotImplementedError

    def _centre(self, label: Tensor | None) -> Tensor:
        """What truncation draws w to: [w_dim], or [n, w_dim] where it depends on the class."""
        return self._w_mean()

    @abstractmethod
    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        """z [n, latent_dim], or w+ [n, num_ws, w_dim] where there is a w -> [n, C, H, W] of `resolution` or larger."""

    def _features(self, latents: Tensor, *, label: Tensor | None, noise: str, side: int) -> Tensor:
        """The same latents -> [n, C, side, side], for a `side` of `feature_sides`."""
        raise NotImplementedError

    # -- checks ------------------------------------------------------------------------------------------------

    def _check_space(self, space: str) -> None:
        if space not in self.spaces:
            raise TlganError(f"space {space!r} is not one of {self.name}'s: {', '.join(self.spaces)}")

    def _checked(self, latents: Any, space: str, noise: str) -> Tensor:
        self._check_space(space)
        if noise not in ("const", "none", "random"):
            raise TlganError(f"noise {noise!r} is unknown: expected 'const', 'none' or 'random'")
        return self._latents(latents, space)

    def _prepared(
        self, latents: Tensor, space: str, label: Any, truncation: float | None, cutoff: int | None
    ) -> tuple[Tensor, Tensor | None]:
        """What `_paint` takes: z and labels, or w+ where there is a w."""
        if self.w_dim:
            if space == "z":
                latents = self.map(latents, label=label, truncation=truncation, cutoff=cutoff)
            return self._spread(latents), None
        psi = self._psi(truncation)
        return latents if psi == 1.0 else latents * psi, self._labels(label, latents.shape[0])

    def _psi(self, truncation: float | None) -> float:
        return self.truncation if truncation is None else float(truncation)

    def _latents(self, given: Any, space: str) -> Tensor:
        latents: Tensor = torch.as_tensor(given, dtype=torch.float32, device=self.device)
        expected: tuple[tuple[int, ...], ...] = ((self.latent_dim,),)
        if space == "w":
            expected = ((self.w_dim,), (self.num_ws, self.w_dim))  # a cutoff makes w differ by layer
        elif space == "w+":
            expected = ((self.num_ws, self.w_dim),)
        if latents.shape[1:] not in expected or latents.ndim < 2:
            shapes = " or ".join(f"[n, {', '.join(map(str, shape))}]" for shape in expected)
            raise TlganError(f"latents of shape {list(latents.shape)} don't fit {self.name} in {space}: use {shapes}")
        return latents

    def _labels(self, label: Any, n: int) -> Tensor | None:
        """None, one class number, n class numbers, [label_dim] or [n, label_dim] -> [n, label_dim]."""
        if self.label_dim == 0:
            if label is not None and torch.as_tensor(label).numel() and torch.as_tensor(label).any():
                raise TlganError(f"{self.name} takes no class label, but one was given")
            return None
        if label is None:
            return torch.zeros(n, self.label_dim, device=self.device)
        given = torch.as_tensor(label, device=self.device)
        if given.ndim <= 1 and not given.is_floating_point() and given.shape in ((), (n,)):
            if given.numel() and not 0 <= int(given.min()) <= int(given.max()) < self.label_dim:
                raise TlganError(f"class {label} is out of range: {self.name} has classes 0 to {self.label_dim - 1}")
            one_hot = torch.nn.functional.one_hot(given.long(), self.label_dim).float()
            return one_hot.expand(n, -1)
        if given.shape in ((self.label_dim,), (1, self.label_dim), (n, self.label_dim)):
            return given.float().expand(n, -1)
        raise TlganError(
            f"label of shape {list(given.shape)} doesn't fit {self.name}: use a class number or [n, {self.label_dim}]"
        )

    def _truncate(self, w: Tensor, label: Tensor | None, psi: float, cutoff: int | None) -> Tensor:
        truncated = w if psi == 1.0 else self._centre(label).lerp(w, psi)
        if cutoff is None:
            return truncated
        layers = torch.arange(self.num_ws, device=w.device)[:, None] < cutoff
        return torch.where(layers, truncated[:, None], w[:, None])  # [n, num_ws, w_dim]

    def _spread(self, w: Tensor) -> Tensor:
        return w if w.ndim == 3 else w[:, None].expand(-1, self.num_ws, -1)  # [n, num_ws, w_dim]

    @staticmethod
    def _gradients(latents: Tensor) -> AbstractContextManager[Any]:
        return torch.set_grad_enabled(torch.is_grad_enabled() and latents.requires_grad)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.name}: {self.latent_dim} latents, {self.resolution} px, "
            f"spaces {', '.join(self.spaces)}>"
        )
