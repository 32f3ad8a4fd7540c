"""A latent whose picture is the photograph: optimisation, from an encoder's guess or the population's mean.

The latent of layer l is mean + root (u + v_l): u is what all layers share and what axes move, v_l what one layer adds
(w+, Abdal, Qin and Wonka, ICCV 2019). Both are whitened by the population's covariance, so that a plain length says
how unlikely a latent is; the prior on them is what keeps sliders true on the result. Small pictures come first, painted
by the generator's picture head where it has one, since a gradient through a whole picture costs fifty times as much;
some steps on whole pictures mend what the head cannot show.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.axes.metric import Metric
from tlgan.errors import TlganError
from tlgan.generators import Generator
from tlgan.io.isolation import installed_only

from .identity import Identity

#: Largest side in pixels of pictures that are compared; whole pictures are averaged down to it.
COMPARED = 256
_SMALL = 128
_DIAGONAL = 200  # numbers of a latent from which on the search keeps a variance each and no correlations


@dataclass(frozen=True)
class Plan:
    """``small``: steps on small pictures, ``whole``: on whole ones; ``rate``: largest step of Adam in whitened units,
    ``whole_rate`` on whole pictures, and ``apart`` the share of it at which layers part from one another; weights of the distances: ``pixels`` (L1 at full and a quarter of the side),
    ``features`` (an extractor's embedding), ``identity`` (where weights for it are there), ``shared`` and ``layers``
    (the prior on u and on the offsets)."""

    small: int = 80
    whole: int = 2
    rate: float = 0.2
    whole_rate: float = 0.03
    apart: float = 0.25
    pixels: float = 1.0
    features: float = 0.05
    identity: float = 0.3
    shared: float = 0.02
    layers: float = 0.02


@dataclass(frozen=True, eq=False)
class Found:
    """How far an inversion is: ``latent`` float32 [d], or [layers, d] where the generator has layers, the best so far;
    ``loss`` of it, ``step`` of ``steps``, ``seconds`` since the beginning, and ``stage`` in words."""

    latent: np.ndarray
    loss: float
    step: int
    steps: int
    seconds: float
    stage: str


class Inverter:
    """What inversions on one generator share. ``space`` "z" or "w"; ``metric`` the population's geometry in it;
    ``embed`` [n, 3, h, w] -> [n, e], differentiable, or None; ``options``: label and truncation of `synthesize`."""

    def __init__(
        self,
        generator: Generator,
        space: str,
        metric: Metric,
        *,
        embed: Callable[[Tensor], Tensor] | None = None,
        identity: Identity | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.generator = generator
        self.space = space
        self.layers = generator.num_ws if space == "w" and "w+" in generator.spaces else 0
        self._root, self._inverse, self._mean = (
            torch.from_numpy(np.ascontiguousarray(part)).float() for part in (metric.root, metric.inverse, metric.mean)
        )
        self._embed, self._identity, self._options = embed, identity, options or {}
        head = getattr(generator, "head", None)
        self.small_side = head.resolution if head is not None else min(_SMALL, generator.resolution)
        self._costly = generator.resolution > _SMALL  # whole pictures cost more than small ones

    def run(
        self, target: Tensor, weight: Tensor, plan: Plan = Plan(), *, start: np.ndarray | None = None
    ) -> Iterator[Found]:
        """Steps of an inversion, the best so far each; stop reading it to stop.

        ``target`` [1, 3, s, s] in [-1, 1]; ``weight`` [1, 1, s, s] what its pixels count, 1 on average; ``start`` a
        latent [d] or [layers, d] to begin with, None: the population's mean.
        """
        if not self.generator.differentiable:
            yield from self._search(target, weight, plan, start)
            return
        begun, dim = time.monotonic(), len(self._mean)
        shared = torch.zeros(dim)
        offsets = torch.zeros(max(1, self.layers), dim)
        if start is not None:
            white = (torch.from_numpy(start).float().reshape(-1, dim) - self._mean) @ self._inverse.T
            shared, offsets = white.mean(dim=0), (white - white.mean(dim=0)).expand(max(1, self.layers), dim).clone()
        shared, offsets = shared.clone().requires_grad_(), offsets.requires_grad_()
        steps = plan.small + (plan.whole if self._costly else 0)
        best, best_loss = self._latent(shared, offsets), np.inf
        for first, count, side, rate, stage in (
            (0, plan.small, self.small_side, plan.rate, "small pictures"),
            (plan.small, steps - plan.small, None, plan.whole_rate, "whole pictures"),
        ):
            if not count:
                continue
            compare = self._comparison(target, weight, min(side or COMPARED, COMPARED), plan)
            groups = [{"params": [shared], "lr": rate}]
            if self.layers:
                groups.append({"params": [offsets], "lr": plan.apart * rate})
            optimizer = torch.optim.Adam(groups, betas=(0.9, 0.95))
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(_cycle, count=count))
            best_loss = np.inf  # losses of different pictures don't compare
            for step in range(count):
                latent = self._latent(shared, offsets)
                painted = self._paint(latent, side)
                prior = plan.shared * shared.square().mean()
                if self.layers:
                    prior = prior + plan.layers * (offsets - offsets.mean(dim=0)).square().mean()
                loss = compare(painted) + prior
                if (now := float(loss.detach())) < best_loss:
                    best, best_loss = latent.detach(), now
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                row = best[0] if not self.layers else best
                yield Found(
                    row.numpy().astype(np.float32), best_loss, first + step + 1, steps, time.monotonic() - begun, stage
                )
            with torch.no_grad():  # go on from the best
                white = (best - self._mean) @ self._inverse.T
                shared.copy_(white.mean(dim=0))
                offsets.copy_(white - white.mean(dim=0))

    def _search(self, target: Tensor, weight: Tensor, plan: Plan, start: np.ndarray | None) -> Iterator[Found]:
        """The same without gradients: CMA-ES (Hansen, 2016) on the latent that all layers share; a step is a population."""
        with installed_only():
            try:
                import cma
            except ImportError as error:
                raise TlganError(
                    f"{self.generator.name} has no gradients, so a photograph has to be searched for: install the library for "
                    "it with pip install 'tlgan[search]', or use the generator's own weights in place of an exported file"
                ) from error
        begun, dim = time.monotonic(), len(self._mean)
        compare = self._comparison(target, weight, self.small_side, plan)
        first = torch.zeros(dim)
        if start is not None:
            first = ((torch.from_numpy(start).float().reshape(-1, dim) - self._mean) @ self._inverse.T).mean(dim=0)
        options = {"seed": 1, "verbose": -9, "CMA_diagonal": dim > _DIAGONAL}
        strategy = cma.CMAEvolutionStrategy(first.double().numpy(), 0.5, options)
        best, best_loss = self._latent(first, torch.zeros(1, dim)), np.inf
        for step in range(plan.small):
            asked, losses = strategy.ask(), []
            for white in asked:
                shared = torch.from_numpy(np.asarray(white)).float()
                latent = self._latent(shared, torch.zeros(max(1, self.layers), dim))
                with torch.no_grad():
                    loss = compare(self._paint(latent, self.small_side)) + plan.shared * shared.square().mean()
                losses.append(float(loss))
                if losses[-1] < best_loss:
                    best, best_loss = latent, losses[-1]
            strategy.tell(asked, losses)
            row = best if self.layers else best[0]
            seconds = time.monotonic() - begun
            yield Found(row.numpy().astype(np.float32), best_loss, step + 1, plan.small, seconds, "search")

    def _latent(self, shared: Tensor, offsets: Tensor) -> Tensor:
        """[layers, d], or [1, d] where there are none."""
        white = shared + (offsets - offsets.mean(dim=0)) if self.layers else shared[None]
        return self._mean + white @ self._root.T

    def _paint(self, latent: Tensor, side: int | None) -> Tensor:
        device = getattr(self.generator, "device", "cpu")
        rows = (latent[None] if self.layers else latent).to(device)
        options = dict(self._options)
        if side is not None and side < self.generator.resolution:
            options["resolution"] = side
        painted = self.generator.synthesize(rows, space="w+" if self.layers else self.space, **options).cpu()
        return painted.expand(-1, 3, -1, -1)

    def _comparison(self, target: Tensor, weight: Tensor, side: int, plan: Plan) -> Callable[[Tensor], Tensor]:
        """How far a picture [1, 3, s, s] is from the target: one differentiable number."""
        wanted = F.interpolate(target, size=side, mode="area")
        counts = F.interpolate(weight, size=side, mode="area")
        coarse = F.avg_pool2d(wanted, 4), F.avg_pool2d(counts, 4)
        with torch.no_grad():
            embedded = self._embed(wanted) if self._embed and plan.features else None
            spread = embedded.std().clamp_min(1e-6) if embedded is not None else 1.0
            who = self._identity(wanted) if self._identity and plan.identity else None

        def compare(painted: Tensor) -> Tensor:
            if painted.shape[-1] != side:
                painted = F.interpolate(painted, size=side, mode="area")
            loss = plan.pixels * (counts * (painted - wanted).abs()).mean()
            loss = loss + plan.pixels * (coarse[1] * (F.avg_pool2d(painted, 4) - coarse[0]).abs()).mean()
            if embedded is not None and self._embed is not None:
                loss = loss + plan.features * (self._embed(painted.clamp(-1, 1)) - embedded).abs().mean() / spread
            if who is not None and self._identity is not None:
                loss = loss + plan.identity * (self._identity(painted) - who).square().sum()
            return loss

        return compare


def _cycle(step: int, *, count: int) -> float:
    """Share of the largest rate: up over a twentieth of the steps, then down along a cosine."""
    at = step / count
    return float(min(1.0, (at + 0.01) / 0.05) * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * at))))
