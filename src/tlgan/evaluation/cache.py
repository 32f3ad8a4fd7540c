"""Cache of painted and measured edits, keyed by a digest of everything that they depend on.

An edit depends on canvas, method, start and ask; a measurement on generator, evaluator and latents. What depends on code
that is not this package's has no digest, and is kept in memory only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tlgan
from tlgan.errors import TlganError
from tlgan.io.files import to_read, to_write, writing
from tlgan.io.tensors import read_tensors, write_tensors

from .judging import VIEWS, ExtractorEvaluator

if TYPE_CHECKING:
    from tlgan.axes import Axes
    from tlgan.editing import Canvas

    from .judging import Evaluator

#: Faces of one entry: what a run that is cut off loses, and the step in which a later run may ask for more faces.
PIECE = 20
Arrays = dict[str, np.ndarray]


@dataclass(eq=False)
class Cache:
    """Arrays by digest; in ``folder`` too where one is given, a safetensors file each."""

    folder: Path | None = None
    _held: dict[str, Arrays] = field(default_factory=dict)

    def find(self, key: str) -> Arrays | None:
        """What is kept under `key`. A file that can't be read counts as none."""
        if key in self._held or self.folder is None or not key:
            return self._held.get(key)
        try:
            self._held[key], _ = read_tensors(to_read(self.folder, f"{key}.safetensors"), "numpy")
        except (TlganError, ValueError):
            return None
        return self._held[key]

    def keep(self, key: str, arrays: Mapping[str, np.ndarray], *, on_disk: bool = True) -> None:
        """Keep arrays under `key`."""
        if not key:
            return
        self._held[key] = dict(arrays)
        if self.folder is None or not on_disk:
            return
        path = to_write(self.folder, f"{key}.safetensors")
        with writing(path):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_tensors(path, arrays, {})


class Panel:
    """Evaluators of the same pictures of a canvas: each picture is painted once, and each measurement is kept."""

    def __init__(self, canvas: Canvas, evaluators: Sequence[Evaluator], cache: Cache | None = None) -> None:
        self.canvas = canvas
        self.evaluators = tuple(evaluators)
        self.cache = cache or Cache()
        source = canvas.source
        self._painted = digest(
            source.generator.fingerprint, source.space, source.label, source.resolution, source.groups
        )
        self._known = [digest_of(evaluator) for evaluator in self.evaluators]
        self._first: np.ndarray | None = None
        self._ready = set[int]()

    def measure(self, evaluator: Evaluator, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Responses [n, f] and embedding [n, e] of the pictures of latents; the other evaluators measure them too."""
        which = next(k for k, other in enumerate(self.evaluators) if other is evaluator)
        parts = [self._look(which, latents[at : at + PIECE]) for at in range(0, len(latents), PIECE)]
        return tuple(np.concatenate([part[k] for part in parts]) for k in (0, 1))  # type: ignore[return-value]

    def _look(self, which: int, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        latents = np.ascontiguousarray(latents, dtype=np.float32)
        if self._first is None:
            self._first = latents
        keys = [
            # without a digest what is seen stays in this process, in which the object's own number tells it apart
            digest(self._painted, known or f"object {id(evaluator)}", latents)
            for known, evaluator in zip(self._known, self.evaluators, strict=True)
        ]
        found = self.cache.find(keys[which])
        if found is None:
            missing = [k for k, key in enumerate(keys) if self.cache.find(key) is None]
            self._prepare(missing, latents)
            for k, (responses, embedding) in zip(missing, self._measured(missing, latents), strict=True):
                kept = {"responses": responses, "embedding": embedding.astype(np.float32)}
                self.cache.keep(keys[k], kept, on_disk=bool(self._known[k]))
            found = self.cache.find(keys[which]) or {}
        return found["responses"], found["embedding"].astype(np.float64)

    def _prepare(self, missing: Sequence[int], latents: np.ndarray) -> None:
        """An evaluator finds out on its first pictures which features are the same in a mirror image: these are the same
        pictures whether its measurements of them were kept or not."""
        new = [k for k in missing if k not in self._ready]
        if new and self._first is not None and not np.array_equal(self._first, latents):
            self._measured(new, self._first)
        self._ready.update(new)

    def _measured(self, which: Sequence[int], latents: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        import torch

        with torch.inference_mode():
            images = self.canvas.synthesize(torch.from_numpy(latents)).clamp(-1, 1)
            return [self.evaluators[k].measure(latents, images) for k in which]


def digest(*parts: Any) -> str:
    """A digest of plain values and arrays; "" where one of them is ""."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str) and not part:
            return ""
        array = isinstance(part, np.ndarray)
        found.update(repr((part.shape, str(part.dtype)) if array else part).encode())
        if array:
            found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:32]


def digest_of(thing: Any) -> str:
    """What identifies an evaluator or extractor: its fingerprint, its weights, or its name in this version of the package;
    "" for code of somebody else's."""
    if isinstance(thing, ExtractorEvaluator):
        views = [VIEWS.index(view) if view in VIEWS else -1 for view in thing.views]
        return "" if -1 in views else digest(digest_of(thing.extractor), views, tlgan.__version__)
    if getattr(thing, "fingerprint", ""):
        return str(thing.fingerprint)
    if parts := getattr(thing, "parts", ()):
        return digest(*(digest_of(part) for part in parts))
    if (module := getattr(thing, "module", None)) is not None and hasattr(module, "state_dict"):
        return digest(*(tensor.numpy(force=True) for tensor in module.state_dict().values()))
    ours = type(thing).__module__.startswith("tlgan.")
    return digest(type(thing).__qualname__, thing.name, tlgan.__version__) if ours else ""


def digest_of_axes(axes: Axes) -> str:
    """All of axes that an edit depends on."""
    arrays = (
        axes.directions,
        axes.intercepts,
        axes.mean,
        axes.sd,
        axes.latent_mean,
        axes.latent_covariance,
        axes.effects,
    )
    return digest(axes.space, axes.generator, axes.names, axes.base, axes.groups, axes.latent_radius, axes.truncation,
                  *arrays)  # fmt: skip
