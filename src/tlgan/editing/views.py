"""Measures features over several augmented views, and their Jacobian with respect to the latent.

A single extractor is easy to fool adversarially: an edit that follows its gradient changes its output without a visible
change. So every picture is measured in several views that leave a face the same face, and the average is corrected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tlgan import pieces
from tlgan.errors import TlganError
from tlgan.generators import batch_size

from .canvas import Canvas

if TYPE_CHECKING:
    from torch import Tensor

#: What keeping the identity weighs: a change of the embedding as large as that to another face costs as much as this
#: squared latent length.
IDENTITY_WEIGHT = 100.0


class AveragedViews:
    """The features `rows` [r] of a canvas' pictures, in population sd, and their slopes in whitened latents.

    ``keep``: latents [n, d] whose identity is watched, as one more row: the distance in the extractor's embedding
    from the picture of latent i, in units of the mean distance between two people; latents given later correspond.
    """

    def __init__(self, canvas: Canvas, rows: np.ndarray, *, keep: np.ndarray | None = None) -> None:
        self.canvas = canvas
        self.rows = rows
        self._symmetric = canvas.symmetric[rows] if len(VIEWS) > 1 else np.ones(len(rows), dtype=bool)
        self.differentiable = canvas.differentiable(rows)
        self.global_slopes = canvas.axes.whitened_slopes[rows]
        self._pictures: dict[bytes, Tensor] = {}
        self._kept: Tensor | None = None
        if keep is not None:
            if not self.differentiable:
                raise TlganError(
                    "identity can't be locked here: it needs a generator and an extractor that can be differentiated"
                )
            self._kept = canvas.embed(keep)
            self._unit = canvas.stranger_distance
            self.global_slopes = np.concatenate([self.global_slopes, np.zeros((1, canvas.axes.latent_dim))])

    def with_identity(self, wanted: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Targets [n, r] and weights [r], with those of the identity's row where it is watched."""
        if self._kept is None:
            return wanted, weight
        return np.pad(wanted, ((0, 0), (0, 1))), np.append(weight, IDENTITY_WEIGHT)

    def measure(self, latents: np.ndarray) -> np.ndarray:
        """Positions float64 [n, r] of the pictures of latents [n, d]."""
        import torch

        with torch.no_grad():
            parts = [
                self._measure(self._painted(torch.from_numpy(latents[part])), part)
                for part in pieces.cut(len(latents), batch_size(self.canvas.generator))
            ]
        return torch.cat(parts).double().numpy(force=True)

    def slopes(self, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions float64 [n, r], and slopes float64 [n, r, d] in whitened coordinates."""
        import torch

        seen, slopes = [], []
        for part in pieces.cut(len(latents), min(32, batch_size(self.canvas.generator))):
            values, gradients = self._jacobian(torch.from_numpy(latents[part]), part)
            seen.append(values.double().numpy(force=True))
            slopes.append(gradients.double().numpy(force=True) @ self.canvas.axes.metric.root)
        return np.concatenate(seen), np.concatenate(slopes)

    def whole(self, latents: np.ndarray) -> np.ndarray:
        """`Canvas.measure` of latents [n, d]; what was painted for a single face is not painted again."""
        import torch

        if any(row.tobytes() not in self._pictures for row in latents):
            return self.canvas.measure(latents)
        with torch.inference_mode():
            return self.canvas.measure_images(torch.cat([self._pictures[row.tobytes()] for row in latents]))

    def _painted(self, latents: Tensor) -> Tensor:
        """Pictures of latents [n, d]; one alone is kept."""
        images = self.canvas.synthesize(latents)
        if len(latents) == 1:
            self._pictures[latents.numpy(force=True).tobytes()] = images.detach().clamp(-1, 1)
        return images

    def _jacobian(self, latents: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """`_measure` [n, r] of pictures of latents [n, d], and its derivative [n, r, d].

        One backward pass a feature, in which pictures are painted once. A single picture is too small a job for the
        processor: there the picture is repeated for the extractor, and all features go back in one pass.
        """
        import torch

        latents = latents.clone().requires_grad_(True)
        images = self.canvas.synthesize(latents)
        count = len(self.global_slopes)
        if len(latents) == 1:
            values, gradients = [], []
            for some in pieces.cut(count):
                repeated = images.detach().repeat(some.stop - some.start, 1, 1, 1).requires_grad_(True)
                seen = self._measure(repeated, part)
                (wanted,) = torch.autograd.grad(seen[:, some].diagonal().sum(), repeated)
                values.append(seen[:1].detach())
                gradients.append(_pulled_back(images, latents, wanted))
            return values[0], torch.cat(gradients)[None]
        seen = self._measure(images, part)
        rows = []
        for value in seen.unbind(dim=1):
            rows.append(torch.autograd.grad(value.sum(), latents, retain_graph=True)[0])
            pieces.done()
        return seen.detach(), torch.stack(rows, dim=1)

    def _measure(self, images: Tensor, part: slice) -> Tensor:
        """Positions [n, r] of pictures [n, C, H, W], differentiable where the extractor is; `part`: which of the kept."""
        import torch

        images = images.clamp(-1, 1)
        views = [view(images) for view in VIEWS]
        each = self.canvas.positions(torch.cat(views), self.rows)
        each = each.view(len(views), len(images), -1)
        seen = each.mean(dim=0)
        if len(views) > 1 and not self._symmetric.all():
            seen = torch.where(torch.from_numpy(self._symmetric), seen, each[0])
        if self._kept is None:
            return seen
        change = self.canvas.embedding(images) - self._kept[part]
        distance = (change.square().sum(dim=1) + 1e-12).sqrt() / self._unit
        return torch.cat([seen, distance[:, None].to(seen.dtype)], dim=1)


def _as_it_is(images: Tensor) -> Tensor:
    return images


def _mirrored(images: Tensor) -> Tensor:
    return images.flip(-1)


#: Views [n, C, H, W] -> [n, C, H, W] over which what is seen is averaged.
VIEWS: tuple[Callable[[Tensor], Tensor], ...] = (_as_it_is, _mirrored)


def _pulled_back(images: Tensor, latents: Tensor, gradients: Tensor) -> Tensor:
    """Gradients [r, C, H, W] at one picture [1, C, H, W] as gradients [r, d] at its latent [1, d]."""
    import torch

    try:
        (back,) = torch.autograd.grad(images, latents, gradients[:, None], retain_graph=True, is_grads_batched=True)
    except RuntimeError:  # an operation of the generator can't take several at once
        rows = [torch.autograd.grad(images, latents, row[None], retain_graph=True)[0] for row in gradients]
        return torch.cat(rows)
    return back[:, 0]
