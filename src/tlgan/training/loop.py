"""The training loop: a running average of the weights, early stopping on pictures set aside, and a checkpoint at
some of these looks, so that a kill loses seconds and the run that goes on ends as one that was never killed.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tlgan.errors import TlganError
from tlgan.io.files import replacing

Draw = Callable[[torch.Generator], tuple[Tensor, Tensor]]  # a random batch: network input, labels
Loss = Callable[[Tensor, Tensor], Tensor]
_BETWEEN = 5.0  # seconds, at least, between two checkpoints


@dataclass(frozen=True)
class Plan:
    """How long and how fast. ``every``: steps between looks at the pictures set aside; ``patience``: looks without
    improvement that end the training; ``trunk_rate``: the learning rate below the head, as a share of the head's."""

    steps: int
    rate: float
    every: int
    patience: int
    trunk_rate: float = 1.0
    average: float = 0.998
    decay: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Course:
    """How training went: steps done, the best loss on the pictures set aside and the step it was reached at."""

    steps: int
    best: float
    best_step: int
    stopped_early: bool


def fit(
    network: nn.Module,
    draw: Draw,
    loss: Loss,
    held_out: Callable[[nn.Module], float],
    plan: Plan,
    checkpoint: Path,
    told: Callable[[int, int, float, float], None],
) -> tuple[nn.Module, Course]:
    """Train, and return the averaged network that was best on the pictures set aside, with its course.

    ``told(step, steps, loss, held-out loss)`` is called at every look. A checkpoint of the same plan is gone on with.
    """
    average = deepcopy(network).requires_grad_(False).eval()
    head = [p for name, p in network.named_parameters() if name.startswith("head.") and p.requires_grad]
    trunk = [p for name, p in network.named_parameters() if not name.startswith("head.") and p.requires_grad]
    rated = [(part, rate) for part, rate in ((head, plan.rate), (trunk, plan.rate * plan.trunk_rate)) if part]
    rates = [rate for _, rate in rated]
    optimizer = torch.optim.AdamW([{"params": part, "lr": rate} for part, rate in rated], weight_decay=plan.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=plan.steps, pct_start=0.15, div_factor=20, final_div_factor=200
    )
    rng = torch.Generator().manual_seed(plan.seed)
    torch.manual_seed(plan.seed)  # dropout
    step, best, best_step, waited, written = 0, held_out(average), 0, 0, time.monotonic()
    kept = _state(average)
    if checkpoint.exists():
        saved = read_checkpoint(checkpoint)
        for part, name in (
            (network, "network"),
            (average, "average"),
            (optimizer, "optimizer"),
            (schedule, "schedule"),
        ):
            part.load_state_dict(saved[name])
        rng.set_state(saved["rng"])
        torch.set_rng_state(saved["dropout"])
        step, best, best_step, waited, kept = (saved[k] for k in ("step", "best", "best_step", "waited", "kept"))
    while step < plan.steps and waited < plan.patience:
        network.train()
        total, stop = 0.0, min(step + plan.every, plan.steps)
        counted = stop - step
        while step < stop:
            x, values = draw(rng)
            value = loss(network(x), values)  # float32: on a CPU, half precision casts more than it saves
            if not torch.isfinite(value):
                raise TlganError(
                    f"training broke down at step {step} (the loss is {float(value)}): check the labels for huge numbers, or "
                    "start from something else (--backbone)"
                )
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_([*head, *trunk], 5.0)
            optimizer.step()
            schedule.step()
            step += 1
            _follow(average, network, min(plan.average, step / (step + 9)))
            total += float(value.detach())
        now = held_out(average)
        improved = now < best - 1e-5
        waited = 0 if improved else waited + 1
        if improved:
            best, best_step, kept = now, step, _state(average)
        told(step, plan.steps, total / counted, now)
        if time.monotonic() - written < _BETWEEN and step < plan.steps and waited < plan.patience:
            continue  # a checkpoint is tens of megabytes, written through to the disk
        written = time.monotonic()
        write_checkpoint(
            checkpoint,
            {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "rng": rng.get_state(),
                "dropout": torch.get_rng_state(),
                "step": step,
                "best": best,
                "best_step": best_step,
                "waited": waited,
                "kept": kept,
            },
        )
    average.load_state_dict(kept)
    return average.eval(), Course(step, best, best_step, step < plan.steps)


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def read_checkpoint(checkpoint: Path) -> dict[str, Any]:
    """What `write_checkpoint` kept. Raises TlganError where the file is damaged."""
    try:
        saved: dict[str, Any] = torch.load(checkpoint, weights_only=True)
        return saved
    except Exception as error:  # unpickling raises a dozen kinds
        raise TlganError(
            f"the checkpoint {checkpoint} is damaged ({type(error).__name__}): delete it to start again"
        ) from error


def write_checkpoint(checkpoint: Path, state: dict[str, Any]) -> None:
    """Keep tensors and plain values, whole or not at all. Raises TlganError where the disk is full."""
    data = io.BytesIO()
    torch.save(state, data)  # into memory first: a full disk is an OSError then, not the writer's own kind of error
    with replacing(checkpoint) as temporary:
        temporary.write_bytes(data.getbuffer())


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    for kept, now in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(now, 1 - decay)
        else:
            kept.copy_(now)
