"""Write the figures of the face extractors' model card, measured on what ships.

    python recipes/model_card.py --celeba celeba.parquet --utkface utkface.parquet docs/model_cards/celeba40.md

The card's prose is written by hand; every table lies between two comments, `<!-- name -->` and `<!-- end -->`, and is
replaced. The photographs are those that `train_celeba40.py` held out. `--single` is the checkpoint of a teacher: one
network trained on labels alone, to see what averaging and distilling are worth.
"""

from __future__ import annotations

import argparse
import io
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

import tlgan
from card import fill, table
from celeba40.augment import gaussian_blur, plain_view
from celeba40.data import AGE_MEAN, AGE_SD, ATTRIBUTES, MALE, OUTPUTS, Faces, read_celeba, read_utkface, split
from celeba40.export import load_average
from celeba40.measure import attribute_table, predict, years
from celeba40.teachers import TEACHERS
from tlgan.extractors import load_extractor
from tlgan.extractors.faces import celeba40
from tlgan.extractors.trained import TrainedNetwork
from train_celeba40 import HELD_OUT

GROUPS = ("White", "Black", "Asian", "Indian", "other")
Logits = Callable[[Tensor], Tensor]


def by_attribute(student: Logits, judge: Logits, celeba: Faces) -> str:
    x, targets = plain_view(celeba), celeba.targets
    ours, theirs = (attribute_table(predict(model, x), targets) for model in (student, judge))
    majority = torch.maximum(targets.mean(dim=0), 1 - targets.mean(dim=0))
    rows = [
        [f"`{name}`", f"{majority[j]:.3f}", *(f"{value:.3f}" for value in (*ours[name], *theirs[name]))]
        for j, name in enumerate(ATTRIBUTES)
    ]
    means = [np.nanmean(list(t.values()), axis=0) for t in (ours, theirs)]
    rows.append(["**mean**", f"{majority[:-1].mean():.3f}", *(f"**{v:.4f}**" for pair in means for v in pair)])
    head = ["attribute", "larger class", "accuracy", "AUC", "judge's accuracy", "judge's AUC"]
    return table(head, rows)


def by_group(student: Logits, utkface: Faces) -> str:
    outputs = predict(student, plain_view(utkface))
    error = outputs[:, -1] - years(utkface.targets[:, -1])
    right = (outputs[:, MALE] > 0) == (utkface.targets[:, MALE] > 0.5)
    age = years(utkface.targets[:, -1])
    assert utkface.group is not None
    subsets = [("all", torch.ones_like(right))]
    subsets += [(group, utkface.group == j) for j, group in enumerate(GROUPS)]
    subsets += [("women", utkface.targets[:, MALE] < 0.5), ("men", utkface.targets[:, MALE] > 0.5)]
    edges = (0, 10, 20, 40, 60, 200)
    subsets += [
        (f"{low} to {high - 1} years" if high < 200 else f"{low} years and over", (age >= low) & (age < high))
        for low, high in itertools.pairwise(edges)
    ]
    rows = [
        [
            name,
            f"{int(s.sum())}",
            f"{error[s].abs().mean():.2f}",
            f"{error[s].mean():+.2f}",
            f"{right[s].float().mean():.3f}",
        ]
        for name, s in subsets
    ]
    return table(["UTKFace, unseen", "pictures", "age error (years)", "age bias (years)", "gender accuracy"], rows)


def group_head(extractor: TrainedNetwork, learned: Faces, held_out: Faces, generator: str, n: int = 4000) -> str:
    """A linear head for the five groups on the extractor's embedding, as a measurement alone: what the embedding holds
    of them, how the generator's faces fall, and which attributes go with each group there."""
    assert learned.group is not None
    assert held_out.group is not None
    rows = torch.randperm(len(learned), generator=torch.Generator().manual_seed(0))[:6000]
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000, class_weight="balanced"))
    head.fit(predict(extractor.embedding, plain_view(learned[rows])).numpy(), learned.group[rows].numpy())
    told = head.predict(predict(extractor.embedding, plain_view(held_out)).numpy())
    truth = held_out.group.numpy()
    source = tlgan.load_generator(generator)
    with torch.inference_mode():
        pictures = torch.cat([source.synthesize(part) for part in source.sample(n, seed=30_001).split(250)])
    embedding, logits = predict(extractor.embedding, pictures).numpy(), predict(extractor.logits, pictures).numpy()
    shares, towards = head.predict_proba(embedding).mean(axis=0), head.decision_function(embedding)
    rows_ = []
    for group, name in enumerate(GROUPS):
        with_it = np.array([np.corrcoef(towards[:, group], logits[:, j])[0, 1] for j in range(len(ATTRIBUTES))])
        most = ", ".join(f"`{ATTRIBUTES[j]}` {with_it[j]:+.2f}" for j in np.argsort(-np.abs(with_it))[:3])
        recall = float(np.mean(told[truth == group] == group))
        rows_.append([name, f"{int((truth == group).sum())}", f"{recall:.3f}", f"{shares[group]:.3f}", most])
    rows_.append(["**mean**", f"{len(truth)}", f"**{balanced_accuracy_score(truth, told):.3f}**", "", ""])
    head_row = ["UTKFace's group", "unseen pictures", "named right", "share of generated faces", "goes there most with"]
    return table(head_row, rows_)


def by_disturbance(student: Logits, celeba: Faces, utkface: Faces) -> str:
    def rows_for(name: str, view: Callable[[Faces], Tensor]) -> list[str]:
        figures = np.nanmean(
            list(attribute_table(logits := predict(student, view(celeba)), celeba.targets).values()), 0
        )
        same = np.mean([np.corrcoef(logits[:, j], clean[:, j])[0, 1] for j in range(len(ATTRIBUTES))])
        error = (predict(student, view(utkface))[:, -1] - years(utkface.targets[:, -1])).abs().mean()
        return [name, f"{figures[0]:.4f}", f"{figures[1]:.4f}", f"{same:.3f}", f"{error:.2f}"]

    clean = predict(student, plain_view(celeba))
    disturbances: list[tuple[str, Callable[[Faces], Tensor]]] = [
        ("none", plain_view),
        ("no antialiasing on the way to 64 pixels", _aliased),
        ("mirrored", lambda f: plain_view(f, flip=True)),
        ("blur, σ 1 pixel", lambda f: gaussian_blur(plain_view(f), torch.ones(len(f)))),
        ("blur, σ 1.5 pixels", lambda f: gaussian_blur(plain_view(f), torch.full((len(f),), 1.5))),
        ("JPEG at 64 pixels, quality 50", lambda f: _jpeg(plain_view(f), 50)),
        ("JPEG at 64 pixels, quality 20", lambda f: _jpeg(plain_view(f), 20)),
        ("noise, sd 5 % of the range", lambda f: _noise(plain_view(f), 0.1)),
        ("shifted by 3 %", lambda f: plain_view(f, shift=(0.03, -0.03))),
        ("shifted by 6 %", lambda f: plain_view(f, shift=(-0.06, 0.06))),
        ("crop 10 % wider", lambda f: plain_view(f, zoom=1.1)),
        ("crop 15 % tighter", lambda f: plain_view(f, zoom=0.85)),
        ("crop 30 % tighter", lambda f: plain_view(f, zoom=0.7)),
        ("grey", lambda f: plain_view(f).mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)),
    ]
    head = ["disturbance", "accuracy", "AUC", "correlation with undisturbed logits", "age error (years)"]
    return table(head, [rows_for(name, view) for name, view in disturbances])


def on_generated(networks: dict[str, Logits], generator: str, n: int = 10_000, train: int = 8_000) -> str:
    """Held-out R² of linear axes, and agreement with the judge, by attribute."""
    source = tlgan.load_generator(generator)
    latents = source.sample(n, seed=20_001)
    with torch.inference_mode():
        outputs = {name: [] for name in networks}
        for part in latents.split(250):
            pictures = source.synthesize(part)
            for name, network in networks.items():
                outputs[name].append(network(pictures)[:, : len(ATTRIBUTES)])
    z = latents.numpy()
    values = {name: torch.cat(parts).numpy() for name, parts in outputs.items()}
    r2 = {
        name: r2_score(
            y[train:], Ridge(alpha=1.0).fit(z[:train], y[:train]).predict(z[train:]), multioutput="raw_values"
        )
        for name, y in values.items()
    }
    others = [name for name in networks if name != "judge"]
    agree = {
        name: [np.corrcoef(values[name][train:, j], values["judge"][train:, j])[0, 1] for j in range(len(ATTRIBUTES))]
        for name in others
    }
    columns = [*r2.values(), *agree.values()]
    rows = [[f"`{a}`", *(f"{column[j]:.2f}" for column in columns)] for j, a in enumerate(ATTRIBUTES)]
    rows.append(["**mean**", *(f"**{np.mean(column):.3f}**" for column in columns)])
    head = ["attribute", *(f"R², {name}" for name in r2), *(f"agreement of {name} with judge" for name in others)]
    return table(head, rows)


def speed() -> str:
    """Pictures a second at 64 pixels, float32, batches of 256; the median of five."""
    rows = []
    x = torch.rand(256, 3, 64, 64) * 2 - 1
    for name in ("celeba40", "judge40"):
        extractor = load_extractor(name)
        gradient_input = x.clone().requires_grad_(True)

        def forward(extractor: object = extractor) -> None:
            extractor.extract(x)  # type: ignore[attr-defined]

        def backward(extractor: object = extractor, at: Tensor = gradient_input) -> None:
            torch.autograd.grad(extractor.logits(at).sum(), at)  # type: ignore[attr-defined]

        rows.append([f"`{name}`", *(f"{len(x) / _median_seconds(step):.0f}" for step in (forward, backward))])
    threads = torch.get_num_threads()
    head = [f"{threads} threads", "extract (pictures/s)", "one gradient to the pixels (pictures/s)"]
    return table(head, rows)


def _median_seconds(step: Callable[[], None]) -> float:
    times = []
    for _ in range(6):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return float(np.median(times[1:]))


def _aliased(faces: Faces) -> Tensor:
    top, left, side = (int(v) for v in faces.box)
    x = faces.pictures[:, :, top : top + side, left : left + side].float() / 127.5 - 1
    return torch.nn.functional.interpolate(x, size=(64, 64), mode="bilinear", align_corners=False)


def _jpeg(x: Tensor, quality: int) -> Tensor:
    packed = []
    for picture in ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy():
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        packed.append(np.asarray(Image.open(buffer)))
    return torch.from_numpy(np.stack(packed)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _noise(x: Tensor, sd: float) -> Tensor:
    return (x + sd * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)


def _single(checkpoint: Path) -> Logits:
    network = load_average(checkpoint, TEACHERS["residual"](OUTPUTS))

    def logits(x: Tensor) -> Tensor:
        raw = network(x)
        return torch.cat([raw[:, :-1], raw[:, -1:] * AGE_SD + AGE_MEAN], dim=1)

    return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card", type=Path)
    parser.add_argument("--celeba", type=Path, required=True)
    parser.add_argument("--utkface", type=Path, required=True)
    parser.add_argument("--single", type=Path, help="teacher-residual.ckpt of the training")
    parser.add_argument("--generator", default="face64", help="whose faces the tables are about")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    _, celeba = split(read_celeba(options.celeba), HELD_OUT, seed=None)
    learned, utkface = split(read_utkface(options.utkface), HELD_OUT, seed=0)
    student, judge = (load_extractor(name).logits for name in ("celeba40", "judge40"))  # type: ignore[attr-defined]
    networks = {"celeba40": student}
    if options.single is not None:
        networks["one plain network"] = _single(options.single)
    networks["judge"] = judge
    tables = {
        "attributes": by_attribute(student, judge, celeba),
        "groups": by_group(student, utkface),
        "group head": group_head(celeba40(), learned, utkface, options.generator),
        "disturbances": by_disturbance(student, celeba, utkface),
        "axes": on_generated(networks, options.generator),
        "speed": speed(),
    }
    fill(options.card, tables)


if __name__ == "__main__":
    main()
