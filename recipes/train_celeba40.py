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
from celeba40.export import export, load_average
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
    checkpoint = options.output / f"teacher-{name}.ckpt"
    say(f"teacher {name}: {plan.steps} steps")
    teacher = fit(TEACHERS[name](OUTPUTS), sets, plan, checkpoint, pause_file=options.pause_file)
    if again:
        views = Strength(shift=0.03, rotate=5.0, stretch=0.03, light=0.1, blur=0.1, jpeg=0.1, noise=0.05, erase=0.1)
        plan = replace(
            plan,
            steps=int(TEACHER_STEPS_AGAIN * options.effort),
            learning_rate=2e-3,
            weight_decay=0.15,
            seed=seed + 100,
            strength=views,
        )
        sets[0] = (replace(photographs.celeba, zoom=(0.85, 1.08)), 80)
        sets[1] = (photographs.utkface, 16)
        checkpoint = options.output / f"teacher-{name}-again.ckpt"
        say(f"teacher {name}, again: {plan.steps} steps")
        teacher = fit(teacher.requires_grad_(True), sets, plan, checkpoint, pause_file=options.pause_file)
    photographs.report(f"teacher {name}", teacher)
    return teacher


def train_student(photographs: Photographs, teachers: list[nn.Module], options: argparse.Namespace) -> None:
    say("the teachers look at every picture, flipped, moved and blurred")
    again = "-again" if options.round > 3 else ""  # by then they have learnt on, and are asked again
    rendered = generated(tlgan.load_generator(options.generator), 8_000, seed=1_000_003)
    # The teachers look at the usual crop; the student has to say the same of tighter and wider ones.
    celeba = replace(
        taught(photographs.celeba, teachers, options.output / f"taught-celeba{again}.pt", views=2), zoom=(0.68, 1.08)
    )
    utkface = taught(photographs.utkface, teachers, options.output / f"taught-utkface{again}.pt", views=1)
    rendered = taught(rendered, teachers, options.output / f"taught-rendered{again}.pt")
    # It starts as the teacher of its own kind and learns what the average knows better.
    student, checkpoint = _started(deepcopy(teachers[0]), "student", options)
    plan = Plan(
        steps=int(1500 * options.effort),
        learning_rate=2e-3,
        seed=11,
        label_weight=1.0,
        teacher_weight=0.7,
        strength=Strength(blur=0.2, jpeg=0.15, noise=0.1),
    )
    counts = (56, 20, 20)
    if options.round > 1:
        # By now it knows what its teachers know: mostly labels, and views that are closer to the usual one.
        calm = Strength(shift=0.03, rotate=5.0, stretch=0.03, light=0.1, blur=0.1, jpeg=0.1, noise=0.05)
        plan = replace(
            plan, steps=int(1000 * options.effort), learning_rate=1e-3, seed=12, teacher_weight=0.4, strength=calm
        )
        celeba, counts = replace(celeba, zoom=(0.85, 1.08)), (72, 12, 12)
    if options.round > 2:
        plan = replace(plan, learning_rate=7e-4, seed=13)
        celeba = replace(celeba, zoom=(0.9, 1.06))
    if options.round > 3:
        celeba, counts = replace(celeba, zoom=(0.88, 1.08)), (64, 16, 16)
        plan = replace(
            plan,
            steps=int(2400 * options.effort),
            learning_rate=1.5e-3,
            weight_decay=0.1,
            teacher_weight=0.8,
            small=0.4,
            seed=14,
        )
    say(f"student: {plan.steps} steps")
    sets = list(zip((celeba, utkface, rendered), counts, strict=True))
    student = fit(student, sets, plan, checkpoint, pause_file=options.pause_file)
    photographs.report("student", student)
    export(student, "residual", [*ATTRIBUTES, AGE], SOURCE, options.output / "celeba40.safetensors")


def _started(network: nn.Module, name: str, options: argparse.Namespace) -> tuple[nn.Module, Path]:
    """What training starts from, and where its checkpoint lies; a further round starts where the one before it ended."""
    checkpoints = [options.output / f"{name}{ending}.ckpt" for ending in ("", "-again", "-third", "-fourth")]
    if options.round > 1:
        network = load_average(checkpoints[options.round - 2], network)
    return network.requires_grad_(True), checkpoints[options.round - 1]


def train_judge(photographs: Photographs, options: argparse.Namespace) -> None:
    """Labels alone; three quarters of the photographs, drawn apart; stronger geometry, weaker light."""
    chosen = [
        faces[torch.randperm(len(faces), generator=torch.Generator().manual_seed(21))[: len(faces) * 3 // 4]]
        for faces in (photographs.celeba, photographs.utkface)
    ]
    torch.manual_seed(21)
    judge, checkpoint = _started(ARCHITECTURES["plain"](OUTPUTS), "judge", options)
    views = Strength(shift=0.06, rotate=9.0, stretch=0.06, light=0.08, colour=0.03, blur=0.2, noise=0.12, erase=0.1)
    plan = Plan(steps=int(2400 * options.effort), learning_rate=2e-3, small=0.5, seed=21, strength=views)
    say(f"judge: {plan.steps} steps")
    sets = [(chosen[0], 80), (chosen[1], 16)]
    judge = fit(judge, sets, plan, checkpoint, pause_file=options.pause_file)
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
        "--round", type=int, choices=(1, 2, 3, 4), default=1, help="of a network's training; each follows the last"
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
