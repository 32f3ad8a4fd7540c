"""The loop: first the generator alone repaints photographs from their codes, then critic and generator take turns.

The weights that are kept are a running average of those that are trained. Stopped at any moment, the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from tlgan.generators.nets.modulated import ModulatedNet

from .augment import disturb, moved
from .code import Code, miniature
from .critic import Critic, critic_loss, maker_loss
from .data import as_float
from .frechet import Moments, frechet_distance
from .knowledge import Knowledge
from .slim import widths_of


@dataclass(frozen=True)
class Plan:
    """`pictures`: how many photographs are shown in all; the first `warm_up` of them without a critic.
    `average_over`: half-life of the kept weights, in pictures."""

    pictures: int
    latent_dim: int = 96
    widths: tuple[int, ...] = (256, 256, 128, 64, 32)  # at 4, 8, 16, ... pixels
    code: int = 80  # latents that are tied to a picture's code; the rest is the generator's own
    batch: int = 32
    learning_rate: float = 3e-4
    critic_rate: float = 4e-4
    warm_up: int = 6_000
    likeness: float = 2.0  # weight of repainting photographs, and of hitting codes, beside the critic's verdict
    disturbance: float = 0.5  # of what the critic sees: 1 where pictures are few or shown very often
    average_over: int = 8_000
    seed: int = 0
    checkpoint_minutes: float = 3.0
    measure_every: int = 16_000  # pictures


class Training:
    """Networks, optimisers and counters of one run in ``folder``."""

    def __init__(self, pictures: Tensor, plan: Plan, folder: Path, knowledge: Knowledge | None) -> None:
        torch.manual_seed(plan.seed)
        self.pictures, self.plan, self.folder, self.knowledge = pictures, plan, folder, knowledge
        begun = torch.load(self.checkpoint, weights_only=True) if self.checkpoint.exists() else None
        widths = plan.widths if begun is None else widths_of(begun["maker"])  # it may have been made slimmer since
        self.maker = _last(ModulatedNet(plan.latent_dim, widths))
        self.critic = _last(Critic(pictures.shape[-1]))
        self.average = deepcopy(self.maker).requires_grad_(False)
        self.maker_optimizer = torch.optim.Adam(self.maker.parameters(), plan.learning_rate, betas=(0.0, 0.99))
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), plan.critic_rate, betas=(0.0, 0.99))
        if knowledge is not None:
            knowledge.rescale(as_float(pictures[:256]))
        self.seen = 0
        self.photographs: Moments | None = None
        if begun is not None:
            self._resume(begun)
        else:
            self.code, self.codes = Code.fit(map(as_float, pictures.split(256)), plan.code, knowledge)
            self._sketch()
            self.save()

    @property
    def checkpoint(self) -> Path:
        return self.folder / "training.ckpt"

    @torch.no_grad()
    def _sketch(self) -> None:
        """Before the first step: sketches are the best linear guess from the codes, and nothing is added to them."""
        looks = torch.cat([miniature(as_float(part)).flatten(1) for part in self.pictures.split(256)])
        self.maker.sketch.weight.zero_()
        # Codes have mean 0 and covariance 1, so the regression's slope is the covariance.
        self.maker.sketch.weight[:, : self.plan.code] = (looks - looks.mean(dim=0)).t() @ self.codes / len(looks)
        self.maker.sketch.bias.copy_(looks.mean(dim=0))
        for block in self.maker.blocks:
            block.to_picture.weight.mul_(0.1)
        self.average.load_state_dict(self.maker.state_dict())

    def run(self, *, pause_file: Path | None = None, say: Callable[[str], None] = print) -> nn.Module:
        """Train until ``plan.pictures`` were shown; returns the averaged generator."""
        plan = self.plan
        since, seen_then, saved, totals = time.monotonic(), self.seen, time.monotonic(), torch.zeros(4)
        steps = 0
        while self.seen < plan.pictures:
            while pause_file is not None and pause_file.exists():
                time.sleep(1)
            totals += self.step()
            steps += 1
            if self.seen // plan.measure_every > (self.seen - plan.batch) // plan.measure_every:
                say(f"{self.seen} pictures: Fréchet distance {self.distance():.2f}")
            if time.monotonic() - saved > 60 * plan.checkpoint_minutes or self.seen >= plan.pictures:
                rate = (self.seen - seen_then) / (time.monotonic() - since)
                likeness, code, fooled, right = (totals / steps).tolist()
                say(
                    f"{self.seen} pictures, {rate:.1f}/s: likeness {likeness:.3f}, code {code:.3f}, "
                    f"verdict {-fooled:+.3f}, critic right {right:.2f}"
                )
                self.save()
                since, seen_then, saved = time.monotonic(), self.seen, time.monotonic()
                totals, steps = torch.zeros(4), 0
        return self.average.eval()

    def step(self) -> Tensor:
        """One turn of each; -> unlikeness of what was repainted, distance of codes, generator's loss, and how often
        the critic is right."""
        plan, half = self.plan, self.plan.batch // 2
        # A repainted half and a drawn one: the critic sees both, and may not tell either from photographs.
        rows = torch.randint(len(self.pictures), (plan.batch,))
        real = as_float(self.pictures[rows])
        z = torch.randn(plan.batch, plan.latent_dim)
        z[:half, : plan.code] = self.codes[rows[:half]]
        # The critic's word counts fully once it has had two thousand pictures to form an opinion.
        trust = min(1.0, max(0.0, (self.seen - plan.warm_up) / 2_000))
        right = torch.full((), 0.5)
        made = self.maker(z)
        if self.seen >= plan.warm_up:
            right = self._critic_step(real, made.detach())

        likeness, code = self._likeness(real[:half], made, z)
        maker = torch.zeros(())
        if trust > 0:
            self.critic.requires_grad_(False)
            maker = maker_loss(self._judge(made))
            self.critic.requires_grad_(True)
        # What leaves the range of pictures is clipped where it is shown, so nobody may rely on it.
        beyond = (made.abs() - 1).clamp(min=0).square().mean()
        self.maker_optimizer.zero_grad(set_to_none=True)
        (plan.likeness * (likeness + code) + trust * maker + beyond).backward()
        self.maker_optimizer.step()

        self.seen += plan.batch
        # Early on the average is short, or the noise of the beginning would stay in it.
        half_life = min(plan.average_over, 0.1 * self.seen)
        _follow(self.average, self.maker, 0.5 ** (plan.batch / half_life))
        return torch.stack([likeness.detach(), code.detach(), maker.detach(), right])

    def _critic_step(self, real: Tensor, made: Tensor) -> Tensor:
        flip = torch.rand(len(real)) < 0.5
        real = torch.where(flip[:, None, None, None], real.flip(-1), real)
        real_verdicts, made_verdicts = self._judge(real), self._judge(made)
        self.critic_optimizer.zero_grad(set_to_none=True)
        critic_loss(real_verdicts, made_verdicts).backward()
        self.critic_optimizer.step()
        return ((real_verdicts > 0).float().mean() + (made_verdicts < 0).float().mean()).detach() / 2

    def _judge(self, x: Tensor) -> Tensor:
        verdicts: Tensor = self.critic(disturb(x, self.plan.disturbance).contiguous(memory_format=torch.channels_last))
        return verdicts

    def _likeness(self, real: Tensor, made: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """How unlike photographs the repainted ones are, from afar and to the frozen network (before there is a critic
        also pixel by pixel, which alone would blur), and how far the codes of the others are from their latents."""
        half = len(real)
        unlike = (miniature(made[:half]) - miniature(real)).abs().mean()
        if self.seen < self.plan.warm_up or self.knowledge is None:
            unlike = unlike + (made[:half] - real).abs().mean()
        if self.knowledge is None:
            return unlike, self.code.distance(self.code.of(made[half:], None), z[half:])
        # Moved and noisy, so that no dust in a picture can talk the network into anything.
        blurred = moved(made, 1)
        stages, said = self.knowledge.sees(blurred + 0.03 * torch.randn_like(blurred))
        with torch.no_grad():
            wanted, _ = self.knowledge.sees(real)
        for ours, theirs in zip(stages, wanted, strict=True):
            pooled = (nn.functional.avg_pool2d(x.float(), 2) for x in (ours[:half], theirs))
            unlike = unlike + nn.functional.l1_loss(*pooled) / len(stages)
        return unlike, self.code.distance(self.code.of(made[half:], said[half:]), z[half:])

    @torch.inference_mode()
    def distance(self, n: int = 2048) -> float:
        """Fréchet distance of the averaged generator's pictures to the photographs, in the frozen network's embedding
        (in miniatures where there is none). Compare it within a run only."""
        if self.photographs is None:
            self.photographs = Moments.of(self._embed(as_float(part)) for part in self.pictures[: 4 * n].split(256))
        z = torch.randn(n, self.plan.latent_dim, generator=torch.Generator().manual_seed(1))
        made = Moments.of(self._embed(self.average(part).clamp(-1, 1)) for part in z.split(256))
        return frechet_distance(self.photographs, made)

    def _embed(self, x: Tensor) -> Tensor:
        if self.knowledge is not None:
            return self.knowledge.embeds(x)
        return nn.functional.adaptive_avg_pool2d(x, 8).flatten(1)

    # -- what stays on disk --------------------------------------------------------------------------------------

    def save(self) -> None:
        """A checkpoint, whole or not at all, and a grid of the same 64 latents each time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.checkpoint.with_suffix(".part")
        torch.save(
            {name: part.state_dict() for name, part in self._parts()}
            | {"code": asdict(self.code), "codes": self.codes, "seen": self.seen, "rng": torch.get_rng_state()},
            unfinished,
        )
        unfinished.replace(self.checkpoint)
        z = torch.randn(64, self.plan.latent_dim, generator=torch.Generator().manual_seed(2))
        with torch.inference_mode():
            Image.fromarray(grid(self.average(z))).save(self.folder / f"grid-{self.seen:08d}.png")

    def _resume(self, state: dict[str, Any]) -> None:
        if len(state["codes"]) != len(self.pictures):
            raise SystemExit(
                f"{self.checkpoint} was begun with {len(state['codes'])} pictures, not {len(self.pictures)}: "
                "go on with the same ones, or begin in another folder"
            )
        for name, part in self._parts():
            part.load_state_dict(state[name])
        self.code, self.codes, self.seen = Code(**state["code"]), state["codes"], state["seen"]
        torch.set_rng_state(state["rng"])

    def _parts(self) -> list[tuple[str, nn.Module | torch.optim.Optimizer]]:
        names = ("maker", "critic", "average", "maker_optimizer", "critic_optimizer")
        return [(name, getattr(self, name)) for name in names]


def grid(x: Tensor, columns: int = 8) -> np.ndarray:
    """Pictures [n, 3, S, S] in [-1, 1] side by side: uint8 [rows * S, columns * S, 3]; n divides into full rows."""
    rows = torch.cat([torch.cat(list(row), dim=-1) for row in x.split(columns)], dim=-2)
    return ((rows.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)


def _last(module: nn.Module) -> nn.Module:
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
