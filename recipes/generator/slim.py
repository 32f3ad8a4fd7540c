"""A generator with fewer channels that paints what a trained one paints: the channels that matter most are kept, and the
rest is learnt from the larger one's pictures.

Every latent keeps its picture, so what is known of the latents (their codes, the critic, axes) stays nearly true.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlgan.generators.nets.modulated import ModulatedConv, ModulatedNet

from .knowledge import Knowledge


def widths_of(state: dict[str, Tensor]) -> tuple[int, ...]:
    """The widths of the `ModulatedNet` that this is the state of."""
    narrow = (state[f"blocks.{k}.narrow.weight"] for k in range(len(state)) if f"blocks.{k}.narrow.weight" in state)
    shapes = [tuple(weight.shape[:2]) for weight in narrow]
    return (shapes[0][1], *(outer for outer, _ in shapes))


@torch.no_grad()
def pruned(teacher: ModulatedNet, widths: tuple[int, ...]) -> ModulatedNet:
    """A network of these widths, made of the channels of `teacher` that those after them listen to most."""
    slim = ModulatedNet(teacher.latent_dim, widths, teacher.channels)
    slim.sketch.load_state_dict(teacher.sketch.state_dict())
    first = _loudest(widths[0], [_inputs(teacher.blocks[0].narrow)])
    ground = teacher.ground.weight.view(teacher.widths[0], -1, teacher.latent_dim)[first]
    slim.ground.weight.copy_(ground.flatten(0, 1))
    slim.ground.bias.copy_(teacher.ground.bias.view(teacher.widths[0], -1)[first].flatten())
    inner = first
    for index, (block, theirs) in enumerate(zip(slim.blocks, teacher.blocks, strict=True)):
        width = widths[index + 1]
        middle = _loudest(width, [_inputs(theirs.refine)])
        listeners = [_inputs(theirs.to_picture)]
        if index + 1 < len(teacher.blocks):
            listeners.append(_inputs(teacher.blocks[index + 1].narrow))
        outer = _loudest(width, listeners)
        _take(block.narrow, theirs.narrow, inner, middle)
        _take(block.refine, theirs.refine, middle, outer)
        _take(block.to_picture, theirs.to_picture, outer, torch.arange(teacher.channels))
        inner = outer
    return slim


def distil(
    teacher: ModulatedNet,
    slim: ModulatedNet,
    pictures: int,
    knowledge: Knowledge | None,
    *,
    batch: int = 32,
    rate: float = 1e-3,
    say: Callable[[str], None] = print,
) -> None:
    """Teach `slim` to paint as `teacher` does, on so many drawn latents; the learning rate falls to a tenth."""
    optimizer = torch.optim.Adam(slim.parameters(), rate, betas=(0.9, 0.99))
    steps = max(1, pictures // batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.1 ** (step / steps))
    total = 0.0
    for step in range(steps):
        z = torch.randn(batch, teacher.latent_dim)
        with torch.no_grad():
            wanted = teacher(z)
        made = slim(z)
        loss = F.l1_loss(made, wanted)
        if knowledge is not None:
            with torch.no_grad():
                seen, _ = knowledge.sees(wanted)
            stages, _ = knowledge.sees(made)
            for ours, theirs in zip(stages, seen, strict=True):
                loss = loss + F.l1_loss(ours, theirs) / len(stages)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        total += float(loss.detach())
        if (step + 1) % 250 == 0:
            say(f"{(step + 1) * batch} pictures: unlikeness {total / 250:.3f}")
            total = 0.0


def _inputs(layer: nn.Module) -> Tensor:
    """How loudly each input of a layer is heard: energy of its weights and of its style over drawn latents, [inner]."""
    energy: Tensor = layer.weight.square().sum(dim=(0, 2, 3))
    style = layer.style
    return energy * (style.weight.square().sum(dim=1) + style.bias.square())


def _loudest(count: int, listeners: list[Tensor]) -> Tensor:
    """The channels that are heard most by all listeners together, in their old order."""
    heard = torch.stack([x / x.sum() for x in listeners]).sum(dim=0)
    return heard.topk(count).indices.sort().values


def _take(layer: nn.Module, theirs: nn.Module, inner: Tensor, outer: Tensor) -> None:
    layer.weight.copy_(theirs.weight[outer][:, inner])
    layer.bias.copy_(theirs.bias[outer])
    layer.style.weight.copy_(theirs.style.weight[inner])
    layer.style.bias.copy_(theirs.style.bias[inner])
    if not isinstance(layer, ModulatedConv):  # a convolution scales its outputs back itself
        layer.weight.mul_((theirs.weight.square().sum() / layer.weight.square().sum()).sqrt())
