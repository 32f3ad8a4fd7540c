"""From labelled pictures to an extractor: read, split, train, measure, write; each step goes on where it was cut off.

What is unfinished lives in `<out>.work/`, beside the result, and is deleted once that is written.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tlgan.errors import TlganError
from tlgan.extractors import Feature
from tlgan.extractors.trained import save_trained
from tlgan.io.files import appearing, discard, replacing, sweep, to_write
from tlgan.io.lock import locked
from tlgan.io.step import Step, finish
from tlgan.progress import Progress, ProgressLike, as_progress

from .augment import ROOM, plain_view, random_view
from .card import write_card
from .export import check_onnx, export_onnx
from .loop import Course, Plan, fit
from .network import SCRATCH, Start, initial_head, start_from, taken_over
from .objective import Figures, figures, headline, loss
from .pictures import CHUNK, decode, unreadable
from .readers import Labelled, read_labelled
from .split import Split, split_rows
from .targets import Target, read_targets

DEFAULT_BACKBONE = "celeba40"
_BATCH = 64  # pictures a step; fewer where there are fewer than six times as many
_LOOK = 256  # pictures at a time when nothing is learned
FEW = 3000  # labelled pictures under which all of a network moves freely
FAMILIAR = 0.6  # mean held-out AUC of a linear probe from which a backbone counts as knowing these pictures


@dataclass(frozen=True)
class Trained:
    """What was made: the files, from what it started, how training went, and the figures by label."""

    onnx: Path
    weights: Path | None
    card: Path
    backbone: str
    pictures: int
    unreadable: int
    course: Course
    figures: tuple[Figures, ...]
    seconds: float

    @property
    def headline(self) -> str:
        """The mean figures on one line."""
        return headline(self.figures)


def train_extractor(
    images: Any,
    labels: str | Path | None = None,
    out: str | Path = "extractor.onnx",
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    backbone: str = "",
    size: int = 0,
    steps: int = 0,
    flip: bool = True,
    seed: int = 0,
    progress: ProgressLike = None,
) -> Trained:
    """Train an extractor on labelled pictures, and write it as ONNX (and safetensors), with a model card beside it.

    ``images``: a folder, a Parquet file, a `datasets.Dataset`, or `datasets:owner/name`; ``labels``: `list_attr_celeba.txt`, a CSV or a
    Parquet file, where the pictures do not say themselves. ``only``, ``skip``, ``kinds``: as in `read_targets`.
    ``backbone``: where to start: "scratch", or an extractor with an embedding; by default `celeba40` where its
    embedding tells these labels apart, from scratch otherwise. ``size``: side of the network's input in pixels;
    ``steps``: at most so many of 64 pictures; ``flip``: whether a mirrored picture has the same labels.

    Killed at any moment, the same call goes on. Raises TlganError for labels and pictures that nothing can be learned
    from, before any training.
    """
    started = time.perf_counter()
    progress = as_progress(progress)
    out = Path(out)
    if out.suffix != ".onnx":
        raise TlganError(f"the result is an ONNX file, and {out} is not named as one: give a name that ends in .onnx")
    check_onnx()
    progress.stage("reading the labels")
    labelled = read_labelled(images, labels)
    targets = read_targets(labelled.columns, only=only, skip=skip, kinds=kinds)
    work = out.with_name(f"{out.stem}.work")
    for path in (out, out.with_suffix(".safetensors"), out.with_suffix(".md"), work):
        to_write(out.parent, path.name)
    job = _job(labelled, targets, {"backbone": backbone, "size": size, "steps": steps, "flip": flip, "seed": seed})
    with locked(work.with_name(f".{work.name}.lock"), progress.stage):
        _claim(work, job)
        progress.stage(f"reading {len(labelled.names):,} pictures: {labelled.source}")
        side = round((size or _size_of(backbone)) * ROOM)
        chunks, bad = decode(labelled, side, work, lambda done: progress.step("pictures", done, len(labelled.names)))
        if bad:
            progress.stage(f"{unreadable(labelled, bad)}; going on without")
        rows = np.setdiff1d(np.arange(len(labelled.names)), bad)
        split = split_rows(targets, rows, seed=seed)
        data = _Data(chunks, torch.from_numpy(np.stack([target.values for target in targets], axis=1)))
        start, why = _choose(backbone, size, data, split, targets, seed)
        progress.stage(f"training {why}")
        network, course = _train(start, data, split, targets, steps, flip, seed, work, progress)
        progress.stage("measuring on pictures it has not seen")
        output, values = _outputs(network, data, split.test, start.size), data.values[torch.from_numpy(split.test)]
        table = figures(output.numpy(), values.numpy(), targets)
        network = _in_units(network, targets)
        features, groups = _features(targets)
        progress.stage(f"writing {out}")
        weights = out.with_suffix(".safetensors") if start.architecture else None
        card = out.with_suffix(".md")
        facts = _facts(labelled, split, bad, start, why, course)
        notes = [f"{len(bad)} of its pictures could not be read."] if bad else []
        if start.name == DEFAULT_BACKBONE:
            notes.append(
                "It started from `celeba40`, which has seen most of CelebA's first 9,000 pictures and UTKFace: on those sets its "
                "figures flatter it."
            )
        with Step(out.parent, at=work) as step:
            export_onnx(step.path(out.name), network, features, groups, start.size)
            if weights is not None:
                save_trained(step.path(weights.name), network, features, groups, start.architecture, start.size)
            write_card(step.path(card.name), title=out.stem, facts=facts, table=table, notes=notes)
        with suppress(TlganError):  # what was asked for is there
            discard(work)
        seconds = time.perf_counter() - started
        return Trained(out, weights, card, start.name, len(rows), len(bad), course, tuple(table), seconds)


class _Data:
    """Pictures and labels by row."""

    def __init__(self, chunks: list[np.ndarray], values: Tensor) -> None:
        self.chunks = chunks
        self.values = values

    def pictures(self, rows: np.ndarray) -> Tensor:
        """uint8 [n, H, W, 3]."""
        return torch.from_numpy(np.stack([self.chunks[row // CHUNK][row % CHUNK] for row in rows.tolist()]))


def _choose(
    backbone: str, size: int, data: _Data, split: Split, targets: Sequence[Target], seed: int
) -> tuple[Start, str]:
    """Where to start, and why in words."""
    if backbone:
        start = start_from(backbone, size)
        return start, "from scratch" if start.name == SCRATCH else f"from {backbone}, as asked"
    if size not in (0, 64):
        return start_from(SCRATCH, size), f"from scratch ({DEFAULT_BACKBONE} looks at 64 pixels)"
    start = start_from(DEFAULT_BACKBONE, size)
    known = _probe(start, data, split, targets)
    if known >= FAMILIAR:
        return start, f"from {DEFAULT_BACKBONE}: its embedding tells these labels apart already ({known:.2f})"
    return start_from(
        SCRATCH, size
    ), f"from scratch: {DEFAULT_BACKBONE}'s embedding does not tell these labels apart ({known:.2f})"


def _probe(start: Start, data: _Data, split: Split, targets: Sequence[Target]) -> float:
    """How well a linear head on the frozen embedding does on the pictures set aside: mean AUC, (1 + R²) / 2 of numbers."""
    network = start.build(_width(targets))
    _set_head(network, data, split.train[:4000], targets, start.size)
    output = _outputs(network, data, split.stop, start.size)
    table = figures(output.numpy(), data.values[torch.from_numpy(split.stop)].numpy(), targets)
    return float(np.mean([(1 + max(row.r2, 0)) / 2 if row.kind == "number" else row.auc for row in table]))


def _train(
    start: Start,
    data: _Data,
    split: Split,
    targets: Sequence[Target],
    steps: int,
    flip: bool,
    seed: int,
    work: Path,
    progress: Progress,
) -> tuple[nn.Module, Course]:
    torch.manual_seed(seed)
    network = start.build(_width(targets)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    aside = data.values[torch.from_numpy(split.stop)]

    def held_out(model: nn.Module) -> float:
        return float(loss(_outputs(model, data, split.stop, start.size), aside, targets))

    if start.extractor is not None:
        _set_head(network, data, split.train, targets, start.size)
        own = taken_over(network, start, targets)
        if held_out(own) < held_out(network):  # unless a label of the same name means something else here
            network = own
    batch = int(np.clip(len(split.train) // 6, 8, _BATCH))
    plan = _plan(start, len(split.train), steps, seed)

    def draw(rng: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = split.train[torch.randint(len(split.train), (batch,), generator=rng).numpy()]
        x = random_view(data.pictures(chosen), start.size, rng, flip=flip)
        return x.contiguous(memory_format=torch.channels_last), data.values[torch.from_numpy(chosen)]

    return fit(
        network,
        draw,
        lambda output, values: loss(output, values, targets),
        held_out,
        plan,
        work / "checkpoint.pt",
        lambda done, total, loss, held_out: progress.step(
            "steps", done, total, f"loss {loss:.4f}, on pictures set aside {held_out:.4f}"
        ),
    )


def _plan(start: Start, pictures: int, steps: int, seed: int) -> Plan:
    """From scratch some fifty looks at every picture, from good weights some fifteen; never fewer than 300 steps.

    With few labels the whole network is free to move: what it was taught to overlook may be what is asked for now, and
    the pictures set aside say when it has gone too far. With many, the trunk moves slowly.
    """
    if start.extractor is None:
        steps = steps or int(np.clip(50 * pictures / _BATCH, 300, 6000))
        return Plan(steps, 3e-3, max(1, min(100, steps // 10)), patience=12, seed=seed)
    if pictures < FEW:
        steps = steps or 400
        return Plan(steps, 2e-3, max(1, steps // 20), patience=15, average=0.99, seed=seed)
    steps = steps or int(np.clip(15 * pictures / _BATCH, 300, 2000))
    return Plan(steps, 1e-3, max(1, min(100, steps // 10)), patience=6, trunk_rate=0.3, average=0.99, seed=seed)


@torch.inference_mode()
def _outputs(network: Any, data: _Data, rows: np.ndarray, size: int) -> Tensor:
    """Raw outputs float32 [n, outputs] for whole pictures."""
    network.eval()
    parts = [rows[first : first + _LOOK] for first in range(0, len(rows), _LOOK)]
    return torch.cat([network(_plain(data, part, size)).float() for part in parts])


def _plain(data: _Data, rows: np.ndarray, size: int) -> Tensor:
    return plain_view(data.pictures(rows), size).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _set_head(network: Any, data: _Data, rows: np.ndarray, targets: Sequence[Target], size: int) -> None:
    network.eval()
    parts = [rows[first : first + _LOOK] for first in range(0, len(rows), _LOOK)]
    embeddings = torch.cat([network.embed(_plain(data, part, size)).float() for part in parts])
    widths = [(target.width, target.kind, target.centre, target.spread) for target in targets]
    initial_head(network, embeddings, data.values[torch.from_numpy(rows)], widths)


@torch.no_grad()
def _in_units(network: Any, targets: Sequence[Target]) -> nn.Module:
    """The network with numbers in their units in place of spreads."""
    column = 0
    for target in targets:
        if target.kind == "number":
            network.head.weight[column] *= target.spread
            network.head.bias[column] = network.head.bias[column] * target.spread + target.centre
        column += target.width
    made: nn.Module = network
    return made


def _features(targets: Sequence[Target]) -> tuple[tuple[Feature, ...], list[tuple[int, int]]]:
    features: list[Feature] = []
    groups = []
    for target in targets:
        if target.kind == "classes":
            groups.append((len(features), len(features) + target.width))
        features += target.features()
    return tuple(features), groups


def _width(targets: Sequence[Target]) -> int:
    return sum(target.width for target in targets)


def _size_of(backbone: str) -> int:
    return 64 if backbone in ("", SCRATCH) else start_from(backbone, 0).size


def _job(labelled: Labelled, targets: Sequence[Target], options: dict[str, Any]) -> str:
    digest = hashlib.sha256("\n".join(labelled.names).encode())
    for target in targets:
        digest.update(f"{target.name} {target.kind} {target.classes}".encode() + target.values.tobytes())
    return json.dumps({"labels": digest.hexdigest(), **options}, sort_keys=True)


def _claim(work: Path, job: str) -> None:
    """Begin, or go on with the same job; what is left of another one is cleared away."""
    note = work / "job.json"
    sweep(work.parent, work.name)
    if work.exists():
        sweep(work)
        finish(work.parent, work)
        if note.exists() and note.read_text("utf-8") == job:
            return
        if not note.exists() and any(work.iterdir()):
            raise TlganError(
                f"{work} is in the way: it is where unfinished training is kept; move it, or choose another --out"
            )
        discard(work)
    with appearing(work) as folder, replacing(folder / note.name) as temporary:
        temporary.write_text(job, encoding="utf-8")


def _facts(
    labelled: Labelled, split: Split, bad: list[int], start: Start, why: str, course: Course
) -> list[tuple[str, str]]:
    counts = [len(rows) for rows in (split.train, split.stop, split.test)]
    ending = "stopped early" if course.stopped_early else "ran to its end"
    return [
        ("learned from", f"{labelled.source}: {len(labelled.names):,} pictures, {len(bad)} unreadable"),
        ("split", f"{counts[0]:,} to learn from, {counts[1]:,} to stop by, {counts[2]:,} to measure on"),
        (
            "training",
            f"{why}; {course.steps:,} steps, {ending}, best at step {course.best_step:,}",
        ),
        ("input", f"RGB, {start.size} x {start.size} pixels, values in [0, 1]"),
        ("files", "ONNX (`values`, `embedding`)" + (", safetensors" if start.architecture else "")),
    ]
