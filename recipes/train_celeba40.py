"""Train the face extractors that ship with the package, end to end, on a CPU.

    python recipes/train_celeba40.py --celeba celeba.parquet --utkface utkface.parquet -o out

Two unlike networks learn CelebA's attributes and UTKFace's age; their average over five views of every picture,
generated faces among them, teaches one small network: `celeba40.safetensors`. A `judge40.safetensors` of yet another
kind learns from labels alone, on other pictures and other views. The last thousand of each set is held out
throughout. Stopped at any moment, the same command goes on.
"""

from __future__ import annotations

import argparse
import functools
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

import tlgan
from celeba40.augment import Strength, plain_view
from celeba40.data import AGE, ATTRIBUTES, OUTPUTS, Faces, read_celeba, read_utkface, split
from celeba40.export import export, load_average, load_between
from celeba40.measure import age_error, predict, summary
from celeba40.teachers import TEACHERS
from celeba40.teaching import generated, taught
from celeba40.training import Plan, fit
from tlgan.extractors.networks import ARCHITECTURES

HELD_OUT = 1000
SOURCE = "CelebA and UTKFace (non-commercial research only); recipes/train_celeba40.py"
# The student goes on from the residual teacher, which therefore stops earlier.
TEACHER_STEPS = {"residual": 1800, "excited": 2400}
TEACHER_STEPS_AGAIN = 4000
# The student's views, from every kind to the usual one.
_WIDE = Strength(blur=0.2, jpeg=0.15, noise=0.1)
_CALM = Strength(shift=0.03, rotate=5.0, stretch=0.03, light=0.1, blur=0.1, jpeg=0.1, noise=0.05)
say = functools.partial(print, flush=True)


@dataclass(frozen=True)
class Photographs:
    """Both sets, split once for everything that follows."""

    celeba: Faces
    celeba_held_out: Faces
    utkface: Faces
    utkface_held_out: Faces

    @staticmethod
    def read(celeba: Path, utkface: Path) -> Photographs:
        return Photographs(
            *split(read_celeba(celeba), HELD_OUT, seed=None), *split(read_utkface(utkface), HELD_OUT, seed=0)
        )

    def report(self, name: str, model: nn.Module) -> None:
        accuracy, auc = summary(predict(model, plain_view(self.celeba_held_out)), self.celeba_held_out.targets)
        error = age_error(predict(model, plain_view(self.utkface_held_out)), self.utkface_held_out.targets)
        say(f"{name}: held-out accuracy {accuracy:.4f}, AUC {auc:.4f}, age {error:.2f} years")


def train_teacher(name: str, photographs: Photographs, options: argparse.Namespace, *, again: bool) -> nn.Module:
    """Labels alone. ``again`` goes on from the first run's average, with closer views and more decay."""
    seed = 1 + list(TEACHERS).index(name)
    torch.manual_seed(seed)
    plan = Plan(steps=int(TEACHER_STEPS[name] * options.effort), learning_rate=3e-3, small=0.5, seed=seed)
    sets = [(photographs.celeba, 72), (photographs.utkface, 24)]
    checkpoint = _checkpoint(f"teacher-{name}", 1, options)
    say(f"teacher {name}: {plan.steps} steps")
    teacher = fit(TEACHERS[name](OUTPUTS), sets, plan, checkpoint, pause_file=options.pause_file)
    if again:
        plan = replace(
            plan,
            steps=int(TEACHER_STEPS_AGAIN * options.effort),
            learning_rate=2e-3,
            weight_decay=0.15,
            seed=seed + 100,
            strength=replace(_CALM, erase=0.1),
        )
        sets = [(replace(photographs.celeba, zoom=(0.85, 1.08)), 80), (photographs.utkface, 16)]
        checkpoint = _checkpoint(f"teacher-{name}", 2, options)
        say(f"teacher {name}, again: {plan.steps} steps")
        teacher = fit(teacher.requires_grad_(True), sets, plan, checkpoint, pause_file=options.pause_file)
    photographs.report(f"teacher {name}", teacher)
    return teacher


@dataclass(frozen=True)
class Round:
    """A round of the student's: how it trains, pictures a batch of (CelebA, UTKFace, rendered), CelebA's crop."""

    plan: Plan
    counts: tuple[int, int, int]
    zoom: tuple[float, float]


# From views of every kind to the usual one, from the teachers' word to the labels; then once more with teachers who have
# learnt on. That gains on photographs and loses on rendered faces, which the last round makes good.
ROUNDS = (
    Round(Plan(1500, 2e-3, seed=11, teacher_weight=0.7, strength=_WIDE), (56, 20, 20), (0.68, 1.08)),
    Round(Plan(1000, 1e-3, seed=12, teacher_weight=0.4, strength=_CALM), (72, 12, 12), (0.85, 1.08)),
    Round(Plan(1000, 7e-4, seed=13, teacher_weight=0.4, strength=_CALM), (72, 12, 12), (0.9, 1.06)),
    Round(
        Plan(2400, 1.5e-3, weight_decay=0.1, small=0.4, seed=14, teacher_weight=0.8, strength=_CALM),
        (64, 16, 16),
        (0.88, 1.08),
    ),
    Round(Plan(1600, 8e-4, weight_decay=0.1, seed=15, teacher_weight=0.8, strength=_CALM), (56, 12, 28), (0.88, 1.08)),
)


def train_student(photographs: Photographs, teachers: list[nn.Module], options: argparse.Namespace) -> None:
    say("the teachers look at every picture, flipped, moved and blurred")
    this = ROUNDS[options.round - 1]
    again = "-again" if options.round > 3 else ""  # by then they have learnt on, and are asked again
    # The teachers look at the usual crop; the student has to say the same of tighter and wider ones.
    celeba = taught(photographs.celeba, teachers, options.output / f"taught-celeba{again}.pt", views=2)
    utkface = taught(photographs.utkface, teachers, options.output / f"taught-utkface{again}.pt", views=1)
    painter = tlgan.load_generator(options.generator)
    third, fourth, fifth = (_checkpoint("student", number, options) for number in (3, 4, 5))
    if options.round < 5:
        # It starts as the teacher of its own kind and learns what the average knows better.
        student = _started(deepcopy(teachers[0]), "student", options)
        fresh = generated(painter, 8_000, seed=1_000_003)
        rendered = taught(fresh, teachers, options.output / f"taught-rendered{again}.pt")
    else:
        student = load_between(third, fourth, deepcopy(teachers[0])).requires_grad_(True)
        fresh = generated(painter, 20_000, seed=2_000_003)
        witnesses = _witnesses(student, teachers[1], third, options)
        rendered = taught(fresh, witnesses, options.output / "taught-rendered-last.pt", views=3)
    plan = replace(this.plan, steps=int(this.plan.steps * options.effort))
    say(f"student: {plan.steps} steps")
    sets = list(zip((replace(celeba, zoom=this.zoom), utkface, rendered), this.counts, strict=True))
    checkpoint = _checkpoint("student", options.round, options)
    student = fit(student, sets, plan, checkpoint, pause_file=options.pause_file)
    photographs.report("student", student)
    if options.round == 5:
        student = load_between(third, fifth, student, 0.7)
        photographs.report("student, mixed with its third round", student)
    export(student, "residual", [*ATTRIBUTES, AGE], SOURCE, options.output / "celeba40.safetensors")


def _witnesses(student: nn.Module, excited: nn.Module, third: Path, options: argparse.Namespace) -> list[nn.Module]:
    """Who tells the last round about rendered faces: those that agree best with networks that never met them."""
    first, second = (_checkpoint("teacher-excited", number, options) for number in (1, 2))
    return [
        deepcopy(student).eval(),
        load_average(third, deepcopy(student)),
        load_between(first, second, deepcopy(excited)),
        load_average(first, deepcopy(excited)),
    ]


def _checkpoint(name: str, number: int, options: argparse.Namespace) -> Path:
    ending = ("", "-again", "-third", "-fourth", "-fifth")[number - 1]
    path: Path = options.output / f"{name}{ending}.ckpt"
    return path


def _started(network: nn.Module, name: str, options: argparse.Namespace) -> nn.Module:
    """What training starts from; a further round starts where the one before it ended."""
    if options.round > 1:
        network = load_average(_checkpoint(name, options.round - 1, options), network)
    return network.requires_grad_(True)


def train_judge(photographs: Photographs, options: argparse.Namespace) -> None:
    """Labels alone; three quarters of the photographs, drawn apart; stronger geometry, weaker light."""
    chosen = [
        faces[torch.randperm(len(faces), generator=torch.Generator().manual_seed(21))[: len(faces) * 3 // 4]]
        for faces in (photographs.celeba, photographs.utkface)
    ]
    torch.manual_seed(21)
    judge = _started(ARCHITECTURES["plain"](OUTPUTS), "judge", options)
    views = Strength(shift=0.06, rotate=9.0, stretch=0.06, light=0.08, colour=0.03, blur=0.2, noise=0.12, erase=0.1)
    plan = Plan(steps=int(2400 * options.effort), learning_rate=2e-3, small=0.5, seed=21, strength=views)
    say(f"judge: {plan.steps} steps")
    sets = [(chosen[0], 80), (chosen[1], 16)]
    judge = fit(judge, sets, plan, _checkpoint("judge", options.round, options), pause_file=options.pause_file)
    photographs.report("judge", judge)
    export(judge, "plain", ATTRIBUTES, SOURCE, options.output / "judge40.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--celeba", type=Path, required=True, help="Parquet: image, and the 40 attributes")
    parser.add_argument("--utkface", type=Path, required=True, help="Parquet: image, age, female, ethnicity")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for checkpoints and weights")
    parser.add_argument(
        "--only",
        choices=[*TEACHERS, "student", "judge"],
        help="one part; the student trains what teachers are missing. Parts on a core each are faster than one on all",
    )
    parser.add_argument("--generator", default="face64", help="whose faces the student also learns from")
    parser.add_argument("--effort", type=float, default=1.0, help="factor on the number of steps")
    parser.add_argument(
        "--round", type=int, choices=(1, 2, 3, 4, 5), default=1, help="of a network's training; each follows the last"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pause-file", type=Path, help="training sleeps while this file exists")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    photographs = Photographs.read(options.celeba, options.utkface)
    if options.only in TEACHERS:
        train_teacher(options.only, photographs, options, again=options.round > 1)
    if options.only in (None, "student"):
        teachers = [train_teacher(name, photographs, options, again=options.round > 3) for name in TEACHERS]
        train_student(photographs, teachers, options)
    if options.only in (None, "judge"):
        train_judge(photographs, options)


if __name__ == "__main__":
    main()
