"""One training loop for teachers, student and judge.

Batches are drawn from several sets in fixed shares; what is not labelled does not count. The weights that are kept
are a running average of those that are trained, which is worth a good part of an ensemble at no cost. A run that was
stopped goes on from its last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .augment import Strength, views
from .data import BLURRY, Faces

# Age learns quickly and from a set of its own; with more it takes the network from the forty others.
_AGE_SHARE = 0.12
_SMALL = 48  # pixels


@dataclass(frozen=True)
class Plan:
    """How long, how fast, and how much the teachers' word counts beside the labels."""

    steps: int
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    average: float = 0.998
    label_weight: float = 1.0
    teacher_weight: float = 0.0
    small: float = 0.0  # share of the steps, the first ones, at 48 pixels: as good for half the cost
    seed: int = 0
    strength: Strength = field(default_factory=Strength)
    checkpoint_every: int = 200


def fit(
    model: nn.Module,
    sets: Sequence[tuple[Faces, int]],
    plan: Plan,
    checkpoint: Path,
    *,
    pause_file: Path | None = None,
) -> nn.Module:
    """Train ``model`` on ``sets`` of (faces, pictures a batch); returns the averaged model, in eval mode.

    While ``pause_file`` exists the loop sleeps. ``checkpoint`` is written to a temporary name and renamed.
    """
    model = model.to(memory_format=torch.channels_last)
    average = deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(_parameter_groups(model, plan.weight_decay), lr=plan.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.learning_rate, total_steps=plan.steps, pct_start=0.15, div_factor=20, final_div_factor=500
    )
    rng = torch.Generator().manual_seed(plan.seed)
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["steps"] == plan.steps:
            model.load_state_dict(state["model"])
            average.load_state_dict(state["average"])
            optimizer.load_state_dict(state["optimizer"])
            schedule.load_state_dict(state["schedule"])
            rng.set_state(state["rng"])
            first = state["step"]
            _say(f"goes on at step {first}")
    teacher_scale = _teacher_scale(sets)
    total, counted, started = 0.0, 0, time.monotonic()
    model.train()
    for step in range(first, plan.steps):
        while pause_file is not None and pause_file.exists():
            time.sleep(1)
        batch = [_draw(faces, count, rng, plan.strength) for faces, count in sets]
        x, targets, teacher = (torch.cat([b[i] for b in batch]) for i in range(3))
        if step < plan.small * plan.steps:
            x = F.interpolate(x, size=(_SMALL, _SMALL), mode="bilinear", antialias=True, align_corners=False)
        loss = _loss(model(x.contiguous(memory_format=torch.channels_last)), targets, teacher, teacher_scale, plan)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        _follow(average, model, min(plan.average, (step + 1) / (step + 10)))
        total, counted = total + loss.item(), counted + 1
        done = step + 1
        if done % plan.checkpoint_every == 0 or done == plan.steps:
            rate = counted * len(x) / (time.monotonic() - started)
            _say(f"step {done}/{plan.steps}  loss {total / counted:.4f}  {rate:.0f} pictures/s")
            total, counted, started = 0.0, 0, time.monotonic()
            state = {
                "steps": plan.steps,
                "step": done,
                "model": model.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "rng": rng.get_state(),
            }
            unfinished = checkpoint.with_suffix(".part")
            torch.save(state, unfinished)
            unfinished.replace(checkpoint)
    return average.eval()


def _say(line: str) -> None:
    print(line, flush=True)


def _draw(faces: Faces, count: int, rng: torch.Generator, strength: Strength) -> tuple[Tensor, Tensor, Tensor]:
    chosen = faces[torch.randint(len(faces), (count,), generator=rng)]
    x, blurred = views(chosen, rng, strength)
    targets = chosen.targets.clone()
    targets[blurred, BLURRY] = torch.nan  # we blurred it: what the label said is no longer so
    teacher = torch.full_like(targets, torch.nan) if chosen.teacher is None else chosen.teacher.clone()
    teacher[blurred, BLURRY] = torch.nan
    return x, targets, teacher


def _loss(output: Tensor, targets: Tensor, teacher: Tensor, teacher_scale: Tensor, plan: Plan) -> Tensor:
    """Cross-entropy of probabilities and L1 of age against labels, plus the same and a logit match to teachers.

    The match of logits, each in units of its own spread, makes a rare attribute's differences between ordinary faces
    count as much as a common one's: those differences are what an axis is fitted to.
    """
    loss = torch.zeros(())
    if plan.label_weight:
        loss = loss + plan.label_weight * _supervised(output, targets)
    if plan.teacher_weight:
        soft = torch.cat([teacher[:, :-1].sigmoid(), teacher[:, -1:]], dim=1)
        match = F.smooth_l1_loss(output / teacher_scale, torch.nan_to_num(teacher) / teacher_scale, reduction="none")
        loss = loss + plan.teacher_weight * (_supervised(output, soft) + 0.5 * match[~teacher.isnan()].mean())
    return loss


def _supervised(output: Tensor, targets: Tensor) -> Tensor:
    known = ~targets.isnan()
    filled = torch.nan_to_num(targets)
    attributes = F.binary_cross_entropy_with_logits(output[:, :-1], filled[:, :-1], reduction="none")
    age = F.smooth_l1_loss(output[:, -1], filled[:, -1], reduction="none", beta=0.1)
    # Each output has a mean of its own, so that gender, which two sets tell, does not outweigh the rest.
    losses = torch.cat([attributes, age[:, None]], dim=1) * known
    per_output = losses.sum(dim=0) / known.sum(dim=0).clamp(min=1)
    return per_output[:-1].mean() + _AGE_SHARE * per_output[-1]


def _teacher_scale(sets: Sequence[tuple[Faces, int]]) -> Tensor:
    known = [faces.teacher for faces, _ in sets if faces.teacher is not None]
    return torch.cat(known).std(dim=0) if known else torch.ones(())


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weights decay; biases and normalisation do not."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    for kept, now in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(now, 1 - decay)
        else:
            kept.copy_(now)
