"""A latent whose picture is the photograph: optimisation, from an encoder's guess or the population's mean.

The latent of layer l is mean + root (u + v_l): u is what all layers share and what axes move, v_l what one layer adds
(w+, Abdal, Qin and Wonka, ICCV 2019). Both are whitened by the population's covariance, so that a plain length says
how unlikely a latent is; the prior on them is what keeps sliders true on the result. Small pictures come first, painted
by the generator's picture head where it has one, since a gradient through a whole picture costs fifty times as much;
some steps on whole pictures mend what the head cannot show.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.axes.metric import Metric
from tlgan.errors import TlganError
from tlgan.generators import Generator
from tlgan.generators.base import LatentGenerator
from tlgan.io.isolation import installed_only

from .identity import Identity
from .offsets import split
from .perceptual import Perceptual

#: Largest side in pixels of pictures that are compared; whole pictures are averaged down to it.
COMPARED = 256
_SMALL = 128
#: What tuning adds to a generator's weights, by name.
Weights = dict[str, Tensor]
_DIAGONAL = 200  # numbers of a latent from which on the search keeps a variance each and no correlations


@dataclass(frozen=True)
class Plan:
    """``small``: steps on small pictures, ``whole``: on whole ones; ``rate``: largest step of Adam in whitened units,
    ``whole_rate`` on whole pictures, and ``apart`` the share of it at which layers part from one another; weights of the
    distances: ``pixels`` (L1 at full and a quarter of the side), ``features`` (an extractor's embedding), ``perceptual``
    and ``identity`` (where weights for them are there), ``shared`` and ``layers`` (the prior on u and on the offsets).
    ``tune`` and ``tune_whole``: steps of tuning on small and on whole pictures, where the generator can be tuned, ``tune_rate`` its largest step in standard
    deviations of a weight, ``kept`` the prior that keeps weights what they were."""

    small: int = 50
    whole: int = 0
    rate: float = 0.2
    whole_rate: float = 0.03
    apart: float = 0.25
    pixels: float = 1.0
    features: float = 0.05
    identity: float = 0.3
    shared: float = 0.02
    layers: float = 0.02
    perceptual: float = 0.15
    tune: int = 40
    tune_whole: int = 0
    tune_rate: float = 0.01
    kept: float = 0.1


#: What --tune does: a minute and a half on two cores in place of 20 seconds.
TUNED = Plan(tune=150, tune_whole=2)


@dataclass(frozen=True, eq=False)
class Found:
    """How far an inversion is: ``latent`` float32 [d], or [layers, d] where the generator has layers, the best so far;
    ``loss`` of it, ``step`` of ``steps``, ``seconds`` since the beginning, and ``stage`` in words; ``weights``: what tuning
    adds to the generator's."""

    latent: np.ndarray
    loss: float
    step: int
    steps: int
    seconds: float
    stage: str
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)


def tunable_of(generator: Generator) -> dict[str, tuple[int, Tensor]]:
    """What can be tuned of a generator; nothing of one that is not of our own kind."""
    return generator.tunable() if isinstance(generator, LatentGenerator) else {}


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
        perceptual: Perceptual | None = None,
        options: dict[str, Any] | None = None,
        groups: Sequence[int] = (),
    ) -> None:
        self.generator = generator
        self.space = space
        self.layers = generator.num_ws if space != "z" and "w+" in generator.spaces else 0
        self._groups = list(groups) or [max(1, self.layers)]
        self._root, self._inverse, self._mean = (
            torch.from_numpy(np.ascontiguousarray(part)).float() for part in (metric.root, metric.inverse, metric.mean)
        )
        self._embed, self._identity, self._perceptual = embed, identity, perceptual
        self._options = options or {}
        #: of one layer's offset: the first group's share of the population's
        self._width = len(self._mean) // len(self._groups)
        layer = self._root[: self._width] @ self._root[: self._width].T
        self._layer_root = (
            self._root
            if len(self._groups) == 1
            else torch.linalg.cholesky(layer + 1e-6 * layer.diag().mean() * torch.eye(len(layer)))
        )
        self._layer_inverse = self._inverse if len(self._groups) == 1 else torch.linalg.inv(self._layer_root)
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
        begun = time.monotonic()
        shared, offsets = (part.clone().requires_grad_() for part in self._whitened(start))
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
                for part, value in zip((shared, offsets), self._whitened(best.numpy()), strict=True):
                    part.copy_(value)

    def tune(self, target: Tensor, weight: Tensor, latent: np.ndarray, plan: Plan) -> Iterator[tuple[Found, Weights]]:
        """Steps of tuning around the `latent` [d] or [layers, d] of a picture, as `run`, with what to add to the weights.

        Small pictures come first and move what has a part in them; whole ones move all. Raises TlganError for a
        generator whose weights can't be tuned.
        """
        tunable, known = self.generator, tunable_of(self.generator)
        if not known or not isinstance(tunable, LatentGenerator):
            raise TlganError(f"{self.generator.name} has no weights that can be tuned: invert without tuning")
        begun, steps = time.monotonic(), plan.tune + (plan.tune_whole if self._costly else 0)
        rows = torch.from_numpy(np.ascontiguousarray(latent)).float().reshape(-1, self._width)
        scales = {
            name: tensor.std().clamp_min(1e-8) if tensor.numel() > 1 else tensor for name, (_, tensor) in known.items()
        }
        moved = {name: torch.zeros_like(tensor).requires_grad_() for name, (_, tensor) in known.items()}
        head = getattr(self.generator, "head", None)
        for first, count, side, rate, stage in (
            (0, plan.tune, self.small_side, plan.tune_rate, "tuning on small pictures"),
            (plan.tune, steps - plan.tune, None, plan.tune_rate / 3, "tuning on whole pictures"),
        ):
            if not count:
                continue
            reached = side if head is None else head.side
            names = [name for name, (at, _) in known.items() if side is None or at <= (reached or at)]
            compare = self._comparison(target, weight, min(side or COMPARED, COMPARED), plan)
            optimizer = torch.optim.Adam([moved[name] for name in names], lr=rate, betas=(0.9, 0.95))
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(_cycle, count=count))
            best_loss, best = np.inf, {name: tensor.detach().clone() for name, tensor in moved.items()}
            for step in range(count):
                generator = tunable.tuned({name: known[name][1] + scales[name] * moved[name] for name in names})
                painted = self._paint(rows.requires_grad_(), side, generator)
                loss = compare(painted) + plan.kept * sum(moved[name].square().mean() for name in names) / len(names)
                if (now := float(loss.detach())) < best_loss:
                    best_loss, best = now, {name: tensor.detach().clone() for name, tensor in moved.items()}
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                found = Found(latent, best_loss, first + step + 1, steps, time.monotonic() - begun, stage)
                yield found, {name: scales[name] * best[name] for name in best if bool(best[name].any())}
            with torch.no_grad():
                for name, tensor in moved.items():
                    tensor.copy_(best[name])

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
        first, none = self._whitened(start)[0], torch.zeros(sum(self._groups), self._width)
        options = {"seed": 1, "verbose": -9, "CMA_diagonal": dim > _DIAGONAL}
        strategy = cma.CMAEvolutionStrategy(first.double().numpy(), 0.5, options)
        best, best_loss = self._latent(first, none), np.inf
        for step in range(plan.small):
            asked, losses = strategy.ask(), []
            for white in asked:
                shared = torch.from_numpy(np.asarray(white)).float()
                latent = self._latent(shared, none)
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
        """[layers, d], or [1, d] where there are none; in groups of layers each has its own share of what is shared."""
        groups = (self._mean + self._root @ shared).reshape(len(self._groups), -1)
        rows = groups.repeat_interleave(torch.tensor(self._groups), dim=0)
        return rows + (offsets - offsets.mean(dim=0)) @ self._layer_root.T if self.layers else rows

    def _whitened(self, latent: np.ndarray | None) -> tuple[Tensor, Tensor]:
        """What layers share [d], and their offsets [layers, d], of a latent [d] or [layers, d]; None: of the mean."""
        if latent is None:
            return torch.zeros(len(self._mean)), torch.zeros(sum(self._groups), self._width)
        middle, offsets = split(np.broadcast_to(latent, (sum(self._groups), self._width)), self._groups)
        white = self._inverse @ (torch.from_numpy(middle).float() - self._mean)
        return white, torch.from_numpy(offsets).float() @ self._layer_inverse.T

    def _paint(self, latent: Tensor, side: int | None, generator: Generator | None = None) -> Tensor:
        generator = generator or self.generator
        device = getattr(self.generator, "device", "cpu")
        rows = (latent[None] if self.layers else latent).to(device)
        options = dict(self._options)
        if side is not None and side < self.generator.resolution:
            options["resolution"] = side
        painted = generator.synthesize(rows, space="w+" if self.layers else self.space, **options).cpu()
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
            seen = self._perceptual(wanted) if self._perceptual and plan.perceptual else None

        def compare(painted: Tensor) -> Tensor:
            if painted.shape[-1] != side:
                painted = F.interpolate(painted, size=side, mode="area")
            loss = plan.pixels * (counts * (painted - wanted).abs()).mean()
            loss = loss + plan.pixels * (coarse[1] * (F.avg_pool2d(painted, 4) - coarse[0]).abs()).mean()
            if embedded is not None and self._embed is not None:
                loss = loss + plan.features * (self._embed(painted.clamp(-1, 1)) - embedded).abs().mean() / spread
            if seen is not None and self._perceptual is not None:
                loss = loss + plan.perceptual * self._perceptual.distance(self._perceptual(painted), seen)
            if who is not None and self._identity is not None:
                loss = loss + plan.identity * (self._identity(painted) - who).square().sum()
            return loss

        return compare


def _cycle(step: int, *, count: int) -> float:
    """Share of the largest rate: up over a twentieth of the steps, then down along a cosine."""
    at = step / count
    return float(min(1.0, (at + 0.01) / 0.05) * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * at))))
